//! Parsing, the model and the texts.

use serde_json::json;

use super::*;

fn canonical(text: &str, expected: &str) {
    let schema = parse(text);
    assert_eq!(schema.canonical(), expected);
    assert_eq!(parse(expected).canonical(), expected, "canonical of canonical");
}

#[test]
fn properties_of_primitives_are_kept() {
    let schema = parse(
        r#"{"type":"record","name":"a.b.R","connect.name":"x","fields":[
            {"name":"day","type":{"type":"int","connect.version":1,"connect.name":"Date","logicalType":"date"},"default":0},
            {"name":"plain","type":"int"}]}"#,
    );
    let Kind::Record(record) = schema.kind(schema.root()) else { panic!("{schema:?}") };
    assert_eq!((record.name.full(), record.name.simple(), record.name.namespace()), ("a.b.R", "R", Some("a.b")));
    let day = schema.node(record.fields[0].schema);
    assert_eq!(day.props["connect.name"], json!("Date"));
    assert_eq!(day.logical(), Some(Logical::Date));
    assert_eq!(record.fields[0].default, Some(json!(0)));
    assert!(schema.node(record.fields[1].schema).props.is_empty());
    assert_eq!(schema.name(), Some("a.b.R"));
}

#[test]
fn a_recursive_record_is_one_node() {
    let schema = parse(r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"],"default":null}]}"#);
    let Kind::Record(record) = schema.kind(schema.root()) else { panic!() };
    let Kind::Union(branches) = schema.kind(record.fields[0].schema) else { panic!() };
    assert_eq!(branches[1], schema.root());
}

#[test]
fn the_canonical_text_is_java_avros() {
    canonical(r#" { "type" : "string" } "#, r#""string""#);
    canonical(r#"{"logicalType":"date","type":"int"}"#, r#"{"type":"int","logicalType":"date"}"#);
    canonical(
        r#"{"aliases":["Old","x.Older"],"p":1.50,"fields":[{"order":"descending","type":"E","name":"e","default":"A","doc":"d","aliases":["f"],"q":{"b":[1e10]}}],
            "name":"R","namespace":"n","doc":"it's \"é\"\n","type":"record"}"#.replace("\"E\"", r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#).as_str(),
        r#"{"type":"record","name":"R","namespace":"n","doc":"it's \"é\"\n","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"},"doc":"d","default":"A","order":"descending","aliases":["f"],"q":{"b":[1.0E10]}}],"p":1.5,"aliases":["Old","x.Older"]}"#,
    );
    // A type of another namespace, one of none inside of one, and the way back.
    canonical(
        r#"{"type":"record","name":"a.R","fields":[{"name":"x","type":{"type":"fixed","name":"b.F","size":2}},
            {"name":"y","type":{"type":"record","name":"N","namespace":"","fields":[{"name":"z","type":"b.F"}]}},{"name":"w","type":"N"},{"name":"v","type":"a.R"}]}"#,
        r#"{"type":"record","name":"R","namespace":"a","fields":[{"name":"x","type":{"type":"fixed","name":"F","namespace":"b","size":2}},{"name":"y","type":{"type":"record","name":"N","namespace":"","fields":[{"name":"z","type":"b.F"}]}},{"name":"w","type":"N"},{"name":"v","type":"R"}]}"#,
    );
}

#[test]
fn references_stay_names() {
    let address = Dependency {
        name: "x.Address".into(),
        text: r#"{"type":"record","name":"Address","namespace":"x","fields":[{"name":"street","type":"string"}]}"#.into(),
    };
    let text = r#"{"type":"record","name":"Person","namespace":"x","fields":[{"name":"home","type":"Address"}]}"#;
    let schema = AvroSchema::parse_new(text, std::slice::from_ref(&address)).expect("parses");
    assert_eq!(schema.canonical(), text);
    assert!(schema.resolved().contains("street"));
    assert!(schema.named("x.Address").is_some());
    assert!(refused(text).contains("undefined name \"x.Address\""));
}

#[test]
fn comments_are_passed_over() {
    canonical(
        "/* a */ {\"type\": // b\n \"map\", \"values\": \"int\", \"u\": \"//no\"}",
        r#"{"type":"map","values":"int","u":"//no"}"#,
    );
    assert!(refused("{\"type\": /* open").contains("comment"));
}

#[test]
fn what_is_no_schema_says_why() {
    for (text, why) in [
        ("", "empty"),
        ("{", "not JSON"),
        ("\"strin\"", "undefined name \"strin\""),
        ("5", "no schema"),
        ("{}", "no type"),
        (r#"{"type":"record","name":"R"}"#, "no list of \"fields\""),
        (r#"{"type":"record","fields":[]}"#, "no name"),
        (r#"{"type":"record","name":"1R","fields":[]}"#, "illegal initial character"),
        (r#"{"type":"record","name":"a-b.R","fields":[]}"#, "illegal character '-'"),
        (r#"{"type":"record","name":"string","fields":[]}"#, "primitive"),
        (r#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#, "has no type"),
        (r#"{"type":"record","name":"R","fields":[{"type":"int"}]}"#, "no field name"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "duplicate field \"a\"",
        ),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#, "invalid default of field \"a\""),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"up"}]}"#, "order \"up\""),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"R","fields":[]}}]}"#,
            "cannot redefine",
        ),
        (r#"["int","int"]"#, "duplicate in union"),
        (r#"["int",["null"]]"#, "nested union"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "duplicate symbol"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "default \"B\""),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "invalid \"size\""),
        (r#"{"type":"array"}"#, "without \"items\""),
        (r#"{"type":"int","aliases":5} x"#, "not JSON"),
    ] {
        let said = refused(text);
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn a_registered_schema_may_have_what_a_new_one_may_not() {
    for text in [
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#,
        r#"{"type":"record","name":"R","namespace":"a-b.$c","fields":[]}"#,
        r#"{"type":"record","name":"Übung","fields":[]}"#,
    ] {
        refused(text);
        AvroSchema::parse(text, &[]).expect(text);
    }
}

#[test]
fn the_normalized_text_has_one_order() {
    let schema = parse(
        r#"{"type":"record","name":"R","z":1,"a":{"y":1,"x":2},"aliases":["B","A"],"doc":"","fields":[
            {"name":"d","type":{"type":"bytes","zz":1,"scale":2,"precision":4,"logicalType":"decimal","b":1},"u":1,"default":"x"},
            {"name":"f","type":"double","default":1,"order":"ascending"},
            {"name":"g","type":["null","string"],"default":null,"doc":""}]}"#,
    );
    let expected = r#"{"type":"record","name":"R","fields":[{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"b":1,"zz":1},"default":"x","u":1},{"name":"f","type":"double","default":1.0},{"name":"g","type":["null","string"],"doc":"","default":null}],"a":{"x":2,"y":1},"z":1,"aliases":["A","B"]}"#;
    assert_eq!(schema.normalized(), expected);
    assert_eq!(parse(expected).normalized(), expected);
}

#[test]
fn references_stay_names_when_normalized() {
    let line = Dependency {
        name: "x.Line".into(),
        text: r#"{"type":"record","name":"Line","namespace":"x","fields":[{"name":"sku","type":{"type":"fixed","name":"Sku","size":8}}]}"#.into(),
    };
    // The type inside of the reference is no reference itself: it is written where it is met.
    let text = r#"{"type":"record","name":"Order","namespace":"x","b":1,"a":2,"fields":[{"name":"lines","type":{"type":"array","items":"Line"}},{"name":"best","type":"Sku"}]}"#;
    let schema = AvroSchema::parse_new(text, &[line.clone()]).expect("parses");
    let normalized = schema.normalized();
    assert!(normalized.contains(r#""items":"Line""#) && normalized.ends_with(r#""a":2,"b":1}"#), "{normalized}");
    assert_eq!(schema.canonical().matches("sku").count(), 0);
    let again = AvroSchema::parse_new(&normalized, &[line]).expect("parses");
    assert_eq!(again.normalized(), normalized);
    assert!(cannot_read(&again, &schema).is_empty());
}
