//! The monitor on a registry in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use millrace_record::Wake;
use millrace_registry::compatibility::Level;
use millrace_registry::{ParsedSchema, SchemaType};

use super::connectors::Watched;
use super::event::*;
use super::reader::Fetched;
use super::rules::{Rule, Webhook};
use super::store::Query;
use super::*;
use crate::task::TaskId;
use crate::task::schema_gate::{Passage, SchemaGate, SchemaGates};

/// An event as others of this module's tests need one.
pub fn event(id: u64, subject: &str) -> ChangeEvent {
    let mut event = ChangeEvent {
        id,
        kind: EventKind::VersionChanged,
        ts_ms: 1_700_000_000_000,
        summary: String::new(),
        registry: Some("http://r".into()),
        subject: Some(subject.into()),
        previous: Some(SchemaVersion { version: 1, id: Some(1), schema_type: Some(SchemaType::Avro) }),
        current: Some(SchemaVersion { version: 2, id: Some(2), schema_type: Some(SchemaType::Avro) }),
        deleted: Vec::new(),
        changes: vec![FieldChange {
            path: "email".into(),
            kind: millrace_registry::ChangeKind::Added,
            before: None,
            after: Some("string".into()),
            text: "field \"email\" was added: string".into(),
        }],
        compatibility: None,
        affected: vec![Affected {
            connector: "orders-sink".into(),
            kind: "sink".into(),
            topics: vec!["orders".into()],
            tables: vec![],
            stops: false,
        }],
        source: None,
        muted: false,
        acknowledged: false,
        acknowledged_ts_ms: None,
        acknowledged_by: None,
    };
    event.summary = event.summarized();
    event
}

#[derive(Default)]
struct Registry {
    subjects: Mutex<BTreeMap<String, BTreeMap<i32, i32>>>,
    texts: Mutex<Vec<String>>,
    down: AtomicBool,
    level: Mutex<Level>,
}

impl Registry {
    /// Answers the id.
    fn register(&self, subject: &str, text: &str) -> i32 {
        let mut texts = self.texts.lock();
        let id = match texts.iter().position(|t| t == text) {
            Some(at) => at,
            None => {
                texts.push(text.to_owned());
                texts.len() - 1
            }
        } as i32
            + 100;
        let mut subjects = self.subjects.lock();
        let versions = subjects.entry(subject.to_owned()).or_default();
        let next = versions.keys().next_back().map_or(1, |v| v + 1);
        versions.insert(next, id);
        id
    }

    fn up(&self) -> Result<(), Unreachable> {
        if self.down.load(Ordering::Relaxed) { Err(Unreachable("refused".into())) } else { Ok(()) }
    }

    fn fetched(&self, id: i32, version: i32) -> Option<Arc<Fetched>> {
        let text = self.texts.lock().get(usize::try_from(id - 100).ok()?)?.clone();
        let parsed = ParsedSchema::parse(SchemaType::Avro, &text, &[]);
        Some(Arc::new(Fetched { version, id, schema_type: SchemaType::Avro, text: text.into(), parsed }))
    }
}

#[async_trait]
impl SubjectReader for Registry {
    async fn versions(&self, subject: &str) -> Result<Vec<i32>, Unreachable> {
        self.up()?;
        Ok(self.subjects.lock().get(subject).map(|v| v.keys().copied().collect()).unwrap_or_default())
    }
    async fn version(&self, subject: &str, version: i32) -> Result<Option<Arc<Fetched>>, Unreachable> {
        self.up()?;
        let id = self.subjects.lock().get(subject).and_then(|v| v.get(&version).copied());
        Ok(id.and_then(|id| self.fetched(id, version)))
    }
    async fn by_id(&self, id: i32, _subject: &str) -> Result<Option<Arc<Fetched>>, Unreachable> {
        self.up()?;
        Ok(self.fetched(id, 0))
    }
    async fn versions_of(&self, id: i32, _subject: &str) -> Result<Vec<(String, i32)>, Unreachable> {
        self.up()?;
        let subjects = self.subjects.lock();
        let all = subjects.iter().flat_map(|(s, v)| v.iter().map(move |(v, i)| (s.clone(), *v, *i)));
        Ok(all.filter(|(_, _, i)| *i == id).map(|(s, v, _)| (s, v)).collect())
    }
    async fn level(&self, _subject: &str) -> Result<Level, Unreachable> {
        self.up()?;
        Ok(*self.level.lock())
    }
}

struct One(Arc<Registry>);

impl Readers for One {
    fn reader(&self, _settings: &RawConfig) -> Result<(String, Arc<dyn SubjectReader>), String> {
        Ok(("http://r".into(), self.0.clone()))
    }
}

struct Fixed(Mutex<Vec<Watched>>);

#[async_trait]
impl Connectors for Fixed {
    async fn all(&self) -> Option<Vec<Watched>> {
        Some(self.0.lock().clone())
    }
    async fn resolve(&self, _value: &str) -> Option<String> {
        None
    }
}

fn config(more: &[(&str, &str)]) -> RawConfig {
    let all = [("topics", "t"), ("value.converter", "io.confluent.connect.avro.AvroConverter")];
    all.iter().chain(more).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

fn sink(name: &str, more: &[(&str, &str)]) -> Watched {
    Watched { name: name.into(), sink: true, config: config(more), topics: vec![], stopped: false }
}

fn monitor(connectors: Vec<Watched>) -> (Arc<SchemaMonitor>, Arc<Registry>) {
    let registry = Arc::<Registry>::default();
    let settings = MonitorSettings {
        enabled: true,
        interval: Duration::from_secs(30),
        storage: crate::config::Storage { topic: "s".into(), partitions: 1, replication: 1, settings: vec![] },
        webhooks: vec![],
    };
    let connectors = Arc::new(Fixed(Mutex::new(connectors)));
    let readers = Arc::new(One(registry.clone()));
    let made = SchemaMonitor::new(settings, RawConfig::new(), connectors, readers, Store::new(None));
    (made.unwrap(), registry)
}

fn gate(monitor: &Arc<SchemaMonitor>, connector: &str, more: &[(&str, &str)]) -> Arc<dyn SchemaGate> {
    let id = TaskId { connector: connector.into(), task: 0 };
    SchemaGates::enter(monitor, &id, true, &config(more), &Wake::default()).expect("has a registry")
}

/// Asks until there is an answer. None: it passes.
async fn pass(gate: &dyn SchemaGate, id: i32) -> Result<Option<String>, String> {
    loop {
        match gate.pass("t", false, id) {
            Passage::Pass => return Ok(None),
            Passage::Refused(why) => return Ok(Some(why)),
            Passage::Wait(wait) => wait.await.map_err(|e| e.to_string())?,
        }
    }
}

fn all(monitor: &SchemaMonitor) -> Vec<Arc<ChangeEvent>> {
    let (mut all, _) = monitor.store.changes(&Query { limit: 100, ..Query::default() });
    all.reverse();
    all
}

const STOPS: &[(&str, &str)] = &[(STOP, "true")];
const V1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
/// It reads what V1 wrote.
const V2: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":""}]}"#;
/// It does not.
const BAD: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

#[tokio::test]
async fn a_change_is_told_once_with_its_difference() {
    let (monitor, registry) = monitor(vec![sink("s", &[("table.name.format", "x_${topic}")])]);
    registry.register("t-value", V1);
    monitor.round().await;
    assert!(all(&monitor).is_empty(), "a baseline is no change");
    let mut stream = monitor.stream();
    registry.register("t-value", V2);
    monitor.round().await;
    monitor.round().await;
    let events = all(&monitor);
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!((event.kind, event.id), (EventKind::VersionChanged, 1));
    assert_eq!(event.previous.as_ref().map(|v| (v.version, v.id)), Some((1, Some(100))));
    assert_eq!(event.current.as_ref().map(|v| (v.version, v.id)), Some((2, Some(101))));
    assert!(event.changes.iter().any(|c| c.path == "b" && c.text.contains("was added")), "{:?}", event.changes);
    assert!(event.compatibility.as_ref().is_some_and(|c| c.compatible && c.level == Level::Backward));
    let affected = &event.affected[0];
    assert_eq!((affected.connector.as_str(), &affected.tables[..], affected.stops), ("s", &["x_t".to_owned()][..], false));
    assert_eq!(stream.recv().await.unwrap().id, 1);
}

#[tokio::test]
async fn only_who_asked_stops_and_goes_on_once_it_is_acknowledged() {
    let (monitor, registry) = monitor(vec![sink("stops", STOPS), sink("runs", &[])]);
    *registry.level.lock() = Level::None;
    let first = registry.register("t-value", V1);
    monitor.round().await;
    let (stops, runs) = (gate(&monitor, "stops", STOPS), gate(&monitor, "runs", &[]));
    assert_eq!(pass(&*stops, first).await, Ok(None));
    // Its first record comes before any round.
    let bad = registry.register("t-value", BAD);
    let why = pass(&*stops, bad).await.unwrap().expect("it is refused");
    for part in ["\"t-value\"", "version 2 (id 101)", "version 1,", "/schemas/changes/1/acknowledge", "connectors/stops/restart"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(pass(&*runs, bad).await, Ok(None));
    assert!(stops.refusal().is_some() && runs.refusal().is_none());
    monitor.round().await;
    let events = all(&monitor);
    assert_eq!(events.len(), 1, "it was found once");
    assert_eq!(events[0].kind, EventKind::Incompatible);
    let verdict = events[0].compatibility.as_ref().expect("has a verdict");
    assert_eq!((verdict.level, verdict.compared_by, verdict.against), (Level::None, Level::Backward, Some(1)));
    assert!(!verdict.reasons.is_empty());
    let stopped: Vec<_> = events[0].affected.iter().filter(|a| a.stops).map(|a| a.connector.as_str()).collect();
    assert_eq!(stopped, ["stops"]);
    // A task that is restarted without a word stops again.
    assert!(gate(&monitor, "stops", STOPS).refusal().is_some());

    let done = monitor.acknowledge(1, Some("ada".into())).await.unwrap().expect("there is one");
    assert_eq!((done.acknowledged, done.acknowledged_by.as_deref()), (true, Some("ada")));
    let again = gate(&monitor, "stops", STOPS);
    assert_eq!((again.refusal(), pass(&*again, bad).await), (None, Ok(None)));
    assert!(monitor.acknowledge(9, None).await.unwrap().is_none());
}

#[tokio::test]
async fn subjects_that_records_name_are_watched_for_sources_and_sinks() {
    let by_name = &[("value.converter.value.subject.name.strategy", "RecordNameStrategy")];
    let source = Watched { name: "in".into(), sink: false, config: config(by_name), topics: vec!["t".into()], stopped: false };
    let (monitor, registry) = monitor(vec![source, sink("out", by_name)]);
    let first = registry.register("R", V1);
    monitor.round().await;
    assert!(monitor.watched.lock().is_empty(), "no record has told of a subject yet");
    let id = |connector: &str| TaskId { connector: connector.into(), task: 0 };
    let writes = SchemaGates::enter(&monitor, &id("in"), false, &config(by_name), &Wake::default()).expect("takes names");
    let reads = gate(&monitor, "out", by_name);
    for gate in [&writes, &reads] {
        assert!(matches!(gate.pass("t", false, first), Passage::Pass), "nobody waits");
    }
    let users = || monitor.watched.lock().values().map(|s| s.users.len()).sum::<usize>();
    while users() < 2 {
        tokio::task::yield_now().await;
    }
    monitor.round().await;
    registry.register("R", V2);
    monitor.round().await;
    let events = all(&monitor);
    let affected: Vec<_> = events[0].affected.iter().map(|a| (a.connector.as_str(), a.kind.as_str())).collect();
    assert_eq!((events.len(), &affected[..]), (1, &[("in", "source"), ("out", "sink")][..]));
    // By its topics a source is watched without a look at its records.
    assert!(SchemaGates::enter(&monitor, &id("in"), false, &config(&[]), &Wake::default()).is_none());
}

#[tokio::test]
async fn a_round_stops_sinks_that_have_met_no_record_yet() {
    let (monitor, registry) = monitor(vec![sink("stops", STOPS)]);
    registry.register("t-value", V1);
    monitor.round().await;
    let stops = gate(&monitor, "stops", STOPS);
    registry.register("t-value", V2);
    monitor.round().await;
    assert_eq!(stops.refusal(), None);
    registry.register("t-value", BAD);
    monitor.round().await;
    assert!(stops.refusal().is_some_and(|why| why.contains("version 3")));
}

#[tokio::test]
async fn a_version_that_goes_back_to_what_was_accepted_passes() {
    let (monitor, registry) = monitor(vec![sink("stops", STOPS)]);
    registry.register("t-value", V1);
    monitor.round().await;
    let bad = registry.register("t-value", BAD);
    let good = registry.register("t-value", V2);
    monitor.round().await;
    let gate = gate(&monitor, "stops", STOPS);
    assert_eq!(pass(&*gate, good).await, Ok(None));
    assert!(pass(&*gate, bad).await.unwrap().is_some());
}

#[tokio::test]
async fn a_registry_that_is_down_stops_nothing_and_lets_nothing_unknown_through() {
    let (monitor, registry) = monitor(vec![sink("stops", STOPS)]);
    let first = registry.register("t-value", V1);
    monitor.round().await;
    let gate = gate(&monitor, "stops", STOPS);
    assert_eq!(pass(&*gate, first).await, Ok(None));
    let second = registry.register("t-value", V2);
    registry.down.store(true, Ordering::Relaxed);
    monitor.round().await;
    assert!(all(&monitor).is_empty() && gate.refusal().is_none());
    assert_eq!(pass(&*gate, first).await, Ok(None));
    assert_eq!(pass(&*gate, second).await, Err("refused".into()));
    assert_eq!(monitor.counted.unreachable.load(Ordering::Relaxed), 1);
    registry.down.store(false, Ordering::Relaxed);
    assert_eq!(pass(&*gate, second).await, Ok(None));
}

#[tokio::test]
async fn deletions_are_told() {
    let (monitor, registry) = monitor(vec![sink("s", &[])]);
    registry.register("t-value", V1);
    registry.register("t-value", V2);
    monitor.round().await;
    registry.subjects.lock().get_mut("t-value").unwrap().remove(&2);
    monitor.round().await;
    registry.subjects.lock().remove("t-value");
    monitor.round().await;
    monitor.round().await;
    let events = all(&monitor);
    let found: Vec<_> = events.iter().map(|e| (e.kind, &e.deleted[..], e.current.as_ref().map(|v| v.version))).collect();
    assert_eq!(found, [(EventKind::Deleted, &[2][..], Some(1)), (EventKind::Deleted, &[1][..], None)]);
}

#[tokio::test]
async fn rules_mute_stop_and_set_the_level() {
    let rule = |pattern: &str| Rule { pattern: pattern.into(), webhooks: None, level: None, muted: None, stop: None };
    let (monitor, registry) = monitor(vec![sink("asks", &[]), sink("never", &[(STOP, "false")])]);
    let put = async |rule: Rule| monitor.store.put_rule(&rule.pattern.clone(), Some(rule)).await.unwrap();
    put(Rule { stop: Some(true), level: Some(Level::Full), ..rule("t-*") }).await;
    registry.register("t-value", V2);
    monitor.round().await;
    let (asks, never) = (gate(&monitor, "asks", &[]), gate(&monitor, "never", &[(STOP, "false")]));
    // V1 reads what V2 wrote; V2 reads what V1 writes by its default: FULL.
    registry.register("t-value", V1);
    monitor.round().await;
    assert_eq!((all(&monitor)[0].kind, asks.refusal()), (EventKind::VersionChanged, None));
    let mut stream = monitor.stream();
    put(Rule { muted: Some(true), ..rule("t-value") }).await;
    registry.register("t-value", BAD);
    monitor.round().await;
    assert!(asks.refusal().is_some() && never.refusal().is_none());
    assert!(all(&monitor)[1].muted && stream.try_recv().is_err());
}

#[tokio::test]
async fn a_subject_ends_with_the_last_connector_that_uses_it() {
    let (monitor, registry) = monitor(vec![sink("s", &[("topics", "t, u")])]);
    registry.register("t-value", V1);
    registry.register("u-value", V1);
    monitor.round().await;
    assert_eq!(monitor.store.subjects().len(), 2);
    let (empty, _) = self::monitor(vec![]);
    for key in monitor.store.subjects() {
        empty.store.put_subject(key.clone(), monitor.store.subject(&key).unwrap());
    }
    empty.round().await;
    assert!(empty.store.subjects().is_empty());
}

#[tokio::test]
async fn pages_go_through_all_changes_and_filters_hold() {
    let (monitor, _) = monitor(vec![]);
    for (i, subject) in ["a-value", "b-value", "a-key"].iter().cycle().take(9).enumerate() {
        monitor.store.put_change(Arc::new(event(i as u64 + 1, subject)), []);
    }
    let page = |query: Query| {
        let (page, more) = monitor.store.changes(&query);
        (page.iter().map(|e| e.id).collect::<Vec<_>>(), more)
    };
    assert_eq!(page(Query { limit: 4, ..Query::default() }), (vec![9, 8, 7, 6], true));
    assert_eq!(page(Query { limit: 5, before: Some(6), ..Query::default() }), (vec![5, 4, 3, 2, 1], false));
    assert_eq!(page(Query { limit: 9, subject: Some("a-*".into()), ..Query::default() }), (vec![9, 7, 6, 4, 3, 1], false));
    assert_eq!(page(Query { limit: 9, connector: Some("x".into()), ..Query::default() }), (vec![], false));
    assert_eq!(page(Query { limit: 9, kind: Some(EventKind::Deleted), ..Query::default() }), (vec![], false));
}

#[tokio::test]
async fn webhooks_get_what_rules_name() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (monitor, registry) = monitor(vec![sink("s", &[])]);
    let hook = Webhook { url, format: Default::default(), secret: Some("k".into()) };
    let rule = Rule { pattern: "*".into(), webhooks: Some(vec![hook]), level: None, muted: None, stop: None };
    monitor.store.put_rule("*", Some(rule)).await.unwrap();
    registry.register("t-value", V1);
    monitor.round().await;
    registry.register("t-value", V2);
    monitor.round().await;
    // The first try is refused, the second is taken.
    let mut bodies = Vec::new();
    for status in ["503 Service Unavailable", "204 No Content"] {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let body = loop {
            socket.read_buf(&mut request).await.unwrap();
            let text = String::from_utf8_lossy(&request);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap() {
                assert!(
                    head.to_ascii_lowercase()
                        .contains(&format!("x-millrace-signature: {}", webhook::signature("k", body.as_bytes())))
                );
                break body.to_owned();
            }
        };
        bodies.push(body);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
    assert_eq!(bodies[0], bodies[1]);
    assert!(bodies[0].contains("schema.version_changed"));
    while monitor.webhooks.delivered.taken.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(monitor.webhooks.delivered.retried.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_webhooks_have_yet_to_take_is_known_by_what_they_took() {
    let hook = |url: &str| Webhook { url: url.into(), format: Default::default(), secret: None };
    let (a, workers) = (hook("http://a/x"), vec![hook("http://w/x")]);
    let store = Store::new(None);
    let rule = Rule { pattern: "a-*".into(), webhooks: Some(vec![a.clone()]), level: None, muted: None, stop: None };
    store.put_rule("a-*", Some(rule)).await.unwrap();
    let put = |id: u64, subject: &str| store.put_change(Arc::new(event(id, subject)), store.rules_of(subject).told(&workers));
    let owed = |of: &Webhook| store.owed(&of.name(), &workers).map(|(event, _)| event.id);
    assert_eq!(owed(&a), None, "a webhook begins with its first change");
    for (id, subject) in [(1, "b-value"), (2, "a-value"), (3, "b-value"), (4, "a-key")] {
        put(id, subject);
    }
    assert_eq!((owed(&a), owed(&workers[0])), (Some(2), Some(1)));
    store.webhook_has(&a.name(), 2);
    assert_eq!((owed(&a), owed(&workers[0])), (Some(4), Some(1)));
    // Whoever is not set any more is owed nothing, and is forgotten.
    store.put_rule("a-*", None).await.unwrap();
    assert_eq!(owed(&a), None);
    assert_eq!(store.webhooks(&workers), [workers[0].name()]);
}
