//! Exponential back-off with jitter, for whole calls that failed and may be tried again.

use std::time::{Duration, Instant};

use rand::Rng;

use super::tolerance::{ErrorPolicy, RetryTimeout};

/// How often and how long: `retry.max.attempts`, `retry.backoff.ms`, `retry.backoff.max.ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// Failures in a row after which the caller gives up.
    pub attempts_max: u32,
    pub initial: Duration,
    pub max: Duration,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        BackoffPolicy { attempts_max: 5, initial: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl BackoffPolicy {
    /// The delay after the `failures`th failure in a row, before jitter: doubling from `initial` up to `max`.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }
}

/// How often a task that failed is started again by itself; none: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `task.restart.max.attempts`: after failures that may pass.
    pub passing: Option<u32>,
    /// `task.restart.fatal.max.attempts`: after those that may not, and where the plugin broke.
    pub fatal: Option<u32>,
}

/// Failures in a row of one thing.
#[derive(Debug)]
pub struct Backoff {
    policy: BackoffPolicy,
    failures: u32,
}

impl Backoff {
    pub fn new(policy: BackoffPolicy) -> Self {
        Backoff { policy, failures: 0 }
    }

    /// It went well: the next failure is the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the last failure was one too many.
    pub fn exhausted(&self) -> bool {
        self.failures >= self.policy.attempts_max
    }

    /// Counts a failure and answers how long to wait: never less than `at_least`, else up to a fifth more or less than the
    /// policy's delay, so that tasks that failed together do not come back together.
    pub fn failed(&mut self, at_least: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let delay = self.policy.delay(self.failures).mul_f64(rand::rng().random_range(0.8..1.2));
        delay.min(self.policy.max).max(at_least.unwrap_or_default())
    }
}

/// The first delay that Connect has for a record's next try.
const RECORD_INITIAL: Duration = Duration::from_millis(300);

/// The tries of records that failed and may pass another time: as `errors.retry.timeout` and `errors.retry.delay.max.ms`
/// say where the timeout is set, else as often as a whole call is tried.
#[derive(Debug)]
pub struct RecordRetry {
    backoff: Backoff,
    until: Option<Instant>,
}

impl RecordRetry {
    pub fn new(errors: &ErrorPolicy, calls: BackoffPolicy) -> Self {
        let Some(timeout) = errors.retry_timeout else {
            return RecordRetry { backoff: Backoff::new(calls), until: None };
        };
        let policy = BackoffPolicy { attempts_max: u32::MAX, initial: RECORD_INITIAL, max: errors.retry_delay_max };
        let until = match timeout {
            RetryTimeout::For(time) => Some(Instant::now() + time),
            RetryTimeout::Never => None,
        };
        RecordRetry { backoff: Backoff::new(policy), until }
    }

    /// How long to wait for the next try; none: there is none.
    pub fn next_delay(&mut self) -> Option<Duration> {
        let left = match self.until {
            Some(until) => until.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        };
        let delay = self.backoff.failed(None).min(left);
        (!left.is_zero() && !self.backoff.exhausted()).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let policy = BackoffPolicy::default();
        let seconds: Vec<u64> = (1..=8).map(|n| policy.delay(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn records_are_tried_as_often_as_is_set() {
        let tries = |retry_timeout| {
            let errors = ErrorPolicy { retry_timeout, retry_delay_max: Duration::from_secs(2), ..ErrorPolicy::default() };
            let mut retry = RecordRetry::new(&errors, BackoffPolicy::default());
            std::iter::from_fn(|| retry.next_delay()).take(100).collect::<Vec<_>>()
        };
        assert_eq!(tries(None).len(), 4, "five attempts in all");
        assert_eq!(tries(Some(RetryTimeout::For(Duration::ZERO))), []);
        let forever = tries(Some(RetryTimeout::Never));
        assert!(forever.len() == 100 && forever[0] < Duration::from_millis(361), "{forever:?}");
        assert!(forever.iter().all(|d| *d <= Duration::from_secs(2)), "{forever:?}");
        let soon = tries(Some(RetryTimeout::For(Duration::from_millis(100))));
        assert!(soon.iter().all(|d| *d <= Duration::from_millis(100)), "the last try is at the end: {soon:?}");
    }

    #[test]
    fn jitter_stays_near_the_delay_and_success_starts_over() {
        let mut backoff = Backoff::new(BackoffPolicy::default());
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0] {
            let delay = backoff.failed(None).as_secs_f64();
            assert!((expected * 0.8..=expected * 1.2).contains(&delay), "{delay} for {expected}");
        }
        assert!(backoff.exhausted());
        backoff.reset();
        assert!(!backoff.exhausted());
        assert_eq!(backoff.failed(Some(Duration::from_secs(90))), Duration::from_secs(90));
    }
}
