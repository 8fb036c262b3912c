//! What a task has counted: every record that enters leaves by exactly one counted exit.
//!
//! Source: `polled = produced + filtered + skipped`. Sink: `consumed = put - late + filtered + dead_lettered + skipped`. The
//! sums hold whenever nothing is in flight; `in_flight` says how many records are.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Of one task, since it was started. Read by metrics at any time; written by the task alone.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that a source's polls gave.
    pub polled: Counter,
    /// Input records of a source whose output the log has acknowledged.
    pub produced: Counter,
    /// Records consumed by a sink.
    pub consumed: Counter,
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
    pub errors: Counter,
    /// Records that failed for good.
    pub failures: Counter,
    pub retries: Counter,
    pub errors_logged: Counter,
    pub dead_letter_requests: Counter,
    pub dead_letter_failures: Counter,
    /// Offset commits that succeeded, and that failed.
    pub commits: Counter,
    pub commit_failures: Counter,
    /// Milliseconds since the epoch of the last error; 0: none.
    pub last_error_ms: Counter,
    /// Batches polled or put, and the time spent in these calls.
    pub batches: Counter,
    pub batch_us: Counter,
    /// Records between poll and acknowledgement, or between consumption and commit.
    pub in_flight: AtomicI64,
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

impl Counters {
    /// An error happened now.
    pub fn failed_now(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.last_error_ms.set(now.as_millis() as u64);
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
