//! One task from start to stop: runs sessions of its plugin, and decides after a failed one whether another follows.
//!
//! A session is one instance of the plugin with its Kafka clients. A failed call that may be tried again is tried on the
//! same instance first, with the status RUNNING and a logged warning; after `retry.max.attempts` failures in a row the
//! session ends and the task shows FAILED with a trace, so that an alert fires. It is still not given up: a fresh session
//! is tried after the capped back-off, as often as `task.restart.max.attempts` says, and the first success shows RUNNING
//! again. So a database that is down for a day needs nobody to press restart. A sink whose `put` or `flush` may be tried
//! again keeps its session for as long as that lasts, so that its consumer does not leave the group. A failure that is not
//! said to pass, and a plugin that broke, has the few restarts of `task.restart.fatal.max.attempts`. What the configuration
//! is at fault for, or itself decides, stays FAILED until an operator acts.
//!
//! Offsets never move because of a failure: a new session resumes from what was committed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use millrace_record::{ErrorKind, LogWriter, PluginKind, Services, TaskContext, TaskError, Wake};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Instrument;

use super::settings::TaskSettings;
use super::{Counters, Target, TaskHandle, TaskRuntime, TaskSpec, TaskState, sink, source};
use crate::errors::backoff::{Backoff, RestartPolicy};
use crate::invariants::{Invariant, reversed};
use crate::kafka::plugin_log::{PLUGIN_PRODUCER_DEFAULTS, PluginLog};
use crate::transforms::list;

/// A call that failed: on what, in which call, why.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// `source plugin "postgres"`, `transform "mask"`, `producer`.
    pub subject: String,
    /// `start`, `poll`, `put`, ...
    pub call: &'static str,
    pub error: TaskError,
    /// A setting says that the task is to stop here: another session would stop at the same place.
    decided: bool,
}

/// The setting that says how often a failed task starts afresh, and what it says; none: no limit.
type RestartLimit = (&'static str, Option<u32>);

impl Failure {
    pub fn new(subject: impl Into<String>, call: &'static str, error: TaskError) -> Self {
        Failure { subject: subject.into(), call, error, decided: false }
    }

    /// The task is to stop because of it, as a setting says.
    pub fn decided(self) -> Self {
        Failure { decided: true, ..self }
    }

    /// None: it is never tried again.
    fn restarts(&self, policy: RestartPolicy) -> Option<RestartLimit> {
        match self.error.kind {
            _ if self.decided => None,
            ErrorKind::Config => None,
            ErrorKind::Retriable | ErrorKind::Restart => Some(("task.restart.max.attempts", policy.passing)),
            ErrorKind::Fatal | ErrorKind::Trap => Some(("task.restart.fatal.max.attempts", policy.fatal)),
        }
    }

    /// On what, in which call, why; in one line.
    pub fn cause(&self) -> String {
        format!("{} failed in {}: {}", self.subject, self.call, self.error.message)
    }

    /// Whether it may pass by itself.
    pub fn may_recover(&self) -> bool {
        matches!(self.error.kind, ErrorKind::Retriable | ErrorKind::Restart)
    }

    /// For the person who reads the status.
    fn trace(&self, task: &Task, retry_in: Option<Duration>) -> String {
        let id = &task.spec.id;
        let restart = format!("POST /connectors/{}/tasks/{}/restart", id.connector, id.task);
        let limit = self.restarts(task.settings.restart);
        let remedy = match (self.error.kind, retry_in) {
            (_, Some(delay)) => {
                let left = match limit {
                    Some((key, Some(limit))) => {
                        let left = limit.saturating_sub(task.tries.lock().restarts);
                        format!(" (\"{key}\" is {limit}: {left} more after that)")
                    }
                    _ => String::new(),
                };
                let broke = match self.error.kind {
                    ErrorKind::Trap => "The plugin itself broke: report this to its author. ",
                    _ => "",
                };
                format!("{broke}The task tries again by itself in {} s{left}; {restart} tries at once.", delay.as_secs().max(1))
            }
            (ErrorKind::Config, _) => match &self.error.field {
                Some(field) => format!("Correct \"{field}\" in the connector's configuration."),
                None => "Correct the connector's configuration.".to_owned(),
            },
            (ErrorKind::Trap, _) => format!(
                "The plugin itself broke: report this to its author. No offset has moved; {restart} gives it a fresh instance."
            ),
            _ => format!("No offset has moved past the failure. Remove its cause, then {restart}."),
        };
        let given_up = match limit {
            Some((key, Some(limit @ 1..))) if retry_in.is_none() => {
                format!("The task was started again {limit} times, as \"{key}\" says, and is not any more. ")
            }
            _ => String::new(),
        };
        let mut trace = format!("task {id}: {}\n\tcode: {}", self.cause(), self.error.code);
        for (name, value) in &self.error.attributes {
            trace.push_str(&format!("\n\t{name}: {value}"));
        }
        trace + "\n" + &given_up + &remedy
    }
}

/// The log for what plugins of a session send by themselves, and the failure of what it did not take.
pub(crate) async fn flush_plugins(log: &Arc<dyn LogWriter>) -> Result<(), Failure> {
    if reversed(Invariant::SentBeforeOffset) {
        return Ok(());
    }
    log.flush().await.map_err(|e| Failure::new("plugins' messages", "acknowledge", e))
}

/// What the parts of a running task share.
pub(crate) struct Task {
    pub spec: TaskSpec,
    pub runtime: Arc<TaskRuntime>,
    pub settings: TaskSettings,
    pub counters: Arc<Counters>,
    pub target: watch::Receiver<Target>,
    reported: Mutex<Option<TaskState>>,
    tries: Mutex<Tries>,
}

/// What went wrong of late.
struct Tries {
    /// Failures since a call last went well.
    backoff: Backoff,
    /// Restarts since the task last ran for as long as the longest back-off, and when the last one was.
    restarts: u32,
    restarted: Option<Instant>,
}

impl Task {
    pub fn new(
        spec: TaskSpec,
        runtime: Arc<TaskRuntime>,
        settings: TaskSettings,
        counters: Arc<Counters>,
        target: watch::Receiver<Target>,
    ) -> Self {
        counters.pulse.set_stuck_after(settings.stuck_after);
        let tries = Mutex::new(Tries { backoff: Backoff::new(settings.retry), restarts: 0, restarted: None });
        Task { spec, runtime, settings, counters, target, reported: Mutex::default(), tries }
    }

    /// What the plugin of a session is given.
    pub fn context(&self, wake: &Wake, services: Services) -> TaskContext {
        TaskContext {
            connector: self.spec.id.connector.clone(),
            task: self.spec.id.task,
            config: self.spec.task_config.clone(),
            alias: None,
            schemas: self.runtime.schemas.clone(),
            wake: wake.clone(),
            grants: list(self.spec.connector_config.get("plugin.grants")),
            services,
        }
    }

    /// For one session.
    pub fn plugin_log(&self) -> Arc<dyn LogWriter> {
        let client = format!("connector-plugin-{}", self.spec.id);
        Arc::new(PluginLog::new(self.runtime.clients.producer(&client, &self.spec.connector_config, PLUGIN_PRODUCER_DEFAULTS)))
    }

    pub fn target(&self) -> Target {
        *self.target.borrow()
    }

    pub fn stopping(&self) -> bool {
        self.target() == Target::Stopped
    }

    /// Completes when the task is to stop.
    pub async fn stopped(&self) {
        // The sender lives in the handle, and a dropped handle ends the task anyway.
        let _ = self.target.clone().wait_for(|t| *t == Target::Stopped).await;
    }

    /// Completes when the task is to run or to stop.
    pub async fn unpaused(&self) {
        let _ = self.target.clone().wait_for(|t| *t != Target::Paused).await;
    }

    /// Sleeps, unless the task is to stop meanwhile: then false.
    pub async fn sleep(&self, delay: Duration) -> bool {
        tokio::select! {
            _ = self.stopped() => false,
            _ = tokio::time::sleep(delay) => true,
        }
    }

    /// Tells the herder, unless it knows.
    pub fn report(&self, state: TaskState) {
        let mut reported = self.reported.lock();
        if reported.as_ref() != Some(&state) && !self.stopping() {
            self.counters.in_state(&state);
            self.runtime.events.state(&self.spec.id, state.clone());
            *reported = Some(state);
        }
    }

    /// The plugin has started. After failures RUNNING waits for [`Task::healthy`].
    pub fn started(&self) {
        if self.tries.lock().backoff.failures() == 0 {
            self.report(self.resting_state());
        }
    }

    /// A call that does the task's work went well, or there has been nothing to do for a while.
    pub fn healthy(&self) {
        self.counters.pulse.well();
        let mut tries = self.tries.lock();
        // A task that breaks at the same place again and again has gone well before it, each time.
        if tries.restarted.is_some_and(|at| at.elapsed() > self.settings.retry.max) {
            (tries.restarts, tries.restarted) = (0, None);
        }
        if tries.backoff.failures() > 0 {
            tries.backoff.reset();
            drop(tries);
            tracing::info!("task has recovered");
            self.report(self.resting_state());
        }
    }

    fn resting_state(&self) -> TaskState {
        if self.target() == Target::Paused { TaskState::Paused } else { TaskState::Running }
    }

    /// After a failed call: waits for the next try on the same instance, or answers the failure when it is not worth one.
    /// None: try again. The task may be stopping by then.
    pub async fn wait_to_retry(&self, failure: Failure) -> Option<Failure> {
        if failure.error.kind != ErrorKind::Retriable
            || self.tries.lock().backoff.failures() + 1 >= self.settings.retry.attempts_max
        {
            return Some(failure);
        }
        match self.count_retry(failure) {
            Ok(delay) => {
                self.sleep(delay).await;
                None
            }
            Err(failure) => Some(failure),
        }
    }

    /// Counts a failure that may be tried again on the same instance, and answers how long to wait. After
    /// `retry.max.attempts` in a row the task shows FAILED, until [`Task::healthy`], and each further try counts as a
    /// restart; the failure comes back when there is none left.
    pub fn count_retry(&self, failure: Failure) -> Result<Duration, Failure> {
        let failed = self.tries.lock().backoff.failures() + 1 >= self.settings.retry.attempts_max;
        let Some(delay) = self.next_try(&failure, failed) else { return Err(failure) };
        tracing::warn!(subject = failure.subject, call = failure.call, code = failure.error.code, error = %failure.error, ?delay,
            "call failed, it is tried again");
        if failed {
            self.report(TaskState::Failed { trace: failure.trace(self, Some(delay)) });
        }
        Ok(delay)
    }

    /// Counts a failure, and answers how long to wait for the next try. None: there is no restart left.
    fn next_try(&self, failure: &Failure, restart: bool) -> Option<Duration> {
        let mut tries = self.tries.lock();
        if restart {
            let (_, limit) = failure.restarts(self.settings.restart)?;
            if limit.is_some_and(|limit| tries.restarts >= limit) {
                return None;
            }
            tries.restarts = tries.restarts.saturating_add(1);
            tries.restarted = Some(Instant::now());
        }
        let (restarts, delay) = (tries.restarts, tries.backoff.failed(failure.error.retry_after));
        drop(tries);
        self.counters.retries.add(1);
        self.counters.failed_now();
        self.counters.pulse.retrying(failure.cause());
        Some(if restart { delay.max(self.settings.retry.delay(restarts)) } else { delay })
    }
}

pub(super) fn start(spec: TaskSpec, runtime: Arc<TaskRuntime>) -> TaskHandle {
    let counters = Arc::new(Counters::default());
    let (sender, target) = watch::channel(if spec.paused { Target::Paused } else { Target::Running });
    let id = spec.id.clone();
    let span = tracing::info_span!("task", connector = id.connector, task = id.task, plugin = spec.plugin.info().name);
    let loops = tokio::spawn(
        {
            let counters = counters.clone();
            async move {
                match TaskSettings::new(&spec, &runtime.worker) {
                    Ok(settings) => supervise(Task::new(spec, runtime, settings, counters, target)).await,
                    Err(error) => {
                        tracing::error!(%error, "task has a wrong configuration");
                        runtime.events.state(&spec.id, TaskState::Failed { trace: format!("task {}: {error}", spec.id) });
                    }
                }
            }
        }
        .instrument(span),
    );
    TaskHandle { id, target: sender, abort: loops.abort_handle(), loops: tokio::sync::Mutex::new(Some(loops)), counters }
}

async fn supervise(task: Task) {
    let task = Arc::new(task);
    while !task.stopping() {
        let ended = session(&task).await;
        task.counters.session_ended();
        let failure = match ended {
            Ok(()) if task.stopping() => break,
            // A task that nobody has stopped goes on, whatever it was.
            Ok(()) => {
                let error = TaskError::new(ErrorKind::Restart, "task.ended", "it ended though nobody has stopped it");
                Failure::new("task", "run", error)
            }
            Err(failure) if task.stopping() => {
                tracing::warn!(error = %failure.error, call = failure.call, "task stopped with an error");
                break;
            }
            Err(failure) => failure,
        };
        let Some(delay) = task.next_try(&failure, true) else {
            tracing::error!(subject = failure.subject, call = failure.call, code = failure.error.code, error = %failure.error, "task failed");
            task.report(TaskState::Failed { trace: failure.trace(&task, None) });
            // FAILED says it all: nothing is tried again.
            task.counters.pulse.well();
            break;
        };
        tracing::error!(subject = failure.subject, call = failure.call, code = failure.error.code, error = %failure.error, ?delay,
            "task failed, a fresh instance is tried");
        task.report(TaskState::Failed { trace: failure.trace(&task, Some(delay)) });
        task.sleep(delay).await;
    }
}

/// One session. A panic in it is the plugin's or ours; either way it fails this task alone.
async fn session(task: &Arc<Task>) -> Result<(), Failure> {
    let run = async {
        match task.spec.plugin.info().kind {
            PluginKind::Source => source::run(task).await,
            PluginKind::Sink => sink::run(task).await,
            PluginKind::Transform => Err(Failure::new(
                format!("plugin \"{}\"", task.spec.plugin.info().name),
                "start",
                TaskError::config("connector.class", "a transform cannot be a connector; name a source or a sink"),
            )),
        }
    };
    AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        let message = format!("panicked: {}", what.as_deref().unwrap_or("no message"));
        let subject = format!("plugin \"{}\"", task.spec.plugin.info().name);
        Err(Failure::new(subject, "session", TaskError::new(ErrorKind::Trap, "panic", message)))
    })
}
