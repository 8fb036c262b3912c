//! What the PostgreSQL source makes of every type and every kind of change, beside what the real Debezium made of them:
//! `plugins/sources/postgres/tests/vectors`, recorded by `record.py` there.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_tests::{Log, Postgres, Worker, eventually, read_topics, root};
use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::{Value, json};

const PREFIX: &str = "P";
/// As it was when the vectors were recorded.
const DATABASE: &str = "vectors";
/// What differs on purpose, as `topic path`; a `*` at the end stands for whatever follows. Each with its reason.
const DIFFERENT: &[&str] = &[
    // Debezium names neither the element nor the array of bit(n)[].
    ".public.t_arr value.schema.before.abt*",
    ".public.t_arr value.schema.after.abt*",
    // Arrays that Debezium leaves out.
    ".public.t_arr value.schema.before.fields",
    ".public.t_arr value.schema.after.fields",
    ".public.t_arr value.payload.after.aiv",
    ".public.t_arr value.payload.after.avb",
    ".public.t_arr value.payload.after.am",
    ".public.t_arr value.payload.after.ap",
    ".public.t_arr value.payload.after.ax",
    // Debezium cuts a default at an escaped quote, knows none of some types, and gives nullable columns whose default is
    // computed a zero, which then stands for their nulls.
    ".public.t_def value.schema.before.*",
    ".public.t_def value.schema.after.*",
    ".public.t_def value.payload.after.ug",
    ".public.t_dom value.schema.before.prn.default",
    ".public.t_dom value.schema.after.prn.default",
    // Generated columns are not in the log; they are left out of the snapshot too.
    ".public.t_gen value.schema.before.fields",
    ".public.t_gen value.schema.after.fields",
    ".public.t_gen value.payload.after.b",
    // Debezium loses a `name` in the stream, and the era of dates before Christ.
    ".public.t_text value.payload.after.nm",
    ".public.t_time value.payload.after.d",
    // Debezium loses a large bytea's stand-in when it is text.
    ".public.t_toast value.payload.after.bbin",
    // Tables are named in the order of their events.
    ".transaction value.payload.data_collections*",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_as_debezium_makes_them_by_default() -> anyhow::Result<()> {
    compare("default").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_as_debezium_makes_them_as_text() -> anyhow::Result<()> {
    compare("alternate").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_as_debezium_makes_them_as_numbers() -> anyhow::Result<()> {
    compare("double").await
}

/// A record with its schemas, all that changes from run to run replaced.
type Record = BTreeMap<&'static str, Value>;

async fn compare(name: &str) -> anyhow::Result<()> {
    let folder = root().join("plugins/sources/postgres/tests/vectors");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(format!("{name}.json")))?)?;
    let sql = |file: &str| std::fs::read_to_string(folder.join(file));
    let (types, rows, changes) = (sql("types.sql")?, sql("rows.sql")?, sql("changes.sql")?);

    let pg = Postgres::start().await?;
    pg.execute("postgres", &format!("create database {DATABASE}")).await?;
    for script in [&types, &rows] {
        run(&pg, script).await?;
    }
    let worker = Worker::start(Log::Embedded).await?;
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": pg.port.to_string(), "database.user": "postgres",
        "database.password": "x", "database.dbname": DATABASE, "topic.prefix": PREFIX, "plugin.name": "pgoutput",
        "slot.name": "vectors", "header.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    for (key, value) in file["options"].as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    worker.create("vectors", config).await?;
    let streaming =
        "select 1 from pg_replication_slots where slot_name = 'vectors' and active and confirmed_flush_lsn is not null";
    eventually("the stream", Duration::from_secs(30), || async {
        anyhow::ensure!(!pg.query(DATABASE, streaming).await?.is_empty(), "the slot is not active");
        let (_, offsets) = worker.get("/connectors/vectors/offsets").await?;
        anyhow::ensure!(offsets["offsets"][0]["offset"]["lsn"].is_u64(), "the snapshot is not stored: {offsets}");
        Ok(())
    })
    .await?;
    let names = "select string_agg(quote_ident(tablename), ', ') from pg_tables where schemaname = 'public' and tablename not like 't_part_%'";
    let all = pg.query(DATABASE, names).await?.remove(0);
    run(&pg, &format!("truncate {all}")).await?;
    for script in [&rows, &changes] {
        run(&pg, script).await?;
    }
    run(&pg, "create table if not exists t_end (id int primary key);\ninsert into t_end values (1)").await?;

    let theirs = recorded(&file);
    let ours = eventually("the end", Duration::from_secs(30), || async {
        let seen = read(&worker.bootstrap).await?;
        anyhow::ensure!(seen.contains_key(".public.t_end"), "only {:?}", seen.keys());
        Ok::<_, anyhow::Error>(seen)
    })
    .await?;
    let mut differences = Vec::new();
    for (topic, theirs) in &theirs {
        let Some(ours) = ours.get(topic) else {
            differences.push(format!("{topic}: no records"));
            continue;
        };
        if theirs.len() != ours.len() {
            let ops = |r: &[Record]| {
                r.iter().map(|r| r["value"]["payload"]["op"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
            };
            differences.push(format!("{topic}: {:?}, not {:?}", ops(ours), ops(theirs)));
        }
        for (i, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            for part in ["key", "value", "headers"] {
                let mut found = Vec::new();
                differ(&theirs[part], &ours[part], part.to_owned(), &mut found);
                differences.extend(
                    found
                        .into_iter()
                        .filter(|(path, _)| !is_known(topic, path))
                        .map(|(path, what)| format!("{topic} #{i} {path}: {what}")),
                );
            }
        }
    }
    anyhow::ensure!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n")
    );
    anyhow::ensure!(theirs.values().map(Vec::len).sum::<usize>() > 90, "the vectors are not there");
    Ok(())
}

/// Statement by statement, as `record.py` does it: each is a transaction.
async fn run(pg: &Postgres, script: &str) -> anyhow::Result<()> {
    for part in script.split(";\n") {
        let statement: Vec<&str> = part.lines().filter(|l| !l.starts_with("--")).collect();
        let statement = statement.join("\n");
        if !statement.trim().is_empty() {
            pg.execute(DATABASE, &statement).await.map_err(|e| anyhow::anyhow!("{statement}: {e}"))?;
        }
    }
    Ok(())
}

/// The vectors by topic, without what differs on purpose as a whole.
fn recorded(file: &Value) -> BTreeMap<String, Vec<Record>> {
    let schema = |slim: &Value| match slim.as_array() {
        Some(pair) => json!({"schema": file["schemas"][pair[0].as_u64().unwrap_or(0) as usize], "payload": pair[1]}),
        None => Value::Null,
    };
    let mut topics: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in file["records"].as_array().into_iter().flatten() {
        let topic = record["topic"].as_str().unwrap_or_default();
        // Debezium reads a partitioned table and its partitions, the same rows twice.
        if topic == ".public.t_part" {
            continue;
        }
        // A tombstone needs a key; Debezium writes one without.
        if record["key"].is_null() && record["value"].is_null() {
            continue;
        }
        let headers: Value = record["headers"].as_array().into_iter().flatten().map(|h| json!([h[0], schema(&h[1])])).collect();
        let parts = [("key", schema(&record["key"])), ("value", schema(&record["value"])), ("headers", headers)];
        topics.entry(topic.to_owned()).or_default().push(parts.map(|(k, v)| (k, normal(v))).into());
    }
    topics
}

/// What the log has, by topic without its prefix.
async fn read(bootstrap: &str) -> anyhow::Result<BTreeMap<String, Vec<Record>>> {
    let mut topics = BTreeMap::<String, Vec<Record>>::new();
    for m in read_topics(bootstrap, |t| t.starts_with(&format!("{PREFIX}."))).await? {
        let json = |b: Option<&[u8]>| b.map_or(Ok(Value::Null), serde_json::from_slice);
        let mut headers = Vec::new();
        for h in m.headers().into_iter().flat_map(|h| h.iter()) {
            headers.push(json!([h.key, json(h.value)?]));
        }
        let parts = [("key", json(m.key())?), ("value", json(m.payload())?), ("headers", headers.into())];
        topics.entry(m.topic()[PREFIX.len()..].to_owned()).or_default().push(parts.map(|(k, v)| (k, normal(v))).into());
    }
    Ok(topics)
}

/// Without what changes from run to run.
fn normal(mut value: Value) -> Value {
    // One statement truncates all tables, in no order of its own.
    if value["payload"]["op"] == "t" {
        value["payload"]["transaction"] = Value::Null;
    }
    without_changing(value)
}

fn without_changing(value: Value) -> Value {
    const CHANGING: [&str; 7] = ["ts_ms", "ts_us", "ts_ns", "lsn", "txId", "sequence", "version"];
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let scalar = value.is_string() || value.is_number();
                // The id of a transaction; a schema's version is a number and stays.
                let changes = CHANGING.contains(&name.as_str()) && scalar && !(name == "version" && value.is_number())
                    || name == "id" && value.as_str().is_some_and(|s| s.contains(':'));
                let value = if changes { "*".into() } else { without_changing(value) };
                (name, value)
            })
            .collect(),
        Value::Array(values) => values.into_iter().map(without_changing).collect(),
        other => other,
    }
}

/// Where two values differ. Fields of a schema are found by their names.
fn differ(theirs: &Value, ours: &Value, path: String, found: &mut Vec<(String, String)>) {
    let short = |v: &Value| v.to_string().chars().take(120).collect::<String>();
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                match (a.get(name), b.get(name)) {
                    (Some(Value::Array(x)), Some(Value::Array(y))) if name == "fields" => fields(x, y, &path, found),
                    (Some(x), Some(y)) => differ(x, y, format!("{path}.{name}"), found),
                    (x, _) => found
                        .push((format!("{path}.{name}"), format!("{} here only", if x.is_some() { "theirs" } else { "ours" }))),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                differ(x, y, format!("{path}.{i}"), found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push((path, format!("{}, not {}", short(ours), short(theirs)))),
    }
}

fn fields(theirs: &[Value], ours: &[Value], path: &str, found: &mut Vec<(String, String)>) {
    let names = |f: &[Value]| f.iter().map(|f| f["field"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    if names(theirs) != names(ours) {
        found.push((format!("{path}.fields"), format!("{:?}, not {:?}", names(ours), names(theirs))));
    }
    for field in theirs {
        if let Some(same) = ours.iter().find(|f| f["field"] == field["field"]) {
            differ(field, same, format!("{path}.{}", field["field"].as_str().unwrap_or_default()), found);
        }
    }
}

fn is_known(topic: &str, path: &str) -> bool {
    let place = format!("{topic} {path}");
    DIFFERENT.iter().any(|known| known.strip_suffix('*').map_or(*known == place, |start| place.starts_with(start)))
}
