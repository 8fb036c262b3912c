//! What became of dead letters. Invariant one-outcome: an outcome is kept by queue and position, and is written in one
//! transaction with the progress of the job that it comes from, so that it is never missing and never two.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::dlq::Position;

/// What kind of outcome it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The sink has it, or its transforms have dropped it.
    #[serde(rename = "redriven")]
    Redriven,
    /// It failed again, and is a dead letter at another position.
    #[serde(rename = "failed again")]
    FailedAgain,
    #[serde(rename = "discarded")]
    Discarded,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Redriven => "redriven",
            Kind::FailedAgain => "failed again",
            Kind::Discarded => "discarded",
        }
    }
}

/// What became of one dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub outcome: Kind,
    /// Of the job that it comes from.
    pub job: u64,
    /// Milliseconds since the epoch.
    pub at: u64,
    /// A transform has dropped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filtered: bool,
    /// Where it is a dead letter now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Position>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How many positions lie side by side in memory.
const CHUNK: i64 = 4096;

/// Which positions of all queues have which outcome, in a byte each: a job over millions asks for every one.
#[derive(Debug, Default)]
pub struct Outcomes(HashMap<String, HashMap<(i32, i64), Box<[u8; CHUNK as usize]>>>);

impl Outcomes {
    pub fn set(&mut self, queue: &str, at: Position, kind: Kind) {
        if !self.0.contains_key(queue) {
            self.0.insert(queue.to_owned(), HashMap::new());
        }
        let of = self.0.get_mut(queue).expect("it was inserted");
        let chunk = of.entry((at.partition, at.offset / CHUNK)).or_insert_with(|| Box::new([0; CHUNK as usize]));
        chunk[(at.offset % CHUNK) as usize] = kind as u8 + 1;
    }

    pub fn get(&self, queue: &str, at: Position) -> Option<Kind> {
        let chunk = self.0.get(queue)?.get(&(at.partition, at.offset / CHUNK))?;
        match chunk[(at.offset % CHUNK) as usize] {
            0 => None,
            1 => Some(Kind::Redriven),
            2 => Some(Kind::FailedAgain),
            _ => Some(Kind::Discarded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_found_where_they_were_set() {
        let mut all = Outcomes::default();
        let at = |offset| Position { partition: 1, offset };
        for (offset, kind) in [(0, Kind::Redriven), (4095, Kind::FailedAgain), (4096, Kind::Discarded)] {
            all.set("q", at(offset), kind);
            assert_eq!(all.get("q", at(offset)), Some(kind));
        }
        assert_eq!((all.get("q", at(1)), all.get("other", at(0))), (None, None));
        assert_eq!(all.get("q", Position { partition: 0, offset: 0 }), None);
        assert_eq!(serde_json::to_string(&Kind::FailedAgain).unwrap(), format!("\"{}\"", Kind::FailedAgain.name()));
    }
}
