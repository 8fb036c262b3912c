//! What a dead letter's headers say of its failure: Kafka Connect's `__connect.errors.*`, our `dlq.*`, both, or nothing.
//!
//! Whatever is in a queue has a letter: what a header does not say, or not as a number or text, is unknown.

use rdkafka::Message;
use rdkafka::message::Headers;

use super::Position;
use super::cause::{MESSAGE_BYTES_MAX, cut};

/// The most bytes that are kept of a name: a topic has up to 249.
const NAME_BYTES_MAX: usize = 256;

/// One failure of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    pub stage: Option<String>,
    /// The kind of error that the plugin gave (`dlq.error_type`), else the exception's class.
    pub error: Option<String>,
    /// What failed: a converter's, transform's or task's class.
    pub class: Option<String>,
    pub message: Option<String>,
    pub stacktrace: Option<String>,
    pub connector: Option<String>,
    pub task: Option<i32>,
    pub plugin_version: Option<String>,
    pub source_topic: Option<String>,
    pub source_partition: Option<i32>,
    pub source_offset: Option<i64>,
    /// When, in milliseconds since the epoch; only `dlq.*` says so.
    pub at: Option<i64>,
}

/// A dead letter as the index takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub position: Position,
    /// When it failed, else the record's own time; -1: unknown.
    pub at: i64,
    /// Names and message are cut.
    pub failure: Failure,
}

impl Letter {
    pub fn of(message: &impl Message) -> Letter {
        let read = || {
            let mut failure = Failure::default();
            for header in message.headers().into_iter().flat_map(|h| h.iter()) {
                // The last of a name counts, as in Connect.
                failure.take(header.key, header.value, true);
            }
            failure
        };
        // The Kafka client panics at a header whose name is not UTF-8.
        let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_default();
        let at = failure.at.or(message.timestamp().to_millis()).filter(|at| *at >= 0).unwrap_or(-1);
        let position = Position { partition: message.partition(), offset: message.offset() };
        Letter { position, at, failure }
    }
}

impl Failure {
    /// Every failure that headers tell of, the first one first: a record that was tried again has those of before too.
    pub fn all<'a>(headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Vec<Failure> {
        let mut all: Vec<Failure> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in headers {
            if !name.starts_with("__connect.errors.") && !name.starts_with("dlq.") {
                continue;
            }
            if all.is_empty() || seen.contains(&name) {
                all.push(Failure::default());
                seen.clear();
            }
            seen.push(name);
            if let Some(last) = all.last_mut() {
                last.take(name, value, false);
            }
        }
        all.retain(|f| *f != Failure::default());
        all
    }

    /// What one header says. `index`: as much of it as the index keeps.
    fn take(&mut self, name: &str, value: Option<&[u8]>, index: bool) {
        let text = |bytes_max: usize| {
            let text = String::from_utf8_lossy(value.unwrap_or_default());
            let text = if index { cut(&text, bytes_max) } else { text.into_owned() };
            Some(text).filter(|t| !t.is_empty())
        };
        let named = || text(NAME_BYTES_MAX);
        match name {
            "__connect.errors.topic" | "dlq.source_topic" => self.source_topic = named(),
            "__connect.errors.partition" | "dlq.source_partition" => self.source_partition = number(value),
            "__connect.errors.offset" | "dlq.source_offset" => self.source_offset = number(value),
            "__connect.errors.connector.name" | "dlq.sink_id" | "dlq.source_id" => self.connector = named(),
            "__connect.errors.task.id" => self.task = number(value),
            "__connect.errors.stage" | "dlq.stage" => self.stage = named(),
            "__connect.errors.class.name" if !index => self.class = named(),
            "dlq.plugin_version" => self.plugin_version = named(),
            "__connect.errors.exception.class.name" => self.error = named(),
            "dlq.error_type" => self.error = named().or(self.error.take()),
            "__connect.errors.exception.message" | "dlq.error_message" => self.message = text(MESSAGE_BYTES_MAX),
            "__connect.errors.exception.stacktrace" | "dlq.stacktrace" if !index => self.stacktrace = named(),
            "dlq.timestamp" => self.at = number(value),
            _ => {}
        }
    }
}

/// A whole number of 0 or more, written as text.
fn number<N: std::str::FromStr + PartialOrd + Default>(value: Option<&[u8]>) -> Option<N> {
    let text = std::str::from_utf8(value?).ok()?;
    text.trim().parse().ok().filter(|n| *n >= N::default())
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    fn message(headers: &[(&str, &[u8])], timestamp: Timestamp) -> OwnedMessage {
        let headers =
            headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        OwnedMessage::new(None, None, "q".into(), timestamp, 1, 7, Some(headers))
    }

    #[test]
    fn both_families_are_understood() {
        let connect: &[(&str, &[u8])] = &[
            ("__connect.errors.topic", b"orders"),
            ("__connect.errors.partition", b"2"),
            ("__connect.errors.offset", b"99"),
            ("__connect.errors.connector.name", b"sink"),
            ("__connect.errors.task.id", b"0"),
            ("__connect.errors.stage", b"TASK_PUT"),
            ("__connect.errors.exception.class.name", b"a.B"),
            ("__connect.errors.exception.message", b"no\nway"),
        ];
        let letter = Letter::of(&message(connect, Timestamp::CreateTime(5)));
        assert_eq!((letter.position, letter.at), (Position { partition: 1, offset: 7 }, 5));
        let f = &letter.failure;
        assert_eq!((f.source_topic.as_deref(), f.source_partition, f.source_offset), (Some("orders"), Some(2), Some(99)));
        assert_eq!(
            (f.stage.as_deref(), f.error.as_deref(), f.message.as_deref()),
            (Some("TASK_PUT"), Some("a.B"), Some("no way"))
        );
        let both: Vec<_> =
            connect.iter().copied().chain([("dlq.error_type", &b"refused"[..]), ("dlq.timestamp", b"8")]).collect();
        let letter = Letter::of(&message(&both, Timestamp::CreateTime(5)));
        assert_eq!((letter.at, letter.failure.error.as_deref()), (8, Some("refused")));
    }

    #[test]
    fn garbage_is_a_letter_of_which_nothing_is_known() {
        let bad: &[(&str, &[u8])] = &[
            ("__connect.errors.partition", b"\xff"),
            ("__connect.errors.offset", b"-3"),
            ("dlq.timestamp", b"yesterday"),
            ("x", b"\0"),
        ];
        let letter = Letter::of(&message(bad, Timestamp::NotAvailable));
        assert_eq!((letter.at, letter.failure), (-1, Failure::default()));
        let letter = Letter::of(&message(&[("dlq.error_message", b"\xff\xfe")], Timestamp::NotAvailable));
        assert_eq!(letter.failure.message.as_deref(), Some("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn a_record_that_failed_twice_tells_of_both() {
        let headers: [(&str, &[u8]); 6] = [
            ("own", b"1"),
            ("__connect.errors.stage", b"VALUE_CONVERTER"),
            ("dlq.error_type", b"convert"),
            ("__connect.errors.stage", b"TASK_PUT"),
            ("dlq.error_type", b"refused"),
            ("dlq.plugin_version", b"1.2"),
        ];
        let all = Failure::all(headers.iter().map(|(n, v)| (*n, Some(*v))));
        let stages: Vec<_> = all.iter().map(|f| (f.stage.as_deref().unwrap(), f.error.as_deref().unwrap())).collect();
        assert_eq!(stages, [("VALUE_CONVERTER", "convert"), ("TASK_PUT", "refused")]);
        assert_eq!(all[1].plugin_version.as_deref(), Some("1.2"));
    }
}
