//! Which dead letters of a chunk a job gives to its sink, and as what records.

use std::collections::{BTreeSet, HashSet};

use rdkafka::Message;
use rdkafka::message::OwnedMessage;

use super::Redrives;
use super::job::Job;
use super::letter::{self, Origin};
use super::queue::Chunk;
use crate::dlq::Position;
use crate::errors::dead_letters::TOPIC;
use crate::errors::queue_name::QueueName;
use crate::kafka::subscription::Topics;
use crate::task::TaskSpec;

/// A dead letter that is chosen: its position in the queue, and where its record was consumed from.
pub struct Letter {
    pub at: Position,
    pub origin: Origin,
}

/// What is chosen of a chunk.
#[derive(Default)]
pub struct Chosen {
    pub letters: Vec<Letter>,
    /// Of each letter, as the sink is shown it.
    pub records: Vec<OwnedMessage>,
    /// How many were meant, and cannot be redriven.
    pub skipped: u64,
}

pub fn position(m: &OwnedMessage) -> Position {
    Position { partition: m.partition(), offset: m.offset() }
}

/// Which of a chunk have no outcome, and which that were named have one. `ahead` have theirs of this job, and are counted.
pub fn without_outcome(redrives: &Redrives, job: &Job, ahead: &BTreeSet<Position>, chunk: &Chunk) -> (Vec<usize>, Vec<usize>) {
    let known = redrives.ledger.outcomes(&job.queue, chunk.messages.iter().map(position));
    let (mut chosen, mut skipped) = (Vec::with_capacity(known.len()), Vec::new());
    for (i, known) in known.into_iter().enumerate() {
        match known {
            None => chosen.push(i),
            // All that were selected were those that are not done.
            Some(_) if job.selection.names() && !ahead.contains(&position(&chunk.messages[i])) => skipped.push(i),
            Some(_) => {}
        }
    }
    (chosen, skipped)
}

/// The records that go to the sink. No two of them have the same place, or the plugin could not say which it means: a chunk ends
/// before the second. `own`: the sink keeps its offsets. `topic`: of those that do not say where they come from.
pub fn choose(
    redrives: &Redrives,
    job: &Job,
    ahead: &BTreeSet<Position>,
    chunk: &mut Chunk,
    own: bool,
    topic: Option<&str>,
) -> Chosen {
    let name = job.connector.as_deref().unwrap_or_default();
    let mut places = HashSet::new();
    let (left, mut skipped) = without_outcome(redrives, job, ahead, chunk);
    let mut chosen = Chosen::default();
    for i in left {
        let m = &chunk.messages[i];
        let at = position(m);
        if letter::connector(m).is_some_and(|c| c != name) {
            // All means all of this connector.
            chosen.skipped += u64::from(job.selection.names());
            continue;
        }
        let origin = letter::origin(m).or_else(|| {
            // Without headers it is a record of the connector's only topic; where it was in it is not known.
            Some(Origin { topic: topic?.to_owned(), partition: at.partition, offset: at.offset })
        });
        let Some(origin) = origin else {
            chosen.skipped += 1;
            continue;
        };
        if !places.insert(origin.clone()) {
            chunk.next = Some(at);
            chunk.missing.retain(|missing| *missing < at);
            skipped.retain(|skipped| *skipped < i);
            break;
        }
        let mut shown = origin.clone();
        if own {
            // A partition of the job's own that no topic has, in which offsets grow.
            let partition = job.id as i64 * job.until.len() as i64 + i64::from(at.partition);
            shown.partition = i32::try_from(i64::from(i32::MAX) - partition).unwrap_or_default();
            shown.offset = at.offset;
        }
        chosen.letters.push(Letter { at, origin });
        chosen.records.push(letter::record(m, name, shown));
    }
    chosen.skipped += skipped.len() as u64;
    chosen
}

/// The topic that the records of a queue come from, where there is only one.
pub fn source_topic(spec: &TaskSpec, queue: &str) -> Option<String> {
    let name = QueueName::parse(spec.connector_config.get(TOPIC)?.trim()).ok()?;
    if name.by_source() {
        return name.source_of(queue, &spec.id.connector);
    }
    match Topics::new(&spec.connector_config).ok()? {
        Topics::Named(names) => <[String; 1]>::try_from(names).ok().map(|[one]| one),
        Topics::Matching(_) => None,
    }
}
