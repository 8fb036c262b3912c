//! Tasks: what the herder starts and stops, and how a task tells what became of it.
//!
//! The herder owns desired state; a task owns one running loop. They meet only here: [`start`] takes a [`TaskSpec`] and
//! answers a [`TaskHandle`]; the task reports through [`TaskEvents`] and keeps source offsets in an [`OffsetStore`].

mod converters;
mod counters;
mod handle;
mod health;
pub mod schema_gate;
mod settings;
mod sink;
mod source;
mod state;
mod supervise;

pub(crate) use converters::{Converters, Undecoded};
pub use counters::{Committed, Counter, Counters, Level, TaskMeasures};
pub(crate) use handle::Target;
pub use handle::{KafkaClients, PluginLookup, TaskHandle, TaskRuntime};
pub use health::{Condition, Health, Pulse};
pub(crate) use settings::Reader;
pub use sink::Holders;
pub(crate) use sink::{Durable, Errant, Patcher, Redriver, keeps_offsets, parse_patch};
pub(crate) use state::Keeper;
pub use state::{NoStates, Opened, StateStore, Unsaved, Whose};
pub(crate) use supervise::Failure;

use std::sync::Arc;

use async_trait::async_trait;
use millrace_record::{Plugin, RawConfig, SourceOffset};

use crate::storage::Entry;

/// Prints as `orders-sink-0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    pub connector: String,
    pub task: u32,
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// Connect's task states, as the status topic and the REST API show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    Unassigned,
    Running,
    Paused,
    Restarting,
    /// `trace` is for a person: what failed on what, the chain of causes, what to do.
    Failed {
        trace: String,
    },
    Destroyed,
}

/// What a task is to do. Configurations have their references resolved.
#[derive(Clone)]
pub struct TaskSpec {
    pub id: TaskId,
    pub plugin: Arc<dyn Plugin>,
    /// The connector's configuration: converters, transforms, errors.*, topics, overrides.
    pub connector_config: RawConfig,
    /// What the plugin's `task-configs` made for this task.
    pub task_config: RawConfig,
    /// Start in PAUSED.
    pub paused: bool,
}

/// Where source offsets are durable: Connect's offsets topic, in Connect's format.
#[async_trait]
pub trait OffsetStore: Send + Sync {
    /// The last offset of every partition of a connector. With exactly-once sources it is read from the log itself, once every
    /// transaction has ended that wrote offsets before: what a transaction of unknown outcome has left is then known.
    async fn read(&self, connector: &str) -> anyhow::Result<Vec<SourceOffset>>;
    /// Returns once the log has acknowledged all of them. A null offset is a tombstone.
    async fn write(&self, connector: &str, offsets: &[SourceOffset]) -> anyhow::Result<()>;
    /// What is to be written of offsets, for who writes it in a transaction of his own.
    async fn prepare(&self, connector: &str, offsets: &[SourceOffset]) -> anyhow::Result<Prepared>;
    /// What was prepared of these offsets has been committed.
    fn committed(&self, connector: &str, offsets: &[SourceOffset]);
}

/// Records of an internal topic that are to be written in a transaction.
#[derive(Debug, Default)]
pub struct Prepared {
    pub topic: String,
    pub entries: Vec<Entry>,
}

/// What a task tells the herder. Calls never block.
pub trait TaskEvents: Send + Sync {
    fn state(&self, id: &TaskId, state: TaskState);
    /// A record of `topic` was produced or consumed by the connector: said once per task and topic.
    fn active_topic(&self, id: &TaskId, topic: &str);
}

/// Starts a task; it reports RUNNING (or PAUSED) once its plugin has started. Must be called within a tokio runtime.
pub fn start(spec: TaskSpec, runtime: Arc<TaskRuntime>) -> TaskHandle {
    supervise::start(spec, runtime)
}

#[cfg(test)]
mod tests;
