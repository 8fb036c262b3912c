//! A JSON Patch (RFC 6902) of dead letters: of the value, or the key, as the converter reads it.
//!
//! What the converter makes of the bytes is written as JSON with its schema, patched, and read as that. So it is the same for
//! all converters; the schema stays as it was.

use json_patch::Patch;
use millrace_record::convert::{ConvertError, Converter, converter};
use millrace_record::row::BatchWriter;
use millrace_record::{Batch, RawConfig, TaskError};
use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use serde_json::Value;

use crate::errors::Stage;
use crate::task::TaskRuntime;
use crate::task::converters::{Converters, Undecoded};
use crate::transforms::below;

/// What is named as the class of a patch that does not fit a record.
pub const CLASS: &str = "JSON Patch";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// See the module.
pub struct Patcher {
    patch: Patch,
    of_key: bool,
    read: Converters,
    json: Box<dyn Converter>,
}

/// A patch as it is written, or what is wrong with it.
pub fn parse(patch: &Value) -> Result<Patch, String> {
    serde_json::from_value(patch.clone()).map_err(|e| e.to_string())
}

impl Patcher {
    /// `config` is the connector's; it becomes one that reads what was patched.
    pub fn new(patch: &Value, of_key: bool, config: &mut RawConfig, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        let patch = parse(patch).map_err(|e| TaskError::config("patch", e))?;
        let read = Converters::of(config, runtime)?;
        let own = RawConfig::from([("schemas.enable".to_owned(), "true".to_owned())]);
        let json = converter(JSON, of_key, &own, &runtime.schemas).map_err(|e| TaskError::config("patch", e))?;
        let key = if of_key { "key.converter" } else { "value.converter" };
        for setting in below(config, &format!("{key}.")).into_keys() {
            config.remove(&format!("{key}.{setting}"));
        }
        config.insert(key.to_owned(), JSON.to_owned());
        config.insert(format!("{key}.schemas.enable"), "true".to_owned());
        Ok(Patcher { patch, of_key, read, json })
    }

    /// The class that works at a stage.
    pub fn class(&self, stage: Stage) -> &str {
        if stage == Stage::Transformation { CLASS } else { self.read.class(stage) }
    }

    pub fn apply(&mut self, m: &OwnedMessage) -> Result<OwnedMessage, Undecoded> {
        let mut writer = BatchWriter::new();
        self.read.decode(m, &mut writer)?;
        let batch = Batch::trusted(writer);
        let failed = |why: String| Undecoded::Failed(Stage::Transformation, ConvertError::data(why));
        let view = batch.view();
        let Some(record) = view.iter().next() else { return Err(failed("there is no record".into())) };
        let (schema, row) = match self.of_key {
            true => (record.key_schema(), record.key()),
            false => (record.value_schema(), record.value()),
        };
        let mut bytes = Vec::new();
        let some = self.json.encode(m.topic(), schema, row, &mut bytes).map_err(|e| failed(e.failed().to_string()))?;
        let mut document = match some {
            true => serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?,
            false => serde_json::json!({"schema": null, "payload": null}),
        };
        json_patch::patch(&mut document["payload"], &self.patch).map_err(|e| failed(format!("the patch does not fit: {e}")))?;
        let tombstone = document["schema"].is_null() && document["payload"].is_null();
        let patched = (!tombstone).then(|| document.to_string().into_bytes());
        let owned = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
        let (key, value) = match self.of_key {
            true => (patched, owned(m.payload())),
            false => (owned(m.key()), patched),
        };
        let headers = rdkafka::message::Message::headers(m).cloned();
        Ok(OwnedMessage::new(value, key, m.topic().to_owned(), m.timestamp(), m.partition(), m.offset(), headers))
    }
}
