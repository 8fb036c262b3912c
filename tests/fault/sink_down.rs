//! A sink whose database is away holds up nobody but itself: two sinks read one topic, at a steady rate, and the database of
//! one of them is down for the whole time. The worker's memory stays flat, the sink's consumer group keeps its member, the
//! other sink is as quick as before, and when the database is back nothing is lost.
//!
//! `MILLRACE_SINK_DOWN_RATE` records a second (1,000) for `MILLRACE_SINK_DOWN_SECONDS` (30).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use millrace_tests::{Log, Postgres, Worker, eventually, report};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use tokio::sync::watch;

const WITHIN: Duration = Duration::from_secs(600);
/// How long both databases are there first.
const BEFORE: Duration = Duration::from_secs(10);
/// So much may the worker grow while one sink is down, whatever gathers in the log meanwhile.
const GROWTH_MAX: u64 = 100 << 20;
/// Every so many records the time until its row is there is looked at.
const LOOKED_AT: u64 = 20;

fn setting(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(value) => value.parse().with_context(|| format!("{name} is \"{value}\", not a number")),
        Err(_) => Ok(default),
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn sink(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "events",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_value",
        "primary.key.fields": "id", "collection.name.format": "events",
        // Soon back at work once the database is.
        "retry.backoff.max.ms": "2000",
    })
}

/// Sends `rate` records a second until it is told to stop; how many.
async fn produce(bootstrap: String, rate: u64, stop: watch::Receiver<bool>) -> anyhow::Result<u64> {
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).set("linger.ms", "1").create()?;
    let fields =
        json!([{"field": "id", "type": "int64"}, {"field": "sent_ms", "type": "int64"}, {"field": "text", "type": "string"}]);
    let schema = json!({"type": "struct", "fields": fields});
    let (mut sent, mut tick) = (0, tokio::time::interval(Duration::from_millis(10)));
    let started = Instant::now();
    while !*stop.borrow() {
        tick.tick().await;
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            let row = json!({"id": sent, "sent_ms": now_ms(), "text": "a row of some length, as rows are in real life"});
            let value = json!({"schema": schema, "payload": row}).to_string();
            match producer.send(BaseRecord::<(), str>::to("events").partition(0).payload(&value)) {
                Ok(()) => sent += 1,
                // The queue is full: the rest is due at the next tick.
                Err(_) => break,
            }
        }
    }
    tokio::task::spawn_blocking(move || producer.flush(WITHIN)).await??;
    Ok(sent)
}

/// The members of a sink's group, and what state it is in.
fn members(client: &BaseConsumer, group: &str) -> anyhow::Result<(String, Vec<String>)> {
    let groups = client.fetch_group_list(Some(group), Duration::from_secs(10))?;
    let found = groups.groups().first().context("there is no such group")?;
    Ok((found.state().to_owned(), found.members().iter().map(|m| m.id().to_owned()).collect()))
}

async fn count(pg: &Postgres) -> anyhow::Result<u64> {
    Ok(pg.query("dst", "select count(*) from events").await?[0].parse()?)
}

/// From the sending of a record to the commit of its row, in milliseconds, of those sent in a time: median and 99th of 100.
async fn latency(pg: &Postgres, from_ms: u64, to_ms: u64) -> anyhow::Result<(f64, f64)> {
    let sql = format!(
        "select percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 - sent_ms) \
         from events where sent_ms >= {from_ms} and sent_ms < {to_ms} and id % {LOOKED_AT} = 0"
    );
    let row = pg.query("dst", &sql).await?.remove(0);
    let (p50, p99) = row.trim_matches(['{', '}']).split_once(',').with_context(|| format!("no latencies: {row}"))?;
    Ok((p50.parse()?, p99.parse()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_down_holds_only_itself() -> anyhow::Result<()> {
    let rate = setting("MILLRACE_SINK_DOWN_RATE", 1_000)?;
    let down_for = Duration::from_secs(setting("MILLRACE_SINK_DOWN_SECONDS", 30)?);
    let up = Postgres::start_with("track_commit_timestamp = on").await?;
    let away = Postgres::start().await?;
    for pg in [&up, &away] {
        pg.execute("dst", "create table events (id bigint primary key, sent_ms bigint, text text)").await?;
    }
    let worker = Worker::start(Log::Embedded).await?;
    let (stop, stopped) = watch::channel(false);
    let producing = tokio::spawn(produce(worker.bootstrap.clone(), rate, stopped));
    worker.create("up", sink(up.port)).await?;
    worker.create("away", sink(away.port)).await?;
    for pg in [&up, &away] {
        eventually("rows arrive", WITHIN, || async {
            let n = count(pg).await?;
            ensure!(n > 0, "none");
            Ok(())
        })
        .await?;
    }

    let before_from = now_ms();
    tokio::time::sleep(BEFORE).await;
    let before_to = now_ms();
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).set("group.id", "looks-on").create()?;
    let member = members(&client, "connect-away")?;
    ensure!(member.0 == "Stable" && member.1.len() == 1, "{member:?}");

    away.down(true)?;
    let (down_at, down_from) = (Instant::now(), now_ms());
    let mut memory = Vec::new();
    while down_at.elapsed() < down_for {
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.push(worker.process().rss());
        let now = members(&client, "connect-away")?;
        ensure!(now == member, "the group had {member:?} and has {now:?}");
    }
    let down_to = now_ms();
    let (_, status) = worker.get("/connectors/away/status").await?;
    ensure!(status["tasks"][0]["state"] == "FAILED", "nobody is told that it is away: {status}");
    worker.running("up").await?;

    away.up().await?;
    let backlog_from = count(&away).await?;
    let back_at = Instant::now();
    stop.send_replace(true);
    let sent = producing.await??;
    for pg in [&away, &up] {
        eventually("every record is a row", WITHIN, || async {
            let n = count(pg).await?;
            ensure!(n == sent, "{n} of {sent}");
            Ok(())
        })
        .await?;
        if std::ptr::eq(pg, &away) {
            let (rows, took) = (sent - backlog_from, back_at.elapsed().as_secs_f64());
            report(format_args!("recovered {rows} rows in {took:.1} s: {:.0} a second", rows as f64 / took));
        }
    }
    let now = members(&client, "connect-away")?;
    ensure!(now == member, "the group had {member:?} and has {now:?}");
    worker.running("away").await?;

    let before = latency(&up, before_from, before_to).await?;
    let during = latency(&up, down_from, down_to).await?;
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    // Buffers fill at first.
    let settled = memory.len() / 4;
    let (first, most) = (memory[settled], memory.iter().skip(settled).copied().max().unwrap_or_default());
    report(format_args!(
        "{rate} records a second for {} s with one sink down: {sent} sent and all written, none lost; the group kept its member {}",
        down_for.as_secs(),
        member.1[0]
    ));
    report(format_args!(
        "worker: {:.0} MB at first, {:.0} MB after a quarter of the time, at most {:.0} MB from then on, {:.0} MB at the end",
        mb(memory[0]),
        mb(first),
        mb(most),
        mb(*memory.last().context("it was looked at")?)
    ));
    report(format_args!(
        "the other sink, from sent to committed: median {:.1} ms before and {:.1} ms during, 99 of 100 within {:.1} ms and {:.1} ms",
        before.0, during.0, before.1, during.1
    ));
    ensure!(most < first + GROWTH_MAX, "memory grew from {:.0} MB to {:.0} MB", mb(first), mb(most));
    Ok(())
}
