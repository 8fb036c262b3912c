//! Kafka Connect's predicates: which records a transform applies to.

use millrace_record::row::Batch;
use millrace_record::{RawConfig, Schemas, TaskError};

use super::native::is_null;
use crate::pattern::Pattern;

#[derive(Debug)]
pub(super) enum Predicate {
    /// The whole topic name matches.
    TopicNameMatches(Pattern),
    HasHeaderKey(String),
    RecordIsTombstone,
}

impl Predicate {
    /// The predicate of a transform and whether it applies where the predicate holds; none: it applies to all.
    pub fn of_transform(config: &RawConfig, transform: &str) -> Result<Option<(Predicate, bool)>, TaskError> {
        let Some(name) = config.get(&format!("transforms.{transform}.predicate")).filter(|n| !n.is_empty()) else {
            return Ok(None);
        };
        let negate_key = format!("transforms.{transform}.negate");
        let negate = match config.get(&negate_key).map(|v| v.trim().to_ascii_lowercase()).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(v) => {
                return Err(TaskError::config(&negate_key, format!("\"{negate_key}\" is \"{v}\" but must be true or false")));
            }
        };
        let key = format!("predicates.{name}.type");
        let class = config.get(&key).ok_or_else(|| {
            TaskError::config(&key, format!("predicate \"{name}\" has no type; set \"{key}\" and list it in \"predicates\""))
        })?;
        // What is wrong is said of the predicate's own key, as its definition has it.
        let wrong = |setting: &str, message: String| TaskError::config(format!("predicates.{name}.{setting}"), message);
        let setting = |setting: &str| match config.get(&format!("predicates.{name}.{setting}")).map(|v| v.trim()) {
            Some(v) if !v.is_empty() => Ok(v),
            Some(_) => Err(wrong(setting, format!("Invalid value  for configuration {setting}: String must be non-empty"))),
            None => Err(wrong(setting, format!("Missing required configuration \"{setting}\" which has no default value."))),
        };
        let predicate = match class.rsplit(['.', '$']).next() {
            Some("TopicNameMatches") => {
                let pattern = setting("pattern")?;
                let refused = |e| wrong("pattern", format!("Invalid value {pattern} for configuration pattern: {e}"));
                Predicate::TopicNameMatches(Pattern::new(pattern).map_err(refused)?)
            }
            Some("HasHeaderKey") => Predicate::HasHeaderKey(setting("name")?.to_owned()),
            Some("RecordIsTombstone") => Predicate::RecordIsTombstone,
            _ => {
                let known = "TopicNameMatches, HasHeaderKey, RecordIsTombstone";
                return Err(TaskError::config(
                    &key,
                    format!("\"{key}\" is \"{class}\", which is no predicate; use one of {known}"),
                ));
            }
        };
        Ok(Some((predicate, !negate)))
    }

    pub fn test(&self, view: &Batch<'_>, row: usize, schemas: &Schemas) -> bool {
        let record = view.record(row);
        match self {
            Predicate::TopicNameMatches(regex) => regex.matches(view.topic_of(&record)),
            Predicate::HasHeaderKey(name) => record.headers().any(|h| h.name == name),
            Predicate::RecordIsTombstone => match (record.value(), record.value_schema()) {
                (Some(value), Some(schema)) => is_null(&value, schema, schemas),
                (value, _) => value.is_none(),
            },
        }
    }
}
