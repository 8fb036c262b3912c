//! Health that is true: what a task waits for is told beside its state, with the cause, within seconds, and so is that it goes
//! on again.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, report};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

/// The promise is 5 s; a machine that is busy with other tests may need longer.
const WITHIN: Duration = Duration::from_secs(30);
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

async fn produce(bootstrap: &str, n: usize) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let fields = json!([{"field": "id", "type": "int32"}]);
    let value = json!({"schema": {"type": "struct", "fields": fields}, "payload": {"id": n}}).to_string();
    producer.send(FutureRecord::<(), str>::to("numbers").payload(&value), WITHIN).await.map_err(|(e, _)| e)?;
    Ok(())
}

fn sink(pg: &Postgres) -> Value {
    json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "numbers",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", pg.port), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_value",
        "primary.key.fields": "id", "collection.name.format": "numbers", "retry.backoff.max.ms": "2000",
        // It would be FAILED, and no less healthy, after some tries.
        "retry.max.attempts": "1000",
    })
}

async fn rows(pg: &Postgres, n: usize) -> anyhow::Result<()> {
    eventually(&format!("{n} rows"), WITHIN, || async {
        let rows = pg.query("dst", "select count(*) from numbers").await?;
        ensure!(rows == [n.to_string()], "{rows:?}");
        Ok(())
    })
    .await
}

/// Waits until the task's health is so, with these words in its cause; says how long that took.
async fn healths(worker: &Worker, connector: &str, condition: &str, words: &str) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let task = eventually(&format!("{connector} is {condition}"), WITHIN, || async {
        let (_, task) = worker.get(&format!("/connectors/{connector}/tasks/0/status")).await?;
        let health = &task["health"];
        let said = health["cause"].as_str().unwrap_or_default().contains(words);
        ensure!(health["state"] == condition && said && health["since"].is_u64(), "{task}");
        Ok(task)
    })
    .await?;
    let cause = task["health"]["cause"].as_str().map(|c| format!(": {c}")).unwrap_or_default();
    report(format_args!("{connector} is {condition} after {:.1} s{cause}", begun.elapsed().as_secs_f64()));
    Ok(task)
}

/// Waits until `millrace health` says so, or, with no words, that all is well.
async fn command_says(worker: &Worker, words: &str) -> anyhow::Result<()> {
    eventually("millrace health", WITHIN, || async {
        let out = Command::new(Worker::binary()?).args(["health", "--url", &worker.rest]).output()?;
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        ensure!(out.status.success() == words.is_empty() && said.contains(words), "{said}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// Sends a signal to a process and its children; goes on with them when it is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    fn new(pid: u32) -> anyhow::Result<Stopped> {
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output()?.stdout;
        let children = String::from_utf8_lossy(&children).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let all = Stopped([pid.to_string()].into_iter().chain(children).collect());
        all.signal("-STOP");
        Ok(all)
    }
    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").arg(signal).args(&self.0).status();
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_tells_that_its_database_is_away_or_hangs() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    pg.execute("dst", "create table numbers (id int primary key)").await?;
    let worker = Worker::start(Log::Embedded).await?;
    produce(&worker.bootstrap, 0).await?;
    worker.create("sink", sink(&pg)).await?;
    rows(&pg, 1).await?;
    healths(&worker, "sink", "ok", "").await?;
    command_says(&worker, "").await?;

    pg.down(false)?;
    produce(&worker.bootstrap, 1).await?;
    let task = healths(&worker, "sink", "retrying", "cannot connect").await?;
    ensure!(task["state"] == "RUNNING", "the first tries are no failure yet: {task}");
    command_says(&worker, "sink-0: RUNNING, retrying: sink plugin \"postgres-sink\" failed in ").await?;
    let page = super::plugin_metrics::page(&worker).await?;
    let shown = page.get("connector_task_metrics_health", "connector=\"sink\",task=\"0\",health=\"retrying\"");
    ensure!(shown == Some(1.0), "{shown:?}");
    pg.up().await?;
    rows(&pg, 2).await?;
    healths(&worker, "sink", "ok", "").await?;

    let stopped = Stopped::new(pg.pid().context("it runs")?)?;
    produce(&worker.bootstrap, 2).await?;
    let task = healths(&worker, "sink", "stuck", "has not returned for").await?;
    ensure!(task["state"] == "RUNNING", "{task}");
    command_says(&worker, "sink-0: RUNNING, stuck: ").await?;
    drop(stopped);
    rows(&pg, 3).await?;
    healths(&worker, "sink", "ok", "").await?;
    command_says(&worker, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_tell_that_kafka_does_not_answer() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let worker = Worker::start(Log::Kafka(&kafka.address())).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let source = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines", "value.converter": STRING});
    worker.create("source", source).await?;
    worker.running("source").await?;
    healths(&worker, "source", "ok", "").await?;
    let stopped = Stopped::new(kafka.process.id())?;
    healths(&worker, "source", "stuck", "Kafka does not answer").await?;
    let (status, health) = worker.get("/health").await?;
    ensure!(
        status == 500 && health["message"].as_str().is_some_and(|m| m.contains("Kafka does not answer")),
        "{status} {health}"
    );
    drop(stopped);
    healths(&worker, "source", "ok", "").await?;
    command_says(&worker, "").await
}

/// A file system of its own, so small that it can be filled; gone when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None: only root may.
    fn new() -> anyhow::Result<Option<SmallDisk>> {
        let dir = tempfile::Builder::new().prefix("millrace-disk").tempdir()?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(dir.path()).output();
        Ok(mounted.is_ok_and(|m| m.status.success()).then_some(SmallDisk(dir)))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_tell_that_the_disk_of_the_embedded_log_is_full() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new()? else {
        report("left out: only root may mount a small disk to fill");
        return Ok(());
    };
    let mut worker = Worker::start_with(Log::Embedded, &format!("data.dir={}\n", disk.0.path().join("data").display())).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let source = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines", "value.converter": STRING});
    worker.create("source", source).await?;
    worker.running("source").await?;
    healths(&worker, "source", "ok", "").await?;

    let filler = disk.0.path().join("filler");
    // It ends where the disk does.
    Command::new("dd").args(["if=/dev/zero", "bs=4096", &format!("of={}", filler.display())]).output()?;
    let more: String = (0..5_000).map(|n| format!("line {n} of some length\n")).collect();
    std::fs::write(&file, format!("one\n{more}"))?;
    healths(&worker, "source", "stuck", "the embedded log refuses records").await?;
    let (status, health) = worker.get("/health").await?;
    ensure!(status == 500 && health["message"].as_str().is_some_and(|m| m.contains("data.dir")), "{status} {health}");
    std::fs::remove_file(&filler)?;
    healths(&worker, "source", "ok", "").await?;
    eventually("every line is in the log", WITHIN, || async {
        let found = millrace_tests::read_topics(&worker.bootstrap, |topic| topic == "lines").await?;
        ensure!(found.len() == 5_001, "{}", found.len());
        Ok(())
    })
    .await?;
    worker.stop().await;
    Ok(())
}
