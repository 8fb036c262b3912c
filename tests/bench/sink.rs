//! Topic to PostgreSQL: a full topic of events with schemas, upserted by each side in turn into a table of its own, one
//! task, rows counted in the table.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::drain::{TUNED, source};
use crate::report::{Side, Window, median, print, verdict};
use crate::system::System;
use crate::topic::Topics;
use crate::{Bench, load};

/// More rows in the topic than the fastest side so far takes in the planned time, as rows a second.
const ROWS_A_SECOND: i64 = 110_000;
const PEER: &str = "Debezium's JDBC sink, default settings";
const WARM_UP: Duration = Duration::from_secs(8);

struct Contender<'a> {
    name: &'static str,
    system: System<'a>,
    extra: &'static [(&'static str, &'static str)],
}

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    const TUNED_SINK: &[(&str, &str)] = &[
        ("batch.size", "2000"),
        ("consumer.override.max.poll.records", "2000"),
        ("consumer.override.fetch.max.bytes", "52428800"),
        ("consumer.override.max.partition.fetch.bytes", "10485760"),
        ("dialect.postgres.unnest.insert.enabled", "true"),
    ];
    let mut sides = Vec::new();
    let mut add = |name, system, extra| sides.push(Contender { name, system, extra });
    if bench.plan.wants("Debezium") {
        let peer = bench.connect().await?;
        add(PEER, peer, &[][..]);
        add("Debezium's JDBC sink, tuned: batch.size 2000, unnest", peer, TUNED_SINK);
    }
    add("Millrace on Kafka", bench.on_kafka().await?, &[]);
    sides.retain(|s| bench.plan.wants(s.name));
    let (topic, rows) = fill(bench).await?;
    let mut figures: Vec<Side> = sides.iter().map(|s| Side::new(s.name)).collect();
    if let Some(warm) = sides.iter().find(|s| s.name.starts_with("Debezium")) {
        sink(bench, warm, &topic, rows, "out_warm", WARM_UP, &mut Side::new("(Connect warms up)")).await?;
    }
    for run in 0..bench.plan.runs {
        for (i, (side, figures)) in sides.iter().zip(&mut figures).enumerate() {
            sink(bench, side, &topic, rows, &format!("out_{i}_{run}"), bench.plan.window(), figures).await?;
        }
    }
    let bytes = Topics::new(&bench.kafka().await?.address())?.sample(&topic, 1_000)?;
    figures.iter_mut().for_each(|s| s.bytes = bytes);
    print("Topic to PostgreSQL, upsert, one task", PEER, PEER, &figures);
    println!();
    let ours = figures.iter().find(|s| s.name.starts_with("Millrace"));
    for peer in figures.iter().filter(|s| s.name.starts_with("Debezium")) {
        let Some(ours) = ours else { continue };
        verdict(&format!("rows a second, times {}", peer.name), ours.rate() / peer.rate(), 8.0, true);
        let cpu = median(&ours.cpu) / median(&peer.cpu);
        println!("  CPU a row {cpu:.3} of it, peak memory {:.3} of it", median(&ours.memory) / median(&peer.memory));
    }
    Ok(())
}

/// A topic that one system fills from the loaded table, so that every sink reads the very same bytes; Debezium where it
/// takes part. Answers its name and how many records it holds.
async fn fill(bench: &Bench) -> anyhow::Result<(String, i64)> {
    let loaded = bench.loaded().await?;
    let rows = loaded.rows.min(bench.plan.seconds as i64 * ROWS_A_SECOND);
    let system = if bench.plan.wants("Debezium") { bench.connect().await? } else { bench.on_kafka().await? };
    let (name, topics) = ("bench_fill", Topics::new(system.bootstrap)?);
    let topic = format!("{name}.public.{}", load::TABLE);
    topics.create(&topic).await?;
    load::copy_slot(&bench.pg, name).await?;
    let mut config = source(bench, name, load::TABLE, name, TUNED);
    for k in ["key.converter.schemas.enable", "value.converter.schemas.enable"] {
        config[k] = json!("true");
    }
    system.create(name, config).await?;
    let started = Instant::now();
    while topics.count(&topic) < rows {
        system.healthy(name).await?;
        let well = started.elapsed() < Duration::from_secs(60) + 10 * bench.plan.window();
        anyhow::ensure!(well, "the topic is not full: {:#}", system.status(name).await?);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    system.delete(name).await?;
    load::drop_slot(&bench.pg, name).await?;
    eprintln!("{} filled the topic in {:.0} s", system.name, started.elapsed().as_secs_f64());
    let held = topics.count(&topic);
    Ok((topic, held))
}

fn config(bench: &Bench, topic: &str, table: &str, extra: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": topic,
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", bench.pg.port), "connection.username": "postgres",
        "connection.password": "x", "insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true",
        "schema.evolution": "basic", "collection.name.format": table, "consumer.override.auto.offset.reset": "earliest",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "true",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true",
    });
    for (key, value) in extra {
        config[*key] = json!(value);
    }
    config
}

/// One run: the rate from the first rows in the table until the time is over or all rows are there.
async fn sink(
    bench: &Bench,
    side: &Contender<'_>,
    topic: &str,
    rows: i64,
    table: &str,
    time: Duration,
    figures: &mut Side,
) -> anyhow::Result<()> {
    side.system.create(table, config(bench, topic, table, side.extra)).await?;
    let client = bench.pg.client("dst").await?;
    // The topic is in the order of its keys and the target has them as primary key: the highest is the count, at the cost
    // of one look into an index. That there are no holes is checked at the end.
    let sql = format!("select coalesce(max(id), 0) from {table}");
    let (started, mut asked) = (Instant::now(), Instant::now());
    let mut window: Option<Window> = None;
    loop {
        // No table yet: no rows.
        let n: i64 = client.query_one(&sql, &[]).await.map_or(0, |r| r.get(0));
        match &window {
            None if n > 0 => window = Some(Window::open(side.system.pid, backend(bench).await?, n)),
            Some(w) if n >= rows || w.seconds() >= time.as_secs_f64() => {
                window.take().expect("just seen").close(figures, n);
                break;
            }
            _ => {}
        }
        if asked.elapsed() > Duration::from_secs(2) {
            asked = Instant::now();
            side.system.healthy(table).await?;
            let patience = time + Duration::from_secs(60);
            anyhow::ensure!(started.elapsed() < patience, "{}: {n} rows: {:#}", side.name, side.system.status(table).await?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    side.system.delete(table).await?;
    let held = client.query_one(&format!("select count(*), max(id) from {table}"), &[]).await?;
    let (count, max): (i64, i64) = (held.get(0), held.get(1));
    anyhow::ensure!(count == max, "{}: {count} rows up to id {max}", side.name);
    drop(client);
    let sql = format!("drop table {table}; checkpoint");
    let gone = || bench.pg.execute("dst", &sql);
    millrace_tests::eventually("the target is free", Duration::from_secs(60), gone).await
}

/// The server's process that writes the rows.
async fn backend(bench: &Bench) -> anyhow::Result<Option<u32>> {
    let sql = "select pid from pg_stat_activity where datname = 'dst' and pid <> pg_backend_pid() and query not like 'select coalesce(max%' \
               and backend_type = 'client backend' order by (state = 'active') desc, state_change desc limit 1";
    Ok(bench.pg.query("dst", sql).await?.first().and_then(|p| p.parse().ok()))
}
