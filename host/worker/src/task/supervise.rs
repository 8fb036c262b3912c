//! One task from start to stop: runs sessions of its plugin, and decides after a failed one whether another follows.
//!
//! A session is one instance of the plugin with its Kafka clients. A failed call that may be tried again is tried on the
//! same instance first, with the status RUNNING and a logged warning; after `retry.max.attempts` failures in a row the
//! session ends and the task shows FAILED with a trace, so that an alert fires. It is still not given up: a fresh session
//! is tried after the capped back-off, for ever, and the first success shows RUNNING again. So a database that is down
//! for a day needs nobody to press restart. A sink whose `put` or `flush` may be tried again keeps its session for as long
//! as that lasts, so that its consumer does not leave the group. Any other failure stays FAILED until an operator acts.
//!
//! Offsets never move because of a failure: a new session resumes from what was committed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use millrace_record::{ErrorKind, LogWriter, PluginKind, TaskError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Instrument;

use super::settings::TaskSettings;
use super::{Counters, Target, TaskHandle, TaskRuntime, TaskSpec, TaskState, sink, source};
use crate::errors::backoff::Backoff;
use crate::kafka::plugin_log::{PLUGIN_PRODUCER_DEFAULTS, PluginLog};

/// A call that failed: on what, in which call, why.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// `source plugin "postgres"`, `transform "mask"`, `producer`.
    pub subject: String,
    /// `start`, `poll`, `put`, ...
    pub call: &'static str,
    pub error: TaskError,
}

impl Failure {
    pub fn new(subject: impl Into<String>, call: &'static str, error: TaskError) -> Self {
        Failure { subject: subject.into(), call, error }
    }

    fn may_recover(&self) -> bool {
        matches!(self.error.kind, ErrorKind::Retriable | ErrorKind::Restart)
    }

    /// For the person who reads the status.
    fn trace(&self, task: &Task, retry_in: Option<Duration>) -> String {
        let id = &task.spec.id;
        let restart = format!("POST /connectors/{}/tasks/{}/restart", id.connector, id.task);
        let remedy = match (self.error.kind, retry_in) {
            (_, Some(delay)) => {
                format!("The task tries again by itself in {} s; {restart} tries at once.", delay.as_secs().max(1))
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
        let mut trace =
            format!("task {id}: {} failed in {}: {}\n\tcode: {}", self.subject, self.call, self.error.message, self.error.code);
        for (name, value) in &self.error.attributes {
            trace.push_str(&format!("\n\t{name}: {value}"));
        }
        trace + "\n" + &remedy
    }
}

/// The log for what plugins of a session send by themselves, and the failure of what it did not take.
pub(crate) async fn flush_plugins(log: &Arc<dyn LogWriter>) -> Result<(), Failure> {
    // Invariant sent-before-offset.
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
    backoff: Mutex<Backoff>,
}

impl Task {
    pub fn new(
        spec: TaskSpec,
        runtime: Arc<TaskRuntime>,
        settings: TaskSettings,
        counters: Arc<Counters>,
        target: watch::Receiver<Target>,
    ) -> Self {
        let backoff = Mutex::new(Backoff::new(settings.retry));
        Task { spec, runtime, settings, counters, target, reported: Mutex::default(), backoff }
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
        if self.backoff.lock().failures() == 0 {
            self.report(self.resting_state());
        }
    }

    /// A call that does the task's work went well.
    pub fn healthy(&self) {
        let mut backoff = self.backoff.lock();
        if backoff.failures() > 0 {
            backoff.reset();
            drop(backoff);
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
        if failure.error.kind != ErrorKind::Retriable || self.backoff.lock().failures() + 1 >= self.settings.retry.attempts_max {
            return Some(failure);
        }
        let delay = self.count_retry(&failure);
        self.sleep(delay).await;
        None
    }

    /// Counts a failure that may be tried again and answers how long to wait. After `retry.max.attempts` in a row the task
    /// shows FAILED, until [`Task::healthy`].
    pub fn count_retry(&self, failure: &Failure) -> Duration {
        let (delay, failures) = {
            let mut backoff = self.backoff.lock();
            (backoff.failed(failure.error.retry_after), backoff.failures())
        };
        self.counters.retries.add(1);
        self.counters.failed_now();
        tracing::warn!(subject = failure.subject, call = failure.call, code = failure.error.code, error = %failure.error, ?delay,
            "call failed, it is tried again");
        if failures >= self.settings.retry.attempts_max {
            self.report(TaskState::Failed { trace: failure.trace(self, Some(delay)) });
        }
        delay
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
        let Err(failure) = session(&task).await else { break };
        if task.stopping() {
            tracing::warn!(error = %failure.error, call = failure.call, "task stopped with an error");
            break;
        }
        if !failure.may_recover() {
            tracing::error!(subject = failure.subject, call = failure.call, code = failure.error.code, error = %failure.error, "task failed");
            task.report(TaskState::Failed { trace: failure.trace(&task, None) });
            break;
        }
        let delay = task.backoff.lock().failed(failure.error.retry_after);
        task.counters.retries.add(1);
        task.counters.failed_now();
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
