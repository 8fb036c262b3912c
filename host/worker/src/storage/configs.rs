//! Desired state: connector and task configurations and target states, as the config topic holds them.
//!
//! Keys `connector-X` {properties}, `task-X-N` {properties}, `commit-X` {tasks}, `target-state-X` {state, state.v2}.
//! Task configurations take effect with their commit record only.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_record::RawConfig;
use parking_lot::RwLock;
use serde_json::{Map, Value, json};

use super::log::{Entry, StateLog, StorageError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    #[default]
    Started,
    Paused,
    Stopped,
}

impl TargetState {
    fn record(self) -> Value {
        // `state` is what workers older than STOPPED understand.
        match self {
            TargetState::Started => json!({"state": "STARTED", "state.v2": "STARTED"}),
            TargetState::Paused => json!({"state": "PAUSED", "state.v2": "PAUSED"}),
            TargetState::Stopped => json!({"state": "PAUSED", "state.v2": "STOPPED"}),
        }
    }

    fn parse(record: &Value) -> Option<Self> {
        let named = |key: &str| match record.get(key)?.as_str()? {
            "STARTED" => Some(TargetState::Started),
            "PAUSED" => Some(TargetState::Paused),
            "STOPPED" => Some(TargetState::Stopped),
            _ => None,
        };
        named("state.v2").or_else(|| named("state"))
    }
}

/// What is wanted of one connector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectorState {
    pub config: RawConfig,
    pub target: TargetState,
    /// Committed task configurations.
    pub tasks: Vec<RawConfig>,
}

#[derive(Debug, Default)]
struct Table {
    connectors: BTreeMap<String, ConnectorState>,
    /// While reading: target states and task configurations may precede their connector after compaction.
    targets: BTreeMap<String, TargetState>,
    pending: BTreeMap<String, BTreeMap<u32, RawConfig>>,
    committed: BTreeMap<String, Vec<RawConfig>>,
    /// Levels of loggers set for the whole cluster.
    loggers: BTreeMap<String, String>,
}

impl Table {
    fn take(&mut self, key: &str, value: Option<&[u8]>) {
        let value: Option<Value> = value.and_then(|v| serde_json::from_slice(v).ok());
        if let Some(name) = key.strip_prefix("connector-") {
            match value.as_ref().and_then(properties) {
                Some(config) => {
                    let target = self.targets.get(name).copied().unwrap_or_default();
                    let tasks = self.committed.get(name).cloned().unwrap_or_default();
                    let state = self.connectors.entry(name.to_owned()).or_default();
                    *state = ConnectorState { config, target, tasks };
                }
                None => {
                    self.connectors.remove(name);
                    self.committed.remove(name);
                    self.pending.remove(name);
                }
            }
        } else if let Some(name) = key.strip_prefix("target-state-") {
            let target = value.as_ref().and_then(TargetState::parse).unwrap_or_default();
            self.targets.insert(name.to_owned(), target);
            if let Some(state) = self.connectors.get_mut(name) {
                state.target = target;
            }
        } else if let Some((name, task)) = key.strip_prefix("task-").and_then(|rest| rest.rsplit_once('-')) {
            let Ok(task) = task.parse::<u32>() else { return };
            if let Some(config) = value.as_ref().and_then(properties) {
                self.pending.entry(name.to_owned()).or_default().insert(task, config);
            }
        } else if let Some(name) = key.strip_prefix("commit-") {
            let Some(tasks) = value.as_ref().and_then(|v| v.get("tasks")?.as_u64()) else { return };
            let pending = self.pending.remove(name).unwrap_or_default();
            let known = self.committed.remove(name).unwrap_or_default();
            // After compaction a set may be incomplete: such a connector is configured anew.
            let set = (0..tasks as u32).map(|t| pending.get(&t).cloned().or_else(|| known.get(t as usize).cloned()));
            let set = set.collect::<Option<Vec<_>>>().unwrap_or_default();
            self.committed.insert(name.to_owned(), set.clone());
            if let Some(state) = self.connectors.get_mut(name) {
                state.tasks = set;
            }
        } else if let Some(name) = key.strip_prefix("logger-cluster-") {
            if let Some(level) = value.as_ref().and_then(|v| v.get("level")?.as_str()) {
                self.loggers.insert(name.to_owned(), level.to_owned());
            }
        }
        // Session keys, fencing records and restart requests are of a cluster of Java workers.
    }
}

fn properties(record: &Value) -> Option<RawConfig> {
    let map = record.get("properties")?.as_object()?;
    Some(map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect())
}

/// The config topic. Cloned state is handed out; changes go through the log.
pub struct ConfigStore {
    log: Arc<StateLog>,
    topic: String,
    table: RwLock<Table>,
}

impl ConfigStore {
    pub fn new(log: Arc<StateLog>, topic: impl Into<String>) -> Self {
        ConfigStore { log, topic: topic.into(), table: RwLock::default() }
    }

    /// A record as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        if let Ok(key) = std::str::from_utf8(key) {
            self.table.write().take(key, value);
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.table.read().connectors.keys().cloned().collect()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.table.read().connectors.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Option<ConnectorState> {
        self.table.read().connectors.get(name).cloned()
    }

    pub async fn put_connector(&self, name: &str, config: &RawConfig) -> Result<(), StorageError> {
        self.write(vec![(format!("connector-{name}"), Some(json!({"properties": object(config)})))]).await
    }

    /// A connector that is not there yet, and what is wanted of it. The target first: a reader of the first of the two records
    /// knows of no connector that it could start.
    pub async fn put_new(&self, name: &str, target: TargetState, config: &RawConfig) -> Result<(), StorageError> {
        let config = json!({"properties": object(config)});
        self.write(vec![(format!("target-state-{name}"), Some(target.record())), (format!("connector-{name}"), Some(config))])
            .await
    }

    pub async fn put_target(&self, name: &str, target: TargetState) -> Result<(), StorageError> {
        self.write(vec![(format!("target-state-{name}"), Some(target.record()))]).await
    }

    pub async fn put_tasks(&self, name: &str, tasks: &[RawConfig]) -> Result<(), StorageError> {
        let mut records: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(i, config)| (format!("task-{name}-{i}"), Some(json!({"properties": object(config)}))))
            .collect();
        records.push((format!("commit-{name}"), Some(json!({"tasks": tasks.len()}))));
        self.write(records).await
    }

    /// Levels of loggers that were set for the whole cluster.
    pub fn loggers(&self) -> BTreeMap<String, String> {
        self.table.read().loggers.clone()
    }

    pub async fn put_logger(&self, name: &str, level: &str) -> Result<(), StorageError> {
        self.write(vec![(format!("logger-cluster-{name}"), Some(json!({"level": level})))]).await
    }

    pub async fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.write(vec![(format!("connector-{name}"), None), (format!("target-state-{name}"), None)]).await
    }

    async fn write(&self, records: Vec<(String, Option<Value>)>) -> Result<(), StorageError> {
        let entries: Vec<Entry> = records
            .into_iter()
            .map(|(key, value)| Entry {
                key: key.into_bytes(),
                value: value.map(|v| v.to_string().into_bytes()),
                partition: Some(0),
            })
            .collect();
        self.log.write(&self.topic, &entries).await?;
        // Invariant durable-before-answer: applied only now.
        for entry in &entries {
            self.take(&entry.key, entry.value.as_deref());
        }
        Ok(())
    }
}

fn object(config: &RawConfig) -> Map<String, Value> {
    config.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as Kafka Connect 4.3 has written them.
    fn table(records: &[(&str, &str)]) -> Table {
        let mut table = Table::default();
        for (key, value) in records {
            table.take(key, (!value.is_empty()).then_some(value.as_bytes()));
        }
        table
    }

    const SESSION: (&str, &str) = ("session-key", r#"{"key":"x","algorithm":"HmacSHA256","creation-timestamp":1}"#);
    const CONNECTOR: (&str, &str) = ("connector-a", r#"{"properties":{"connector.class":"FileStreamSource","name":"a"}}"#);
    const TASK: (&str, &str) = ("task-a-0", r#"{"properties":{"file":"/tmp/in.txt"}}"#);

    #[test]
    fn reads_connects_records() {
        let t = table(&[SESSION, CONNECTOR, TASK, ("commit-a", r#"{"tasks":1}"#)]);
        let a = &t.connectors["a"];
        assert_eq!(a.config["connector.class"], "FileStreamSource");
        assert_eq!((a.target, a.tasks.len()), (TargetState::Started, 1));
        assert_eq!(a.tasks[0]["file"], "/tmp/in.txt");
    }

    #[test]
    fn tasks_take_effect_with_their_commit() {
        assert!(table(&[CONNECTOR, TASK]).connectors["a"].tasks.is_empty());
        let t = table(&[CONNECTOR, TASK, ("commit-a", r#"{"tasks":1}"#), ("commit-a", r#"{"tasks":0}"#)]);
        assert!(t.connectors["a"].tasks.is_empty());
        // Compaction has taken task-a-1 away: the set is not used.
        assert!(table(&[CONNECTOR, TASK, ("commit-a", r#"{"tasks":2}"#)]).connectors["a"].tasks.is_empty());
    }

    #[test]
    fn order_after_compaction_does_not_matter() {
        let stopped = ("target-state-a", r#"{"state":"PAUSED","state.v2":"STOPPED"}"#);
        let t = table(&[TASK, ("commit-a", r#"{"tasks":1}"#), stopped, CONNECTOR]);
        assert_eq!((t.connectors["a"].target, t.connectors["a"].tasks.len()), (TargetState::Stopped, 1));
        let old = ("target-state-a", r#"{"state":"PAUSED"}"#);
        assert_eq!(table(&[CONNECTOR, old]).connectors["a"].target, TargetState::Paused);
    }

    #[test]
    fn a_deleted_connector_is_gone_with_its_target() {
        let paused = ("target-state-a", r#"{"state":"PAUSED","state.v2":"PAUSED"}"#);
        let t = table(&[
            CONNECTOR,
            TASK,
            ("commit-a", r#"{"tasks":1}"#),
            paused,
            ("connector-a", ""),
            ("target-state-a", ""),
            CONNECTOR,
        ]);
        assert_eq!((t.connectors["a"].target, t.connectors["a"].tasks.len()), (TargetState::Started, 0));
    }

    #[test]
    fn names_with_dashes_keep_their_tasks() {
        let t = table(&[
            ("connector-a-b-1", r#"{"properties":{}}"#),
            ("task-a-b-1-0", r#"{"properties":{"x":"y"}}"#),
            ("commit-a-b-1", r#"{"tasks":1}"#),
        ]);
        assert_eq!(t.connectors["a-b-1"].tasks.len(), 1);
    }
}
