//! A transform over records as simple values, in a pipeline: what it edits keeps its schema, what it refuses is dead-lettered.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::message::Headers;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::json;

/// The folders of the plugins and of those for tests.
fn folders() -> anyhow::Result<[PathBuf; 2]> {
    let beside = Worker::binary()?.parent().context("the program lies in a folder")?.to_owned();
    Ok([beside.join("plugins"), beside.join("test-plugins")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simple_values_keep_their_schemas() -> anyhow::Result<()> {
    let [plugins, tests] = folders()?;
    ensure!(tests.join("plain-edit.wasm").exists(), "plain-edit.wasm is not in {}: run scripts/test.sh", tests.display());
    let settings = format!("plugin.path={},{}\n", plugins.display(), tests.display());
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    let schema = json!({"type": "struct", "optional": false, "name": "shop.Person", "fields": [
        {"field": "id", "type": "int32", "optional": false}, {"field": "name", "type": "string", "optional": true},
        {"field": "do", "type": "string", "optional": true},
    ]});
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let wishes = ["edit", "drop", "split", "fail", "unfit", "same", "none"];
    for (id, wish) in wishes.iter().enumerate() {
        let value = json!({"schema": schema, "payload": {"id": id, "name": "ada", "do": wish}}).to_string();
        let sent = producer.send(FutureRecord::<str, str>::to("people").payload(&value), Duration::from_secs(30)).await;
        sent.map_err(|(e, _)| e).context("producing")?;
    }

    let file = worker.dir().join("out.txt");
    let config = json!({
        "connector.class": "FileStreamSink", "topics": "people", "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "transforms": "edit", "transforms.edit.type": "plain-edit",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead",
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
    });
    worker.create("people", config.clone()).await?;
    // As Java prints a struct and a map: what has lost its schema would be `{id=0, ...}`.
    let expected = [
        "Struct{id=0,name=edited,do=edit,added=Struct{n=1}}",
        "Struct{id=1,name=ada,do=split}",
        "Struct{id=2,name=ada,do=split}",
        "Struct{id=3,name=ada,do=split}",
        "Struct{id=5,name=ada,do=same}",
        "Struct{id=6,name=ada,do=none}",
    ];
    eventually("every record is written", Duration::from_secs(60), || async {
        let text = std::fs::read_to_string(&file)?;
        let lines: Vec<_> = text.lines().collect();
        ensure!(lines == expected, "{text}");
        Ok(())
    })
    .await?;
    eventually("two are dead", Duration::from_secs(60), || async {
        let dead = read_topics(&worker.bootstrap, |t| t == "dead").await?;
        let said = |m: &rdkafka::message::OwnedMessage| {
            let headers = m.headers().into_iter().flat_map(|h| h.iter());
            let message = headers.filter(|h| h.key == "__connect.errors.exception.message").filter_map(|h| h.value).last();
            String::from_utf8_lossy(message.unwrap_or_default()).into_owned()
        };
        let said: Vec<_> = dead.iter().map(said).collect();
        ensure!(said.len() == 2, "{said:?}");
        ensure!(said[0].contains("the record asked for it"), "{said:?}");
        ensure!(said[1].contains("5000000000 does not fit the schema's INT32") && said[1].contains("\"id\""), "{said:?}");
        Ok(())
    })
    .await?;

    // An error of a batch is one of the task, since it names no record.
    let broken = json!({"schema": schema, "payload": {"id": 7, "name": "ada", "do": "break"}}).to_string();
    let sent = producer.send(FutureRecord::<str, str>::to("people").payload(&broken), Duration::from_secs(30)).await;
    sent.map_err(|(e, _)| e).context("producing")?;
    let trace = worker.failed("people").await?;
    ensure!(trace.contains("the record broke the batch"), "{trace}");
    Ok(())
}
