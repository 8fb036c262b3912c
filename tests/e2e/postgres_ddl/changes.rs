//! Schema changes as records, with their place in the log and, where event triggers are allowed, their statement.

use millrace_tests::{Log, Postgres, Worker, eventually, read_topics};
use rdkafka::Message;
use serde_json::{Value, json};

use super::{WITHIN, settled, source};

/// The records of the topic `ddl` about a table, in their order: type, columns, key, statement and place.
async fn changes(worker: &Worker, table: &str) -> anyhow::Result<Vec<Value>> {
    let records = read_topics(&worker.bootstrap, |t| t == "ddl").await?;
    let id = format!("\"src\".\"public\".\"{table}\"");
    let mut found = Vec::new();
    for record in records {
        let value: Value = serde_json::from_slice(record.payload().unwrap_or_default())?;
        let payload = &value["payload"];
        anyhow::ensure!(value["schema"]["name"] == "io.debezium.connector.postgresql.SchemaChangeValue", "{}", value["schema"]);
        for change in payload["tableChanges"].as_array().into_iter().flatten().filter(|c| c["id"] == id.as_str()) {
            let names = |v: &Value| {
                let list = v.as_array().into_iter().flatten();
                list.map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(" ")
            };
            anyhow::ensure!(payload["source"]["lsn"].as_i64().is_some_and(|l| l > 0), "no place in the log: {payload}");
            anyhow::ensure!(payload["source"]["txId"].as_i64().is_some_and(|x| x > 0), "no transaction: {payload}");
            let (table, ddl) = (&change["table"], payload["ddl"].as_str().unwrap_or("-"));
            let this = json!([change["type"], names(&table["columns"]), table["primaryKeyColumnNames"], ddl]);
            // What was not acknowledged before a kill comes again, as any record does.
            if found.last() != Some(&this) {
                found.push(this);
            }
        }
    }
    Ok(found)
}

async fn expect(worker: &Worker, table: &str, expected: Value) -> anyhow::Result<()> {
    eventually("the schema changes", WITHIN, || async {
        let found = changes(worker, table).await?;
        anyhow::ensure!(json!(found) == expected, "{found:#?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schema_changes_are_records_once_also_after_the_worker_was_killed() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create table a (id int primary key, x text)").await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    worker.create("ddl", source(pg.port, &[("include.schema.changes", "true")])).await?;
    settled(&pg, &worker).await?;
    for sql in ["insert into a values (1, 'a')", "alter table a add y int; insert into a values (2, 'b', 3)"] {
        pg.execute("src", sql).await?;
    }
    settled(&pg, &worker).await?;
    let mut all = vec![json!(["CREATE", "id x", ["id"], "-"]), json!(["ALTER", "id x y", ["id"], "-"])];
    expect(&worker, "a", json!(all)).await?;
    worker.kill();
    // While it is away: in one transaction, and the key's name too.
    pg.execute("src", "begin; alter table a rename x to z; insert into a values (4, 'c', 5); alter table a drop y; alter table a rename id to k; insert into a values (6, 'd'); commit").await?;
    worker.up().await?;
    settled(&pg, &worker).await?;
    all.extend([json!(["ALTER", "id z y", ["id"], "-"]), json!(["ALTER", "k z", ["k"], "-"])]);
    expect(&worker, "a", json!(all)).await?;
    // People are told of all but the first, which is no change.
    let alerts = eventually("the changes are told", WITHIN, || async {
        let (_, told) = worker.get("/schemas/changes?kind=source.schema_changed&limit=10").await?;
        let mut told = told["changes"].as_array().cloned().unwrap_or_default();
        told.reverse();
        told.dedup_by(|a, b| a["changes"] == b["changes"]);
        anyhow::ensure!(told.len() == 3, "{told:#?}");
        Ok(told)
    });
    let texts = |alert: &Value| {
        let place = alert["source"]["lsn"].as_str().is_some_and(|l| l.contains('/'));
        assert!(place && alert["source"]["table"] == "public.a" && alert["affected"][0]["connector"] == "ddl", "{alert}");
        alert["changes"].as_array().into_iter().flatten().map(|c| c["text"].clone()).collect::<Vec<_>>()
    };
    let alerts: Vec<_> = alerts.await?.iter().map(texts).collect();
    let expected = [
        json!(["field \"y\" was added: int4"]),
        json!(["field \"z\" was renamed from x to z"]),
        json!(["field \"k\" was renamed from id to k", "field \"y\" was removed: int4"]),
    ];
    assert_eq!(json!(alerts), json!(expected));
    // Nothing is told again where nothing changed.
    worker.kill();
    worker.up().await?;
    pg.execute("src", "insert into a values (7, 'e')").await?;
    settled(&pg, &worker).await?;
    expect(&worker, "a", json!(all)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_come_with_their_changes_where_triggers_are_allowed() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "create table a (id int primary key, x text)").await?;
    let mut worker = Worker::start(Log::Embedded).await?;
    let settings = [("include.schema.changes", "true"), ("schema.changes.ddl.enabled", "true")];
    worker.create("ddl", source(pg.port, &settings)).await?;
    settled(&pg, &worker).await?;
    pg.execute("src", "alter table a add y int").await?;
    pg.execute("src", "select pg_logical_emit_message(true, 'mine', 'hello')").await?;
    worker.kill();
    // Nobody looks; the column that cannot be null is null in the rows of before.
    pg.execute("src", "insert into a values (1, null, null)").await?;
    for sql in ["update a set x = 'set', y = 1", "alter table a alter y set not null", "create table b (i int)", "drop table b"] {
        pg.execute("src", sql).await?;
    }
    worker.up().await?;
    settled(&pg, &worker).await?;
    let all = json!([
        ["CREATE", "id x", ["id"], "-"],
        ["ALTER", "id x y", ["id"], "alter table a add y int"],
        ["ALTER", "id x y", ["id"], "alter table a alter y set not null"],
    ]);
    expect(&worker, "a", all).await?;
    expect(&worker, "b", json!([["CREATE", "i", [], "create table b (i int)"], ["DROP", "", null, "drop table b"]])).await?;
    // The triggers' messages are no user's; a user's still come.
    let messages = read_topics(&worker.bootstrap, |t| t == "ddl.message").await?;
    let keys: Vec<_> = messages.iter().map(|m| String::from_utf8_lossy(m.key().unwrap_or_default()).into_owned()).collect();
    anyhow::ensure!(!keys.is_empty() && keys.iter().all(|k| k.contains("mine")), "{keys:?}");
    // The row that was null came as null.
    let rows = read_topics(&worker.bootstrap, |t| t == "ddl.public.a").await?;
    let first: Value = serde_json::from_slice(rows[0].payload().unwrap_or_default())?;
    anyhow::ensure!(first["payload"]["after"] == json!({"id": 1, "x": null, "y": null}), "{}", first["payload"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_triggers_is_told_what_to_run() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("src", "alter role app nosuperuser; create table a (id int primary key); grant all on a to app; create publication mine for table a").await?;
    let worker = Worker::start(Log::Embedded).await?;
    let settings = [
        ("include.schema.changes", "true"),
        ("schema.changes.ddl.enabled", "true"),
        ("database.user", "app"),
        ("database.password", "secret"),
        ("publication.name", "mine"),
        ("publication.autocreate.mode", "disabled"),
    ];
    worker.create("ddl", source(pg.port, &settings)).await?;
    let trace = worker.failed("ddl").await?;
    for part in ["schema.changes.ddl.enabled", "CREATE EVENT TRIGGER", "superuser"] {
        anyhow::ensure!(trace.contains(part), "\"{part}\" is not in {trace}");
    }
    Ok(())
}
