//! Converters as connectors name them: in full, by simple name or alias, for themselves or by the worker's settings.

use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);

/// What a connector that reads one line, `first`, wrote into the topic of its own name.
async fn written(worker: &Worker, name: &str, settings: Value) -> anyhow::Result<OwnedMessage> {
    let from = worker.dir().join("in.txt");
    std::fs::write(&from, "first\n")?;
    let mut config = json!({"connector.class": "FileStreamSource", "file": from, "topic": name});
    for (key, value) in settings.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    worker.create(name, config).await?;
    eventually("the line", WITHIN, || async {
        let name = name.to_owned();
        let mut records = read_topics(&worker.bootstrap, move |t| t == name).await?;
        anyhow::ensure!(records.len() == 1, "{} records: {}", records.len(), worker.log_tail());
        Ok(records.remove(0))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connectors_class_brings_its_own_settings() -> anyhow::Result<()> {
    let worker = Worker::start_with(Log::Embedded, "value.converter.schemas.enable=false\n").await?;
    let envelope = r#"{"schema":{"type":"string","optional":false},"payload":"first"}"#;
    let cases = [
        ("workers", json!({}), r#""first""#),
        // The worker's settings are for the worker's class, were it the same.
        ("alias", json!({"value.converter": "Json"}), envelope),
        ("simple", json!({"value.converter": "JsonConverter", "value.converter.schemas.enable": "false"}), r#""first""#),
        ("full", json!({"value.converter": "org.apache.kafka.connect.storage.StringConverter"}), "first"),
        ("wide", json!({"value.converter": "String", "value.converter.converter.encoding": "UTF-16LE"}), "f\0i\0r\0s\0t\0"),
    ];
    for (name, settings, expected) in cases {
        let record = written(&worker, name, settings).await?;
        let value = String::from_utf8_lossy(record.payload().unwrap_or_default());
        anyhow::ensure!(value == expected, "{name}: {value}");
    }
    // One that is for headers alone, and one that does not take the data.
    let config = json!({"connector.class": "FileStreamSource", "file": "/dev/null", "topic": "t", "value.converter": "Simple"});
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "wrong", "config": config}))).await?;
    anyhow::ensure!(
        status == 400 && body["message"].as_str().is_some_and(|m| m.contains("does not implement the Converter interface")),
        "{status} {body}"
    );
    let from = worker.dir().join("in.txt");
    let config = json!({"connector.class": "FileStreamSource", "file": from, "topic": "t", "value.converter": "LongConverter"});
    worker.create("unfit", config).await?;
    let trace = worker.failed("unfit").await?;
    anyhow::ensure!(trace.contains("Failed to serialize to long (was class java.lang.String)"), "{trace}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_converter_may_be_of_headers() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let cases: [(&str, &str, &[u8]); 9] = [
        ("Json", "5", br#"{"schema":{"type":"int8","optional":false},"payload":5}"#),
        ("String", "[1,2]", b"[1, 2]"),
        ("Simple", r#"{"a":true}"#, br#"{"a":true}"#),
        ("org.apache.kafka.connect.storage.SimpleHeaderConverter", "text", b"text"),
        ("org.apache.kafka.connect.converters.BooleanConverter", "true", &[1]),
        ("ShortConverter", "300", &300i16.to_be_bytes()),
        ("Integer", "70000", &70_000i32.to_be_bytes()),
        ("LongConverter", "5000000000", &5_000_000_000i64.to_be_bytes()),
        ("Float", "1.5", &1.5f32.to_be_bytes()),
    ];
    for (i, (class, literal, expected)) in cases.into_iter().enumerate() {
        let settings = json!({
            "value.converter": "String", "header.converter": class, "transforms": "mark",
            "transforms.mark.type": "org.apache.kafka.connect.transforms.InsertHeader",
            "transforms.mark.header": "n", "transforms.mark.value.literal": literal,
        });
        let record = written(&worker, &format!("h{i}"), settings).await?;
        let header = record.headers().and_then(|h| h.iter().next().map(|h| h.value.map(<[u8]>::to_vec)));
        anyhow::ensure!(header == Some(Some(expected.to_vec())), "{class}: {header:?}");
    }
    Ok(())
}
