//! PostgreSQL to PostgreSQL in Avro, through a registry written by others: what is in the log, what becomes of it when the
//! registry is away, and what of a schema that nobody knows.

use std::time::{Duration, Instant};

use millrace_tests::{Log, Postgres, Registry, Worker, eventually, read_topics, report};
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
/// How long the registry is away.
const AWAY: Duration = Duration::from_secs(60);
const TABLES: usize = 3;

fn avro(mut config: Value, registry: &str) -> Value {
    for role in ["key", "value"] {
        config[format!("{role}.converter")] = json!("io.confluent.connect.avro.AvroConverter");
        config[format!("{role}.converter.schema.registry.url")] = json!(registry);
    }
    config
}

fn source(port: u16, registry: &str) -> Value {
    let config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres",
        "database.password": "postgres", "database.dbname": "src", "topic.prefix": "pg", "schema.include.list": "shop",
        "retry.backoff.max.ms": "2000",
    });
    avro(config, registry)
}

fn sink(port: u16, registry: &str, settings: Value) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics.regex": "pg\\.shop\\..*",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/dst"), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key",
        "schema.evolution": "basic", "transforms": "name", "transforms.name.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.name.regex": "pg\\.shop\\.(.*)", "transforms.name.replacement": "$1",
        "collection.name.format": "${topic}", "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.metadata.max.age.ms": "1000", "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dlq",
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        "retry.backoff.max.ms": "2000",
    });
    for (key, value) in settings.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    avro(config, registry)
}

async fn table(pg: &Postgres, i: usize) -> anyhow::Result<()> {
    let sql = format!(
        "create table shop.t{i} (id serial primary key, name varchar(40) not null, price numeric(8,2), at timestamptz, ok boolean, \
         small smallint); insert into shop.t{i} (name, price, at, ok, small) \
         select 'n' || g, g / 4.0, timestamptz '2026-01-01' + g * interval '1 hour', g % 2 = 0, g from generate_series(1, 200) g"
    );
    pg.execute("src", &sql).await
}

/// Waits until every target has the very rows of its source.
async fn equal(pg: &Postgres, tables: usize) -> anyhow::Result<()> {
    for i in 0..tables {
        let rows = |table: &str| {
            format!(
                "select count(*), md5(string_agg(r::text, ';' order by id)) from \
                 (select id, name, price, extract(epoch from at::timestamptz), ok, small from {table}) r"
            )
        };
        eventually("the target equals the source", WITHIN, || async {
            let (source, target) =
                (pg.query("src", &rows(&format!("shop.t{i}"))).await?, pg.query("dst", &rows(&format!("t{i}"))).await?);
            anyhow::ensure!(source == target, "table {i}: source {source:?}, target {target:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn dead(records: &[rdkafka::message::OwnedMessage]) -> usize {
    records.iter().filter(|r| r.topic() == "dlq").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avro_between_databases_survives_a_registry_that_is_away() -> anyhow::Result<()> {
    let (pg, mut registry) = (Postgres::start().await?, Registry::start().await?);
    pg.execute("src", "create schema shop").await?;
    table(&pg, 0).await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("source", source(pg.port, &registry.url())).await?;
    worker.create("sink", sink(pg.port, &registry.url(), json!({}))).await?;
    equal(&pg, 1).await?;

    // The wire format, and the schemas under the names that Confluent's converter gives them.
    let records = read_topics(&worker.bootstrap, |t| t == "pg.shop.t0").await?;
    let value = records.iter().find_map(|r| r.payload()).expect("there are values");
    assert_eq!(value[0], 0);
    let id = i32::from_be_bytes(value[1..5].try_into()?);
    let latest = registry.get("/subjects/pg.shop.t0-value/versions/latest").await?;
    let known = registry.get(&format!("/schemas/ids/{id}")).await?;
    assert_eq!(known["schema"], latest["schema"]);
    let schema: Value = serde_json::from_str(latest["schema"].as_str().unwrap_or_default())?;
    assert_eq!((&schema["name"], &schema["namespace"]), (&json!("Envelope"), &json!("pg.shop.t0")));

    // The registry dies under load: rows come, and tables whose schemas nobody has registered.
    registry.kill();
    let died = Instant::now();
    let load = async {
        for i in 1..TABLES {
            table(&pg, i).await?;
        }
        // A sink that begins anew knows no schema.
        worker.request("POST", "/connectors/sink/restart?includeTasks=true", None).await?;
        let mut n = 0;
        while died.elapsed() < AWAY {
            n += 1;
            let sql = format!(
                "insert into shop.t{} (name, price) values ('away', {n}); update shop.t0 set price = {n} where id = {n}",
                n % TABLES
            );
            pg.execute("src", &sql).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, anyhow::Error>(n)
    };
    let rows = load.await?;
    registry.up().await?;
    let back = Instant::now();
    equal(&pg, TABLES).await?;
    worker.running("source").await?;
    worker.running("sink").await?;
    assert_eq!(dead(&read_topics(&worker.bootstrap, |t| t == "dlq").await?), 0);
    report(format!("registry away for {AWAY:?}, {rows} changes meanwhile: all there {:?} after it was back", back.elapsed()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_schema_is_an_error_of_its_record_and_an_absent_registry_is_not() -> anyhow::Result<()> {
    let (pg, mut registry) = (Postgres::start().await?, Registry::start().await?);
    pg.execute("src", "create schema shop").await?;
    table(&pg, 0).await?;
    let worker = Worker::start(Log::Embedded).await?;
    worker.create("source", source(pg.port, &registry.url())).await?;
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    eventually("the source has written", WITHIN, || async {
        let written = read_topics(&worker.bootstrap, |t| t == "pg.shop.t0").await?.len();
        anyhow::ensure!(written >= 200, "{written} records");
        Ok(())
    })
    .await?;
    let unknown = [0, 0, 0x7F, 0, 0, 1];
    let send = |value: &[u8]| producer.send(BaseRecord::<[u8], [u8]>::to("pg.shop.t0").payload(value)).map_err(|(e, _)| e);
    send(&unknown)?;
    producer.flush(WITHIN)?;
    registry.kill();
    worker.create("sink", sink(pg.port, &registry.url(), json!({}))).await?;
    // It waits for the registry: neither has it failed nor is anything dead.
    eventually("the sink says what it waits for", WITHIN, || async {
        anyhow::ensure!(worker.log_tail().contains("cannot ask the schema registry at"), "{}", worker.log_tail());
        Ok(())
    })
    .await?;
    assert_eq!(dead(&read_topics(&worker.bootstrap, |t| t == "dlq").await?), 0);
    registry.up().await?;
    equal(&pg, 1).await?;
    eventually("the unknown schema's record is dead", WITHIN, || async {
        let dead = read_topics(&worker.bootstrap, |t| t == "dlq").await?;
        anyhow::ensure!(dead.len() == 1 && dead[0].payload() == Some(&unknown[..]), "{} records", dead.len());
        Ok(())
    })
    .await?;
    worker.running("sink").await?;

    // A person reads it by the same converter.
    let mut read = std::process::Command::new(Worker::binary()?);
    read.args(["consume", "pg.shop.t0", "--bootstrap", &worker.bootstrap, "--from-beginning", "--max", "1"]);
    read.args(["--set", "value.converter=AvroConverter"]);
    read.arg("--set").arg(format!("value.converter.schema.registry.url={}", registry.url()));
    let shown = read.output()?;
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(text.contains("\"name\":\"n1\""), "{text} {}", String::from_utf8_lossy(&shown.stderr));
    Ok(())
}
