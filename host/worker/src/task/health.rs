//! How a task is doing, beside the state that Connect shows: one that is RUNNING may get nowhere all the same.
//!
//! The parts of a task tell its [`Pulse`] what they begin and end; whoever asks gets a [`Health`] of that moment. Nothing runs
//! for it while nobody asks, and what is told costs a lock by the batch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use millrace_record::Wake;
use parking_lot::Mutex;

/// After how long without progress a task is stuck, unless `task.stuck.after.ms` says otherwise.
pub const STUCK_AFTER: Duration = Duration::from_secs(4);
/// A sink is behind where it would need this long for what waits in the log.
const BEHIND: Duration = Duration::from_secs(5);
/// How far apart looks at the log's end are, at the least, and how many are kept.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const LOOKS_MAX: usize = 8;

/// From the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It makes progress, or has nothing to do.
    Ok,
    /// It makes progress, but more comes than it takes.
    Lagging,
    /// What failed is tried again.
    Retrying,
    /// It has something to do, and makes no progress.
    Stuck,
}

impl Condition {
    pub fn name(self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::Lagging => "lagging",
            Condition::Retrying => "retrying",
            Condition::Stuck => "stuck",
        }
    }
}

/// At one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub condition: Condition,
    pub since: SystemTime,
    /// Why it is not well; for a person.
    pub cause: Option<String>,
}

/// Something that a part of the task waits for.
#[derive(Debug)]
struct Wait {
    id: u64,
    what: &'static str,
    since: Instant,
}

/// What waited in the log for a sink, at a time, and how many records it had put by then.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    waiting: u64,
    done: u64,
}

#[derive(Debug)]
struct Signs {
    well_since: SystemTime,
    /// Since the first failure in a row, with the cause of the last.
    retrying: Option<(SystemTime, String)>,
    waits: Vec<Wait>,
    /// Records on their way into the log, and since when none of them has arrived.
    under_way: Option<(Instant, u64)>,
    looks: VecDeque<Look>,
    lagging_since: Option<SystemTime>,
}

/// What is known of how a task is doing.
#[derive(Debug)]
pub struct Pulse {
    signs: Mutex<Signs>,
    next_wait: AtomicU64,
    stuck_after_ms: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        let signs = Signs {
            well_since: SystemTime::now(),
            retrying: None,
            waits: Vec::new(),
            under_way: None,
            looks: VecDeque::new(),
            lagging_since: None,
        };
        Pulse {
            signs: Mutex::new(signs),
            next_wait: AtomicU64::new(0),
            stuck_after_ms: AtomicU64::new(STUCK_AFTER.as_millis() as u64),
        }
    }
}

/// Ends a wait when it is dropped.
struct Waiting<'a>(&'a Pulse, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let stuck_after = self.0.stuck_after();
        let mut signs = self.0.signs.lock();
        let Some(at) = signs.waits.iter().position(|w| w.id == self.1) else { return };
        if signs.waits.swap_remove(at).since.elapsed() >= stuck_after {
            signs.well_since = SystemTime::now();
        }
    }
}

impl Pulse {
    /// `task.stuck.after.ms`
    pub fn set_stuck_after(&self, after: Duration) {
        self.stuck_after_ms.store(after.as_millis() as u64, Relaxed);
    }

    fn stuck_after(&self) -> Duration {
        Duration::from_millis(self.stuck_after_ms.load(Relaxed))
    }

    /// Awaits something that is to end soon: a task is stuck while it does not.
    pub async fn during<F: Future>(&self, what: &'static str, wait: F) -> F::Output {
        let id = self.next_wait.fetch_add(1, Relaxed);
        self.signs.lock().waits.push(Wait { id, what, since: Instant::now() });
        let _ends = Waiting(self, id);
        wait.await
    }

    /// Something failed and is tried again.
    pub fn retrying(&self, cause: String) {
        let mut signs = self.signs.lock();
        let since = signs.retrying.take().map_or_else(SystemTime::now, |(since, _)| since);
        signs.retrying = Some((since, cause));
    }

    /// What failed went well.
    pub fn well(&self) {
        let mut signs = self.signs.lock();
        if signs.retrying.take().is_some() {
            signs.well_since = SystemTime::now();
        }
    }

    /// A source has polled so many more records, which are on their way into the log; or, where less than none, so many have
    /// arrived.
    pub fn under_way(&self, change: i64) {
        let mut signs = self.signs.lock();
        let (mut since, records) = signs.under_way.unwrap_or_else(|| (Instant::now(), 0));
        if change < 0 {
            since = Instant::now();
        }
        let records = records.saturating_add_signed(change);
        signs.under_way = (records > 0).then_some((since, records));
    }

    /// A poll may wait for as long as nothing comes, but not when the host has called: one that lasts is called back half-way,
    /// and when it has not come by then, the task is stuck.
    pub async fn polling<F: Future>(&self, wake: &Wake, poll: F) -> F::Output {
        let half = self.stuck_after() / 2;
        self.during("poll", async {
            let mut poll = std::pin::pin!(poll);
            match tokio::time::timeout(half, &mut poll).await {
                Ok(polled) => polled,
                Err(_) => {
                    wake.raise();
                    poll.await
                }
            }
        })
        .await
    }

    /// Whether it is time to look again at what waits in the log.
    pub fn look_is_due(&self) -> bool {
        self.signs.lock().looks.back().is_none_or(|l| l.at.elapsed() >= LOOK_INTERVAL)
    }

    /// So many records wait in the log for a sink, which has put `done` so far.
    pub fn looked(&self, waiting: u64, done: u64) {
        let mut signs = self.signs.lock();
        signs.looks.push_back(Look { at: Instant::now(), waiting, done });
        if signs.looks.len() > LOOKS_MAX {
            signs.looks.pop_front();
        }
        let lagging = signs.behind(self.stuck_after()).is_some();
        if lagging != signs.lagging_since.is_some() {
            signs.lagging_since = lagging.then(SystemTime::now);
            signs.well_since = SystemTime::now();
        }
    }

    /// Forgets what was begun: the session has ended.
    pub fn session_ended(&self) {
        let mut signs = self.signs.lock();
        signs.waits.clear();
        signs.looks.clear();
        (signs.under_way, signs.lagging_since) = (None, None);
    }

    pub fn health(&self) -> Health {
        let (signs, stuck_after) = (self.signs.lock(), self.stuck_after());
        let long = |since: Instant| since.elapsed() >= stuck_after;
        let stuck = |since: Instant, cause: String| {
            let since = SystemTime::now() - since.elapsed();
            Health { condition: Condition::Stuck, since, cause: Some(cause) }
        };
        if let Some(wait) = signs.waits.iter().filter(|w| long(w.since)).min_by_key(|w| w.since) {
            return stuck(wait.since, format!("{} has not returned for {} s", wait.what, wait.since.elapsed().as_secs()));
        }
        if let Some((since, cause)) = &signs.retrying {
            return Health { condition: Condition::Retrying, since: *since, cause: Some(cause.clone()) };
        }
        if let Some((since, records)) = signs.under_way.filter(|(since, _)| long(*since)) {
            let waited = since.elapsed().as_secs();
            return stuck(since, format!("{records} records were polled, and the log has acknowledged none for {waited} s"));
        }
        if let (Some(since), Some(cause)) = (signs.lagging_since, signs.behind(stuck_after)) {
            return Health { condition: Condition::Lagging, since, cause: Some(cause) };
        }
        Health { condition: Condition::Ok, since: signs.well_since, cause: None }
    }
}

impl Signs {
    /// Why a sink counts as lagging: what waits has not become less for a while, and is more than it puts in [`BEHIND`].
    fn behind(&self, over: Duration) -> Option<String> {
        let now = self.looks.back()?;
        let then = self.looks.iter().rev().find(|l| now.at - l.at >= over)?;
        let rate = (now.done - then.done.min(now.done)) as f64 / (now.at - then.at).as_secs_f64();
        let behind = now.waiting > 0 && now.waiting >= then.waiting && now.waiting as f64 > rate * BEHIND.as_secs_f64();
        behind.then(|| {
            let (waiting, before) = (now.waiting, then.waiting);
            format!(
                "{waiting} records wait in the log, {before} did {} s ago; it puts {rate:.0} a second",
                (now.at - then.at).as_secs()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pulse: &Pulse) -> (Condition, String) {
        let health = pulse.health();
        (health.condition, health.cause.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_wait_that_lasts_is_stuck_until_it_ends() {
        let pulse = Pulse::default();
        pulse.set_stuck_after(Duration::from_millis(20));
        assert_eq!(pulse.during("put", async { at(&pulse) }).await.0, Condition::Ok);
        let long = tokio::time::timeout(Duration::from_millis(60), pulse.during("put", std::future::pending::<()>()));
        let (_, (condition, cause)) = tokio::join!(long, async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            at(&pulse)
        });
        assert_eq!((condition, cause.as_str()), (Condition::Stuck, "put has not returned for 0 s"));
        assert_eq!(at(&pulse).0, Condition::Ok, "a wait that was given up has ended");
    }

    #[tokio::test]
    async fn a_poll_is_called_back_and_stuck_when_it_does_not_come() {
        let pulse = Pulse::default();
        pulse.set_stuck_after(Duration::from_millis(40));
        let wake = Wake::default();
        pulse.polling(&wake, wake.raised()).await;
        assert_eq!(at(&pulse).0, Condition::Ok, "it waited, and came when it was called");
        let deaf = tokio::time::timeout(Duration::from_millis(120), pulse.polling(&wake, std::future::pending::<()>()));
        let (_, (condition, cause)) = tokio::join!(deaf, async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            at(&pulse)
        });
        assert_eq!((condition, cause.as_str()), (Condition::Stuck, "poll has not returned for 0 s"));
    }

    #[test]
    fn a_failure_shows_since_the_first_with_the_cause_of_the_last() {
        let pulse = Pulse::default();
        pulse.retrying("first".into());
        let since = pulse.health().since;
        pulse.retrying("second".into());
        let health = pulse.health();
        assert_eq!((health.condition, health.since, health.cause.as_deref()), (Condition::Retrying, since, Some("second")));
        pulse.well();
        assert_eq!(at(&pulse).0, Condition::Ok);
    }

    #[test]
    fn records_that_the_log_does_not_take_are_noticed() {
        let pulse = Pulse::default();
        pulse.set_stuck_after(Duration::ZERO);
        pulse.under_way(10);
        pulse.under_way(5);
        let (condition, cause) = at(&pulse);
        assert_eq!(condition, Condition::Stuck);
        assert!(cause.starts_with("15 records"), "{cause}");
        pulse.under_way(-15);
        assert_eq!(at(&pulse).0, Condition::Ok);
    }

    #[test]
    fn a_sink_lags_where_more_waits_than_it_takes_and_it_does_not_become_less() {
        let condition = |looks: &[(u64, u64)]| {
            let pulse = Pulse::default();
            let start = Instant::now();
            {
                let mut signs = pulse.signs.lock();
                for (second, (waiting, done)) in (0..).zip(looks) {
                    signs.looks.push_back(Look { at: start + Duration::from_secs(second), waiting: *waiting, done: *done });
                }
            }
            let signs = pulse.signs.lock();
            signs.behind(STUCK_AFTER).is_some()
        };
        assert!(condition(&[(1000, 0), (1100, 10), (1200, 20), (1300, 30), (1400, 40)]), "it grows");
        assert!(!condition(&[(1400, 0), (1300, 110), (1200, 220), (1100, 330), (1000, 440)]), "it becomes less");
        assert!(!condition(&[(20, 0), (20, 100), (20, 200), (20, 300), (20, 400)]), "it is little");
        assert!(!condition(&[(1000, 0), (2000, 0)]), "it is too early to say");
        assert!(condition(&[(7, 5), (7, 5), (7, 5), (7, 5), (7, 5)]), "nothing is taken");
        assert!(!condition(&[(0, 5), (0, 5), (0, 5), (0, 5), (0, 5)]), "nothing waits");
    }
}
