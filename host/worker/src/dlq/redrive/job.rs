//! What is to be done with which dead letters, and how far that is.

use std::collections::BTreeSet;

use millrace_record::RawConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dlq::Position;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Redrive,
    Discard,
}

/// Which dead letters of the queue, as it was when the job was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// All that have no outcome.
    All,
    /// Those that fit and have no outcome.
    Filter(serde_json::Map<String, Value>),
    Positions(BTreeSet<Position>),
}

impl Selection {
    /// Whether each record was meant by its name: one that cannot be done is told.
    pub fn names(&self) -> bool {
        matches!(self, Selection::Positions(_))
    }
}

/// The part of a record that a patch changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    #[default]
    Value,
    Key,
}

/// What was asked for. It is written once, and again when it is cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: u64,
    pub what: What,
    pub queue: String,
    /// The sink that the records failed in; none: to discard them it takes no sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    pub selection: Selection,
    /// A JSON Patch (RFC 6902) of each record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    #[serde(default)]
    pub of: Part,
    /// `transforms`, `transforms.*` and `predicates*`, which come before the connector's own.
    #[serde(default, skip_serializing_if = "RawConfig::is_empty")]
    pub transforms: RawConfig,
    /// Records a second; none: as fast as the sink takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Milliseconds since the epoch.
    pub created: u64,
    /// The end of each partition of the queue when the job was made: what comes later is not of it.
    pub until: Vec<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It has not ended, and is tried for as long as that takes.
    #[default]
    Running,
    Done,
    Cancelled,
    Failed,
}

/// How far a job is. It is written with the outcomes that it counts, in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub state: State,
    /// The next position to look at; none: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Position>,
    /// Positions from there on that have their outcome of this job already.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ahead: BTreeSet<Position>,
    pub counts: Counts,
    /// The sink keeps its offsets, and has begun: the destination may have more than is written here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_offsets: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Records of a job that it has done with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub redriven: u64,
    /// Dropped by a transform; their outcome is `redriven`.
    pub filtered: u64,
    pub failed_again: u64,
    pub discarded: u64,
    /// They have an outcome of another job, or it is not known where they were consumed from.
    pub skipped: u64,
    /// Named, and no longer in the queue.
    pub missing: u64,
}

impl Counts {
    pub fn settled(&self) -> u64 {
        self.redriven + self.filtered + self.failed_again + self.discarded + self.skipped
    }
}

/// What is known of a job only while it runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Records that were handed to the sink.
    pub sent: u64,
    /// Records a second, of late.
    pub rate: f64,
    /// What the job waits for.
    pub waits: Option<String>,
}

impl Job {
    /// As REST shows it.
    pub fn shown(&self, progress: &Progress, live: &Live) -> Value {
        let state = match progress.state {
            State::Running if live.waits.is_some() => json!("WAITING"),
            state => json!(state),
        };
        let counts = &progress.counts;
        let selection = match &self.selection {
            Selection::All => json!({"all": true}),
            Selection::Filter(filter) => json!({"filter": filter}),
            Selection::Positions(some) => json!({"positions": some}),
        };
        let selected = match &self.selection {
            Selection::Positions(some) => some.len() as u64,
            Selection::All | Selection::Filter(_) => counts.settled().max(live.sent),
        };
        let last = self.until.iter().enumerate().rev().find(|(_, end)| **end > 0);
        json!({
            "id": self.id.to_string(), "what": self.what, "queue": self.queue, "connector": self.connector, "state": state,
            "waits_for": live.waits, "error": progress.error, "selection": selection, "patch": self.patch,
            "of": self.patch.as_ref().map(|_| self.of), "transforms": self.transforms, "rate": self.rate, "reason": self.reason,
            "by": self.by, "created": self.created, "ended": progress.ended,
            "at": progress.next, "until": last.map(|(p, end)| Position { partition: p as i32, offset: *end }),
            "selected": selected, "sent": live.sent.max(counts.redriven + counts.filtered + counts.failed_again),
            "redriven": counts.redriven, "filtered": counts.filtered, "failed_again": counts.failed_again,
            "discarded": counts.discarded, "skipped": counts.skipped, "missing": counts.missing,
            "records_per_second": live.rate.round() as u64,
        })
    }
}
