//! `errors.deadletterqueue.topic.name`: one topic, or one for each source topic: `{source_topic}.dlq`.

use crate::kafka::topic_name;

/// Where the records of a topic go that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueName(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    SourceTopic,
    Connector,
}

impl QueueName {
    /// Understands `{source_topic}` and `{connector}`. The error says what is wrong and what to write.
    pub fn parse(name: &str) -> Result<QueueName, String> {
        let mut parts = Vec::new();
        let mut rest = name;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').map(|at| open + at);
            let part = match close.map(|close| &rest[open + 1..close]) {
                Some("source_topic") => Part::SourceTopic,
                Some("connector") => Part::Connector,
                Some(other) => {
                    return Err(format!("\"{{{other}}}\" is not known in it; there are {{source_topic}} and {{connector}}"));
                }
                None => return Err("a \"{\" has no \"}\"; write {source_topic} or {connector}".to_owned()),
            };
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            parts.push(part);
            rest = &rest[close.map_or(rest.len(), |close| close + 1)..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        for part in &parts {
            if let Part::Text(text) = part {
                topic_name::check_characters(text)?;
            }
        }
        if parts == [Part::SourceTopic] {
            return Err(
                "failed records would go back to the topic that they came from; add to the name, such as {source_topic}.dlq"
                    .into(),
            );
        }
        topic_name::check_length(name)?;
        Ok(QueueName(parts))
    }

    /// Whether every source topic has a queue of its own.
    pub fn by_source(&self) -> bool {
        self.0.contains(&Part::SourceTopic)
    }

    /// The queue of a source topic.
    pub fn of(&self, source_topic: &str, connector: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::SourceTopic => source_topic.to_owned(),
            // A connector may have a name that no topic can have.
            Part::Connector => connector.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_"),
        };
        self.0.iter().map(part).collect()
    }

    /// The source topic whose queue it is.
    pub fn source_of(&self, queue: &str, connector: &str) -> Option<String> {
        let at = self.0.iter().position(|p| *p == Part::SourceTopic)?;
        let before = QueueName(self.0[..at].to_vec()).of("", connector);
        let rest = queue.strip_prefix(&before)?;
        // Named twice, it is the same both times: the shortest that fits is it.
        (1..=rest.len())
            .filter(|n| rest.is_char_boundary(*n))
            .map(|n| &rest[..n])
            .find(|t| self.of(t, connector) == queue)
            .map(str::to_owned)
    }

    /// The queues that are known before anything has failed: of these topics, or the one of all.
    pub fn known(&self, topics: &[String], connector: &str) -> Vec<String> {
        if self.by_source() {
            topics.iter().map(|topic| self.of(topic, connector)).collect()
        } else {
            vec![self.of("", connector)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_queue_or_one_for_each_topic() {
        let of = |name: &str| QueueName::parse(name).map(|q| (q.of("orders", "a sink"), q.by_source()));
        assert_eq!(of("dead"), Ok(("dead".into(), false)));
        assert_eq!(of("{source_topic}.dlq"), Ok(("orders.dlq".into(), true)));
        assert_eq!(of("dlq-{connector}-{source_topic}"), Ok(("dlq-a_sink-orders".into(), true)));
        assert_eq!(of("dlq.{connector}"), Ok(("dlq.a_sink".into(), false)));
    }

    #[test]
    fn a_queue_says_which_topic_it_is_of() {
        let of = |name: &str, queue: &str| QueueName::parse(name).expect("a name").source_of(queue, "c");
        assert_eq!(of("{source_topic}.dlq", "a.b.dlq"), Some("a.b".into()));
        assert_eq!(of("dlq-{connector}-{source_topic}-{source_topic}", "dlq-c-a-b-a-b"), Some("a-b".into()));
        assert_eq!((of("{source_topic}.dlq", "a"), of("{source_topic}.dlq", ".dlq"), of("dlq", "dlq")), (None, None, None));
    }

    #[test]
    fn wrong_names_say_what_to_write() {
        for (name, said) in [
            ("{topic}.dlq", "\"{topic}\" is not known in it; there are {source_topic} and {connector}"),
            ("dlq.{source_topic", "has no \"}\""),
            ("{source_topic}", "go back to the topic"),
            ("dead letters", "\" \" is not allowed"),
            (&"x".repeat(250), "up to 249"),
            ("..", "neither"),
        ] {
            let error = QueueName::parse(name).expect_err(name);
            assert!(error.contains(said), "{name}: {error}");
        }
    }

    #[test]
    fn the_queues_of_listed_topics_are_known() {
        let known = |name: &str| QueueName::parse(name).expect("a name").known(&["a".to_owned(), "b".to_owned()], "c");
        assert_eq!(known("{source_topic}.dlq"), ["a.dlq", "b.dlq"]);
        assert_eq!(known("dlq-{connector}"), ["dlq-c"]);
    }
}
