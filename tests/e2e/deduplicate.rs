//! What the log has twice comes to a sink once: a PostgreSQL source without exactly-once delivery is killed again and again,
//! and a window that outlives the kills, and follows partitions to other tasks, drops what it repeats.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, read_topics, report};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
/// Kills at least, and at most until the log has something twice.
const KILLS: usize = 3;
const KILLS_MAX: usize = 10;
const TOPIC: &str = "twice.public.t";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A change: its place in the log of the database, the operation and the row; none: a tombstone.
type Change = Option<(i64, String, i64)>;

fn source(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres", "database.password": "x",
        "database.dbname": "src", "topic.prefix": "twice", "plugin.name": "pgoutput", "slot.name": "twice",
        "schema.include.list": "public",
        "key.converter": JSON, "key.converter.schemas.enable": "false",
        "value.converter": JSON, "value.converter.schemas.enable": "false",
        // So long that a kill makes it repeat what it has given since.
        "offset.flush.interval.ms": "4000",
    })
}

/// A sink that appends what comes; the transform of `once` drops what has come.
fn sink(file: &Path, topics: &str, once: bool) -> Value {
    let mut config = json!({
        "connector.class": "FileStreamSink", "file": file, "topics": topics,
        "key.converter": JSON, "key.converter.schemas.enable": "false",
        "value.converter": JSON, "value.converter.schemas.enable": "false",
        "consumer.override.auto.offset.reset": "earliest",
    });
    if once {
        config["transforms"] = "once".into();
        config["transforms.once.type"] = "io.millrace.transforms.Deduplicate".into();
    }
    config
}

fn change(payload: &[u8]) -> anyhow::Result<Change> {
    let value: Value = serde_json::from_slice(payload)?;
    if value.is_null() {
        return Ok(None);
    }
    let row = if value["after"].is_null() { &value["before"] } else { &value["after"] };
    let change = (|| Some((value["source"]["lsn"].as_i64()?, value["op"].as_str()?.to_owned(), row["id"].as_i64()?)))();
    change.map(Some).context("it has no place, operation or row")
}

/// All changes in the order of the log.
async fn logged(bootstrap: &str) -> anyhow::Result<Vec<Change>> {
    read_topics(bootstrap, |t| t == TOPIC).await?.iter().map(|m| change(m.payload().unwrap_or(b"null"))).collect()
}

/// The changes of a log without what it repeats; a tombstone goes with its delete.
fn first_of_each(log: &[Change]) -> Vec<Change> {
    let (mut seen, mut first) = (HashSet::new(), true);
    let fresh = |change: &&Change| {
        if let Some(change) = change {
            first = seen.insert(change.clone());
        }
        first
    };
    log.iter().filter(fresh).cloned().collect()
}

/// What a sink has written, line by line.
fn written(file: &Path) -> anyhow::Result<Vec<Change>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written.
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.map(|line| change(line.as_bytes()).with_context(|| format!("{line:?} is no change"))).collect()
}

/// Inserts, updates and deletes, and rows that come back under the keys of deleted ones.
async fn change_rows(pg: &Postgres, round: usize) -> anyhow::Result<()> {
    let (from, to) = (round * 300 + 1, round * 300 + 300);
    for sql in [
        format!("insert into t select g, 'new' from generate_series({from}, {to}) g"),
        format!("update t set note = 'changed' where id between {from} and {} and id % 2 = 0", to - 100),
        format!("delete from t where id between {from} and {} and id % 3 = 0", to - 50),
        format!("insert into t select g, 'back' from generate_series({from}, {}) g where g % 3 = 0", to - 50),
    ] {
        pg.execute("src", &sql).await?;
    }
    Ok(())
}

async fn every_change_once(log: Log<'_>, name: &str) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create table t (id bigint primary key, note text)").await?;
    pg.execute("src", "alter table t replica identity full").await?;
    pg.execute("src", "insert into t values (0, 'before')").await?;
    let mut worker = Worker::start_with(log, "").await?;
    let bootstrap = worker.bootstrap.clone();
    worker.create("twice", source(pg.port)).await?;
    let sinks = ["once", "plain"].map(|sink| (sink, worker.dir().join(format!("{sink}.txt"))));
    for (name, file) in &sinks {
        worker.create(name, sink(file, TOPIC, *name == "once")).await?;
    }
    // A source that is killed before it has stored an offset reads its snapshot again.
    eventually("the snapshot's offset is stored", WITHIN, || async {
        let (_, offsets) = worker.get("/connectors/twice/offsets").await?;
        anyhow::ensure!(offsets["offsets"].as_array().is_some_and(|o| !o.is_empty()), "{offsets}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;

    let (mut kills, mut doubled) = (0, 0);
    while kills < KILLS || (doubled == 0 && kills < KILLS_MAX) {
        let known = first_of_each(&logged(&bootstrap).await?).len();
        change_rows(&pg, kills).await?;
        // A round is 649 records, 83 of them tombstones.
        eventually("the log has some of the round", WITHIN, || async {
            let now = first_of_each(&logged(&bootstrap).await?).len();
            anyhow::ensure!(now > known + 400, "{now} after {known}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        // The kill is to make the source repeat itself, not the sinks: what they were given is committed.
        for (sink, _) in &sinks {
            worker.request("PUT", &format!("/connectors/{sink}/pause"), None).await?;
        }
        for (sink, _) in &sinks {
            eventually("it has come to rest", WITHIN, || async {
                let (_, status) = worker.get(&format!("/connectors/{sink}/status")).await?;
                anyhow::ensure!(status["tasks"][0]["state"] == "PAUSED", "{status}");
                Ok::<_, anyhow::Error>(())
            })
            .await?;
        }
        worker.kill();
        worker.up().await?;
        kills += 1;
        for (sink, _) in &sinks {
            worker.request("PUT", &format!("/connectors/{sink}/resume"), None).await?;
        }
        let log = logged(&bootstrap).await?;
        doubled = log.len() - first_of_each(&log).len();
    }
    pg.execute("src", "insert into t values (-1, 'last')").await?;
    let log = eventually("the sinks have all of the log", WITHIN, || async {
        let log = logged(&bootstrap).await?;
        anyhow::ensure!(log.last().is_some_and(|c| c.as_ref().is_some_and(|c| c.2 == -1)), "{:?}", log.last());
        for (sink, file) in &sinks {
            let last = written(file)?.pop().flatten();
            anyhow::ensure!(last.as_ref() == log.last().and_then(Option::as_ref), "{sink}: {last:?}: {}", worker.log_tail());
        }
        Ok::<_, anyhow::Error>(log)
    })
    .await?;
    let once = first_of_each(&log);
    anyhow::ensure!(log.len() > once.len(), "{name}: {kills} kills, and the log has nothing twice");
    let [(_, of_once), (_, of_plain)] = &sinks;
    anyhow::ensure!(written(of_plain)? == log, "{name}: without the transform a sink has the log as it is");
    let found = written(of_once)?;
    let differs = found.iter().zip(&once).position(|(a, b)| a != b);
    anyhow::ensure!(
        found == once,
        "{name}: {} lines of {} changes, which differ from line {differs:?} on: {:?}",
        found.len(),
        once.len(),
        differs.map(|at| (&found[at], &once[at]))
    );
    let (_, kept) = worker.get("/connectors/once/state").await?;
    anyhow::ensure!(kept["state"][0]["transform"] == "once", "{kept}");
    let tombstones = |changes: &[Change]| changes.iter().filter(|c| c.is_none()).count();
    report(format_args!(
        "{name}: {kills} kills, {} records for {} changes, {} of them tombstones; the sink has each once, without the transform {} lines twice",
        log.len(),
        once.len(),
        tombstones(&once),
        log.len() - once.len(),
    ));
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_source_repeats_comes_once_on_the_embedded_broker() -> anyhow::Result<()> {
    every_change_once(Log::Embedded, "embedded broker").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_source_repeats_comes_once_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    every_change_once(Log::Kafka(&kafka.address()), "Kafka").await
}

/// Sends the same changes of rows `0..n`, whoever sends them.
async fn send(producer: &FutureProducer, n: i64) -> anyhow::Result<()> {
    let mut sent = Vec::new();
    for id in 0..n {
        let source = json!({"name": "twice", "db": "src", "schema": "public", "table": "t", "lsn": 1_000 + id});
        let value = json!({"before": null, "after": {"id": id}, "op": "c", "source": source, "ts_ms": 1}).to_string();
        let key = json!({ "id": id }).to_string();
        sent.push(
            async move { producer.send(FutureRecord::to(TOPIC).key(&key).payload(&value), WITHIN).await.map_err(|(e, _)| e) },
        );
    }
    futures::future::try_join_all(sent).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_follows_partitions_to_other_tasks() -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    let client = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).clone();
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    for made in admin.create_topics(&[NewTopic::new(TOPIC, 6, TopicReplication::Fixed(1))], &AdminOptions::new()).await? {
        made.map_err(|(topic, e)| anyhow::anyhow!("{topic}: {e}"))?;
    }
    let producer: FutureProducer = client.create()?;
    let file = worker.dir().join("once.txt");
    let mut config = sink(&file, TOPIC, true);
    config["tasks.max"] = "1".into();
    worker.create("once", config.clone()).await?;
    let has = |n: i64| {
        let file = &file;
        move || async move {
            let found = written(file)?;
            anyhow::ensure!(found.iter().flatten().any(|c| c.2 == n - 1), "{} lines", found.len());
            Ok::<_, anyhow::Error>(found.len() as i64)
        }
    };
    let mut n = 1_000;
    send(&producer, n).await?;
    eventually("all is written", WITHIN, has(n)).await?;
    for tasks in ["3", "2", "6"] {
        config["tasks.max"] = tasks.into();
        let (status, said) = worker.request("PUT", "/connectors/once/config", Some(&config)).await?;
        anyhow::ensure!(status == 200, "{said}");
        // What the tasks before have dropped is counted no more.
        eventually("the new tasks run", WITHIN, || async {
            let (_, status) = worker.get("/connectors/once/status").await?;
            let all = status["tasks"].as_array().cloned().unwrap_or_default();
            anyhow::ensure!(all.len().to_string() == tasks && all.iter().all(|t| t["state"] == "RUNNING"), "{status}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        // All of it once more, and a few that are new behind it in each partition.
        send(&producer, n).await?;
        n += 100;
        send(&producer, n).await?;
        eventually("all partitions are read to their end", WITHIN, || async {
            let (_, offsets) = worker.get("/connectors/once/offsets").await?;
            let read: i64 =
                offsets["offsets"].as_array().into_iter().flatten().filter_map(|o| o["offset"]["kafka_offset"].as_i64()).sum();
            let all = read_topics(&worker.bootstrap, |t| t == TOPIC).await?.len() as i64;
            anyhow::ensure!(read == all, "{read} of {all}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        let found = written(&file)?;
        let ids: HashSet<i64> = found.iter().flatten().map(|c| c.2).collect();
        anyhow::ensure!(found.len() as i64 == n && ids.len() as i64 == n, "{tasks} tasks: {} lines of {n} changes", found.len());
    }
    let (_, kept) = worker.get("/connectors/once/state").await?;
    let tasks: HashSet<i64> = kept["state"].as_array().into_iter().flatten().filter_map(|s| s["task"].as_i64()).collect();
    anyhow::ensure!(tasks.len() > 1, "{kept}");
    let page = super::plugin_metrics::page(&worker).await?;
    let dropped = page.families.get("kafka_connect_plugins_duplicates_dropped_total").context("nothing is counted")?;
    anyhow::ensure!(
        dropped.series.keys().all(|labels| labels.contains("plugin=\"Deduplicate\",transform=\"once\"")),
        "{:?}",
        dropped.series
    );
    // The tasks of the last configuration have met what came twice since, however they share it: 1,200 changes two times more.
    anyhow::ensure!(dropped.series.values().sum::<f64>() >= 2_400.0, "{:?}", dropped.series);
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_told_what_to_do_instead() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let mut config = source(1);
    config["transforms"] = "once".into();
    config["transforms.once.type"] = "Deduplicate".into();
    let (status, said) = worker.request("POST", "/connectors", Some(&json!({"name": "twice", "config": config}))).await?;
    let said = said["message"].as_str().unwrap_or_default().to_owned();
    anyhow::ensure!(
        status == 400 && said.contains("transforms.once.type") && said.contains("it is for sinks"),
        "{status} {said}"
    );
    anyhow::ensure!(said.contains("exactly.once.source.support=enabled"), "{said}");
    let mut config = sink(Path::new("/tmp/none"), TOPIC, true);
    config["transforms.once.ttl.ms"] = "0".into();
    config["transforms.once.max.entries"] = "many".into();
    let (status, said) = worker.request("POST", "/connectors", Some(&json!({"name": "once", "config": config}))).await?;
    let said = said["message"].as_str().unwrap_or_default().to_owned();
    anyhow::ensure!(
        status == 400 && said.contains("Invalid value 0 for configuration ttl.ms") && said.contains("max.entries"),
        "{status} {said}"
    );
    Ok(())
}
