//! One record of 2,000 is poison: the others are written, it is in the dead letter queue, and few calls were needed for that.
//! The PostgreSQL sink finds it by itself, in one put; for a sink whose puts fail as a whole the worker does.

use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Postgres, Worker, eventually, read_topics, report};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);
const RECORDS: usize = 2_000;
const POISON: usize = 1_234;

/// All of them, before anybody reads.
fn produce(bootstrap: &str, topic: &str, value: impl Fn(usize) -> String) -> anyhow::Result<()> {
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "100").create()?;
    for n in 0..RECORDS {
        producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(&value(n))).map_err(|(e, _)| e)?;
    }
    Ok(producer.flush(WITHIN)?)
}

fn tolerant(mut config: Value, queue: &str) -> Value {
    for (key, value) in [
        ("tasks.max", "1"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", queue),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ] {
        config[key] = value.into();
    }
    config
}

/// The values of the dead letters, once there are any.
async fn letters(worker: &Worker, queue: &'static str) -> anyhow::Result<Vec<String>> {
    eventually("a dead letter", WITHIN, || async {
        let found = read_topics(&worker.bootstrap, move |topic| topic == queue).await?;
        ensure!(!found.is_empty(), "none yet");
        Ok(found.iter().map(|m| String::from_utf8_lossy(m.payload().unwrap_or_default()).into_owned()).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_postgres_sink_finds_it_by_itself() -> anyhow::Result<()> {
    let pg = Postgres::start_with("log_statement = all").await?;
    pg.execute("dst", "create table numbers (id int primary key, n int check (n >= 0))").await?;
    let worker = Worker::start(Log::Embedded).await?;
    let fields = json!([{"field": "id", "type": "int32"}, {"field": "n", "type": "int32"}]);
    produce(&worker.bootstrap, "numbers", |n| {
        let value = if n == POISON { -1 } else { n as i64 };
        json!({"schema": {"type": "struct", "fields": fields}, "payload": {"id": n, "n": value}}).to_string()
    })?;
    let config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "numbers",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", pg.port), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "insert", "primary.key.mode": "record_value",
        "primary.key.fields": "id", "collection.name.format": "numbers",
    });
    worker.create("sink", tolerant(config, "dead")).await?;
    let found = letters(&worker, "dead").await?;
    ensure!(found.len() == 1 && found[0].contains(&format!("\"id\":{POISON}")), "{found:?}");
    eventually("the others are written", WITHIN, || async {
        let rows = pg.query("dst", "select count(*), count(*) filter (where n < 0) from numbers").await?;
        ensure!(rows == [format!("{}|0", RECORDS - 1)], "{rows:?}");
        Ok(())
    })
    .await?;
    // Each try is a savepoint in the batch's own transaction.
    let tries = pg.log()?.lines().filter(|l| l.ends_with("statement: SAVEPOINT part")).count();
    report(format_args!("1 of {RECORDS} records is poison: {} rows, 1 in the dead letter queue, {tries} tries", RECORDS - 1));
    // The log may come in a few batches; of one alone the whole, and 11 times two halves.
    ensure!((3..=26).contains(&tries), "{tries} tries");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_finds_it_for_a_sink_whose_puts_fail_as_a_whole() -> anyhow::Result<()> {
    let plugins = crate::registry_round_trips::relays()?;
    let worker = Worker::start_with(Log::Embedded, &format!("plugin.path={}\n", plugins.display())).await?;
    produce(&worker.bootstrap, "texts", |n| if n == POISON { "poison".to_owned() } else { n.to_string() })?;
    let file = worker.dir().join("out.txt");
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let config = json!({
        "connector.class": "test.RefuseSinkConnector", "topics": "texts", "file": file, "value.converter": string,
    });
    worker.create("sink", tolerant(config, "dead")).await?;
    ensure!(letters(&worker, "dead").await? == ["poison"]);
    eventually("the others are written", WITHIN, || async {
        let text = std::fs::read_to_string(&file)?;
        let lines: Vec<usize> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(lines.len() == RECORDS - 1, "{} lines", lines.len());
        ensure!(lines.is_sorted() && !lines.contains(&POISON), "each once, in order");
        Ok(())
    })
    .await?;
    let page = super::plugin_metrics::page(&worker).await?;
    let calls = page.get("plugins_puts_total", r#"connector="sink",task="0",plugin="refuse""#).context("its puts")?;
    report(format_args!("1 of {RECORDS} records is poison: {} written, 1 in the dead letter queue, {calls} puts", RECORDS - 1));
    // The log may come in a few batches; of one alone the whole, 11 halves, the record and the rest behind it.
    ensure!((3.0..=18.0).contains(&calls), "{calls} puts");
    Ok(())
}
