//! Transforms tried on records, with nothing written.

use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, read_topics};
use serde_json::{Value, json};

fn config() -> Value {
    json!({
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "transforms": "hoist,live,mask",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.hoist.field": "word",
        "transforms.live.type": "org.apache.kafka.connect.transforms.Filter", "transforms.live.predicate": "dead",
        "transforms.mask.type": "org.apache.kafka.connect.transforms.MaskField$Value", "transforms.mask.fields": "word",
        "predicates": "dead", "predicates.dead.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.dead.pattern": "dead",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_tried_and_nothing_is_written() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let records = json!([
        {"topic": "people", "key": "k", "value": "ada", "headers": [{"key": "h", "value": "1"}]},
        {"topic": "dead", "value": "bob"},
        {"topic": "people", "value_base64": "e25vIGpzb24="},
    ]);
    let body = json!({"config": config(), "records": records});
    let (status, done) = worker.request("POST", "/transforms/try", Some(&body)).await?;
    anyhow::ensure!(status == 200 && done["error"].is_null(), "{status} {done:#}");
    let [first, dropped, broken] = done["records"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        anyhow::bail!("{done:#}")
    };
    anyhow::ensure!(first["before"]["value"] == "ada" && first["before"]["key"] == "k", "{first:#}");
    anyhow::ensure!(
        first["after"].as_array().map(Vec::len) == Some(1) && first["after"][0]["value"] == json!({"word": ""}),
        "{first:#}"
    );
    anyhow::ensure!(dropped["before"]["value"] == "bob" && dropped["after"] == json!([]), "{dropped:#}");
    anyhow::ensure!(broken["error"]["stage"] == "VALUE_CONVERTER" && broken["before"].is_null(), "{broken:#}");
    let steps: Vec<_> = done["transforms"].as_array().into_iter().flatten().map(|s| (&s["alias"], &s["records"])).collect();
    let expected = [(json!("hoist"), json!(2)), (json!("live"), json!(2)), (json!("mask"), json!(1))];
    anyhow::ensure!(steps.iter().zip(&expected).all(|(s, e)| *s == (&e.0, &e.1)) && steps.len() == 3, "{steps:?}");
    let written = read_topics(&worker.bootstrap, |t| t == "people" || t == "dead").await?;
    anyhow::ensure!(written.is_empty(), "{written:?}");

    for (change, said) in [
        (json!({"config": {"transforms": "a"}, "records": []}), "transforms.a.type"),
        (json!({"config": {"transforms": "a", "transforms.a.type": "none-such"}, "records": []}), "none-such"),
        (json!({"config": config()}), "nothing to try"),
        (json!({"config": config(), "records": [{"valeu": 1}]}), "valeu"),
        (json!({"config": config(), "records": vec![json!({"value": 1}); 1_001]}), "1001 records"),
        (json!({"config": config(), "topic": "people", "last": 100_000}), "100000"),
    ] {
        let (status, body) = worker.request("POST", "/transforms/try", Some(&change)).await?;
        anyhow::ensure!(status == 400 && body["message"].as_str().is_some_and(|m| m.contains(said)), "{said}: {status} {body}");
    }
    let none = json!({"config": config(), "topic": "none-such", "last": 1});
    let (status, body) = worker.request("POST", "/transforms/try", Some(&none)).await?;
    anyhow::ensure!(status == 404, "{status} {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_records_of_a_topic_are_tried() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, (0..50).map(|n| format!("line {n}\n")).collect::<String>())?;
    let source = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
    });
    worker.create("lines", source).await?;
    eventually("every line arrives", Duration::from_secs(60), || async {
        let lines = read_topics(&worker.bootstrap, |t| t == "lines").await?.len();
        anyhow::ensure!(lines == 50, "{lines}");
        Ok(())
    })
    .await?;
    let mut config = config();
    config["key.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    let body = json!({"config": config, "topic": "lines", "last": 3});
    let (status, done) = worker.request("POST", "/transforms/try", Some(&body)).await?;
    let values: Vec<_> = done["records"].as_array().into_iter().flatten().map(|r| &r["before"]["value"]).collect();
    anyhow::ensure!(status == 200 && values == ["line 47", "line 48", "line 49"], "{status} {done:#}");
    Ok(())
}
