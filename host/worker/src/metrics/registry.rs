//! What is counted of the worker itself, and which tasks' counters the page shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrace_record::PluginKind;
use millrace_sandbox::Figure;
use parking_lot::Mutex;

use super::{Clock, Sampled};
use crate::task::{Counters, TaskId, TaskState};

/// Starts of connectors or of tasks.
#[derive(Debug, Default, Clone)]
pub struct Startups {
    pub succeeded: u64,
    pub failed: u64,
    recent: Sampled,
}

impl Startups {
    fn record(&mut self, now_ms: u64, success: bool) {
        *(if success { &mut self.succeeded } else { &mut self.failed }) += 1;
        self.recent.record(now_ms, f64::from(u8::from(success)));
    }

    pub fn attempts(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// Of the recent starts the part that succeeded, and the part that failed.
    pub fn shares(&self, now_ms: u64) -> (f64, f64) {
        shares(&self.recent, now_ms)
    }
}

/// Of recent results, 1 or 0 each, the part that was 1 and the part that was 0. Zero and zero when there are none.
pub(crate) fn shares(results: &Sampled, now_ms: u64) -> (f64, f64) {
    let well = results.avg(now_ms);
    if well.is_nan() { (0.0, 0.0) } else { (well, 1.0 - well) }
}

/// Rebalances: a worker on its own brings one connector's tasks to what is wanted of it.
#[derive(Debug, Default, Clone)]
pub struct Rebalances {
    pub completed: u64,
    pub under_way: u64,
    pub took_ms: Sampled,
    /// When the last one was over.
    pub last: Option<Duration>,
}

/// A task that has been started.
struct Started {
    kind: PluginKind,
    counters: Weak<Counters>,
    /// Whether it is known how the start went.
    settled: bool,
}

#[derive(Default)]
struct Inner {
    connectors: Startups,
    tasks: Startups,
    rebalances: Rebalances,
    started: BTreeMap<TaskId, Started>,
}

/// Of one worker.
#[derive(Default)]
pub struct Metrics {
    clock: Clock,
    inner: Mutex<Inner>,
    /// What plugins count of their own.
    figures: Arc<millrace_sandbox::Metrics>,
}

/// What the page shows of the worker, at one moment.
pub struct WorkerView {
    pub now_ms: u64,
    pub connectors: Startups,
    pub tasks: Startups,
    pub rebalances: Rebalances,
    pub since_rebalance: Option<Duration>,
    /// When it started, in milliseconds since the epoch.
    pub started_ms: u64,
}

impl Metrics {
    /// `figures`: where the sandbox keeps those of plugins.
    pub fn new(figures: Arc<millrace_sandbox::Metrics>) -> Self {
        Metrics { figures, ..Metrics::default() }
    }

    #[cfg(test)]
    pub fn by(clock: Clock) -> Self {
        Metrics { clock, ..Metrics::default() }
    }

    /// A connector was brought up by its configuration, or could not be.
    pub fn connector_started(&self, success: bool) {
        let now = self.clock.now_ms();
        self.inner.lock().connectors.record(now, success);
    }

    /// A task is about to start; said before it can report anything.
    pub fn task_starts(&self, id: &TaskId, kind: PluginKind) {
        let mut inner = self.inner.lock();
        inner.started.remove(id);
        inner.forget_ended();
        self.figures.retain(|connector, task| inner.has(connector, task));
        inner.started.insert(id.clone(), Started { kind, counters: Weak::new(), settled: false });
    }

    /// The counters of a task that was started. They are shown for as long as somebody else holds them.
    pub fn task(&self, id: &TaskId, counters: &Arc<Counters>) {
        if let Some(started) = self.inner.lock().started.get_mut(id) {
            started.counters = Arc::downgrade(counters);
        }
    }

    /// The counters of a task that there is.
    pub fn counters(&self, id: &TaskId) -> Option<Arc<Counters>> {
        self.inner.lock().started.get(id)?.counters.upgrade()
    }

    /// A task reports its state. The first one tells how its start went.
    pub fn task_state(&self, id: &TaskId, state: &TaskState) {
        let success = match state {
            TaskState::Running | TaskState::Paused => true,
            TaskState::Failed { .. } => false,
            TaskState::Unassigned | TaskState::Restarting | TaskState::Destroyed => return,
        };
        let now = self.clock.now_ms();
        let mut inner = self.inner.lock();
        if let Some(started) = inner.started.get_mut(id)
            && !std::mem::replace(&mut started.settled, true)
        {
            inner.tasks.record(now, success);
        }
    }

    /// A rebalance begins; it is over when the answer is dropped.
    pub fn rebalancing(self: &Arc<Self>) -> Rebalancing {
        self.inner.lock().rebalances.under_way += 1;
        Rebalancing { metrics: self.clone(), begun: self.clock.now() }
    }

    pub(super) fn worker(&self) -> WorkerView {
        let inner = self.inner.lock();
        WorkerView {
            now_ms: self.clock.now_ms(),
            connectors: inner.connectors.clone(),
            tasks: inner.tasks.clone(),
            rebalances: inner.rebalances.clone(),
            started_ms: (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(self.clock.now()))
                .as_millis() as u64,
            since_rebalance: inner.rebalances.last.map(|at| self.clock.now().saturating_sub(at)),
        }
    }

    /// The tasks that there are, and their counters. Those that have ended are forgotten.
    pub(super) fn tasks(&self) -> Vec<(TaskId, PluginKind, Arc<Counters>)> {
        let mut inner = self.inner.lock();
        inner.forget_ended();
        inner.started.iter().filter_map(|(id, s)| Some((id.clone(), s.kind, s.counters.upgrade()?))).collect()
    }

    /// What plugins have counted in the tasks that there are.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut inner = self.inner.lock();
        inner.forget_ended();
        self.figures.retain(|connector, task| inner.has(connector, task));
        self.figures.snapshot()
    }
}

impl Inner {
    fn forget_ended(&mut self) {
        // One without counters is just starting.
        let starts = |s: &Started| !s.settled && s.counters.ptr_eq(&Weak::new());
        self.started.retain(|_, s| s.counters.strong_count() > 0 || starts(s));
    }

    fn has(&self, connector: &str, task: u32) -> bool {
        self.started.contains_key(&TaskId { connector: connector.to_owned(), task })
    }
}

/// Counts one rebalance.
pub struct Rebalancing {
    metrics: Arc<Metrics>,
    begun: Duration,
}

impl Drop for Rebalancing {
    fn drop(&mut self) {
        let now = self.metrics.clock.now();
        let rebalances = &mut self.metrics.inner.lock().rebalances;
        rebalances.under_way -= 1;
        rebalances.completed += 1;
        rebalances.took_ms.record(now.as_millis() as u64, (now - self.begun).as_millis() as f64);
        rebalances.last = Some(now);
    }
}
