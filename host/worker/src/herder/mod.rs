//! The herder: what is wanted (configurations and target states, in the log) against what runs (tasks).
//!
//! A change is written to the log first, then [`Herder::reconcile`] brings the connector's tasks to it. Reconciling one
//! connector is done by one at a time and may be asked for as often as one likes; connectors do not wait for each other.

mod apply;
mod dead_letters;
pub mod dry_run;
mod grants;
mod offsets;
mod plugins;
mod redrive;
mod restart;
mod validate;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use millrace_record::{Plugin, PluginKind, RawConfig};
use parking_lot::Mutex;

use crate::config::WorkerConfig;
use crate::dlq::DeadLetterQueues;
use crate::dlq::redrive::Redrives;
use crate::metrics::Metrics;
use crate::plugins::{Plugins, Requirement};
use crate::providers::{ResolveError, Resolved};
use crate::registry::monitor::SchemaMonitor;
use crate::storage::StorageError;
use crate::storage::configs::{ConfigStore, ConnectorState, TargetState};
use crate::storage::offsets::OffsetTopics;
use crate::storage::plugin_state::StateTopic;
use crate::storage::status::{Status, StatusStore};
use crate::storage::watch::LogWatch;
use crate::task::{Condition, Health, TaskEvents, TaskId, TaskRuntime, TaskState};

pub use apply::Connector;
pub use offsets::Altered;
pub use plugins::Moved;
pub use redrive::SinkAway;
pub use restart::Restart;
pub use validate::{ConfigInfo, ConfigInfos, Definition};

/// How many connectors may be made, changed and deleted at a time: their records go to the log together.
const CHANGES_AT_ONCE: usize = 64;

/// Why a request is not done. The texts are Connect's where Connect has one.
#[derive(Debug, thiserror::Error)]
pub enum HerderError {
    #[error("{0}")]
    NotFound(String),
    #[error("Connector {0} already exists")]
    AlreadyExists(String),
    #[error("{0}")]
    BadRequest(String),
    /// It would undo what is done.
    #[error("{0}")]
    Conflict(String),
    /// A config provider fails.
    #[error(transparent)]
    Provider(#[from] ResolveError),
    /// The connector's plugin, or Kafka, refused.
    #[error("{0}")]
    Failed(String),
    #[error("the worker is stopping")]
    Stopping,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What `GET /connectors/C` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorInfo {
    pub name: String,
    pub config: RawConfig,
    pub tasks: usize,
    pub kind: Option<PluginKind>,
}

/// Which version of its plugin a connector wants.
const VERSION: &str = "connector.plugin.version";

/// Whether a configuration is of a sink.
fn consumes(config: &RawConfig) -> bool {
    ["topics", "topics.regex"].iter().any(|k| config.get(*k).is_some_and(|v| !v.trim().is_empty()))
}

/// Desired state and running tasks of this worker.
pub struct Herder {
    pub worker: Arc<WorkerConfig>,
    pub cluster_id: String,
    pub plugins: Arc<Plugins>,
    pub configs: Arc<ConfigStore>,
    pub statuses: Arc<StatusStore>,
    pub offsets: Arc<OffsetTopics>,
    pub states: Arc<StateTopic>,
    runtime: Arc<TaskRuntime>,
    versions: Arc<Versions>,
    pub metrics: Arc<Metrics>,
    /// None: `schema.monitor.enabled=false`.
    pub monitor: Option<Arc<SchemaMonitor>>,
    /// Whether the log is well.
    pub log_watch: Arc<LogWatch>,
    pub dead_letters: Arc<DeadLetterQueues>,
    pub redrives: Arc<Redrives>,
    running: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Connector>>>>,
    /// One change of a connector's existence at a time: of two that make the same name one finds it there. A name always has
    /// the same of these locks; names that share one wait for each other without need, and seldom.
    changes: [tokio::sync::Mutex<()>; CHANGES_AT_ONCE],
    /// One patch at a time: none is made to a configuration that another is about to replace.
    patches: tokio::sync::Mutex<()>,
    stopping: std::sync::atomic::AtomicBool,
}

impl Herder {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        worker: Arc<WorkerConfig>,
        cluster_id: String,
        plugins: Arc<Plugins>,
        configs: Arc<ConfigStore>,
        statuses: Arc<StatusStore>,
        offsets: Arc<OffsetTopics>,
        states: Arc<StateTopic>,
        runtime: Arc<TaskRuntime>,
        versions: Arc<Versions>,
        metrics: Arc<Metrics>,
        monitor: Option<Arc<SchemaMonitor>>,
        log_watch: Arc<LogWatch>,
        dead_letters: Arc<DeadLetterQueues>,
        redrives: Arc<Redrives>,
    ) -> Arc<Self> {
        Arc::new(Herder {
            worker,
            cluster_id,
            plugins,
            configs,
            statuses,
            offsets,
            states,
            runtime,
            versions,
            metrics,
            monitor,
            log_watch,
            dead_letters,
            redrives,
            running: Mutex::default(),
            changes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            patches: tokio::sync::Mutex::default(),
            stopping: false.into(),
        })
    }

    /// Starts what the log says should run, and forgets statuses of what is no more.
    pub async fn begin(self: &Arc<Self>) {
        for name in self.statuses.names() {
            if !self.configs.contains(&name) {
                self.statuses.remove(&name);
            }
        }
        for name in self.states.names().into_iter().filter(|name| !self.configs.contains(name)) {
            self.forget_state(&name).await;
        }
        for name in self.configs.names() {
            self.reconcile_soon(&name);
        }
        self.redrives.begin(self).await;
    }

    pub fn info(&self, name: &str) -> Option<ConnectorInfo> {
        let state = self.configs.get(name)?;
        let kind = self.plugin(&state.config).ok().map(|p| p.info().kind);
        Some(ConnectorInfo { name: name.to_owned(), tasks: state.tasks.len(), config: state.config, kind })
    }

    pub fn state(&self, name: &str) -> Result<ConnectorState, HerderError> {
        self.configs.get(name).ok_or_else(|| HerderError::NotFound(format!("Connector {name} not found")))
    }

    /// How a task is doing that this worker runs. None: its state says it all.
    pub fn health(&self, id: &TaskId, status: &Status) -> Option<Health> {
        let health = self.metrics.counters(id)?.pulse.health();
        match status.state.as_str() {
            // Nothing gets on without the log, whatever else is said.
            "RUNNING" => Some(match self.log_watch.trouble() {
                Some(t) => Health { condition: Condition::Stuck, since: t.since, cause: Some(t.cause) },
                None => health,
            }),
            "FAILED" if health.condition == Condition::Retrying => Some(health),
            _ => None,
        }
    }

    /// A connector's configuration with its references resolved. Files are read beside the runtime's threads.
    pub async fn resolve(&self, config: &RawConfig) -> Result<Resolved, ResolveError> {
        if !config.values().any(|value| value.contains("${")) {
            return Ok(Resolved::of(config));
        }
        let (providers, config) = (self.worker.providers.clone(), config.clone());
        let resolved = tokio::task::spawn_blocking(move || providers.resolve(&config)).await;
        resolved.expect("resolving does not panic")
    }

    /// The plugin that a connector's configuration names, with its references or without them.
    pub fn plugin(&self, config: &RawConfig) -> Result<Arc<dyn Plugin>, String> {
        let class = config.get("connector.class").map(|c| c.trim()).unwrap_or_default();
        let version = config.get(VERSION).map(String::as_str);
        if class.contains("${") || version.is_some_and(|v| v.contains("${")) {
            let mut only = RawConfig::from([("connector.class".to_owned(), class.to_owned())]);
            only.extend(config.get(VERSION).map(|v| (VERSION.to_owned(), v.clone())));
            let resolved = self.worker.providers.resolve(&only).map_err(|e| e.to_string())?;
            let class = resolved.config.get("connector.class").map(|c| c.trim()).unwrap_or_default();
            let version = resolved.config.get(VERSION).map(String::as_str);
            return self.named(class, version, config).map_err(|text| resolved.concealed(&text));
        }
        self.named(class, version, config)
    }

    fn named(&self, class: &str, version: Option<&str>, config: &RawConfig) -> Result<Arc<dyn Plugin>, String> {
        let required = Requirement::parse(version.unwrap_or("latest")).map_err(|e| e.to_string())?;
        self.plugins.connector(class, consumes(config), required.as_ref())
    }

    /// Makes a connector; its configuration is valid or nothing is done.
    pub async fn create(
        self: &Arc<Self>,
        name: &str,
        config: RawConfig,
        initial: Option<TargetState>,
    ) -> Result<ConnectorInfo, HerderError> {
        self.check(&config).await?;
        {
            let _one = self.changing(name).await;
            self.accepting()?;
            if self.configs.contains(name) {
                return Err(HerderError::AlreadyExists(name.to_owned()));
            }
            self.configs.put_new(name, initial.unwrap_or_default(), &config).await?;
        }
        self.reconcile_soon(name);
        tracing::info!(connector = name, "connector created");
        let kind = self.plugin(&config).ok().map(|p| p.info().kind);
        Ok(ConnectorInfo { name: name.to_owned(), config, tasks: 0, kind })
    }

    /// Creates or updates; true: created.
    pub async fn put(self: &Arc<Self>, name: &str, config: RawConfig) -> Result<(bool, ConnectorInfo), HerderError> {
        self.check(&config).await?;
        let created = {
            let _one = self.changing(name).await;
            self.accepting()?;
            let created = !self.configs.contains(name);
            self.configs.put_connector(name, &config).await?;
            created
        };
        self.reconcile_soon(name);
        tracing::info!(connector = name, created, "connector configuration changed");
        let info = self.info(name).ok_or_else(|| HerderError::NotFound(format!("Connector {name} not found")))?;
        Ok((created, info))
    }

    /// Changes some settings; null takes one away.
    pub async fn patch(self: &Arc<Self>, name: &str, patch: Vec<(String, Option<String>)>) -> Result<ConnectorInfo, HerderError> {
        let _one = self.patches.lock().await;
        let mut config = self.state(name)?.config;
        for (key, value) in patch {
            match value {
                // Under another name the connector could not be reached.
                Some(value) if key == "name" && value != name => {
                    return Err(HerderError::BadRequest(format!(
                        "Connector name configuration ({value}) doesn't match connector name in the URL ({name})"
                    )));
                }
                Some(value) => drop(config.insert(key, value)),
                None => drop(config.remove(&key)),
            }
        }
        Ok(self.put(name, config).await?.1)
    }

    /// Stops the connector's tasks and forgets it and what its plugins kept; its offsets stay, as in Connect.
    pub async fn delete(self: &Arc<Self>, name: &str) -> Result<(), HerderError> {
        {
            let _one = self.changing(name).await;
            self.accepting()?;
            self.state(name)?;
            self.configs.remove(name).await?;
            self.forget_state(name).await;
        }
        self.reconcile_soon(name);
        tracing::info!(connector = name, "connector deleted");
        Ok(())
    }

    pub async fn target(self: &Arc<Self>, name: &str, target: TargetState) -> Result<(), HerderError> {
        {
            let _one = self.changing(name).await;
            self.accepting()?;
            let state = self.configs.get(name).ok_or_else(|| HerderError::NotFound(format!("Unknown connector {name}")))?;
            if state.target == target {
                return Ok(());
            }
            self.configs.put_target(name, target).await?;
        }
        self.reconcile_soon(name);
        tracing::info!(connector = name, ?target, "target state changed");
        Ok(())
    }

    /// Deletes what the plugins of a connector kept.
    async fn forget_state(&self, name: &str) {
        if let Err(error) = self.states.forget(name).await {
            tracing::warn!(connector = name, %error, "cannot delete the state of a deleted connector's plugins yet; it is deleted once the log takes it");
        }
    }

    /// Held while a connector is made, changed or deleted.
    async fn changing(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = std::hash::DefaultHasher::new();
        name.hash(&mut hasher);
        self.changes[hasher.finish() as usize % CHANGES_AT_ONCE].lock().await
    }

    fn versions(&self) -> &Versions {
        &self.versions
    }

    fn accepting(&self) -> Result<(), HerderError> {
        if self.stopping.load(std::sync::atomic::Ordering::SeqCst) { Err(HerderError::Stopping) } else { Ok(()) }
    }

    /// Refuses a configuration with errors, all of them in one message.
    async fn check(&self, config: &RawConfig) -> Result<(), HerderError> {
        let infos = self.validate(config).await?;
        let errors: Vec<_> = infos.configs.iter().flat_map(|c| c.errors.iter().map(String::as_str)).collect();
        if errors.is_empty() {
            for setting in &infos.unknown {
                tracing::warn!(connector = config.get("name"), setting, "unknown setting has no effect");
            }
            return Ok(());
        }
        Err(HerderError::BadRequest(format!(
            "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
            errors.len(),
            errors.join("\n")
        )))
    }

    /// Stops all tasks: they drain, flush, commit and leave their groups, each within `graceful`.
    pub async fn stop(self: &Arc<Self>, graceful: Duration) {
        self.stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        self.redrives.stop(graceful).await;
        let running: Vec<_> = self.running.lock().iter().map(|(n, c)| (n.clone(), c.clone())).collect();
        let stops = running.into_iter().map(|(name, connector)| async move {
            let mut connector = connector.lock().await;
            let tasks = connector.stop_tasks(graceful).await;
            for task in tasks {
                self.statuses.put_task(&TaskId { connector: name.clone(), task }, &TaskState::Unassigned, None);
            }
            if connector.ran() {
                self.statuses.put_connector(&name, "UNASSIGNED", None, None);
            }
        });
        futures::future::join_all(stops).await;
    }
}

/// Takes what tasks report to the status topic.
pub struct Events {
    pub statuses: Arc<StatusStore>,
    /// `topic.tracking.enable`
    pub topic_tracking: bool,
    /// The version of a connector's plugin, as its status shows it.
    pub versions: Arc<Versions>,
    pub metrics: Arc<Metrics>,
    pub monitor: Option<Arc<SchemaMonitor>>,
}

/// Plugin versions by connector.
#[derive(Debug, Default)]
pub struct Versions(Mutex<HashMap<String, String>>);

impl Versions {
    pub fn set(&self, connector: &str, version: &str) {
        self.0.lock().insert(connector.to_owned(), version.to_owned());
    }
    pub fn get(&self, connector: &str) -> Option<String> {
        self.0.lock().get(connector).cloned()
    }
}

impl TaskEvents for Events {
    fn state(&self, id: &TaskId, state: TaskState) {
        self.metrics.task_state(id, &state);
        self.statuses.put_task(id, &state, self.versions.get(&id.connector).as_deref());
    }
    fn active_topic(&self, id: &TaskId, topic: &str) {
        if self.topic_tracking {
            self.statuses.put_topic(id, topic);
        }
        // The topic's subjects are to have a baseline soon.
        if let Some(monitor) = &self.monitor {
            monitor.poke();
        }
    }
}
