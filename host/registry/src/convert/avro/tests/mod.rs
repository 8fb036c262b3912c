//! The converter against a registry in memory, with JSON as the form in which rows are written down here.

mod oracle;

use std::sync::Arc;

use millrace_record::convert::{NotConverted, converter};
use millrace_record::row::Batch as View;
use millrace_record::row::{BatchWriter, RecordMeta};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::client::{Asked, Registered, Registration, RegistryError};
use crate::{Reference, SchemaType};

/// A registry that knows what it is told and gives ids in order.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<(String, Arc<Registered>)>>);

impl Memory {
    pub fn put(&self, subject: &str, text: &str) -> i32 {
        let parsed = ParsedSchema::parse(SchemaType::Avro, text, &[]).unwrap_or_else(|e| panic!("{e}: {text}"));
        let mut all = self.0.lock();
        if let Some((_, known)) = all.iter().find(|(s, k)| s == subject && k.parsed.canonical() == parsed.canonical()) {
            return known.id;
        }
        let (id, version) = (all.len() as i32 + 1, all.iter().filter(|(s, _)| s == subject).count() as i32 + 1);
        let registered = Registered { id, version: Some(version), text: text.into(), references: Vec::new(), parsed };
        all.push((subject.to_owned(), Arc::new(registered)));
        id
    }
    pub fn text(&self, id: i32) -> String {
        self.0.lock()[id as usize - 1].1.text.to_string()
    }
}

fn unknown<T>() -> Asked<T> {
    Asked::Known(Err(RegistryError { code: 40403, message: "Schema not found".into() }))
}

impl SchemaClient for Memory {
    fn by_id(&self, id: i32, _: &str) -> Asked<Arc<Registered>> {
        let found = self.0.lock().iter().find(|(_, r)| r.id == id).map(|(_, r)| r.clone());
        found.map_or_else(unknown, |r| Asked::Known(Ok(r)))
    }
    fn id_of(&self, subject: &str, _: SchemaType, text: &Arc<str>, _: &[Reference], _: Registration) -> Asked<Arc<Registered>> {
        let id = self.put(subject, text);
        self.by_id(id, subject)
    }
    fn latest(&self, subject: &str) -> Asked<Arc<Registered>> {
        let found = self.0.lock().iter().rev().find(|(s, _)| s == subject).map(|(_, r)| r.clone());
        found.map_or_else(unknown, |r| Asked::Known(Ok(r)))
    }
}

/// Converters of Avro and of JSON over the same schemas.
pub(super) struct Rig {
    pub registry: Arc<Memory>,
    pub schemas: Arc<Schemas>,
    pub avro: AvroConverter,
    json: Box<dyn Converter>,
}

impl Rig {
    pub fn new(settings: &[(&str, &str)]) -> Rig {
        let (registry, schemas) = (Arc::<Memory>::default(), Schemas::new());
        let config = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let avro = AvroConverter::new(false, &config, &schemas, registry.clone()).unwrap();
        let json = converter("JsonConverter", false, &RawConfig::new(), &schemas).unwrap();
        Rig { registry, schemas, avro, json }
    }

    /// A row of a document with `schema` and `payload`.
    fn row(&mut self, document: &Value) -> (Option<u32>, Option<Vec<u8>>) {
        let mut rows = RowBuf::new();
        let schema = self.json.decode("t", Some(document.to_string().as_bytes()), &mut rows).unwrap().flatten();
        (schema, (rows.size() > 0).then(|| rows.into_bytes()))
    }

    pub fn write(&mut self, document: &Value) -> Result<Option<Vec<u8>>, ConvertError> {
        let (schema, row) = self.row(document);
        let mut out = Vec::new();
        let row = row.as_deref().map(|r| Row::new(r).unwrap());
        let some = self.avro.encode("t", schema, row, &mut out).map_err(NotConverted::failed)?;
        Ok(some.then_some(out))
    }

    pub fn read(&mut self, bytes: &[u8]) -> Result<Value, ConvertError> {
        let mut rows = RowBuf::new();
        let schema = self.avro.decode("t", Some(bytes), &mut rows).map_err(NotConverted::failed)?.flatten();
        let row = Row::new(rows.as_bytes());
        if let (Some(id), Some(row)) = (schema, &row) {
            // Every batch is checked where it enters from outside; what we make must pass.
            let mut batch = BatchWriter::new();
            let topic = batch.topic("t");
            let (partition, offset, timestamp) = (None, None, None);
            batch.begin(RecordMeta { topic, partition, offset, timestamp, key_schema: None, value_schema: Some(id) });
            batch.value(*row);
            batch.end();
            let bytes = batch.finish();
            View::parse(&bytes).unwrap();
            millrace_record::Batch::check(bytes, &self.schemas).unwrap();
        }
        let mut out = Vec::new();
        self.json.encode("t", schema, row, &mut out).map_err(NotConverted::failed)?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    /// What is written of a document, as the registered schema and the bytes behind the header; it is read as it was.
    fn check(&mut self, document: Value) -> (Value, Vec<u8>) {
        let bytes = self.write(&document).unwrap().expect("not null");
        let (id, rest) = read_header(&bytes).unwrap();
        let text = self.registry.text(id);
        let read = self.read(&bytes).unwrap();
        assert_eq!(read["payload"], document["payload"]);
        (serde_json::from_str(&text).unwrap(), rest.to_vec())
    }
}

fn document(schema: Value, payload: Value) -> Value {
    json!({ "schema": schema, "payload": payload })
}

#[test]
fn a_record_is_written_as_confluents_converter_does() {
    let mut rig = Rig::new(&[]);
    let (schema, bytes) = rig.check(document(
        json!({ "type": "struct", "name": "shop.Order", "version": 2, "doc": "an order", "fields": [
            { "field": "id", "type": "int64" },
            { "field": "small", "type": "int8", "optional": true },
            { "field": "name", "type": "string", "optional": true, "default": "x" },
            { "field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1,
              "parameters": { "scale": "2", "connect.decimal.precision": "10" } },
            { "field": "at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1 },
            { "field": "tags", "type": "array", "items": { "type": "string" } },
            { "field": "by_id", "type": "map", "keys": { "type": "int32" }, "values": { "type": "string", "optional": true } },
        ] }),
        json!({ "id": -1, "small": null, "name": "y", "price": "AQA=", "at": 1, "tags": ["a", "b"], "by_id": [[1, "u"], [2, null]] }),
    ));
    let expected = json!({
        "type": "record", "name": "Order", "namespace": "shop",
        "fields": [
            { "name": "id", "type": "long" },
            { "name": "small", "type": ["null", { "type": "int", "connect.type": "int8" }], "default": null },
            { "name": "name", "type": [{ "type": "string", "connect.default": "x" }, "null"], "default": "x" },
            { "name": "price", "type": { "type": "bytes", "scale": 2, "precision": 10, "connect.version": 1,
                "connect.parameters": { "scale": "2", "connect.decimal.precision": "10" },
                "connect.name": "org.apache.kafka.connect.data.Decimal", "logicalType": "decimal" } },
            { "name": "at", "type": { "type": "long", "connect.version": 1,
                "connect.name": "org.apache.kafka.connect.data.Timestamp", "logicalType": "timestamp-millis" } },
            { "name": "tags", "type": { "type": "array", "items": "string" } },
            { "name": "by_id", "type": { "type": "array", "items": {
                "type": "record", "name": "MapEntry", "namespace": "io.confluent.connect.avro",
                "fields": [{ "name": "key", "type": "int" }, { "name": "value", "type": ["null", "string"], "default": null }] } } },
        ],
        "connect.doc": "an order", "connect.version": 2, "connect.name": "shop.Order",
    });
    assert_eq!(schema, expected);
    let mut wanted = vec![1, 0, 0, 2, b'y', 4, 1, 0, 2, 4, 2, b'a', 2, b'b', 0];
    wanted.extend([4, 2, 2, 2, b'u', 4, 0, 0]);
    assert_eq!(bytes, wanted);
}

#[test]
fn roots_that_are_no_records() {
    let mut rig = Rig::new(&[]);
    for (schema, payload, text, wanted) in [
        (json!({ "type": "string" }), json!("ab"), json!("string"), &[4, b'a', b'b'][..]),
        (json!({ "type": "int32", "optional": true }), json!(3), json!(["null", "int"]), &[2, 6]),
        // Bytes stand as they are.
        (json!({ "type": "bytes" }), json!("AQI="), json!("bytes"), &[1, 2]),
        (json!({ "type": "float" }), json!(1.5), json!("float"), &[0, 0, 0xC0, 0x3F]),
        (
            json!({ "type": "map", "keys": { "type": "string" }, "values": { "type": "boolean" } }),
            json!({ "k": true }),
            json!({ "type": "map", "values": "boolean" }),
            &[2, 2, b'k', 1, 0],
        ),
    ] {
        let (registered, bytes) = rig.check(document(schema, payload));
        assert_eq!((registered, &bytes[..]), (text, wanted));
    }
}

#[test]
fn nulls_and_what_is_required() {
    let mut rig = Rig::new(&[]);
    let schema = json!({ "type": "struct", "optional": true, "fields": [{ "field": "a", "type": "int32" }] });
    assert_eq!(rig.write(&document(schema, Value::Null)).unwrap(), None);
    let mut out = Vec::new();
    assert!(!rig.avro.encode("t", None, None, &mut out).unwrap());
    assert_eq!(rig.avro.decode("t", None, &mut RowBuf::new()).unwrap(), None);
    let id = rig.schemas.intern(millrace_record::Schema::record([("a", millrace_record::Schema::new(Kind::Int32))]));
    let mut rows = RowBuf::new();
    rows.begin(1);
    let error = rig.avro.encode("t", Some(id), Row::new(rows.as_bytes()), &mut out).unwrap_err().failed();
    assert_eq!(error.message, "Found null value for non-optional schema");
    assert!(error.to_string().contains("field \"a\"") && out.is_empty());
}

#[test]
fn structs_of_one_name_are_one_record() {
    let mut rig = Rig::new(&[]);
    let row = |optional| json!({ "type": "struct", "name": "s.Value", "optional": optional, "fields": [{ "field": "id", "type": "int32" }] });
    let mut before = row(true);
    before["field"] = "before".into();
    let mut after = row(true);
    after["field"] = "after".into();
    let envelope = json!({ "type": "struct", "name": "s.Envelope", "fields": [before, after] });
    let (schema, bytes) = rig.check(document(envelope, json!({ "before": null, "after": { "id": 5 } })));
    assert_eq!(schema["fields"][1]["type"], json!(["null", "Value"]));
    assert_eq!(bytes, [0, 2, 10]);
    // Structs without a name are numbered.
    let inner = |f: &str| json!({ "field": f, "type": "struct", "fields": [{ "field": f, "type": "int32" }] });
    let nested = json!({ "type": "struct", "fields": [inner("a"), inner("b")] });
    let (schema, _) = rig.check(document(nested, json!({ "a": { "a": 1 }, "b": { "b": 2 } })));
    assert_eq!(schema["name"], "ConnectDefault");
    assert_eq!(schema["fields"][1]["type"]["name"], "ConnectDefault3");
}

#[test]
fn enums_and_unions_go_both_ways() {
    let text = json!({ "type": "record", "name": "R", "namespace": "n", "fields": [
        { "name": "e", "type": { "type": "enum", "name": "E", "symbols": ["A", "B"] } },
        { "name": "u", "type": ["null", "string", { "type": "record", "name": "In", "fields": [{ "name": "x", "type": "long" }] },
                                { "type": "fixed", "name": "F", "size": 2 }] },
        { "name": "f", "type": { "type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 8, "scale": 2 } },
    ] });
    for (settings, field) in [
        (&[][..], "In"),
        (&[("enhanced.avro.schema.support", "true")], "n.In"),
        (&[("generalized.sum.type.support", "true")], "connect_union_field_2"),
    ] {
        let mut rig = Rig::new(settings);
        let id = rig.registry.put("t-value", &text.to_string());
        let mut message = Vec::new();
        write_header(id, &mut message);
        message.extend([2, 4, 14, 0xFF, 0xFF, 0xFF, 0x85]);
        let read = rig.read(&message).unwrap();
        assert_eq!(read["payload"]["e"], "B");
        assert_eq!(read["payload"]["u"][field], json!({ "x": 7 }), "{read}");
        assert_eq!(read["schema"]["version"], 1);
        // And back: the same bytes, whatever the schema's new id. Without the modes an enum is a string.
        let written = rig.write(&read).unwrap().unwrap();
        if !settings.is_empty() {
            assert_eq!(written[HEADER..], message[HEADER..]);
        }
        assert_eq!(rig.read(&written).unwrap()["payload"], read["payload"]);
    }
}

use super::super::HEADER;

#[test]
fn the_latest_version_decides_what_is_written() {
    let settings = [("auto.register.schemas", "false"), ("use.latest.version", "true")];
    let mut rig = Rig::new(&settings);
    let latest = json!({ "type": "record", "name": "R", "fields": [
        { "name": "more", "type": "string", "default": "d" },
        { "name": "a", "type": ["null", "long"], "default": null },
    ] });
    rig.registry.put("t-value", &latest.to_string());
    let schema = json!({ "type": "struct", "name": "R", "fields": [{ "field": "a", "type": "int32" }] });
    let bytes = rig.write(&document(schema.clone(), json!({ "a": 3 }))).unwrap().unwrap();
    assert_eq!(bytes[HEADER..], [2, b'd', 2, 6]);
    // A version that cannot read what is written is refused, unless it is told not to look.
    let other =
        json!({ "type": "record", "name": "R", "fields": [{ "name": "a", "type": "int" }, { "name": "z", "type": "int" }] });
    let mut strict = Rig::new(&settings);
    strict.registry.put("t-value", &other.to_string());
    let error = strict.write(&document(schema, json!({ "a": 3 }))).unwrap_err().to_string();
    assert!(error.contains("Set latest.compatibility.strict=false to disable this check"), "{error}");
}

#[test]
fn schemaless_values_and_recursive_records() {
    let mut rig = Rig::new(&[]);
    let text = br#"{"a":[1,2.5,"x",true,null],"b":{"c":"d"}}"#;
    let mut rows = RowBuf::new();
    let row = rows.begin(1);
    rows.bytes(row, 0, text);
    let mut out = Vec::new();
    assert!(rig.avro.encode("t", None, Row::new(rows.as_bytes()), &mut out).unwrap());
    let mut back = RowBuf::new();
    assert_eq!(rig.avro.decode("t", Some(&out), &mut back).unwrap(), Some(None));
    assert_eq!(Row::new(back.as_bytes()).unwrap().get_bytes(0), text);

    let list = json!({ "type": "record", "name": "L", "fields": [{ "name": "v", "type": "int" }, { "name": "next", "type": ["null", "L"] }] });
    let id = rig.registry.put("t-value", &list.to_string());
    let mut message = Vec::new();
    write_header(id, &mut message);
    message.extend([2, 2, 4, 0]);
    let read = rig.read(&message).unwrap();
    assert_eq!(read["payload"], json!({ "v": 1, "next": "{\"v\":2,\"next\":null}" }));
    let mut last = message[..HEADER].to_vec();
    last.extend([2, 0]);
    assert_eq!(rig.read(&last).unwrap()["payload"], json!({ "v": 1, "next": null }));
}

#[test]
fn what_is_no_avro_is_refused_in_confluents_words() {
    let mut rig = Rig::new(&[]);
    let id = rig.registry.put("t-value", "\"string\"");
    let message = |rest: &[u8]| {
        let mut message = Vec::new();
        write_header(id, &mut message);
        message.extend(rest);
        message
    };
    for (bytes, text) in [
        (b"{}".to_vec(), "Unknown magic byte!"),
        (vec![0, 0, 0, 0, 99, 1], "Error retrieving Avro value schema for id 99: Schema not found; error code: 40403"),
        (message(&[8, b'a']), "the message ends before its schema does"),
        (message(&[2, b'a', b'b']), "Trailing data found after deserializing Avro message"),
        (message(&[1]), "Length is negative"),
        (message(&[0xFF; 11]), "Invalid long encoding"),
    ] {
        let error = rig.read(&bytes).unwrap_err();
        assert_eq!(error.class, "org.apache.kafka.connect.errors.DataException");
        assert_eq!(error.message, "Failed to deserialize data for topic t to Avro:");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_hostile_count_allocates_nothing() {
    let mut rig = Rig::new(&[]);
    for schema in [json!({ "type": "array", "items": "long" }), json!({ "type": "map", "values": "int" })] {
        let id = rig.registry.put("t-value", &schema.to_string());
        let mut message = Vec::new();
        write_header(id, &mut message);
        encode::long(i64::MAX, &mut message);
        assert!(rig.read(&message).unwrap_err().to_string().contains("a block of"));
    }
    // Blocks are joined, with or without their sizes.
    let id = rig.registry.put("t-value", &json!({ "type": "array", "items": "long" }).to_string());
    let mut message = Vec::new();
    write_header(id, &mut message);
    message.extend([2, 2, 3, 4, 4, 6, 2, 8, 0]);
    assert_eq!(rig.read(&message).unwrap()["payload"], json!([1, 2, 3, 4]));
}

#[test]
fn a_record_longer_than_its_row_finds_room() {
    let mut rig = Rig::new(&[]);
    let schema = json!({ "type": "struct", "name": "Numbers", "fields": [
        { "field": "all", "type": "array", "items": { "type": "int64", "optional": true } },
    ] });
    for n in [2000, 1, 4000] {
        // Each is eight bytes in a row and eleven here.
        let (_, bytes) = rig.check(document(schema.clone(), json!({ "all": vec![i64::MIN; n] })));
        assert!(bytes.len() >= 11 * n, "{} bytes for {n}", bytes.len());
    }
}
