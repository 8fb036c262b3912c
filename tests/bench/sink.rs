//! Topic to PostgreSQL: a full topic of events with schemas, upserted by each side in turn, one task, rows counted in the
//! table.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::drain::source;
use crate::report::{Meter, Side, print};
use crate::system::{Counter, System};
use crate::{Bench, load};

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let kafka = bench.kafka.address();
    let peer = System::connect("Debezium's JDBC sink", &bench.connect, &kafka);
    let ours = System::millrace("Millrace on Kafka", &bench.millrace);
    // The peer needs a minute for what Millrace does in seconds: each side gets what keeps it busy for half a minute.
    let (peer_rows, our_rows) = (bench.rows / 3, bench.rows);
    load::drop_slots(&bench.pg).await?;
    load::table(&bench.pg, "bench_sink").await?;
    load::create_slot(&bench.pg, "bench_sink").await?;
    load::load(&bench.pg, "bench_sink", our_rows).await?;
    // Debezium itself fills the topic, so that both sinks read the very same bytes.
    let name = format!("fill{}", rand::random::<u32>());
    let mut fill = source(bench, &name, "bench_sink", "bench_sink");
    for k in ["key.converter.schemas.enable", "value.converter.schemas.enable"] {
        fill[k] = json!("true");
    }
    peer.create(&name, fill).await?;
    let topic = format!("{name}.public.bench_sink");
    let counter = Counter::new(&kafka)?;
    let deadline = Instant::now() + Duration::from_secs(600);
    while counter.count(&topic) < our_rows {
        anyhow::ensure!(Instant::now() < deadline, "the topic is not full: {:#}", peer.status(&name).await?);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    peer.delete(&name).await?;
    let mut figures = vec![Side::new("Debezium's JDBC sink, batch 2000"), Side::new("Millrace on Kafka, default settings")];
    for run in 0..bench.runs {
        for (i, (system, rows)) in [(peer, peer_rows), (ours, our_rows)].into_iter().enumerate() {
            let out = format!("out_{i}_{run}");
            let mut config = json!({
                "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": topic,
                "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", bench.pg.port), "connection.username": "postgres",
                "connection.password": "x", "insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true",
                "schema.evolution": "basic", "collection.name.format": out, "consumer.override.auto.offset.reset": "earliest",
                "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "true",
                "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true",
            });
            if !system.is_millrace() {
                config["batch.size"] = json!("2000");
                config["consumer.override.max.poll.records"] = json!("2000");
                config["consumer.override.fetch.max.bytes"] = json!("52428800");
                config["consumer.override.max.partition.fetch.bytes"] = json!("10485760");
            }
            system.create(&out, config).await?;
            count(bench, &system, &out, rows, &mut figures[i]).await?;
            system.delete(&out).await?;
            bench.pg.execute("dst", &format!("drop table {out}")).await?;
        }
    }
    print("Topic to PostgreSQL, upsert, one task", &figures);
    Ok(())
}

/// One run: the rate from the first rows seen to `rows`.
async fn count(bench: &Bench, system: &System<'_>, table: &str, rows: i64, side: &mut Side) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(600);
    let mut first: Option<(i64, Meter<'_>)> = None;
    loop {
        let n: i64 = match bench.pg.query("dst", &format!("select count(*) from {table}")).await {
            Ok(n) => n[0].parse()?,
            Err(_) => 0,
        };
        if n >= rows {
            let (from, meter) = first.ok_or_else(|| anyhow::anyhow!("all {rows} rows came at once: set BENCH_ROWS higher"))?;
            meter.stop(side, n - from);
            return Ok(());
        }
        if first.is_none() && n > 0 {
            first = Some((n, Meter::start(system.process)));
        }
        anyhow::ensure!(Instant::now() < deadline, "{}: stuck at {n} of {rows}: {:#}", system.name, system.status(table).await?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
