//! DDL while a table streams as Avro: each change gives one version of the value's subject, in the order of the changes, and
//! each record, read by confluent's client, has the shape of its moment. Columns are added, dropped, renamed and retyped while
//! the worker looks, inside one transaction, while it is away, and where it is killed in the midst of it.

mod check;
mod writer;

use anyhow::ensure;
use millrace_tests::clients::read_avro;
use millrace_tests::{Log, Postgres, Worker, eventually, read_topics, report};
use rdkafka::Message;
use serde_json::{Value, json};

use super::postgres_ddl::{WITHIN, source};
use check::Snapshot;
use writer::{Done, Writer};

const FIRST: &str = "id:long n:int? note:string?";
const BASE: &str = "k:long n:long? remark:string?";
const AFTER_AWAY: &str = "k:long n:long? d:long?";
const KILLS: usize = 4;

/// Each kind of change, while the worker looks.
const SEEN: [(&str, &str); 8] = [
    ("alter table t add column extra int4", "id:long n:int? note:string? extra:int?"),
    ("alter table t rename column note to remark", "id:long n:int? remark:string? extra:int?"),
    ("alter table t alter column n type int8", "id:long n:long? remark:string? extra:int?"),
    ("alter table t alter column extra type text using extra::text", "id:long n:long? remark:string? extra:string?"),
    ("alter table t drop column extra", "id:long n:long? remark:string?"),
    ("alter table t add column flag bool", "id:long n:long? remark:string? flag:boolean?"),
    // Back to a version that is there.
    ("alter table t drop column flag", "id:long n:long? remark:string?"),
    ("alter table t rename column id to k", BASE),
];

/// In one transaction; it ends as it began.
const AT_ONCE: [(&str, &str); 4] = [
    ("alter table t add column a int4", "k:long n:long? remark:string? a:int?"),
    ("alter table t rename column a to b", "k:long n:long? remark:string? b:int?"),
    ("alter table t alter column b type text using b::text", "k:long n:long? remark:string? b:string?"),
    ("alter table t drop column b", BASE),
];

/// While the worker is away: two by themselves, and two in one transaction.
const UNSEEN: [(&str, &str); 4] = [
    ("alter table t add column c float8", "k:long n:long? remark:string? c:double?"),
    ("alter table t rename column c to d", "k:long n:long? remark:string? d:double?"),
    ("alter table t alter column d type int8 using d::int8", "k:long n:long? remark:string? d:long?"),
    ("alter table t drop column remark", AFTER_AWAY),
];

fn avro(port: u16, told: bool) -> Value {
    let mut config = source(
        port,
        &[
            ("key.converter", "io.confluent.connect.avro.AvroConverter"),
            ("value.converter", "io.confluent.connect.avro.AvroConverter"),
            ("include.schema.changes", "true"),
            ("schema.changes.ddl.enabled", if told { "true" } else { "false" }),
        ],
    );
    if let Some(config) = config.as_object_mut() {
        config.remove("value.converter.replace.null.with.default");
    }
    config
}

/// Waits until all that was written has come.
async fn settled(worker: &Worker, writer: &mut Writer) -> anyhow::Result<()> {
    let end = writer.end().await?;
    eventually("the last row", WITHIN, || async {
        let records = read_topics(&worker.bootstrap, |t| t == "ddl.public.ends").await?;
        let has = |bytes: &[u8]| bytes.windows(end.len()).any(|w| w == end.as_bytes());
        if !records.iter().any(|r| r.payload().is_some_and(has)) {
            anyhow::bail!("not there: {}", worker.get("/connectors/ddl/status").await?.1);
        }
        Ok(())
    })
    .await
}

async fn all(writer: &mut Writer, changes: &[(&str, &str)]) -> anyhow::Result<()> {
    for (sql, shape) in changes {
        writer.change(sql, shape).await?;
        writer.rows().await?;
    }
    Ok(())
}

async fn at_once(writer: &mut Writer, changes: &[(&str, &str)]) -> anyhow::Result<()> {
    writer.begin().await?;
    writer.rows().await?;
    all(writer, changes).await?;
    writer.commit().await
}

/// Changes around a kill: some of them before it, met or not, and the rest while the worker is gone.
async fn killed(worker: &mut Worker, writer: &mut Writer, round: usize) -> anyhow::Result<()> {
    let base = AFTER_AWAY;
    let with = |name: &str, kind: &str| format!("{base} {name}{round}:{kind}?");
    writer.rows().await?;
    writer.change(&format!("alter table t add column x{round} text"), &with("x", "string")).await?;
    writer.rows().await?;
    if round % 2 == 1 {
        settled(worker, writer).await?;
        writer.rows().await?;
    }
    worker.kill();
    writer.change(&format!("alter table t rename column x{round} to y{round}"), &with("y", "string")).await?;
    writer.rows().await?;
    let retyped = format!("alter table t alter column y{round} type int8 using length(y{round})");
    let dropped = format!("alter table t drop column y{round}");
    at_once(writer, &[(&retyped, &with("y", "long")), (&dropped, base)]).await?;
    worker.up().await
}

async fn every_change_is_one_version(told: bool) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let mut writer = Writer::new(&pg).await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    // Names and types go, which no level of compatibility lets through.
    let (status, answer) = worker.ask_registry("PUT", "/config", Some(&json!({"compatibility": "NONE"}))).await?;
    ensure!(status == 200, "{status} {answer}");
    writer.rows().await?;
    let snapshot = Snapshot { shape: FIRST.into(), rows: writer.live().await? };
    writer.done.clear();
    worker.create("ddl", avro(pg.port, told)).await?;
    settled(&worker, &mut writer).await?;
    writer.rows().await?;
    all(&mut writer, &SEEN).await?;
    settled(&worker, &mut writer).await?;
    at_once(&mut writer, &AT_ONCE).await?;
    // What is rolled back never was.
    writer.begin().await?;
    writer.change("alter table t add column never int4", "k:long n:long? remark:string? never:int?").await?;
    writer.rows().await?;
    writer.rollback().await?;
    writer.rows().await?;
    ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    all(&mut writer, &UNSEEN[..2]).await?;
    at_once(&mut writer, &UNSEEN[2..]).await?;
    worker.up().await?;
    for round in 0..KILLS {
        killed(&mut worker, &mut writer, round).await?;
    }
    settled(&worker, &mut writer).await?;

    let versions = check::versions(&worker, "ddl.public.t-value").await?;
    let records = read_avro(&worker.bootstrap, &worker.registry, &["ddl.public.t"]).await?;
    let places = check::rows(&records, &versions, &snapshot, &writer.done)?;
    let keys: Vec<_> = check::versions(&worker, "ddl.public.t-key").await?.into_iter().map(|v| v.shape).collect();
    ensure!(keys == ["id:long", "k:long"], "{keys:?}");
    let events = read_avro(&worker.bootstrap, &worker.registry, &["ddl"]).await?;
    let changes = check::changes(&events, FIRST, &writer.done, &places, told)?;
    let expected = 1 + writer.done.iter().filter(|d| matches!(d, Done::Change(_))).count();
    ensure!(changes == expected, "{changes} of {expected}");
    report(format!("{} records, {changes} schema changes, {} versions, {KILLS} kills", records.len(), versions.len()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_table_is_one_version_and_told_by_its_statement() -> anyhow::Result<()> {
    every_change_is_one_version(true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_table_is_one_version_without_triggers_too() -> anyhow::Result<()> {
    every_change_is_one_version(false).await
}
