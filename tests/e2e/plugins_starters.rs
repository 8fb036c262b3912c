//! What `millrace plugin new` writes in Go and C: it passes its own language's tests and `plugin test` as it is written, and
//! its sources and sinks run in a worker.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Worker, eventually, read_topics, root};
use rdkafka::Message;
use serde_json::{Value, json};

use crate::plugins_go_c::{plugin, worker_with};

const WITHIN: Duration = Duration::from_secs(120);

async fn run(program: &str, arguments: &[&str], dir: &Path) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(program);
    let out = command.args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "{program} {}: {}\n{said}", arguments.join(" "), out.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_transform_passes_its_tests_as_it_is_written() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for (language, own) in [("go", ["go", "test"]), ("c", ["make", "test"])] {
        let project = dir.path().join(format!("hide-{language}"));
        plugin(&["new", &format!("hide-{language}"), "--lang", language], dir.path()).await?;
        run(own[0], &own[1..], &project).await?;
        let said = plugin(&["test"], &project).await?;
        ensure!(said.contains(&format!("hide-{language} 0.1.0: 2 passed, 0 failed")), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_and_c_have_transforms_over_simple_values() -> anyhow::Result<()> {
    for (dir, name) in [("tests/guests/plain", "plain-go"), ("tests/guests/plain-c", "plain-c")] {
        let said = plugin(&["test", dir], &root()).await?;
        ensure!(said.contains(&format!("{name} 0.1.0: 1 passed, 0 failed")), "{said}");
    }
    Ok(())
}

/// The numbers that the source has brought, in order.
async fn numbers(worker: &Worker) -> anyhow::Result<Vec<i64>> {
    let records = read_topics(&worker.bootstrap, |topic| topic == "numbers").await?;
    let number = |value: &[u8]| serde_json::from_slice::<Value>(value).ok()?["payload"].as_i64();
    Ok(records.iter().filter_map(|m| number(m.payload()?)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_source_and_a_new_sink_in_go_run_and_resume() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let plugins = dir.path().join("plugins");
    for (name, kind) in [("tick-go", "source"), ("lines-go", "sink")] {
        plugin(&["new", name, "--lang", "go", "--kind", kind], dir.path()).await?;
        let project = dir.path().join(name);
        run("go", &["test"], &project).await?;
        plugin(&["build", "--out", &plugins.display().to_string()], &project).await?;
    }
    let mut worker = worker_with(&plugins, &["tick-go", "lines-go"]).await?;
    let file = worker.dir().join("lines.txt");
    let source = json!({"connector.class": "tick-go", "tasks.max": "1", "topic": "numbers", "every.ms": "5"});
    let mut sink = json!({"connector.class": "lines-go", "tasks.max": "1", "topics": "numbers", "file": file});
    sink["consumer.override.auto.offset.reset"] = "earliest".into();

    // A setting that is out of its bounds is refused with words of the host's.
    let mut wrong = source.clone();
    wrong["every.ms"] = "0".into();
    let (status, answer) = worker.request("POST", "/connectors", Some(&json!({"name": "wrong", "config": wrong}))).await?;
    ensure!(status == 400 && answer.to_string().contains("every.ms"), "{status} {answer}");

    worker.create("tick", source).await?;
    worker.create("lines", sink).await?;
    let mut written = 0;
    for round in 0..3 {
        worker.running("tick").await?;
        worker.running("lines").await?;
        written = eventually("it counts on", WITHIN, || async {
            let lines = std::fs::read_to_string(&file).unwrap_or_default().lines().count();
            ensure!(lines > written + 50, "{lines} lines, after {written}");
            Ok::<_, anyhow::Error>(lines)
        })
        .await?;
        // Offsets are kept: a stop keeps all, a kill may give the last few numbers again.
        if round == 0 {
            ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
            worker.up().await?;
        } else if round == 1 {
            worker.kill();
            worker.up().await?;
        }
    }
    let (status, _) = worker.request("PUT", "/connectors/tick/stop", None).await?;
    ensure!(status == 204, "{status}");
    // The stop is answered before the task has ended and its last offset is kept: that behind the last number, which may be less
    // than one that came before the kill.
    let all = eventually("what is kept is what was brought", WITHIN, || async {
        let (_, offsets) = worker.get("/connectors/tick/offsets").await?;
        let all = numbers(&worker).await?;
        let kept = json!([{"partition": {"counter": "0"}, "offset": {"next": all.last().map(|n| n + 1)}}]);
        ensure!(offsets["offsets"] == kept, "{offsets} after {:?}", all.last());
        Ok::<_, anyhow::Error>(all)
    })
    .await?;
    let mut times = BTreeMap::new();
    for n in &all {
        *times.entry(*n).or_insert(0) += 1;
    }
    let (first, last) = (times.keys().next().copied(), times.keys().next_back().copied());
    ensure!(first == Some(0) && last == Some(times.len() as i64 - 1), "numbers are missing: {} of {last:?}", times.len());
    ensure!(times.values().all(|n| *n <= 2), "numbers came more than twice, after one kill: {times:?}");

    // Each record has its line in the file: its topic, partition and offset.
    let written = eventually("the sink writes them all", WITHIN, || async {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let mut lines: Vec<i64> = text.lines().filter_map(|l| l.strip_prefix("numbers 0 ")?.parse().ok()).collect();
        lines.sort_unstable();
        lines.dedup();
        ensure!(lines.len() >= all.len(), "{} of {}", lines.len(), all.len());
        Ok(lines)
    })
    .await?;
    ensure!(written == (0..all.len() as i64).collect::<Vec<_>>(), "not the offsets of {} records", all.len());
    Ok(())
}
