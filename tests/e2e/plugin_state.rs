//! What plugins keep from one run to the next: a transform that counts, while the worker is killed.

use std::collections::HashSet;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use millrace_tests::{Kafka, Log, Worker, eventually, read_topics, report};
use rdkafka::Message;
use serde_json::{Value, json};

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const KILLS: usize = 6;
/// Lines written between two kills.
const LINES: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transform_loses_no_count_on_the_embedded_broker() -> anyhow::Result<()> {
    count(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transform_loses_no_count_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    count(Log::Kafka(&kafka.address())).await
}

/// What the transform made of a record: how many it has seen, and how many of them once.
fn counts(line: &str) -> anyhow::Result<(usize, usize)> {
    let (seen, once) =
        line.trim_matches('"').split_once(' ').with_context(|| format!("{line:?} is not what the transform writes"))?;
    Ok((seen.parse()?, once.parse()?))
}

async fn count(log: Log<'_>) -> anyhow::Result<()> {
    let beside = Worker::binary()?.parent().context("the program lies in a folder")?.join("test-plugins");
    let own = Worker::binary()?.parent().context("the program lies in a folder")?.join("plugins");
    let settings = format!("plugin.path={},{}\n", own.display(), beside.display());
    let mut worker = Worker::start_with(log, &settings).await?;
    let (from, to) = (worker.dir().join("in.txt"), worker.dir().join("out.txt"));
    std::fs::write(&from, "")?;
    let source = |topic: &str| {
        json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": topic,
            "key.converter": STRING, "value.converter": STRING,
        })
    };
    let counting = |mut config: Value| {
        config["transforms"] = "count".into();
        config["transforms.count.type"] = "test.Count".into();
        config
    };
    let sink = counting(json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": to, "topics": "lines",
        "key.converter": STRING, "value.converter": STRING,
    }));
    worker.create("lines", source("lines")).await?;
    worker.create("counted-lines", counting(source("counts"))).await?;
    worker.create("counted", sink.clone()).await?;
    for name in ["lines", "counted-lines", "counted"] {
        worker.running(name).await?;
    }

    let mut input = std::fs::File::options().append(true).open(&from)?;
    let mut written = 0;
    for kill in 0..=KILLS {
        let text: String = (written..written + LINES).map(|n| format!("line {n}\n")).collect();
        written += LINES;
        input.write_all(text.as_bytes())?;
        if kill < KILLS {
            if kill > 0 {
                eventually("counts come", Duration::from_secs(60), || async { reached(&to, (kill - 1) * LINES + 1) }).await?;
            }
            worker.kill();
            worker.up().await?;
        }
    }
    // A line that the source had read when it was killed may be in the topic twice: what is counted once is the topic's records.
    let records = eventually("all is counted", Duration::from_secs(120), || async {
        let records = read_topics(&worker.bootstrap, |t| t == "lines").await?.len();
        anyhow::ensure!(records >= written, "{records} records of {written} lines");
        reached(&to, records)?;
        Ok::<_, anyhow::Error>(records)
    })
    .await?;
    // A line that a kill has cut off comes again.
    let lines: Vec<_> = std::fs::read_to_string(&to)?.lines().filter_map(|line| counts(line).ok()).collect();
    let once: HashSet<usize> = lines.iter().map(|(_, once)| *once).collect();
    let missing: Vec<_> = (1..=records).filter(|n| !once.contains(n)).take(5).collect();
    anyhow::ensure!(missing.is_empty(), "counts {missing:?} were never there");
    anyhow::ensure!(once.len() == records, "{} counts of {records} records", once.len());
    let seen = lines.iter().map(|(seen, _)| *seen).max().unwrap_or_default();
    anyhow::ensure!(seen >= records, "{seen} of {records} records were seen");
    let produced = eventually("the source's lines are counted", Duration::from_secs(60), || async {
        let mut most = 0;
        for m in read_topics(&worker.bootstrap, |t| t == "counts").await? {
            most = most.max(counts(&String::from_utf8_lossy(m.payload().unwrap_or_default()))?.0);
        }
        anyhow::ensure!(most >= written, "{most} of {written}");
        Ok::<_, anyhow::Error>(most)
    })
    .await?;
    report(format_args!(
        "{KILLS} kills, {written} lines, {records} records: a sink's transform counted {} once and {seen} with those that came again, a source's {produced}",
        once.len()
    ));

    // It is shown how much is kept; it goes with the connector.
    let (_, kept) = worker.get("/connectors/counted/state").await?;
    anyhow::ensure!(kept["state"][0]["transform"] == "count" && kept["state"][0]["entries"] == 2, "{kept}");
    let (status, refused) = worker.request("DELETE", "/connectors/counted/state", None).await?;
    anyhow::ensure!(status == 400, "{refused}");
    worker.delete("counted").await?;
    let (status, made) = worker
        .request("POST", "/connectors", Some(&json!({"name": "counted", "config": sink, "initial_state": "STOPPED"})))
        .await?;
    anyhow::ensure!(status == 201, "{made}");
    for _ in 0..2 {
        let (_, kept) = worker.get("/connectors/counted/state").await?;
        anyhow::ensure!(kept == json!({"state": []}), "{kept}");
        let (_, kept) = worker.get("/connectors/counted-lines/state").await?;
        anyhow::ensure!(kept["state"][0]["entries"] == 1, "{kept}");
        worker.kill();
        worker.up().await?;
    }
    worker.request("PUT", "/connectors/counted-lines/stop", None).await?;
    eventually("it is stopped", Duration::from_secs(30), || async {
        let (status, said) = worker.request("DELETE", "/connectors/counted-lines/state", None).await?;
        anyhow::ensure!(status == 200, "{said}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let (_, kept) = worker.get("/connectors/counted-lines/state").await?;
    anyhow::ensure!(kept == json!({"state": []}), "{kept}");
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

/// The highest count of lines that count once.
fn reached(file: &std::path::Path, wanted: usize) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written.
    let most =
        text.split_inclusive('\n').filter(|l| l.ends_with('\n')).filter_map(|l| counts(l.trim_end()).ok()).map(|c| c.1).max();
    anyhow::ensure!(most.unwrap_or(0) >= wanted, "{} of {wanted}", most.unwrap_or(0));
    Ok(())
}
