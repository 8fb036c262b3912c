//! Dead letters are redriven with a patch that mends them, and the worker is killed twice in the midst: every one has exactly
//! one outcome, and its row is in the table exactly once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, report};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

const TOPIC: &str = "orders";
const QUEUE: &str = "dead";
/// Of a thousand records a step may take so long, however loaded the machine is.
const PATIENCE_A_THOUSAND: Duration = Duration::from_secs(2);

/// How many dead letters there are.
fn records() -> u64 {
    std::env::var("MILLRACE_REDRIVE_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

fn patience() -> Duration {
    Duration::from_secs(120) + PATIENCE_A_THOUSAND * (records() / 1_000) as u32
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_is_redriven_once_when_the_worker_is_killed_on_the_embedded_broker() -> anyhow::Result<()> {
    redrive(Log::Embedded, "embedded broker").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_is_redriven_once_when_the_worker_is_killed_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    redrive(Log::Kafka(&kafka.address()), "Kafka").await
}

/// It adds rows, and keeps its offsets with them: a record that came twice would be refused the second time.
fn sink(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": TOPIC,
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "insert", "exactly.once": "true",
        "primary.key.mode": "record_value", "primary.key.fields": "id", "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": QUEUE, "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true", "consumer.override.auto.offset.reset": "earliest",
    })
}

/// Its key is missing, and stands in another field.
fn produce(bootstrap: &str) -> anyhow::Result<()> {
    let producer: ThreadedProducer<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("queue.buffering.max.messages", "100000").create()?;
    let fields = json!([{"field": "id", "type": "int32", "optional": true}, {"field": "other", "type": "int32"}]);
    let schema = json!({"type": "struct", "fields": fields});
    for i in 0..records() {
        let value = json!({"schema": schema, "payload": {"id": null, "other": i}}).to_string();
        let mut record = BaseRecord::<str, str>::to(TOPIC).payload(&value);
        while let Err((KafkaError::MessageProduction(_), back)) = producer.send(record) {
            record = back;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

/// Gives every record of a topic, of which a million need not be in memory at once.
fn each(
    bootstrap: &str,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(&[u8], &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "millrace-tests")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(30))?;
    let mut all = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|t| wanted(t.name())) {
        for p in topic.partitions() {
            all.add_partition_offset(topic.name(), p.id(), Offset::Beginning)?;
        }
    }
    consumer.assign(&all)?;
    let (mut open, mut heard) = (all.count(), Instant::now());
    while open > 0 {
        ensure!(heard.elapsed() < Duration::from_secs(60), "the topic was not read to its end");
        match consumer.poll(Duration::from_millis(200)) {
            None => continue,
            Some(Ok(m)) => take(m.key().unwrap_or_default(), m.payload().unwrap_or_default())?,
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(e)) => return Err(e.into()),
        }
        heard = Instant::now();
    }
    Ok(())
}

async fn job(worker: &Worker, id: &str) -> anyhow::Result<Value> {
    Ok(worker.get(&format!("/dlq/{QUEUE}/jobs/{id}")).await?.1)
}

/// Once so many have been redriven.
async fn redriven(worker: &Worker, id: &str, n: u64) -> anyhow::Result<Value> {
    eventually(&format!("{n} are redriven"), patience(), || async {
        let job = job(worker, id).await?;
        ensure!(job["redriven"].as_u64() >= Some(n), "{job}\n{}", worker.log_tail());
        Ok::<_, anyhow::Error>(job)
    })
    .await
}

async fn redrive(log: Log<'_>, name: &str) -> anyhow::Result<()> {
    let n = records();
    let pg = Postgres::start().await?;
    pg.execute("dst", "create table orders (id int primary key, other int)").await?;
    let mut worker = Worker::start(log).await?;
    let bootstrap = worker.bootstrap.clone();
    let started = Instant::now();
    tokio::task::spawn_blocking(move || produce(&bootstrap)).await??;
    worker.create("sink", sink(pg.port)).await?;
    let look: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    eventually("all are dead letters", patience(), || async {
        let (_, end) = look.fetch_watermarks(QUEUE, 0, Duration::from_secs(10))?;
        ensure!(end as u64 == n, "{end} of {n}: {}", worker.log_tail());
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let dead = started.elapsed();

    let patch = json!([{"op": "copy", "from": "/other", "path": "/id"}]);
    let mut wanted = json!({"all": true, "patch": patch, "by": "the fault test"});
    if n <= 100_000 {
        // It takes long enough to be killed in the midst.
        wanted["rate"] = json!(n / 10);
    }
    let started = Instant::now();
    let (status, made) = worker.request("POST", &format!("/dlq/{QUEUE}/redrive"), Some(&wanted)).await?;
    ensure!(status == 202, "{status} {made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    let mut killed_at = Vec::new();
    for part in [4, 2] {
        let before = redriven(&worker, &id, n / part).await?;
        ensure!(before["state"] == "RUNNING", "it was too fast to be killed in the midst: {before}");
        killed_at.push(before["redriven"].as_u64().unwrap_or_default());
        worker.kill();
        worker.up().await?;
    }
    let done = eventually("the job is done", patience(), || async {
        let job = job(&worker, &id).await?;
        ensure!(job["state"] == "DONE", "{job}\n{}", worker.log_tail());
        Ok::<_, anyhow::Error>(job)
    })
    .await?;
    let took = started.elapsed();

    let counts = ["redriven", "filtered", "failed_again", "discarded", "skipped", "missing"].map(|c| done[c].as_u64());
    assert_eq!(counts, [Some(n), Some(0), Some(0), Some(0), Some(0), Some(0)], "{done}");
    let bootstrap = worker.bootstrap.clone();
    let outcomes = tokio::task::spawn_blocking(move || {
        let mut of = HashMap::<i64, u32>::new();
        each(
            &bootstrap,
            |t| t.starts_with("_millrace_redrive"),
            |key, value| {
                let key: Value = serde_json::from_slice(key)?;
                if key[0] == "outcome" {
                    let outcome: Value = serde_json::from_slice(value)?;
                    ensure!(outcome["outcome"] == "redriven", "{key}: {outcome}");
                    *of.entry(key[3].as_i64().expect("an offset")).or_default() += 1;
                }
                Ok(())
            },
        )?;
        Ok::<_, anyhow::Error>(of)
    })
    .await??;
    assert_eq!(outcomes.len() as u64, n, "every dead letter has an outcome");
    let twice = outcomes.values().filter(|count| **count != 1).count();
    assert_eq!(twice, 0, "dead letters whose outcome was written twice");
    let rows = pg.query("dst", "select count(*), count(distinct id), min(id), max(id) from orders where id = other").await?;
    assert_eq!(rows, [format!("{n}|{n}|0|{}", n - 1)]);
    let (_, end) = look.fetch_watermarks(QUEUE, 0, Duration::from_secs(10))?;
    assert_eq!(end as u64, n, "none is a dead letter again");
    report(format!(
        "{name}: {n} dead letters in {:.0} s, redriven with a patch in {:.0} s with kills at {killed_at:?}",
        dead.as_secs_f64(),
        took.as_secs_f64()
    ));
    ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}
