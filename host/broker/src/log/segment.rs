//! One segment: a file of batches as received, and the index that finds a batch in it.

use super::batch::BatchHeader;
use super::file::LogFile;
use super::index::{self, Entry, Index, Summary};
use super::records::Records;
use super::scan::Headers;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much a look-up reads at once.
const LOOKUP_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub struct Segment {
    pub base_offset: i64,
    pub next_offset: i64,
    pub file: Arc<LogFile>,
    pub bytes: u64,
    /// `i64::MIN` while there is no record.
    pub max_timestamp: i64,
    /// When the first batch came, by the broker's clock; 0 while there is none.
    pub first_append_ms: i64,
    pub index: Index,
    last_entry_at: u64,
}

pub fn log_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.log"))
}

pub fn index_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.index"))
}

impl Segment {
    pub fn empty(dir: &Path, base_offset: i64) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            file: Arc::new(LogFile::new(log_path(dir, base_offset))),
            bytes: 0,
            max_timestamp: i64::MIN,
            first_append_ms: 0,
            index: Index::Memory(Vec::new()),
            last_entry_at: 0,
        }
    }

    /// A sealed segment, known by the summary of its index file.
    pub fn sealed(dir: &Path, summary: &Summary) -> Self {
        Self {
            next_offset: summary.next_offset,
            bytes: summary.bytes,
            max_timestamp: summary.max_timestamp,
            first_append_ms: summary.first_append_ms,
            index: Index::File { path: index_path(dir, summary.base_offset), entries: summary.entries },
            ..Self::empty(dir, summary.base_offset)
        }
    }

    /// Takes up an active segment where a checkpoint left it.
    pub fn resume(&mut self, entries: Vec<Entry>) {
        self.last_entry_at = entries.last().map_or(0, |entry| u64::from(entry.position));
        self.index = Index::Memory(entries);
    }

    /// Takes note of a batch that lies at the end of the file now.
    pub fn note(&mut self, header: &BatchHeader, now_ms: i64, interval_bytes: u64) {
        if self.bytes == 0 {
            self.first_append_ms = now_ms;
        }
        if let Index::Memory(entries) = &mut self.index
            && (entries.is_empty() || self.bytes - self.last_entry_at >= interval_bytes)
        {
            entries.push(Entry {
                relative_offset: (header.base_offset - self.base_offset) as u32,
                position: self.bytes as u32,
                max_timestamp_before: self.max_timestamp,
            });
            self.last_entry_at = self.bytes;
        }
        self.bytes += u64::from(header.bytes);
        self.next_offset = header.next_offset();
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.index {
            Index::Memory(entries) => entries,
            Index::File { .. } => &[],
        }
    }

    pub fn summary(&self) -> Summary {
        Summary {
            base_offset: self.base_offset,
            next_offset: self.next_offset,
            bytes: self.bytes,
            max_timestamp: self.max_timestamp,
            first_append_ms: self.first_append_ms,
            entries: self.entries().len() as u32,
        }
    }

    /// Writes the index to its file and drops it from memory; the index stays in memory when the disk refuses.
    pub fn seal(&mut self, dir: &Path) {
        let path = index_path(dir, self.base_offset);
        match index::seal(&path, &self.summary(), self.entries()) {
            Ok(()) => self.index = Index::File { path, entries: self.entries().len() as u32 },
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "cannot write the index of a segment; it stays in memory")
            }
        }
    }

    /// The position of the batch that holds `offset`, or of the first one after it.
    pub fn locate(&self, offset: i64) -> io::Result<u64> {
        if offset <= self.base_offset {
            return Ok(0);
        }
        if offset >= self.next_offset {
            return Ok(self.bytes);
        }
        let relative = u32::try_from(offset - self.base_offset).unwrap_or(u32::MAX);
        let from = self.index.last_where(|entry| entry.relative_offset <= relative)?.map_or(0, |entry| entry.position);
        let file = self.file.get()?;
        let mut headers = Headers::new(&file, u64::from(from), self.bytes, LOOKUP_BYTES);
        while let Some((position, header)) = headers.next()? {
            if header.last_offset() >= offset {
                return Ok(position);
            }
        }
        Ok(self.bytes)
    }

    /// Where to stop when reading from `from`: a batch boundary at or before `limit`, but never before the end of the first
    /// batch if `one_at_least`.
    pub fn boundary(&self, from: u64, limit: u64, one_at_least: bool) -> io::Result<u64> {
        if limit >= self.bytes {
            return Ok(self.bytes);
        }
        let entry = self.index.last_where(|entry| u64::from(entry.position) <= limit)?;
        if let Some(entry) = entry.filter(|entry| u64::from(entry.position) > from) {
            return Ok(u64::from(entry.position));
        }
        let file = self.file.get()?;
        let mut headers = Headers::new(&file, from, self.bytes, LOOKUP_BYTES);
        let mut end = from;
        while let Some((position, header)) = headers.next()? {
            let after = position + u64::from(header.bytes);
            if after > limit && !(one_at_least && position == from) {
                break;
            }
            end = after;
        }
        Ok(end)
    }

    /// The first record at or after `timestamp`, from `log_start` on: its timestamp and offset.
    pub fn first_at(&self, timestamp: i64, log_start: i64, unfolded_max: usize) -> io::Result<Option<(i64, i64)>> {
        if self.max_timestamp < timestamp || self.next_offset <= log_start {
            return Ok(None);
        }
        let from = self.index.last_where(|entry| entry.max_timestamp_before < timestamp)?.map_or(0, |entry| entry.position);
        let file = self.file.get()?;
        let mut headers = Headers::new(&file, u64::from(from), self.bytes, LOOKUP_BYTES);
        while let Some((position, header)) = headers.next()? {
            if header.is_control() || header.max_timestamp < timestamp || header.last_offset() < log_start {
                continue;
            }
            if header.is_log_append_time() {
                return Ok(Some((header.max_timestamp, header.base_offset.max(log_start))));
            }
            let mut batch = vec![0; header.bytes as usize];
            file.read_exact_at(&mut batch, position)?;
            let records = Records::of(&header, &batch, unfolded_max).map_err(io::Error::other)?;
            for record in records.iter() {
                let record = record.map_err(io::Error::other)?;
                let time = header.base_timestamp.saturating_add(record.timestamp_delta);
                let offset = header.base_offset + i64::from(record.offset_delta);
                if time >= timestamp && offset >= log_start {
                    return Ok(Some((time, offset)));
                }
            }
        }
        Ok(None)
    }

    /// Removes the files. Readers that hold the file open still read it.
    pub fn remove(&self) {
        let index = self.file.path().with_extension("index");
        for path in [self.file.path(), &index] {
            if let Err(error) = std::fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, file = %path.display(), "cannot remove a file of the log");
            }
        }
    }
}
