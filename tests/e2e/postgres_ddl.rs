//! Tables whose shape changes beside their rows: no event has another shape than its table had at that place of the log.

mod alter;
mod changes;
mod check;
mod model;

use std::time::Duration;

use millrace_tests::{Log, Postgres, Worker, eventually, read_topics, report};
use rand::Rng;
use rdkafka::Message;
use serde_json::{Value, json};

use model::Writer;

pub(crate) const WITHIN: Duration = Duration::from_secs(90);
const PREFIX: &str = "ddl";

pub(crate) fn source(port: u16, settings: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "postgres", "tasks.max": "1", "database.hostname": "127.0.0.1", "database.port": port.to_string(),
        "database.user": "postgres", "database.password": "x", "database.dbname": "src", "topic.prefix": PREFIX,
        "decimal.handling.mode": "string", "slot.name": "ddl", "value.converter.replace.null.with.default": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    config
}

/// Inserts a last row, and waits until it has come.
async fn settled(pg: &Postgres, worker: &Worker) -> anyhow::Result<()> {
    let end: u32 = rand::rng().random();
    pg.execute(
        "src",
        &format!("create table if not exists public.ends (id bigint primary key); insert into public.ends values ({end})"),
    )
    .await?;
    eventually("the last row", WITHIN, || async {
        let records = read_topics(&worker.bootstrap, |t| t == "ddl.public.ends").await?;
        let found = records.iter().any(|r| {
            let value: Value = r.payload().and_then(|p| serde_json::from_slice(p).ok()).unwrap_or_default();
            value["payload"]["after"]["id"] == end
        });
        if !found {
            let (_, status) = worker.get("/connectors/ddl/status").await?;
            anyhow::bail!("not there: {status}");
        }
        Ok(())
    })
    .await
}

async fn all_right(worker: &Worker, writers: &[Writer]) -> anyhow::Result<usize> {
    let records = read_topics(&worker.bootstrap, |t| t.starts_with("ddl.s")).await?;
    let mut events = 0;
    for writer in writers {
        events += check::check(&records, PREFIX, writer)?;
    }
    Ok(events)
}

/// The seed of a run, which may be given again.
fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| rand::rng().random_range(0..1 << 32))
}

async fn writers(pg: &Postgres, seed: u64, n: usize) -> anyhow::Result<Vec<Writer>> {
    let mut writers = Vec::new();
    for i in 0..n {
        writers.push(Writer::new(pg.client("src").await?, i, seed).await?);
    }
    Ok(writers)
}

/// All of them at once.
async fn steps(writers: &mut [Writer], n: usize) -> anyhow::Result<()> {
    futures::future::try_join_all(writers.iter_mut().map(|w| w.steps(n))).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_have_the_shape_of_their_place_while_tables_change() -> anyhow::Result<()> {
    let seed = seed();
    let pg = Postgres::start().await?;
    let mut writers = writers(&pg, seed, 4).await?;
    steps(&mut writers, 40).await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("ddl", source(pg.port, &[])).await?;
    // The snapshot is begun while tables change.
    for _ in 0..4 {
        steps(&mut writers, 60).await?;
        settled(&pg, &worker).await?;
    }
    let events = all_right(&worker, &writers).await.map_err(|e| anyhow::anyhow!("SEED={seed}: {e}"))?;
    report(format!("{events} events of tables that change, seed {seed}"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_have_the_shape_of_their_place_after_the_worker_was_away() -> anyhow::Result<()> {
    let seed = seed();
    let pg = Postgres::start().await?;
    let mut writers = writers(&pg, seed, 4).await?;
    steps(&mut writers, 30).await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    worker.create("ddl", source(pg.port, &[])).await?;
    settled(&pg, &worker).await?;
    for round in 0..5 {
        // It is killed in the midst of it, and all that follows is met later.
        steps(&mut writers, 30).await?;
        if round % 2 == 0 {
            worker.kill();
        } else {
            worker.stop().await;
        }
        steps(&mut writers, 60).await?;
        worker.up().await?;
        if round == 3 {
            settled(&pg, &worker).await?;
        }
    }
    steps(&mut writers, 30).await?;
    settled(&pg, &worker).await?;
    let events = all_right(&worker, &writers).await.map_err(|e| anyhow::anyhow!("SEED={seed}: {e}"))?;
    report(format!("{events} events of tables that changed while the worker was away, seed {seed}"));
    Ok(())
}
