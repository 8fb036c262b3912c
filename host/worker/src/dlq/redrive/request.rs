//! What is asked for, checked and made a job.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_record::RawConfig;
use serde_json::Value;

use super::job::{Job, Part, Selection, What};
use super::queue::{CONSUMER_DEFAULTS, bounds};
use super::{Redrives, now_ms};
use crate::dlq::Position;
use crate::herder::{Herder, HerderError};

/// The most positions of one request.
pub const POSITIONS_MAX: usize = 10_000;

/// A request.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub what: What,
    pub selection: Selection,
    pub connector: Option<String>,
    pub patch: Option<Value>,
    pub of: Part,
    pub transforms: RawConfig,
    pub rate: Option<u32>,
    pub reason: Option<String>,
    pub by: Option<String>,
}

pub(super) fn bad(message: impl Into<String>) -> HerderError {
    HerderError::BadRequest(message.into())
}

/// The first and the next offset of each partition of a queue.
pub(super) async fn queue_bounds(herder: &Herder, queue: &str) -> Result<Vec<(i64, i64)>, HerderError> {
    let config = herder.clients().consumer("redrive-look", &RawConfig::new(), CONSUMER_DEFAULTS);
    let topic = queue.to_owned();
    let found =
        tokio::task::spawn_blocking(move || bounds(&config, &topic)).await.map_err(|e| HerderError::Failed(e.to_string()))?;
    let found = found.map_err(|e| HerderError::Failed(format!("cannot look at the queue \"{queue}\": {e}")))?;
    found.ok_or_else(|| HerderError::NotFound(format!("There is no queue {queue}")))
}

/// The sink whose queue it is.
pub(super) fn owner(herder: &Herder, queue: &str, named: Option<String>) -> Result<String, HerderError> {
    let owners = herder.owners_of(queue);
    match (named, &owners[..]) {
        (Some(name), _) if owners.contains(&name) => Ok(name),
        (Some(name), _) => Err(bad(format!(
            "\"connector\" is \"{name}\", and \"{queue}\" is not the dead letter queue of a sink of that name; it is that of: {}",
            if owners.is_empty() { "none".to_owned() } else { owners.join(", ") }
        ))),
        (None, [one]) => Ok(one.clone()),
        (None, []) => Err(bad(format!(
            "\"{queue}\" is the dead letter queue of no sink: create the connector whose \"errors.deadletterqueue.topic.name\" it is"
        ))),
        (None, several) => {
            Err(bad(format!("\"{queue}\" is the dead letter queue of {}: name one with \"connector\"", several.join(", "))))
        }
    }
}

/// Refuses positions that are not in the queue, or are done with.
fn check(redrives: &Redrives, queue: &str, some: &BTreeSet<Position>, bounds: &[(i64, i64)]) -> Result<(), HerderError> {
    for at in some {
        let there = bounds.get(at.partition as usize).is_some_and(|(from, to)| (*from..*to).contains(&at.offset));
        if !there {
            let has: Vec<_> = bounds.iter().enumerate().map(|(p, (from, to))| format!("{p}-{from} to {p}-{}", to - 1)).collect();
            let has = has.join(", ");
            return Err(bad(format!("\"positions\" has {at}, which is not in the queue \"{queue}\": it has {has}")));
        }
    }
    let known = redrives.ledger.outcomes(queue, some.iter().copied());
    let done: Vec<_> = some.iter().zip(known).filter_map(|(at, k)| k.map(|k| format!("{at} ({})", k.name()))).take(10).collect();
    if done.is_empty() {
        return Ok(());
    }
    Err(HerderError::Conflict(format!(
        "These dead letters have their outcome already, and nothing was done: {}. Leave them out; one that failed again is another dead letter now",
        done.join(", ")
    )))
}

/// Checks a request; the job that comes of it.
pub(super) async fn job(redrives: &Redrives, herder: &Arc<Herder>, queue: &str, wanted: Wanted) -> Result<Job, HerderError> {
    let bounds = queue_bounds(herder, queue).await?;
    if let Selection::Positions(some) = &wanted.selection {
        check(redrives, queue, some, &bounds)?;
    }
    let connector = match wanted.what {
        What::Redrive => Some(owner(herder, queue, wanted.connector)?),
        What::Discard => None,
    };
    if !wanted.transforms.is_empty() {
        herder.check_transforms(&wanted.transforms).await?;
    }
    let Wanted { what, selection, patch, of, transforms, rate, reason, by, .. } = wanted;
    Ok(Job {
        id: redrives.ledger.next_id(),
        what,
        queue: queue.to_owned(),
        connector,
        selection,
        patch,
        of,
        transforms,
        rate,
        reason,
        by,
        created: now_ms(),
        until: bounds.into_iter().map(|(_, to)| to).collect(),
        cancelled: false,
    })
}
