//! The schema monitor: watches the subjects of every connector and tells of their changes.
//!
//! Owns: which versions of a subject are accepted, the changes that were seen, and the rules by which they are told. It looks
//! at the registry every `schema.monitor.interval.ms`, when a connector starts, and when a sink meets an id that nobody has
//! seen; whichever comes first finds a change, and a change is found once.
//!
//! Promises: a sink that asked to stop at incompatible schemas puts no record of one; what its gate does not know it waits
//! for. Telling never holds up looking. A registry that is down stops nothing and is logged at debug.
//!
//! Never: changes anything in a registry.

pub mod connectors;
pub mod event;
mod gate;
pub mod http_reader;
mod poll;
pub mod reader;
pub mod rules;
pub mod settings;
pub mod store;
pub mod subject;
#[cfg(test)]
mod tests;
mod watch;
pub mod webhook;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrace_record::RawConfig;
use millrace_registry::{Change, ChangeKind};
use millrace_sandbox::{ColumnChange, Difference, TableChange};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, mpsc};

use self::connectors::Connectors;
use self::event::{ChangeEvent, EventKind, SourceChange};
use self::gate::Gate;
use self::reader::{Readers, SubjectReader, Unreachable};
use self::settings::MonitorSettings;
use self::store::{Store, StoreError};
use self::subject::{Found, SubjectKey};
use self::webhook::Webhooks;

pub use self::watch::STOP;

/// How many events a slow reader of the stream may be behind before it loses some.
const STREAM_MAX: usize = 1_024;
/// How many names of records are remembered.
const NAMES_MAX: usize = 100_000;

/// What has been seen since the worker started.
#[derive(Debug, Default)]
pub struct Counted {
    pub changed: AtomicU64,
    pub incompatible: AtomicU64,
    pub deleted: AtomicU64,
    pub source: AtomicU64,
    pub polls: AtomicU64,
    pub unreachable: AtomicU64,
}

/// What is known of an id in a subject.
enum Known {
    Accepted,
    /// It is this version, which is not accepted.
    Blocked(i32),
    /// It is of another subject; why it does not go with this one, where it does not.
    Judged(Option<String>),
    Unknown,
}

pub struct SchemaMonitor {
    pub settings: MonitorSettings,
    /// The worker's settings: converters of connectors that name none.
    worker: RawConfig,
    connectors: Arc<dyn Connectors>,
    readers: Arc<dyn Readers>,
    pub store: Arc<Store>,
    pub webhooks: Arc<Webhooks>,
    pub counted: Counted,
    stream: broadcast::Sender<Arc<ChangeEvent>>,
    gates: Mutex<Vec<Weak<Gate>>>,
    watched: Mutex<BTreeMap<SubjectKey, poll::Subject>>,
    /// Connectors and topics whose records have told of a subject.
    observed: Mutex<BTreeMap<SubjectKey, BTreeSet<(String, String)>>>,
    /// One look at a subject at a time.
    looking: Mutex<HashMap<SubjectKey, Arc<tokio::sync::Mutex<()>>>>,
    /// Names of records by registry and id.
    names: Mutex<HashMap<(String, i32), String>>,
    /// Ids of other subjects that were met in one.
    judged: Mutex<HashMap<(SubjectKey, i32), Option<String>>>,
    poke: Notify,
}

impl SchemaMonitor {
    pub fn new(
        settings: MonitorSettings,
        worker: RawConfig,
        connectors: Arc<dyn Connectors>,
        readers: Arc<dyn Readers>,
        store: Store,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let store = Arc::new(store);
        Ok(Arc::new(SchemaMonitor {
            webhooks: Webhooks::new(settings.webhooks.clone(), store.clone(), connectors.clone())?,
            settings,
            worker,
            connectors,
            readers,
            store,
            counted: Counted::default(),
            stream: broadcast::channel(STREAM_MAX).0,
            gates: Mutex::default(),
            watched: Mutex::default(),
            observed: Mutex::default(),
            looking: Mutex::default(),
            names: Mutex::default(),
            judged: Mutex::default(),
            poke: Notify::new(),
        }))
    }

    /// Looks soon: a connector has started, or has met a topic.
    pub fn poke(&self) {
        self.poke.notify_one();
    }

    /// Changes from now on.
    pub fn stream(&self) -> broadcast::Receiver<Arc<ChangeEvent>> {
        self.stream.subscribe()
    }

    /// Passes on what plugins tell, for as long as the worker lives.
    pub async fn hear(self: Arc<Self>, mut alerts: mpsc::Receiver<TableChange>) {
        self.store.loaded().await;
        while let Some(TableChange { connector, table, topic, position, statement, changes }) = alerts.recv().await {
            let change = SourceChange { connector, table, topic, lsn: position, ddl: statement };
            self.source_changed(change, changes.into_iter().map(field_change).collect());
        }
    }

    /// What a source tells of a change in what it reads.
    fn source_changed(&self, change: SourceChange, changes: Vec<event::FieldChange>) {
        let event = ChangeEvent {
            affected: vec![event::Affected {
                connector: change.connector.clone(),
                kind: "source".into(),
                topics: change.topic.iter().cloned().collect(),
                tables: vec![change.table.clone()],
                stops: false,
            }],
            changes,
            source: Some(change),
            ..self.blank(EventKind::SourceChanged)
        };
        self.tell(event);
    }

    /// Acknowledges a change: what it brought is accepted. None: there is no such change.
    pub async fn acknowledge(&self, id: u64, by: Option<String>) -> Result<Option<Arc<ChangeEvent>>, StoreError> {
        self.store.loaded().await;
        let event = self.store.acknowledge(id, by, now_ms()).await?;
        if let Some(event) = &event {
            tracing::info!(id, subject = event.subject, "change of a schema acknowledged");
        }
        Ok(event)
    }

    fn blank(&self, kind: EventKind) -> ChangeEvent {
        ChangeEvent {
            id: self.store.next_id(),
            kind,
            ts_ms: now_ms(),
            summary: String::new(),
            registry: None,
            subject: None,
            previous: None,
            current: None,
            deleted: Vec::new(),
            changes: Vec::new(),
            compatibility: None,
            affected: Vec::new(),
            source: None,
            muted: false,
            acknowledged: false,
            acknowledged_ts_ms: None,
            acknowledged_by: None,
        }
    }

    /// Keeps an event and tells everybody whom it concerns.
    fn tell(&self, mut event: ChangeEvent) {
        let rules = self.store.rules_of(event.subject.as_deref().unwrap_or_default());
        event.muted = rules.muted;
        event.summary = event.summarized();
        let counted = match event.kind {
            EventKind::VersionChanged => &self.counted.changed,
            EventKind::Incompatible => &self.counted.incompatible,
            EventKind::Deleted => &self.counted.deleted,
            EventKind::SourceChanged => &self.counted.source,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        let event = Arc::new(event);
        let told = rules.told(&self.settings.webhooks);
        self.store.put_change(event.clone(), told);
        if event.muted {
            tracing::debug!(id = event.id, kind = event.kind.name(), subject = event.subject, "{}", event.summary);
            return;
        }
        let changes: Vec<_> = event.changes.iter().map(|c| c.text.as_str()).collect();
        let changes = changes.join("; ");
        if event.kind == EventKind::Incompatible {
            let reasons: Vec<_> = event.compatibility.iter().flat_map(|c| &c.reasons).map(|r| r.description.as_str()).collect();
            let reasons = reasons.join("; ");
            tracing::warn!(
                id = event.id,
                kind = event.kind.name(),
                subject = event.subject,
                changes,
                reasons,
                "{}",
                event.summary
            );
        } else {
            tracing::info!(id = event.id, kind = event.kind.name(), subject = event.subject, changes, "{}", event.summary);
        }
        // An error: nobody listens.
        let _ = self.stream.send(event.clone());
        told.iter().for_each(|webhook| self.webhooks.wake(webhook.name()));
    }

    /// Looks at a subject now; what is found is kept and told.
    async fn look(&self, key: &SubjectKey, reader: &dyn SubjectReader) -> Result<(), Unreachable> {
        self.store.loaded().await;
        let one = self.looking.lock().entry(key.clone()).or_default().clone();
        let _one = one.lock().await;
        let before = self.store.subject(key);
        let ruled = self.store.rules_of(&key.subject).level;
        let Some(look) = subject::look(reader, &key.subject, before.as_ref(), ruled).await? else { return Ok(()) };
        let mut state = look.state;
        state.observed = self.observed.lock().get(key).cloned().unwrap_or_default();
        if before.is_none() {
            tracing::debug!(subject = key.subject, version = state.latest.version, "subject has a baseline");
        }
        let mut events = Vec::new();
        for found in look.found {
            let event = self.event(key, &found);
            if let Found::Version { current, refused: Some((against, reasons)), .. } = found {
                let blocked = subject::Blocked { event: event.id, against, reasons };
                state.blocked.insert(current.version, blocked);
            }
            events.push(event);
        }
        if before.as_ref() == Some(&state) {
            return Ok(());
        }
        // An acknowledgement may have come meanwhile: what it accepted stays accepted.
        if let Some(now) = self.store.subject(key) {
            let was = before.map(|b| b.blocked).unwrap_or_default();
            state.blocked.retain(|v, _| now.blocked.contains_key(v) || !was.contains_key(v));
            state.ids.extend(now.ids.iter().filter(|(_, v)| state.versions.contains(v)).map(|(id, v)| (*id, *v)));
        }
        let blocks = !state.blocked.is_empty();
        self.store.put_subject(key.clone(), state);
        // Sinks stop before anybody is told.
        if blocks {
            self.look_again();
        }
        for mut event in events {
            event.affected = self.affected(key, event.kind == EventKind::Incompatible);
            self.tell(event);
        }
        Ok(())
    }

    fn event(&self, key: &SubjectKey, found: &Found) -> ChangeEvent {
        let of =
            |kind| ChangeEvent { registry: Some(key.registry.clone()), subject: Some(key.subject.clone()), ..self.blank(kind) };
        match found {
            Found::Deleted { versions, previous, current } => ChangeEvent {
                previous: Some(previous.clone()),
                current: current.clone(),
                deleted: versions.clone(),
                ..of(EventKind::Deleted)
            },
            Found::Version { previous, current, changes, verdict, .. } => {
                let compatible = verdict.as_ref().is_none_or(|v| v.compatible);
                ChangeEvent {
                    previous: previous.clone(),
                    current: Some(current.clone()),
                    changes: changes.clone(),
                    compatibility: verdict.clone(),
                    ..of(if compatible { EventKind::VersionChanged } else { EventKind::Incompatible })
                }
            }
        }
    }

    /// Gates look whether a subject of theirs is blocked.
    fn look_again(&self) {
        let gates: Vec<_> = self.gates.lock().iter().filter_map(Weak::upgrade).collect();
        for gate in gates {
            gate.look_again(self);
        }
    }

    fn known(&self, key: &SubjectKey, id: i32) -> Known {
        if !self.store.is_loaded() {
            return Known::Unknown;
        }
        let known = self.store.with_subject(key, |state| {
            let state = state?;
            let version = *state.ids.get(&id)?;
            Some(if state.blocked.contains_key(&version) { Known::Blocked(version) } else { Known::Accepted })
        });
        known.or_else(|| Some(Known::Judged(self.judged.lock().get(&(key.clone(), id))?.clone()))).unwrap_or(Known::Unknown)
    }

    /// Finds out what an id is to a subject, so that [`SchemaMonitor::known`] knows.
    async fn resolve(&self, key: &SubjectKey, settings: &RawConfig, id: i32) -> Result<(), Unreachable> {
        let (_, reader) = self.readers.reader(settings).map_err(Unreachable)?;
        self.look(key, &*reader).await?;
        if !matches!(self.known(key, id), Known::Unknown) {
            return Ok(());
        }
        let places = reader.versions_of(id, &key.subject).await?;
        if let Some((_, version)) = places.iter().rev().find(|(subject, _)| *subject == key.subject) {
            self.store.note_id(key, id, *version);
            if !matches!(self.known(key, id), Known::Unknown) {
                return Ok(());
            }
        }
        // It is of another subject, or of none: the converter will read it all the same.
        let why = match (reader.by_id(id, &key.subject).await?, self.store.subject(key)) {
            (Some(new), Some(state)) => {
                let accepted = state.versions.iter().rev().find(|v| !state.blocked.contains_key(v));
                let older = match accepted {
                    Some(version) => reader.version(&key.subject, *version).await?,
                    None => None,
                };
                let level = self.store.rules_of(&key.subject).level.unwrap_or_default();
                let judged = subject::judge(&new, older.as_slice(), level).unwrap_or_default();
                judged.map(|(against, reasons)| {
                    let reasons: Vec<_> = reasons.iter().map(|r| r.description.as_str()).collect();
                    format!(
                        "a record has the schema with id {id}, which is not a version of subject \"{}\" and is not compatible with its version {against}: {}; register it there, or set \"{STOP}=false\"",
                        key.subject,
                        reasons.join("; ")
                    )
                })
            }
            _ => None,
        };
        let mut judged = self.judged.lock();
        if judged.len() >= NAMES_MAX {
            judged.clear();
        }
        judged.insert((key.clone(), id), why);
        Ok(())
    }

    fn record_name(&self, registry: &str, id: i32) -> Option<String> {
        self.names.lock().get(&(registry.to_owned(), id)).cloned()
    }

    async fn learn_name(&self, registry: &str, settings: &RawConfig, id: i32) -> Result<(), Unreachable> {
        let (_, reader) = self.readers.reader(settings).map_err(Unreachable)?;
        let found = reader.by_id(id, "").await?;
        // What has no name, or is not there, is nobody's subject.
        let name = found.and_then(|f| watch::record_name(f.schema_type, &f.text)).unwrap_or_default();
        let mut names = self.names.lock();
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert((registry.to_owned(), id), name);
        Ok(())
    }

    /// Why a connector stops at the newest version of a subject that is not accepted. None: all are.
    fn newest_block(&self, key: &SubjectKey, connector: &str) -> Option<String> {
        let newest = self.store.with_subject(key, |state| state?.blocked.keys().next_back().copied())?;
        self.block(key, newest, connector)
    }

    fn block(&self, key: &SubjectKey, version: i32, connector: &str) -> Option<String> {
        let (id, blocked) = self.store.with_subject(key, |state| {
            let state = state?;
            let id = state.ids.iter().find(|(_, v)| **v == version).map(|(id, _)| *id);
            Some((id, state.blocked.get(&version)?.clone()))
        })?;
        let id = id.map(|id| format!(" (id {id})")).unwrap_or_default();
        let reasons: Vec<_> = blocked.reasons.iter().map(|r| format!("{} at {}: {}", r.kind, r.path, r.description)).collect();
        Some(format!(
            "the schema of subject \"{}\" has changed: version {version}{id} is not compatible with version {}, the last that was accepted: {}; no record of it was put, because of \"{STOP}=true\". Accept the change with POST /schemas/changes/{}/acknowledge, then POST /connectors/{connector}/restart?includeTasks=true&onlyFailed=true",
            key.subject,
            blocked.against,
            reasons.join("; "),
            blocked.event
        ))
    }

    /// Completes once everything that was found is in the log, or the time is up.
    pub async fn stop(&self, within: Duration) {
        self.store.flush(within).await;
    }
}

fn field_change(change: ColumnChange) -> event::FieldChange {
    let kind = match change.kind {
        Difference::Added => ChangeKind::Added,
        Difference::Removed => ChangeKind::Removed,
        Difference::Renamed => ChangeKind::Renamed,
        Difference::TypeChanged => ChangeKind::TypeChanged,
        Difference::DefaultChanged => ChangeKind::DefaultChanged,
    };
    Change { path: change.column, kind, before: change.before, after: change.after }.into()
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
