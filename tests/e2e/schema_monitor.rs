//! The schema monitor on a whole worker with its embedded registry: a change of a subject is told on the WebSocket and at a
//! webhook, it stops the connector that asked for it before a record of the new schema, and nobody else.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use millrace_tests::{Changes, Hook, Log, Worker, eventually, report};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use sha2::Sha256;

const WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_secs(1);
const SECRET: &str = "of the hook";
const SUBJECT: &str = "orders-value";

fn order(amount: Value) -> Value {
    let mut fields = vec![json!({"name": "id", "type": "long"})];
    fields.extend((!amount.is_null()).then_some(amount));
    json!({"type": "record", "name": "Order", "fields": fields})
}

async fn register(worker: &Worker, schema: Value) -> anyhow::Result<u32> {
    let body = json!({"schema": schema.to_string()});
    let (status, answer) = worker.ask_registry("POST", &format!("/subjects/{SUBJECT}/versions"), Some(&body)).await?;
    ensure!(status == 200, "{status} {answer}");
    Ok(answer["id"].as_u64().context("an id")? as u32)
}

/// Records of Confluent's wire format, whose `id`s are these and whose rest is `more`, in Avro's binary form.
async fn produce(worker: &Worker, schema: u32, ids: std::ops::Range<u8>, more: &[u8]) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    for id in ids {
        ensure!(id < 64, "one byte of zigzag");
        let value = [&[0], &schema.to_be_bytes()[..], &[id * 2], more].concat();
        producer.send(FutureRecord::<(), _>::to("orders").payload(&value), WITHIN).await.map_err(|(e, _)| e)?;
    }
    Ok(())
}

fn sink(file: &Path, stop: bool) -> Value {
    json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "orders", "file": file,
        "key.converter": "String", "value.converter": "io.confluent.connect.avro.AvroConverter",
        "stop_on_incompatible_schema": stop.to_string(), "consumer.override.auto.offset.reset": "earliest",
    })
}

async fn lines(file: &Path, n: usize) -> anyhow::Result<()> {
    eventually(&format!("{n} lines in {}", file.display()), WITHIN, || async {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        ensure!(text.lines().count() == n, "{text:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_and_stops_who_asked_for_it() -> anyhow::Result<()> {
    // It refuses the first delivery.
    let hook = Hook::start(1).await?;
    let settings = format!(
        "schema.monitor.interval.ms={}\nschema.monitor.webhook.urls={}\nschema.monitor.webhook.secret={SECRET}\n",
        POLL.as_millis(),
        hook.url
    );
    let mut worker = Worker::start_with(Log::Embedded, &settings).await?;
    eventually("the registry answers", WITHIN, || async {
        let (status, answer) = worker.ask_registry("GET", "/subjects", None).await?;
        ensure!(status == 200, "{status} {answer}");
        Ok(())
    })
    .await?;
    let first = register(&worker, order(Value::Null)).await?;
    produce(&worker, first, 0..10, &[]).await?;
    let (careful, bold) = (worker.dir().join("careful.txt"), worker.dir().join("bold.txt"));
    worker.create("careful", sink(&careful, true)).await?;
    worker.create("bold", sink(&bold, false)).await?;
    for file in [&careful, &bold] {
        lines(file, 10).await?;
    }
    let mut changes = Changes::of(&worker.rest).await?;

    // One that all can read.
    let changed = Instant::now();
    let second = register(&worker, order(json!({"name": "amount", "type": ["null", "int"], "default": null}))).await?;
    let change = changes.next("schema.version_changed").await?;
    let told = changed.elapsed();
    assert_eq!((&change["subject"], &change["current"]["version"]), (&json!(SUBJECT), &json!(2)), "{change}");
    assert_eq!((&change["changes"][0]["path"], &change["changes"][0]["kind"]), (&json!("amount"), &json!("added")), "{change}");
    assert_eq!(change["compatibility"]["compatible"], json!(true), "{change}");
    let affected: Vec<_> = change["affected"].as_array().into_iter().flatten().map(|a| a["connector"].clone()).collect();
    assert_eq!(affected, [json!("bold"), json!("careful")], "{change}");
    let delivery = eventually("the webhook is told again after its refusal", WITHIN, || async {
        let found = hook.deliveries().get(1).cloned();
        found.context("not yet")
    })
    .await?;
    assert_eq!(delivery.event, "schema.version_changed");
    assert_eq!(serde_json::from_str::<Value>(&delivery.body)?["id"], change["id"]);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(delivery.body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(delivery.signature, format!("sha256={hex}"));
    produce(&worker, second, 10..15, &[2, 14]).await?;
    for file in [&careful, &bold] {
        lines(file, 15).await?;
    }

    // One that the sinks cannot read as they did.
    let (status, answer) =
        worker.ask_registry("PUT", &format!("/config/{SUBJECT}"), Some(&json!({"compatibility": "NONE"}))).await?;
    ensure!(status == 200, "{status} {answer}");
    let third = register(&worker, order(json!({"name": "amount", "type": "string"}))).await?;
    produce(&worker, third, 15..20, &[2, b'x']).await?;
    let change = changes.next("schema.incompatible_change_detected").await?;
    assert_eq!(change["current"]["version"], json!(3), "{change}");
    let reasons = change["compatibility"]["reasons"].as_array().cloned().unwrap_or_default();
    ensure!(reasons.iter().any(|r| r["kind"] == "TYPE_MISMATCH"), "{change}");
    let trace = worker.failed("careful").await?;
    for part in [SUBJECT, "version 3", "TYPE_MISMATCH", "/acknowledge"] {
        ensure!(trace.contains(part), "no {part} in {trace}");
    }
    lines(&bold, 20).await?;
    worker.running("bold").await?;
    lines(&careful, 15).await?;

    // Accepted, it goes on where it stopped.
    let path = format!("/schemas/changes/{}", change["id"]);
    let (status, answer) = worker.request("POST", &format!("{path}/acknowledge"), Some(&json!({"by": "ada"}))).await?;
    ensure!(status == 200 && answer["acknowledged"] == json!(true), "{status} {answer}");
    let (status, answer) = worker.request("POST", "/connectors/careful/restart?includeTasks=true&onlyFailed=true", None).await?;
    ensure!(status == 202, "{status} {answer}");
    lines(&careful, 20).await?;

    // A change that the webhook has not taken when the worker is killed is told by the next.
    hook.refuse(usize::MAX);
    let before = hook.deliveries().len();
    register(&worker, order(json!({"name": "note", "type": "string", "default": ""}))).await?;
    let refused =
        eventually("the webhook refuses", WITHIN, || async { hook.deliveries().get(before).cloned().context("not yet") });
    let refused = refused.await?;
    worker.kill();
    let before = hook.deliveries().len();
    hook.refuse(0);
    worker.up().await?;
    eventually("the webhook is told after the crash", WITHIN, || async {
        let told = hook.deliveries()[before..].iter().any(|d| d.event == refused.event);
        ensure!(told, "not yet");
        Ok(())
    })
    .await?;
    // Every change is told once, and known after a crash.
    eventually("the changes are there again", WITHIN, || async {
        let (status, all) = worker.get(&format!("/schemas/changes?subject={SUBJECT}")).await?;
        let kinds: Vec<_> = all["changes"].as_array().into_iter().flatten().map(|c| c["kind"].clone()).collect();
        ensure!(
            status == 200 && kinds.len() == 3 && kinds[1..] == ["schema.incompatible_change_detected", "schema.version_changed"],
            "{status} {all}"
        );
        let (_, change) = worker.get(&path).await?;
        ensure!(change["acknowledged"] == json!(true), "{change}");
        Ok(())
    })
    .await?;
    report(format!("a change of a schema was told after {told:?}, with a look at the registry every {POLL:?}"));
    Ok(())
}
