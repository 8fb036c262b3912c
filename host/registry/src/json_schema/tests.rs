use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(text: &str) -> JsonSchema {
    JsonSchema::parse(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn dependency(name: &str, text: &str) -> Dependency {
    Dependency { name: name.into(), text: Arc::from(text) }
}

fn refused(text: &str) -> String {
    JsonSchema::parse(text, &[]).expect_err(text).0
}

#[test]
fn canonical_text_is_what_was_given_without_blanks() {
    for (text, canonical) in [
        ("{ \"type\" : \"object\" ,\n\t\"title\": \"a  b\" }", r#"{"type":"object","title":"a  b"}"#),
        (r#"{"maximum": 1.50, "const": "\u00e9\n\/ \"x\" \\"}"#, r#"{"maximum":1.50,"const":"é\n/ \"x\" \\"}"#),
        (" true ", "true"),
        (r#"{"enum": [1e3, 12345678901234567890123]}"#, r#"{"enum":[1e3,12345678901234567890123]}"#),
    ] {
        assert_eq!(parsed(text).canonical(), canonical);
    }
}

#[test]
fn normalized_text_is_the_same_in_any_order() {
    let one = r#"{"type": ["string", "null"], "required": ["b", "a"], "properties": {"b": {}, "a": {"enum": [2, 1]}},
        "dependencies": {"x": ["d", "c"]}}"#;
    let other = r#"{"dependencies": {"x": ["c", "d"]}, "properties": {"a": {"enum": [1, 2]}, "b": {}}, "required": ["a", "b"],
        "type": ["null", "string"]}"#;
    assert_eq!(parsed(one).normalized(), parsed(other).normalized());
    assert_ne!(parsed(one).canonical(), parsed(other).canonical());
    // The order of a tuple and of alternatives stays.
    assert_ne!(
        parsed(r#"{"items":[{"type":"null"},true]}"#).normalized(),
        parsed(r#"{"items":[true,{"type":"null"}]}"#).normalized()
    );
}

#[test]
fn drafts_are_read_from_their_address() {
    for (address, draft) in [
        ("http://json-schema.org/draft-04/schema#", Draft::Four),
        ("http://json-schema.org/draft-06/schema", Draft::Six),
        ("http://json-schema.org/draft-07/schema#", Draft::Seven),
        ("https://json-schema.org/draft/2019-09/schema", Draft::Draft2019),
        ("https://json-schema.org/draft/2020-12/schema", Draft::Draft2020),
        ("http://example.org/mine", Draft::Seven),
    ] {
        assert_eq!(parsed(&json!({"$schema": address}).to_string()).draft(), draft);
    }
    assert_eq!(parsed("{}").draft(), Draft::Seven);
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (text, says) in [
        ("", "empty"),
        ("[]", "a list, and a JSON Schema is an object or a boolean"),
        ("{", "no JSON"),
        (r#"{"type":"strin"}"#, "\"strin\", which is no type"),
        (r#"{"type":[]}"#, "#/type lists no type"),
        (r#"{"properties":{"a":{"items":{"minLength":-1}}}}"#, "#/properties/a/items/minLength has to be a whole number from 0"),
        (r#"{"properties":[]}"#, "#/properties has to be an object of schemas, not a list"),
        (r#"{"properties":{"a":"string"}}"#, "#/properties has to be an object of schemas"),
        (r#"{"required":true}"#, "#/required has to be a list of strings, not a boolean"),
        (r#"{"oneOf":[]}"#, "#/oneOf has to be a list of schemas, at least one"),
        (r#"{"multipleOf":0}"#, "#/multipleOf is 0"),
        (r#"{"dependencies":{"a":[1]}}"#, "#/dependencies has to be a list of strings"),
        (r##"{"$ref":"#/definitions/x"}"##, "cannot resolve the reference \"#/definitions/x\" at #: there is nothing"),
        (r#"{"items":{"$ref":"other.json"}}"#, "at #/items: register that schema and list it in \"references\""),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(TEXT_BYTES_MAX));
    assert!(refused(&long).contains("at most"));
    let deep = format!("{}true{}", "{\"not\":".repeat(5000), "}".repeat(5000));
    assert!(refused(&deep).contains("no JSON"));
}

#[test]
fn what_is_not_known_is_kept() {
    let schema =
        parsed(r#"{"type":"integer","title":"t","connect.type":"int16","connect.index":3,"connect.parameters":{"a":"b"}}"#);
    assert_eq!(schema.root().text("connect.type"), Some("int16"));
    assert_eq!(schema.root().get("connect.index"), Some(&json!(3)));
    assert_eq!(schema.root().get("connect.parameters"), Some(&json!({"a": "b"})));
}

/// What the property `a` is behind its reference.
fn behind(text: &str, dependencies: &[Dependency]) -> Value {
    let schema = JsonSchema::parse(text, dependencies).unwrap_or_else(|e| panic!("{text}: {e}"));
    let found =
        schema.root().members("properties").find(|(name, _)| *name == "a").map(|(_, node)| node.resolved().value().clone());
    found.expect("there is a property a")
}

#[test]
fn references_lead_to_their_places() {
    let string = json!({"type": "string"});
    for text in [
        r##"{"properties":{"a":{"$ref":"#/definitions/x~1y"}},"definitions":{"x/y":{"type":"string"}}}"##,
        r##"{"properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"$ref":"#/$defs/y"},"y":{"type":"string"}}}"##,
        r##"{"properties":{"a":{"$ref":"#/components/schemas/x"}},"components":{"schemas":{"x":{"type":"string"}}}}"##,
        r##"{"$id":"http://x.org/root.json","properties":{"a":{"$ref":"part.json"}},"$defs":{"p":{"$id":"part.json","$ref":"#/$defs/i","$defs":{"i":{"type":"string"}}}}}"##,
        r##"{"properties":{"a":{"$ref":"#it"}},"definitions":{"p":{"$id":"#it","type":"string"}}}"##,
    ] {
        let found = behind(text, &[]);
        assert_eq!(found["type"], string["type"], "{text}: {found}");
    }
    assert_eq!(
        behind(
            r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"a":{"$dynamicRef":"#it"}},"$defs":{"p":{"$anchor":"it","type":"string"}}}"##,
            &[]
        )["type"],
        "string"
    );
}

#[test]
fn references_lead_to_dependencies() {
    let parts = r##"{"definitions":{"x":{"$ref":"#/definitions/y"},"y":{"type":"string"}},"type":"integer"}"##;
    let named = [dependency("parts.json", parts)];
    assert_eq!(behind(r#"{"properties":{"a":{"$ref":"parts.json"}}}"#, &named)["type"], "integer");
    assert_eq!(behind(r##"{"properties":{"a":{"$ref":"parts.json#/definitions/x"}}}"##, &named)["type"], "string");
    let based = r##"{"$id":"http://x.org/dir/root.json","properties":{"a":{"$ref":"parts.json#/definitions/x"}}}"##;
    assert_eq!(behind(based, &named)["type"], "string");
    assert_eq!(behind(based, &[dependency("http://x.org/dir/parts.json", parts)])["type"], "string");
    let with_id = parts.replacen('{', r#"{"$id":"http://y.org/parts","#, 1);
    assert_eq!(
        behind(r#"{"properties":{"a":{"$ref":"http://y.org/parts"}}}"#, &[dependency("any", &with_id)])["type"],
        "integer"
    );
}

#[test]
fn references_in_a_ring_end() {
    let schema = parsed(r##"{"properties":{"a":{"$ref":"#/properties/b"},"b":{"$ref":"#/properties/a"}}}"##);
    assert!(schema.root().members("properties").all(|(_, node)| node.resolved().text("$ref").is_some()));
}

/// JSON that looks like schemas, right and wrong.
pub(super) fn any_schema() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "required",
        "$ref",
        "oneOf",
        "allOf",
        "anyOf",
        "not",
        "enum",
        "const",
        "minimum",
        "maxLength",
        "additionalProperties",
        "patternProperties",
        "dependencies",
        "prefixItems",
        "$defs",
        "definitions",
        "$id",
        "if",
        "default",
    ]);
    let leaf = prop_oneof![
        Just(json!("string")),
        Just(json!("object")),
        Just(json!(["null", "integer"])),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!("#/definitions/a")),
        Just(json!("#")),
        Just(json!(null)),
        (-3i64..9).prop_map(|n| json!(n)),
        Just(json!("a")),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let keyword = prop_oneof![4 => keyword.clone().prop_map(str::to_owned), 1 => "[ab]"];
        prop_oneof![
            4 => prop::collection::vec((keyword, inner.clone()), 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = JsonSchema::parse(&text, &[]);
    }

    #[test]
    fn what_is_read_reads_again(value in any_schema()) {
        if let Ok(schema) = JsonSchema::parse(&value.to_string(), &[]) {
            let again = parsed(&schema.canonical());
            prop_assert_eq!(again.canonical(), schema.canonical());
            prop_assert_eq!(&again.inner.documents, &schema.inner.documents);
            prop_assert_eq!(parsed(&schema.normalized()).normalized(), schema.normalized());
        }
    }

    #[test]
    fn compact_text_means_the_same(value in any_schema()) {
        let pretty = serde_json::to_string_pretty(&value).expect("it is JSON");
        prop_assert_eq!(compact::compact(&pretty), value.to_string());
    }
}
