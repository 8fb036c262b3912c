//! What the PostgreSQL sink does not do to a table: such records are set aside one by one with the reason, under a code that
//! alerts can name, and all others are written.

use millrace_tests::{Log, Postgres, Worker, eventually};
use serde_json::json;

use crate::postgres_evolution::{Case, WITHIN, all, dead, decimal, logical, maybe, of, produce, sink};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_evolve_is_set_aside_and_the_rest_is_written() -> anyhow::Result<()> {
    let id = || json!([of("id", "int32")]);
    all(vec![
        Case {
            name: "incompatible",
            before: "create table {t} (id int primary key, n int)",
            records: vec![
                (json!([of("id", "int32"), of("n", "int32")]), vec![json!({"id": 1, "n": 1})]),
                (
                    json!([of("id", "int32"), of("n", "bytes")]),
                    vec![json!({"id": 2, "n": "AQ=="}), json!({"id": 3, "n": "AQ=="})],
                ),
                (json!([of("id", "int32"), of("n", "int16")]), vec![json!({"id": 4, "n": 4})]),
            ],
            columns: &["id integer!", "n integer"],
            select: "select * from {t} order by id",
            rows: &["1|1", "4|4"],
            dead: &[
                &["schema.evolution", "\"{t}\"", "\"n\"", "integer", "bytes", "change the column's type to bytea"],
                &["schema.evolution", "\"{t}\"", "\"n\"", "integer", "bytes"],
            ],
            ..Case::default()
        },
        Case {
            name: "text_into_numbers",
            before: "create table {t} (id int primary key, n int)",
            records: vec![(
                json!([of("id", "int32"), of("n", "string")]),
                vec![json!({"id": 1, "n": "1"}), json!({"id": 2, "n": "two"}), json!({"id": 3, "n": "3"})],
            )],
            columns: &["id integer!", "n integer"],
            select: "select * from {t} order by id",
            rows: &["1|1", "3|3"],
            dead: &[&["schema.evolution", "\"{t}\"", "\"n\"", "integer", "string", "Cast"]],
            ..Case::default()
        },
        Case {
            name: "numbers_into_text",
            before: "create table {t} (id int primary key, n text)",
            records: vec![(json!([of("id", "int32"), of("n", "int64")]), vec![json!({"id": 1, "n": 12})])],
            columns: &["id integer!", "n text"],
            select: "select * from {t}",
            rows: &["1|12"],
            ..Case::default()
        },
        Case {
            name: "another_key",
            before: "create table {t} (id int primary key, tenant int, n int)",
            settings: &[("primary.key.fields", "id,tenant")],
            records: vec![(
                json!([of("id", "int32"), of("tenant", "int32"), of("n", "int32")]),
                vec![json!({"id": 1, "tenant": 1, "n": 1})],
            )],
            columns: &["id integer!", "tenant integer", "n integer"],
            select: "select * from {t}",
            dead: &[&["schema.evolution", "\"{t}\"", "\"id\", \"tenant\"", "CREATE UNIQUE INDEX"]],
            ..Case::default()
        },
        Case {
            name: "a_new_column_of_the_key",
            before: "create table {t} (id int primary key)",
            settings: &[("primary.key.fields", "id,tenant")],
            records: vec![(json!([of("id", "int32"), of("tenant", "int32")]), vec![json!({"id": 1, "tenant": 1})])],
            columns: &["id integer!"],
            select: "select * from {t}",
            dead: &[&["schema.evolution", "\"{t}\"", "\"tenant\"", "unique index"]],
            ..Case::default()
        },
        Case {
            name: "none",
            before: "create table {t} (id int primary key, n smallint not null default 1)",
            settings: &[("schema.evolution", "none")],
            records: vec![
                (id(), vec![json!({"id": 1})]),
                (json!([of("id", "int32"), maybe("new", "string")]), vec![json!({"id": 2, "new": "x"})]),
                (json!([of("id", "int32"), of("n", "int32")]), vec![json!({"id": 3, "n": 3}), json!({"id": 4, "n": 70_000})]),
                (json!([of("id", "int32"), maybe("n", "int32")]), vec![json!({"id": 5, "n": null})]),
            ],
            columns: &["id integer!", "n smallint!"],
            select: "select * from {t} order by id",
            rows: &["1|1", "3|3"],
            dead: &[
                &["schema.evolution", "\"{t}\"", "\"new\"", "ADD COLUMN IF NOT EXISTS \"new\" text", "schema.evolution=basic"],
                &["schema.evolution", "\"{t}\"", "\"n\"", "smallint", "int32"],
                &["postgres.23502", "column n"],
            ],
            ..Case::default()
        },
        Case {
            name: "no_table",
            settings: &[("schema.evolution", "none")],
            records: vec![(id(), vec![json!({"id": 1})])],
            select: "select to_regclass('{t}')",
            rows: &["NULL"],
            dead: &[&["schema.evolution", "\"{t}\"", "create it", "schema.evolution=basic"]],
            ..Case::default()
        },
        Case {
            name: "no_schema",
            settings: &[("collection.name.format", "nowhere.${topic}")],
            records: vec![(id(), vec![json!({"id": 1})])],
            select: "select to_regclass('{t}')",
            rows: &["NULL"],
            dead: &[&["schema.evolution", "\"nowhere\".\"no_schema\"", "create the schema"]],
            ..Case::default()
        },
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_made_as_debezium_s_sink_makes_them() -> anyhow::Result<()> {
    let sized = |name: &str, source: &str, length: &str| {
        json!({"field": name, "type": "string", "optional": true, "parameters":
            {"__debezium.source.column.type": source, "__debezium.source.column.length": length}})
    };
    let fields = json!([
        of("id", "int32"),
        decimal("amount", "10", "2"),
        logical("day", "int32", "org.apache.kafka.connect.data.Date"),
        logical("time", "int32", "org.apache.kafka.connect.data.Time"),
        logical("at", "int64", "org.apache.kafka.connect.data.Timestamp"),
        logical("nanos", "int64", "io.debezium.time.NanoTimestamp"),
        logical("zoned", "string", "io.debezium.time.ZonedTimestamp"),
        logical("json", "string", "io.debezium.data.Json"),
        logical("uuid", "string", "io.debezium.data.Uuid"),
        {"field": "bits", "type": "bytes", "name": "io.debezium.data.Bits", "parameters": {"length": "5"}, "optional": true},
        {"field": "mood", "type": "string", "name": "io.debezium.data.Enum", "parameters": {"allowed": "a,b"}, "optional": true},
        logical("year", "int32", "io.debezium.time.Year"),
        {"field": "tags", "type": "array", "items": {"type": "string"}, "optional": true},
        sized("name", "VARCHAR", "20"),
        sized("free", "TEXT", "2147483647"),
        sized("ip", "INET", "2147483647"),
    ]);
    let row = json!({
        "id": 1, "amount": "MDk=", "day": 1, "time": 1000, "at": 1000, "nanos": 1_000_000_001, "zoned": "2026-01-01T00:00:00Z",
        "json": "{\"a\":1}", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "bits": "FQ==", "mood": "a", "year": 2026,
        "tags": ["x", "y"], "name": "n", "free": "f", "ip": "10.0.0.1",
    });
    all(vec![Case {
        name: "types",
        records: vec![(fields, vec![row])],
        columns: &[
            "id integer!",
            "amount numeric(10,2)",
            "day date",
            "time time(6) without time zone",
            "at timestamp(6) without time zone",
            "nanos timestamp(6) without time zone",
            "zoned timestamp(6) with time zone",
            "json json",
            "uuid uuid",
            "bits bit(5)",
            "mood text",
            "year integer",
            "tags text[]",
            "name character varying(20)",
            "free text",
            "ip inet",
        ],
        select: "select id, amount, day, time, at, bits, tags, name, ip from {t}",
        rows: &["1|123.45|1970-01-02|00:00:01|1970-01-01 00:00:01|10101|{x,y}|n|10.0.0.1"],
        ..Case::default()
    }])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tolerance_the_task_fails_and_a_mended_table_is_noticed() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let worker = Worker::start(Log::Embedded).await?;
    pg.execute("dst", "create table strict (id int primary key); create table mended (id int primary key)").await?;
    let new = json!([of("id", "int32"), maybe("new", "string")]);
    let none = [("schema.evolution", "none")];
    produce(&worker.bootstrap, "strict", &[(new.clone(), vec![json!({"id": 1, "new": "x"})])]).await?;
    worker.create("strict", sink(pg.port, "strict", &[none[0], ("errors.tolerance", "none")])).await?;
    let trace = worker.failed("strict").await?;
    anyhow::ensure!(trace.contains("\"new\"") && trace.contains("schema.evolution=basic"), "{trace}");

    worker.create("mended", sink(pg.port, "mended", &none)).await?;
    produce(&worker.bootstrap, "mended", &[(new.clone(), vec![json!({"id": 1, "new": "x"})])]).await?;
    eventually("the record is set aside", WITHIN, || async {
        anyhow::ensure!(dead(&worker, "mended").await?.len() == 1, "not yet");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    // Without a restart: it looks at the table again.
    pg.execute("dst", "alter table mended add new text").await?;
    let id = std::cell::Cell::new(1);
    eventually("records go in", WITHIN, || async {
        id.set(id.get() + 1);
        produce(&worker.bootstrap, "mended", &[(new.clone(), vec![json!({"id": id.get(), "new": "x"})])]).await?;
        anyhow::ensure!(!pg.query("dst", "select * from mended").await?.is_empty(), "none yet");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    worker.running("mended").await
}
