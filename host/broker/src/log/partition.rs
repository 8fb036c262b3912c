//! One partition: its segments, its producers, and the order of everything appended to it.
//!
//! Promises that a record acknowledged is in the file before the acknowledgement (invariant `written-before-acknowledged`),
//! that a failed write leaves nothing behind, and that offsets only grow. Never decodes a record on the way in or out.

use super::batch::{self, BatchHeader, HEADER_BYTES};
use super::checkpoint::{self, Checkpoint};
use super::compaction::Compacted;
use super::file::LogFile;
use super::index;
use super::producers::Producers;
use super::segment::{Segment, index_path};
use super::waiters::Waiters;
use crate::topics::TopicConfig;
use kafka_protocol::ResponseError;
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A checkpoint is written when this much was appended since the last, so that start reads no more than this.
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// Batches up to this size are patched in a copy and written at once; of larger ones only the header is copied.
const COPY_BYTES: usize = 32 << 10;
/// Places where readers left off that are remembered, so that a reader who goes on needs no look-up.
const CURSORS: usize = 8;
/// A log file nobody used for this long is closed.
const FILE_IDLE: Duration = Duration::from_secs(60);

/// The broker's clock, in milliseconds.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Where a batch came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: i64,
    /// The broker's timestamp, -1 when the producer's was kept.
    pub timestamp: i64,
    pub log_start: i64,
}

/// Offsets a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub start: i64,
    pub next: i64,
    /// The first offset a `read_committed` reader may not see yet.
    pub last_stable: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Cursor {
    pub offset: i64,
    pub segment_base: i64,
    pub position: u64,
}

pub(super) struct Log {
    pub start: i64,
    pub sealed: Arc<Vec<Arc<Segment>>>,
    pub active: Segment,
    pub producers: Producers,
    pub cursors: Vec<Cursor>,
    /// Bytes after the end of the active segment may be left of a write that failed.
    pub tail_is_dirty: bool,
    /// The topic is deleted: nothing may be appended any more.
    pub closed: bool,
    pub index_entries_stored: usize,
    pub since_checkpoint: u64,
    pub since_synced_checkpoint: u64,
    pub synced_next: i64,
    /// Sealed segments that are yet to be synced.
    pub unsynced: Vec<Arc<LogFile>>,
}

pub struct Partition {
    pub topic: Arc<str>,
    pub index: i32,
    pub(super) dir: PathBuf,
    pub(super) boot_id: Arc<str>,
    pub(super) log: Mutex<Log>,
    pub waiters: Waiters,
    /// Why the last write failed, and when; none: it was written.
    refused: Mutex<Option<(Instant, String)>>,
    sync_turn: tokio::sync::Mutex<()>,
    /// Retention and compaction take turns.
    pub(super) maintenance: Mutex<Compacted>,
}

impl Partition {
    pub(super) fn new(topic: Arc<str>, index: i32, dir: PathBuf, boot_id: Arc<str>, log: Log) -> Self {
        Self {
            topic,
            index,
            dir,
            boot_id,
            log: Mutex::new(log),
            waiters: Waiters::default(),
            refused: Mutex::default(),
            sync_turn: tokio::sync::Mutex::new(()),
            maintenance: Mutex::default(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn bounds(&self) -> Bounds {
        self.log.lock().bounds()
    }

    /// Appends a batch that passed [`batch::check_produced`].
    pub fn append(&self, bytes: &[u8], header: BatchHeader, config: &TopicConfig) -> Result<Appended, ResponseError> {
        let mut log = self.log.lock();
        if log.closed {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if let Some(duplicate) = log.producers.check(&header)? {
            return Ok(Appended { base_offset: duplicate.base_offset, timestamp: duplicate.timestamp, log_start: log.start });
        }
        let now = now_ms();
        let header = self.write(&mut log, bytes, header, config, now).inspect_err(|_| log.producers.not_written(&header, now))?;
        log.producers.appended(&header, now);
        let appended = Appended {
            base_offset: header.base_offset,
            timestamp: if header.is_log_append_time() { header.max_timestamp } else { -1 },
            log_start: log.start,
        };
        self.after_append(&mut log, &header);
        drop(log);
        self.waiters.wake();
        Ok(appended)
    }

    /// Ends a producer's transaction here, if it is open here.
    pub fn end_transaction(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        commit: bool,
        config: &TopicConfig,
    ) -> Result<(), ResponseError> {
        let mut log = self.log.lock();
        if log.closed || !log.producers.is_open(producer_id) {
            return Ok(());
        }
        let now = now_ms();
        let bytes = batch::marker(0, now, producer_id, producer_epoch, commit);
        let header = BatchHeader::parse(&bytes).expect("a marker is a batch");
        let config = TopicConfig { log_append_time: false, ..config.clone() };
        let header = self.write(&mut log, &bytes, header, &config, now)?;
        log.producers.ended(&header, commit, now);
        self.after_append(&mut log, &header);
        drop(log);
        self.waiters.wake();
        Ok(())
    }

    /// Open transactions: producer ids and epochs.
    pub fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.log.lock().producers.open().collect()
    }

    /// Why the last write failed, where that was within this time.
    pub fn refuses(&self, within: Duration) -> Option<String> {
        self.refused.lock().as_ref().filter(|(at, _)| at.elapsed() <= within).map(|(_, why)| why.clone())
    }

    fn write(
        &self,
        log: &mut MutexGuard<Log>,
        bytes: &[u8],
        mut header: BatchHeader,
        config: &TopicConfig,
        now: i64,
    ) -> Result<BatchHeader, ResponseError> {
        let failed = |error: io::Error| {
            tracing::error!(%error, topic = %self.topic, partition = self.index,
                "cannot write to the log; the record is not acknowledged; make room under the data directory");
            *self.refused.lock() = Some((Instant::now(), error.to_string()));
            ResponseError::KafkaStorageError
        };
        log.cut_dirty_tail().map_err(failed)?;
        if log.must_roll(u64::from(header.bytes), config, now) {
            self.roll(log).map_err(failed)?;
        }
        header.base_offset = log.active.next_offset;
        let end = log.active.bytes;
        let file = log.active.file.get().map_err(failed)?;
        let written = if config.log_append_time {
            let mut copy = bytes.to_vec();
            batch::set_append_time(&mut copy, now);
            batch::set_base_offset(&mut copy, header.base_offset);
            header = BatchHeader::parse(&copy).expect("a stamped batch is a batch");
            file.write_all_at(&copy, end)
        } else if bytes.len() <= COPY_BYTES {
            let mut copy = bytes.to_vec();
            batch::set_base_offset(&mut copy, header.base_offset);
            file.write_all_at(&copy, end)
        } else {
            let mut head = [0; HEADER_BYTES];
            head.copy_from_slice(&bytes[..HEADER_BYTES]);
            batch::set_base_offset(&mut head, header.base_offset);
            file.write_all_at(&bytes[HEADER_BYTES..], end + HEADER_BYTES as u64).and_then(|()| file.write_all_at(&head, end))
        };
        if let Err(error) = written {
            // Invariant written-before-acknowledged: what was not written whole is not in the log.
            log.tail_is_dirty = true;
            let _ = log.cut_dirty_tail();
            return Err(failed(error));
        }
        *self.refused.lock() = None;
        Ok(header)
    }

    fn after_append(&self, log: &mut MutexGuard<Log>, header: &BatchHeader) {
        log.active.note(header, now_ms(), super::INDEX_INTERVAL_BYTES);
        log.since_checkpoint += u64::from(header.bytes);
        log.since_synced_checkpoint += u64::from(header.bytes);
        if log.since_checkpoint >= CHECKPOINT_BYTES {
            self.store_checkpoint(log);
        }
    }

    /// Seals the active segment and begins another.
    pub(super) fn roll(&self, log: &mut MutexGuard<Log>) -> io::Result<()> {
        let fresh = Segment::empty(&self.dir, log.active.next_offset);
        fresh.file.get()?;
        let mut sealed = std::mem::replace(&mut log.active, fresh);
        sealed.seal(&self.dir);
        log.unsynced.push(sealed.file.clone());
        Arc::make_mut(&mut log.sealed).push(Arc::new(sealed));
        log.index_entries_stored = 0;
        self.store_checkpoint(log);
        Ok(())
    }

    /// Stores where start may begin to read; a failure costs only time at the next start.
    fn store_checkpoint(&self, log: &mut MutexGuard<Log>) {
        let stored = self.encode_checkpoint(log).and_then(|encoded| checkpoint::store(&self.dir, &encoded, false));
        match stored {
            Ok(()) => log.since_checkpoint = 0,
            Err(error) => {
                log.since_checkpoint = 0;
                tracing::warn!(%error, topic = %self.topic, partition = self.index, "cannot write a checkpoint of the log");
            }
        }
    }

    fn encode_checkpoint(&self, log: &mut MutexGuard<Log>) -> io::Result<Vec<u8>> {
        let entries = log.active.entries();
        index::append(&index_path(&self.dir, log.active.base_offset), entries, log.index_entries_stored)?;
        log.index_entries_stored = log.active.entries().len();
        let checkpoint = Checkpoint {
            segment_base: log.active.base_offset,
            position: log.active.bytes,
            next_offset: log.active.next_offset,
            max_timestamp: log.active.max_timestamp,
            first_append_ms: log.active.first_append_ms,
            index_entries: log.index_entries_stored as u32,
            producers: log.producers.clone(),
        };
        Ok(checkpoint.encode(&self.boot_id))
    }

    /// Syncs what was appended up to now; callers at the same time share one sync.
    pub async fn sync(self: &Arc<Self>) -> io::Result<()> {
        let wanted = self.log.lock().active.next_offset;
        let _turn = self.sync_turn.lock().await;
        if self.log.lock().synced_next >= wanted {
            return Ok(());
        }
        let partition = self.clone();
        tokio::task::spawn_blocking(move || partition.sync_now(true, false)).await.map_err(io::Error::other)?
    }

    /// Syncs the sealed segments, and the active one if asked; blocks. `last` stores a checkpoint whatever its age.
    pub fn sync_now(&self, with_active: bool, last: bool) -> io::Result<()> {
        let mut log = self.log.lock();
        let sealed = std::mem::take(&mut log.unsynced);
        let next = log.active.next_offset;
        if sealed.is_empty() && (!with_active || log.synced_next >= next) && !last {
            return Ok(());
        }
        let active = if with_active { Some(log.active.file.get()?) } else { None };
        let due = with_active && (last || log.since_synced_checkpoint >= CHECKPOINT_BYTES);
        let encoded = if due { Some(self.encode_checkpoint(&mut log)?) } else { None };
        drop(log);
        let synced = || -> io::Result<()> {
            for file in &sealed {
                match std::fs::File::open(file.path()) {
                    Ok(file) => file.sync_data()?,
                    // Compaction or retention took it away meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            active.as_ref().map_or(Ok(()), |file| file.sync_data())?;
            if !sealed.is_empty() {
                std::fs::File::open(&self.dir)?.sync_all()?;
            }
            if let Some(encoded) = &encoded {
                checkpoint::store(&self.dir, encoded, true)?;
                if last {
                    checkpoint::store(&self.dir, encoded, false)?;
                }
            }
            Ok(())
        };
        let result = synced();
        let mut log = self.log.lock();
        match &result {
            Err(_) => log.unsynced.extend(sealed),
            Ok(()) if with_active => {
                log.synced_next = log.synced_next.max(next);
                if due {
                    log.since_synced_checkpoint = 0;
                }
            }
            Ok(()) => {}
        }
        result
    }

    /// Refuses everything from now on: the topic is deleted.
    pub fn close(&self) {
        self.log.lock().closed = true;
        self.waiters.wake();
    }

    /// Closes files nobody uses and forgets what needs no remembering.
    pub fn tidy(&self, producer_expiry_ms: i64) {
        let mut log = self.log.lock();
        let start = log.start;
        log.producers.forget(start, now_ms() - producer_expiry_ms);
        log.active.file.close_if_idle(FILE_IDLE);
        log.sealed.iter().for_each(|segment| segment.file.close_if_idle(FILE_IDLE));
    }
}

impl Log {
    pub fn bounds(&self) -> Bounds {
        let next = self.active.next_offset;
        Bounds { start: self.start, next, last_stable: self.producers.first_open_offset().unwrap_or(next) }
    }

    fn cut_dirty_tail(&mut self) -> io::Result<()> {
        if self.tail_is_dirty {
            self.active.file.get()?.set_len(self.active.bytes)?;
            self.tail_is_dirty = false;
        }
        Ok(())
    }

    fn must_roll(&self, bytes: u64, config: &TopicConfig, now: i64) -> bool {
        let active = &self.active;
        active.bytes > 0
            && (active.bytes + bytes > config.segment_bytes
                || now.saturating_sub(active.first_append_ms) > config.segment_ms
                || active.next_offset - active.base_offset > i64::from(i32::MAX) - (1 << 24))
    }

    pub fn remember(&mut self, cursor: Cursor) {
        if self.cursors.len() == CURSORS {
            self.cursors.remove(0);
        }
        self.cursors.push(cursor);
    }
}
