//! Records as people write them in files: JSON, without a schema or in Connect's envelope `{"schema": ..., "payload": ...}`.
//!
//! Keys and values are read and written by Connect's `JsonConverter`, headers by its `SimpleHeaderConverter`, so that a
//! plugin is given what it would be given in a worker.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use millrace_record::convert::{Converter, NotConverted, SIMPLE_HEADER_CONVERTER, converter};
use millrace_record::row::{BatchWriter, Header, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, RawConfig, Schemas};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The topic of a record that names none.
const TOPIC: &str = "test";

/// A record of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    timestamp: Option<i64>,
    key: Option<Box<RawValue>>,
    /// `null`, and none: a tombstone.
    value: Option<Box<RawValue>>,
    #[serde(default)]
    headers: Map<String, Value>,
}

/// Whether a JSON value stands in Connect's envelope.
pub fn is_envelope(json: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope<'a> {
        #[serde(borrow, rename = "schema")]
        _schema: &'a RawValue,
        #[serde(borrow, rename = "payload")]
        _payload: &'a RawValue,
    }
    serde_json::from_str::<Envelope<'_>>(json).is_ok()
}

/// The converters of keys and values, with the envelope and without.
pub struct Codec {
    plain: Box<dyn Converter>,
    envelope: Box<dyn Converter>,
    header: Box<dyn Converter>,
}

impl Codec {
    pub fn new(schemas: &Arc<Schemas>) -> anyhow::Result<Codec> {
        let json = |enable: &str| {
            let config = RawConfig::from([
                ("schemas.enable".to_owned(), enable.to_owned()),
                ("decimal.format".to_owned(), "NUMERIC".to_owned()),
            ]);
            converter("JsonConverter", false, &config, schemas).map_err(|e| anyhow!(e))
        };
        let header = converter(SIMPLE_HEADER_CONVERTER, false, &RawConfig::new(), schemas).map_err(|e| anyhow!(e))?;
        Ok(Codec { plain: json("false")?, envelope: json("true")?, header })
    }

    /// A batch of records; the error names the record that cannot be read.
    pub fn read<'a>(&mut self, records: impl IntoIterator<Item = &'a Written>) -> anyhow::Result<Batch> {
        let mut out = BatchWriter::new();
        for (i, record) in records.into_iter().enumerate() {
            let name = record.topic.as_deref().unwrap_or(TOPIC);
            let topic = out.topic(name);
            out.begin(RecordMeta {
                topic,
                partition: record.partition,
                offset: record.offset,
                timestamp: record.timestamp,
                key_schema: None,
                value_schema: None,
            });
            let failed = |part: &'static str| move |e: NotConverted| anyhow!("the {part} of record {i}: {}", e.failed());
            out.value_with(|rows| self.part(name, record.value.as_deref(), rows)).map_err(failed("value"))?;
            out.key_with(|rows| self.part(name, record.key.as_deref(), rows)).map_err(failed("key"))?;
            for (header, value) in &record.headers {
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                };
                let mut row = RowBuf::new();
                let schema = self.header.decode(name, text.as_deref().map(str::as_bytes), &mut row);
                let schema = schema.map_err(|e| anyhow!("header \"{header}\" of record {i}: {}", e.failed()))?;
                out.header(Header { name: header, schema: schema.flatten(), value: Row::new(row.as_bytes()) });
            }
            out.end();
        }
        Ok(Batch::trusted(out))
    }

    fn part(&mut self, topic: &str, json: Option<&RawValue>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(json) = json.map(RawValue::get) else { return Ok(None) };
        let by = if is_envelope(json) { &mut self.envelope } else { &mut self.plain };
        by.decode(topic, Some(json.as_bytes()), rows)
    }

    /// The records of a batch, in the form in which they are read: what has a schema in the envelope.
    pub fn write(&mut self, batch: &Batch) -> anyhow::Result<Vec<Shown>> {
        let view = batch.view();
        let show = |(i, record): (usize, millrace_record::row::Record<'_>)| {
            let topic = view.topic_of(&record);
            let at = |part: &str| format!("the {part} of record {i} cannot be shown as JSON");
            let key = self.json(topic, record.key_schema(), record.key()).with_context(|| at("key"))?;
            let value = self.json(topic, record.value_schema(), record.value()).with_context(|| at("value"))?;
            let mut headers = Map::new();
            for header in record.headers() {
                let mut text = Vec::new();
                let any = self.header.encode(topic, header.schema, header.value, &mut text);
                let any = any.map_err(|e| anyhow!("header \"{}\" of record {i}: {}", header.name, e.failed()))?;
                let text = any.then(|| String::from_utf8_lossy(&text).into_owned());
                headers.insert(header.name.to_owned(), text.map_or(Value::Null, Value::String));
            }
            Ok(Shown {
                topic: topic.to_owned(),
                partition: record.partition(),
                timestamp: record.timestamp(),
                key,
                value,
                headers,
            })
        };
        view.iter().enumerate().map(show).collect()
    }

    fn json(&mut self, topic: &str, schema: Option<u32>, row: Option<Row<'_>>) -> anyhow::Result<Part> {
        let read = |by: &mut Box<dyn Converter>| {
            let mut text = Vec::new();
            let any = by.encode(topic, schema, row, &mut text).map_err(|e| anyhow!(e.failed()))?;
            if any { serde_json::from_slice(&text).context("it is no JSON") } else { Ok(Value::Null) }
        };
        let bare = read(&mut self.plain)?;
        let envelope = schema.map(|_| read(&mut self.envelope)).transpose()?;
        Ok(Part { bare, envelope })
    }
}

/// A key or value that came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Without its schema.
    pub bare: Value,
    /// With it, where it has one.
    pub envelope: Option<Value>,
}

impl Part {
    pub fn full(&self) -> &Value {
        self.envelope.as_ref().unwrap_or(&self.bare)
    }
}

/// A record that came out.
#[derive(Debug, Clone)]
pub struct Shown {
    pub topic: String,
    pub partition: Option<i32>,
    pub timestamp: Option<i64>,
    pub key: Part,
    pub value: Part,
    pub headers: Map<String, Value>,
}

impl Shown {
    /// As it is written into a file: nothing that says nothing, but always a topic and a value.
    pub fn json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("topic".into(), self.topic.clone().into());
        if let Some(partition) = self.partition {
            out.insert("partition".into(), partition.into());
        }
        if let Some(timestamp) = self.timestamp {
            out.insert("timestamp".into(), timestamp.into());
        }
        if !self.key.bare.is_null() {
            out.insert("key".into(), self.key.full().clone());
        }
        out.insert("value".into(), self.value.full().clone());
        if !self.headers.is_empty() {
            out.insert("headers".into(), self.headers.clone().into());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(records: &str) -> Vec<Map<String, Value>> {
        let records: Vec<Written> = serde_json::from_str(records).unwrap();
        let mut codec = Codec::new(&Schemas::new()).unwrap();
        let batch = codec.read(&records).unwrap();
        codec.write(&batch).unwrap().iter().map(Shown::json).collect()
    }

    #[test]
    fn records_come_out_as_they_went_in() {
        for record in [
            r#"{"topic": "t", "key": "k", "value": {"a": [1, "x", null], "b": 1.5}, "headers": {"h": "x", "n": "7"}}"#,
            r#"{"topic": "t", "partition": 3, "timestamp": 9, "key": 7, "value": null}"#,
            r#"{"topic": "t", "value": {"schema": {"type": "struct", "fields": [{"type": "int32", "optional": true, "field": "id"}],
                "optional": false}, "payload": {"id": 1}}}"#,
        ] {
            let expected: Map<String, Value> = serde_json::from_str(record).unwrap();
            let mut out = round(&format!("[{record}]"));
            assert_eq!(Value::Object(out.remove(0)), Value::Object(expected));
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_named() {
        let records: Vec<Written> =
            serde_json::from_str(r#"[{"value": 1}, {"value": {"schema": {"type": "int32"}, "payload": "x"}}]"#).unwrap();
        let error = Codec::new(&Schemas::new()).unwrap().read(&records).unwrap_err().to_string();
        assert!(error.starts_with("the value of record 1: "), "{error}");
        assert!(serde_json::from_str::<Written>(r#"{"valeu": 1}"#).unwrap_err().to_string().contains("valeu"));
    }
}
