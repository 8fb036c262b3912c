//! The states of plugins, as their topic holds them: key `["connector",alias or null,task,"key"]`, value a byte for the format
//! and what the plugin put, or a tombstone.
//!
//! The topic is made with the first change: a worker none of whose plugins keeps a state has no such topic. All states are in
//! memory too; a connector and its tasks share what they hold.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millrace_record::{KeyedState, RawConfig, Siblings};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{RwLock, Semaphore};

use super::log::{Entry, StateLog, StorageError};
use crate::config::Storage;
use crate::kafka::admin::{Admin, TopicError};
use crate::kafka::client::{ClientKind, ClientSettings};
use crate::task::{Opened, Prepared, StateStore, Unsaved, Whose};

/// What this worker writes before a value.
const FORMAT: u8 = 1;
/// How much goes to the log at a time, and how many of these: all together well below what its client queues.
const ENTRIES_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 4 << 20;
const WRITES_AT_ONCE: usize = 4;

/// How long the log may take to say whether there is the topic.
const HAS_TIMEOUT: Duration = Duration::from_secs(30);

/// The setting that names the topic.
pub const TOPIC: &str = "plugin.state.topic";

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error("connector {0} has been deleted, and its state with it")]
    Gone(String),
}

type Entries = BTreeMap<Arc<str>, Bytes>;

/// A connector that has a state, or is about to.
#[derive(Default)]
struct OfConnector {
    life: Arc<()>,
    plugins: BTreeMap<(Option<String>, u32), Entries>,
}

#[derive(Default)]
struct Table {
    connectors: HashMap<String, OfConnector>,
    /// Of deleted connectors, where the log has yet to hear that they are gone.
    dead: Vec<Entry>,
}

/// How much a plugin keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub alias: Option<String>,
    pub task: u32,
    pub entries: usize,
    /// Of keys and values.
    pub bytes: usize,
}

/// The topic of states.
pub struct StateTopic {
    log: Arc<StateLog>,
    clients: ClientSettings,
    client_id: String,
    storage: Storage,
    made: AtomicBool,
    table: Arc<Mutex<Table>>,
    /// Held by who writes; by who deletes alone, so that nothing is written behind his back.
    gate: RwLock<()>,
    turns: Semaphore,
}

impl StateTopic {
    pub fn new(log: Arc<StateLog>, clients: ClientSettings, client_id: &str, storage: Storage) -> Self {
        StateTopic {
            log,
            clients,
            client_id: client_id.to_owned(),
            storage,
            made: AtomicBool::new(false),
            table: Arc::default(),
            gate: RwLock::default(),
            turns: Semaphore::new(WRITES_AT_ONCE),
        }
    }

    pub fn topic(&self) -> &str {
        &self.storage.topic
    }

    /// A record as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        let Some((connector, plugin, key)) = parsed(key) else {
            tracing::warn!("a record of the topic of plugins' states has a key that is not one of theirs; it is ignored");
            return;
        };
        let value = match value {
            Some([FORMAT, value @ ..]) => Some(Bytes::copy_from_slice(value)),
            Some(_) => {
                tracing::warn!(connector, "a plugin's state was written by a newer worker; the entry is ignored");
                return;
            }
            None => None,
        };
        self.table.lock().set(&connector, &plugin, key.into(), value);
    }

    /// Names that have a state.
    pub fn names(&self) -> Vec<String> {
        self.table.lock().connectors.keys().cloned().collect()
    }

    /// How much the plugins of a connector keep.
    pub fn kept(&self, connector: &str) -> Vec<Kept> {
        let table = self.table.lock();
        let plugins = table.connectors.get(connector).into_iter().flat_map(|of| &of.plugins).filter(|(_, e)| !e.is_empty());
        plugins
            .map(|((alias, task), entries)| Kept {
                alias: alias.clone(),
                task: *task,
                entries: entries.len(),
                bytes: entries.iter().map(|(k, v)| k.len() + v.len()).sum(),
            })
            .collect()
    }

    /// Deletes the states of a connector. Tasks that still run store nothing from here on.
    pub async fn forget(&self, connector: &str) -> Result<(), StateError> {
        let _alone = self.gate.write().await;
        {
            let mut table = self.table.lock();
            let Some(of) = table.connectors.remove(connector) else { return Ok(()) };
            for ((alias, task), entries) in of.plugins {
                let dead = entries.into_keys().map(|key| entry(connector, alias.as_deref(), task, &key, None));
                table.dead.extend(dead);
            }
        }
        self.bury().await
    }

    /// Tells the log who is gone; what it does not hear now it hears before anything else.
    async fn bury(&self) -> Result<(), StateError> {
        loop {
            let dead: Vec<Entry> = {
                let table = self.table.lock();
                table.dead[..table.dead.len().min(ENTRIES_AT_ONCE)].to_vec()
            };
            if dead.is_empty() {
                return Ok(());
            }
            self.send(&dead).await?;
            self.table.lock().dead.drain(..dead.len());
        }
    }

    async fn make(&self) -> Result<(), StateError> {
        if !self.made.load(Ordering::Relaxed) {
            let defaults = [("reconnect.backoff.ms", "20")];
            let id = format!("{}-plugin-state-admin", self.client_id);
            let admin = Admin::new(&self.clients.client(ClientKind::Admin, &id, &RawConfig::new(), &defaults))?;
            admin.compacted(&self.storage, TOPIC).await?;
            self.made.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn send(&self, entries: &[Entry]) -> Result<(), StateError> {
        self.make().await?;
        let _turn = self.turns.acquire().await.expect("it is never closed");
        Ok(self.log.write(&self.storage.topic, entries).await?)
    }

    async fn bury_the_dead(&self) -> Result<(), StateError> {
        if !self.table.lock().dead.is_empty() {
            let _alone = self.gate.write().await;
            self.bury().await?;
        }
        Ok(())
    }

    fn check_life(&self, whose: &Whose) -> Result<(), StateError> {
        if self.table.lock().lives(whose) { Ok(()) } else { Err(StateError::Gone(whose.connector.clone())) }
    }

    async fn store(&self, changes: &Unsaved) -> Result<(), StateError> {
        self.bury_the_dead().await?;
        let _beside_others = self.gate.read().await;
        for (whose, changes) in changes.iter() {
            self.check_life(whose)?;
            let (mut part, mut bytes) = (Vec::new(), 0);
            for (key, value) in changes {
                let entry = change_entry(whose, key, value);
                bytes += entry.key.len() + entry.value.as_ref().map_or(0, Vec::len);
                part.push(entry);
                if part.len() >= ENTRIES_AT_ONCE || bytes >= BYTES_AT_ONCE {
                    self.send(&part).await?;
                    part.clear();
                    bytes = 0;
                }
            }
            if !part.is_empty() {
                self.send(&part).await?;
            }
            // Invariant durable-before-answer: applied only now.
            let plugin = (whose.alias.clone(), whose.task);
            let mut table = self.table.lock();
            for (key, value) in changes {
                table.set(&whose.connector, &plugin, key.clone(), value.clone());
            }
        }
        Ok(())
    }
}

/// What the connector's other tasks have stored for the same plugin.
struct OfOthers {
    table: Arc<Mutex<Table>>,
    whose: Arc<Whose>,
}

impl std::fmt::Debug for OfOthers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OfOthers").field(&self.whose).finish()
    }
}

impl Siblings for OfOthers {
    fn scan(&self, prefix: &str) -> Vec<(Arc<str>, Bytes)> {
        let table = self.table.lock();
        let plugins = table.connectors.get(&self.whose.connector).into_iter().flat_map(|of| &of.plugins);
        let others = plugins.filter(|((alias, task), _)| *alias == self.whose.alias && *task != self.whose.task);
        let within = |entries: &Entries| {
            let from = entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            from.take_while(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>()
        };
        others.flat_map(|(_, entries)| within(entries)).collect()
    }
}

impl Table {
    fn set(&mut self, connector: &str, plugin: &(Option<String>, u32), key: Arc<str>, value: Option<Bytes>) {
        match value {
            Some(value) => {
                let of = match self.connectors.get_mut(connector) {
                    Some(of) => of,
                    None => self.connectors.entry(connector.to_owned()).or_default(),
                };
                match of.plugins.get_mut(plugin) {
                    Some(entries) => entries.insert(key, value),
                    None => of.plugins.entry(plugin.clone()).or_default().insert(key, value),
                };
            }
            None => {
                let Some(of) = self.connectors.get_mut(connector) else { return };
                let Some(entries) = of.plugins.get_mut(plugin) else { return };
                entries.remove(&key);
                if entries.is_empty() {
                    of.plugins.remove(plugin);
                }
            }
        }
    }

    fn lives(&self, whose: &Whose) -> bool {
        self.connectors.get(&whose.connector).is_some_and(|of| Arc::ptr_eq(&of.life, &whose.life))
    }
}

#[async_trait]
impl StateStore for StateTopic {
    async fn open(&self, connector: &str, alias: Option<&str>, task: u32) -> anyhow::Result<Opened> {
        let mut table = self.table.lock();
        let of = table.connectors.entry(connector.to_owned()).or_default();
        let alias = alias.map(str::to_owned);
        let entries = of.plugins.get(&(alias.clone(), task)).cloned().unwrap_or_default();
        let whose = Whose { connector: connector.to_owned(), alias, task, life: of.life.clone() };
        let whose = Arc::new(whose);
        let siblings = Arc::new(OfOthers { table: self.table.clone(), whose: whose.clone() });
        Ok(Opened { state: KeyedState::new(entries).beside(siblings), whose })
    }

    async fn write(&self, changes: &Unsaved) -> anyhow::Result<()> {
        Ok(self.store(changes).await?)
    }

    async fn settle(&self, connector: &str) -> anyhow::Result<()> {
        let topic = &self.storage.topic;
        if !self.log.has(topic, HAS_TIMEOUT).await? {
            return Ok(());
        }
        let (log, client_id, topic) = (self.log.clone(), format!("{}-plugin-state", self.client_id), topic.clone());
        let of = connector.to_owned();
        let read = move || {
            let mut found = Table::default();
            let mut each = |key: &[u8], value: Option<&[u8]>| {
                let Some((connector, plugin, key)) = parsed(key).filter(|(c, _, _)| *c == of) else { return };
                if let None | Some([FORMAT, ..]) = value {
                    found.set(&connector, &plugin, key.into(), value.map(|v| Bytes::copy_from_slice(&v[1..])));
                }
            };
            log.read_decided(&client_id, &topic, |_, key, value| each(key, value)).map(|()| found)
        };
        let mut found = tokio::task::spawn_blocking(read).await??;
        let mut table = self.table.lock();
        if let Some(of) = table.connectors.get_mut(connector) {
            of.plugins = found.connectors.remove(connector).unwrap_or_default().plugins;
        } else if let Some(of) = found.connectors.remove(connector) {
            table.connectors.insert(connector.to_owned(), of);
        }
        Ok(())
    }

    async fn prepare(&self, changes: &Unsaved) -> anyhow::Result<Prepared> {
        self.bury_the_dead().await?;
        self.make().await?;
        let mut entries = Vec::new();
        for (whose, changes) in changes.iter() {
            self.check_life(whose)?;
            entries.extend(changes.iter().map(|(key, value)| change_entry(whose, key, value)));
        }
        Ok(Prepared { topic: self.storage.topic.clone(), entries })
    }

    fn committed(&self, changes: &Unsaved) {
        let mut table = self.table.lock();
        for (whose, changes) in changes.iter() {
            if !table.lives(whose) {
                // Deleted while the transaction ended: what it has written is deleted too.
                let dead = changes.iter().map(|(key, _)| change_entry(whose, key, &None));
                table.dead.extend(dead);
                continue;
            }
            let plugin = (whose.alias.clone(), whose.task);
            for (key, value) in changes {
                table.set(&whose.connector, &plugin, key.clone(), value.clone());
            }
        }
    }
}

fn change_entry(whose: &Whose, key: &str, value: &Option<Bytes>) -> Entry {
    entry(&whose.connector, whose.alias.as_deref(), whose.task, key, value.as_deref())
}

fn entry(connector: &str, alias: Option<&str>, task: u32, key: &str, value: Option<&[u8]>) -> Entry {
    let key = json!([connector, alias, task, key]).to_string().into_bytes();
    let value = value.map(|value| {
        let mut with_format = Vec::with_capacity(1 + value.len());
        with_format.push(FORMAT);
        with_format.extend_from_slice(value);
        with_format
    });
    Entry { key, value, partition: Some(0) }
}

/// Connector, plugin and key of a record's key.
fn parsed(key: &[u8]) -> Option<(String, (Option<String>, u32), String)> {
    let Value::Array(parts) = serde_json::from_slice(key).ok()? else { return None };
    let [Value::String(connector), alias, Value::Number(task), Value::String(key)] = &parts[..] else { return None };
    let alias = match alias {
        Value::Null => None,
        Value::String(alias) => Some(alias.clone()),
        _ => return None,
    };
    Some((connector.clone(), (alias, task.as_u64()?.try_into().ok()?), key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut table = Table::default();
        let plugin = (Some("count".to_owned()), 3);
        for (key, value) in [("a \"quoted\" key", Some(&b"one"[..])), ("empty", Some(&b""[..])), ("gone", None)] {
            let entry = entry("orders", Some("count"), 3, key, value);
            let (connector, read, key) = parsed(&entry.key).unwrap();
            assert_eq!((connector.as_str(), &read), ("orders", &plugin));
            let value = entry.value.as_deref().map(|v| Bytes::copy_from_slice(v.strip_prefix(&[FORMAT]).unwrap()));
            table.set(&connector, &read, key.into(), value);
        }
        let entries = &table.connectors["orders"].plugins[&plugin];
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries["a \"quoted\" key"][..], &entries["empty"][..]), (&b"one"[..], &b""[..]));
        table.set("orders", &plugin, "empty".into(), None);
        table.set("orders", &plugin, "a \"quoted\" key".into(), None);
        assert!(table.connectors["orders"].plugins.is_empty());
    }

    #[test]
    fn foreign_keys_are_told() {
        for key in ["", "[]", "{}", r#"["c",null,0]"#, r#"["c",1,0,"k"]"#, r#"["c",null,-1,"k"]"#, r#"["c",null,0.5,"k"]"#] {
            assert!(parsed(key.as_bytes()).is_none(), "{key}");
        }
    }
}
