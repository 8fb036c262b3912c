//! The key, value and header converters of a task.

use millrace_record::convert::{BuiltIn, ConvertError, Converter, NotConverted, SIMPLE_HEADER_CONVERTER, Unavailable, Wait};
use millrace_record::row::{BatchWriter, Header, RecordMeta, Row, RowBuf};
use millrace_record::{ErrorKind, RawConfig, TaskError};
use rdkafka::Message;
use rdkafka::message::Headers;

use super::supervise::Failure;
use super::{TaskRuntime, TaskSpec};
use crate::errors::Stage;
use crate::transforms::below;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What a converter needs cannot be had now. Nothing is wrong with the record: it is never skipped for it, nor does it go to
/// a dead letter queue.
pub fn not_at_hand(stage: Stage, why: Unavailable) -> Failure {
    Failure::new(stage.name(), "convert", TaskError::new(ErrorKind::Retriable, "convert.wait", why.to_string()))
}

/// Why a message is not in the batch.
pub enum Undecoded {
    /// A converter waits for what it needs; ask again once that is over.
    Wait(Stage, Wait),
    Failed(Stage, ConvertError),
}

impl Undecoded {
    fn at(stage: Stage) -> impl FnOnce(NotConverted) -> Undecoded {
        move |e| match e {
            NotConverted::Wait(wait) => Undecoded::Wait(stage, wait),
            NotConverted::Failed(e) => Undecoded::Failed(stage, e),
        }
    }
}

pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn Converter>,
    /// Of key, value and header.
    classes: [String; 3],
    /// Where headers are decoded.
    scratch: RowBuf,
}

impl Converters {
    /// The connector's, else the worker's. A connector that names a class brings that class's settings itself, as in
    /// Connect: the worker's are for the worker's class.
    pub fn new(spec: &TaskSpec, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        Self::of(&spec.connector_config, runtime)
    }

    /// The same, of a configuration alone.
    pub fn of(config: &RawConfig, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        let make = |role: &str, default: &str| {
            let key = format!("{role}.converter");
            let of: &RawConfig = if config.contains_key(&key) { config } else { &runtime.worker };
            let class = of.get(&key).map_or(default, |c| c.trim());
            let own = below(of, &format!("{key}."));
            let made = (runtime.converters)(class, role == "key", &own, &runtime.schemas)
                .map_err(|e| TaskError::config(&key, format!("\"{key}\": {e}")))?;
            Ok::<_, TaskError>((made, BuiltIn::find(class).map_or(class, |b| b.class).to_owned()))
        };
        let (key, of_key) = make("key", JSON)?;
        let (value, of_value) = make("value", JSON)?;
        let (header, of_header) = make("header", SIMPLE_HEADER_CONVERTER)?;
        Ok(Converters { key, value, header, classes: [of_key, of_value, of_header], scratch: RowBuf::new() })
    }

    /// The class that works at a stage.
    pub fn class(&self, stage: Stage) -> &str {
        match stage {
            Stage::KeyConverter => &self.classes[0],
            Stage::ValueConverter => &self.classes[1],
            _ => &self.classes[2],
        }
    }

    /// Appends a message to a batch, or leaves the batch as it was.
    pub(super) fn decode(&mut self, m: &impl Message, writer: &mut BatchWriter) -> Result<(), Undecoded> {
        let topic = m.topic();
        let meta = RecordMeta {
            topic: writer.topic(topic),
            partition: Some(m.partition()),
            offset: Some(m.offset()),
            timestamp: m.timestamp().to_millis(),
            key_schema: None,
            value_schema: None,
        };
        writer.begin(meta);
        match self.decode_parts(m, writer) {
            Ok(()) => {
                writer.end();
                Ok(())
            }
            Err(Undecoded::Failed(Stage::ValueConverter, e)) => {
                writer.undo();
                // In a row the value is written first; where both fail it is the key that Connect names.
                match self.key.decode(topic, m.key(), &mut RowBuf::new()) {
                    Err(of_key) => Err(Undecoded::at(Stage::KeyConverter)(of_key)),
                    Ok(_) => Err(Undecoded::Failed(Stage::ValueConverter, e)),
                }
            }
            Err(undecoded) => {
                writer.undo();
                Err(undecoded)
            }
        }
    }

    fn decode_parts(&mut self, m: &impl Message, writer: &mut BatchWriter) -> Result<(), Undecoded> {
        let topic = m.topic();
        writer.value_with(|rows| self.value.decode(topic, m.payload(), rows)).map_err(Undecoded::at(Stage::ValueConverter))?;
        writer.key_with(|rows| self.key.decode(topic, m.key(), rows)).map_err(Undecoded::at(Stage::KeyConverter))?;
        for h in m.headers().into_iter().flat_map(|h| h.iter()) {
            self.scratch.clear();
            let schema = self.header.decode(topic, h.value, &mut self.scratch).map_err(Undecoded::at(Stage::HeaderConverter))?;
            writer.header(Header { name: h.key, schema: schema.flatten(), value: Row::new(self.scratch.as_bytes()) });
        }
        Ok(())
    }
}
