//! A source and a sink in Python, as `plugin new` writes them: the source goes on where it was after a restart, the sink writes
//! what it says is durable.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::Message;
use serde_json::{Value, json};

use crate::plugins_python_javascript::{millrace, produce, project};

const WITHIN: Duration = Duration::from_secs(120);
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// The numbers in the topic, in its order; each record has its own as the key, too.
async fn numbers(worker: &Worker) -> anyhow::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for record in read_topics(&worker.bootstrap, |t| t == "numbers").await? {
        let value: Value = serde_json::from_slice(record.payload().unwrap_or_default())?;
        let n = value["n"].as_u64().ok_or_else(|| anyhow::anyhow!("no number: {value}"))?;
        ensure!(record.key() == Some(n.to_string().as_bytes()), "{record:?}");
        numbers.push(n);
    }
    Ok(numbers)
}

/// The number that the source begins with after a restart.
async fn next(worker: &Worker) -> anyhow::Result<u64> {
    let (_, offsets) = worker.get("/connectors/count/offsets").await?;
    Ok(offsets["offsets"][0]["offset"]["next"].as_u64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_and_a_sink_in_python_run_in_a_worker() -> anyhow::Result<()> {
    let at = tempfile::tempdir()?;
    let [projects, plugins] = ["projects", "plugins"].map(|name| at.path().join(name));
    project(&projects, "count-py", &["--lang", "python", "--kind", "source"], None)?;
    project(&projects, "lines-py", &["--lang", "python", "--kind", "sink"], None)?;
    let [from, to] = [&projects, &plugins].map(|p| p.display().to_string());
    millrace(&["plugin", "build", &from, "--out", &to])?;
    // The project asks for files.
    ensure!(std::fs::read_to_string(plugins.join("lines-py.grants"))? == "files\n");

    let mut worker = Worker::start_with(Log::Embedded, &format!("plugin.path={to}\noffset.flush.interval.ms=500")).await?;
    let source = json!({
        "connector.class": "count-py", "topic": "numbers", "every.ms": "20",
        "key.converter": JSON, "key.converter.schemas.enable": "false",
        "value.converter": JSON, "value.converter.schemas.enable": "false",
    });
    worker.create("count", source).await?;
    eventually("some numbers", WITHIN, || async {
        let next = next(&worker).await?;
        ensure!(next >= 20, "{next} numbers: {}", worker.log_tail());
        Ok(())
    })
    .await?;
    ensure!(worker.stop().await, "the worker did not end by itself");
    worker.up().await?;
    let before = next(&worker).await?;
    eventually("more numbers", WITHIN, || async {
        let next = next(&worker).await?;
        ensure!(next >= before + 20, "{next} numbers, {before} before: {}", worker.log_tail());
        Ok(())
    })
    .await?;
    // It stops before its topic is read to the end.
    worker.delete("count").await?;
    let all = numbers(&worker).await?;
    ensure!(all.len() as u64 >= before + 20, "{} numbers", all.len());
    // A worker that ends well has committed what it brought: nothing comes twice, and nothing is left out.
    ensure!(all.iter().copied().eq(0..all.len() as u64), "{all:?}");

    let file = worker.dir().join("lines.txt");
    let values: Vec<_> = (0..500).map(|n| (n % 100 != 99).then(|| json!({"n": n, "é": "ü"}).to_string())).collect();
    produce(&worker.bootstrap, "given", &values).await?;
    let sink = json!({
        "connector.class": "lines-py", "topics": "given", "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": JSON, "value.converter.schemas.enable": "false",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "refused",
        "errors.deadletterqueue.topic.replication.factor": "1",
    });
    worker.create("lines", sink).await?;
    let written = eventually("every line", WITHIN, || async {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        ensure!(text.lines().count() == 495, "{} lines: {}", text.lines().count(), worker.log_tail());
        Ok(text)
    })
    .await?;
    let mut places = BTreeSet::new();
    for line in written.lines() {
        let parts: Vec<_> = line.splitn(4, ' ').collect();
        let [topic, partition, offset, value] = parts[..] else { anyhow::bail!("{line}") };
        let value: Value = serde_json::from_str(value)?;
        ensure!(topic == "given" && value["é"] == "ü" && value["n"].as_u64().is_some(), "{line}");
        ensure!(places.insert((partition.to_owned(), offset.parse::<u64>()?)), "{line} is there twice");
    }
    eventually("the tombstones", WITHIN, || async {
        let letters = read_topics(&worker.bootstrap, |t| t == "refused").await?;
        ensure!(letters.len() == 5 && letters.iter().all(|l| l.payload().is_none()), "{} letters", letters.len());
        Ok(())
    })
    .await
}
