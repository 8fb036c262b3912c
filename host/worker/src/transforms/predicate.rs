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
        let setting = |setting: &str| {
            let key = format!("predicates.{name}.{setting}");
            match config.get(&key) {
                Some(v) => Ok((key, v)),
                None => Err(TaskError::config(&key, format!("predicate \"{name}\" needs \"{key}\""))),
            }
        };
        let predicate = match class.rsplit(['.', '$']).next() {
            Some("TopicNameMatches") => {
                let (key, pattern) = setting("pattern")?;
                let regex = Pattern::new(pattern).map_err(|e| {
                    TaskError::config(&key, format!("\"{key}\" is \"{pattern}\", which is not a regular expression: {e}"))
                })?;
                Predicate::TopicNameMatches(regex)
            }
            Some("HasHeaderKey") => Predicate::HasHeaderKey(setting("name")?.1.clone()),
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
