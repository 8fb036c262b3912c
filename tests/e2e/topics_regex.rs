//! Sinks that consume all topics of a regular expression, those that come later too.

use std::time::Duration;

use millrace_tests::{Kafka, Log, Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_topics_are_consumed_on_the_embedded_broker() -> anyhow::Result<()> {
    new_topics_are_consumed(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_topics_are_consumed_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    new_topics_are_consumed(Log::Kafka(&kafka.address())).await
}

async fn new_topics_are_consumed(log: Log<'_>) -> anyhow::Result<()> {
    let worker = Worker::start(log).await?;
    let to = worker.dir().join("out.txt");
    // What POSIX's expressions cannot say: a look-ahead, a class by its letter, a possessive repetition.
    let sink = json!({
        "connector.class": "FileStreamSink", "tasks.max": "2", "file": to, "topics.regex": r"(?!secret)\w++-\d+",
        "key.converter": STRING, "value.converter": STRING, "consumer.override.metadata.max.age.ms": "300",
    });
    worker.create("to", sink).await?;
    worker.running("to").await?;
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let send = async |topic: &str| {
        let record: FutureRecord<'_, str, str> = FutureRecord::to(topic).payload(topic);
        producer.send(record, Duration::from_secs(30)).await.map_err(|(e, _)| e)
    };
    let mut expected = Vec::new();
    // The first topic comes after the sink; no other of them may ever be consumed.
    for topic in ["secret-1", "orders-x", "xorders", "orders-1", "orders-1-old", "parts-2", "secret-3", "parts-3"] {
        send(topic).await?;
        if !topic.starts_with("secret") && topic.ends_with(|c: char| c.is_ascii_digit()) && topic != "orders-1-old" {
            expected.push(topic);
        }
        eventually("lines arrive", Duration::from_secs(60), || {
            let text = std::fs::read_to_string(&to).unwrap_or_default();
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            std::future::ready(if lines == expected { Ok(()) } else { Err(format!("{lines:?} for {expected:?}")) })
        })
        .await?;
    }
    Ok(())
}
