//! What a task has counted: every record that enters leaves by exactly one counted exit.
//!
//! Source: `polled = produced + filtered + skipped`. Sink: `consumed = put - late + filtered + dead_lettered + skipped`. The
//! sums hold whenever nothing is in flight.
//!
//! Totals are atomic. What is averaged over time is recorded by the batch, under one lock that only the page of metrics
//! shares.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Pulse, TaskState};
use crate::metrics::{Clock, Sampled, shares};

/// Of one task, since it was started. Read by metrics at any time; written by the task alone.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that a source's polls gave.
    pub polled: Counter,
    /// Input records of a source whose output the log has acknowledged.
    pub produced: Counter,
    /// Records that a sink took from the log, though they may be given back and taken again.
    pub read: Counter,
    /// Records of a sink that have left by an exit.
    pub consumed: Counter,
    /// Records handed to a sink's put.
    pub sent: Counter,
    /// Records that a sink's put has taken.
    pub put: Counter,
    /// Records that were put and failed only at a flush.
    pub late: Counter,
    /// Records that a transform dropped.
    pub filtered: Counter,
    /// Failed records that tolerance lets pass, without a dead letter queue.
    pub skipped: Counter,
    /// Failed records that the dead letter queue has taken.
    pub dead_lettered: Counter,
    /// Records written to the log by a source; a transform may make several of one.
    pub written: Counter,
    /// Bytes of keys, values and headers written to the log by a source, or consumed by a sink.
    pub bytes: Counter,
    /// Failed attempts at any stage, retried or not.
    pub failures: Counter,
    /// Records that failed for good.
    pub errors: Counter,
    pub retries: Counter,
    pub errors_logged: Counter,
    pub dead_letter_requests: Counter,
    pub dead_letter_failures: Counter,
    /// Milliseconds since the epoch of the last error; 0: none.
    pub last_error_ms: Counter,
    /// Offset commits that were begun, that succeeded, that failed, and that came too late to count.
    pub commit_seq_no: Counter,
    pub commits: Counter,
    pub commit_failures: Counter,
    pub commits_skipped: Counter,
    /// Records between poll and acknowledgement, or between consumption and commit.
    pub active: Level,
    /// Of a sink's active records, those of the partition that has most.
    pub lag: Level,
    /// Partitions that a sink's task is assigned.
    pub partitions: Level,
    /// How the task is doing.
    pub pulse: Pulse,
    windows: Mutex<Windows>,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    pub fn add(&self, n: i64) -> i64 {
        self.0.fetch_add(n, Relaxed) + n
    }
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// What is averaged over time.
#[derive(Debug, Default)]
struct Windows {
    clock: Clock,
    /// Records in: polled or read. Records out: acknowledged, or handed to the sink.
    read: Sampled,
    out: Sampled,
    active: Sampled,
    /// Records in a batch, and the milliseconds of its poll or put.
    batch: Sampled,
    batch_ms: Sampled,
    commit_ms: Sampled,
    /// 1 for a commit that succeeded, 0 for one that failed.
    commit_results: Sampled,
    skips: Sampled,
    /// Records in a transaction.
    transaction: Sampled,
    /// Whether the task runs or is paused, since when, and for how long it has been so before.
    resting: Option<bool>,
    since: Duration,
    ran: Duration,
    paused: Duration,
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

impl Windows {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Adds the time since the last change to the state that it was spent in.
    fn settle(&mut self) {
        let now = self.clock.now();
        let passed = now - std::mem::replace(&mut self.since, now);
        match self.resting {
            Some(false) => self.ran += passed,
            Some(true) => self.paused += passed,
            None => {}
        }
    }
}

/// Averages, maxima and rates of the last while; pairs are average and maximum.
#[derive(Debug, Clone, Copy)]
pub struct TaskMeasures {
    pub running_ratio: f64,
    pub pause_ratio: f64,
    /// By the second.
    pub in_rate: f64,
    pub out_rate: f64,
    pub active: (f64, f64),
    pub batch: (f64, f64),
    pub batch_ms: (f64, f64),
    pub commit_ms: (f64, f64),
    /// The parts that succeeded and that failed.
    pub commits: (f64, f64),
    pub completion_rate: f64,
    pub skip_rate: f64,
    /// Minimum, average and maximum.
    pub transaction: (f64, f64, f64),
}

/// How an offset commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Done,
    Failed,
    /// A rebalance was under way.
    Late,
}

impl Counters {
    #[cfg(test)]
    pub fn by(clock: Clock) -> Self {
        Counters { windows: Mutex::new(Windows { clock, ..Windows::default() }), ..Counters::default() }
    }

    /// An error happened now.
    pub fn failed_now(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.last_error_ms.set(now.as_millis() as u64);
    }

    /// A source's poll gave a batch. One of marks alone is none that is averaged.
    pub fn polled_batch(&self, records: u64, took: Duration) {
        if records == 0 {
            return;
        }
        self.polled.add(records);
        let active = self.active.add(records as i64);
        self.pulse.under_way(records as i64);
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.read.record(now, records as f64);
        w.batch.record(now, records as f64);
        w.batch_ms.record(now, millis(took));
        w.active.record(now, active as f64);
    }

    /// A source's batch has left by its exits; the log has acknowledged what became of `produced` records of it.
    pub fn settled_batch(&self, records: u64, produced: u64) {
        if records == 0 {
            return;
        }
        self.produced.add(produced);
        let active = self.active.add(-(records as i64));
        self.pulse.under_way(-(records as i64));
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.out.record(now, produced as f64);
        w.active.record(now, active as f64);
    }

    /// A sink took a batch from the log.
    pub fn read_batch(&self, records: u64) {
        self.read.add(records);
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.read.record(now, records as f64);
        w.batch.record(now, records as f64);
    }

    /// A sink's put was called and answered.
    pub fn sent_batch(&self, records: u64, took: Duration) {
        self.sent.add(records);
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.out.record(now, records as f64);
        w.batch_ms.record(now, millis(took));
    }

    /// A sink's records that are not committed: all of them, and those of the partition that has most.
    pub fn uncommitted(&self, records: i64, most: i64) {
        self.active.set(records);
        self.lag.set(most);
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.active.record(now, records as f64);
    }

    /// An offset commit ended.
    pub fn commit_ended(&self, how: Committed, took: Duration) {
        self.commit_seq_no.add(1);
        let mut w = self.windows.lock();
        let now = w.now_ms();
        match how {
            Committed::Done => self.commits.add(1),
            Committed::Failed => self.commit_failures.add(1),
            Committed::Late => {
                self.commits_skipped.add(1);
                w.skips.record(now, 1.0);
                return;
            }
        }
        w.commit_ms.record(now, millis(took));
        w.commit_results.record(now, f64::from(u8::from(how == Committed::Done)));
    }

    /// A source's transaction was committed.
    pub fn transaction_committed(&self, records: u64) {
        let mut w = self.windows.lock();
        let now = w.now_ms();
        w.transaction.record(now, records as f64);
    }

    /// What was under way comes again with the next session.
    pub fn session_ended(&self) {
        self.active.set(0);
        self.lag.set(0);
        self.pulse.session_ended();
    }

    /// The task is in another state.
    pub fn in_state(&self, state: &TaskState) {
        let mut w = self.windows.lock();
        w.settle();
        w.resting = match state {
            TaskState::Running => Some(false),
            TaskState::Paused => Some(true),
            _ => None,
        };
    }

    pub fn measure(&self) -> TaskMeasures {
        let mut w = self.windows.lock();
        w.settle();
        let (now, whole) = (w.now_ms(), w.clock.now().as_secs_f64());
        let ratio = |part: Duration| if whole > 0.0 { (part.as_secs_f64() / whole).min(1.0) } else { 0.0 };
        let both = |s: &Sampled| (s.avg(now), s.max(now));
        TaskMeasures {
            running_ratio: ratio(w.ran),
            pause_ratio: ratio(w.paused),
            in_rate: w.read.rate(now),
            out_rate: w.out.rate(now),
            active: both(&w.active),
            batch: both(&w.batch),
            batch_ms: both(&w.batch_ms),
            commit_ms: both(&w.commit_ms),
            commits: shares(&w.commit_results, now),
            completion_rate: w.commit_results.rate(now),
            skip_rate: w.skips.rate(now),
            transaction: (w.transaction.min(now), w.transaction.avg(now), w.transaction.max(now)),
        }
    }

    /// A record left a transform chain's input for good; what came in minus all exits.
    pub fn source_unaccounted(&self) -> i64 {
        self.polled.get() as i64 - (self.produced.get() + self.filtered.get() + self.skipped.get()) as i64
    }
    pub fn sink_unaccounted(&self) -> i64 {
        let out = self.put.get() + self.filtered.get() + self.dead_lettered.get() + self.skipped.get();
        (self.consumed.get() + self.late.get()) as i64 - out as i64
    }
}
