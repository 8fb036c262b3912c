//! The seam between the worker and whatever runs a plugin: the worker knows these traits and never a component.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::{ConfigDef, ConfigIssue};
use crate::{Batch, KeyedState, RecordFailure, Schemas, TaskError};

/// A connector's or task's configuration, as written: keys and values are text.
pub type RawConfig = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PluginKind {
    Transform,
    Source,
    Sink,
}

/// Something outside that a plugin reaches, and the configuration keys that say where it is (`wit/types.wit`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub name: String,
    pub capability: String,
    /// (part, configuration key).
    pub parts: Vec<(String, String)>,
}

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    pub kind: PluginKind,
    /// Short name: `file-stream`.
    pub name: String,
    pub version: String,
    pub documentation: String,
    /// Class names of the ecosystem, fully qualified.
    pub class_names: Vec<String>,
    pub config: ConfigDef,
    pub bindings: Vec<Binding>,
    /// Open set: `exactly-once`, `single-task`, `names-failures`.
    pub capabilities: Vec<String>,
}

/// Lets the worker end a task's wait early (a source's `replication.next`, `clock.sleep`), because a call is due. It is
/// level-triggered: until [`Wake::clear`], every wait returns at once.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<WakeState>);

#[derive(Debug, Default)]
struct WakeState {
    raised: std::sync::atomic::AtomicBool,
    wakers: parking_lot::Mutex<Vec<std::task::Waker>>,
}

impl Wake {
    pub fn raise(&self) {
        self.0.raised.store(true, std::sync::atomic::Ordering::SeqCst);
        for w in self.0.wakers.lock().drain(..) {
            w.wake();
        }
    }
    pub fn clear(&self) {
        self.0.raised.store(false, std::sync::atomic::Ordering::SeqCst);
    }
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(std::sync::atomic::Ordering::SeqCst)
    }
    /// Completes when it is raised; at once when it already is.
    pub async fn raised(&self) {
        std::future::poll_fn(|cx| {
            let mut wakers = self.0.wakers.lock();
            if self.is_raised() {
                return std::task::Poll::Ready(());
            }
            // A task waits in one place at a time, so the list holds its waker once.
            wakers.retain(|w| !w.will_wake(cx.waker()));
            wakers.push(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await
    }
}

/// Who a task is.
#[derive(Debug, Clone)]
pub struct TaskContext {
    pub connector: String,
    pub task: u32,
    /// The task's configuration with references resolved and secrets in clear: the sandbox hides what it must.
    pub config: RawConfig,
    /// For a transform: its alias in `transforms`; its keys are `config` without the prefix.
    pub alias: Option<String>,
    pub schemas: Arc<Schemas>,
    pub wake: Wake,
    /// Capabilities granted by the connector's configuration (`plugin.grants`, `transforms.<alias>.grants`).
    pub grants: Vec<String>,
    pub services: Services,
}

/// What a worker does for a task besides. By default nothing is kept of it, and nothing outside is held back.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// What the plugin keeps from one run to the next.
    pub state: KeyedState,
    /// The task is only tried: what writes to the outside is refused.
    pub dry_run: bool,
    /// The log, for what the plugin sends there by itself; none: it cannot.
    pub log: Option<Arc<dyn LogWriter>>,
}

/// A message that a plugin sends to the log by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRecord {
    pub topic: String,
    /// None: by the key's hash.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    /// None: a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since the epoch; none: now.
    pub timestamp: Option<i64>,
}

/// Where a task's plugins send messages to.
#[async_trait]
pub trait LogWriter: std::fmt::Debug + Send + Sync {
    /// Queues them, in order.
    async fn send(&self, records: Vec<LogRecord>) -> Result<(), TaskError>;
    /// Returns once all that was sent is acknowledged. Once something was refused it says so for good.
    async fn flush(&self) -> Result<(), TaskError>;
}

/// What a plugin imports that must be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// `http`
    pub capability: String,
    /// The interface with its version.
    pub import: String,
    /// Granted to every connector, beside the component's file.
    pub beside: bool,
    /// The worker lets connectors grant it.
    pub allowed: bool,
}

/// Connect's source partition and offset.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceOffset {
    pub partition: serde_json::Value,
    /// Null: forget it.
    pub offset: serde_json::Value,
}
/// An offset that is durable.
pub type Committed = SourceOffset;

/// A place in a poll to resume from.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Records [0..through) of the poll are covered.
    pub through: u32,
    pub offset: SourceOffset,
    /// A transaction of the source ends here.
    pub boundary: bool,
}

#[derive(Debug, Clone)]
pub struct Polled {
    pub records: Batch,
    /// In order of `through`.
    pub marks: Vec<Mark>,
    /// The plugin has nothing more for now; wait this long before the next poll.
    pub idle: Option<std::time::Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

/// `offset` is the next to read, as Kafka commits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A record put earlier and found bad only at the flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateFailure {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub retriable: bool,
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Default)]
pub struct Flushed {
    pub offsets: Vec<TopicOffset>,
    pub failures: Vec<LateFailure>,
}

/// What a transform made of a batch.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub records: Batch,
    /// `origin[i]` is the input row that output record `i` descends from. None: the rows are the input's, one to one.
    pub origin: Option<Vec<u32>>,
    /// Input rows that failed; they are not in `records`.
    pub failures: Vec<RecordFailure>,
}

/// Calls are made one at a time, from one task. Dropping it drops the instance.
#[async_trait]
pub trait SourceTask: Send {
    async fn start(&mut self, committed: &[SourceOffset]) -> Result<(), TaskError>;
    /// At most `max_records`, about `max_bytes`; empty when idle.
    async fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, TaskError>;
    /// These offsets are durable and their records acknowledged by the log.
    async fn commit(&mut self, offsets: &[SourceOffset]) -> Result<(), TaskError>;
    async fn stop(&mut self);
}

#[async_trait]
pub trait SinkTask: Send {
    async fn start(&mut self) -> Result<(), TaskError>;
    /// Assigned; offsets to start at where the sink keeps its own.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>, TaskError>;
    /// Takes the records, may buffer. An error: none was taken, and all or some of them are put again.
    async fn put(&mut self, records: &Batch) -> Result<Vec<RecordFailure>, TaskError>;
    /// Makes durable what was put; answers what may be committed, never more than `upto`.
    async fn flush(&mut self, upto: &[TopicOffset]) -> Result<Flushed, TaskError>;
    /// Revoked: what is buffered for these partitions is thrown away.
    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError>;
    async fn stop(&mut self);
}

#[async_trait]
pub trait Transform: Send {
    async fn configure(&mut self) -> Result<(), TaskError>;
    /// Either the whole batch is answered for, or an error and nothing happened.
    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError>;
    /// Partitions of a sink's task were given up: another task may change what is kept of them from here on.
    fn reassigned(&mut self) {}
    async fn close(&mut self);
}

/// One plugin, ready to make tasks. Every call runs on an instance of its own.
#[async_trait]
pub trait Plugin: Send + Sync {
    fn info(&self) -> &PluginInfo;
    /// Refuses, by the name of the import and the setting that would grant it, when the component imports what neither
    /// its installation nor `grants` allow.
    fn check_grants(&self, grants: &[String]) -> Result<(), TaskError>;
    /// What it imports that must be granted.
    fn needs(&self) -> Vec<Needed> {
        Vec::new()
    }
    /// What the plugin itself says of a configuration, beyond its definition. Reaches no server.
    async fn validate(&self, _config: &RawConfig) -> Result<Vec<ConfigIssue>, TaskError> {
        Ok(Vec::new())
    }
    /// How to split the work (sources and sinks); by default one task has all of it.
    async fn task_configs(&self, config: &RawConfig, _max_tasks: u32) -> Result<Vec<RawConfig>, TaskError> {
        Ok(vec![config.clone()])
    }
    /// Whether the offsets of a stopped connector may become these, null: forgotten; an error when not. True: the plugin
    /// keeps no offsets elsewhere that had to be changed with them. A sink's partition is `kafka_topic` and
    /// `kafka_partition`, its offset `kafka_offset`.
    async fn alter_offsets(&self, _config: &RawConfig, _offsets: &[SourceOffset]) -> Result<bool, TaskError> {
        Ok(false)
    }
    async fn source(&self, _ctx: TaskContext) -> Result<Box<dyn SourceTask>, TaskError> {
        Err(is_not(self.info(), PluginKind::Source))
    }
    async fn sink(&self, _ctx: TaskContext) -> Result<Box<dyn SinkTask>, TaskError> {
        Err(is_not(self.info(), PluginKind::Sink))
    }
    async fn transform(&self, _ctx: TaskContext) -> Result<Box<dyn Transform>, TaskError> {
        Err(is_not(self.info(), PluginKind::Transform))
    }
}

fn is_not(info: &PluginInfo, wanted: PluginKind) -> TaskError {
    TaskError::fatal("plugin.kind", format!("\"{}\" is a {:?}, not a {wanted:?}", info.name, info.kind))
}
