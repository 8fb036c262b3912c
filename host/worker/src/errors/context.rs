//! The headers that a dead letter carries: Kafka Connect's `__connect.errors.*`, the family `dlq.*`, or both.

use std::time::{SystemTime, UNIX_EPOCH};

use millrace_record::{RawConfig, SourceOffset};
use rdkafka::Message;

use super::Stage;
use super::dead_letters::{CONTEXT, FAMILY, TOPIC};
use super::queue_name::QueueName;
use crate::kafka::outgoing::Outgoing;
use crate::secrets::hide;
use crate::task::TaskId;

/// The exceptions that Connect would name: where data is wrong, and otherwise.
pub const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";
pub const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";

/// Why a record is a dead letter.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    pub stage: Stage,
    /// What failed at that stage: the class of a converter or transform.
    pub class: &'a str,
    /// The exception that Connect would name.
    pub exception: &'a str,
    /// What kind of error it is, in a word.
    pub code: &'a str,
    pub message: &'a str,
    /// What the message leaves to the stack trace.
    pub detail: Option<&'a str>,
}

/// Which headers are written: `errors.deadletterqueue.context.headers.enable` and `...family`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Families {
    /// `__connect.errors.*`
    pub connect: bool,
    /// `dlq.*`
    pub dlq: bool,
}

impl Families {
    pub const NONE: Families = Families { connect: false, dlq: false };

    /// The setting's value understood. Unset, a queue by source topic has both.
    pub fn of(setting: Option<&str>, by_source: bool) -> Option<Families> {
        Some(match setting {
            None => Families { connect: true, dlq: by_source },
            Some("connect") => Families { connect: true, dlq: false },
            Some("dlq") => Families { connect: false, dlq: true },
            Some("both") => Families { connect: true, dlq: true },
            Some(_) => return None,
        })
    }

    /// Of a connector's configuration, which was checked when its tasks started.
    pub fn of_config(config: &RawConfig) -> Families {
        let given = |key: &str| config.get(key).map(|v| v.trim()).filter(|v| !v.is_empty());
        let by_source = given(TOPIC).and_then(|name| QueueName::parse(name).ok()).is_some_and(|name| name.by_source());
        let written = given(CONTEXT).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        if written { Families::of(given(FAMILY), by_source).unwrap_or_default() } else { Families::NONE }
    }

    /// Appends the headers to the record that is being made, after those it came with. One of the same name stays beside
    /// the new one, as in Connect: the last of a name counts.
    /// `version` is that of the connector's plugin; `position` is of a source's record, in the source.
    pub fn write(
        self,
        out: &mut Outgoing,
        id: &TaskId,
        version: &str,
        message: &impl Message,
        position: Option<&SourceOffset>,
        cause: &Cause<'_>,
    ) {
        let (partition, offset) = match position {
            Some(position) => (position.partition.to_string(), position.offset.to_string()),
            None => (message.partition().to_string(), message.offset().to_string()),
        };
        let text = hide(cause.message);
        let detail = cause.detail.map(|d| format!("\nCaused by: {}", hide(d))).unwrap_or_default();
        let trace = format!("{}: {text}\n\tat {} ({}){detail}", cause.exception, cause.class, cause.stage);
        let mut header = |name: &str, value: &str| {
            let value = out.bytes(Some(value.as_bytes()));
            out.header(name, value);
        };
        if self.connect {
            header("__connect.errors.topic", message.topic());
            // Connect's own two are numbers.
            let place = match position {
                Some(_) => ["__connect.errors.source.partition", "__connect.errors.source.offset"],
                None => ["__connect.errors.partition", "__connect.errors.offset"],
            };
            header(place[0], &partition);
            header(place[1], &offset);
            header("__connect.errors.connector.name", &id.connector);
            header("__connect.errors.task.id", &id.task.to_string());
            header("__connect.errors.stage", cause.stage.name());
            header("__connect.errors.class.name", cause.class);
            header("__connect.errors.exception.class.name", cause.exception);
            header("__connect.errors.exception.message", &text);
            header("__connect.errors.exception.stacktrace", &trace);
        }
        if self.dlq {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            header("dlq.source_topic", message.topic());
            header("dlq.source_partition", &partition);
            header("dlq.source_offset", &offset);
            header("dlq.error_type", cause.code);
            header("dlq.error_message", &text);
            header("dlq.stacktrace", &trace);
            header("dlq.timestamp", &now.as_millis().to_string());
            header(if position.is_some() { "dlq.source_id" } else { "dlq.sink_id" }, &id.connector);
            header("dlq.stage", cause.stage.name());
            header("dlq.plugin_version", version);
        }
    }
}

/// What `errors.log.enable` logs of a record that failed: Connect's line, and the error. With `errors.log.include.messages`
/// also which record it was, but never its key or value.
pub fn log_line(id: &TaskId, cause: &Cause<'_>, record: Option<&impl Message>) -> String {
    let which = record.map(|m| {
        let (timestamp, kind) = match m.timestamp() {
            rdkafka::Timestamp::CreateTime(ms) => (ms, "CreateTime"),
            rdkafka::Timestamp::LogAppendTime(ms) => (ms, "LogAppendTime"),
            rdkafka::Timestamp::NotAvailable => (-1, "NoTimestampType"),
        };
        format!(
            ", where consumed record is {{topic='{}', partition={}, offset={}, timestamp={timestamp}, timestampType={kind}}}",
            m.topic(),
            m.partition(),
            m.offset()
        )
    });
    format!(
        "Error encountered in task {id}. Executing stage '{}' with class '{}'{}.",
        cause.stage,
        cause.class,
        which.unwrap_or_default()
    )
}
