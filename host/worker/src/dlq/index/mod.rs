//! The index of one queue: an SQLite file that is made from the topic, and can be made again.
//!
//! A record is a row of a few numbers: where it is, when it failed, its group. A group is all that records have in common
//! (cause, stage, connector, plugin version, source topic and partition) with what became of them, and there are few of these:
//! a filter picks groups, and records of a group are found in log order by the one secondary index. How many records
//! each group has in each hour is counted in the transaction that writes them, so that a summary reads no record.
//!
//! One writes at a time; readers see what was committed last and wait for nobody.

mod page;
mod schema;
mod select;
mod streams;
mod summary;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::Position;
use write::Writer;

pub use page::{Cursor, Order, Page, Row};
pub use summary::{CauseCount, Summary};
pub use write::{Mark, Seen};

/// The offset's share of a row's id; the partition is above it.
const OFFSET_BITS: u32 = 47;
const OFFSET_MAX: i64 = (1 << OFFSET_BITS) - 1;
const PARTITION_MAX: i32 = (1 << (63 - OFFSET_BITS)) - 1;
/// The low bits of a group's id are the outcome's.
const OUTCOME_BITS: u32 = 2;
const HOUR_MS: i64 = 3_600_000;
/// Rows of a span: the times of so many ids are kept together, to find those of a time.
const SPAN_BITS: u32 = 12;
/// Readers that are kept open while nobody reads.
const READERS_KEPT: usize = 4;
/// How long a reader waits for a file that another process holds.
const BUSY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(
        "the index {file} of a dead letter queue fails: {source}; free room in \"data.dir\", or delete the folder of that file while the worker is stopped: it is made again from the topic"
    )]
    Sqlite { file: PathBuf, source: rusqlite::Error },
    #[error("cannot make or delete {file}: {source}; check \"data.dir\" and who owns it")]
    Io { file: PathBuf, source: std::io::Error },
}

impl IndexError {
    /// Whether the file is no index any more: it is to be made again.
    pub fn is_corrupt(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, IndexError::Sqlite { source, .. } if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OutcomeState {
    #[default]
    Waiting,
    Redriven,
    FailedAgain,
    Discarded,
}

impl OutcomeState {
    pub const ALL: [OutcomeState; 4] =
        [OutcomeState::Waiting, OutcomeState::Redriven, OutcomeState::FailedAgain, OutcomeState::Discarded];

    pub fn name(self) -> &'static str {
        match self {
            OutcomeState::Waiting => "waiting",
            OutcomeState::Redriven => "redriven",
            OutcomeState::FailedAgain => "failed again",
            OutcomeState::Discarded => "discarded",
        }
    }

    /// By its name, with a space, `_` or `-` between words.
    pub fn parse(name: &str) -> Option<OutcomeState> {
        let name = name.to_ascii_lowercase().replace(['_', '-'], " ");
        Self::ALL.into_iter().find(|o| o.name() == name)
    }

    fn of(number: i64) -> OutcomeState {
        Self::ALL[(number & ((1 << OUTCOME_BITS) - 1)) as usize]
    }
}

/// What became of a dead letter, when, and why or by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub state: OutcomeState,
    /// Milliseconds since the epoch.
    pub at: i64,
    pub by: Option<String>,
    pub reason: Option<String>,
}

/// The index of one queue.
pub struct Index {
    file: PathBuf,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
}

impl Index {
    /// Opens the index in a folder of its own, or begins one. One that is no index, or of another version, begins anew.
    pub fn open(dir: &Path) -> Result<Index, IndexError> {
        let file = dir.join("index.db");
        let opened = Self::open_file(dir, &file);
        match opened {
            Err(error) if error.is_corrupt() => {
                tracing::warn!(%error, "the index of a dead letter queue is damaged; it is made again from the topic");
                Self::delete(dir)?;
                Self::open_file(dir, &file)
            }
            opened => opened,
        }
    }

    fn open_file(dir: &Path, file: &Path) -> Result<Index, IndexError> {
        std::fs::create_dir_all(dir).map_err(|source| IndexError::Io { file: dir.to_owned(), source })?;
        let writer = || {
            let mut connection = Connection::open(file)?;
            connection.busy_timeout(BUSY)?;
            schema::prepare(&mut connection)?;
            Writer::new(connection)
        };
        let writer = writer().map_err(|source| IndexError::Sqlite { file: file.to_owned(), source })?;
        Ok(Index { file: file.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Deletes an index that nobody has open.
    pub fn delete(dir: &Path) -> Result<(), IndexError> {
        match std::fs::remove_dir_all(dir) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(IndexError::Io { file: dir.to_owned(), source }),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: rusqlite::Error) -> IndexError {
        IndexError::Sqlite { file: self.file.clone(), source }
    }

    /// Reads in one transaction: all of it sees the same state.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, IndexError> {
        let kept = self.readers.lock().pop();
        let run = || {
            let mut connection = match kept {
                Some(connection) => connection,
                None => {
                    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                    let connection = Connection::open_with_flags(&self.file, flags)?;
                    connection.busy_timeout(BUSY)?;
                    connection.pragma_update(None, "cache_size", -4096)?;
                    connection
                }
            };
            let done = read(&*connection.transaction()?)?;
            let mut readers = self.readers.lock();
            if readers.len() < READERS_KEPT {
                readers.push(connection);
            }
            Ok(done)
        };
        run().map_err(|e| self.failed(e))
    }

    /// Writes in one transaction: all of it or nothing.
    fn write<T>(&self, write: impl FnOnce(&mut Writer) -> rusqlite::Result<T>) -> Result<T, IndexError> {
        write(&mut self.writer.lock()).map_err(|e| self.failed(e))
    }
}

/// None: beyond what an id holds, which no log reaches.
fn id(position: Position) -> Option<i64> {
    let fits = (0..=PARTITION_MAX).contains(&position.partition) && (0..=OFFSET_MAX).contains(&position.offset);
    fits.then_some((i64::from(position.partition) << OFFSET_BITS) | position.offset)
}

fn position(id: i64) -> Position {
    Position { partition: (id >> OFFSET_BITS) as i32, offset: id & OFFSET_MAX }
}

/// The ids of a partition's records at and behind an offset.
fn first_id(partition: i32, offset: i64) -> i64 {
    id(Position { partition, offset: offset.clamp(0, OFFSET_MAX) }).unwrap_or(i64::MAX)
}
