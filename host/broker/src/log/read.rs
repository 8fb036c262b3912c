//! Reading a partition: what a fetch may send, and offsets by time.

use super::partition::{Bounds, Cursor, Partition};
use super::producers::Aborted;
use super::segment::Segment;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Bytes of one log file that answer a fetch.
#[derive(Debug, Clone)]
pub struct Slice {
    pub file: Arc<File>,
    pub position: u64,
    pub bytes: u64,
}

/// What a fetch of one partition gives.
#[derive(Debug)]
pub struct ReadPlan {
    pub bounds: Bounds,
    pub slice: Option<Slice>,
    pub aborted: Vec<Aborted>,
}

/// Why a fetch cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset is outside the log")]
    OutOfRange(Bounds),
    #[error("cannot read the log")]
    Io(#[from] io::Error),
}

impl Partition {
    /// Plans a read of whole batches from `offset`: at most `bytes_max`, or one batch if `one_at_least`.
    pub fn plan_read(&self, offset: i64, bytes_max: u64, one_at_least: bool, committed: bool) -> Result<ReadPlan, ReadError> {
        let mut log = self.log.lock();
        let bounds = log.bounds();
        if offset < bounds.start || offset > bounds.next {
            return Err(ReadError::OutOfRange(bounds));
        }
        let limit = if committed { bounds.last_stable } else { bounds.next };
        let mut plan = ReadPlan { bounds, slice: None, aborted: Vec::new() };
        if offset >= limit {
            return Ok(plan);
        }
        let known = log.cursors.iter().find(|cursor| cursor.offset == offset).cloned();
        let found = if offset >= log.active.base_offset {
            slice_of(&log.active, offset, limit, bytes_max, one_at_least, known)?
        } else {
            // Sealed segments do not change: they are searched without the lock.
            let sealed = log.sealed.clone();
            drop(log);
            let first = sealed.partition_point(|segment| segment.next_offset <= offset);
            let mut found = Ok(None);
            for segment in &sealed[first..] {
                found = slice_of(segment, offset, limit, bytes_max, one_at_least, known.clone());
                if !matches!(found, Ok(None)) {
                    break;
                }
            }
            log = self.log.lock();
            if !Arc::ptr_eq(&sealed, &log.sealed) {
                // Compaction or retention replaced files meanwhile, so that what was found may be of neither: again.
                drop(log);
                return self.plan_read(offset, bytes_max, one_at_least, committed);
            }
            match found? {
                Some(found) => Some(found),
                // The batches between were compacted away: the reader goes on in the active segment.
                None => slice_of(&log.active, offset, limit, bytes_max, one_at_least, None)?,
            }
        };
        if let Some((slice, cursor)) = found {
            if committed {
                plan.aborted = log.producers.aborted_in(offset, cursor.as_ref().map_or(limit, |cursor| cursor.offset));
            }
            if let Some(cursor) = cursor {
                log.remember(cursor);
            }
            plan.slice = (slice.bytes > 0).then_some(slice);
        }
        Ok(plan)
    }

    /// The first record at or after `timestamp`: its timestamp and offset.
    pub fn offset_at(&self, timestamp: i64, unfolded_max: usize) -> io::Result<Option<(i64, i64)>> {
        let (sealed, start) = {
            let log = self.log.lock();
            (log.sealed.clone(), log.start)
        };
        let find = || {
            for segment in sealed.iter() {
                if let Some(found) = segment.first_at(timestamp, start, unfolded_max)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        let found: io::Result<_> = find();
        let log = self.log.lock();
        if !Arc::ptr_eq(&sealed, &log.sealed) {
            drop(log);
            return self.offset_at(timestamp, unfolded_max);
        }
        if let Some(found) = found? {
            return Ok(Some(found));
        }
        log.active.first_at(timestamp, start, unfolded_max)
    }

    /// The record with the largest timestamp: its timestamp and offset.
    pub fn offset_of_max_timestamp(&self, unfolded_max: usize) -> io::Result<Option<(i64, i64)>> {
        let max = {
            let log = self.log.lock();
            log.sealed.iter().map(|segment| segment.max_timestamp).fold(log.active.max_timestamp, i64::max)
        };
        if max == i64::MIN { Ok(None) } else { self.offset_at(max, unfolded_max) }
    }
}

type Found = (Slice, Option<Cursor>);

fn slice_of(
    segment: &Segment,
    offset: i64,
    limit: i64,
    bytes_max: u64,
    one_at_least: bool,
    known: Option<Cursor>,
) -> io::Result<Option<Found>> {
    let position = match known.filter(|cursor| cursor.segment_base == segment.base_offset) {
        Some(cursor) if cursor.position <= segment.bytes => cursor.position,
        _ => segment.locate(offset)?,
    };
    if position >= segment.bytes {
        return Ok(None);
    }
    let file = segment.file.get()?;
    let hard_end = if limit >= segment.next_offset { segment.bytes } else { segment.locate(limit)? };
    let end = if position + bytes_max >= hard_end {
        hard_end
    } else {
        segment.boundary(position, position + bytes_max, one_at_least)?.min(hard_end)
    };
    let next = if end == segment.bytes {
        Some(segment.next_offset)
    } else {
        let entry = segment.index.last_where(|entry| u64::from(entry.position) <= end)?;
        entry.filter(|entry| u64::from(entry.position) == end).map(|entry| segment.base_offset + i64::from(entry.relative_offset))
    };
    let cursor = next.map(|offset| Cursor { offset, segment_base: segment.base_offset, position: end });
    Ok(Some((Slice { file, position, bytes: end.saturating_sub(position) }, cursor)))
}
