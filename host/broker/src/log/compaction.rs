//! Compaction (`cleanup.policy=compact`): of each key the last record stays, at its offset.
//!
//! Only sealed segments below the last stable offset are rewritten. Records of aborted transactions go at once; tombstones
//! and markers go in a run that comes `delete.retention.ms` after the run that first passed them, so that a reader on its
//! way sees them. A new file replaces the old ones by renaming: a crash leaves either the old records or the new.

use super::batch::{BatchHeader, build};
use super::codec::{Decoder, Encoder};
use super::compression::compress;
use super::file::write_whole;
use super::partition::{Partition, now_ms};
use super::producers::Aborted;
use super::records::{Records, RecordsError};
use super::scan::Headers;
use super::segment::{Segment, log_path};
use crate::config::Limits;
use crate::topics::TopicConfig;
use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

const SCAN_BYTES: usize = 1 << 20;
/// Runs that are remembered; older ones are folded.
const RUNS_MAX: usize = 16;

/// What a partition remembers of its compaction.
#[derive(Debug, Default)]
pub(super) struct Compacted {
    loaded: bool,
    /// Everything below the offset was compacted at this time, in order.
    runs: Vec<(i64, i64)>,
}

/// Why a run of compaction ended early. The log is as it was.
#[derive(Debug, thiserror::Error)]
enum CompactionError {
    #[error("cannot read or write a segment")]
    Io(#[from] io::Error),
    #[error("cannot read the records of a batch")]
    Records(#[from] RecordsError),
    #[error("cannot compress the records that stay")]
    Compression(#[from] super::compression::CompressionError),
    #[error("a sealed segment ends in a damaged batch")]
    Damaged,
}

/// The last offset of each key, by a hash of 128 bits whose secret changes with every run.
struct LastOffsets {
    hashers: [RandomState; 2],
    offsets: HashMap<(u64, u64), i64>,
    keys_max: usize,
}

impl LastOffsets {
    fn new(keys_max: usize) -> Self {
        Self { hashers: [RandomState::new(), RandomState::new()], offsets: HashMap::new(), keys_max }
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers[0].hash_one(key), self.hashers[1].hash_one(key))
    }

    fn note(&mut self, key: &[u8], offset: i64) {
        self.offsets.insert(self.hash(key), offset);
    }

    fn is_full(&self) -> bool {
        self.offsets.len() >= self.keys_max
    }

    fn has_later(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(&self.hash(key)).is_some_and(|last| *last > offset)
    }
}

/// What one run goes by.
struct Run<'a> {
    last: LastOffsets,
    aborted: &'a [Aborted],
    /// Below this the run has seen every key.
    upto: i64,
    /// Tombstones and markers below this have been there long enough.
    horizon: i64,
    unfolded_max: usize,
}

impl Compacted {
    fn load(&mut self, dir: &Path) {
        if self.loaded {
            return;
        }
        self.loaded = true;
        let read = || {
            let bytes = std::fs::read(dir.join("compaction")).ok()?;
            let mut from = Decoder::new(&bytes);
            (0..from.count()?).map(|_| Some((from.i64()?, from.i64()?))).collect::<Option<Vec<_>>>()
        };
        self.runs = read().unwrap_or_default();
    }

    fn store(&mut self, dir: &Path, run: (i64, i64)) -> io::Result<()> {
        self.runs.push(run);
        if self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
        }
        let mut out = Encoder::default();
        out.count(self.runs.len());
        for (offset, at) in &self.runs {
            out.i64(*offset).i64(*at);
        }
        write_whole(&dir.join("compaction"), out.as_slice(), false)
    }

    fn upto(&self) -> i64 {
        self.runs.last().map_or(0, |(offset, _)| *offset)
    }

    /// Everything below was compacted at or before `at`.
    fn horizon(&self, at: i64) -> i64 {
        self.runs.iter().filter(|(_, time)| *time <= at).map(|(offset, _)| *offset).max().unwrap_or(0)
    }
}

impl Partition {
    /// Compacts the partition when enough of it is not compacted yet.
    pub fn compact_if_due(&self, config: &TopicConfig, limits: &Limits) {
        let mut compacted = self.maintenance.lock();
        compacted.load(&self.dir);
        let now = now_ms();
        self.roll_if_idle(config, now);
        let Some(segments) = self.due(&compacted, config, now) else { return };
        if let Err(error) = self.compact(&mut compacted, &segments, config, limits, now) {
            tracing::warn!(error = &error as &dyn std::error::Error, topic = %self.topic, partition = self.index,
                "cannot compact a partition now; it stays as it is and is tried again");
        }
    }

    /// Seals an active segment whose records have waited long enough for compaction.
    fn roll_if_idle(&self, config: &TopicConfig, now: i64) {
        let mut log = self.log.lock();
        let age = now.saturating_sub(log.active.first_append_ms);
        if log.closed || log.active.bytes == 0 || age <= config.segment_ms.min(config.max_compaction_lag_ms) {
            return;
        }
        if let Err(error) = self.roll(&mut log) {
            tracing::warn!(%error, topic = %self.topic, partition = self.index, "cannot begin a segment; compaction waits");
        }
    }

    /// The segments that a run may rewrite, if one is due.
    fn due(&self, compacted: &Compacted, config: &TopicConfig, now: i64) -> Option<Vec<Arc<Segment>>> {
        let log = self.log.lock();
        if log.closed {
            return None;
        }
        let limit = log.bounds().last_stable;
        let young = now.saturating_sub(config.min_compaction_lag_ms);
        let eligible = |segment: &&Arc<Segment>| {
            segment.next_offset <= limit && (config.min_compaction_lag_ms == 0 || segment.max_timestamp <= young)
        };
        let segments: Vec<Arc<Segment>> = log.sealed.iter().take_while(eligible).cloned().collect();
        drop(log);
        let dirty = |segment: &&Arc<Segment>| segment.next_offset > compacted.upto();
        let dirty_bytes: u64 = segments.iter().filter(dirty).map(|segment| segment.bytes).sum();
        let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let waited = segments
            .iter()
            .find(dirty)
            .is_some_and(|segment| now.saturating_sub(segment.first_append_ms) > config.max_compaction_lag_ms);
        let ratio = dirty_bytes as f64 / total.max(1) as f64;
        (dirty_bytes > 0 && (waited || ratio >= config.min_cleanable_dirty_ratio)).then_some(segments)
    }

    fn compact(
        &self,
        compacted: &mut Compacted,
        segments: &[Arc<Segment>],
        config: &TopicConfig,
        limits: &Limits,
        now: i64,
    ) -> Result<(), CompactionError> {
        let (from, to) = (compacted.upto(), segments.last().map_or(0, |segment| segment.next_offset));
        let aborted = self.log.lock().producers.aborted_in(0, to);
        let mut run = Run {
            last: LastOffsets::new(limits.compaction_keys_max),
            aborted: &aborted,
            upto: to,
            horizon: compacted.horizon(now.saturating_sub(config.delete_retention_ms)),
            unfolded_max: limits.unfolded_bytes_max,
        };
        for segment in segments.iter().filter(|segment| segment.next_offset > from) {
            if !run.note_keys(segment, from)? {
                break;
            }
        }
        let upto = run.upto;
        let rewritten: Vec<&Arc<Segment>> = segments.iter().filter(|segment| segment.base_offset < upto).collect();
        let before: u64 = rewritten.iter().map(|segment| segment.bytes).sum();
        let mut after = 0;
        for group in groups(&rewritten, config.segment_bytes) {
            let (fresh, file) = run.rewrite(&self.dir, group)?;
            file.sync_all()?;
            after += fresh.bytes;
            self.swap(group, fresh)?;
        }
        compacted.store(&self.dir, (upto, now))?;
        tracing::info!(topic = %self.topic, partition = self.index, upto, before, after, "compacted a partition");
        Ok(())
    }

    /// Puts the rewritten segment in the place of those it was made of.
    fn swap(&self, group: &[&Arc<Segment>], mut fresh: Segment) -> Result<(), CompactionError> {
        let cleaned = cleaned_path(&self.dir, fresh.base_offset);
        let mut log = self.log.lock();
        let first = log.sealed.iter().position(|segment| Arc::ptr_eq(segment, group[0]));
        let Some(first) = first.filter(|_| !log.closed) else {
            let _ = std::fs::remove_file(cleaned);
            return Ok(());
        };
        let sealed = Arc::make_mut(&mut log.sealed);
        if fresh.bytes == 0 {
            std::fs::remove_file(&cleaned)?;
            sealed.drain(first..first + group.len());
            group.iter().for_each(|segment| segment.remove());
        } else {
            std::fs::rename(&cleaned, fresh.file.path())?;
            fresh.seal(&self.dir);
            sealed.splice(first..first + group.len(), [Arc::new(fresh)]);
            group[1..].iter().for_each(|segment| segment.remove());
        }
        log.cursors.clear();
        Ok(())
    }
}

fn cleaned_path(dir: &Path, base_offset: i64) -> std::path::PathBuf {
    log_path(dir, base_offset).with_extension("cleaned")
}

/// Neighbours that fit into one segment together.
fn groups<'a, 'b>(segments: &'b [&'a Arc<Segment>], bytes_max: u64) -> Vec<&'b [&'a Arc<Segment>]> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < segments.len() {
        let mut end = start + 1;
        let mut bytes = segments[start].bytes;
        while let Some(next) = segments.get(end) {
            let span = next.next_offset - segments[start].base_offset;
            if bytes + next.bytes > bytes_max || span > i64::from(i32::MAX) {
                break;
            }
            bytes += next.bytes;
            end += 1;
        }
        groups.push(&segments[start..end]);
        start = end;
    }
    groups
}

impl Run<'_> {
    fn is_aborted(&self, header: &BatchHeader) -> bool {
        header.is_transactional()
            && self.aborted.iter().any(|aborted| {
                aborted.producer_id == header.producer_id
                    && (aborted.first_offset..aborted.last_offset).contains(&header.base_offset)
            })
    }

    /// Takes note of the keys of a segment from `from` on; `false` when there is no room for more.
    fn note_keys(&mut self, segment: &Segment, from: i64) -> Result<bool, CompactionError> {
        let file = segment.file.get()?;
        let mut batches = Headers::new(&file, 0, segment.bytes, SCAN_BYTES);
        while let Some((_, header, batch)) = batches.next_whole()? {
            if header.last_offset() < from || header.is_control() || self.is_aborted(&header) {
                continue;
            }
            if self.last.is_full() {
                self.upto = header.base_offset;
                return Ok(false);
            }
            for record in Records::of(&header, batch, self.unfolded_max)?.iter() {
                let record = record?;
                if let Some(key) = record.key {
                    self.last.note(key, header.base_offset + i64::from(record.offset_delta));
                }
            }
        }
        if batches.position() < segment.bytes { Err(CompactionError::Damaged) } else { Ok(true) }
    }

    /// Writes what stays of a group of segments into a file beside them.
    fn rewrite(&self, dir: &Path, group: &[&Arc<Segment>]) -> Result<(Segment, File), CompactionError> {
        let mut fresh = Segment::empty(dir, group[0].base_offset);
        let mut out = BufWriter::new(File::create(cleaned_path(dir, fresh.base_offset))?);
        for segment in group {
            let file = segment.file.get()?;
            let mut batches = Headers::new(&file, 0, segment.bytes, SCAN_BYTES);
            while let Some((_, header, batch)) = batches.next_whole()? {
                match self.keep(&header, batch)? {
                    Kept::Nothing => {}
                    Kept::Whole => {
                        out.write_all(batch)?;
                        fresh.note(&header, segment.first_append_ms, super::INDEX_INTERVAL_BYTES);
                    }
                    Kept::Part(part) => {
                        let header = BatchHeader::parse(&part).ok_or(CompactionError::Damaged)?;
                        out.write_all(&part)?;
                        fresh.note(&header, segment.first_append_ms, super::INDEX_INTERVAL_BYTES);
                    }
                }
            }
            if batches.position() < segment.bytes {
                return Err(CompactionError::Damaged);
            }
            fresh.next_offset = segment.next_offset;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((fresh, file))
    }

    fn keep(&self, header: &BatchHeader, batch: &[u8]) -> Result<Kept, CompactionError> {
        if header.base_offset >= self.upto {
            return Ok(Kept::Whole);
        }
        if header.is_control() {
            return Ok(if header.base_offset < self.horizon { Kept::Nothing } else { Kept::Whole });
        }
        if self.is_aborted(header) {
            return Ok(Kept::Nothing);
        }
        let records = Records::of(header, batch, self.unfolded_max)?;
        let mut kept = Vec::new();
        let mut count = 0;
        for record in records.iter() {
            let record = record?;
            let offset = header.base_offset + i64::from(record.offset_delta);
            let Some(key) = record.key else { continue };
            if self.last.has_later(key, offset) || (record.is_tombstone && offset < self.horizon) {
                continue;
            }
            kept.extend_from_slice(record.raw);
            count += 1;
        }
        if count == 0 {
            return Ok(Kept::Nothing);
        }
        if count == header.records {
            return Ok(Kept::Whole);
        }
        // Offsets are deltas to the base, which stays: the records keep theirs.
        let header = BatchHeader { records: count, ..*header };
        Ok(Kept::Part(build(&header, &compress(header.codec(), &kept)?)))
    }
}

enum Kept {
    Nothing,
    Whole,
    Part(Vec<u8>),
}
