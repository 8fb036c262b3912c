//! The sparse index of a segment: one entry for every few kilobytes of log, naming a batch boundary.
//!
//! The active segment's index is in memory and its entries go to the file with each checkpoint; a sealed segment's index
//! stays in its file and is searched there, so memory does not grow with the log.

use super::file::write_whole;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0x4d52_4931;
const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 16;

/// A batch boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Base offset of the batch here, from the segment's base.
    pub relative_offset: u32,
    pub position: u32,
    /// The largest timestamp of all batches before this one in the segment; `i64::MIN` when there is none.
    pub max_timestamp_before: i64,
}

/// What the file of a sealed segment's index says about the segment, so that start reads no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub base_offset: i64,
    pub next_offset: i64,
    pub bytes: u64,
    pub max_timestamp: i64,
    pub first_append_ms: i64,
    pub entries: u32,
}

impl Entry {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(&self.max_timestamp_before.to_be_bytes());
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, time @ ..] = *bytes;
        Self {
            relative_offset: u32::from_be_bytes([a, b, c, d]),
            position: u32::from_be_bytes([e, f, g, h]),
            max_timestamp_before: i64::from_be_bytes(time),
        }
    }
}

impl Summary {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&self.entries.to_be_bytes());
        for field in [self.base_offset, self.next_offset, self.bytes as i64, self.max_timestamp, self.first_append_ms] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.resize(HEADER_BYTES - 4, 0);
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        out.try_into().expect("the header has its fixed size")
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let i64_at = |at: usize| i64::from(u32_at(at)) << 32 | i64::from(u32_at(at + 4));
        if u32_at(0) != MAGIC || u32_at(HEADER_BYTES - 4) != crc32c::crc32c(&bytes[..HEADER_BYTES - 4]) {
            return None;
        }
        Some(Self {
            entries: u32_at(4),
            base_offset: i64_at(8),
            next_offset: i64_at(16),
            bytes: i64_at(24) as u64,
            max_timestamp: i64_at(32),
            first_append_ms: i64_at(40),
        })
    }
}

/// Where the entries are.
#[derive(Debug)]
pub enum Index {
    Memory(Vec<Entry>),
    File { path: PathBuf, entries: u32 },
}

/// Entries in order, wherever they are.
trait Entries {
    fn len(&self) -> usize;
    fn at(&self, index: usize) -> io::Result<Entry>;
}

impl Entries for [Entry] {
    fn len(&self) -> usize {
        <[Entry]>::len(self)
    }
    fn at(&self, index: usize) -> io::Result<Entry> {
        Ok(self[index])
    }
}

impl Entries for (File, usize) {
    fn len(&self) -> usize {
        self.1
    }
    fn at(&self, index: usize) -> io::Result<Entry> {
        let mut bytes = [0; ENTRY_BYTES];
        self.0.read_exact_at(&mut bytes, (HEADER_BYTES + index * ENTRY_BYTES) as u64)?;
        Ok(Entry::decode(&bytes))
    }
}

/// The last entry of which `before` holds; entries for which it holds come first.
fn last<E: Entries + ?Sized>(entries: &E, before: impl Fn(&Entry) -> bool) -> io::Result<Option<Entry>> {
    let (mut low, mut high) = (0, entries.len());
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = entries.at(middle)?;
        if before(&entry) {
            found = Some(entry);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

impl Index {
    /// The last entry of which `before` holds; entries for which it holds come first.
    pub fn last_where(&self, before: impl Fn(&Entry) -> bool) -> io::Result<Option<Entry>> {
        match self {
            Self::Memory(entries) => last(entries.as_slice(), before),
            Self::File { path, entries } => last(&(File::open(path)?, *entries as usize), before),
        }
    }
}

/// Appends `entries` of an active segment, of which `written` are in the file already.
pub fn append(path: &Path, entries: &[Entry], written: usize) -> io::Result<()> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    let mut bytes = Vec::with_capacity((entries.len() - written) * ENTRY_BYTES);
    entries[written..].iter().for_each(|entry| entry.encode(&mut bytes));
    file.write_all_at(&bytes, (HEADER_BYTES + written * ENTRY_BYTES) as u64)
}

/// Reads the first `count` entries of an active segment's index.
pub fn load(path: &Path, count: usize) -> io::Result<Vec<Entry>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; count.checked_mul(ENTRY_BYTES).ok_or(io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, HEADER_BYTES as u64)?;
    Ok(bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(Entry::decode).collect())
}

/// Writes the whole index of a segment that is sealed now.
pub fn seal(path: &Path, summary: &Summary, entries: &[Entry]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&summary.encode());
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    write_whole(path, &bytes, false)
}

/// Reads the summary of a sealed segment; `None` when the file is missing, damaged or of another log file.
pub fn summary(path: &Path, base_offset: i64, log_bytes: u64) -> Option<Summary> {
    let file = File::open(path).ok()?;
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let summary = Summary::decode(&bytes)?;
    let length = HEADER_BYTES as u64 + u64::from(summary.entries) * ENTRY_BYTES as u64;
    let fits = summary.base_offset == base_offset && summary.bytes == log_bytes && file.metadata().ok()?.len() == length;
    fits.then_some(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        (0..100u32)
            .map(|n| Entry { relative_offset: n * 10, position: n * 1_000, max_timestamp_before: i64::from(n) * 7 })
            .collect()
    }

    #[test]
    fn memory_and_file_answer_alike() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.index");
        let summary_written =
            Summary { base_offset: 5, next_offset: 1_000, bytes: 100_000, max_timestamp: 9, first_append_ms: 3, entries: 100 };
        seal(&path, &summary_written, &entries()).unwrap();
        assert_eq!(summary(&path, 5, 100_000), Some(summary_written));
        assert_eq!(summary(&path, 5, 100_001), None);
        let (memory, file) = (Index::Memory(entries()), Index::File { path, entries: 100 });
        for offset in [0, 1, 9, 10, 11, 555, 2_000] {
            let find = |index: &Index| index.last_where(|entry| entry.relative_offset <= offset).unwrap();
            assert_eq!(find(&memory), find(&file));
            assert_eq!(find(&memory).unwrap().relative_offset, (offset / 10 * 10).min(990));
        }
    }

    #[test]
    fn an_active_index_is_appended_and_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.index");
        append(&path, &entries()[..40], 0).unwrap();
        append(&path, &entries()[..70], 40).unwrap();
        assert_eq!(load(&path, 70).unwrap(), entries()[..70]);
        assert!(load(&path, 71).is_err());
    }
}
