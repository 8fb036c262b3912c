//! What became of dead letters, told to the index of their queue. The topic of redrives is what counts: an index that was made
//! anew is told all of it when the worker starts.

use std::sync::Arc;

use super::outcome::{Kind, Outcome};
use crate::dlq::{DeadLetterQueues, OutcomeState, Position, Queue};

/// Outcomes that are told at once.
pub const BLOCK: usize = 4096;

fn state(kind: Kind) -> OutcomeState {
    match kind {
        Kind::Redriven => OutcomeState::Redriven,
        Kind::FailedAgain => OutcomeState::FailedAgain,
        Kind::Discarded => OutcomeState::Discarded,
    }
}

/// Returns once the index has them; false: it could not be told, or is not there yet, which fails no redrive.
#[must_use]
pub async fn tell(queues: &DeadLetterQueues, name: &str, outcomes: &[(Position, Outcome)]) -> bool {
    if outcomes.is_empty() {
        return true;
    }
    let Some(queue) = queues.get(name).await else { return false };
    let of = |(at, o): &(Position, Outcome)| {
        let outcome =
            crate::dlq::Outcome { state: state(o.outcome), at: o.at as i64, by: o.by.clone(), reason: o.reason.clone() };
        (*at, outcome)
    };
    let all: Vec<_> = outcomes.iter().map(of).collect();
    let told = tokio::task::spawn_blocking(move || queue.index.set_outcomes(&all)).await;
    if let Ok(Err(error)) = told {
        tracing::warn!(queue = name, %error, "the index does not show what became of dead letters yet, it is tried again");
        return false;
    }
    true
}

/// Whether the index of a queue knows of an outcome: then it does of all before.
pub async fn knows(queue: &Arc<Queue>, (at, outcome): &(Position, Outcome)) -> bool {
    let (queue, at, expected) = (queue.clone(), *at, state(outcome.outcome));
    let row = tokio::task::spawn_blocking(move || queue.index.row(at)).await;
    matches!(row, Ok(Ok(Some((row, Some(_))))) if row.outcome == expected)
}
