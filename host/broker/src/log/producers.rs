//! What a partition remembers of its producers: epochs, recent sequences, open and aborted transactions.
//!
//! Promises that a repeated batch is recognised among the last five of its producer and that a gap or an old epoch is
//! refused. It is derived from the log alone, so that reading the log again gives the same state.

use super::batch::{BatchHeader, add_sequence};
use super::codec::{Decoder, Encoder};
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many batches of a producer are remembered, which is also how many it may have in flight.
const RECENT_BATCHES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recent {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    recent: VecDeque<Recent>,
    /// When it last wrote, by the broker's clock.
    seen_ms: i64,
}

/// One aborted transaction: what `read_committed` readers must leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aborted {
    pub producer_id: i64,
    pub first_offset: i64,
    /// Offset of the marker.
    pub last_offset: i64,
}

/// A batch that was written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    pub base_offset: i64,
    pub timestamp: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    producers: HashMap<i64, Producer>,
    /// Open transactions: producer id to first offset.
    open: BTreeMap<i64, i64>,
    /// Aborted transactions in the order of their markers.
    aborted: Vec<Aborted>,
    /// The first batches of producers that the disk did not take: what they sent behind them must wait. Not of the log, so not
    /// in a checkpoint: the producers of an embedded broker end with it.
    unwritten: HashMap<i64, Unwritten>,
}

/// A batch that is to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unwritten {
    epoch: i16,
    first_sequence: i32,
    seen_ms: i64,
}

impl Producers {
    /// Whether a produced batch may be appended; gives the earlier one when it is a repeat.
    pub fn check(&self, header: &BatchHeader) -> Result<Option<Duplicate>, ResponseError> {
        if !header.is_idempotent() {
            return Ok(None);
        }
        let Some(producer) = self.producers.get(&header.producer_id) else {
            // Whoever is new here may begin anywhere, but not behind what it has yet to send again: that would be taken for a
            // repeat, and be lost.
            let unwritten = self.unwritten.get(&header.producer_id).filter(|u| u.epoch == header.producer_epoch);
            let begins = unwritten.is_none_or(|u| u.first_sequence == header.base_sequence);
            return if begins { Ok(None) } else { Err(ResponseError::OutOfOrderSequenceNumber) };
        };
        if header.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            let starts = header.base_sequence == 0;
            return if starts { Ok(None) } else { Err(ResponseError::OutOfOrderSequenceNumber) };
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        let repeat = producer.recent.iter().find(|recent| (recent.first_sequence, recent.last_sequence) == (first, last));
        if let Some(recent) = repeat {
            return Ok(Some(Duplicate { base_offset: recent.base_offset, timestamp: recent.timestamp }));
        }
        let expected = producer.recent.back().map_or(0, |recent| add_sequence(recent.last_sequence, 1));
        if first == expected {
            return Ok(None);
        }
        // A batch whose last record is older than the last one written was written too, only longer ago than we remember.
        let behind = producer.recent.back().is_some_and(|recent| {
            let distance = recent.last_sequence.wrapping_sub(last) & i32::MAX;
            distance < i32::MAX / 2
        });
        Err(if behind { ResponseError::DuplicateSequenceNumber } else { ResponseError::OutOfOrderSequenceNumber })
    }

    /// Takes note of a batch that was allowed and could not be written.
    pub fn not_written(&mut self, header: &BatchHeader, now_ms: i64) {
        if header.is_idempotent() && !self.producers.contains_key(&header.producer_id) {
            let first = Unwritten { epoch: header.producer_epoch, first_sequence: header.base_sequence, seen_ms: now_ms };
            self.unwritten.insert(header.producer_id, first);
        }
    }

    /// Takes note of a batch of data that is in the log at its base offset.
    pub fn appended(&mut self, header: &BatchHeader, now_ms: i64) {
        if !header.is_idempotent() {
            return;
        }
        let producer = self.producers.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            recent: VecDeque::with_capacity(RECENT_BATCHES),
            seen_ms: now_ms,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.recent.clear();
        }
        producer.seen_ms = now_ms;
        self.unwritten.remove(&header.producer_id);
        if producer.recent.len() == RECENT_BATCHES {
            producer.recent.pop_front();
        }
        producer.recent.push_back(Recent {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            timestamp: if header.is_log_append_time() { header.max_timestamp } else { -1 },
        });
        if header.is_transactional() {
            self.open.entry(header.producer_id).or_insert(header.base_offset);
        }
    }

    /// Takes note of a marker that is in the log at its base offset.
    pub fn ended(&mut self, header: &BatchHeader, commit: bool, now_ms: i64) {
        let producer = self.producers.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            recent: VecDeque::new(),
            seen_ms: now_ms,
        });
        producer.seen_ms = now_ms;
        if header.producer_epoch > producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.recent.clear();
        }
        if let Some(first_offset) = self.open.remove(&header.producer_id)
            && !commit
        {
            let last_offset = header.base_offset;
            self.aborted.push(Aborted { producer_id: header.producer_id, first_offset, last_offset });
        }
    }

    /// The first offset of the oldest open transaction.
    pub fn first_open_offset(&self) -> Option<i64> {
        self.open.values().min().copied()
    }

    /// The open transactions: producer id and the epoch it writes with.
    pub fn open(&self) -> impl Iterator<Item = (i64, i16)> {
        self.open.keys().map(|id| (*id, self.producers.get(id).map_or(0, |producer| producer.epoch)))
    }

    pub fn is_open(&self, producer_id: i64) -> bool {
        self.open.contains_key(&producer_id)
    }

    /// The aborted transactions with records in `from..to`.
    pub fn aborted_in(&self, from: i64, to: i64) -> Vec<Aborted> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        self.aborted[first..].iter().filter(|aborted| aborted.first_offset < to).copied().collect()
    }

    /// Forgets aborted transactions that ended before the log starts, and producers silent since `before_ms`.
    pub fn forget(&mut self, log_start: i64, before_ms: i64) {
        let gone = self.aborted.partition_point(|aborted| aborted.last_offset < log_start);
        self.aborted.drain(..gone);
        self.unwritten.retain(|_, unwritten| unwritten.seen_ms >= before_ms);
        let open = &self.open;
        self.producers.retain(|id, producer| producer.seen_ms >= before_ms || open.contains_key(id));
    }

    /// Writes the state for a checkpoint.
    pub fn encode(&self, out: &mut Encoder) {
        out.count(self.producers.len());
        for (id, producer) in &self.producers {
            out.i64(*id).i16(producer.epoch).i64(producer.seen_ms).count(producer.recent.len());
            for recent in &producer.recent {
                out.i32(recent.first_sequence).i32(recent.last_sequence).i64(recent.base_offset).i64(recent.timestamp);
            }
        }
        out.count(self.open.len());
        for (id, first) in &self.open {
            out.i64(*id).i64(*first);
        }
        out.count(self.aborted.len());
        for aborted in &self.aborted {
            out.i64(aborted.producer_id).i64(aborted.first_offset).i64(aborted.last_offset);
        }
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(from: &mut Decoder) -> Option<Self> {
        let mut state = Self::default();
        for _ in 0..from.count()? {
            let (id, epoch, seen_ms) = (from.i64()?, from.i16()?, from.i64()?);
            let mut recent = VecDeque::with_capacity(RECENT_BATCHES);
            for _ in 0..from.count()? {
                recent.push_back(Recent {
                    first_sequence: from.i32()?,
                    last_sequence: from.i32()?,
                    base_offset: from.i64()?,
                    timestamp: from.i64()?,
                });
            }
            state.producers.insert(id, Producer { epoch, recent, seen_ms });
        }
        for _ in 0..from.count()? {
            state.open.insert(from.i64()?, from.i64()?);
        }
        for _ in 0..from.count()? {
            state.aborted.push(Aborted { producer_id: from.i64()?, first_offset: from.i64()?, last_offset: from.i64()? });
        }
        Some(state)
    }
}
