//! The PostgreSQL sink's `exactly.once` as a user of few rights: what it needs of the offsets table, and what it asks for.

use anyhow::ensure;
use millrace_tests::{Log, Postgres, Worker, eventually};
use serde_json::{Value, json};

use super::postgres_evolution::{WITHIN, of, produce, sink};

const OFFSETS: &str = "create table millrace_offsets (connector text not null, topic text not null, \"partition\" int not null, \
     next_offset bigint not null, primary key (connector, topic, \"partition\"))";

/// A target whose user may write rows into a table, and make none.
async fn target() -> anyhow::Result<Postgres> {
    let pg = Postgres::start().await?;
    pg.execute(
        "dst",
        "create role writer login password 'secret'; revoke create on schema public from public; \
         create table kept (id int primary key, n int); grant select, insert, update, delete on kept to writer",
    )
    .await?;
    Ok(pg)
}

fn exactly_once(pg: &Postgres) -> Value {
    sink(
        pg.port,
        "kept",
        &[
            ("connection.username", "writer"),
            ("connection.password", "secret"),
            ("schema.evolution", "none"),
            ("collection.name.format", "kept"),
            ("exactly.once", "true"),
        ],
    )
}

async fn put(worker: &Worker, ids: std::ops::Range<i32>) -> anyhow::Result<()> {
    let rows = ids.map(|id| json!({"id": id, "n": id})).collect();
    produce(&worker.bootstrap, "kept", &[(json!([of("id", "int32"), of("n", "int32")]), rows)]).await
}

/// Waits for the rows, and for the offset that was stored with them.
async fn written(pg: &Postgres, worker: &Worker, n: i32) -> anyhow::Result<()> {
    eventually("the rows and their offset", WITHIN, || async {
        let found =
            pg.query("dst", "select (select count(*) from kept), (select sum(next_offset) from millrace_offsets)").await?;
        if found != [format!("{n}|{n}")] {
            anyhow::bail!("{found:?}: {}", worker.get("/connectors/kept/status").await?.1);
        }
        Ok(())
    })
    .await?;
    worker.running("kept").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offsets_table_that_is_there_needs_no_right_to_make_one() -> anyhow::Result<()> {
    let pg = target().await?;
    pg.execute("dst", &format!("{OFFSETS}; grant select, insert, update on millrace_offsets to writer")).await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    put(&worker, 0..10).await?;
    worker.create("kept", exactly_once(&pg)).await?;
    written(&pg, &worker, 10).await?;
    // Where a row stands in the table already, too.
    worker.kill();
    worker.up().await?;
    put(&worker, 10..20).await?;
    written(&pg, &worker, 20).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_the_offsets_table_is_told_what_to_run() -> anyhow::Result<()> {
    let pg = target().await?;
    let worker = Worker::start(Log::Embedded).await?;
    put(&worker, 0..10).await?;
    worker.create("kept", exactly_once(&pg)).await?;
    let trace = worker.failed("kept").await?;
    for part in ["\"offsets.table\" millrace_offsets", "permission denied", "CREATE TABLE", "GRANT SELECT, INSERT, UPDATE"] {
        ensure!(trace.contains(part), "no \"{part}\" in {trace}");
    }
    // What it says, run by one who may.
    let said = trace.split_once("CREATE TABLE").and_then(|(_, rest)| rest.split_once(';')).map(|(sql, _)| sql);
    let sql = format!("CREATE TABLE{}; grant select, insert, update on millrace_offsets to writer", said.unwrap_or_default());
    pg.execute("dst", &sql).await?;
    let restart = "/connectors/kept/restart?includeTasks=true&onlyFailed=true";
    let (status, body) = worker.request("POST", restart, None).await?;
    ensure!(status == 202, "{status} {body}");
    written(&pg, &worker, 10).await
}
