//! `topic.creation.*`: what Connect says of it when a connector starts, said before.

use millrace_record::config::{ConfigKey, ConfigType, Default, Given, Importance, Parsed, Validator, Width};

use super::infos::ConfigInfo;
use super::{Validation, list};
use crate::pattern::Pattern;

const PREFIX: &str = "topic.creation.";
const GROUP: &str = "Topic Creation";
const DEFAULT: &str = "default";
/// Of these a group is made; all else below it are settings of the topic.
const OWN: [&str; 4] = ["include", "exclude", "partitions", "replication.factor"];

impl Validation<'_> {
    /// The keys of groups that are given or missing; nothing when topics are not created this way.
    pub(super) fn topic_creation(&mut self) {
        let off = self.herder.worker.raw.get("topic.creation.enable").is_some_and(|v| v.trim().eq_ignore_ascii_case("false"));
        let any = self.config.keys().any(|k| k.starts_with(PREFIX));
        if off || !any {
            return;
        }
        let mut groups = list(self.config, "topic.creation.groups");
        groups.retain(|g| g != DEFAULT);
        groups.insert(0, DEFAULT.to_owned());
        groups.dedup();
        for group in &groups {
            for name in OWN {
                self.creation_key(group, name);
            }
            self.topic_settings(group);
        }
    }

    fn creation_key(&mut self, group: &str, name: &str) {
        let full = format!("{PREFIX}{group}.{name}");
        let given = self.given(&full);
        let default = match (group, name) {
            (DEFAULT, "partitions" | "replication.factor") => Default::Required,
            (_, "partitions" | "replication.factor") => Default::Null,
            (DEFAULT, "include") => Default::Value(".*".into()),
            _ => Default::Value(String::new()),
        };
        if given == Given::Absent && default != Default::Required {
            return;
        }
        let (kind, validator, documentation): (_, fn(&str, Option<&Parsed>) -> _, _) = match name {
            "partitions" => (ConfigType::Int, partitions, "Partitions of the topics; -1: as many as the broker likes."),
            "replication.factor" => (ConfigType::Short, replication, "Replicas of the topics; -1: as many as the broker likes."),
            "include" => (ConfigType::List, patterns, "Regular expressions of the topics that the group is for."),
            _ => (ConfigType::List, patterns, "Regular expressions of the topics that the group is not for."),
        };
        let key = ConfigKey::new(full.as_str(), kind, default, Importance::Low, documentation)
            .shown(Some(GROUP), 2, Width::Long, &full)
            .must(Validator::Custom(validator));
        // What cannot be read has been told of; Connect stops there.
        let mut checked = key.check(&full, name, given);
        checked.errors.truncate(1);
        self.infos.configs.push(ConfigInfo::new(key.into(), checked));
    }

    /// The broker alone knows what they may be.
    fn topic_settings(&mut self, group: &str) {
        let prefix = format!("{PREFIX}{group}.");
        let of_topic = |k: &&String| k.strip_prefix(&prefix).is_some_and(|name| !OWN.contains(&name));
        let settings: Vec<_> = self.config.iter().filter(|(k, _)| of_topic(k)).collect();
        for (full, value) in settings {
            let documentation = "A setting of the topics of the group.";
            let key = ConfigKey::new(full.as_str(), ConfigType::String, Default::Null, Importance::Low, documentation).shown(
                Some(GROUP),
                3,
                Width::Long,
                full,
            );
            let checked = key.check(full, full, Given::Text(value));
            self.infos.configs.push(ConfigInfo::new(key.into(), checked));
        }
    }
}

fn partitions(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    positive(name, value, "Number of partitions must be positive, or -1 to use the broker's default")
}

fn replication(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let why = "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default";
    positive(name, value, why)
}

fn positive(name: &str, value: Option<&Parsed>, why: &str) -> Result<(), String> {
    match value {
        Some(Parsed::Number(n)) if *n < -1 || *n == 0 => Err(format!("Invalid value {n} for configuration {name}: {why}")),
        _ => Ok(()),
    }
}

fn patterns(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let Some(given @ Parsed::List(patterns)) = value else { return Ok(()) };
    match patterns.iter().find_map(|p| Pattern::new(p).err()) {
        Some(wrong) => {
            let why = wrong.why();
            Err(format!("Invalid value {given} for configuration {name}: Syntax error in regular expression: {why}"))
        }
        None => Ok(()),
    }
}
