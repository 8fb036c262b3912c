//! The journal: every change of metadata, committed offsets and transactions, in one append-only file.
//!
//! Promises that a change is in the file before it holds in memory (invariant `journaled-before-visible`), that a torn
//! last entry is cut at start, and that the file does not outgrow what it says: it is rewritten when most of it is past.

mod entry;
mod state;
#[cfg(test)]
mod tests;

pub use entry::{CommittedOffset, Decision, Entry, TopicPartition, TransactionalProducer};
pub use state::{State, TopicState};

use crate::error::JournalError;
use crate::log::codec::Encoder;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Length and checksum before each entry.
const ENTRY_HEAD_BYTES: usize = 8;
/// The file is rewritten when it exceeds this and four times what its state needs.
const REWRITE_BYTES: u64 = 4 << 20;

struct Written {
    state: State,
    file: Arc<File>,
    bytes: u64,
    synced: u64,
    /// Changes with each rewrite: positions of one file say nothing of the next.
    generation: u64,
    rewrite_at: u64,
    tail_is_dirty: bool,
}

pub struct Journal {
    path: PathBuf,
    written: Mutex<Written>,
    sync_turn: tokio::sync::Mutex<()>,
    sync_always: bool,
}

fn encode<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut body = Encoder::default();
        entry.encode(&mut body);
        let body = body.as_slice();
        bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(body).to_be_bytes());
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Splits the first sound entry off: its body and the rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<ENTRY_HEAD_BYTES>()?;
    let [a, b, c, d, checksum @ ..] = *head;
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes([a, b, c, d]) as usize)?;
    (crc32c::crc32c(body) == u32::from_be_bytes(checksum)).then_some((body, rest))
}

impl Journal {
    /// Opens the journal, creating it when it is not there. `sync_always` has every write synced before it is answered.
    pub fn open(path: &Path, sync_always: bool) -> Result<Self, JournalError> {
        let read = |source| JournalError::Read { path: path.to_owned(), source };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(read)?;
        let bytes = std::fs::read(path).map_err(read)?;
        let mut state = State::default();
        let mut rest = &bytes[..];
        while let Some((body, after)) = split(rest) {
            let position = (bytes.len() - rest.len()) as u64;
            let unknown = || JournalError::Unknown { path: path.to_owned(), position };
            state.apply(Entry::decode(body).ok_or_else(unknown)?);
            rest = after;
        }
        let length = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            tracing::warn!(file = %path.display(), cut = rest.len(), "the journal ended in an unfinished entry; it is cut");
            file.set_len(length).map_err(|source| JournalError::Write { path: path.to_owned(), source })?;
        }
        let written = Written {
            state,
            file: Arc::new(file),
            bytes: length,
            synced: 0,
            generation: 0,
            rewrite_at: REWRITE_BYTES,
            tail_is_dirty: false,
        };
        Ok(Self { path: path.to_owned(), written: Mutex::new(written), sync_turn: tokio::sync::Mutex::new(()), sync_always })
    }

    /// Looks at the state. Keep it short: every change waits.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.written.lock().state)
    }

    /// Writes changes, all or none, and applies them.
    pub fn write(&self, entries: Vec<Entry>) -> Result<(), JournalError> {
        self.write_with(|_| Ok::<_, JournalError>((entries, ())))
    }

    /// Writes the changes that `decide` makes of the state; nothing comes between its look and the write.
    pub fn write_with<T, E: From<JournalError>>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Vec<Entry>, T), E>,
    ) -> Result<T, E> {
        let mut written = self.written.lock();
        let (entries, result) = decide(&written.state)?;
        if entries.is_empty() {
            return Ok(result);
        }
        self.append(&mut written, &encode(&entries)).map_err(|source| {
            tracing::error!(error = %source, file = %self.path.display(), "cannot write the journal; make room under the data directory");
            E::from(JournalError::Write { path: self.path.clone(), source })
        })?;
        // Invariant journaled-before-visible.
        entries.into_iter().for_each(|entry| written.state.apply(entry));
        if written.bytes > written.rewrite_at
            && let Err(error) = self.rewrite(&mut written)
        {
            written.rewrite_at = written.bytes * 2;
            tracing::warn!(%error, file = %self.path.display(), "cannot rewrite the journal; it grows on");
        }
        Ok(result)
    }

    fn append(&self, written: &mut Written, bytes: &[u8]) -> io::Result<()> {
        if written.tail_is_dirty {
            written.file.set_len(written.bytes)?;
            written.tail_is_dirty = false;
        }
        if let Err(error) = written.file.write_all_at(bytes, written.bytes) {
            written.tail_is_dirty = written.file.set_len(written.bytes).is_err();
            return Err(error);
        }
        written.bytes += bytes.len() as u64;
        Ok(())
    }

    fn rewrite(&self, written: &mut Written) -> io::Result<()> {
        let entries: Vec<Entry> = written.state.entries().collect();
        let bytes = encode(&entries);
        crate::log::write_whole(&self.path, &bytes, true)?;
        written.file = Arc::new(File::options().read(true).write(true).open(&self.path)?);
        written.bytes = bytes.len() as u64;
        written.synced = written.bytes;
        written.generation += 1;
        written.rewrite_at = REWRITE_BYTES.max(written.bytes * 4);
        Ok(())
    }

    /// With `flush = always`, waits until everything written up to now is synced; otherwise gives at once.
    pub async fn settle(self: &Arc<Self>) -> Result<(), JournalError> {
        if self.sync_always { self.sync().await } else { Ok(()) }
    }

    /// Syncs everything written up to now; callers at the same time share one sync.
    pub async fn sync(self: &Arc<Self>) -> Result<(), JournalError> {
        let (generation, wanted) = {
            let written = self.written.lock();
            (written.generation, written.bytes)
        };
        let _turn = self.sync_turn.lock().await;
        {
            let written = self.written.lock();
            if written.generation != generation || written.synced >= wanted {
                return Ok(());
            }
        }
        let journal = self.clone();
        let synced = tokio::task::spawn_blocking(move || journal.sync_now()).await.map_err(io::Error::other);
        synced.flatten().map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }

    /// Syncs; blocks.
    pub fn sync_now(&self) -> io::Result<()> {
        let (file, generation, bytes) = {
            let written = self.written.lock();
            if written.synced >= written.bytes {
                return Ok(());
            }
            (written.file.clone(), written.generation, written.bytes)
        };
        file.sync_data()?;
        let mut written = self.written.lock();
        if written.generation == generation {
            written.synced = written.synced.max(bytes);
        }
        Ok(())
    }
}
