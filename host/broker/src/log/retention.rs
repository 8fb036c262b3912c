//! Taking away the front of a partition: by time, by size, or because a client asked.

use super::partition::{Log, Partition, now_ms};
use super::segment::Segment;
use crate::topics::TopicConfig;
use kafka_protocol::ResponseError;
use std::sync::Arc;

impl Partition {
    /// Removes segments that `retention.ms` and `retention.bytes` let go.
    pub fn retain(&self, config: &TopicConfig) {
        let _turn = self.maintenance.lock();
        let mut log = self.log.lock();
        if log.closed {
            return;
        }
        let now = now_ms();
        let expired = |segment: &Segment| {
            config.retention_ms >= 0 && segment.bytes > 0 && segment.max_timestamp < now.saturating_sub(config.retention_ms)
        };
        let open = log.producers.first_open_offset().unwrap_or(i64::MAX);
        if expired(&log.active)
            && log.active.next_offset <= open
            && log.sealed.iter().all(|segment| expired(segment))
            && let Err(error) = self.roll(&mut log)
        {
            tracing::warn!(%error, topic = %self.topic, partition = self.index, "cannot begin a segment; retention waits");
            return;
        }
        let mut excess = match config.retention_bytes {
            limit @ 0.. => {
                let total = log.active.bytes + log.sealed.iter().map(|segment| segment.bytes).sum::<u64>();
                total.saturating_sub(limit as u64)
            }
            _ => 0,
        };
        let mut gone = 0;
        for segment in log.sealed.iter() {
            let too_large = excess >= segment.bytes && segment.bytes > 0;
            if segment.next_offset > open || !(expired(segment) || too_large) {
                break;
            }
            excess = excess.saturating_sub(segment.bytes);
            gone += 1;
        }
        self.drop_front(log, gone);
    }

    /// Whether the log may be made to start at `offset`; -1 stands for its end. Gives the offset in numbers.
    pub fn check_start(&self, offset: i64) -> Result<i64, ResponseError> {
        let bounds = self.bounds();
        let offset = if offset == -1 { bounds.next } else { offset };
        if offset < 0 || offset > bounds.next { Err(ResponseError::OffsetOutOfRange) } else { Ok(offset.max(bounds.start)) }
    }

    /// Makes the log start at `offset`; the caller has journaled it.
    pub fn set_start(&self, offset: i64) {
        let _turn = self.maintenance.lock();
        let mut log = self.log.lock();
        log.start = log.start.max(offset.min(log.active.next_offset));
        let open = log.producers.first_open_offset().unwrap_or(i64::MAX).min(log.start);
        let gone = log.sealed.partition_point(|segment| segment.next_offset <= open);
        self.drop_front(log, gone);
    }

    fn drop_front(&self, mut log: parking_lot::MutexGuard<Log>, count: usize) {
        if count == 0 {
            return;
        }
        let gone: Vec<Arc<Segment>> = Arc::make_mut(&mut log.sealed).drain(..count).collect();
        let first = log.sealed.first().map_or(log.active.base_offset, |segment| segment.base_offset);
        log.start = log.start.max(first);
        log.cursors.clear();
        drop(log);
        gone.iter().for_each(|segment| segment.remove());
        tracing::info!(topic = %self.topic, partition = self.index, segments = gone.len(), "retention removed segments");
    }
}
