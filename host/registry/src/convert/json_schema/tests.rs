use millrace_record::convert::converter;
use proptest::prelude::*;

use super::super::memory::Memory;
use super::*;

struct Rig {
    memory: Arc<Memory>,
    schemas: Arc<Schemas>,
    config: RawConfig,
}

impl Rig {
    fn new(options: &[(&str, &str)]) -> Self {
        let config = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Rig { memory: Memory::new(), schemas: Schemas::new(), config }
    }

    fn converter(&self) -> JsonSchemaConverter {
        JsonSchemaConverter::new(false, &self.config, &self.schemas, self.memory.clone()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn read(&self, schema: &str, payload: &str) -> Result<Option<(u32, Vec<u8>)>, String> {
        let id = self.memory.add("in-value", SchemaType::Json, schema);
        let mut bytes = Vec::new();
        write_header(id, &mut bytes);
        bytes.extend_from_slice(payload.as_bytes());
        let (mut converter, mut rows) = (self.converter(), RowBuf::new());
        let schema = converter.decode("in", Some(&bytes), &mut rows).map_err(|e| e.failed().to_string())?;
        Ok(schema.flatten().map(|schema| (schema, rows.into_bytes())))
    }

    /// The registered schema and the payload.
    fn write(&self, schema: u32, row: Option<&[u8]>) -> Result<Option<(Arc<str>, String)>, String> {
        let (mut out, mut converter) = (Vec::new(), self.converter());
        for _ in 0..2 {
            out.clear();
            let row = row.and_then(Row::new);
            if !converter.encode("out", Some(schema), row, &mut out).map_err(|e| e.failed().to_string())? {
                return Ok(None);
            }
        }
        let (id, rest) = read_header(&out).expect("a header");
        Ok(Some((self.memory.text(id), String::from_utf8(rest.to_vec()).expect("text"))))
    }

    /// A row out of Connect's JSON with its schema; no bytes: null.
    fn row(&self, envelope: &str) -> (u32, Vec<u8>) {
        let mut json = converter("JsonConverter", false, &RawConfig::new(), &self.schemas).unwrap_or_else(|e| panic!("{e}"));
        let mut rows = RowBuf::new();
        let schema = json.decode("t", Some(envelope.as_bytes()), &mut rows).unwrap_or_else(|e| panic!("{e:?}"));
        (schema.flatten().expect("a schema"), rows.into_bytes())
    }

    /// Connect's JSON of a row, with its schema.
    fn connect(&self, schema: u32, row: &[u8]) -> String {
        let mut json = converter("JsonConverter", false, &RawConfig::new(), &self.schemas).unwrap_or_else(|e| panic!("{e}"));
        let mut out = Vec::new();
        json.encode("t", Some(schema), Row::new(row), &mut out).unwrap_or_else(|e| panic!("{e:?}"));
        String::from_utf8(out).expect("text")
    }
}

/// What a value of a schema becomes in Connect.
fn reads(options: &[(&str, &str)], schema: &str, payload: &str, expected: &str) {
    let rig = Rig::new(options);
    let (id, row) = rig.read(schema, payload).unwrap_or_else(|e| panic!("{schema}: {e}")).expect("a value");
    assert_eq!(rig.connect(id, &row), expected, "{schema}");
}

/// What Connect's data is written as, and that it comes back the same.
fn writes(options: &[(&str, &str)], envelope: &str, schema: &str, payload: &str) {
    let rig = Rig::new(options);
    let (id, row) = rig.row(envelope);
    let (text, written) = rig.write(id, Some(&row)).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!((&*text, written.as_str()), (schema, payload));
    let (back, row) = rig.read(&text, &written).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!(rig.connect(back, &row), envelope);
}

fn envelope(schema: &str, payload: &str) -> String {
    format!("{{\"schema\":{schema},\"payload\":{payload}}}")
}

#[test]
fn connects_types_stand_as_confluents_converter_has_them() {
    for (connect, json, value) in [
        (r#"{"type":"int8","optional":false}"#, r#"{"type":"integer","connect.type":"int8"}"#, "-128"),
        (r#"{"type":"int16","optional":false}"#, r#"{"type":"integer","connect.type":"int16"}"#, "300"),
        (r#"{"type":"int32","optional":false}"#, r#"{"type":"integer","connect.type":"int32"}"#, "70000"),
        (r#"{"type":"int64","optional":false}"#, r#"{"type":"integer","connect.type":"int64"}"#, "-9223372036854775808"),
        (r#"{"type":"float","optional":false}"#, r#"{"type":"number","connect.type":"float32"}"#, "1.5"),
        (r#"{"type":"double","optional":false}"#, r#"{"type":"number","connect.type":"float64"}"#, "1.0E100"),
        (r#"{"type":"double","optional":false}"#, r#"{"type":"number","connect.type":"float64"}"#, r#""NaN""#),
        (r#"{"type":"boolean","optional":false}"#, r#"{"type":"boolean"}"#, "true"),
        (r#"{"type":"string","optional":false}"#, r#"{"type":"string"}"#, r#""é\"\n""#),
        (r#"{"type":"bytes","optional":false}"#, r#"{"type":"string","connect.type":"bytes"}"#, r#""AQID""#),
        (r#"{"type":"string","optional":true}"#, r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, r#""x""#),
        (
            r#"{"type":"string","optional":false,"name":"my.Name","version":3,"doc":"a doc","parameters":{"p":"q"},"default":"d"}"#,
            r#"{"type":"string","title":"my.Name","connect.version":3,"description":"a doc","connect.parameters":{"p":"q"},"default":"d"}"#,
            r#""x""#,
        ),
        (
            r#"{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#,
            r#"{"type":"string","connect.type":"bytes","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.parameters":{"scale":"2"}}"#,
            r#""AOE=""#,
        ),
        (
            r#"{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1}"#,
            r#"{"type":"integer","connect.type":"int32","title":"org.apache.kafka.connect.data.Date","connect.version":1}"#,
            "20000",
        ),
        (
            r#"{"type":"array","items":{"type":"int32","optional":true},"optional":false}"#,
            r#"{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int32"}]}}"#,
            "[1,null]",
        ),
        (
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"boolean","optional":false},"optional":false}"#,
            r#"{"type":"object","connect.type":"map","additionalProperties":{"type":"boolean"}}"#,
            r#"{"a":true,"b":false}"#,
        ),
    ] {
        writes(&[], &envelope(connect, value), json, value);
    }
}

#[test]
fn structs_keep_the_order_of_their_fields() {
    let connect = r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"city"}],"optional":true,"name":"Address","field":"home"},{"type":"string","optional":true,"field":"note"}],"optional":false,"name":"shop.Order"}"#;
    let json = r#"{"type":"object","properties":{"id":{"type":"integer","connect.type":"int64","connect.index":0},"home":{"oneOf":[{"type":"null"},{"type":"object","properties":{"city":{"type":"string","connect.index":0}},"title":"Address"}],"connect.index":1},"note":{"oneOf":[{"type":"null"},{"type":"string"}],"connect.index":2}},"title":"shop.Order"}"#;
    writes(
        &[],
        &envelope(connect, r#"{"id":1,"home":{"city":"Ulm"},"note":null}"#),
        json,
        r#"{"id":1,"home":{"city":"Ulm"},"note":null}"#,
    );
    // A registry may sort what it keeps.
    let sorted =
        r#"{"properties":{"a":{"connect.index":1,"type":"string"},"b":{"connect.index":0,"type":"boolean"}},"type":"object"}"#;
    let expected = r#"{"type":"struct","fields":[{"type":"boolean","optional":false,"field":"b"},{"type":"string","optional":false,"field":"a"}],"optional":false}"#;
    reads(&[], sorted, r#"{"a":"x","b":true}"#, &envelope(expected, r#"{"b":true,"a":"x"}"#));
    let closed = r#"{"type":"object","properties":{"a":{"type":"string","connect.index":0}},"additionalProperties":false}"#;
    let one = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"}],"optional":false}"#;
    writes(&[("object.additional.properties", "false")], &envelope(one, r#"{"a":"x"}"#), closed, r#"{"a":"x"}"#);
}

#[test]
fn maps_of_other_keys_are_lists_of_entries() {
    let connect =
        r#"{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"string","optional":false},"optional":false}"#;
    let json = r#"{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":{"type":"integer","connect.type":"int32","connect.index":0},"value":{"type":"string","connect.index":1}}}}"#;
    let written = r#"[{"key":1,"value":"a"},{"key":2,"value":"b"}]"#;
    writes(&[], &envelope(connect, r#"[[1,"a"],[2,"b"]]"#), json, written);
    let rig = Rig::new(&[]);
    let twice = r#"[{"value":"a","key":1},{"key":1,"value":"z"}]"#;
    let (id, row) = rig.read(json, twice).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!(rig.connect(id, &row), envelope(connect, r#"[[1,"z"]]"#));
    assert!(rig.read(json, r#"[{"key":1}]"#).unwrap_err().contains("expected length 2 but found :1"));
    assert!(rig.read(json, "{}").unwrap_err().contains("JSON array of objects, but found OBJECT"));
}

#[test]
fn numeric_decimals_are_numbers() {
    let connect = r#"{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#;
    let json = r#"{"type":"number","connect.type":"bytes","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.parameters":{"scale":"2"}}"#;
    writes(&[("decimal.format", "numeric")], &envelope(connect, r#""AOE=""#), json, "2.25");
    let rig = Rig::new(&[]);
    assert!(rig.read(json, "2.255").unwrap_err().contains("2.255 does not fit a decimal of scale 2"));
    let config: RawConfig = [("decimal.format".to_owned(), "HEX".to_owned())].into();
    let error = JsonSchemaConverter::new(false, &config, &rig.schemas, rig.memory.clone()).err().expect("wrong");
    assert!(error.contains("decimal.format") && error.contains("HEX") && error.contains("NUMERIC"), "{error}");
}

const UNION: &str = r#"{"oneOf":[{"type":"integer"},{"type":"string"},{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}},{"type":"null"}]}"#;

#[test]
fn one_of_several_is_a_struct() {
    let rig = Rig::new(&[]);
    for (payload, field) in
        [("5", 0), (r#""x""#, 1), (r#"{"a":"y"}"#, 2), (r#"{"a":"y","b":"z"}"#, 3), (r#"{"b":"z","a":"y"}"#, 3)]
    {
        let (id, row) = rig.read(UNION, payload).unwrap_or_else(|e| panic!("{e}")).expect("a value");
        let schema = rig.schemas.get(id).expect("interned");
        assert_eq!((schema.name.as_deref(), schema.optional), (Some("io.confluent.connect.json.OneOf"), true));
        assert_eq!(&*schema.fields[2].name, "io.confluent.connect.json.OneOf.field.2");
        let set: Vec<_> = (0..4).filter(|i| !Row::new(&row).expect("a row").is_null(*i)).collect();
        assert_eq!(set, [field], "{payload}");
        let (_, written) = rig.write(id, Some(&row)).unwrap_or_else(|e| panic!("{e}")).expect("a value");
        assert_eq!(
            written.replace(r#"{"b":"z","a":"y"}"#, r#"{"a":"y","b":"z"}"#),
            payload.replace(r#"{"b":"z","a":"y"}"#, r#"{"a":"y","b":"z"}"#)
        );
    }
    assert_eq!(rig.read(UNION, "null").unwrap_or_else(|e| panic!("{e}")), None);
    assert!(rig.read(UNION, "true").unwrap_err().contains("Did not find matching oneof field for data"));
    let general = Rig::new(&[("generalized.sum.type.support", "true")]);
    let (id, _) = general.read(UNION, "5").unwrap_or_else(|e| panic!("{e}")).expect("a value");
    let schema = general.schemas.get(id).expect("interned");
    assert_eq!((schema.name.as_deref(), &*schema.fields[1].name), (Some("connect_union_0"), "connect_union_field_1"));
}

#[test]
fn schemas_of_others_are_understood() {
    let text = r#"{"type":"string","optional":false}"#;
    let optional = r#"{"type":"string","optional":true}"#;
    reads(&[], r#"{"type":["null","string"]}"#, r#""x""#, &envelope(optional, r#""x""#));
    reads(&[], r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#, r#""x""#, &envelope(optional, r#""x""#));
    reads(&[], r#"{"minLength":1}"#, r#""x""#, &envelope(text, r#""x""#));
    reads(
        &[],
        r##"{"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}}"##,
        "1",
        &envelope(r#"{"type":"double","optional":false}"#, "1.0"),
    );
    reads(&[], r#"{"allOf":[{"type":"string"},{"minLength":1}]}"#, r#""x""#, &envelope(text, r#""x""#));
    let both = r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"a"},{"type":"string","optional":false,"field":"b"}],"optional":false}"#;
    let all = r##"{"allOf":[{"$ref":"#/definitions/A"},{"properties":{"b":{"type":"string"}}}],"definitions":{"A":{"type":"object","properties":{"a":{"type":"integer"}}}}}"##;
    reads(&[], all, r#"{"b":"x","a":1}"#, &envelope(both, r#"{"a":1,"b":"x"}"#));
    let named =
        r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int64","optional":false},"optional":false}"#;
    reads(&[], r#"{"type":"object","additionalProperties":{"type":"integer"}}"#, r#"{"x":1}"#, &envelope(named, r#"{"x":1}"#));
    reads(&[], r#"{"enum":[1,2]}"#, "2", &envelope(r#"{"type":"int64","optional":false}"#, "2"));
    reads(&[], r#"{"type":"integer","enum":[1,2]}"#, "2", &envelope(r#"{"type":"int64","optional":false}"#, "2"));
    let required = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a"]}"#;
    let half = r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"a"},{"type":"int64","optional":true,"field":"b"}],"optional":false}"#;
    reads(&[("use.optional.for.nonrequired", "true")], required, r#"{"a":1}"#, &envelope(half, r#"{"a":1,"b":null}"#));
    // Whatever has no type is JSON as it stands.
    let rig = Rig::new(&[]);
    for schema in ["{}", "true", r#"{"type":"object"}"#] {
        let (id, row) = rig.read(schema, r#"{"x":[1,2.50]}"#).unwrap_or_else(|e| panic!("{e}")).expect("a value");
        assert_eq!(rig.schemas.get(id).expect("interned").kind, millrace_record::Kind::Any);
        let (_, written) = rig.write(id, Some(&row)).unwrap_or_else(|e| panic!("{e}")).expect("a value");
        assert_eq!(written, r#"{"x":[1,2.50]}"#);
    }
}

#[test]
fn a_schema_within_itself_is_json_there() {
    let rig = Rig::new(&[]);
    let tree = r##"{"type":"object","title":"Tree","properties":{"n":{"type":"integer"},"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}"##;
    let payload = r#"{"n":1,"next":{"n":2,"next":{"n":3,"next":null}}}"#;
    let (id, row) = rig.read(tree, payload).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    let (_, written) = rig.write(id, Some(&row)).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!(written, payload);
}

#[test]
fn enums_are_texts_with_their_symbols() {
    let rig = Rig::new(&[]);
    let (id, row) =
        rig.read(r#"{"type":"string","enum":["A","B"]}"#, r#""B""#).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    let expected = r#"{"type":"string","optional":false,"parameters":{"io.confluent.connect.json.Enum":"","io.confluent.connect.json.Enum.A":"A","io.confluent.connect.json.Enum.B":"B"}}"#;
    assert_eq!(rig.connect(id, &row), envelope(expected, r#""B""#));
    let (text, written) = rig.write(id, Some(&row)).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!((&*text, written.as_str()), (r#"{"enum":["A","B"]}"#, r#""B""#));
}

#[test]
fn nulls_are_as_confluents_converter_has_them() {
    let rig = Rig::new(&[]);
    let (optional, row) = rig.row(r#"{"schema":{"type":"string","optional":true},"payload":null}"#);
    assert!(row.is_empty());
    let (_, written) = rig.write(optional, None).unwrap_or_else(|e| panic!("{e}")).expect("a value");
    assert_eq!(written, "null");
    let (default, _) = rig.row(r#"{"schema":{"type":"int32","optional":false,"default":7},"payload":1}"#);
    assert_eq!(rig.write(default, None).unwrap_or_else(|e| panic!("{e}")).expect("a value").1, "7");
    let (required, _) = rig.row(r#"{"schema":{"type":"int32","optional":false},"payload":1}"#);
    assert_eq!(rig.write(required, None).unwrap_or_else(|e| panic!("{e}")), None);
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer","default":3}}}"#;
    let (id, row) = rig.read(schema, "{}").unwrap_or_else(|e| panic!("{e}")).expect("a value");
    let row = Row::new(&row).expect("a row");
    assert!(row.is_null(0) && row.i64(1) == 3);
    assert_eq!(rig.write(id, Some(row.bytes())).unwrap_or_else(|e| panic!("{e}")).expect("a value").1, r#"{"b":3}"#);
    assert!(rig.read(schema, r#"{"a":null}"#).unwrap_err().contains("Invalid null value for required INT64 field, field \"a\""));
}

#[test]
fn wrong_values_are_refused_by_name() {
    let rig = Rig::new(&[]);
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer","connect.type":"int8"},"o":{"type":"object","properties":{"d":{"type":"integer","connect.type":"int32","title":"org.apache.kafka.connect.data.Date"}}}}}"#;
    let error = |payload: &str| rig.read(schema, payload).unwrap_err();
    assert!(error(r#"{"n":300}"#).contains("300 does not fit the schema's INT8, field \"n\""));
    assert!(error(r#"{"n":"x"}"#).contains("a JSON STRING does not fit"));
    assert!(
        error(r#"{"o":{"d":"x"}}"#)
            .contains("Invalid type for Date, underlying representation should be integer but was STRING, field \"o.d\"")
    );
    assert!(error("[]").contains("Structs should be encoded as JSON objects, but found ARRAY"));
    assert!(error(r#"{"n":1} x"#).contains("more text after the value"));
    let mut converter = rig.converter();
    let error = converter.decode("in", Some(b"{\"a\":1}"), &mut RowBuf::new()).unwrap_err().failed().to_string();
    assert!(error.contains("Unknown magic byte!"), "{error}");
    let error = converter.decode("in", Some(&[0, 0, 0, 0, 99, b'1']), &mut RowBuf::new()).unwrap_err().failed().to_string();
    assert!(error.contains("Schema not found"), "{error}");
}

proptest! {
    /// Whatever the bytes, they are read or refused, and nothing is left behind.
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), cut in 0usize..60) {
        let rig = Rig::new(&[]);
        let id = rig.memory.add("in-value", SchemaType::Json, UNION);
        let good = r#"{"a":"y","b":"z é","c":[{"x":null}]}"#;
        let mut payload = Vec::new();
        write_header(id, &mut payload);
        payload.extend_from_slice(&good.as_bytes()[..cut.min(good.len())]);
        payload.extend_from_slice(&bytes);
        let mut rows = RowBuf::new();
        if rig.converter().decode("in", Some(&payload), &mut rows).is_err() {
            prop_assert_eq!(rows.size(), 0);
        }
    }

    /// Texts, numbers and bytes come back as they were.
    #[test]
    fn values_survive(text in any::<String>(), n in any::<i64>(), f in any::<f64>(), bytes in any::<Vec<u8>>()) {
        let rig = Rig::new(&[]);
        let schema = millrace_record::Schema::record([
            ("t", millrace_record::Schema::new(millrace_record::Kind::Text)),
            ("n", millrace_record::Schema::new(millrace_record::Kind::Int64)),
            ("f", millrace_record::Schema::new(millrace_record::Kind::Float64)),
            ("b", millrace_record::Schema::new(millrace_record::Kind::Bytes).optional()),
        ]);
        let mut rows = RowBuf::new();
        let row = rows.begin(4);
        rows.text(row, 0, &text);
        rows.i64(row, 1, n);
        rows.f64(row, 2, f);
        rows.bytes(row, 3, &bytes);
        let (schema_text, written) = rig.write(rig.schemas.intern(schema), Some(rows.as_bytes())).unwrap().unwrap();
        let (_, back) = rig.read(&schema_text, &written).unwrap().unwrap();
        let back = Row::new(&back).unwrap();
        prop_assert_eq!((back.text(0), back.i64(1), back.get_bytes(3)), (text.as_str(), n, bytes.as_slice()));
        prop_assert!(back.f64(2) == f || f.is_nan() && back.f64(2).is_nan());
    }
}

#[test]
fn payloads_are_validated_where_it_is_asked_for() {
    let schema =
        r#"{"type":"object","properties":{"n":{"type":"integer","connect.type":"int32","minimum":5,"connect.index":0}}}"#;
    assert!(Rig::new(&[]).read(schema, r#"{"n":1}"#).is_ok());
    let rig = Rig::new(&[("json.fail.invalid.schema", "true")]);
    assert!(rig.read(schema, r#"{"n":5}"#).is_ok());
    let error = rig.read(schema, r#"{"n":1}"#).unwrap_err();
    assert!(error.contains("does not match its schema: at /n"), "{error}");
    // What is written is held against the schema that it is written by.
    let envelope =
        |n: i32| format!(r#"{{"schema":{{"type":"struct","fields":[{{"field":"n","type":"int32"}}]}},"payload":{{"n":{n}}}}}"#);
    let (id, row) = rig.row(&envelope(1));
    assert!(rig.write(id, Some(&row)).is_ok());
    let rig = Rig::new(&[
        ("json.fail.invalid.schema", "true"),
        ("auto.register.schemas", "false"),
        ("use.latest.version", "true"),
        ("latest.compatibility.strict", "false"),
    ]);
    rig.memory.add("out-value", SchemaType::Json, schema);
    let (id, row) = rig.row(&envelope(7));
    assert!(rig.write(id, Some(&row)).is_ok());
    let (id, row) = rig.row(&envelope(1));
    let error = rig.write(id, Some(&row)).unwrap_err();
    assert!(error.contains("at /n"), "{error}");
}
