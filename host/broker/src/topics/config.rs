//! Settings of a topic, by Kafka's names: what was written, checked once, and what the log understands of it.

use std::collections::BTreeMap;

/// The kinds of value a setting takes, numbered as DescribeConfigs does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Boolean,
    Int {
        min: i64,
        max: i64,
    },
    Long {
        min: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these, with commas between.
    List(&'static [&'static str]),
    Text,
}

/// One setting: name, default, kind, and what it is for.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
}

const fn setting(name: &'static str, default: &'static str, kind: Kind, doc: &'static str) -> Setting {
    Setting { name, default, kind, doc }
}

const FROM_0: Kind = Kind::Long { min: 0 };
const FROM_MINUS_1: Kind = Kind::Long { min: -1 };

/// Every setting a topic may have.
pub const SETTINGS: &[Setting] = &[
    setting("cleanup.policy", "delete", Kind::List(&["delete", "compact"]), "what happens to old records"),
    setting("compression.type", "producer", Kind::Choice(&["producer"]), "batches are kept as the producer compressed them"),
    setting("delete.retention.ms", "86400000", FROM_0, "how long tombstones outlive their first compaction"),
    setting("max.compaction.lag.ms", "9223372036854775807", Kind::Long { min: 1 }, "compacted after this time at the latest"),
    setting("max.message.bytes", "1048588", Kind::Int { min: 0, max: i32::MAX as i64 }, "largest batch"),
    setting("message.timestamp.type", "CreateTime", Kind::Choice(&["CreateTime", "LogAppendTime"]), "whose time records bear"),
    setting("min.cleanable.dirty.ratio", "0.5", Kind::Double { min: 0.0, max: 1.0 }, "share not yet compacted that starts a run"),
    setting("min.compaction.lag.ms", "0", FROM_0, "records younger than this are not compacted"),
    setting("min.insync.replicas", "1", Kind::Int { min: 1, max: i32::MAX as i64 }, "there is one replica"),
    setting("retention.bytes", "-1", FROM_MINUS_1, "bytes of a partition that are kept"),
    setting("retention.ms", "604800000", FROM_MINUS_1, "time that records are kept"),
    setting("segment.bytes", "1073741824", Kind::Int { min: 14, max: i32::MAX as i64 }, "largest segment file"),
    setting("segment.ms", "604800000", Kind::Long { min: 1 }, "oldest active segment"),
    // Meaningless on one machine with one replica, but clients set them when they create topics.
    setting("file.delete.delay.ms", "0", FROM_0, "files are removed at once"),
    setting("flush.messages", "9223372036854775807", Kind::Long { min: 1 }, "the broker's flush setting decides"),
    setting("flush.ms", "9223372036854775807", FROM_0, "the broker's flush setting decides"),
    setting("index.interval.bytes", "8192", Kind::Int { min: 0, max: i32::MAX as i64 }, "the broker's interval holds"),
    setting("message.downconversion.enable", "false", Kind::Boolean, "old message formats are not offered"),
    setting("message.format.version", "3.0-IV1", Kind::Text, "there is one message format"),
    setting("preallocate", "false", Kind::Boolean, "files are never preallocated"),
    setting("segment.index.bytes", "10485760", Kind::Int { min: 4, max: i32::MAX as i64 }, "indexes grow as they must"),
    setting("segment.jitter.ms", "0", FROM_0, "segments roll without jitter"),
    setting("unclean.leader.election.enable", "false", Kind::Boolean, "there is one leader"),
    setting("leader.replication.throttled.replicas", "", Kind::Text, "there is no replication"),
    setting("follower.replication.throttled.replicas", "", Kind::Text, "there is no replication"),
];

/// Finds a setting by its name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Checks a value; the error says what would do.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let wrong = |remedy: String| Err(format!("invalid value {value:?} for topic setting {:?}: {remedy}", self.name));
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Boolean if matches!(value, "true" | "false") => Ok(()),
            Kind::Boolean => wrong("use true or false".to_owned()),
            Kind::Int { min, max } => match value.trim().parse::<i64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                _ => wrong(format!("use a whole number from {min} to {max}")),
            },
            Kind::Long { min } => match value.trim().parse::<i64>() {
                Ok(number) if number >= min => Ok(()),
                _ => wrong(format!("use a whole number from {min} up")),
            },
            Kind::Double { min, max } => match value.trim().parse::<f64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                _ => wrong(format!("use a number from {min} to {max}")),
            },
            Kind::Choice(choices) if choices.contains(&value) => Ok(()),
            Kind::Choice(choices) => wrong(format!("the embedded broker offers {}", choices.join(", "))),
            Kind::List(choices) if value.split(',').all(|part| choices.contains(&part.trim())) => Ok(()),
            Kind::List(choices) => wrong(format!("use one or more of {}", choices.join(", "))),
        }
    }

    /// The kind's number in DescribeConfigs.
    pub fn kind_number(&self) -> i8 {
        match self.kind {
            Kind::Boolean => 1,
            Kind::Text | Kind::Choice(_) => 2,
            Kind::Int { .. } => 3,
            Kind::Long { .. } => 5,
            Kind::Double { .. } => 6,
            Kind::List(_) => 7,
        }
    }
}

/// What the log understands of a topic's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub compact: bool,
    pub delete: bool,
    pub delete_retention_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: usize,
    pub log_append_time: bool,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    /// Negative: no limit.
    pub retention_bytes: i64,
    /// Negative: no limit.
    pub retention_ms: i64,
    pub segment_bytes: u64,
    pub segment_ms: i64,
}

impl TopicConfig {
    /// Understands what was written; every wrong or unknown setting is named.
    pub fn new(written: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut errors = Vec::new();
        for (name, value) in written {
            match find(name) {
                Some(setting) => errors.extend(setting.check(value).err()),
                None => errors.push(format!("unknown topic setting {name:?}; remove it or check its name")),
            }
        }
        if errors.is_empty() { Ok(Self::understand(written)) } else { Err(errors.join("; ")) }
    }

    fn understand(written: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            let default = find(name).map_or("", |setting| setting.default);
            written.get(name).map_or(default, |value| value.trim())
        };
        let long = |name: &str| text(name).parse::<i64>().expect("the value was checked");
        let has = |policy: &str| text("cleanup.policy").split(',').any(|part| part.trim() == policy);
        Self {
            compact: has("compact"),
            delete: has("delete"),
            delete_retention_ms: long("delete.retention.ms"),
            max_compaction_lag_ms: long("max.compaction.lag.ms"),
            max_message_bytes: long("max.message.bytes") as usize,
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").parse().expect("the value was checked"),
            min_compaction_lag_ms: long("min.compaction.lag.ms"),
            retention_bytes: long("retention.bytes"),
            retention_ms: long("retention.ms"),
            segment_bytes: long("segment.bytes") as u64,
            segment_ms: long("segment.ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[(&str, &str)]) -> Result<TopicConfig, String> {
        TopicConfig::new(&settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn defaults_are_valid() {
        for setting in SETTINGS {
            setting.check(setting.default).or_else(|error| if setting.default.is_empty() { Ok(()) } else { Err(error) }).unwrap();
        }
        let config = parse(&[]).unwrap();
        assert!(config.delete && !config.compact && !config.log_append_time);
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let error = parse(&[("retention.ms", "soon"), ("cleanup.policy", "burn"), ("colour", "red")]).unwrap_err();
        for part in ["retention.ms", "\"soon\"", "cleanup.policy", "colour"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn both_policies_hold_together() {
        let config = parse(&[("cleanup.policy", "compact,delete")]).unwrap();
        assert!(config.compact && config.delete);
    }
}
