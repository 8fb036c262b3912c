//! What a change of a schema looks like: as JSON in the topic, over REST, on the WebSocket and at webhooks.

use millrace_registry::compatibility::Level;
use millrace_registry::{Change, ChangeKind, Incompatibility, SchemaType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventKind {
    /// A subject has a new version, which its level allows.
    #[serde(rename = "schema.version_changed")]
    VersionChanged,
    /// A subject has a new version that its level would not allow: it was forced, or the level was NONE.
    #[serde(rename = "schema.incompatible_change_detected")]
    Incompatible,
    /// A version of a subject, or the whole subject, is gone.
    #[serde(rename = "schema.deleted")]
    Deleted,
    /// A source has seen the shape of what it reads change.
    #[serde(rename = "source.schema_changed")]
    SourceChanged,
}

impl EventKind {
    pub const ALL: [EventKind; 4] =
        [EventKind::VersionChanged, EventKind::Incompatible, EventKind::Deleted, EventKind::SourceChanged];

    pub fn name(self) -> &'static str {
        match self {
            EventKind::VersionChanged => "schema.version_changed",
            EventKind::Incompatible => "schema.incompatible_change_detected",
            EventKind::Deleted => "schema.deleted",
            EventKind::SourceChanged => "source.schema_changed",
        }
    }

    pub fn parse(name: &str) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchemaVersion {
    pub version: i32,
    /// The schema's id, where the registry has told it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<i32>,
    /// AVRO, JSON or PROTOBUF.
    #[serde(rename = "schemaType", skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>)]
    pub schema_type: Option<SchemaType>,
}

/// One difference, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Dotted from the root; empty: the schema itself.
    pub path: String,
    /// `added`, `removed`, `renamed`, `type_changed`, `default_changed`, `doc_changed`, `reordered`.
    #[schema(value_type = String)]
    pub kind: ChangeKind,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    /// The difference as a sentence.
    pub text: String,
}

impl From<Change> for FieldChange {
    fn from(change: Change) -> Self {
        FieldChange { text: sentence(&change), path: change.path, kind: change.kind, before: change.before, after: change.after }
    }
}

/// `field "email" was added: union<null, string> = null`
fn sentence(change: &Change) -> String {
    let field = if change.path.is_empty() { "the schema".to_owned() } else { format!("field \"{}\"", change.path) };
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    let with = |text: Option<&str>| text.map(|t| format!(": {t}")).unwrap_or_default();
    let turn = || match (before, after) {
        (Some(b), Some(a)) => format!(" from {b} to {a}"),
        (Some(b), None) => format!(" from {b} to none"),
        (None, Some(a)) => format!(" from none to {a}"),
        (None, None) => String::new(),
    };
    match change.kind {
        ChangeKind::Added => format!("{field} was added{}", with(after)),
        ChangeKind::Removed => format!("{field} was removed{}", with(before)),
        ChangeKind::Renamed => format!("{field} was renamed{}", turn()),
        ChangeKind::TypeChanged => format!("the type of {field} changed{}", turn()),
        ChangeKind::DefaultChanged => format!("the default of {field} changed{}", turn()),
        ChangeKind::DocChanged => format!("the doc of {field} changed"),
        ChangeKind::Reordered => format!("{field} has another place{}", turn()),
    }
}

/// Why data of one schema cannot be read by another, in the words of Confluent's registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// `READER_FIELD_MISSING_DEFAULT_VALUE`, ...
    pub kind: String,
    pub path: String,
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub additional: String,
}

impl From<Incompatibility> for Reason {
    fn from(found: Incompatibility) -> Self {
        Reason { kind: found.kind.to_owned(), path: found.path, description: found.description, additional: found.additional }
    }
}

/// Whether a new version goes with those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The subject's own level.
    #[schema(value_type = String)]
    pub level: Level,
    /// The level by which the versions were compared: the subject's or a rule's, BACKWARD where that is NONE.
    #[serde(rename = "comparedBy")]
    #[schema(value_type = String)]
    pub compared_by: Level,
    pub compatible: bool,
    /// The version that it does not go with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against: Option<i32>,
    pub reasons: Vec<Reason>,
}

/// A connector that a change is of interest to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Affected {
    pub connector: String,
    /// `source`: it writes the subject; `sink`: it reads it.
    #[serde(rename = "type")]
    pub kind: String,
    pub topics: Vec<String>,
    /// The tables behind the topics, as far as the connector's settings tell.
    pub tables: Vec<String>,
    /// Whether the change stops it.
    pub stops: bool,
}

/// What a source tells of a change in what it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceChange {
    pub connector: String,
    /// `schema.table`
    pub table: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub topic: Option<String>,
    /// Where in the source's log, `0/1A2B3C8`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lsn: Option<String>,
    /// The statement, where the source may see it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ddl: Option<String>,
}

/// A change of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeEvent {
    /// Grows by one from event to event.
    pub id: u64,
    pub kind: EventKind,
    /// When it was seen, in milliseconds since the epoch.
    pub ts_ms: u64,
    /// The event in one sentence.
    pub summary: String,
    /// The registry's URL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// The version before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<SchemaVersion>,
    /// The version since; none where it was deleted and none is left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current: Option<SchemaVersion>,
    /// Versions that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub deleted: Vec<i32>,
    pub changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compatibility: Option<Verdict>,
    pub affected: Vec<Affected>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourceChange>,
    /// A rule mutes the subject: only REST shows it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub muted: bool,
    pub acknowledged: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_ts_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_by: Option<String>,
}

impl ChangeEvent {
    /// The event in one sentence, of what else is in it.
    pub fn summarized(&self) -> String {
        let subject = self.subject.as_deref().unwrap_or_default();
        let version = |v: &Option<SchemaVersion>| v.as_ref().map_or("none".to_owned(), |v| v.version.to_string());
        match (self.kind, &self.source) {
            (EventKind::SourceChanged, Some(source)) => {
                let at = source.lsn.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
                format!("connector {} saw table {} change{at}", source.connector, source.table)
            }
            (EventKind::Deleted, _) if self.current.is_none() => format!("subject {subject} was deleted"),
            (EventKind::Deleted, _) => {
                let gone: Vec<_> = self.deleted.iter().map(i32::to_string).collect();
                format!("subject {subject}: version {} was deleted", gone.join(", "))
            }
            (EventKind::Incompatible, _) => format!(
                "subject {subject}: version {} is not compatible with version {}",
                version(&self.current),
                self.compatibility.as_ref().and_then(|c| c.against).map_or(version(&self.previous), |v| v.to_string()),
            ),
            _ => format!("subject {subject} went from version {} to version {}", version(&self.previous), version(&self.current)),
        }
    }

    pub fn concerns(&self, connector: &str) -> bool {
        self.affected.iter().any(|a| a.connector == connector) || self.source.as_ref().is_some_and(|s| s.connector == connector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_sentences() {
        let check = |path: &str, kind, before: Option<&str>, after: Option<&str>, expected: &str| {
            let change = Change { path: path.into(), kind, before: before.map(Into::into), after: after.map(Into::into) };
            assert_eq!(FieldChange::from(change).text, expected);
        };
        check("a.b", ChangeKind::Added, None, Some("int = 0"), "field \"a.b\" was added: int = 0");
        check("a", ChangeKind::Removed, Some("int"), None, "field \"a\" was removed: int");
        check("a", ChangeKind::TypeChanged, Some("int"), Some("long"), "the type of field \"a\" changed from int to long");
        check("a", ChangeKind::DefaultChanged, None, Some("1"), "the default of field \"a\" changed from none to 1");
        check("", ChangeKind::DocChanged, None, None, "the doc of the schema changed");
    }

    #[test]
    fn kinds_have_one_name() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(EventKind::parse(kind.name()), Some(kind));
        }
    }
}
