//! `millrace consume`: shows the records of topics, decoded as far as they show what they are. It joins no consumer group
//! and commits nothing.

use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Args)]
pub struct Consume {
    /// The topics to read.
    #[arg(required = true)]
    topics: Vec<String>,
    /// The log: Kafka, or a worker's embedded broker.
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    bootstrap: String,
    /// Start where the topics do; else with --follow at their end.
    #[arg(long)]
    from_beginning: bool,
    /// Do not stop at the end of the topics, wait for more.
    #[arg(long, short)]
    follow: bool,
    /// Stop after so many records.
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Stop when nothing came for so long, in milliseconds.
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Show headers.
    #[arg(long)]
    headers: bool,
    /// Show keys.
    #[arg(long)]
    keys: bool,
    /// text: the values. json: an object a line, of topic, partition, offset, timestamp, key, value and headers.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// How long a broker has to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How often the deadline is looked at.
const STEP: Duration = Duration::from_millis(100);

impl Consume {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.read(&mut BufWriter::new(std::io::stdout().lock())) {
            // The reader has seen enough.
            Err(e) if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
                Ok(ExitCode::SUCCESS)
            }
            Err(e) => Err(e),
            Ok(()) => Ok(ExitCode::SUCCESS),
        }
    }

    fn read(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            // Never joined: librdkafka wants a name.
            .set("group.id", "millrace-consume")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Critical)
            .create()
            .with_context(|| format!("--bootstrap {}", self.bootstrap))?;
        let mut open = self.assign(&consumer)?;
        let (mut shown, mut last) = (0, Instant::now());
        while self.max.is_none_or(|max| shown < max) && (self.follow || open > 0) {
            match consumer.poll(STEP) {
                Some(Ok(message)) => {
                    self.show(out, &message)?;
                    (shown, last) = (shown + 1, Instant::now());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open = open.saturating_sub(1),
                Some(Err(e)) => bail!("reading from {}: {e}", self.bootstrap),
                None => {
                    out.flush()?;
                    if self.timeout.is_some_and(|ms| last.elapsed() > Duration::from_millis(ms)) {
                        break;
                    }
                }
            }
        }
        out.flush()?;
        Ok(())
    }

    /// Takes all partitions of the topics; answers how many.
    fn assign(&self, consumer: &BaseConsumer) -> anyhow::Result<usize> {
        let from = if self.follow && !self.from_beginning { Offset::End } else { Offset::Beginning };
        let mut all = TopicPartitionList::new();
        for topic in &self.topics {
            let unreachable = || {
                format!(
                    "no broker answers at {}; give the address of Kafka, or of a worker's embedded broker, with --bootstrap",
                    self.bootstrap
                )
            };
            let metadata = consumer.fetch_metadata(Some(topic), ANSWER).with_context(unreachable)?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let partitions = found.map(|t| t.partitions()).unwrap_or_default();
            ensure!(
                !partitions.is_empty(),
                "topic \"{topic}\" does not exist on {}; list the topics with any Kafka client",
                self.bootstrap
            );
            for partition in partitions {
                all.add_partition_offset(topic, partition.id(), from)?;
            }
        }
        consumer.assign(&all)?;
        Ok(all.count())
    }

    fn show(&self, out: &mut impl Write, message: &BorrowedMessage<'_>) -> std::io::Result<()> {
        let headers = || -> Vec<(String, Value)> {
            let all = message.headers().map(|h| h.iter().map(|h| (h.key.to_owned(), shown(h.value))).collect());
            all.unwrap_or_default()
        };
        if self.output == Output::Json {
            let mut line = Map::new();
            line.insert("topic".into(), message.topic().into());
            line.insert("partition".into(), message.partition().into());
            line.insert("offset".into(), message.offset().into());
            line.insert("timestamp".into(), message.timestamp().to_millis().into());
            line.insert("key".into(), shown(message.key()));
            line.insert("value".into(), shown(message.payload()));
            let headers: Vec<Value> = headers().into_iter().map(|(k, v)| json!({"key": k, "value": v})).collect();
            line.insert("headers".into(), headers.into());
            return writeln!(out, "{}", Value::Object(line));
        }
        if self.topics.len() > 1 {
            write!(out, "{} ", message.topic())?;
        }
        if self.keys {
            write!(out, "{} ", text(&shown(message.key())))?;
        }
        writeln!(out, "{}", text(&shown(message.payload())))?;
        if self.headers {
            for (name, value) in headers() {
                writeln!(out, "  {name}: {}", text(&value))?;
            }
        }
        Ok(())
    }
}

/// Bytes as what they show to be: JSON, text, else `base64:...`.
fn shown(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    match std::str::from_utf8(bytes) {
        // A bare number or word may just as well be text that looks like one.
        Ok(text) if text.starts_with(['{', '[']) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => text.into(),
        _ => format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(bytes)).into(),
    }
}

/// A value on a line of its own: text without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        assert_eq!(shown(None), Value::Null);
        assert_eq!(shown(Some(b"{\"a\":1}")), json!({"a": 1}));
        assert_eq!(shown(Some(b"{a")), json!("{a"));
        assert_eq!(shown(Some(b"12")), json!("12"));
        assert_eq!(shown(Some(&[0, 0xff])), json!("base64:AP8="));
        assert_eq!(text(&json!("a\"b")), "a\"b");
    }
}
