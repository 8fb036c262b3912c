//! Dead letter queues, read: an index beside each queue's topic answers what is in it by cause, stage, connector and time,
//! a page at a time, however many records there are.
//!
//! The topic is what counts. The index holds nothing that is not made from it again: [`follow`] reads every queue's topic into
//! its [`index`], and the index knows how far it is, in the same transaction. [`topics`] says which topics are queues,
//! [`letter`] what a record says of its failure, [`cause`] which failures are the same, [`filter`] which records are meant.
//! [`redrive`] sends records through their sink once more, and says what became of them.

pub mod cause;
pub mod filter;
mod follow;
pub mod index;
pub mod letter;
mod queues;
pub mod read;
pub mod redrive;
pub mod time;
mod topics;

pub use filter::Filter;
pub use index::{Index, IndexError, Outcome, OutcomeState};
pub use queues::{DeadLetterQueues, Progress, Queue};

use serde::{Deserialize, Serialize};

/// Where a dead letter is in its queue. In log order: by partition, then by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    pub partition: i32,
    pub offset: i64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        position.to_string()
    }
}

impl TryFrom<String> for Position {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Position {
    type Err = String;

    /// `partition-offset`, as it is shown.
    fn from_str(text: &str) -> Result<Self, String> {
        let (partition, offset) = text.split_once('-').unwrap_or((text, ""));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        let parsed = || Some(Position { partition: partition.parse().ok()?, offset: offset.parse().ok()? });
        let parsed = if digits(partition) && digits(offset) { parsed() } else { None };
        parsed.ok_or_else(|| "a partition and an offset, such as 0-42".to_owned())
    }
}
