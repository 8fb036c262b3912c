//! Topics that a source makes: Kafka Connect's `topic.creation.*` settings.
//!
//! A topic is made before the first record goes to it, as the first group says whose `include` matches it and whose
//! `exclude` does not, else as `topic.creation.default.*` says. Without such settings the broker makes topics its own way.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_record::{RawConfig, TaskError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::client::Quiet;
use crate::pattern::Pattern;
use crate::task::settings::Reader;
use crate::task::{TaskRuntime, TaskSpec};
use crate::transforms::{below, list};

const PREFIX: &str = "topic.creation.";
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How the topics of one group are made.
#[derive(Debug)]
struct Group {
    name: String,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    /// -1: the broker's default, as for replication.
    partitions: i32,
    replication: i32,
    /// The topic's own settings.
    settings: BTreeMap<String, String>,
}

/// The groups in their order; the last is the default one.
#[derive(Debug)]
struct Groups(Vec<Group>);

impl Groups {
    /// None: nothing is set, or `topic.creation.enable=false` in the worker.
    fn new(connector: &RawConfig, worker: &RawConfig) -> Result<Option<Groups>, TaskError> {
        let none = RawConfig::new();
        let mut read = Reader { connector, worker: &none, wrong: Vec::new(), field: None };
        let enabled = Reader { connector: &none, worker, wrong: Vec::new(), field: None }.boolean("topic.creation.enable", true);
        if !enabled || !connector.keys().any(|k| k.starts_with(PREFIX)) {
            return Ok(None);
        }
        let mut names = list(connector.get("topic.creation.groups"));
        names.retain(|n| n != "default");
        names.push("default".to_owned());
        let groups = names.into_iter().map(|name| Group::new(name, &mut read)).collect();
        read.finish(Some(Groups(groups)))
    }

    fn of(&self, topic: &str) -> &Group {
        let whole = |p: &Pattern| p.matches(topic);
        let chosen = self.0.iter().find(|g| g.include.iter().any(whole) && !g.exclude.iter().any(whole));
        chosen.or(self.0.last()).expect("there is a default group")
    }
}

impl Group {
    fn new(name: String, read: &mut Reader<'_>) -> Group {
        let key = |what: &str| format!("{PREFIX}{name}.{what}");
        let number = |what: &str, read: &mut Reader<'_>| {
            let default = format!("{PREFIX}default.{what}");
            let key = if read.get(&key(what)).is_some() { key(what) } else { default };
            if read.get(&key).is_none() {
                read.field.get_or_insert_with(|| key.clone());
                read.wrong.push(format!("\"{key}\" is not set; set it to a number, or to -1 for the broker's default"));
                return -1;
            }
            let n: i32 = read.number(&key, -1);
            if n < -1 || n == 0 {
                read.wrong(&key, n, "at least 1, or -1 for the broker's default");
            }
            n
        };
        let (partitions, replication) = (number("partitions", read), number("replication.factor", read));
        let patterns = |what: &str, read: &mut Reader<'_>| {
            let mut made = Vec::new();
            for pattern in list(read.connector.get(&key(what))) {
                match Pattern::new(&pattern) {
                    Ok(pattern) => made.push(pattern),
                    Err(_) => read.wrong(&key(what), pattern, "a list of regular expressions"),
                }
            }
            made
        };
        let (include, exclude) = (patterns("include", read), patterns("exclude", read));
        // As in Connect, a group without them is for no topic.
        if name != "default" && include.is_empty() {
            tracing::warn!(setting = key("include"), "a group of topics has no expressions, and is for no topic");
        }
        let mut settings = below(read.connector, &format!("{PREFIX}{name}."));
        for own in ["include", "exclude", "partitions", "replication.factor"] {
            settings.remove(own);
        }
        Group { name, include, exclude, partitions, replication, settings }
    }
}

/// Makes a task's topics.
pub(super) struct TopicMaker {
    groups: Groups,
    admin: AdminClient<Quiet>,
}

impl TopicMaker {
    /// None: the broker makes topics.
    pub fn new(spec: &TaskSpec, runtime: &TaskRuntime) -> Result<Option<Self>, TaskError> {
        let Some(groups) = Groups::new(&spec.connector_config, &runtime.worker)? else { return Ok(None) };
        let config = runtime.clients.admin(&format!("connector-admin-{}", spec.id), &spec.connector_config, &[]);
        let admin = config
            .create_with_context(Quiet)
            .map_err(|e| TaskError::config("admin.override", format!("the admin client's settings are refused: {e}")))?;
        Ok(Some(TopicMaker { groups, admin }))
    }

    /// Makes a topic, unless it is there.
    pub async fn make(&self, topic: &str) -> Result<(), TaskError> {
        let group = self.groups.of(topic);
        let mut new = NewTopic::new(topic, group.partitions, TopicReplication::Fixed(group.replication));
        for (name, value) in &group.settings {
            new = new.set(name, value);
        }
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT));
        let away = |why: String| TaskError::retriable("kafka.admin", format!("cannot create topic \"{topic}\": {why}"));
        let answer = self.admin.create_topics([&new], &options).await.map_err(|e| away(e.to_string()))?;
        let key = |what: &str| format!("{PREFIX}{}.{what}", group.name);
        use RDKafkaErrorCode as Code;
        match answer.into_iter().next() {
            Some(Ok(_)) => {
                tracing::info!(topic, group = group.name, partitions = group.partitions, "topic created");
                Ok(())
            }
            Some(Err((_, Code::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)))) => {
                // It may be there although we may not make it; writing to it will tell.
                tracing::warn!(topic, %code, "not allowed to create the topic; writing to it as it is");
                Ok(())
            }
            Some(Err((_, Code::InvalidReplicationFactor))) => {
                let key = key("replication.factor");
                let message = format!(
                    "cannot create topic \"{topic}\" with {} replicas; set \"{key}\" to at most the number of brokers, or to -1",
                    group.replication
                );
                Err(TaskError::config(key, message))
            }
            Some(Err((
                _,
                code @ (Code::InvalidConfig | Code::InvalidPartitions | Code::InvalidTopic | Code::PolicyViolation),
            ))) => {
                let key = format!("{PREFIX}{}", group.name);
                let message = format!("cannot create topic \"{topic}\": {code}; correct the settings that begin with \"{key}.\"");
                Err(TaskError::config(key, message))
            }
            Some(Err((_, code))) => Err(away(code.to_string())),
            None => Err(away("the broker gave no answer".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(pairs: &[(&str, &str)], worker: &[(&str, &str)]) -> Result<Option<Groups>, TaskError> {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<RawConfig>();
        Groups::new(&map(pairs), &map(worker))
    }

    const DEFAULT: [(&str, &str); 2] =
        [("topic.creation.default.partitions", "3"), ("topic.creation.default.replication.factor", "-1")];

    #[test]
    fn a_topic_is_of_the_first_group_that_takes_it() {
        let more = [
            ("topic.creation.groups", "logs, rest"),
            ("topic.creation.logs.include", "log.*,audit"),
            ("topic.creation.logs.exclude", ".*\\.raw"),
            ("topic.creation.logs.partitions", "1"),
            ("topic.creation.logs.cleanup.policy", "compact"),
            ("topic.creation.rest.include", "log.+"),
        ];
        let groups = groups(&[&DEFAULT[..], &more].concat(), &[]).expect("right").expect("set");
        for (topic, group) in [("logs", "logs"), ("audit", "logs"), ("log.raw", "rest"), ("audits", "default"), ("x", "default")]
        {
            assert_eq!(groups.of(topic).name, group, "{topic}");
        }
        let logs = groups.of("logs");
        assert_eq!((logs.partitions, logs.replication), (1, -1));
        assert_eq!(logs.settings.iter().collect::<Vec<_>>(), [(&"cleanup.policy".to_owned(), &"compact".to_owned())]);
        assert_eq!(groups.of("log.raw").partitions, 3);
    }

    #[test]
    fn nothing_set_or_not_enabled_leaves_it_to_the_broker() {
        assert!(groups(&[("topic", "t")], &[]).expect("right").is_none());
        assert!(groups(&DEFAULT, &[("topic.creation.enable", "false")]).expect("right").is_none());
    }

    #[test]
    fn what_is_wrong_is_named_all_at_once() {
        let wrong =
            [("topic.creation.groups", "a"), ("topic.creation.a.include", "("), ("topic.creation.default.partitions", "0")];
        let error = groups(&wrong, &[]).expect_err("wrong").to_string();
        for part in ["default.replication.factor\" is not set", "default.partitions\" is \"0\"", "a.include\" is \"(\""] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
