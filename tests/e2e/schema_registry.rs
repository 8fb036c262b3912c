//! The embedded Schema Registry, from outside: its REST API, on both kinds of log, over restarts and kills, two workers at
//! once, and the Python client that others wrote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Kafka, Log, Worker, clients, eventually, report};
use rand::Rng;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn record(name: &str, fields: &[(&str, Value)]) -> Value {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, default)| match default {
            Value::Null => json!({"name": name, "type": "string"}),
            default => json!({"name": name, "type": "string", "default": default}),
        })
        .collect();
    json!({"schema": json!({"type": "record", "name": name, "fields": fields}).to_string()})
}

async fn well(worker: &Worker, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let (status, answer) = worker.ask_registry(method, path, body.as_ref()).await?;
    ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    Ok(answer)
}

/// The code and the message of an error.
async fn fails(worker: &Worker, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<(i64, String)> {
    let (status, answer) = worker.ask_registry(method, path, body.as_ref()).await?;
    ensure!(status >= 400, "{method} {path}: {status} {answer}");
    Ok((answer["error_code"].as_i64().context("a code")?, answer["message"].as_str().context("a message")?.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_answers_in_the_worker_and_after_a_restart() -> anyhow::Result<()> {
    on_both(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_answers_on_kafka_too() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    on_both(Log::Kafka(&kafka.address())).await
}

async fn on_both(log: Log<'_>) -> anyhow::Result<()> {
    let mut worker = Worker::start(log).await?;
    let w = &worker;
    ensure!(well(w, "GET", "/subjects", None).await? == json!([]));
    ensure!(well(w, "POST", "/subjects/orders-value/versions", Some(record("Order", &[("a", Value::Null)]))).await?["id"] == 1);
    // What the old data lacks has no default.
    let wrong = record("Order", &[("a", Value::Null), ("b", Value::Null)]);
    let (code, message) = fails(w, "POST", "/subjects/orders-value/versions", Some(wrong.clone())).await?;
    ensure!(code == 40901 && message.contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "{code} {message}");
    let check = "/compatibility/subjects/orders-value/versions/latest";
    ensure!(well(w, "POST", check, Some(wrong.clone())).await? == json!({"is_compatible": false}));
    let said = well(w, "POST", &format!("{check}?verbose=true"), Some(wrong.clone())).await?;
    ensure!(said["messages"].to_string().contains("oldSchemaVersion: 1"), "{said}");
    let right = record("Order", &[("a", Value::Null), ("b", json!("x"))]);
    ensure!(
        well(w, "POST", &format!("{check}?verbose=true"), Some(right.clone())).await?
            == json!({"is_compatible": true, "messages": []})
    );
    ensure!(well(w, "POST", "/subjects/orders-value/versions", Some(right)).await?["id"] == 2);
    well(w, "PUT", "/config/orders-value", Some(json!({"compatibility": "NONE"}))).await?;
    ensure!(well(w, "POST", "/subjects/orders-value/versions", Some(wrong)).await?["id"] == 3);
    let (code, _) = fails(w, "POST", "/subjects/orders-value/versions", Some(json!({"schema": "{\"type\": \"recor\"}"}))).await?;
    ensure!(code == 42201, "{code}");

    // The other formats.
    let schema =
        json!({"schemaType": "JSON", "schema": "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\"}}}"});
    let id = well(w, "POST", "/subjects/json-value/versions", Some(schema)).await?["id"].clone();
    ensure!(well(w, "GET", &format!("/schemas/ids/{id}"), None).await?["schemaType"] == "JSON");
    let proto = |text: &str, references: Value| json!({"schemaType": "PROTOBUF", "schema": text, "references": references});
    let inner = proto("syntax = \"proto3\"; package p; message Inner { string a = 1; }", json!([]));
    well(w, "POST", "/subjects/inner.proto/versions", Some(inner)).await?;
    let reference = json!([{"name": "inner.proto", "subject": "inner.proto", "version": 1}]);
    let outer = proto("syntax = \"proto3\"; import \"inner.proto\"; message Outer { p.Inner i = 1; }", reference);
    let outer_id = well(w, "POST", "/subjects/outer-value/versions", Some(outer.clone())).await?["id"].clone();
    ensure!(well(w, "GET", "/subjects/inner.proto/versions/1/referencedby", None).await? == json!([outer_id]));
    ensure!(well(w, "POST", "/subjects/outer-value", Some(outer)).await?["id"] == outer_id);
    ensure!(fails(w, "DELETE", "/subjects/inner.proto", None).await?.0 == 42206);

    well(w, "PUT", "/mode/json-value", Some(json!({"mode": "READONLY"}))).await?;
    well(w, "DELETE", "/subjects/orders-value/versions/2", None).await?;
    let asks =
        ["/subjects", "/schemas?deleted=true", "/config/orders-value", "/mode/json-value", "/subjects/orders-value/versions"];
    let mut before = Vec::new();
    for path in asks {
        before.push(well(&worker, "GET", path, None).await?);
    }
    ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    worker.up().await?;
    for (path, before) in asks.iter().zip(before) {
        let after = well(&worker, "GET", path, None).await?;
        ensure!(after == before, "{path}: {after} instead of {before}");
    }
    // Nobody gets an id of before.
    let next = well(&worker, "POST", "/subjects/new/versions", Some(record("New", &[]))).await?;
    ensure!(next["id"].as_i64() > outer_id.as_i64(), "{next}");
    Ok(())
}

/// What one client was told: by subject and version, the id and the schema's name.
type Told = BTreeMap<(String, i64), (i64, String)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_registered_outlives_kills() -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..16).map(|n| tokio::spawn(register(worker.registry.clone(), n, stop.clone(), Arc::default()))).collect();
    let rounds = 6;
    for _ in 0..rounds {
        let ms = rand::rng().random_range(300..1_500);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        worker.kill();
        worker.up().await?;
    }
    well(&worker, "POST", "/subjects/after/versions", Some(record("After", &[]))).await?;
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::new();
    for client in clients {
        told.extend(client.await??);
    }
    let count = checked(&worker, told).await?;
    report(format_args!("{count} registrations acknowledged to 16 clients over {rounds} kills, all there, ids unique"));
    Ok(())
}

/// Registers one schema after the other, again after every failure, until told to stop.
/// Registers until it is told to stop, counting in `done` what went well.
async fn register(registry: String, client: usize, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> anyhow::Result<Told> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let mut told = Told::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // Every fourth schema is one that all register, each under a subject of its own.
        let name = if n % 4 == 0 { format!("Shared{n}") } else { format!("Own{client}n{n}") };
        let subject = format!("s{client}n{}", n / 8 * 8);
        let answer = http.put(format!("{registry}/config/{subject}")).json(&json!({"compatibility": "NONE"})).send().await;
        if !answer.is_ok_and(|a| a.status().is_success()) {
            continue;
        }
        let path = format!("{registry}/subjects/{subject}/versions");
        let Ok(answer) = http.post(path).json(&record(&name, &[])).send().await else { continue };
        let (status, text) = (answer.status(), answer.text().await);
        let Ok(text) = text else { continue };
        if status.is_server_error() {
            continue;
        }
        ensure!(status.is_success(), "{subject} {name}: {status} {text}");
        let answer: Value = serde_json::from_str(&text)?;
        let (id, version) = (answer["id"].as_i64().context("an id")?, answer["version"].as_i64().context("a version")?);
        if let Some(before) = told.insert((subject.clone(), version), (id, name.clone())) {
            ensure!(before == (id, name), "{subject} version {version} was {before:?}");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(told)
}

/// Every registration is there as it was told, and an id is one schema's.
async fn checked(worker: &Worker, told: Told) -> anyhow::Result<usize> {
    let mut names: HashMap<i64, String> = HashMap::new();
    for ((subject, version), (id, name)) in &told {
        let there = well(worker, "GET", &format!("/subjects/{subject}/versions/{version}"), None).await?;
        let schema: Value = serde_json::from_str(there["schema"].as_str().context("a schema")?)?;
        ensure!(there["id"] == *id && schema["name"] == *name, "{subject} {version}: {there}, told {id} {name}");
        let known = names.entry(*id).or_insert_with(|| name.clone());
        ensure!(known == name, "id {id} is of {known} and of {name}");
    }
    let distinct: HashSet<_> = names.values().collect();
    ensure!(distinct.len() == names.len(), "a schema has two ids");
    Ok(told.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_workers_on_one_kafka_are_one_registry() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let address = kafka.address();
    let mut workers = [Worker::start(Log::Kafka(&address)).await?, Worker::start(Log::Kafka(&address)).await?];
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> =
        (0..8).map(|n| tokio::spawn(register(workers[n % 2].registry.clone(), n, stop.clone(), done.clone()))).collect();
    let count = async |n: usize| {
        eventually("registrations go well", SOON * 2, || async {
            let there = done.load(Ordering::Relaxed);
            ensure!(there >= n, "{there} of {n}");
            Ok::<_, anyhow::Error>(())
        })
        .await
    };
    count(24).await?;
    // One goes in the midst of it.
    workers[0].kill();
    workers[0].up().await?;
    count(done.load(Ordering::Relaxed) + 16).await?;
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::new();
    for client in clients {
        told.extend(client.await??);
    }
    // What one answered the other knows within a moment.
    let last = well(&workers[0], "POST", "/subjects/last/versions", Some(record("Last", &[]))).await?;
    eventually("the other worker knows it", SOON, || async {
        let there = well(&workers[1], "GET", "/subjects/last/versions/latest", None).await?;
        ensure!(there["id"] == last["id"], "{there}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    for worker in &workers {
        checked(worker, told.clone()).await?;
    }
    let mut listed = Vec::new();
    for worker in &workers {
        listed.push(well(worker, "GET", "/schemas?deleted=true", None).await?);
    }
    ensure!(listed[0] == listed[1], "the two know different schemas");
    report(format_args!("{} registrations through two workers, one killed meanwhile: both know the same", told.len()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_told_and_only_a_written_one_stops_the_worker() -> anyhow::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let written = format!("schema.registry.listener=http://{}", taken.local_addr()?);
    let started = Instant::now();
    let error = Worker::start_with(Log::Embedded, &written).await.err().context("it started")?.to_string();
    ensure!(error.contains("set another port in \"schema.registry.listener\""), "{error}");
    ensure!(started.elapsed() < SOON);
    // Another's registry, or none.
    for settings in ["schema.registry.listener=", "schema.registry.url=http://127.0.0.1:1"] {
        let worker = Worker::start_with(Log::Embedded, settings).await?;
        ensure!(!worker.log_tail().contains("Schema Registry listens"), "{}", worker.log_tail());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluents_python_client_finds_its_registry() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let script = millrace_tests::root().join("tests/clients/python/schema_registry.py");
    let python = clients::python_bin("python");
    let out = tokio::process::Command::new(&python).arg(script).arg(&worker.registry).output().await;
    let out = out.with_context(|| format!("{} is missing: run scripts/clients.sh", python.display()))?;
    let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success() && printed.trim_end().ends_with("all well"), "{printed}{errors}");
    Ok(())
}
