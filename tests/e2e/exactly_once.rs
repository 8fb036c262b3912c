//! Exactly once from a PostgreSQL table to the log: kill -9 of the worker at any moment of streaming, and afterwards the topic
//! holds every change once, in order, for whoever reads what is committed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, read_topics, report};
use parking_lot::Mutex;
use rand::Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
/// How often the worker is killed.
const KILLS: usize = 4;
/// Rows that the snapshot finds.
const BEFORE: i64 = 30_000;
/// Between two transactions of the writer, so that the log stays small enough to be read as a whole.
const WRITE_PAUSE: Duration = Duration::from_millis(5);
/// Offsets before the end among which one is of a committed change, also where a kill has left polls that are aborted.
const TAIL: i64 = 30_000;
const TOPIC: &str = "once.public.t";

fn source(port: u16, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres", "database.password": "x",
        "database.dbname": "src", "topic.prefix": "once", "plugin.name": "pgoutput", "slot.name": "once",
        "schema.include.list": "public",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "exactly.once.support": "required",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    config
}

/// The ids in the topic, in the order of the log.
async fn ids(bootstrap: &str) -> anyhow::Result<Vec<i64>> {
    let mut ids = Vec::new();
    for m in read_topics(bootstrap, |t| t == TOPIC).await? {
        let Some(value) = m.payload() else { continue };
        let value: Value = serde_json::from_slice(value)?;
        ids.extend(value["after"]["id"].as_i64());
    }
    Ok(ids)
}

/// The last id before the end that readers of what is committed see now, while the topic grows.
fn last_committed(bootstrap: &str) -> anyhow::Result<Option<i64>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "millrace-tests")
        .set("enable.partition.eof", "true")
        .create()?;
    let (low, end) = consumer.fetch_watermarks(TOPIC, 0, WITHIN)?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, Offset::Offset(low.max(end - TAIL)))?;
    consumer.assign(&from)?;
    let (mut last, begun) = (None, Instant::now());
    loop {
        anyhow::ensure!(begun.elapsed() < WITHIN, "the topic was not read to its end within {WITHIN:?}");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(m)) if m.offset() < end => {
                let value: Value = serde_json::from_slice(m.payload().unwrap_or(b"null"))?;
                last = value["after"]["id"].as_i64().or(last);
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            // The client goes on by itself.
            None | Some(Err(_)) => {}
        }
    }
}

async fn every_change_once(log: Log<'_>, name: &str, more: &[(&str, &str)]) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create table t (id bigint primary key, note text)").await?;
    pg.execute("src", &format!("insert into t select g, 'before' from generate_series(1, {BEFORE}) g")).await?;
    let mut worker = Worker::start_with(log, "exactly.once.source.support=enabled").await?;
    worker.create("once", source(pg.port, more)).await?;
    // A snapshot that is interrupted begins anew, as Debezium's does: its rows are read again.
    let bootstrap = worker.bootstrap.clone();
    eventually("the snapshot is in the log", WITHIN, || async {
        let seen = ids(&bootstrap).await?.len();
        anyhow::ensure!(seen == BEFORE as usize, "{seen} of {BEFORE}");
        Ok(())
    })
    .await?;
    let client = pg.client("src").await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    // The last change of each transaction.
    let ends = Arc::new(Mutex::new(HashSet::from([BEFORE])));
    let noted = ends.clone();
    let writing = tokio::spawn(async move {
        let mut next = BEFORE + 1;
        while !*stopped.borrow() {
            let n = rand::rng().random_range(1..400);
            noted.lock().insert(next + n - 1);
            let sql =
                format!("insert into t select g, repeat('x', (g % 50)::int) from generate_series({next}, {next} + {n} - 1) g");
            client.execute(sql.as_str(), &[]).await?;
            next += n;
            tokio::time::sleep(WRITE_PAUSE).await;
        }
        Ok::<_, anyhow::Error>(next - 1)
    });
    for _ in 0..KILLS {
        let ms = rand::rng().random_range(200..1_500);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        worker.kill();
        worker.up().await?;
        if more.contains(&("transaction.boundary", "connector")) {
            let at = bootstrap.clone();
            let last = tokio::task::spawn_blocking(move || last_committed(&at)).await??;
            anyhow::ensure!(last.is_some_and(|last| ends.lock().contains(&last)), "{name}: a transaction is seen up to {last:?}");
        }
    }
    // What the last session has read of the log is in use.
    eventually("the task runs", WITHIN, || worker.running("once")).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.send(true)?;
    let last = writing.await??;
    let seen = eventually("the log has every change", WITHIN, || async {
        let seen = ids(&bootstrap).await?;
        anyhow::ensure!(seen.iter().max() == Some(&last), "{:?} of {last}: {}", seen.iter().max(), worker.log_tail());
        Ok(seen)
    })
    .await?;
    let doubled = seen.len() as i64 - last;
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    let missing = (1..=last).find(|id| sorted.binary_search(id).is_err());
    anyhow::ensure!(missing.is_none(), "{name}: change {missing:?} of {last} is missing");
    anyhow::ensure!(doubled == 0, "{name}: {doubled} changes are there twice, of {last}");
    anyhow::ensure!(seen[BEFORE as usize..].is_sorted(), "{name}: changes are out of order");
    let page = super::plugin_metrics::page(&worker).await?;
    let largest = page.families.get("kafka_connect_source_task_metrics_transaction_size_max").context("no size is told")?;
    anyhow::ensure!(largest.series.values().all(|size| *size >= 1.0), "{:?}", largest.series);
    report(format!("{name}: {KILLS} kills, {last} changes, each once"));
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_broker_by_poll() -> anyhow::Result<()> {
    every_change_once(Log::Embedded, "embedded broker, boundary poll", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_broker_by_interval() -> anyhow::Result<()> {
    let more = [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "100")];
    every_change_once(Log::Embedded, "embedded broker, boundary interval", &more).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_broker_by_the_sources_transactions() -> anyhow::Result<()> {
    every_change_once(Log::Embedded, "embedded broker, boundary connector", &[("transaction.boundary", "connector")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    every_change_once(Log::Kafka(&kafka.address()), "Kafka, boundary poll", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_kafka_with_a_topic_of_its_own_for_offsets() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let more = [("offsets.storage.topic", "once-positions"), ("transaction.boundary", "connector")];
    every_change_once(Log::Kafka(&kafka.address()), "Kafka, boundary connector, offsets apart", &more).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn required_is_refused_where_it_cannot_be_had() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let request = json!({"name": "once", "config": source(1, &[])});
    let (status, body) = worker.request("POST", "/connectors", Some(&request)).await?;
    anyhow::ensure!(status == 400, "{status} {body}");
    let said = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(said.contains("does not have exactly-once source support enabled"), "{said}");
    let worker = Worker::start_with(Log::Embedded, "exactly.once.source.support=enabled").await?;
    let file = json!({"connector.class": "FileStreamSource", "file": "/none", "topic": "t", "transaction.boundary": "connector"});
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "once", "config": file}))).await?;
    let said = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(status == 400 && said.contains("connector-defined transaction boundaries"), "{status} {said}");
    Ok(())
}
