//! A file to a topic to a file, through two components, while the worker is killed.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use millrace_tests::{Kafka, Log, Worker, eventually, read_topics, report};
use serde_json::json;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
/// How often the worker is killed while lines flow.
const KILLS: usize = 5;
/// Lines written between two kills.
const LINES: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_is_lost_on_the_embedded_broker() -> anyhow::Result<()> {
    file_to_file(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_is_lost_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    file_to_file(Log::Kafka(&kafka.address())).await
}

async fn file_to_file(log: Log<'_>) -> anyhow::Result<()> {
    let mut worker = Worker::start(log).await?;
    let (from, to) = (worker.dir().join("in.txt"), worker.dir().join("out.txt"));
    std::fs::write(&from, "")?;
    let source = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines",
        "key.converter": STRING, "value.converter": STRING,
    });
    let sink = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1", "file": to, "topics": "lines",
        "key.converter": STRING, "value.converter": STRING,
    });
    worker.create("lines-source", source).await?;
    worker.create("lines-sink", sink).await?;
    worker.running("lines-source").await?;
    worker.running("lines-sink").await?;

    let mut input = std::fs::File::options().append(true).open(&from)?;
    let mut written = 0;
    for kill in 0..=KILLS {
        let mut text = String::new();
        for _ in 0..LINES {
            writeln!(text, "line {written} — naïve")?;
            written += 1;
        }
        input.write_all(text.as_bytes())?;
        if kill < KILLS {
            // Somewhere while these lines flow: as soon as the target has any of the earlier ones, or is about to.
            if kill > 0 {
                eventually("the target grows", Duration::from_secs(60), || async { at_least(&to, (kill - 1) * LINES + 1) })
                    .await?;
            }
            worker.kill();
            worker.up().await?;
        }
    }
    let complete = eventually("every line arrives", Duration::from_secs(90), || async { at_least(&to, written) }).await;
    if let Err(e) = complete {
        let (_, status) = worker.get("/connectors?expand=status").await?;
        anyhow::bail!("{e}\n{status:#}\n{}", worker.log_tail());
    }
    let numbers = numbers(&to);
    let mut seen = HashSet::new();
    let order: Vec<usize> = numbers.iter().copied().filter(|n| seen.insert(*n)).collect();
    anyhow::ensure!(order == (0..written).collect::<Vec<_>>(), "lines are missing or first seen out of order");
    report(format!("{KILLS} kills, {written} lines, {} of them came again", numbers.len() - written));
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

/// The numbers of the whole lines in a file. A kill may leave half a line: nobody wrote that one, and it does not count.
fn numbers(file: &Path) -> Vec<usize> {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let number = |l: &str| l.strip_prefix("line ")?.strip_suffix(" — naïve")?.parse().ok();
    text.lines().filter_map(number).collect()
}

/// The file has so many distinct lines.
fn at_least(file: &Path, n: usize) -> anyhow::Result<()> {
    let distinct: HashSet<usize> = numbers(file).into_iter().collect();
    anyhow::ensure!(distinct.len() >= n, "{} of {n} lines", distinct.len());
    Ok(())
}

/// `linger.ms` gathers what comes; it must not hold up a task that has no room left until what it sent is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_linger_does_not_stall_a_task() -> anyhow::Result<()> {
    const LINES: usize = 300_000;
    const LINGER: &str = "60000";
    let worker = Worker::start(Log::Embedded).await?;
    let from = worker.dir().join("in.txt");
    let text: String = (0..LINES).map(|n| format!("line {n} {:0100}\n", n)).collect();
    std::fs::write(&from, text)?;
    let source = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines",
        "key.converter": STRING, "value.converter": STRING, "producer.override.linger.ms": LINGER,
    });
    worker.create("lines-source", source).await?;
    // More than 30 MB, which is many times what may wait for the log; what comes last may wait for company.
    eventually("most lines arrive", Duration::from_secs(50), || async {
        let lines = read_topics(&worker.bootstrap, |t| t == "lines").await?.len();
        anyhow::ensure!(lines >= LINES / 2, "{lines} of {LINES}");
        Ok(())
    })
    .await
}
