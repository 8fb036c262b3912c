//! The dead letters of a source, which Connect's sources do not have: records that cannot come to their topic go to the queue, as
//! JSON and with their place in the source, and the source goes on behind them.
//!
//! Letters are sent with the records of their batch, by the same producer: the log has them before the batch's offset is
//! stored, and with exactly-once delivery in the same transaction. A letter that the log refuses fails the task.

use millrace_record::convert::{Converter, converter};
use millrace_record::row::Record;
use millrace_record::{Mark, RawConfig, SourceOffset, TaskError};
use rdkafka::Timestamp;
use rdkafka::message::OwnedMessage;
use serde_json::Value;

use crate::errors::context::Cause;
use crate::errors::dead_letters::DeadLetters;
use crate::errors::tolerance::Tolerance;
use crate::kafka::outgoing::Outgoing;
use crate::kafka::producer::PRODUCER_DEFAULTS;
use crate::task::supervise::{Failure, Task};

/// As their own schema says, beside the data: a letter is all that is left of a record.
const CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
/// What the headers and the log's own fields of a letter may take of the largest record.
const HEAD_BYTES: usize = 64 << 10;
/// The largest record where nothing says how large one may be; librdkafka's own.
const RECORD_BYTES: usize = 1_000_000;

pub(super) struct Letters {
    queue: DeadLetters,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    record_bytes_max: usize,
}

impl Letters {
    /// None: no queue is configured, or no record is let pass.
    pub async fn new(task: &Task) -> Result<Option<Letters>, TaskError> {
        let (config, runtime) = (&task.spec.connector_config, &task.runtime);
        if task.settings.errors.tolerance == Tolerance::None {
            return Ok(None);
        }
        let Some(queue) = DeadLetters::new(&task.spec, runtime).await? else { return Ok(None) };
        let none = RawConfig::new();
        let json = |key| converter(CONVERTER, key, &none, &runtime.schemas).map_err(|e| TaskError::fatal("convert", e));
        let producer = runtime.clients.producer("", config, PRODUCER_DEFAULTS);
        let record_bytes_max = producer.get("message.max.bytes").and_then(|n| n.parse().ok()).unwrap_or(RECORD_BYTES);
        Ok(Some(Letters { queue, key: json(true)?, value: json(false)?, record_bytes_max }))
    }

    /// Why a record of so many bytes can only be a letter; none: the producer takes it.
    pub fn too_large(&self, bytes: usize) -> Option<String> {
        let max = self.record_bytes_max;
        (bytes > max).then(|| {
            format!("the record has {bytes} bytes, and the producer takes {max}; raise \"producer.override.max.request.size\"")
        })
    }

    /// Adds the letter of a record, which comes before these marks.
    pub async fn add(
        &mut self,
        topic: &str,
        record: &Record<'_>,
        position: Option<&SourceOffset>,
        cause: &Cause<'_>,
    ) -> Result<(), Failure> {
        let (key, key_left) = json(&mut *self.key, topic, record.key_schema(), record.key(), HEAD_BYTES);
        let room = self.record_bytes_max.saturating_sub(2 * HEAD_BYTES);
        let (value, value_left) = json(&mut *self.value, topic, record.value_schema(), record.value(), room);
        let left = [("key", key_left), ("value", value_left)];
        let left = left.into_iter().filter_map(|(what, why)| Some(format!("the {what} is left out: {}", why?)));
        let left = left.collect::<Vec<_>>().join("; ");
        let detail = cause.detail.into_iter().chain(Some(left.as_str()).filter(|l| !l.is_empty())).collect::<Vec<_>>().join("; ");
        let cause = Cause { detail: Some(detail.as_str()).filter(|d| !d.is_empty()), ..*cause };
        let timestamp = record.timestamp().map_or(Timestamp::NotAvailable, Timestamp::CreateTime);
        let message = OwnedMessage::new(value, key, topic.to_owned(), timestamp, -1, -1, None);
        let nowhere = SourceOffset { partition: Value::Null, offset: Value::Null };
        let added = self.queue.add_at(&message, Some(position.unwrap_or(&nowhere)), &cause).await;
        added.map_err(|e| Failure::new("dead letter queue", "create", e))
    }

    /// What was added, to be sent.
    pub fn take(&mut self) -> Outgoing {
        self.queue.take()
    }
}

/// A key or value as JSON; what cannot be said so, or not in so many bytes, is left out, with the reason.
fn json(
    converter: &mut dyn Converter,
    topic: &str,
    schema: Option<u32>,
    row: Option<millrace_record::row::Row<'_>>,
    bytes_max: usize,
) -> (Option<Vec<u8>>, Option<String>) {
    let mut bytes = Vec::new();
    match converter.encode(topic, schema, row, &mut bytes) {
        Ok(false) => (None, None),
        Ok(true) if bytes.len() > bytes_max => (None, Some(format!("it has {} bytes as JSON", bytes.len()))),
        Ok(true) => (Some(bytes), None),
        Err(_) => (None, Some("there is no JSON of it".to_owned())),
    }
}

/// Where a row of a poll is in the source: the place to go on from behind it.
pub(super) fn position(marks: &[Mark], row: u32) -> Option<&SourceOffset> {
    marks.iter().find(|m| m.through > row).map(|m| &m.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_before_the_first_mark_that_covers_it() {
        let mark = |through, lsn: u32| Mark {
            through,
            offset: SourceOffset { partition: json!({"server": "s"}), offset: json!({"lsn": lsn}) },
            boundary: false,
        };
        let marks = [mark(1, 10), mark(3, 30)];
        let lsn = |row| position(&marks, row).map(|p| p.offset["lsn"].clone());
        assert_eq!([lsn(0), lsn(1), lsn(2), lsn(3)], [Some(json!(10)), Some(json!(30)), Some(json!(30)), None]);
    }
}
