//! Every vector of `vectors` whose transform there is: the same records, the same texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_record::convert::{Converter, converter};
use millrace_record::row::{BatchWriter, Header, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, RawConfig, Schemas, TaskContext, Wake};
use serde_json::{Map, Value, json};

use super::plugins;
use crate::transforms::predicate::Predicate;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What differs: transform, a part of its configuration, the record (empty: all), why.
const DIFFERENT: &[(&str, &str, &str)] = &[
    // The schema keeps the name of a logical type that its value no longer is; Connect's JsonConverter refuses that later.
    ("Cast", "", "stamp"),
    // Connect's mask is a decimal of another scale, which its JsonConverter refuses; ours has the schema's.
    ("MaskField", "price", "defaults"),
    ("MaskField", "price", "defaults_given"),
    ("MaskField", "\"dec\"", "n1"),
    ("Cast", "", "r_dec"),
    ("Cast", "", "r_date"),
    ("Cast", "", "r_time"),
    // Java's hash code in a text.
    ("InsertField", "{\"static.field\":\"s\"}", ""),
    // A header's text is a number only as a whole.
    ("InsertHeader", "12:00", ""),
    // A list or map whose items are of no one type is of open ones; Connect's has no schema of its items.
    ("InsertHeader", "[]", ""),
    ("InsertHeader", "{}", ""),
    ("InsertHeader", "[1,\\\"a\\\"]", ""),
];

fn differs(transform: &str, config: &str, record: &str) -> bool {
    let listed = |(t, part, of): &(&str, &str, &str)| {
        transform.starts_with(t) && config.contains(part) && (of.is_empty() || *of == record)
    };
    DIFFERENT.iter().any(listed)
}

struct Converters {
    schemas: Arc<Schemas>,
    with: Box<dyn Converter>,
    without: Box<dyn Converter>,
}

impl Converters {
    fn new() -> Self {
        let schemas = Schemas::new();
        let make = |enabled: &str| {
            let settings = [("schemas.enable", enabled), ("replace.null.with.default", "false")];
            let config: RawConfig = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            converter(JSON, false, &config, &schemas).unwrap()
        };
        Converters { with: make("true"), without: make("false"), schemas }
    }

    fn read(&mut self, node: &Value, rows: &mut RowBuf) -> Option<Option<u32>> {
        let (converter, text) = match node.get("schema") {
            _ if node.is_null() => return None,
            Some(_) => (&mut self.with, node.to_string()),
            None => (&mut self.without, node["payload"].to_string()),
        };
        converter.decode("t", Some(text.as_bytes()), rows).expect("a record of the vectors is read")
    }

    /// What the converter refuses of what a transform made counts as made, as it does with Connect's.
    fn write(&mut self, schema: Option<u32>, row: Option<Row<'_>>) -> Result<Value, String> {
        let mut out = Vec::new();
        let converter = if schema.is_some() { &mut self.with } else { &mut self.without };
        if !converter.encode("t", schema, row, &mut out).map_err(|e| e.failed().message)? {
            return Ok(Value::Null);
        }
        let written: Value = serde_json::from_slice(&out).expect("JSON");
        Ok(if schema.is_some() { written } else { json!({ "payload": written }) })
    }

    fn batch(&mut self, record: &Value) -> Batch {
        let mut w = BatchWriter::new();
        let topic = w.topic(record["topic"].as_str().unwrap_or("orders"));
        w.begin(RecordMeta {
            topic,
            partition: Some(3),
            offset: Some(42),
            timestamp: record["timestamp"].as_i64(),
            key_schema: None,
            value_schema: None,
        });
        w.value_with(|rows| Ok::<_, ()>(self.read(&record["value"], rows))).unwrap();
        w.key_with(|rows| Ok::<_, ()>(self.read(&record["key"], rows))).unwrap();
        for header in record["headers"].as_array().into_iter().flatten() {
            let mut rows = RowBuf::new();
            let schema = self.read(&header[1], &mut rows);
            let value = Row::new(rows.as_bytes());
            w.header(Header { name: header[0].as_str().unwrap(), schema: schema.flatten(), value });
        }
        w.end();
        Batch::trusted(w)
    }

    fn written(&mut self, batch: &Batch) -> Result<Value, String> {
        let view = batch.view();
        if view.is_empty() {
            return Ok(Value::Null);
        }
        let r = view.record(0);
        let mut out = Map::new();
        out.insert("topic".into(), view.topic_of(&r).into());
        out.insert("key".into(), self.write(r.key_schema(), r.key())?);
        out.insert("value".into(), self.write(r.value_schema(), r.value())?);
        let headers = r.headers().map(|h| Ok(json!([h.name, self.write(h.schema, h.value)?])));
        out.insert("headers".into(), headers.collect::<Result<_, String>>()?);
        if let Some(t) = r.timestamp() {
            out.insert("timestamp".into(), t.into());
        }
        Ok(Value::Object(out))
    }
}

fn context(schemas: &Arc<Schemas>, config: RawConfig) -> TaskContext {
    TaskContext {
        connector: "c".into(),
        task: 0,
        config,
        alias: Some("x".into()),
        schemas: schemas.clone(),
        wake: Wake::default(),
        grants: Vec::new(),
        services: Default::default(),
    }
}

#[tokio::test]
async fn every_vector_is_met() {
    let cases: Value = serde_json::from_str(include_str!("vectors/cases.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/vectors.json")).unwrap();
    let plugins = plugins(&Default::default());
    let mut converters = Converters::new();
    let (mut met, mut wrong, mut missing) = (0, Vec::new(), BTreeMap::<&str, usize>::new());
    for vector in &vectors {
        let Some(name) = vector["transform"].as_str() else { continue };
        let given = vector["config"].to_string();
        let Some(plugin) = plugins.iter().find(|p| p.info().name == name) else {
            *missing.entry(name).or_default() += 1;
            continue;
        };
        if differs(name, &given, "") {
            continue;
        }
        let config: RawConfig =
            vector["config"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
        let made = plugin.transform(context(&converters.schemas, config)).await;
        let mut transform = match (made, vector.get("refused")) {
            (Ok(transform), None) => transform,
            (Err(e), Some(refused)) if Some(e.message.as_str()) == refused["message"].as_str() => {
                met += 1;
                continue;
            }
            (made, refused) => {
                wrong.push(format!("{name} {given}: {:?}, Connect: {refused:?}", made.err().map(|e| e.message)));
                continue;
            }
        };
        for (record, expected) in vector["records"].as_object().unwrap() {
            if differs(name, &given, record) {
                continue;
            }
            let batch = converters.batch(&cases["records"][record]);
            let outcome = transform.apply(&batch).await.unwrap();
            let ours = match outcome.failures.first() {
                Some(f) => json!({ "message": f.message }),
                None => converters.written(&outcome.records).unwrap_or_else(|message| json!({ "message": message })),
            };
            let theirs = match expected.get("message") {
                Some(message) => json!({ "message": message }),
                None => expected.clone(),
            };
            if ours == theirs {
                met += 1;
            } else {
                wrong.push(format!("{name} {given} of {record}\n   ours: {ours}\nConnect: {theirs}"));
            }
        }
    }
    println!("{met} vectors met; of transforms that are not there: {missing:?}");
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), met + wrong.len(), wrong.join("\n"));
}

#[test]
fn every_vector_of_predicates_is_met() {
    let cases: Value = serde_json::from_str(include_str!("vectors/cases.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/vectors.json")).unwrap();
    let mut converters = Converters::new();
    let (mut met, mut wrong) = (0, Vec::new());
    for vector in vectors.iter().filter(|v| v.get("predicate").is_some()) {
        let (name, given) = (vector["predicate"].as_str().unwrap(), &vector["config"]);
        let class = format!("org.apache.kafka.connect.transforms.predicates.{name}");
        let named = [("transforms.t.predicate", "p"), ("predicates", "p"), ("predicates.p.type", &class)];
        let mut config: RawConfig = named.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (key, value) in given.as_object().unwrap() {
            config.insert(format!("predicates.p.{key}"), value.as_str().unwrap().to_owned());
        }
        for negate in [false, true] {
            config.insert("transforms.t.negate".into(), negate.to_string());
            let made = Predicate::of_transform(&config, "t");
            let (predicate, wanted) = match (made, vector.get("refused")) {
                (Ok(Some(made)), None) => made,
                (Err(e), Some(refused)) if refused["message"] == e.message => {
                    met += 1;
                    continue;
                }
                (made, refused) => {
                    wrong.push(format!("{name} {given}: {:?}, Connect: {refused:?}", made.err().map(|e| e.message)));
                    continue;
                }
            };
            for (record, expected) in vector["records"].as_object().unwrap() {
                let batch = converters.batch(&cases["records"][record]);
                let holds = predicate.test(&batch.view(), 0, &converters.schemas);
                if Some(holds) == expected.as_bool() && (wanted != negate) {
                    met += 1;
                } else {
                    wrong.push(format!("{name} {given} of {record}: {holds}, Connect: {expected}"));
                }
            }
        }
    }
    println!("{met} vectors of predicates met");
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), met + wrong.len(), wrong.join("\n"));
}
