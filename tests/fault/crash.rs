//! kill -9 at random moments while a writer changes 20 tables: afterwards the target equals the source row for row, and
//! the log holds every change, in order, without a gap.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::time::{Duration, Instant};

use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, read_topics};
use rand::Rng;
use rdkafka::Message;
use serde_json::{Value, json};

use crate::workload::{TABLES, Writer, Written, create_tables, table};

/// How often the worker is killed. Few times: what else may happen to it is the campaign's, this is about many rows.
fn rounds() -> usize {
    std::env::var("MILLRACE_CRASH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(12)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn target_equals_source_after_kills_on_the_embedded_broker() -> anyhow::Result<()> {
    crash(Log::Embedded, "embedded broker").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn target_equals_source_after_kills_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    crash(Log::Kafka(&kafka.address()), "Kafka").await
}

fn source(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres", "database.password": "x",
        "database.dbname": "src", "topic.prefix": "crash", "plugin.name": "pgoutput", "slot.name": "crash",
        "schema.include.list": "public", "publication.autocreate.mode": "filtered", "snapshot.mode": "initial",
    })
}

fn sink(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1",
        "topics": (0..TABLES).map(topic).collect::<Vec<_>>().join(","),
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres", "connection.password": "x",
        "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key", "schema.evolution": "basic",
        "consumer.override.auto.offset.reset": "earliest",
    })
}

fn topic(i: usize) -> String {
    format!("crash.public.{}", table(i))
}

async fn crash(log: Log<'_>, name: &str) -> anyhow::Result<()> {
    let seed = rand::random::<u64>();
    eprintln!("{name}: seed {seed}");
    let pg = Postgres::start().await?;
    create_tables(&pg.client("src").await?).await?;
    let mut writer = Writer::new(pg.client("src").await?, seed);
    // Some rows before the connector exists, so that the first kills may hit the snapshot.
    for _ in 0..10 {
        writer.transaction().await?;
    }
    let before = writer.written.statements.iter().map(Vec::len).collect::<Vec<_>>();
    let mut worker = Worker::start(log).await?;
    worker.create("source", source(pg.port)).await?;
    // The log has every change from the slot's first position on; what came before it is the snapshot's.
    let made = "select 1 from pg_replication_slots where slot_name = 'crash' and confirmed_flush_lsn is not null";
    eventually("the slot is made", Duration::from_secs(30), || async {
        anyhow::ensure!(!pg.query("src", made).await?.is_empty(), "no slot yet");
        Ok(())
    })
    .await?;
    worker.create("sink", sink(pg.port)).await?;

    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::spawn(async move {
        while !*stopped.borrow_and_update() {
            writer.transaction().await?;
        }
        Ok::<_, anyhow::Error>(writer)
    });
    let started = Instant::now();
    for _ in 0..rounds() {
        let ms = rand::rng().random_range(50..2_000);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        worker.kill();
        worker.up().await?;
    }
    stop.send(true)?;
    let writer = writing.await??;
    let written = writer.written;

    let outcome = eventually("target equals source", Duration::from_secs(180), || compare(&pg)).await;
    if let Err(e) = outcome {
        let (_, status) = worker.get("/connectors?expand=status").await?;
        anyhow::bail!("seed {seed}: {e}\n{status:#}\n{}", worker.log_tail());
    }
    let mut records = 0;
    let mut duplicates = 0;
    for (t, snapshot) in before.into_iter().enumerate() {
        let seen = read_seqs(&worker.bootstrap, topic(t)).await?;
        let (r, d) = check_log(&table(t), &seen, &written, t, snapshot).map_err(|e| anyhow::anyhow!("seed {seed}: {e}"))?;
        records += r;
        duplicates += d;
    }
    // Past the runner, which shows what a test prints only where it fails.
    writeln!(
        std::io::stdout(),
        "{name}: {} kills in {:.0} s, {} transactions, {} rows changed, {records} changes in the log, {duplicates} of them duplicates",
        rounds(),
        started.elapsed().as_secs_f64(),
        written.transactions,
        written.rows
    )?;
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

/// Row for row: the whole of every table, as text, on both sides.
async fn compare(pg: &Postgres) -> anyhow::Result<()> {
    for t in 0..TABLES {
        let columns = "id, seq, name, amount, ok, extract(epoch from at::timestamptz), note";
        let digest = |name: &str| {
            format!(
                "select count(*), md5(coalesce(string_agg(r::text, ';' order by id, seq), '')) from (select {columns} from {name}) r"
            )
        };
        let source = pg.query("src", &digest(&table(t))).await?;
        let target = pg.query("dst", &digest(&topic(t).replace('.', "_"))).await;
        match target {
            Ok(target) => anyhow::ensure!(source == target, "{}: source {source:?}, target {target:?}", table(t)),
            Err(e) => anyhow::ensure!(source[0].starts_with("0|"), "{}: {e}", table(t)),
        }
    }
    Ok(())
}

/// The `seq` of every insert and update in a topic, in order of the log.
async fn read_seqs(bootstrap: &str, topic: String) -> anyhow::Result<Vec<i64>> {
    let mut seqs = Vec::new();
    for m in read_topics(bootstrap, move |t| t == topic).await? {
        let Some(value) = m.payload() else { continue };
        let value: Value = serde_json::from_slice(value)?;
        let after = if value["payload"].is_object() { &value["payload"]["after"] } else { &value["after"] };
        seqs.extend(after["seq"].as_i64());
    }
    Ok(seqs)
}

/// Every committed change is there, first seen in commit order, and nothing that was rolled back. `snapshot` is how many
/// statements came before the connector: of those the log need only hold what the snapshot still found. Answers how many
/// changes the log holds and how many of them it holds again.
fn check_log(name: &str, seen: &[i64], written: &Written, t: usize, snapshot: usize) -> anyhow::Result<(usize, usize)> {
    let statements = &written.statements[t][snapshot..];
    let set: HashSet<i64> = seen.iter().copied().collect();
    let missing: Vec<_> = statements.iter().flatten().filter(|s| !set.contains(s)).take(5).collect();
    anyhow::ensure!(missing.is_empty(), "{name}: the log has a gap: changes {missing:?} are missing");
    let undone: Vec<_> = seen.iter().filter(|s| written.rolled_back.iter().any(|r| r.contains(s))).take(5).collect();
    anyhow::ensure!(undone.is_empty(), "{name}: the log holds changes {undone:?} that were rolled back");
    let statement_of: HashMap<i64, usize> =
        statements.iter().enumerate().flat_map(|(i, s)| s.iter().map(move |q| (*q, i))).collect();
    let mut first = HashSet::new();
    let order: Vec<(usize, i64, usize)> = seen
        .iter()
        .enumerate()
        .filter(|(_, s)| first.insert(**s))
        .filter_map(|(at, s)| Some((*statement_of.get(s)?, *s, at)))
        .collect();
    let disorder = order.windows(2).find(|w| w[0].0 > w[1].0);
    anyhow::ensure!(
        disorder.is_none(),
        "{name}: changes are first seen out of commit order: (statement, change, place in the log) {disorder:?} of {}",
        seen.len()
    );
    Ok((seen.len(), seen.len() - set.len()))
}
