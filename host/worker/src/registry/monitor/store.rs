//! Changes, baselines, rules, and how far webhooks are: in memory, and in a compacted topic from which a worker takes them up
//! again.
//!
//! Keys: `change-N`, `subject-REGISTRY|SUBJECT`, `rule-PATTERN`, `webhook-NAME`; values are JSON. What the monitor finds is written behind
//! its back, for a log that is down must not silence an alert; what a user asked for is in the log before he is answered.
//! The topic is made with the first record, so that who has no registry has no such topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use millrace_record::RawConfig;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use super::event::{ChangeEvent, EventKind};
use super::rules::{Rule, Rules, Webhook};
use super::subject::{SubjectKey, SubjectState};
use crate::config::Storage;
use crate::kafka::admin::Admin;
use crate::kafka::client::{ClientKind, ClientSettings};
use crate::storage::{Entry, StateLog, StorageError};

/// How many changes are kept; the oldest go first.
pub const CHANGES_MAX: usize = 10_000;
/// How long a failed write waits for its next try: doubled each time.
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long the log may take to say which topics there are.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Topic(#[from] crate::kafka::admin::TopicError),
}

/// The log behind a store.
pub struct StoreLog {
    pub log: Arc<StateLog>,
    pub clients: ClientSettings,
    pub client_id: String,
    pub storage: Storage,
    made: AtomicBool,
}

impl StoreLog {
    pub fn new(log: Arc<StateLog>, clients: ClientSettings, client_id: String, storage: Storage) -> Self {
        StoreLog { log, clients, client_id, storage, made: AtomicBool::new(false) }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), StoreError> {
        if !self.made.load(Ordering::Relaxed) {
            let defaults = [("reconnect.backoff.ms", "20")];
            let id = format!("{}-schemas-admin", self.client_id);
            let admin = Admin::new(&self.clients.client(ClientKind::Admin, &id, &RawConfig::new(), &defaults))?;
            admin.compacted(&self.storage, "schema.monitor.topic").await?;
            self.made.store(true, Ordering::Relaxed);
        }
        Ok(self.log.write(&self.storage.topic, entries).await?)
    }
}

/// Which changes are asked for; the newest first.
#[derive(Debug, Default, Clone)]
pub struct Query {
    /// A pattern, as in rules.
    pub subject: Option<String>,
    pub connector: Option<String>,
    pub since_ms: Option<u64>,
    pub kind: Option<EventKind>,
    pub acknowledged: Option<bool>,
    /// Only changes with smaller ids: what came before those of the page before.
    pub before: Option<u64>,
    pub limit: usize,
}

impl Query {
    pub fn takes(&self, event: &ChangeEvent) -> bool {
        let subject = |pattern: &String| event.subject.as_ref().is_some_and(|s| super::rules::matches(pattern, s));
        self.subject.as_ref().is_none_or(subject)
            && self.connector.as_ref().is_none_or(|c| event.concerns(c))
            && self.since_ms.is_none_or(|since| event.ts_ms >= since)
            && self.kind.is_none_or(|k| k == event.kind)
            && self.acknowledged.is_none_or(|a| a == event.acknowledged)
    }
}

#[derive(Default)]
struct Table {
    changes: BTreeMap<u64, Arc<ChangeEvent>>,
    subjects: BTreeMap<SubjectKey, SubjectState>,
    rules: Rules,
    /// The last change that a webhook has taken, or that was not for it, by its name.
    webhooks: BTreeMap<String, u64>,
    next: u64,
    pending: IndexMap<String, Option<Vec<u8>>>,
    /// On its way; older than what is pending.
    writing: IndexMap<String, Option<Vec<u8>>>,
}

/// What is known of all subjects.
pub struct Store {
    /// None: in memory alone.
    log: Option<StoreLog>,
    table: Mutex<Table>,
    loaded: watch::Sender<bool>,
    due: Notify,
}

fn change_key(id: u64) -> String {
    format!("change-{id}")
}

fn subject_key(key: &SubjectKey) -> String {
    format!("subject-{}|{}", key.registry, key.subject)
}

fn webhook_key(name: &str) -> String {
    format!("webhook-{name}")
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data can be written as JSON")
}

impl Store {
    pub fn new(log: Option<StoreLog>) -> Self {
        let loaded = log.is_none();
        Store { log, table: Mutex::default(), loaded: watch::channel(loaded).0, due: Notify::new() }
    }

    /// Completes once what earlier workers left has been read.
    pub async fn loaded(&self) {
        let _ = self.loaded.subscribe().wait_for(|l| *l).await;
    }

    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Reads what is in the log.
    pub async fn load(self: &Arc<Self>) -> Result<(), StorageError> {
        let Some(of) = &self.log else { return Ok(()) };
        let topic = of.storage.topic.clone();
        if of.log.has(&topic, LIST_TIMEOUT).await? {
            let (store, log, id) = (self.clone(), of.log.clone(), format!("{}-schemas", of.client_id));
            let read = move || log.read(&id, &[topic], |_, key, value| store.take(key, value));
            tokio::task::spawn_blocking(read).await.expect("reading does not panic")?;
        }
        self.loaded.send_replace(true);
        Ok(())
    }

    /// A record as it is read at start. What this worker cannot read is left as it is.
    fn take(&self, key: &[u8], value: Option<&[u8]>) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        let mut table = self.table.lock();
        if let Some(id) = key.strip_prefix("change-").and_then(|id| id.parse::<u64>().ok()) {
            table.next = table.next.max(id);
            match value.and_then(|v| serde_json::from_slice::<ChangeEvent>(v).ok()) {
                Some(event) => drop(table.changes.insert(id, Arc::new(event))),
                None => drop(table.changes.remove(&id)),
            }
        } else if let Some((registry, subject)) = key.strip_prefix("subject-").and_then(|k| k.split_once('|')) {
            let key = SubjectKey { registry: registry.to_owned(), subject: subject.to_owned() };
            match value.and_then(|v| serde_json::from_slice(v).ok()) {
                Some(state) => drop(table.subjects.insert(key, state)),
                None => drop(table.subjects.remove(&key)),
            }
        } else if let Some(pattern) = key.strip_prefix("rule-") {
            match value.and_then(|v| serde_json::from_slice::<Rule>(v).ok()) {
                Some(rule) => drop(table.rules.0.insert(pattern.to_owned(), rule)),
                None => drop(table.rules.0.remove(pattern)),
            }
        } else if let Some(name) = key.strip_prefix("webhook-") {
            match value.and_then(|v| serde_json::from_slice(v).ok()) {
                Some(last) => drop(table.webhooks.insert(name.to_owned(), last)),
                None => drop(table.webhooks.remove(name)),
            }
        }
    }

    pub fn subject(&self, key: &SubjectKey) -> Option<SubjectState> {
        self.table.lock().subjects.get(key).cloned()
    }

    /// Looks into a subject's state without copying it.
    pub fn with_subject<T>(&self, key: &SubjectKey, look: impl FnOnce(Option<&SubjectState>) -> T) -> T {
        look(self.table.lock().subjects.get(key))
    }

    pub fn subjects(&self) -> Vec<SubjectKey> {
        self.table.lock().subjects.keys().cloned().collect()
    }

    pub fn put_subject(&self, key: SubjectKey, state: SubjectState) {
        let mut table = self.table.lock();
        self.pend(&mut table, subject_key(&key), Some(json(&state)));
        table.subjects.insert(key, state);
    }

    /// What is known of an id is kept in memory: it can be asked for again.
    pub fn note_id(&self, key: &SubjectKey, id: i32, version: i32) {
        if let Some(state) = self.table.lock().subjects.get_mut(key) {
            state.ids.insert(id, version);
        }
    }

    pub fn forget_subject(&self, key: &SubjectKey) {
        let mut table = self.table.lock();
        if table.subjects.remove(key).is_some() {
            self.pend(&mut table, subject_key(key), None);
        }
    }

    /// The id of the next change.
    pub fn next_id(&self) -> u64 {
        let mut table = self.table.lock();
        table.next += 1;
        table.next
    }

    /// Keeps a change, and that webhooks are to be told of it.
    pub fn put_change<'a>(&self, event: Arc<ChangeEvent>, webhooks: impl IntoIterator<Item = &'a Webhook>) {
        let mut table = self.table.lock();
        self.pend(&mut table, change_key(event.id), Some(json(&*event)));
        for name in webhooks.into_iter().map(Webhook::name) {
            if !table.webhooks.contains_key(&name) {
                self.pass(&mut table, name, event.id.saturating_sub(1));
            }
        }
        table.changes.insert(event.id, event);
        while table.changes.len() > CHANGES_MAX {
            if let Some((oldest, _)) = table.changes.pop_first() {
                self.pend(&mut table, change_key(oldest), None);
            }
        }
    }

    pub fn change(&self, id: u64) -> Option<Arc<ChangeEvent>> {
        self.table.lock().changes.get(&id).cloned()
    }

    /// A page of changes, the newest first, and whether there are more.
    pub fn changes(&self, query: &Query) -> (Vec<Arc<ChangeEvent>>, bool) {
        let table = self.table.lock();
        let mut found = table.changes.range(..query.before.unwrap_or(u64::MAX)).rev().map(|(_, e)| e).filter(|e| query.takes(e));
        let page: Vec<_> = found.by_ref().take(query.limit).cloned().collect();
        let more = found.next().is_some();
        (page, more)
    }

    /// The oldest change that a webhook has yet to take, and the webhook as it is set now. `worker`: the webhooks of subjects
    /// for which no rule has any.
    pub fn owed(&self, name: &str, worker: &[Webhook]) -> Option<(Arc<ChangeEvent>, Webhook)> {
        let table = &mut *self.table.lock();
        let last = *table.webhooks.get(name)?;
        let (mut passed, mut owed) = (last, None);
        for (id, event) in table.changes.range(last + 1..) {
            let rules = table.rules.of(event.subject.as_deref().unwrap_or_default());
            let webhook = rules.told(worker).iter().find(|w| w.name() == name);
            if let Some(webhook) = webhook.filter(|_| !event.muted) {
                owed = Some((event.clone(), webhook.clone()));
                break;
            }
            passed = *id;
        }
        if passed > last {
            self.pass(table, name.to_owned(), passed);
        }
        owed
    }

    /// A webhook has a change behind it.
    pub fn webhook_has(&self, name: &str, id: u64) {
        self.pass(&mut self.table.lock(), name.to_owned(), id);
    }

    /// The names of webhooks that have been told of changes before; those that are not set any more are forgotten.
    pub fn webhooks(&self, worker: &[Webhook]) -> Vec<String> {
        let mut table = self.table.lock();
        let of_rules = table.rules.0.values().flat_map(|r| r.webhooks.iter().flatten());
        let set: BTreeSet<_> = of_rules.chain(worker).map(Webhook::name).collect();
        let gone: Vec<_> = table.webhooks.keys().filter(|name| !set.contains(*name)).cloned().collect();
        for name in gone {
            self.pend(&mut table, webhook_key(&name), None);
            table.webhooks.remove(&name);
        }
        table.webhooks.keys().cloned().collect()
    }

    fn pass(&self, table: &mut Table, name: String, id: u64) {
        self.pend(table, webhook_key(&name), Some(json(&id)));
        table.webhooks.insert(name, id);
    }

    /// Incompatible changes that nobody has acknowledged.
    pub fn open_incompatible(&self) -> usize {
        let table = self.table.lock();
        table.changes.values().filter(|e| e.kind == EventKind::Incompatible && !e.acknowledged).count()
    }

    /// Acknowledges a change, in the log before it is answered. None: there is no such change.
    pub async fn acknowledge(&self, id: u64, by: Option<String>, now_ms: u64) -> Result<Option<Arc<ChangeEvent>>, StoreError> {
        let (event, subject) = {
            let table = self.table.lock();
            let Some(event) = table.changes.get(&id) else { return Ok(None) };
            if event.acknowledged {
                return Ok(Some(event.clone()));
            }
            let mut event = ChangeEvent::clone(event);
            event.acknowledged = true;
            event.acknowledged_ts_ms = Some(now_ms);
            event.acknowledged_by = by;
            let subject = (|| {
                let key = SubjectKey { registry: event.registry.clone()?, subject: event.subject.clone()? };
                let mut state = table.subjects.get(&key)?.clone();
                state.accept(event.current.as_ref()?.version).then_some((key, state))
            })();
            (Arc::new(event), subject)
        };
        let mut entries = vec![entry(change_key(id), Some(json(&*event)))];
        entries.extend(subject.iter().map(|(key, state)| entry(subject_key(key), Some(json(state)))));
        self.write(&entries).await?;
        let mut table = self.table.lock();
        table.changes.insert(id, event.clone());
        if let (Some((key, _)), Some(current)) = (subject, &event.current)
            && let Some(state) = table.subjects.get_mut(&key)
        {
            // It may have been looked at meanwhile.
            state.accept(current.version);
            let state = json(state);
            self.pend(&mut table, subject_key(&key), Some(state));
        }
        Ok(Some(event))
    }

    pub fn rules(&self) -> Rules {
        self.table.lock().rules.clone()
    }

    pub fn rules_of(&self, subject: &str) -> super::rules::Applied {
        self.table.lock().rules.of(subject)
    }

    /// None takes the rule of a pattern away. Answers what was there before.
    pub async fn put_rule(&self, pattern: &str, rule: Option<Rule>) -> Result<Option<Rule>, StoreError> {
        self.write(&[entry(format!("rule-{pattern}"), rule.as_ref().map(json))]).await?;
        let rules = &mut self.table.lock().rules.0;
        Ok(match rule {
            Some(rule) => rules.insert(pattern.to_owned(), rule),
            None => rules.remove(pattern),
        })
    }

    fn pend(&self, table: &mut Table, key: String, value: Option<Vec<u8>>) {
        if self.log.is_some() {
            table.pending.insert(key, value);
            self.due.notify_one();
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), StoreError> {
        match &self.log {
            Some(log) => log.write(entries).await,
            None => Ok(()),
        }
    }

    /// Writes what is pending, for as long as the worker lives.
    pub async fn write_behind(self: Arc<Self>) {
        self.loaded().await;
        let mut delay = RETRY_MIN;
        loop {
            let entries = self.due_entries();
            if entries.is_empty() {
                self.due.notified().await;
                continue;
            }
            if let Err(error) = self.write(&entries).await {
                tracing::warn!(%error, "changes of schemas are not written yet, they are tried again");
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(RETRY_MAX);
                continue;
            }
            self.table.lock().writing.clear();
            delay = RETRY_MIN;
        }
    }

    /// What is pending goes on its way, beside what has not arrived; a newer record of a key has the later word.
    fn due_entries(&self) -> Vec<Entry> {
        let table = &mut *self.table.lock();
        table.writing.extend(table.pending.drain(..));
        table.writing.iter().map(|(k, v)| entry(k.clone(), v.clone())).collect()
    }

    /// Writes what is pending now, before the worker stops.
    pub async fn flush(&self, within: Duration) {
        let entries = self.due_entries();
        if !entries.is_empty() {
            let _ = tokio::time::timeout(within, self.write(&entries)).await;
        }
    }
}

fn entry(key: String, value: Option<Vec<u8>>) -> Entry {
    // One partition: a change and the state that it left keep their order.
    Entry { key: key.into_bytes(), value, partition: Some(0) }
}
