//! Random schemas and values: what is written is read by another implementation of Avro, which writes the same bytes again, and
//! is read by us as what it was.

use apache_avro::{Schema, from_avro_datum, to_avro_datum};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{HEADER, Rig, document, write_header};

/// A schema and a value of it, in JsonConverter's form.
type Pair = (Value, Value);

fn leaf() -> impl Strategy<Value = Pair> {
    let of = |kind: &str| json!({ "type": kind });
    prop_oneof![
        any::<bool>().prop_map(move |v| (of("boolean"), json!(v))),
        any::<i8>().prop_map(move |v| (of("int8"), json!(v))),
        any::<i16>().prop_map(move |v| (of("int16"), json!(v))),
        any::<i32>().prop_map(move |v| (of("int32"), json!(v))),
        // Of every length.
        (any::<i64>(), 0..64u32).prop_map(move |(v, by)| (of("int64"), json!(v >> by))),
        (-1000i32..1000).prop_map(move |v| (of("float"), json!(f64::from(v) / 8.0))),
        (-1_000_000i32..1_000_000).prop_map(move |v| (of("double"), json!(f64::from(v) / 64.0))),
        "\\PC{0,12}".prop_map(move |v| (of("string"), json!(v))),
        "[a-z]{20,90}".prop_map(move |v| (of("string"), json!(v))),
        prop::collection::vec(any::<u8>(), 0..70).prop_map(move |v| (of("bytes"), base64(v))),
        prop::collection::vec(any::<u8>(), 1..9).prop_map(|v| {
            let name = "org.apache.kafka.connect.data.Decimal";
            (json!({ "type": "bytes", "name": name, "version": 1, "parameters": { "scale": "2" } }), base64(v))
        }),
        (0i32..20_000)
            .prop_map(|v| { (json!({ "type": "int32", "name": "org.apache.kafka.connect.data.Date", "version": 1 }), json!(v)) }),
        any::<i32>().prop_map(|v| {
            (json!({ "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1 }), json!(v))
        }),
    ]
}

fn base64(bytes: Vec<u8>) -> Value {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// Optional or not, null or not, with a default or not.
fn wrapped(pair: impl Strategy<Value = Pair>) -> impl Strategy<Value = Pair> {
    (pair, 0..5u8).prop_map(|((mut schema, value), how)| {
        // Defaults of parts would have to be of the first branch of each union in them, which the other insists on.
        let plain = schema.get("name").is_none() && !["struct", "array", "map"].iter().any(|kind| schema["type"] == *kind);
        match how {
            0 => (schema, value),
            1 => {
                schema["optional"] = true.into();
                (schema, Value::Null)
            }
            2 if plain => {
                schema["optional"] = true.into();
                schema["default"] = value.clone();
                (schema, value)
            }
            3 if plain => {
                schema["default"] = value.clone();
                (schema, value)
            }
            _ => {
                schema["optional"] = true.into();
                (schema, value)
            }
        }
    })
}

fn pair() -> impl Strategy<Value = Pair> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let inner = wrapped(inner).boxed();
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..6).prop_map(|fields| {
                let (mut schemas, mut values) = (Vec::new(), serde_json::Map::new());
                for (i, (mut schema, value)) in fields.into_iter().enumerate() {
                    schema["field"] = format!("f{i}").into();
                    schemas.push(schema);
                    values.insert(format!("f{i}"), value);
                }
                (json!({ "type": "struct", "fields": schemas }), Value::Object(values))
            }),
            (inner.clone(), 0..4usize)
                .prop_map(|((schema, value), n)| { (json!({ "type": "array", "items": schema }), vec![value; n].into()) }),
            (inner.clone(), 0..4usize).prop_map(|((schema, value), n)| {
                let members = (0..n).map(|i| (format!("k{i}"), value.clone())).collect();
                (json!({ "type": "map", "keys": { "type": "string" }, "values": schema }), Value::Object(members))
            }),
            (inner, 0..4i64).prop_map(|((schema, value), n)| {
                let entries: Vec<_> = (0..n).map(|i| json!([i, value.clone()])).collect();
                (json!({ "type": "map", "keys": { "type": "int64" }, "values": schema }), entries.into())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn another_implementation_reads_and_writes_the_same(fields in prop::collection::vec(wrapped(pair()), 1..6)) {
        let (mut schemas, mut values) = (Vec::new(), serde_json::Map::new());
        for (i, (mut schema, value)) in fields.into_iter().enumerate() {
            schema["field"] = format!("r{i}").into();
            schemas.push(schema);
            values.insert(format!("r{i}"), value);
        }
        let document = document(json!({ "type": "struct", "name": "a.Root", "fields": schemas }), Value::Object(values));
        let mut rig = Rig::new(&[]);
        let bytes = rig.write(&document).unwrap().unwrap();
        let text = rig.registry.text(1);
        let theirs = Schema::parse_str(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        let value = from_avro_datum(&theirs, &mut &bytes[HEADER..], None);
        let value = value.map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        let again = to_avro_datum(&theirs, value);
        let again = again.map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        // Its maps have no order.
        prop_assert_eq!(again.len(), bytes.len() - HEADER);
        if !text.contains("\"map\"") {
            prop_assert_eq!(&again[..], &bytes[HEADER..], "{}", text);
        }
        let read = rig.read(&bytes).unwrap();
        prop_assert_eq!(&read["payload"], &document["payload"]);
        // What the other has written is read as the same.
        let theirs = [&bytes[..HEADER], &again[..]].concat();
        prop_assert_eq!(&rig.read(&theirs).unwrap()["payload"], &document["payload"]);
        // A schema that was read is written as it was.
        let rewritten = rig.write(&read).unwrap().unwrap();
        prop_assert_eq!(&rewritten[HEADER..], &bytes[HEADER..]);
    }

    #[test]
    fn garbage_is_refused_and_never_believed(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut rig = Rig::new(&[]);
        let text = json!({ "type": "record", "name": "R", "fields": [
            { "name": "a", "type": { "type": "array", "items": ["null", "string", { "type": "map", "values": "double" }] } },
            { "name": "b", "type": ["null", "R"] },
            { "name": "c", "type": { "type": "array", "items": { "type": "record", "name": "E", "fields": [] } } },
        ] });
        let id = rig.registry.put("t-value", &text.to_string());
        let mut message = Vec::new();
        write_header(id, &mut message);
        message.extend(bytes);
        let _ = rig.read(&message);
    }
}
