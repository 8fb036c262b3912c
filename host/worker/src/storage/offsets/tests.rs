//! On an embedded broker.

use millrace_broker::{Broker, BrokerConfig};
use serde_json::{Value, json};

use super::*;

const WORKERS: &str = "connect-offsets";

struct Rig {
    broker: Broker,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Rig {
        let dir = tempfile::tempdir().expect("a folder");
        Rig { broker: Broker::start(BrokerConfig::new(dir.path())).await.expect("a broker"), _dir: dir }
    }

    /// As a worker has them that has just started.
    async fn started(&self, exactly_once: bool) -> Arc<OffsetTopics> {
        let clients = ClientSettings::new(self.broker.address().to_string(), RawConfig::new());
        let log = Arc::new(StateLog::new(clients.clone(), "test").expect("a producer"));
        let storage = Storage { topic: WORKERS.into(), partitions: 3, replication: 1, settings: Vec::new() };
        let topics = OffsetTopics::new(log, clients, "test", storage, exactly_once);
        topics.make(WORKERS).await.expect("the worker's topic");
        let reader = topics.clone();
        let read = move || reader.log.read("test", &[WORKERS.into()], |_, key, value| reader.take(key, value));
        tokio::task::spawn_blocking(read).await.expect("no panic").expect("it is read");
        topics
    }
}

/// Of a connector with this topic of its own; empty: with none.
fn of(topics: &Arc<OffsetTopics>, own: &str) -> ConnectorOffsets {
    topics.of(&RawConfig::from([(TOPIC.to_owned(), own.to_owned())]))
}

/// Offsets of partitions; none: forgotten.
fn offsets(all: &[(&str, Option<u64>)]) -> Vec<SourceOffset> {
    let offset = |n: Option<u64>| n.map_or(Value::Null, |n| json!({"n": n}));
    all.iter().map(|(p, n)| SourceOffset { partition: json!({"p": p}), offset: offset(*n) }).collect()
}

async fn write(store: &ConnectorOffsets, connector: &str, all: &[(&str, Option<u64>)]) {
    store.write(connector, &offsets(all)).await.expect("they are written");
}

async fn read(store: &ConnectorOffsets, connector: &str) -> Vec<(String, u64)> {
    let text = |o: SourceOffset| (o.partition["p"].as_str().unwrap().to_owned(), o.offset["n"].as_u64().unwrap());
    store.read(connector).await.expect("they are read").into_iter().map(text).collect()
}

fn pairs(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(p, n)| (p.to_string(), *n)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_its_own_comes_first_and_the_workers_fills_up() {
    for exactly_once in [false, true] {
        let rig = Rig::start().await;
        let topics = rig.started(exactly_once).await;
        write(&of(&topics, ""), "c", &[("a", Some(1)), ("b", Some(1))]).await;
        let own = of(&topics, "own");
        assert_eq!(read(&own, "c").await, pairs(&[("a", 1), ("b", 1)]), "it goes on where it was");
        write(&own, "c", &[("a", Some(2))]).await;
        write(&own, "other", &[("a", Some(9))]).await;
        assert_eq!(read(&of(&topics, ""), "c").await, pairs(&[("a", 2), ("b", 1)]), "without the topic it goes on too");

        let topics = rig.started(exactly_once).await;
        assert_eq!(read(&of(&topics, ""), "c").await, pairs(&[("a", 2), ("b", 1)]), "the worker's topic has a copy");
        // As if the copy had not come that far.
        topics.worker.write("c", &offsets(&[("a", Some(1))])).await.expect("written");
        assert_eq!(read(&of(&topics, "own"), "c").await, pairs(&[("a", 2), ("b", 1)]));
        assert_eq!(read(&of(&topics, " own "), "other").await, pairs(&[("a", 9)]), "two connectors share it");
        assert_eq!(read(&of(&topics, WORKERS), "c").await, pairs(&[("a", 1), ("b", 1)]), "the worker's is none of its own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_is_in_neither_topic() {
    let rig = Rig::start().await;
    let topics = rig.started(false).await;
    write(&of(&topics, "own"), "c", &[("a", Some(1)), ("b", Some(1))]).await;
    topics.settle().await.expect("copied");
    write(&of(&topics, "own"), "c", &[("a", Some(2)), ("b", Some(2))]).await;
    // The copies of these may still be on their way.
    write(&of(&topics, "own"), "c", &[("a", None), ("b", Some(3))]).await;
    for topics in [&topics, &rig.started(false).await] {
        for own in ["own", ""] {
            assert_eq!(read(&of(topics, own), "c").await, pairs(&[("b", 3)]), "in \"{own}\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_does_not_come_behind_what_is_later() {
    let rig = Rig::start().await;
    let topics = rig.started(false).await;
    write(&of(&topics, "own"), "c", &[("a", Some(1)), ("b", Some(1))]).await;
    write(&of(&topics, ""), "c", &[("a", Some(2))]).await;
    topics.settle().await.expect("copied");
    assert_eq!(read(&of(&rig.started(false).await, ""), "c").await, pairs(&[("a", 2), ("b", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_with_the_records_is_copied_too() {
    let rig = Rig::start().await;
    let topics = rig.started(true).await;
    write(&of(&topics, "own"), "c", &[("b", Some(1))]).await;
    let own = of(&topics, "own");
    let all = offsets(&[("a", Some(1)), ("b", None)]);
    let prepared = own.prepare("c", &all).await.expect("prepared");
    assert_eq!((prepared.topic.as_str(), prepared.entries.len()), ("own", 2));
    topics.log.write(&prepared.topic, &prepared.entries).await.expect("written");
    own.committed("c", &all);
    assert_eq!(own.shown("c").await.expect("shown"), offsets(&[("a", Some(1))]));
    topics.settle().await.expect("copied");
    for own in ["own", ""] {
        assert_eq!(read(&of(&rig.started(true).await, own), "c").await, pairs(&[("a", 1)]), "in \"{own}\"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_read_and_makes_no_topic() {
    let rig = Rig::start().await;
    let topics = rig.started(false).await;
    write(&of(&topics, ""), "c", &[("a", Some(1))]).await;
    assert_eq!(of(&topics, "own").shown("c").await.expect("shown"), offsets(&[("a", Some(1))]));
    assert!(!topics.log.has("own", HAS_TIMEOUT).await.expect("an answer"));
    write(&of(&topics, "own"), "c", &[("a", Some(2))]).await;
    // By who has not read the topic, beside a connector that has.
    let topics = rig.started(false).await;
    let running = of(&topics, "own");
    write(&running, "other", &[("a", Some(9))]).await;
    topics.worker.write("c", &offsets(&[("a", Some(1))])).await.expect("written");
    assert_eq!(of(&topics, "own").shown("c").await.expect("shown"), offsets(&[("a", Some(2))]));
    assert_eq!(topics.own.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_would_lose_offsets_is_refused() {
    let rig = Rig::start().await;
    let topics = rig.started(false).await;
    // Made by its first record, it is not compacted.
    topics.log.write("plain", &topics.worker.prepare("c", &offsets(&[("a", Some(1))])).entries).await.expect("written");
    let error = of(&topics, "plain").read("c").await.expect_err("it is not compacted").to_string();
    for part in ["\"plain\"", "\"offsets.storage.topic\"", "cleanup.policy=delete", "name another topic"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
}
