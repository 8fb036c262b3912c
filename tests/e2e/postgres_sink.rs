//! The PostgreSQL sink by itself: random changes, poison among them, while its connections are cut and its partitions move
//! away and come back. Afterwards the table is what the log says, and the dead letter queue has the poison and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_tests::{Log, Postgres, Worker, eventually, read_topics};
use rand::Rng;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);
const TOPIC: &str = "numbers";
const PARTITIONS: i32 = 3;
const ROUNDS: usize = 40;
const KEYS: i32 = 200;
/// Records that are wrong: PostgreSQL refuses a negative number, the sink one without a key.
const POISON: f64 = 0.01;

fn sink(port: u16, assignment: &str) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": TOPIC,
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "delete.enabled": "true",
        "primary.key.mode": "record_key", "collection.name.format": "numbers",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dlq",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "consumer.override.auto.offset.reset": "earliest", "consumer.override.session.timeout.ms": "6000",
        "consumer.override.partition.assignment.strategy": assignment,
    })
}

fn key(id: i32) -> String {
    json!({"schema": {"type": "struct", "fields": [{"field": "id", "type": "int32"}]}, "payload": {"id": id}}).to_string()
}

fn value(id: i32, n: i32) -> String {
    let fields = json!([{"field": "id", "type": "int32"}, {"field": "n", "type": "int32"}]);
    json!({"schema": {"type": "struct", "fields": fields}, "payload": {"id": id, "n": n}}).to_string()
}

/// What the log has been given, and what it must come to.
struct Changes {
    producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    made: i32,
    rows: BTreeMap<i32, i32>,
    /// Records that are wrong.
    poison: BTreeSet<i32>,
    /// Records that are wrong, and may not matter.
    maybe: BTreeSet<i32>,
}

impl Changes {
    fn new(bootstrap: &str) -> anyhow::Result<Changes> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create()?;
        Ok(Changes { producer, made: 0, rows: BTreeMap::new(), poison: BTreeSet::new(), maybe: BTreeSet::new() })
    }

    fn send(&self, id: i32, key: Option<&str>, value: Option<&str>) -> anyhow::Result<()> {
        let mut record = BaseRecord::<str, str>::to(TOPIC).partition(id % PARTITIONS);
        record.key = key;
        record.payload = value;
        self.producer.send(record).map_err(|(e, _)| e.into())
    }

    /// One change of a row, or a record that cannot be one.
    fn change(&mut self) -> anyhow::Result<()> {
        let mut rng = rand::rng();
        let id = rng.random_range(0..KEYS);
        self.made += 1;
        let n = self.made;
        if rng.random_bool(POISON) {
            let wrong = rng.random_range(0..3);
            if wrong == 0 {
                // Where a good change of its row follows at once, PostgreSQL is never asked.
                self.maybe.insert(n);
                return self.send(id, Some(&key(id)), Some(&value(id, -n)));
            }
            self.poison.insert(n);
            let own = KEYS + n;
            return match wrong {
                1 => self.send(own, Some(&key(own)), Some(&value(own, -n))),
                _ => self.send(id, None, Some(&value(id, n))),
            };
        }
        if rng.random_bool(0.2) {
            self.rows.remove(&id);
            return self.send(id, Some(&key(id)), None);
        }
        self.rows.insert(id, n);
        self.send(id, Some(&key(id)), Some(&value(id, n)))
    }
}

/// Another member of the sink's group takes some of its partitions, reads a little and leaves; it commits nothing.
fn visit(bootstrap: &str, assignment: &str, stay: Duration) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "connect-sink")
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "6000")
        .set("partition.assignment.strategy", assignment)
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    let until = Instant::now() + stay;
    while Instant::now() < until {
        if let Some(Err(e)) = consumer.poll(Duration::from_millis(50)) {
            anyhow::bail!("the visitor cannot read: {e}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_what_the_log_says_when_all_partitions_move() -> anyhow::Result<()> {
    random_changes("range").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_what_the_log_says_when_some_partitions_move() -> anyhow::Result<()> {
    random_changes("cooperative-sticky").await
}

async fn random_changes(assignment: &'static str) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("dst", "create table numbers (id int primary key, n int check (n >= 0))").await?;
    let worker = Worker::start(Log::Embedded).await?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    admin.create_topics(&[topic], &AdminOptions::new()).await?;
    let mut changes = Changes::new(&worker.bootstrap)?;
    worker.create("sink", sink(pg.port, assignment)).await?;

    for _ in 0..ROUNDS {
        let (burst, cut, visited, pause) = {
            let mut rng = rand::rng();
            (rng.random_range(1..1_000), rng.random_bool(0.3), rng.random_bool(0.1), rng.random_range(0..150))
        };
        for _ in 0..burst {
            changes.change()?;
        }
        let visitor = visited.then(|| {
            let (bootstrap, stay) = (worker.bootstrap.clone(), Duration::from_millis(3_000 + pause));
            tokio::task::spawn_blocking(move || visit(&bootstrap, assignment, stay))
        });
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if cut {
            let ours = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'millrace sink%'";
            pg.execute("dst", ours).await?;
        }
        if let Some(visitor) = visitor {
            visitor.await??;
        }
    }
    changes.producer.flush(WITHIN)?;

    let expected: Vec<String> = changes.rows.iter().map(|(id, n)| format!("{id}|{n}")).collect();
    eventually("the table is what the log says", WITHIN, || async {
        let rows = pg.query("dst", "select id, n from numbers order by id").await?;
        let wrong: Vec<_> = rows.iter().filter(|r| !expected.contains(r)).take(5).collect();
        let missing: Vec<_> = expected.iter().filter(|r| !rows.contains(r)).take(5).collect();
        anyhow::ensure!(rows == expected, "of {} records wrong {wrong:?}, missing {missing:?}", changes.made);
        Ok(())
    })
    .await?;
    eventually("the dead letter queue has the poison", WITHIN, || async {
        let mut found = BTreeSet::new();
        for m in read_topics(&worker.bootstrap, |t| t == "dlq").await? {
            let value: Value = serde_json::from_slice(m.payload().unwrap_or_default())?;
            found.extend(value["payload"]["n"].as_i64().map(|n| n.abs() as i32));
        }
        let lost: Vec<_> = changes.poison.difference(&found).collect();
        let innocent: Vec<_> = found.iter().filter(|n| !changes.poison.contains(n) && !changes.maybe.contains(n)).collect();
        anyhow::ensure!(lost.is_empty() && innocent.is_empty(), "not there {lost:?}, there by mistake {innocent:?}");
        Ok(())
    })
    .await?;
    worker.running("sink").await
}
