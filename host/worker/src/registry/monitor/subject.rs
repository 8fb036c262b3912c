//! What is remembered of a subject, and what a look at the registry makes of it.
//!
//! The versions that are there when a subject is first seen are its baseline: they are accepted. A later version is accepted
//! when it goes with those accepted before it, else when somebody acknowledges the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_registry::compatibility::Level;
use serde::{Deserialize, Serialize};

use super::event::{FieldChange, Reason, SchemaVersion, Verdict};
use super::reader::{Fetched, SubjectReader, Unreachable};

/// How many of the newest versions a transitive level looks at.
const VERSIONS_COMPARED_MAX: usize = 200;

/// A registry and a subject in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubjectKey {
    pub registry: String,
    pub subject: String,
}

/// A version that sinks which asked for it stop at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The event that tells of it.
    pub event: u64,
    /// The accepted version that it does not go with.
    pub against: i32,
    pub reasons: Vec<Reason>,
}

/// What is remembered of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectState {
    /// The newest version when it was last looked at.
    pub latest: SchemaVersion,
    /// All of them.
    pub versions: Vec<i32>,
    /// Ids whose versions are known.
    pub ids: BTreeMap<i32, i32>,
    pub blocked: BTreeMap<i32, Blocked>,
    /// Connectors and topics whose records have told of it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub observed: BTreeSet<(String, String)>,
}

/// One change that a look has found.
#[derive(Debug, Clone)]
pub enum Found {
    Version {
        previous: Option<SchemaVersion>,
        current: SchemaVersion,
        changes: Vec<FieldChange>,
        /// None: one of the schemas cannot be read by this worker.
        verdict: Option<Verdict>,
        /// Why it is not accepted: the accepted version that it does not go with.
        refused: Option<(i32, Vec<Reason>)>,
    },
    Deleted {
        versions: Vec<i32>,
        previous: SchemaVersion,
        current: Option<SchemaVersion>,
    },
}

/// What a look has made of a subject.
pub struct Look {
    pub state: SubjectState,
    /// In the order of their versions.
    pub found: Vec<Found>,
}

impl SubjectState {
    fn is_accepted(&self, version: i32) -> bool {
        !self.blocked.contains_key(&version)
    }

    /// A change is acknowledged: its version and all before it are accepted. True: something has changed.
    pub fn accept(&mut self, version: i32) -> bool {
        let before = self.blocked.len();
        self.blocked.retain(|v, _| *v > version);
        before != self.blocked.len()
    }
}

/// The level of a comparison: what holds for the subject or a rule says; sinks read, so where nothing is asked of a version
/// it must still read what is older.
fn compared_by(level: Level, ruled: Option<Level>) -> Level {
    match ruled.unwrap_or(level) {
        Level::None => Level::Backward,
        level => level,
    }
}

/// Looks at a subject. None: there is nothing to see yet. With nothing found and a state equal to `before`, nothing has
/// changed.
pub async fn look(
    reader: &dyn SubjectReader,
    subject: &str,
    before: Option<&SubjectState>,
    ruled: Option<Level>,
) -> Result<Option<Look>, Unreachable> {
    let versions = reader.versions(subject).await?;
    let Some(before) = before else {
        let Some(newest) = versions.last() else { return Ok(None) };
        let Some(latest) = reader.version(subject, *newest).await? else { return Ok(None) };
        let ids = BTreeMap::from([(latest.id, latest.version)]);
        let state = SubjectState { latest: latest.place(), versions, ids, blocked: BTreeMap::new(), observed: BTreeSet::new() };
        return Ok(Some(Look { state, found: Vec::new() }));
    };
    let mut look = Look { state: before.clone(), found: Vec::new() };
    let mut gone: Vec<i32> = before.versions.iter().copied().filter(|v| !versions.contains(v)).collect();
    let mut added: Vec<i32> = versions.iter().copied().filter(|v| !before.versions.contains(v)).collect();
    // A subject that was deleted for good and made anew counts from 1 again: the id tells.
    if versions.contains(&before.latest.version)
        && versions.last() == Some(&before.latest.version)
        && let Some(now) = reader.version(subject, before.latest.version).await?
        && before.latest.id.is_some_and(|id| id != now.id)
    {
        gone = before.versions.clone();
        added = versions.clone();
    }
    if !gone.is_empty() {
        let current = match versions.iter().rev().find(|v| !added.contains(v)) {
            Some(left) => reader.version(subject, *left).await?.map(|f| f.place()),
            None => None,
        };
        look.state.versions.retain(|v| !gone.contains(v));
        look.state.ids.retain(|_, v| !gone.contains(v));
        look.state.blocked.retain(|v, _| !gone.contains(v));
        look.found.push(Found::Deleted { versions: gone, previous: before.latest.clone(), current: current.clone() });
        if let Some(current) = current {
            look.state.latest = current;
        }
    }
    if !added.is_empty() {
        let level = reader.level(subject).await?;
        for version in added {
            if let Some(new) = reader.version(subject, version).await? {
                look.add(reader, subject, &new, level, compared_by(level, ruled)).await?;
            }
        }
    }
    Ok(Some(look))
}

impl Look {
    async fn add(
        &mut self,
        reader: &dyn SubjectReader,
        subject: &str,
        new: &Arc<Fetched>,
        level: Level,
        compared_by: Level,
    ) -> Result<(), Unreachable> {
        let state = &mut self.state;
        let older: Vec<i32> = state.versions.iter().copied().filter(|v| *v < new.version).collect();
        // Where all versions are deleted, the last one that was there is what went before.
        let before = older.last().copied().unwrap_or(state.latest.version);
        let previous = match reader.version(subject, before).await? {
            Some(found) if found.id != new.id || found.version != new.version => Some(found),
            _ => None,
        };
        let changes = match (&previous, &new.parsed) {
            (Some(previous), Ok(now)) => match &previous.parsed {
                Ok(before) => now.changes_since(before).into_iter().map(FieldChange::from).collect(),
                Err(_) => Vec::new(),
            },
            _ => Vec::new(),
        };
        let accepted: Vec<i32> = older.iter().copied().filter(|v| state.is_accepted(*v)).collect();
        let all = versions(reader, subject, &accepted, compared_by).await?;
        let judged = judge(new, &all, compared_by);
        let verdict = judged.as_ref().ok().map(|violation| Verdict {
            level,
            compared_by,
            compatible: violation.is_none(),
            against: violation.as_ref().map(|(v, _)| *v),
            reasons: violation.as_ref().map_or_else(Vec::new, |(_, reasons)| reasons.clone()),
        });
        let refused = judged.ok().flatten();
        if let Some((against, reasons)) = &refused {
            // The event is not known yet; what follows in this look is to know all the same.
            let blocked = Blocked { event: 0, against: *against, reasons: reasons.clone() };
            state.blocked.insert(new.version, blocked);
        }
        if let Err(unreadable) = &new.parsed {
            tracing::warn!(subject, version = new.version, error = %unreadable, "a schema cannot be read, nor compared");
        }
        let previous = previous.map(|p| p.place());
        state.versions.push(new.version);
        state.versions.sort_unstable();
        state.versions.dedup();
        state.ids.insert(new.id, new.version);
        state.latest = new.place();
        self.found.push(Found::Version { previous, current: new.place(), changes, verdict, refused });
        Ok(())
    }
}

/// The versions that a level compares a new one with, oldest first.
async fn versions(reader: &dyn SubjectReader, subject: &str, of: &[i32], level: Level) -> Result<Vec<Arc<Fetched>>, Unreachable> {
    let count = if level.is_transitive() { VERSIONS_COMPARED_MAX } else { 1 };
    let mut found = Vec::new();
    for version in &of[of.len().saturating_sub(count)..] {
        found.extend(reader.version(subject, *version).await?);
    }
    Ok(found)
}

/// The version that a new one does not go with, and why. An error: it cannot be told.
pub fn judge(new: &Fetched, older: &[Arc<Fetched>], level: Level) -> Result<Option<(i32, Vec<Reason>)>, ()> {
    let parsed = new.parsed.as_ref().map_err(|_| ())?;
    let older: Vec<_> = older.iter().filter_map(|o| Some((o.version, o.parsed.as_ref().ok()?))).collect();
    let schemas: Vec<_> = older.iter().map(|(_, s)| *s).collect();
    let violation = level.violations(parsed, &schemas);
    Ok(violation.map(|(at, found)| (older[at].0, found.into_iter().map(Reason::from).collect())))
}
