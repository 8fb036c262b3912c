//! Statuses of connectors, tasks and topics, as the status topic holds them, and the writer that keeps up with them.
//!
//! Keys `status-connector-C`, `status-task-C-N` {state, trace, worker_id, generation, version} and
//! `status-topic-T:connector-C`. Memory is ahead of the log: reporting never waits. What is pending is one record a key,
//! the latest, so the backlog is bounded by the number of tasks and topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::log::{Entry, StateLog};
use crate::task::{TaskId, TaskState};

/// How long a failed write waits for its next try.
const RETRY: Duration = Duration::from_secs(1);

/// One line of `GET /connectors/C/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// RUNNING, PAUSED, STOPPED, FAILED, UNASSIGNED, RESTARTING.
    pub state: String,
    pub trace: Option<String>,
    pub worker_id: String,
    pub generation: i64,
    pub version: Option<String>,
}

impl Status {
    fn record(&self) -> Value {
        json!({"state": self.state, "trace": self.trace, "worker_id": self.worker_id, "generation": self.generation, "version": self.version})
    }

    fn parse(record: &Value) -> Option<Status> {
        let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Status {
            state: text("state")?,
            trace: text("trace"),
            worker_id: text("worker_id").unwrap_or_default(),
            generation: record.get("generation").and_then(Value::as_i64).unwrap_or(0),
            version: text("version"),
        })
    }
}

/// Connect's name of a task's state, and its trace.
pub fn named(state: &TaskState) -> (&'static str, Option<String>) {
    match state {
        TaskState::Unassigned => ("UNASSIGNED", None),
        TaskState::Running => ("RUNNING", None),
        TaskState::Paused => ("PAUSED", None),
        TaskState::Restarting => ("RESTARTING", None),
        TaskState::Failed { trace } => ("FAILED", Some(trace.clone())),
        TaskState::Destroyed => ("DESTROYED", None),
    }
}

#[derive(Debug, Default)]
struct Table {
    connectors: BTreeMap<String, Status>,
    tasks: HashMap<String, BTreeMap<u32, Status>>,
    /// Connector, then topic: the task that found it, and when.
    topics: HashMap<String, BTreeMap<String, (u32, u64)>>,
    pending: IndexMap<String, Option<Vec<u8>>>,
    generation_max: i64,
}

impl Table {
    fn take(&mut self, key: &str, value: Option<&[u8]>) {
        let value: Option<Value> = value.and_then(|v| serde_json::from_slice(v).ok());
        if let Some(name) = key.strip_prefix("status-connector-") {
            match value.as_ref().and_then(Status::parse) {
                Some(status) => {
                    self.generation_max = self.generation_max.max(status.generation);
                    self.connectors.insert(name.to_owned(), status);
                }
                None => {
                    self.connectors.remove(name);
                }
            }
        } else if let Some((name, task)) = key.strip_prefix("status-task-").and_then(|r| r.rsplit_once('-')) {
            let Ok(task) = task.parse::<u32>() else { return };
            match value.as_ref().and_then(Status::parse) {
                Some(status) => {
                    self.generation_max = self.generation_max.max(status.generation);
                    self.tasks.entry(name.to_owned()).or_default().insert(task, status);
                }
                None => {
                    self.tasks.get_mut(name).map(|t| t.remove(&task));
                }
            }
        } else if let Some((topic, name)) = key.strip_prefix("status-topic-").and_then(|r| r.split_once(":connector-")) {
            match value.as_ref().and_then(|v| v.get("topic")) {
                Some(found) => {
                    let number = |key: &str| found.get(key).and_then(Value::as_u64).unwrap_or(0);
                    let at = (number("task") as u32, number("discoverTimestamp"));
                    self.topics.entry(name.to_owned()).or_default().insert(topic.to_owned(), at);
                }
                None => {
                    self.topics.get_mut(name).map(|t| t.remove(topic));
                }
            }
        }
    }
}

/// The status topic.
pub struct StatusStore {
    log: Arc<StateLog>,
    topic: String,
    worker_id: String,
    generation: std::sync::atomic::AtomicI64,
    table: Mutex<Table>,
    due: Notify,
    idle: watch::Sender<bool>,
}

impl StatusStore {
    pub fn new(log: Arc<StateLog>, topic: impl Into<String>, worker_id: impl Into<String>) -> Arc<Self> {
        Arc::new(StatusStore {
            log,
            topic: topic.into(),
            worker_id: worker_id.into(),
            generation: 1.into(),
            table: Mutex::default(),
            due: Notify::new(),
            idle: watch::channel(true).0,
        })
    }

    /// Whether the log of the statuses, which is that of everything else, answers now.
    pub async fn log_answers(&self, within: std::time::Duration) -> bool {
        self.log.answers(&self.topic, within).await
    }

    pub fn worker_id(&self) -> &str {
        &self.worker_id
    }

    /// A record as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        if let Ok(key) = std::str::from_utf8(key) {
            self.table.lock().take(key, value);
        }
    }

    /// After reading: this worker's generation follows all it has read, so that its statuses replace theirs.
    pub fn begin(&self) {
        let generation = self.table.lock().generation_max + 1;
        self.generation.store(generation, std::sync::atomic::Ordering::Relaxed);
    }

    pub fn connector(&self, name: &str) -> Option<Status> {
        self.table.lock().connectors.get(name).cloned()
    }

    pub fn tasks(&self, name: &str) -> Vec<(u32, Status)> {
        let table = self.table.lock();
        table.tasks.get(name).into_iter().flatten().map(|(id, s)| (*id, s.clone())).collect()
    }

    pub fn task(&self, id: &TaskId) -> Option<Status> {
        self.table.lock().tasks.get(&id.connector)?.get(&id.task).cloned()
    }

    pub fn topics(&self, name: &str) -> Vec<String> {
        let table = self.table.lock();
        table.topics.get(name).into_iter().flat_map(|t| t.keys().cloned()).collect()
    }

    /// Names that have a status or topics although their connector is gone.
    pub fn names(&self) -> Vec<String> {
        let table = self.table.lock();
        let mut names: Vec<_> = table.connectors.keys().chain(table.tasks.keys()).chain(table.topics.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn put_connector(&self, name: &str, state: &str, trace: Option<String>, version: Option<&str>) {
        let status = self.status(state, trace, version);
        self.put(format!("status-connector-{name}"), Some(status.record()));
    }

    pub fn put_task(&self, id: &TaskId, state: &TaskState, version: Option<&str>) {
        let (state, trace) = named(state);
        let status = self.status(state, trace, version);
        self.put(format!("status-task-{}-{}", id.connector, id.task), Some(status.record()));
    }

    pub fn remove_task(&self, id: &TaskId) {
        self.put(format!("status-task-{}-{}", id.connector, id.task), None);
    }

    pub fn put_topic(&self, id: &TaskId, topic: &str) {
        let known = self.table.lock().topics.get(&id.connector).is_some_and(|t| t.contains_key(topic));
        if !known {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
            let record = json!({"topic": {"name": topic, "connector": id.connector, "task": id.task, "discoverTimestamp": now}});
            self.put(format!("status-topic-{topic}:connector-{}", id.connector), Some(record));
        }
    }

    /// Forgets which topics the connector has used.
    pub fn reset_topics(&self, name: &str) {
        for topic in self.topics(name) {
            self.put(format!("status-topic-{topic}:connector-{name}"), None);
        }
    }

    /// Everything of a connector.
    pub fn remove(&self, name: &str) {
        self.reset_topics(name);
        let tasks = self.tasks(name);
        for (task, _) in tasks {
            self.put(format!("status-task-{name}-{task}"), None);
        }
        if self.connector(name).is_some() {
            self.put(format!("status-connector-{name}"), None);
        }
    }

    fn status(&self, state: &str, trace: Option<String>, version: Option<&str>) -> Status {
        Status {
            state: state.to_owned(),
            trace: trace.map(|t| crate::secrets::hide(&t).into_owned()),
            worker_id: self.worker_id.clone(),
            generation: self.generation.load(std::sync::atomic::Ordering::Relaxed),
            version: version.map(str::to_owned),
        }
    }

    fn put(&self, key: String, record: Option<Value>) {
        let value = record.map(|r| r.to_string().into_bytes());
        let mut table = self.table.lock();
        table.take(&key, value.as_deref());
        table.pending.insert(key, value);
        self.idle.send_replace(false);
        drop(table);
        self.due.notify_one();
    }

    /// Writes what is pending, for as long as the worker lives.
    pub async fn write_behind(self: Arc<Self>) {
        loop {
            let batch = {
                let mut table = self.table.lock();
                let batch = std::mem::take(&mut table.pending);
                if batch.is_empty() {
                    self.idle.send_replace(true);
                }
                batch
            };
            if batch.is_empty() {
                self.due.notified().await;
                continue;
            }
            let entries: Vec<Entry> =
                batch.iter().map(|(k, v)| Entry { key: k.clone().into_bytes(), value: v.clone(), partition: None }).collect();
            if let Err(error) = self.log.write(&self.topic, &entries).await {
                tracing::warn!(%error, "statuses are not written yet, they are tried again");
                {
                    let mut table = self.table.lock();
                    // Newer statuses have the later word.
                    for (key, value) in batch {
                        table.pending.entry(key).or_insert(value);
                    }
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Waits until nothing is pending.
    pub async fn flushed(&self, within: Duration) -> bool {
        let mut idle = self.idle.subscribe();
        let waited = tokio::time::timeout(within, idle.wait_for(|idle| *idle)).await;
        waited.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_connects_records() {
        let mut t = Table::default();
        let status = br#"{"state":"RUNNING","trace":null,"worker_id":"127.0.0.1:28083","generation":4,"version":"4.3.1"}"#;
        t.take("status-task-my-conn-3-0", Some(status));
        t.take("status-connector-my-conn-3", Some(br#"{"state":"FAILED","trace":"x","worker_id":"w","generation":2}"#));
        let topic = br#"{"topic":{"name":"t1","connector":"a","task":2,"discoverTimestamp":1795230265088}}"#;
        t.take("status-topic-t1:connector-my-conn-3", Some(topic));
        assert_eq!(t.tasks["my-conn-3"][&0].version.as_deref(), Some("4.3.1"));
        assert_eq!((t.connectors["my-conn-3"].trace.as_deref(), t.generation_max), (Some("x"), 4));
        assert_eq!(t.topics["my-conn-3"]["t1"], (2, 1795230265088));
        t.take("status-task-my-conn-3-0", None);
        t.take("status-connector-my-conn-3", None);
        assert!(t.connectors.is_empty() && t.tasks["my-conn-3"].is_empty());
    }
}
