//! The commands that look at things: `consume`, `health`, `demo`, and what they say to a wrong flag.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Kafka, Log, Process, Worker, eventually, free_port};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const SOON: Duration = Duration::from_secs(30);

fn millrace(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(Worker::binary()?);
    command.args(args).stdin(Stdio::null());
    Ok(command)
}

/// Exit code, standard output, standard error.
fn run(args: &[&str]) -> anyhow::Result<(i32, String, String)> {
    let Output { status, stdout, stderr } = millrace(args)?.output()?;
    Ok((status.code().unwrap_or(-1), String::from_utf8(stdout)?, String::from_utf8(stderr)?))
}

/// What `consume` shows of a topic once it is `lines` lines.
async fn consumed(worker: &Worker, lines: usize, args: &[&str]) -> anyhow::Result<Vec<String>> {
    let args: Vec<&str> = ["consume", "--bootstrap", &worker.bootstrap].into_iter().chain(args.iter().copied()).collect();
    eventually(&format!("{args:?}"), SOON, || async {
        let (code, out, err) = run(&args)?;
        let out: Vec<String> = out.lines().map(str::to_owned).collect();
        ensure!(code == 0 && out.len() == lines, "{code} {out:?} {err}");
        Ok(out)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consume_shows_what_is_in_topics() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n{\"n\": 1.10}\n")?;
    let source = |topic: &str, converter: &str| json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic, "value.converter": converter});
    worker.create("plain", source("plain", STRING)).await?;
    worker.create("json", source("json", "JsonConverter")).await?;
    ensure!(consumed(&worker, 2, &["plain"]).await? == ["one", "{\"n\": 1.10}"]);
    let schema = "{\"schema\":{\"type\":\"string\",\"optional\":false},\"payload\":\"one\"}";
    ensure!(consumed(&worker, 1, &["json", "--max", "1"]).await? == [schema]);
    ensure!(consumed(&worker, 2, &["json", "--set", "value.converter=JsonConverter"]).await?[0] == "one");
    // Several topics: each line begins with its own, one topic after the other.
    let both = consumed(&worker, 4, &["plain", "json", "--keys", "--set", "value.converter=StringConverter"]).await?;
    ensure!(both[0] == "plain null one" && both[2].starts_with("json null {\"schema\""), "{both:?}");

    let lines = consumed(&worker, 2, &["plain", "--output", "json"]).await?;
    let line: Value = serde_json::from_str(&lines[1])?;
    let names: Vec<&str> = line.as_object().into_iter().flat_map(|o| o.keys().map(String::as_str)).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    ensure!(sorted == ["headers", "key", "offset", "partition", "timestamp", "topic", "value"], "{names:?}");
    ensure!(line["offset"] == 1 && line["key"].is_null() && line["value"] == json!({"n": 1.1}), "{line}");
    ensure!(lines[1].contains("1.10"), "the number was not left as it was: {}", lines[1]);

    bytes_and_tombstones(&worker).await
}

/// Keys, headers, bytes that are no text, and a record without a value.
async fn bytes_and_tombstones(worker: &Worker) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("a b") });
    // The first record may find that the topic is only being made.
    let (sent, records) = (&producer, consumed(worker, 2, &["plain"]));
    records.await?;
    let bytes = FutureRecord::<[u8], [u8]>::to("plain").key(b"k").payload(&[0, 255]).headers(headers);
    sent.send(bytes, SOON).await.map_err(|(e, _)| e)?;
    sent.send(FutureRecord::<[u8], [u8]>::to("plain").key(b"k"), SOON).await.map_err(|(e, _)| e)?;
    let shown = consumed(worker, 5, &["plain", "--keys", "--headers"]).await?;
    ensure!(shown[2..] == ["k base64:AP8=", "  trace: a b", "k null"], "{shown:?}");
    let (code, _, err) = run(&["consume", "plain", "--bootstrap", &worker.bootstrap, "--set", "value.converter=JsonConverter"])?;
    ensure!(code == 1 && err.contains("plain-0@0") && err.contains("--set value.converter="), "{err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consume_follows_until_nobody_reads() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines", "value.converter": STRING});
    worker.create("lines", config).await?;
    consumed(&worker, 1, &["lines"]).await?;
    let follow = ["consume", "lines", "--bootstrap", &worker.bootstrap, "--follow", "--from-beginning"];
    let (code, out, _) = run(&[&follow[..], &["--timeout", "200"]].concat())?;
    ensure!((code, out.as_str()) == (0, "one\n"), "{code} {out}");

    let mut following = millrace(&follow)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(following.stdout.take().context("a pipe")?).lines();
    ensure!(lines.next().transpose()?.as_deref() == Some("one"));
    std::io::Write::write_all(&mut std::fs::File::options().append(true).open(&file)?, b"two\n")?;
    ensure!(lines.next().transpose()?.as_deref() == Some("two"));
    // The reader goes away while there is nothing to write.
    drop(lines);
    let status = eventually("consume ends with its reader", SOON, || {
        let status = following.try_wait();
        async { status?.context("it still runs") }
    })
    .await?;
    let mut said = String::new();
    std::io::Read::read_to_string(&mut following.stderr.take().context("a pipe")?, &mut said)?;
    ensure!(status.success() && said.is_empty(), "{status} {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consume_shows_why_a_record_is_dead() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let (from, to) = (worker.dir().join("in.txt"), worker.dir().join("out.txt"));
    std::fs::write(&from, "{\"ok\": 1}\nnot json\n")?;
    let source = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines", "value.converter": STRING});
    let sink = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": to, "topics": "lines",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    worker.create("source", source).await?;
    worker.create("sink", sink).await?;
    let lines = eventually("the dead letter", SOON, || async {
        let (code, out, err) = run(&["consume", "dead", "--headers", "--bootstrap", &worker.bootstrap])?;
        ensure!(code == 0 && out.lines().count() > 1, "{out} {err}");
        Ok::<_, anyhow::Error>(out)
    })
    .await?;
    ensure!(lines.starts_with("not json\n"), "the record is not as it was consumed: {lines}");
    for header in
        ["  __connect.errors.topic: lines\n", "  __connect.errors.connector.name: sink\n", "  __connect.errors.offset: 1\n"]
    {
        ensure!(lines.contains(header), "no {header}: {lines}");
    }
    ensure!(lines.contains("  __connect.errors.exception.message: ") && lines.contains("VALUE_CONVERTER"), "{lines}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_what_is_unwell() -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let good = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines", "value.converter": STRING});
    worker.create("good", good).await?;
    worker.running("good").await?;
    let rest = worker.rest.clone();
    let (code, out, err) = run(&["health", "--url", &rest])?;
    ensure!((code, out.as_str()) == (0, "healthy\n"), "{code} {out} {err}");

    let bad = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": worker.dir().join("out.txt"), "topics": "lines",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    worker.create("bad", bad).await?;
    worker.failed("bad").await?;
    let (code, out, _) = run(&["health", "--url", &rest])?;
    ensure!(code == 1 && out.starts_with("bad-0: FAILED: ") && !out.contains("good"), "{code} {out}");

    // What somebody paused is as it should be.
    worker.delete("bad").await?;
    worker.request("PUT", "/connectors/good/pause", None).await?;
    eventually("healthy again", SOON, || async {
        let (code, out, err) = run(&["health", "--url", &rest])?;
        ensure!(code == 0, "{out} {err}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;

    worker.kill();
    let (code, _, err) = run(&["health", "--url", &rest])?;
    ensure!(code == 1 && err.contains("no worker answers at") && err.contains("--url"), "{code} {err}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_misses_a_kafka_that_is_gone() -> anyhow::Result<()> {
    let mut kafka = Kafka::start().await?;
    let worker = Worker::start(Log::Kafka(&kafka.address())).await?;
    let rest = worker.rest.clone();
    eventually("healthy", SOON, || async {
        let (code, out, err) = run(&["health", "--url", &rest])?;
        ensure!(code == 0, "{out} {err}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    kafka.process.kill();
    let (code, out, err) = run(&["health", "--url", &rest])?;
    ensure!(code == 1 && out.contains("bootstrap.servers"), "{code} {out} {err}");
    Ok(())
}

#[test]
fn wrong_flags_get_a_hint() -> anyhow::Result<()> {
    let nobody = format!("127.0.0.1:{}", free_port());
    for (args, hint) in [
        (&["consume", "t", "--folow"][..], "'--follow'"),
        (&["consume"], "<TOPIC>"),
        (&["consume", "t", "--output", "yaml"], "possible values: text, json"),
        (&["consume", "t", "--set", "x"], "--set value.converter=JsonConverter"),
        (&["consume", "t", "--set", "value.converter=Thrift"], "JsonConverter"),
        (&["consume", "t", "--set", "no.such=1"], "no.such"),
        (&["consume", "t", "--bootstrap", &nobody], "with --bootstrap"),
        (&["helth"], "'health'"),
        (&["demo", "--one"], "'--once'"),
    ] {
        let (code, _, err) = run(args)?;
        ensure!(code != 0 && err.contains(hint), "{args:?}: {code} {err}");
    }
    Ok(())
}

/// Whether a process runs that has `part` in its arguments.
fn runs(part: &Path) -> bool {
    let part = part.to_string_lossy();
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok()).any(|c| String::from_utf8_lossy(&c).contains(part.as_ref()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_it_all_and_leaves_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let out = millrace(&["demo", "--once"])?.env("TMPDIR", dir.path()).output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(out.status.success(), "{} {text}{}", out.status, String::from_utf8_lossy(&out.stderr));
    for part in ["p50", "p99", "__connect.errors.exception.message", "all of it works"] {
        ensure!(text.contains(part), "no {part}: {text}");
    }
    ensure!(!runs(dir.path()) && std::fs::read_dir(dir.path())?.next().is_none(), "it left something behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_stays_until_it_is_told() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let log = dir.path().join("log");
    let mut command = millrace(&["demo"])?;
    command.env("TMPDIR", dir.path());
    let mut demo = Process::start(command, &log)?;
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let started = Instant::now();
    while !said().contains("Up until Ctrl-C") {
        ensure!(demo.alive() && started.elapsed() < Duration::from_secs(120), "{}", said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(runs(dir.path()), "nothing runs: {}", said());
    ensure!(demo.terminate(SOON).await, "{}", said());
    std::fs::remove_file(&log)?;
    ensure!(!runs(dir.path()) && std::fs::read_dir(dir.path())?.next().is_none(), "it left something behind");
    Ok(())
}
