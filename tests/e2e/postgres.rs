//! PostgreSQL to PostgreSQL through both plugins, by the JSON that users of Debezium have, and what users are told when
//! something is wrong.

use std::time::Duration;

use millrace_tests::{Log, Postgres, Worker, eventually};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);

/// The connector of Debezium's tutorial, with the host changed.
fn tutorial(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres",
        "database.password": "postgres", "database.dbname": "src", "topic.prefix": "dbserver1", "schema.include.list": "inventory",
    })
}

fn jdbc_sink(port: u16) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1",
        "topics": "dbserver1.inventory.customers", "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"),
        "connection.username": "postgres", "connection.password": "postgres", "insert.mode": "upsert", "delete.enabled": "true",
        "primary.key.mode": "record_key", "schema.evolution": "basic", "collection.name.format": "customers",
    })
}

fn with(mut config: Value, settings: &[(&str, &str)]) -> Value {
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    config
}

async fn inventory(pg: &Postgres) -> anyhow::Result<()> {
    pg.execute(
        "src",
        "create schema inventory; create table inventory.customers (id serial primary key, first_name varchar(255) not null, \
         last_name varchar(255) not null, email varchar(255) not null unique, score numeric(8,2), seen timestamptz); \
         insert into inventory.customers (first_name, last_name, email, score, seen) \
         select 'first' || g, 'last' || g, g || '@example.com', g / 4.0, timestamptz '2026-01-01' + g * interval '1 hour' from generate_series(1, 500) g",
    )
    .await
}

/// Waits until the target has the very rows of the source.
async fn equal(pg: &Postgres) -> anyhow::Result<()> {
    let rows = |table: &str| {
        format!(
            "select count(*), md5(string_agg(r::text, ';' order by id)) from \
             (select id, first_name, last_name, email, score, extract(epoch from seen::timestamptz) from {table}) r"
        )
    };
    eventually("the target equals the source", WITHIN, || async {
        let (source, target) = (pg.query("src", &rows("inventory.customers")).await?, pg.query("dst", &rows("customers")).await?);
        anyhow::ensure!(source == target, "source {source:?}, target {target:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debezium_s_tutorial_and_a_jdbc_sink_make_the_target_equal_the_source() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    inventory(&pg).await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("inventory-connector", tutorial(pg.port)).await?;
    worker.create("jdbc-sink", jdbc_sink(pg.port)).await?;
    equal(&pg).await?;
    for sql in [
        "update inventory.customers set last_name = 'x' || id where id % 3 = 0",
        "delete from inventory.customers where id % 7 = 0",
        "update inventory.customers set id = id + 10000 where id % 11 = 0",
        "begin; insert into inventory.customers values (501, 'a', 'b', 'c', 1, now()); delete from inventory.customers where id = 501; commit",
        "update inventory.customers set score = null, seen = null where id < 50",
    ] {
        pg.execute("src", sql).await?;
    }
    equal(&pg).await?;
    // A column that comes later is added to the target.
    pg.execute("src", "alter table inventory.customers add nick text; update inventory.customers set nick = 'n' || id").await?;
    eventually("the new column", WITHIN, || async {
        let sql = "select count(*) from customers where nick = 'n' || id";
        let n = pg.query("dst", sql).await?;
        anyhow::ensure!(n == pg.query("src", "select count(*) from inventory.customers").await?, "{n:?}");
        Ok(())
    })
    .await?;
    // The slot is confirmed, so that the server need not keep its log.
    eventually("the slot is confirmed", WITHIN, || async {
        let sql =
            "select pg_current_wal_lsn() - confirmed_flush_lsn < 1000000 from pg_replication_slots where slot_name = 'debezium'";
        anyhow::ensure!(pg.query("src", sql).await? == ["t"], "not yet");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_waited_for() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    inventory(&pg).await?;
    pg.down(false)?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("source", tutorial(pg.port)).await?;
    worker.create("sink", jdbc_sink(pg.port)).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    pg.up().await?;
    equal(&pg).await?;
    // A crash of the server in the middle of the stream.
    pg.execute("src", "update inventory.customers set last_name = 'before'").await?;
    pg.down(false)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    pg.up().await?;
    pg.execute(
        "src",
        "update inventory.customers set last_name = 'after' where id < 100; delete from inventory.customers where id = 7",
    )
    .await?;
    equal(&pg).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_on_the_server_is_named_with_its_remedy() -> anyhow::Result<()> {
    let pg = Postgres::start_with("wal_level = replica").await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("level", tutorial(pg.port)).await?;
    let trace = worker.failed("level").await?;
    for part in ["wal_level=replica", "ALTER SYSTEM SET wal_level"] {
        anyhow::ensure!(trace.contains(part), "\"{part}\" is not in {trace}");
    }
    let refused = with(tutorial(pg.port), &[("database.user", "app"), ("database.password", "wrong")]);
    worker.create("password", refused).await?;
    let trace = worker.failed("password").await?;
    anyhow::ensure!(trace.contains("app") && trace.contains("password"), "{trace}");
    anyhow::ensure!(!trace.contains("wrong"), "the password is in {trace}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_publications_and_slots_that_are_missing_are_named() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    inventory(&pg).await?;
    let worker = Worker::start(Log::Embedded).await?;
    let filtered = [("publication.autocreate.mode", "filtered"), ("table.include.list", "inventory.nothing"), ("slot.name", "a")];
    worker.create("tables", with(tutorial(pg.port), &filtered)).await?;
    let trace = worker.failed("tables").await?;
    anyhow::ensure!(trace.contains("table.include.list"), "{trace}");

    let disabled = [("publication.autocreate.mode", "disabled"), ("publication.name", "mine"), ("slot.name", "b")];
    worker.create("publication", with(tutorial(pg.port), &disabled)).await?;
    let trace = worker.failed("publication").await?;
    anyhow::ensure!(trace.contains("\"mine\"") && trace.contains("CREATE PUBLICATION"), "{trace}");

    // A slot that somebody drops: its changes are lost, which must not pass in silence.
    worker.create("slot", with(tutorial(pg.port), &[("slot.name", "gone")])).await?;
    eventually("an offset", WITHIN, || async {
        let (_, offsets) = worker.get("/connectors/slot/offsets").await?;
        anyhow::ensure!(offsets["offsets"][0]["offset"]["lsn"].is_u64(), "{offsets}");
        Ok(())
    })
    .await?;
    eventually("the slot is dropped", WITHIN, || async {
        let sql = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'gone' and active";
        pg.query("src", sql).await?;
        pg.execute("src", "select pg_drop_replication_slot('gone')").await
    })
    .await?;
    let trace = worker.failed("slot").await?;
    anyhow::ensure!(trace.contains("\"gone\"") && trace.contains("snapshot.mode=when_needed"), "{trace}");
    // The remedy helps.
    let config = with(tutorial(pg.port), &[("slot.name", "gone"), ("snapshot.mode", "when_needed")]);
    let (status, body) = worker.request("PUT", "/connectors/slot/config", Some(&config)).await?;
    anyhow::ensure!(status == 200, "{status} {body}");
    eventually("it runs again", WITHIN, || async {
        let (_, status) = worker.get("/connectors/slot/status").await?;
        anyhow::ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_setting_is_named_at_once() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let wrong = with(tutorial(1), &[("snapshot.mode", "sometimes"), ("slot.name", "No"), ("table.include.list", "(")]);
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "wrong", "config": wrong}))).await?;
    let message = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(status == 400, "{status} {body}");
    for part in ["snapshot.mode", "sometimes", "when_needed", "slot.name", "table.include.list"] {
        anyhow::ensure!(message.contains(part), "\"{part}\" is not in {message}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_record_is_set_aside_or_stops_the_sink() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    inventory(&pg).await?;
    // The target refuses one row.
    pg.execute(
        "dst",
        "create table customers (id int primary key, first_name text, last_name text, email text check (email <> '13@example.com'), \
         score numeric, seen timestamptz)",
    )
    .await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("source", tutorial(pg.port)).await?;
    worker.create("strict", jdbc_sink(pg.port)).await?;
    let trace = worker.failed("strict").await?;
    anyhow::ensure!(trace.contains("check") && trace.contains("errors.tolerance=all"), "{trace}");

    let dlq = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dlq"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    worker.create("tolerant", with(jdbc_sink(pg.port), &dlq)).await?;
    eventually("all rows but one", WITHIN, || async {
        let n = pg.query("dst", "select count(*), count(*) filter (where id = 13) from customers").await?;
        anyhow::ensure!(n == ["499|0"], "{n:?}");
        Ok(())
    })
    .await?;
    worker.running("tolerant").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_come_exactly_once_when_the_worker_is_killed() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create schema inventory; create table inventory.customers (id bigint primary key, note text)").await?;
    // No key in the target: a record that came twice would be there twice.
    pg.execute("dst", "create table customers (id bigint, note text)").await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    worker.create("source", tutorial(pg.port)).await?;
    let sink = with(
        jdbc_sink(pg.port),
        &[("exactly.once", "true"), ("insert.mode", "insert"), ("delete.enabled", "false"), ("primary.key.mode", "none")],
    );
    worker.create("sink", sink).await?;
    let mut written = 0;
    for round in 0..6 {
        for _ in 0..20 {
            pg.execute(
                "src",
                &format!(
                    "insert into inventory.customers select g, 'n' || g from generate_series({written} + 1, {written} + 100) g"
                ),
            )
            .await?;
            written += 100;
        }
        // All of it is in the log before the kill, so that what is doubled is the sink's doing.
        eventually("the log has them", WITHIN, || async {
            let n: usize = pg.query("dst", "select count(*) from customers").await?[0].parse()?;
            anyhow::ensure!(n >= written / 2, "{n} of {written}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;
        if round < 5 {
            worker.kill();
            worker.up().await?;
        }
    }
    eventually("all rows", WITHIN, || async {
        let n = pg.query("dst", "select count(distinct id) from customers").await?;
        anyhow::ensure!(n == [written.to_string()], "{n:?} of {written}");
        Ok(())
    })
    .await?;
    // The log may hold a change twice after a kill; the sink must not have written any record of it twice.
    let offsets = worker.get("/connectors/sink/offsets").await?.1;
    let records = offsets["offsets"][0]["offset"]["kafka_offset"].as_i64();
    let rows = pg.query("dst", "select count(*) from customers").await?;
    eventually("the sink's offset", WITHIN, || async {
        let offsets = worker.get("/connectors/sink/offsets").await?.1;
        let at = offsets["offsets"][0]["offset"]["kafka_offset"].as_i64();
        let rows = pg.query("dst", "select count(*) from customers").await?;
        anyhow::ensure!(
            at.is_some_and(|at| rows == [at.to_string()]),
            "{rows:?} rows, offset {at:?} (before: {rows:?}, {records:?})"
        );
        Ok(())
    })
    .await
    .map_err(|e| anyhow::anyhow!("{e}; rows {rows:?}"))
}
