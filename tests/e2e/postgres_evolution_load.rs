//! Tables that evolve under load: a source altered at random while workers are killed, and many tasks that change one table at
//! once. Afterwards the target has every row, with the values of the source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use millrace_tests::{Log, Postgres, Worker, eventually, report};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(180);
const ROUNDS: usize = 30;
const KILLS: [usize; 3] = [7, 15, 22];

/// Unless told otherwise it gives a default in the place of a null, as in Connect.
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A column of the source that a test has added, and how far its type has been widened.
struct Added {
    name: String,
    kind: usize,
    width: usize,
    required: bool,
}

/// Types, each wider than the one before, and an expression that gives values of the first.
const KINDS: [(&[&str], &str); 5] = [
    (&["smallint", "integer", "bigint"], "(random() * 30000)::int"),
    (&["real", "double precision"], "(random() * 100)::int / 4.0"),
    (&["varchar(6)", "varchar(12)", "text"], "'v' || (random() * 9999)::int"),
    (&["numeric(6,2)", "numeric(9,3)", "numeric(20,6)"], "(random() * 900000)::int / 100.0"),
    (&["date"], "date '2020-01-01' + (random() * 1000)::int"),
];

/// One compatible change of the table, as SQL.
fn change(rng: &mut StdRng, added: &mut Vec<Added>, made: &mut usize) -> String {
    *made += 1;
    let name = format!("c{made}");
    let what = if added.is_empty() { 0 } else { rng.random_range(0..10) };
    let at = rng.random_range(0..added.len().max(1));
    match what {
        0..=3 => {
            let kind = rng.random_range(0..KINDS.len());
            let required = rng.random_bool(0.3);
            let default = match kind {
                2 => "'def'",
                4 => "date '2021-02-03'",
                _ => "7",
            };
            let rules = if required { format!("not null default {default}") } else { String::new() };
            added.push(Added { name: name.clone(), kind, width: 0, required });
            format!("alter table items add {name} {} {rules}", KINDS[kind].0[0])
        }
        4 => format!("alter table items drop {}", added.remove(at).name),
        5 => {
            let old = std::mem::replace(&mut added[at].name, name.clone());
            format!("alter table items rename {old} to {name}")
        }
        6 if added[at].required => {
            added[at].required = false;
            format!("alter table items alter {} drop not null; update items set {0} = null where id % 5 = 0", added[at].name)
        }
        _ => {
            let column = &mut added[at];
            column.width = (column.width + 1).min(KINDS[column.kind].0.len() - 1);
            format!("alter table items alter {} type {}", column.name, KINDS[column.kind].0[column.width])
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_altered_under_load_and_its_target_are_equal() -> anyhow::Result<()> {
    let pg = Arc::new(Postgres::start().await?);
    pg.execute("src", "create table items (id bigint primary key, v int not null)").await?;
    let mut worker = Worker::start_with(Log::Embedded, "offset.flush.interval.ms=500").await?;
    let source = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": pg.port.to_string(), "database.user": "postgres",
        "database.password": "postgres", "database.dbname": "src", "topic.prefix": "x", "table.include.list": "public.items",
        "topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "1",
        "value.converter": JSON, "value.converter.replace.null.with.default": "false",
    });
    let sink = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "2", "topics": "x.public.items",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", pg.port), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key",
        "schema.evolution": "basic", "collection.name.format": "items", "consumer.override.session.timeout.ms": "6000",
        "consumer.override.metadata.max.age.ms": "1000",
        "value.converter": JSON, "value.converter.replace.null.with.default": "false",
    });
    worker.create("source", source).await?;
    worker.create("sink", sink).await?;

    // Others write all the time.
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = {
        let (pg, stop, written) = (pg.clone(), stop.clone(), written.clone());
        tokio::spawn(async move {
            let client = pg.client("src").await?;
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let sql = format!(
                    "insert into items (id, v) select g, g from generate_series({n} + 1, {n} + 40) g; \
                     update items set v = v + 1 where id > {n} - 200 and id % 3 = 0; delete from items where id = {n} - 7"
                );
                client.batch_execute(&sql).await?;
                n += 40;
                written.store(n, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, anyhow::Error>(())
        })
    };
    let seed = rand::random();
    report(format_args!("a source that is altered under load: seed {seed}"));
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut added, mut made, mut changes) = (Vec::new(), 0, Vec::new());
    for round in 0..ROUNDS {
        let sql = change(&mut rng, &mut added, &mut made);
        pg.execute("src", &sql).await.map_err(|e| e.context(sql.clone()))?;
        changes.push(sql);
        let set: Vec<_> = added
            .iter()
            .map(|c: &Added| {
                format!(
                    "{} = case when random() < 0.8 then ({})::{} else {0} end",
                    c.name, KINDS[c.kind].1, KINDS[c.kind].0[c.width]
                )
            })
            .collect();
        if !set.is_empty() {
            let modulus = rng.random_range(2..20);
            pg.execute("src", &format!("update items set {} where id % {modulus} = 0", set.join(", "))).await?;
        }
        if KILLS.contains(&round) {
            worker.kill();
            worker.up().await?;
        }
        tokio::time::sleep(Duration::from_millis(rng.next_u64() % 200)).await;
    }
    stop.store(true, Ordering::Relaxed);
    load.await??;
    // Rows whose columns were renamed come in full.
    pg.execute("src", "update items set v = v + 1").await?;

    let mut names: Vec<String> = vec!["id".into(), "v".into()];
    names.extend(added.iter().map(|c| c.name.clone()));
    let sql = format!("select {} from items order by id", names.join(", "));
    let all = eventually("the target equals the source", WITHIN, || async {
        let (source, target) = (pg.query("src", &sql).await?, pg.query("dst", &sql).await?);
        let wrong: Vec<_> = source.iter().zip(&target).filter(|(a, b)| a != b).take(3).collect();
        anyhow::ensure!(source == target, "{} and {} rows, {wrong:?}", source.len(), target.len());
        Ok(source.len())
    })
    .await
    .map_err(|e| e.context(format!("seed {seed}; {changes:#?}; {}", worker.log_tail())))?;
    report(format_args!(
        "{all} rows are equal after {} inserts and {ROUNDS} changes of the table",
        written.load(Ordering::Relaxed)
    ));
    worker.running("sink").await
}

const PARTITIONS: i32 = 6;
const SCHEMAS: i32 = 24;
const ROWS: i32 = 3_000;

/// The schema of a number: each has another column, and one that grows.
fn record(id: i32, schema: i32) -> (String, String) {
    let kinds = ["int16", "int32", "int64"];
    let n = json!({"field": "n", "type": kinds[(schema % 3) as usize]});
    let extra = format!("c{schema}");
    let fields = json!([{"field": "id", "type": "int32"}, n, {"field": extra, "type": "int32", "optional": true}]);
    let row = json!({"id": id, "n": id % 100, extra: id});
    let key = json!({"schema": {"type": "struct", "fields": [{"field": "id", "type": "int32"}]}, "payload": {"id": id}});
    (key.to_string(), json!({"schema": {"type": "struct", "fields": fields}, "payload": row}).to_string())
}

fn many(port: u16, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "3", "topics": "many",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_key",
        "schema.evolution": "basic", "collection.name.format": "many",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "consumer.override.auto.offset.reset": "earliest", "consumer.override.max.poll.records": "50",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    config
}

/// Makes the topic `many` with this many rows; old and new schemas take turns.
async fn produce(bootstrap: &str, rows: i32) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    admin.create_topics(&[NewTopic::new("many", PARTITIONS, TopicReplication::Fixed(1))], &AdminOptions::new()).await?;
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    for id in 0..rows {
        let (key, value) = record(id, (id / 40 + id % 3) % SCHEMAS);
        producer.send(BaseRecord::to("many").partition(id % PARTITIONS).key(&key).payload(&value)).map_err(|(e, _)| e)?;
    }
    Ok(producer.flush(WITHIN)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_make_the_offsets_table_at_the_same_moment_all_run() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let worker = Worker::start(Log::Embedded).await?;
    produce(&worker.bootstrap, 60).await?;
    // Another has made the table and not committed yet: the tasks do not see it, and cannot make it.
    let other = pg.client("dst").await?;
    other
        .batch_execute(
            "begin; create table millrace_offsets (connector text not null, topic text not null, partition int not null, \
             next_offset bigint not null, primary key (connector, topic, partition))",
        )
        .await?;
    worker.create("exactly-once", many(pg.port, &[("exactly.once", "true")])).await?;
    eventually("a task waits for the table", WITHIN, || async {
        let waiting = pg.query("dst", "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock'").await?;
        anyhow::ensure!(waiting == ["t"]);
        Ok(())
    })
    .await?;
    other.batch_execute("commit").await?;
    eventually("all rows", WITHIN, || async {
        let found = pg.query("dst", "select count(*) from many").await?;
        anyhow::ensure!(found == ["60"], "{found:?}");
        Ok(())
    })
    .await?;
    worker.running("exactly-once").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_change_one_table_at_once() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let worker = Worker::start(Log::Embedded).await?;
    produce(&worker.bootstrap, ROWS).await?;
    worker.create("one", many(pg.port, &[])).await?;
    worker.create("exactly-once", many(pg.port, &[("exactly.once", "true")])).await?;
    // Somebody reads the table for longer than a lock is waited for.
    let reader = pg.client("dst").await?;
    eventually("the table is there", WITHIN, || reader.batch_execute("select 1 from many limit 1")).await?;
    reader.batch_execute("begin; lock table many in access share mode").await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    reader.batch_execute("commit").await?;

    eventually("all rows with all their columns", WITHIN, || async {
        let texts: Vec<_> = (0..SCHEMAS).map(|s| format!("c{s}")).collect();
        let sql =
            format!("select count(*), count(*) filter (where n = id % 100 and coalesce({}) = id) from many", texts.join(", "));
        let found = pg.query("dst", &sql).await?;
        anyhow::ensure!(found == [format!("{ROWS}|{ROWS}")], "{found:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let kind = pg.query(
        "dst",
        "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'many'::regclass and attname = 'n'",
    );
    anyhow::ensure!(kind.await? == ["bigint"]);
    worker.running("one").await?;
    worker.running("exactly-once").await
}
