//! A table changes while rows come: who is told, what goes on, what stops, and that nothing is lost. docs/schema-evolution.md
//! tells it with the same steps.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Changes, Hook, Log, Postgres, Worker, eventually, report};
use parking_lot::Mutex;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_secs(1);
const SUBJECT: &str = "pg.shop.orders-value";
/// 2,000 rows a second.
const ROWS: usize = 100;
const EVERY: Duration = Duration::from_millis(50);

fn avro(mut config: Value) -> Value {
    for role in ["key", "value"] {
        config[format!("{role}.converter")] = json!("io.confluent.connect.avro.AvroConverter");
    }
    config
}

fn source(port: u16) -> Value {
    avro(json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres",
        "database.password": "postgres", "database.dbname": "src", "topic.prefix": "pg", "schema.include.list": "shop",
    }))
}

fn warehouse(port: u16) -> Value {
    avro(json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "pg.shop.orders",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key",
        "schema.evolution": "basic", "collection.name.format": "orders", "stop_on_incompatible_schema": "true",
        "consumer.override.auto.offset.reset": "earliest",
    }))
}

fn archive(file: &Path) -> Value {
    avro(json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "pg.shop.orders", "file": file,
        "consumer.override.auto.offset.reset": "earliest",
    }))
}

/// Inserts rows at the rate, by the statement that stands in `sql`, until it is told to stop; answers how many.
async fn write(pg: Arc<Postgres>, sql: Arc<Mutex<String>>, stop: Arc<AtomicBool>) -> anyhow::Result<usize> {
    let client = pg.client("src").await?;
    let (mut ticks, mut n) = (tokio::time::interval(EVERY), 0);
    while !stop.load(Ordering::SeqCst) {
        ticks.tick().await;
        let statement = sql.lock().clone();
        n += client.execute(&statement, &[]).await? as usize;
    }
    Ok(n)
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// Waits until the target has the very rows of the source.
async fn equal(pg: &Postgres, columns: &str) -> anyhow::Result<()> {
    let rows = |table: &str| {
        format!("select count(*), md5(string_agg(r::text, ';' order by id)) from (select {columns} from {table}) r")
    };
    eventually("the target equals the source", WITHIN, || async {
        let (source, target) = (pg.query("src", &rows("shop.orders")).await?, pg.query("dst", &rows("orders")).await?);
        ensure!(source == target, "source {source:?}, target {target:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_changes_while_rows_come() -> anyhow::Result<()> {
    let pg = Arc::new(Postgres::start().await?);
    pg.execute("src", "create schema shop; create table shop.orders (id bigserial primary key, amount int not null)").await?;
    let hook = Hook::start(0).await?;
    let settings = format!("schema.monitor.interval.ms={}\nschema.monitor.webhook.urls={}\n", POLL.as_millis(), hook.url);
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    let told_to_hook = |change: &Value| {
        let (hook, id) = (&hook, change["id"].clone());
        eventually("the webhook is told", WITHIN, move || {
            let all: Vec<Value> = hook.deliveries().iter().filter_map(|d| serde_json::from_str(&d.body).ok()).collect();
            let found = all.into_iter().find(|c| c["id"] == id);
            async move { found.context("not yet") }
        })
    };
    let insert = |columns: &str, values: &str| {
        format!("insert into shop.orders ({columns}) select {values} from generate_series(1, {ROWS}) g")
    };
    let sql = Arc::new(Mutex::new(insert("amount", "g")));
    let stop = Arc::new(AtomicBool::new(false));
    let archived = worker.dir().join("archive.txt");
    worker.create("shop", source(pg.port)).await?;
    worker.create("warehouse", warehouse(pg.port)).await?;
    worker.create("archive", archive(&archived)).await?;
    let writer = tokio::spawn(write(pg.clone(), sql.clone(), stop.clone()));
    eventually("rows arrive", WITHIN, || async {
        let there = pg.query("dst", "select count(*) from orders").await?;
        ensure!(there != ["0"] && lines(&archived) > 0, "{there:?}");
        Ok(())
    })
    .await?;
    let mut changes = Changes::of(&worker.rest).await?;

    // A column more.
    let altered = Instant::now();
    pg.execute("src", "alter table shop.orders add column note text").await?;
    *sql.lock() = insert("amount, note", "g, 'n' || g");
    let change = changes.next("schema.version_changed").await?;
    let added = altered.elapsed();
    assert_eq!(change["subject"], json!(SUBJECT), "{change}");
    let diff = change["changes"].as_array().cloned().unwrap_or_default();
    ensure!(diff.iter().any(|c| c["kind"] == "added" && c["path"].as_str().is_some_and(|p| p.ends_with("note"))), "{change}");
    told_to_hook(&change).await?;
    eventually("the new column arrives", WITHIN, || async {
        let there = pg.query("dst", "select count(*) > 1000 from orders where note is not null").await?;
        ensure!(there == ["t"], "{there:?}");
        Ok(())
    })
    .await?;

    // A change that the warehouse cannot read, which the registry is told to let through.
    let body = json!({"compatibility": "NONE"});
    let (status, answer) = worker.ask_registry("PUT", &format!("/config/{SUBJECT}"), Some(&body)).await?;
    ensure!(status == 200, "{status} {answer}");
    let altered = Instant::now();
    pg.execute("src", "alter table shop.orders alter column amount type text using amount::text").await?;
    *sql.lock() = insert("amount, note", "'a' || g, 'n' || g");
    let change = changes.next("schema.incompatible_change_detected").await?;
    let refused = altered.elapsed();
    told_to_hook(&change).await?;
    let affected = change["affected"].as_array().cloned().unwrap_or_default();
    let stops = |name: &str| affected.iter().find(|a| a["connector"] == name).map(|a| a["stops"].clone());
    assert_eq!((stops("warehouse"), stops("archive")), (Some(json!(true)), Some(json!(false))), "{change}");
    let trace = worker.failed("warehouse").await?;
    ensure!(trace.contains(SUBJECT), "{trace}");
    let before = lines(&archived);
    eventually("the others go on", WITHIN, || async {
        let now = lines(&archived);
        ensure!(now > before + 2_000, "{now} lines, {before} before");
        Ok(())
    })
    .await?;
    for name in ["shop", "archive"] {
        worker.running(name).await?;
    }
    let numbers = pg.query("dst", "select data_type from information_schema.columns where column_name = 'amount'").await?;
    assert_eq!(numbers, ["integer"]);

    // The operator makes room for it, accepts it, and starts the warehouse again.
    pg.execute("dst", "alter table orders alter column amount type text using amount::text").await?;
    let path = format!("/schemas/changes/{}/acknowledge", change["id"]);
    let (status, answer) = worker.request("POST", &path, Some(&json!({"by": "ada"}))).await?;
    ensure!(status == 200, "{status} {answer}");
    let (status, answer) =
        worker.request("POST", "/connectors/warehouse/restart?includeTasks=true&onlyFailed=true", None).await?;
    ensure!(status == 202, "{status} {answer}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::SeqCst);
    let written = writer.await??;
    equal(&pg, "id, amount, note").await?;
    let there = pg.query("dst", "select count(*) from orders").await?;
    assert_eq!(there, [written.to_string()]);
    eventually("the archive has all", WITHIN, || async {
        let archived = lines(&archived);
        ensure!(archived == written, "{archived} of {written}");
        Ok(())
    })
    .await?;
    report(format!("{written} rows; a column more was told after {added:?}, another type after {refused:?}; nothing lost"));
    Ok(())
}
