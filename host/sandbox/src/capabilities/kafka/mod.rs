//! `kafka`: records into topics of the worker's log that the connector's configuration lists. The task sends them, and waits
//! for their acknowledgement before it stores offsets.

use millrace_record::{LogRecord, RawConfig, TaskError};

use crate::bindings::kafka::{Host, Message};
use crate::bindings::types::{Error, ErrorKind};
use crate::state::{State, setting, within};
use crate::wit::error;

pub mod topics;

use topics::Topics;

/// The setting of sources and sinks; a transform has it without `plugin.`.
pub(crate) const KEY: &str = "plugin.kafka.topics";
/// The most of one call.
const MESSAGES_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;

/// Which topics a task's plugin may write to.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    topics: Topics,
    /// The worker's list, where it has one.
    policy: Option<Topics>,
    /// The worker's own topics, which no plugin writes to.
    reserved: Vec<String>,
    /// The setting as its author wrote it.
    key: String,
}

impl Allowed {
    pub fn read(
        config: &RawConfig,
        alias: Option<&str>,
        policy: Option<Topics>,
        reserved: Vec<String>,
    ) -> Result<Allowed, TaskError> {
        let key = setting(alias, KEY);
        let list = config.get(within(alias.is_some(), KEY)).map(String::as_str).unwrap_or_default();
        let topics = Allowed::understood(&key, list, policy.as_ref()).map_err(|message| TaskError::config(&key, message))?;
        Ok(Allowed { topics, policy, reserved, key })
    }

    /// The list, or what is wrong with it.
    pub fn understood(key: &str, list: &str, policy: Option<&Topics>) -> Result<Topics, String> {
        let topics = Topics::parse(list).map_err(|e| format!("\"{key}\" is wrong: {e}"))?;
        match policy.and_then(|policy| policy.beyond(&topics)) {
            None => Ok(topics),
            Some(beyond) => Err(format!(
                "\"{key}\" lists \"{beyond}\", which is not among the topics that this worker lets plugins write to: leave it out, or add it to the worker's \"plugin.kafka.topics.allowed\""
            )),
        }
    }

    fn check(&self, topic: &str) -> Result<(), Error> {
        let shown = &topic[..topic.floor_char_boundary(100)];
        let why = if self.reserved.iter().any(|r| r == topic) {
            "is the worker's own: name another".to_owned()
        } else if !self.topics.names(topic) {
            format!("is not listed: add it to \"{}\"", self.key)
        } else if self.policy.as_ref().is_some_and(|policy| !policy.names(topic)) {
            "is not among those that this worker lets plugins write to: add it to the worker's \"plugin.kafka.topics.allowed\""
                .to_owned()
        } else {
            return Ok(());
        };
        Err(error::config("kafka.forbidden-topic", Some(&self.key), format!("cannot write to the topic {shown:?}: it {why}")))
    }
}

fn size(m: &Message) -> usize {
    let headers: usize = m.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    m.key.as_ref().map_or(0, Vec::len) + m.value.as_ref().map_or(0, Vec::len) + headers
}

fn checked(state: &State, messages: &[Message]) -> Result<(), Error> {
    if state.owner.services.dry_run {
        return Err(error::dry_run("kafka", "sending messages"));
    }
    let large = |what: String| Err(error::new(ErrorKind::Fatal, "kafka.too-large", format!("cannot send the messages: {what}")));
    if messages.len() > MESSAGES_MAX {
        return large(format!("there are {} at once: send at most {MESSAGES_MAX}", messages.len()));
    }
    let bytes: usize = messages.iter().map(size).sum();
    if bytes > BYTES_MAX {
        return large(format!("they have {bytes} bytes together: send at most {BYTES_MAX}"));
    }
    let mut last = None;
    for m in messages {
        // Messages of one topic come in runs.
        if last != Some(m.topic.as_str()) {
            state.owner.topics.check(&m.topic)?;
            last = Some(m.topic.as_str());
        }
        if m.partition.is_some_and(|p| i32::try_from(p).is_err()) || m.headers.iter().any(|(name, _)| name.contains('\0')) {
            let message = "cannot send the messages: a partition is beyond 2147483647, or a header's name holds a zero byte";
            return Err(error::new(ErrorKind::Fatal, "kafka.invalid-message", message));
        }
    }
    Ok(())
}

impl Host for State {
    async fn send(&mut self, messages: Vec<Message>) -> wasmtime::Result<Result<(), Error>> {
        if let Err(error) = checked(self, &messages) {
            return Ok(Err(error));
        }
        let Some(log) = self.owner.services.log.clone() else {
            let message = "there is no log here: messages are sent by plugins that run in a worker";
            return Ok(Err(error::new(ErrorKind::Fatal, "kafka.unavailable", message)));
        };
        let records = messages.into_iter().map(|m| LogRecord {
            topic: m.topic,
            partition: m.partition.and_then(|p| p.try_into().ok()),
            key: m.key,
            value: m.value,
            headers: m.headers,
            timestamp: m.timestamp_ms,
        });
        let records = records.collect();
        Ok(self.waits.clone().on(log.send(records)).await.map_err(error::lower))
    }

    async fn flush(&mut self) -> wasmtime::Result<Result<(), Error>> {
        let Some(log) = self.owner.services.log.clone() else { return Ok(Ok(())) };
        Ok(self.waits.clone().on(log.flush()).await.map_err(error::lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_written_to() {
        let config = RawConfig::from([("kafka.topics".to_owned(), "audit-*,connect-configs,secret".to_owned())]);
        let read = |policy: Option<&str>| {
            let policy = policy.map(|p| Topics::parse(p).unwrap());
            Allowed::read(&config, Some("t"), policy, vec!["connect-configs".to_owned()])
        };
        let allowed = read(None).unwrap();
        allowed.check("audit-1").unwrap();
        for (topic, says) in [("connect-configs", "the worker's own"), ("other", "add it to \"transforms.t.kafka.topics\"")] {
            let error = allowed.check(topic).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "kafka.forbidden-topic"));
            assert!(error.message.contains(says), "{}", error.message);
        }
        let beyond = read(Some("audit-*,connect-*")).unwrap_err();
        assert_eq!(beyond.field.as_deref(), Some("transforms.t.kafka.topics"));
        assert!(beyond.message.contains("\"secret\"") && beyond.message.contains("plugin.kafka.topics.allowed"), "{beyond:?}");
        assert!(Allowed::default().check("any").is_err());
    }
}
