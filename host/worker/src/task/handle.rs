//! What the herder holds of a running task, and what a task needs of the worker.

use std::sync::Arc;
use std::time::Duration;

use millrace_record::convert::ConverterFactory;
use millrace_record::{Plugin, PluginKind, RawConfig, Schemas, TaskError};
use rdkafka::ClientConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::schema_gate::SchemaGates;
use super::{Counters, Holders, OffsetStore, StateStore, TaskEvents, TaskId};

/// Makes the configurations of Kafka clients. Precedence, lowest first: `defaults` (librdkafka's names), the worker's
/// client settings (`bootstrap.servers`, security), its `producer.*` or `consumer.*` or `admin.*`, and the connector's
/// `producer.override.*` and so on. The Java client's names are understood.
pub trait KafkaClients: Send + Sync {
    fn producer(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig;
    fn consumer(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig;
    fn admin(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig;
}

/// Finds a plugin by its name, a class name of the ecosystem or its alias.
pub trait PluginLookup: Send + Sync {
    /// In the newest version that fits `version`: one, or ranges as Maven writes them. The error names `class` and lists what
    /// there is of this kind, or in which versions it is there.
    fn find(&self, class: &str, kind: PluginKind, version: Option<&str>) -> Result<Arc<dyn Plugin>, TaskError>;
}

/// What all tasks of a worker share.
#[derive(Clone)]
pub struct TaskRuntime {
    /// The worker's configuration, references resolved: defaults of converters, `offset.flush.interval.ms`, ...
    pub worker: RawConfig,
    pub schemas: Arc<Schemas>,
    pub offsets: Arc<dyn OffsetStore>,
    /// `exactly.once.source.support=enabled`: sources write in transactions, whose ids begin with this `group.id`.
    pub transactions_of: Option<String>,
    pub states: Arc<dyn StateStore>,
    pub events: Arc<dyn TaskEvents>,
    pub clients: Arc<dyn KafkaClients>,
    pub plugins: Arc<dyn PluginLookup>,
    pub converters: ConverterFactory,
    /// None: schemas pass without being asked about.
    pub gates: Option<Arc<dyn SchemaGates>>,
    /// Which sink tasks have which partitions in hand.
    pub holders: Arc<Holders>,
}

/// What the herder wants of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Running,
    Paused,
    Stopped,
}

/// A started task. Dropping the handle ends the task without grace; [`TaskHandle::stop`] is the way to end it well.
pub struct TaskHandle {
    pub(crate) id: TaskId,
    pub(crate) target: watch::Sender<Target>,
    pub(crate) loops: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    pub(crate) abort: tokio::task::AbortHandle,
    pub(crate) counters: Arc<Counters>,
}

impl TaskHandle {
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The task reports PAUSED once it has come to rest. It keeps its connections and, for a sink, its group.
    pub fn pause(&self) {
        self.set(Target::Paused);
    }

    pub fn resume(&self) {
        self.set(Target::Running);
    }

    fn set(&self, target: Target) {
        self.target.send_if_modified(|t| {
            let change = *t != Target::Stopped && *t != target;
            if change {
                *t = target;
            }
            change
        });
    }

    /// Drains, flushes, commits, leaves the group and stops the plugin; past `graceful` the task is cut off, which loses
    /// nothing: what was not committed comes again. True when it ended in time. The task reports no state afterwards.
    pub async fn stop(&self, graceful: Duration) -> bool {
        self.target.send_replace(Target::Stopped);
        let mut loops = self.loops.lock().await;
        let Some(mut running) = loops.take() else { return true };
        if tokio::time::timeout(graceful, &mut running).await.is_ok() {
            return true;
        }
        tracing::warn!(task = %self.id, ?graceful, "task did not stop in time and is cut off; its last records may come again");
        running.abort();
        let _ = running.await;
        false
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
