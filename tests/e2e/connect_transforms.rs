//! Kafka Connect's own transforms in a connector's chain, registered by the JSON that its users have.

use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_connects_transforms_runs() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let from = worker.dir().join("in.txt");
    std::fs::write(&from, "first\nsecond\n")?;
    let config = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "transforms": "wrap,stamp,key,route,mark,rename",
        "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.wrap.field": "line",
        "transforms.stamp.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.stamp.static.field": "origin", "transforms.stamp.static.value": "a file",
        "transforms.key.type": "org.apache.kafka.connect.transforms.ValueToKey", "transforms.key.fields": "line",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": "(li)(.*)", "transforms.route.replacement": "$1ve-$2",
        "transforms.mark.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.mark.header": "n", "transforms.mark.value.literal": "5",
        "transforms.rename.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "transforms.rename.renames": "line:text", "transforms.rename.predicate": "live",
        "predicates": "live", "predicates.live.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.live.pattern": "live-.*",
    });
    worker.create("lines", config.clone()).await?;
    let records = eventually("both lines", WITHIN, || async {
        let records = read_topics(&worker.bootstrap, |t| t == "live-nes").await?;
        anyhow::ensure!(records.len() == 2, "{} records: {}", records.len(), worker.log_tail());
        Ok(records)
    })
    .await?;
    for (record, line) in records.iter().zip(["first", "second"]) {
        let json = |bytes: Option<&[u8]>| serde_json::from_slice::<Value>(bytes.unwrap_or_default());
        anyhow::ensure!(json(record.key())? == json!({ "line": line }), "{record:?}");
        anyhow::ensure!(json(record.payload())? == json!({"text": line, "origin": "a file"}), "{record:?}");
        let header = record.headers().and_then(|h| h.iter().next().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))));
        anyhow::ensure!(header == Some(("n".to_owned(), Some(b"5".to_vec()))), "{header:?}");
    }

    // Settings that are wrong are refused with Connect's texts, at the transform's key.
    let mut wrong = config;
    wrong["transforms.wrap.field"] = Value::Null;
    wrong["transforms.rename.renames"] = json!("line");
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "wrong", "config": wrong}))).await?;
    let message = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(
        status == 400 && message.contains("Missing required configuration \"transforms.wrap.field\""),
        "{status} {body}"
    );

    let (_, listed) = worker.get("/connector-plugins?connectorsOnly=false").await?;
    let classes: Vec<&str> = listed.as_array().into_iter().flatten().filter_map(|p| p["class"].as_str()).collect();
    for class in ["ExtractField$Key", "ReplaceField$Value", "RegexRouter"] {
        let class = format!("org.apache.kafka.connect.transforms.{class}");
        anyhow::ensure!(classes.contains(&class.as_str()), "{class} is not in {classes:?}");
    }
    Ok(())
}
