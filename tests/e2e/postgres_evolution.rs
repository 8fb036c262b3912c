//! `schema.evolution` of the PostgreSQL sink, rule by rule: what tables become, what is written, and what is set aside and
//! why. The records of every case are in the log before its sink starts, so that old and new schemas meet in one batch.

use std::time::Duration;

use millrace_tests::{Log, Postgres, Worker, eventually, read_topics};
use rdkafka::message::Headers;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// One topic, one table `t_<name>`, one sink. `{t}` in texts is the table.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Runs on the target before the sink starts.
    pub(crate) before: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// The fields of a schema, and rows of them.
    pub(crate) records: Vec<(Value, Vec<Value>)>,
    /// `column type`, in order, with `!` behind those that are not null.
    pub(crate) columns: &'static [&'static str],
    /// What `select` gives.
    pub(crate) select: &'static str,
    pub(crate) rows: &'static [&'static str],
    /// What the dead letters say, each of it, in their order.
    pub(crate) dead: &'static [&'static [&'static str]],
}

pub(crate) fn sink(port: u16, topic: &str, settings: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": topic,
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_value",
        "primary.key.fields": "id", "schema.evolution": "basic",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": format!("dead_{topic}"),
        "errors.deadletterqueue.context.headers.enable": "true", "errors.deadletterqueue.context.headers.family": "dlq",
        "errors.deadletterqueue.topic.replication.factor": "1", "consumer.override.auto.offset.reset": "earliest",
    });
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    config
}

fn value(fields: &Value, payload: &Value) -> String {
    json!({"schema": {"type": "struct", "fields": fields}, "payload": payload}).to_string()
}

pub(crate) async fn produce(bootstrap: &str, topic: &str, records: &[(Value, Vec<Value>)]) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    for (fields, rows) in records {
        for row in rows {
            let text = value(fields, row);
            let record: FutureRecord<'_, str, str> = FutureRecord::to(topic).payload(&text);
            producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
        }
    }
    Ok(())
}

/// The code and the message of the dead letters of a topic.
pub(crate) async fn dead(worker: &Worker, topic: &str) -> anyhow::Result<Vec<(String, String)>> {
    let queue = format!("dead_{topic}");
    let found = read_topics(&worker.bootstrap, move |t| t == queue).await?;
    let header = |m: &rdkafka::message::OwnedMessage, name: &str| {
        let all = m.headers().into_iter().flat_map(|h| h.iter());
        let value = all.filter(|h| h.key == name).last().and_then(|h| h.value).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    Ok(found.iter().map(|m| (header(m, "dlq.error_type"), header(m, "dlq.error_message"))).collect())
}

async fn columns(pg: &Postgres, table: &str) -> anyhow::Result<Vec<String>> {
    let sql = format!(
        "select attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then '!' else '' end from pg_attribute \
         where attrelid = to_regclass('{table}')::oid and attnum > 0 and not attisdropped order by attnum"
    );
    pg.query("dst", &sql).await
}

async fn check(pg: &Postgres, worker: &Worker, case: Case) -> anyhow::Result<()> {
    let (topic, table) = (case.name, format!("t_{}", case.name));
    if !case.before.is_empty() {
        pg.execute("dst", &case.before.replace("{t}", &table)).await?;
    }
    produce(&worker.bootstrap, topic, &case.records).await?;
    let mut settings = vec![("collection.name.format", "t_${topic}")];
    settings.extend(case.settings);
    worker.create(topic, sink(pg.port, topic, &settings)).await?;
    let answer = eventually(topic, WITHIN, || async {
        let rows = pg.query("dst", &case.select.replace("{t}", &table)).await.unwrap_or_default();
        anyhow::ensure!(rows == case.rows, "the rows are {rows:?}; {:?}", dead(worker, topic).await?);
        let dead = dead(worker, topic).await?;
        anyhow::ensure!(dead.len() == case.dead.len(), "the dead letters are {dead:?}");
        for ((code, message), parts) in dead.iter().zip(case.dead) {
            for part in *parts {
                anyhow::ensure!(
                    message.contains(&part.replace("{t}", &table)) || code == part,
                    "no \"{part}\" in {code}: {message}"
                );
            }
        }
        let columns = columns(pg, &table).await?;
        anyhow::ensure!(columns == case.columns || case.columns.is_empty(), "the columns are {columns:?}");
        Ok(())
    });
    answer.await?;
    worker.running(topic).await?;
    worker.delete(topic).await
}

pub(crate) fn of(name: &str, kind: &str) -> Value {
    json!({"field": name, "type": kind})
}

pub(crate) fn maybe(name: &str, kind: &str) -> Value {
    json!({"field": name, "type": kind, "optional": true})
}

pub(crate) fn logical(name: &str, kind: &str, logical: &str) -> Value {
    json!({"field": name, "type": kind, "name": logical, "optional": true})
}

pub(crate) fn decimal(name: &str, precision: &str, scale: &str) -> Value {
    json!({"field": name, "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "optional": true,
           "parameters": {"scale": scale, "connect.decimal.precision": precision}})
}

/// One worker and one server for cases that each have a table of their own.
pub(crate) async fn all(cases: Vec<Case>) -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let worker = Worker::start(Log::Embedded).await?;
    for case in cases {
        let name = case.name;
        check(&pg, &worker, case).await.map_err(|e| e.context(name))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_added_and_those_that_records_no_longer_have_stay() -> anyhow::Result<()> {
    let old = || json!([of("id", "int32"), of("name", "string")]);
    let with_default = json!([
        of("id", "int32"),
        of("name", "string"),
        {"field": "n", "type": "int16", "default": 7},
        {"field": "at", "type": "int64", "name": "io.debezium.time.MicroTimestamp", "default": 1_000_000},
        {"field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "default": "MDk=",
         "parameters": {"scale": "2", "connect.decimal.precision": "9"}},
        maybe("note", "string"),
    ]);
    all(vec![
        Case {
            name: "added",
            records: vec![
                (old(), vec![json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})]),
                (with_default, vec![json!({"id": 3, "name": "c", "n": 1, "at": 0, "price": "AQ==", "note": "x"})]),
                (old(), vec![json!({"id": 4, "name": "d"}), json!({"id": 3, "name": "changed"})]),
            ],
            columns: &[
                "id integer!",
                "name text!",
                "n smallint!",
                "at timestamp(6) without time zone!",
                "price numeric(9,2)!",
                "note text",
            ],
            select: "select * from {t} order by id",
            rows: &[
                "1|a|7|1970-01-01 00:00:01|123.45|NULL",
                "2|b|7|1970-01-01 00:00:01|123.45|NULL",
                "3|changed|1|1970-01-01 00:00:00|0.01|x",
                "4|d|7|1970-01-01 00:00:01|123.45|NULL",
            ],
            ..Case::default()
        },
        Case {
            name: "required",
            before: "create table {t} (id int primary key); insert into {t} values (0)",
            records: vec![
                (json!([of("id", "int32"), of("must", "int32")]), vec![json!({"id": 1, "must": 1})]),
                (json!([of("id", "int32")]), vec![json!({"id": 2})]),
            ],
            columns: &["id integer!"],
            select: "select * from {t} order by id",
            rows: &["0", "2"],
            dead: &[&["schema.evolution", "\"{t}\"", "\"must\"", "required", "default"]],
            ..Case::default()
        },
        Case {
            name: "required_in_an_empty_one",
            before: "create table {t} (id int primary key)",
            records: vec![
                (json!([of("id", "int32"), of("must", "int32")]), vec![json!({"id": 1, "must": 1})]),
                // The column is gone again: nulls have to go in.
                (json!([of("id", "int32")]), vec![json!({"id": 2})]),
            ],
            columns: &["id integer!", "must integer"],
            select: "select * from {t} order by id",
            rows: &["1|1", "2|NULL"],
            ..Case::default()
        },
        Case {
            name: "renamed",
            records: vec![
                (json!([of("id", "int32"), of("a", "string")]), vec![json!({"id": 1, "a": "x"})]),
                (json!([of("id", "int32"), maybe("b", "string")]), vec![json!({"id": 2, "b": "y"}), json!({"id": 1, "b": "z"})]),
            ],
            columns: &["id integer!", "a text", "b text"],
            select: "select * from {t} order by id",
            rows: &["1|x|z", "2|NULL|y"],
            ..Case::default()
        },
        Case {
            name: "optional_now",
            before: "create table {t} (id int primary key, a text not null, b int not null default 5, c int not null)",
            records: vec![(
                json!([of("id", "int32"), maybe("a", "string"), maybe("b", "int32"), maybe("c", "int32")]),
                vec![json!({"id": 1, "a": "x", "b": 1, "c": 1}), json!({"id": 2, "a": null, "b": null, "c": 2})],
            )],
            // Where no null comes nothing has to change.
            columns: &["id integer!", "a text", "b integer", "c integer!"],
            select: "select * from {t} order by id",
            rows: &["1|x|1|1", "2|NULL|NULL|2"],
            ..Case::default()
        },
        Case {
            name: "filled_by_a_trigger",
            before: "create table {t} (id int primary key, who text not null); create function fill() returns trigger language plpgsql \
                     as $$ begin new.who := 'trigger'; return new; end $$; \
                     create trigger fill before insert on {t} for each row execute function fill()",
            records: vec![(json!([of("id", "int32")]), vec![json!({"id": 1})])],
            columns: &["id integer!", "who text!"],
            select: "select * from {t}",
            rows: &["1|trigger"],
            ..Case::default()
        },
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_become_wider_and_never_narrower() -> anyhow::Result<()> {
    let short = json!([
        of("id", "int16"),
        of("n", "int32"),
        of("f", "float"),
        maybe("d", "int32"),
        decimal("p", "6", "2"),
        {"field": "list", "type": "array", "items": {"type": "int32"}, "optional": true},
    ]);
    let short_row = json!({"id": 1, "n": 1, "f": 0.5, "d": 1, "p": "AQ==", "list": [1]});
    let wide = json!([
        of("id", "int64"),
        of("n", "int64"),
        of("f", "double"),
        decimal("d", "12", "3"),
        decimal("p", "7", "4"),
        {"field": "list", "type": "array", "items": {"type": "int64"}, "optional": true},
    ]);
    let wide_row =
        |id: i64| json!({"id": id, "n": 5_000_000_000_i64, "f": 0.1, "d": "A+k=", "p": "AQ==", "list": [5_000_000_000_i64]});
    let long = "l".repeat(300);
    all(vec![
        Case {
            name: "wider",
            records: vec![
                (short.clone(), vec![short_row.clone()]),
                // The key's type changes too: both forms of a key are one row.
                (wide, vec![wide_row(1), wide_row(6_000_000_000)]),
                (short, vec![json!({"id": 2, "n": 2, "f": 0.5, "d": 2, "p": "Ag==", "list": [2]}), short_row]),
            ],
            columns: &["id bigint!", "n bigint!", "f double precision!", "d numeric(13,3)", "p numeric(8,4)", "list bigint[]"],
            select: "select * from {t} order by id",
            rows: &[
                "1|1|0.5|1.000|0.0100|{1}",
                "2|2|0.5|2.000|0.0200|{2}",
                "6000000000|5000000000|0.1|1.001|0.0001|{5000000000}",
            ],
            ..Case::default()
        },
        Case {
            name: "narrow",
            before: "create table {t} (id bigint primary key, n bigint, f float8, d numeric(20,6), s text)",
            records: vec![(
                json!([of("id", "int16"), of("n", "int8"), of("f", "float"), decimal("d", "4", "1"), of("s", "string")]),
                vec![json!({"id": 1, "n": 1, "f": 0.5, "d": "Ag==", "s": "s"})],
            )],
            columns: &["id bigint!", "n bigint", "f double precision", "d numeric(20,6)", "s text"],
            select: "select * from {t}",
            rows: &["1|1|0.5|0.200000|s"],
            ..Case::default()
        },
        Case {
            name: "longer",
            before: "create table {t} (id int primary key, a varchar(3), b varchar(3), c char(2), n numeric(4,2) check (n > 0))",
            records: vec![(
                json!([of("id", "int32"), of("a", "string"), of("b", "string"), of("c", "string"), of("n", "double")]),
                vec![
                    json!({"id": 1, "a": "abc", "b": "äöü", "c": "xy", "n": 1.25}),
                    // What is wrong besides is set aside, and keeps nobody from what has to be changed.
                    json!({"id": 2, "a": "abc", "b": "abc", "c": "xy", "n": -1}),
                    json!({"id": 3, "a": long, "b": "abc", "c": "longer", "n": 12345.5}),
                ],
            )],
            columns: &["id integer!", "a text", "b character varying(3)", "c text", "n numeric(7,2)"],
            select: "select id, length(a), b, c, n from {t} order by id",
            rows: &["1|3|äöü|xy|1.25", "3|300|abc|longer|12345.50"],
            dead: &[&["check"]],
            ..Case::default()
        },
        Case {
            name: "dates",
            before: "create table {t} (id int primary key, d date); insert into {t} values (0, '2020-02-02')",
            records: vec![(
                json!([of("id", "int32"), logical("d", "int64", "io.debezium.time.MicroTimestamp")]),
                vec![json!({"id": 1, "d": 1_000_001})],
            )],
            columns: &["id integer!", "d timestamp(6) without time zone"],
            select: "select * from {t} order by id",
            rows: &["0|2020-02-02 00:00:00", "1|1970-01-01 00:00:01.000001"],
            ..Case::default()
        },
        Case {
            name: "under_a_view",
            before: "create table {t} (id int primary key, n int); create view v as select n from {t}",
            records: vec![(
                json!([of("id", "int32"), of("n", "int64"), maybe("new", "string")]),
                vec![json!({"id": 1, "n": 1, "new": "x"}), json!({"id": 2, "n": 5_000_000_000_i64}), json!({"id": 3, "n": 3})],
            )],
            // What cannot be changed is left, and what goes in is written.
            columns: &["id integer!", "n integer", "new text"],
            select: "select * from {t} order by id",
            rows: &["1|1|x", "3|3|NULL"],
            dead: &[&["schema.evolution", "\"{t}\"", "\"n\"", "integer", "int64"]],
            ..Case::default()
        },
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_exact_where_they_are_quoted() -> anyhow::Result<()> {
    all(vec![
        Case {
            name: "Quoted",
            before: "create schema \"D w\"; create table \"D w\".\"Quoted\" (\"Id\" int primary key)",
            settings: &[("quote.identifiers", "true"), ("collection.name.format", "D w.${topic}"), ("primary.key.fields", "Id")],
            records: vec![(
                json!([
                    of("Id", "int64"),
                    maybe("Name", "string"),
                    maybe("name", "string"),
                    maybe("we\"ird; --", "string"),
                    maybe("größe", "int32")
                ]),
                vec![json!({"Id": 1, "Name": "A", "name": "b", "we\"ird; --": "c", "größe": 5})],
            )],
            select: "select \"Id\", \"Name\", name, \"we\"\"ird; --\", \"größe\" from \"D w\".\"Quoted\"",
            rows: &["1|A|b|c|5"],
            ..Case::default()
        },
        Case {
            name: "folded",
            before: "create table {t} (id int primary key, name text)",
            records: vec![
                (
                    json!([of("id", "int32"), of("Name", "string"), maybe("New", "string")]),
                    vec![json!({"id": 1, "Name": "a", "New": "n"})],
                ),
                // In two fields that are one column one value would be lost.
                (
                    json!([of("id", "int32"), maybe("Name", "string"), maybe("name", "string")]),
                    vec![json!({"id": 2, "Name": "a", "name": "b"})],
                ),
            ],
            columns: &["id integer!", "name text", "new text"],
            select: "select * from {t}",
            rows: &["1|a|n"],
            dead: &[&["\"name\"", "quote.identifiers"]],
            ..Case::default()
        },
    ])
    .await
}
