//! A chain of transforms tried on records, by the real chain and converters: before and after of each, errors, times.
//!
//! Nothing is written: records are read by the converters of the configuration, and shown as JSON. No schema is registered,
//! no offset is committed, no consumer group is joined.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use millrace_record::convert::{Converter, NotConverted, converter};
use millrace_record::row::{BatchWriter, Header, Record, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, RawConfig, TaskError};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Map, Value, json};

use super::{Herder, HerderError};
use crate::kafka::client::Quiet;
use crate::task::Converters;
use crate::transforms::Chain;

/// The most records of one try, and the most bytes of their keys, values and headers.
pub const RECORDS_MAX: usize = 1_000;
pub const BYTES_MAX: usize = 4 << 20;
/// How long a topic may take to be read, and a converter to get what it needs.
const WAIT_MAX: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(100);

/// A record as it would lie in the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub topic: String,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Sample {
    fn bytes(&self) -> usize {
        let of = |b: &Option<Vec<u8>>| b.as_ref().map_or(0, Vec::len);
        of(&self.key) + of(&self.value) + self.headers.iter().map(|(k, v)| k.len() + of(v)).sum::<usize>()
    }
}

/// What to try.
pub struct Try {
    /// `transforms`, `predicates` and converters, as a connector has them.
    pub config: RawConfig,
    pub records: Vec<Sample>,
    /// Whether values are shown with their schemas.
    pub schemas: bool,
}

fn bad(message: impl Into<String>) -> HerderError {
    HerderError::BadRequest(message.into())
}

fn wrong(error: TaskError) -> HerderError {
    let field = error.field.map(|f| format!("\"{f}\": ")).unwrap_or_default();
    bad(format!("{field}{}", error.message))
}

/// Refuses more than a try may have.
pub fn bounded(records: &[Sample]) -> Result<(), HerderError> {
    let bytes: usize = records.iter().map(Sample::bytes).sum();
    if records.len() > RECORDS_MAX {
        return Err(bad(format!("{} records are more than the {RECORDS_MAX} of one try: send fewer", records.len())));
    }
    if bytes > BYTES_MAX {
        return Err(bad(format!("the records have {bytes} bytes, more than the {BYTES_MAX} of one try: send fewer")));
    }
    Ok(())
}

impl Herder {
    /// Sends records through a chain, and says what became of each.
    pub async fn try_transforms(&self, tried: Try) -> Result<Value, HerderError> {
        bounded(&tried.records)?;
        let resolved = self.resolve(&tried.config).await?;
        resolved.complete().map_err(|missing| bad(missing.to_string()))?;
        let done = self.try_resolved(&resolved.config, &tried).await;
        // What a reference stands for is not shown to who wrote the reference.
        match done {
            Err(HerderError::BadRequest(why)) => Err(bad(resolved.concealed(&why))),
            done => done,
        }
    }

    /// Sends records through the converters and transforms of a configuration whose references are resolved.
    pub async fn try_records(&self, config: &RawConfig, records: Vec<Sample>) -> Result<Value, HerderError> {
        self.try_resolved(config, &Try { config: RawConfig::new(), records, schemas: false }).await
    }

    async fn try_resolved(&self, config: &RawConfig, tried: &Try) -> Result<Value, HerderError> {
        let runtime = &self.runtime;
        let mut converters = Converters::of(config, runtime).map_err(wrong)?;
        let mut chain = Chain::tried(config, runtime).await.map_err(wrong)?;
        let mut writer = BatchWriter::new();
        let mut answers: Vec<Map<String, Value>> = Vec::with_capacity(tried.records.len());
        // The place in `answers` of every row of the batch.
        let mut rows = Vec::new();
        for sample in &tried.records {
            let mut answer = Map::new();
            match decode(&mut converters, sample, &mut writer).await {
                Ok(()) => rows.push(answers.len()),
                Err((stage, why)) => drop(answer.insert("error".into(), json!({"stage": stage, "message": why}))),
            }
            answers.push(answer);
        }
        let batch = Batch::trusted(writer);
        let mut show = Show::new(tried.schemas, self).map_err(bad)?;
        for (record, at) in batch.view().iter().zip(&rows) {
            let shown = show.record(batch.view().topic_of(&record), &record);
            answers[*at].insert("before".into(), shown);
            answers[*at].insert("after".into(), json!([]));
        }
        let (done, steps) = chain.apply_timed(batch).await;
        chain.close().await;
        let error = match done {
            Err(error) => Some(json!({"code": error.code, "message": error.message})),
            Ok(done) => {
                let view = done.records.view();
                for (i, record) in view.iter().enumerate() {
                    let shown = show.record(view.topic_of(&record), &record);
                    let at = rows[done.origin_of(i) as usize];
                    if let Some(Value::Array(after)) = answers[at].get_mut("after") {
                        after.push(shown);
                    }
                }
                for f in &done.failed {
                    let error = json!({"stage": "TRANSFORMATION", "class": f.class, "code": f.code, "message": f.message});
                    answers[rows[f.row as usize]].insert("error".into(), error);
                }
                None
            }
        };
        let steps: Vec<Value> = steps
            .into_iter()
            .map(|s| json!({"alias": s.alias, "class": s.class, "records": s.records, "micros": s.took.as_micros() as u64}))
            .collect();
        Ok(json!({"records": answers, "transforms": steps, "error": error}))
    }

    /// The last records of a topic, at most `last`, oldest first.
    pub async fn last_records(&self, topic: &str, last: usize) -> Result<Vec<Sample>, HerderError> {
        if last == 0 || last > RECORDS_MAX {
            return Err(bad(format!("\"last\" is {last}: ask for 1 to {RECORDS_MAX} records")));
        }
        let defaults = [
            ("group.id", "millrace-dry-run"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
        ];
        let client = self.runtime.clients.consumer("dry-run", &RawConfig::new(), &defaults);
        let topic = topic.to_owned();
        let read = tokio::task::spawn_blocking(move || read_last(&client, &topic, last)).await;
        read.map_err(|e| HerderError::Failed(e.to_string()))?
    }
}

fn read_last(client: &rdkafka::ClientConfig, topic: &str, last: usize) -> Result<Vec<Sample>, HerderError> {
    let failed = |e: KafkaError| HerderError::Failed(format!("cannot read topic \"{topic}\": {e}"));
    let consumer: BaseConsumer<Quiet> = client.create_with_context(Quiet).map_err(failed)?;
    let metadata = consumer.fetch_metadata(Some(topic), WAIT_MAX).map_err(failed)?;
    let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
    let partitions: Vec<i32> = found.into_iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
    if partitions.is_empty() {
        return Err(HerderError::NotFound(format!("Topic {topic} not found")));
    }
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        let (low, high) = consumer.fetch_watermarks(topic, *partition, WAIT_MAX).map_err(failed)?;
        let from = low.max(high - last as i64);
        if from < high {
            list.add_partition_offset(topic, *partition, Offset::Offset(from)).map_err(failed)?;
        }
    }
    consumer.assign(&list).map_err(failed)?;
    let (mut open, mut samples, until) = (list.count(), Vec::new(), Instant::now() + WAIT_MAX);
    let mut bytes = 0;
    while open > 0 {
        match consumer.poll(STEP) {
            Some(Ok(m)) => {
                let headers = m.headers().into_iter().flat_map(|h| h.iter());
                let sample = Sample {
                    topic: topic.to_owned(),
                    partition: Some(m.partition()),
                    offset: Some(m.offset()),
                    timestamp: m.timestamp().to_millis(),
                    key: m.key().map(<[u8]>::to_vec),
                    value: m.payload().map(<[u8]>::to_vec),
                    headers: headers.map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
                };
                bytes += sample.bytes();
                if bytes > BYTES_MAX {
                    return Err(bad(format!(
                        "the last {last} records of each partition have more than {BYTES_MAX} bytes: ask for fewer"
                    )));
                }
                samples.push(sample);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(e)) => return Err(failed(e)),
            None if Instant::now() > until => {
                return Err(HerderError::Failed(format!("topic \"{topic}\" was not read to its end within {WAIT_MAX:?}")));
            }
            None => {}
        }
    }
    samples.sort_by_key(|s| (s.timestamp, s.partition, s.offset));
    Ok(samples.split_off(samples.len().saturating_sub(last)))
}

/// Appends a record to the batch, or answers the stage at which it cannot be read, and why.
pub(super) async fn decode(
    converters: &mut Converters,
    sample: &Sample,
    writer: &mut BatchWriter,
) -> Result<(), (&'static str, String)> {
    let until = Instant::now() + WAIT_MAX;
    loop {
        let (stage, wait) = match decode_once(converters, sample, writer) {
            Ok(()) => return Ok(()),
            Err((stage, NotConverted::Failed(error))) => return Err((stage, error.to_string())),
            Err((stage, NotConverted::Wait(wait))) => (stage, wait),
        };
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, wait).await {
            Ok(Ok(())) => {}
            Ok(Err(unavailable)) => return Err((stage, unavailable.to_string())),
            Err(_) => return Err((stage, format!("what the converter needs did not come within {WAIT_MAX:?}"))),
        }
    }
}

fn decode_once(c: &mut Converters, sample: &Sample, writer: &mut BatchWriter) -> Result<(), (&'static str, NotConverted)> {
    let topic = sample.topic.as_str();
    let meta = RecordMeta {
        topic: writer.topic(topic),
        partition: sample.partition,
        offset: sample.offset,
        timestamp: sample.timestamp,
        key_schema: None,
        value_schema: None,
    };
    writer.begin(meta);
    let mut fill = || -> Result<(), (&'static str, NotConverted)> {
        let value = writer.value_with(|rows| c.value.decode(topic, sample.value.as_deref(), rows));
        value.map_err(|e| ("VALUE_CONVERTER", e))?;
        let key = writer.key_with(|rows| c.key.decode(topic, sample.key.as_deref(), rows));
        key.map_err(|e| ("KEY_CONVERTER", e))?;
        for (name, value) in &sample.headers {
            let mut row = RowBuf::new();
            let schema = c.header.decode(topic, value.as_deref(), &mut row).map_err(|e| ("HEADER_CONVERTER", e))?;
            writer.header(Header { name, schema: schema.flatten(), value: Row::new(row.as_bytes()) });
        }
        Ok(())
    };
    let filled = fill();
    match filled {
        Ok(()) => writer.end(),
        Err(_) => writer.undo(),
    }
    filled
}

/// Shows records as JSON, whatever converters they came through.
pub(super) struct Show {
    json: Box<dyn Converter>,
}

impl Show {
    pub(super) fn new(schemas: bool, herder: &Herder) -> Result<Self, String> {
        let of = [("schemas.enable", if schemas { "true" } else { "false" }), ("decimal.format", "NUMERIC")];
        let config = of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Ok(Show { json: converter("JsonConverter", false, &config, &herder.runtime.schemas)? })
    }

    pub(super) fn record(&mut self, topic: &str, record: &Record<'_>) -> Value {
        let headers: Vec<Value> =
            record.headers().map(|h| json!({"key": h.name, "value": self.part(topic, h.schema, h.value)})).collect();
        json!({
            "topic": topic,
            "partition": record.partition(),
            "offset": record.offset(),
            "timestamp": record.timestamp(),
            "key": self.part(topic, record.key_schema(), record.key()),
            "value": self.part(topic, record.value_schema(), record.value()),
            "headers": headers,
        })
    }

    fn part(&mut self, topic: &str, schema: Option<u32>, row: Option<Row<'_>>) -> Value {
        let mut out = Vec::new();
        match self.json.encode(topic, schema, row, &mut out) {
            Ok(true) => serde_json::from_slice(&out).unwrap_or_else(|_| String::from_utf8_lossy(&out).into()),
            Ok(false) => Value::Null,
            Err(why) => Value::from(format!("cannot be shown: {}", why.failed())),
        }
    }
}

/// The bytes of a key, value or header of a request: a text as it is where the converter takes texts, else as JSON.
pub fn bytes_of(value: &Value, json: bool) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) if !json => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

/// Bytes that are no text.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text.trim()).ok()
}
