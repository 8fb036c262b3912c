//! A source's records that cannot come to their topic: they are in its dead letter queue, with their place in the source, and
//! the replication slot moves on behind them.

use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Postgres, Worker, eventually, read_topics, report};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);
const TOPIC: &str = "letters.public.t";
/// Of the long note: beyond what the producer takes.
const LONG: usize = 2 << 20;

fn source(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres", "database.password": "x",
        "database.dbname": "src", "topic.prefix": "letters", "slot.name": "letters", "schema.include.list": "public",
        "snapshot.mode": "no_data", "key.converter": "org.apache.kafka.connect.converters.IntegerConverter",
        // The key becomes a number, and one of them is none.
        "transforms": "id,number", "transforms.id.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
        "transforms.id.field": "id", "transforms.number.type": "org.apache.kafka.connect.transforms.Cast$Key",
        "transforms.number.spec": "int32",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "{source_topic}.dlq",
    })
}

fn header<'a>(letter: &'a OwnedMessage, name: &str) -> &'a str {
    let headers = letter.headers().into_iter().flat_map(|h| h.iter());
    let value = headers.filter(|h| h.key == name).last().and_then(|h| h.value);
    value.and_then(|v| std::str::from_utf8(v).ok()).unwrap_or_default()
}

async fn letters(settings: &str) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create table t (id text primary key, note text)").await?;
    let mut worker = Worker::start_with(Log::Embedded, settings).await?;
    worker.create("letters", source(pg.port)).await?;
    eventually("the slot is there", WITHIN, || async {
        let slots = pg.query("src", "select count(*) from pg_replication_slots where slot_name = 'letters' and active").await?;
        ensure!(slots == ["1"], "{slots:?}");
        Ok(())
    })
    .await?;
    worker.running("letters").await?;
    pg.execute(
        "src",
        &format!(
            "insert into t values ('1', 'a'); insert into t values ('poison', 'b'), ('2', 'c'); \
             insert into t values ('3', repeat('x', {LONG})); insert into t values ('4', 'd')"
        ),
    )
    .await?;
    let bootstrap = worker.bootstrap.clone();
    let read = |topic: &'static str, n: usize| {
        let bootstrap = &bootstrap;
        eventually("the records", WITHIN, move || async move {
            let found = read_topics(bootstrap, move |t| t == topic).await?;
            ensure!(found.len() >= n, "{topic}: {} of {n}", found.len());
            Ok::<_, anyhow::Error>(found)
        })
    };
    let keys = |all: &[OwnedMessage]| -> Vec<i32> {
        all.iter().filter_map(|m| Some(i32::from_be_bytes(m.key()?.try_into().ok()?))).collect()
    };
    assert_eq!(keys(&read(TOPIC, 3).await?), [1, 2, 4]);
    let found = read("letters.public.t.dlq", 2).await?;
    ensure!(found.len() == 2, "{} letters", found.len());

    let mut lsns = Vec::new();
    for (letter, stage, id) in [(&found[0], "TRANSFORMATION", "poison"), (&found[1], "KAFKA_PRODUCE", "3")] {
        let key: Value = serde_json::from_slice(letter.key().context("a key")?)?;
        ensure!(key["payload"]["id"] == id && key["schema"].is_object(), "{key}");
        for (name, expected) in [
            ("__connect.errors.topic", TOPIC),
            ("__connect.errors.stage", stage),
            ("__connect.errors.connector.name", "letters"),
            ("dlq.source_topic", TOPIC),
            ("dlq.source_id", "letters"),
        ] {
            assert_eq!(header(letter, name), expected, "{name}");
        }
        let place: Value = serde_json::from_str(header(letter, "dlq.source_offset"))?;
        assert_eq!(header(letter, "__connect.errors.source.offset"), header(letter, "dlq.source_offset"));
        let partition: Value = serde_json::from_str(header(letter, "dlq.source_partition"))?;
        ensure!(partition["server"] == "letters", "{partition}");
        lsns.push(place["lsn"].as_u64().with_context(|| format!("no lsn in {place}"))?);
        ensure!(header(letter, "dlq.sink_id").is_empty() && header(letter, "__connect.errors.partition").is_empty());
    }
    let value: Value = serde_json::from_slice(found[0].payload().context("a value")?)?;
    ensure!(value["payload"]["after"]["note"] == "b" && value["payload"]["op"] == "c", "{value}");
    ensure!(found[1].payload().is_none(), "it is too large for the queue as well");
    let trace = header(&found[1], "dlq.stacktrace");
    ensure!(trace.contains("the value is left out: it has ") && trace.contains("max.request.size"), "{trace}");

    // The slot moves on behind both.
    let last = *lsns.iter().max().context("two letters")?;
    eventually("the slot moves on", WITHIN, || async {
        let sql = "select confirmed_flush_lsn - '0/0'::pg_lsn from pg_replication_slots where slot_name = 'letters'";
        let at: u64 = pg.query("src", sql).await?[0].parse()?;
        ensure!(at >= last, "{at} of {last}");
        Ok(())
    })
    .await?;
    // Once more from the stored offset: nothing of it comes again.
    worker.stop().await;
    worker.up().await?;
    pg.execute("src", "insert into t values ('5', 'e'), ('poison too', 'f')").await?;
    assert_eq!(keys(&read(TOPIC, 4).await?), [1, 2, 4, 5]);
    assert_eq!(read("letters.public.t.dlq", 3).await?.len(), 3);
    report(format_args!("letters of a source at lsn {lsns:?}, and the slot has moved on"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_on_behind_its_dead_letters() -> anyhow::Result<()> {
    letters("").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_exactly_once_they_are_in_the_same_transaction() -> anyhow::Result<()> {
    letters("exactly.once.source.support=enabled\n").await
}
