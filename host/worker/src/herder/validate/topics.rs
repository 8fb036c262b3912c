//! What a sink consumes, and that its dead letters are not of it.

use millrace_record::config::{Given, Parsed};

use super::{Validation, list};
use crate::errors::queue_name::QueueName;
use crate::pattern::Pattern;

const BOTH: [&str; 2] = ["topics", "topics.regex"];
const QUEUE: &str = "errors.deadletterqueue.topic.name";

impl Validation<'_> {
    pub(super) fn topics(&mut self) {
        let text = |key: &str| match self.given(key) {
            Given::Text(text) => Some(text.trim()).filter(|t| !t.is_empty()),
            Given::Absent | Given::Null => None,
        };
        let (topics, regex) = (text(BOTH[0]), text(BOTH[1]));
        let (queue, connector) = (text(QUEUE), text("name").unwrap_or_default());
        match (topics, regex) {
            (None, None) => BOTH.iter().for_each(|k| self.infos.error(k, "Must configure one of topics or topics.regex")),
            (Some(_), Some(_)) => {
                let why = "topics and topics.regex are mutually exclusive options, but both are set.";
                BOTH.iter().for_each(|k| self.infos.error(k, why));
            }
            _ => {}
        }
        let Some(queue) = queue else { return };
        let topics = list(self.config, BOTH[0]);
        let queues = match QueueName::parse(queue) {
            Ok(name) => name.known(&topics, connector),
            Err(why) => {
                self.infos.error(QUEUE, format!("Invalid value {queue} for configuration {QUEUE}: {why}"));
                Vec::new()
            }
        };
        if let Some(queue) = queues.iter().find(|q| topics.contains(q)) {
            let why = format!(
                "The DLQ topic '{queue}' may not be included in the list of topics ('topics={}') consumed by the connector",
                Parsed::List(topics.clone())
            );
            self.infos.error(BOTH[0], why);
        }
        if let Some(regex) = regex
            && let Ok(pattern) = Pattern::new(regex)
            && let Some(queue) = queues.iter().find(|q| pattern.matches(q))
        {
            let why = format!(
                "The DLQ topic '{queue}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
            );
            self.infos.error(BOTH[1], why);
        }
    }
}
