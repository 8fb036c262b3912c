//! Dead letters in a queue of millions: how fast they are indexed, counted, filtered and paged through, and in how much memory.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};

use crate::usage;

const QUEUE: &str = "dead";
/// The records' failures lie this far apart.
const STEP_MS: i64 = 10;
const BEGIN_MS: i64 = 1_790_000_000_000;
/// How often each request is sent.
const TIMES: usize = 5;

pub async fn run(records: u64) -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    println!("\n### {records} dead letters on the embedded broker\n");
    let idle = worker.process().rss() >> 20;
    let began = Instant::now();
    let bootstrap = worker.bootstrap.clone();
    tokio::task::spawn_blocking(move || produce(&bootstrap, records)).await??;
    println!("- produced in {:.0?}", began.elapsed());
    let produced = worker.process().rss() >> 20;
    usage::reset_peak(worker.process().id());
    let cpu = usage::cpu_seconds(worker.process().id());
    let config = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "orders", "file": worker.dir().join("out.txt"),
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": QUEUE,
    });
    worker.create("sink", config).await?;
    let began = Instant::now();
    let path = format!("/dlq/{QUEUE}/summary");
    loop {
        let (status, summary) = worker.get(&path).await?;
        if status == 200 && summary["records"].as_u64() >= Some(records) {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(3_600), "not indexed within an hour: {status} {summary}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let pid = worker.process().id();
    println!(
        "- indexed in {seconds:.0} s: {:.0} records/s, {:.1} CPU-seconds a million with the broker's share",
        records as f64 / seconds,
        (usage::cpu_seconds(pid) - cpu) * 1e6 / records as f64
    );
    println!(
        "- resident MB: idle {idle}, after the producer {produced}, highest while indexing {}",
        usage::peak_bytes(pid) >> 20
    );
    println!("- the index: {} MB on the disk", folder(&worker.dir().join("data/dead-letters"))? >> 20);
    usage::reset_peak(pid);
    requests(&worker, records).await?;
    println!("\n- highest resident MB while asked: {}", usage::peak_bytes(pid) >> 20);
    worker.stop().await;
    worker.up().await?;
    let began = Instant::now();
    let (_, summary) = worker.get(&path).await?;
    ensure!(summary["records"].as_u64() == Some(records), "{summary}");
    println!("- after a restart the first summary takes {:.0?}, resident MB {}", began.elapsed(), worker.process().rss() >> 20);
    Ok(())
}

/// The slowest of some requests of each kind.
async fn requests(worker: &Worker, records: u64) -> anyhow::Result<()> {
    let (_, summary) = worker.get(&format!("/dlq/{QUEUE}/summary")).await?;
    let cause =
        summary["causes"].as_array().and_then(|c| c.last()).and_then(|c| c["cause"].as_str()).context("a cause")?.to_owned();
    let (middle, end) = (BEGIN_MS + records as i64 / 2 * STEP_MS, BEGIN_MS + records as i64 * STEP_MS);
    println!("\n| request | slowest of {TIMES} | records |\n|---|---|---|");
    for (what, path) in [
        ("summary", "summary".to_owned()),
        ("summary of a connector, half of the time", format!("summary?connector=sink-3&from={middle}")),
        ("page, newest", "records?limit=100".into()),
        ("page, oldest", "records?limit=100&order=oldest".into()),
        ("page of 1,000", "records?limit=1000".into()),
        ("page of a stage", "records?stage=TASK_PUT".into()),
        ("page of the rarest cause", format!("records?cause={cause}&order=oldest")),
        ("page of connector, stage and partition", "records?connector=sink-3&stage=VALUE_CONVERTER&source_partition=4".into()),
        ("page of a minute in the middle", format!("records?from={middle}&to={}", middle + 60_000)),
        ("page of a connector before the middle", format!("records?connector=sink-5&to={middle}")),
        ("page of nothing: a time without records", format!("records?from={end}")),
        ("page of a common text", "records?text=is+refused".into()),
        ("page of one record's text, as far as a page looks", format!("records?text=row+{}+", records / 3)),
        ("one record in full", format!("records/0-{}", records / 2)),
    ] {
        let (mut slowest, mut found) = (Duration::ZERO, 0);
        for _ in 0..TIMES {
            let began = Instant::now();
            let (status, answer) = worker.get(&format!("/dlq/{QUEUE}/{path}")).await?;
            slowest = slowest.max(began.elapsed());
            ensure!(status == 200, "{path}: {status} {answer}");
            found = match &answer["records"] {
                Value::Array(rows) => rows.len() as u64,
                Value::Number(n) => n.as_u64().unwrap_or_default(),
                _ => 1,
            };
        }
        println!("| {what} | {:.1} ms | {found} |", slowest.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// Small records of ten connectors, four stages, eight partitions and some causes, one of them in one of 100,000.
fn produce(bootstrap: &str, records: u64) -> anyhow::Result<()> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .create()?;
    const STAGES: [&str; 4] = ["VALUE_CONVERTER", "KEY_CONVERTER", "TRANSFORMATION", "TASK_PUT"];
    for i in 0..records {
        let message = match i {
            i if i % 100_000 == 7 => "the disk of the destination is full".to_owned(),
            i if i % 3 == 0 => {
                format!("null value in column \"c{}\" violates not-null constraint", (b'a' + (i % 20) as u8) as char)
            }
            i => format!("row {i} is refused: {} is out of range", i * 7),
        };
        let (offset, at, connector) =
            (i.to_string(), (BEGIN_MS + i as i64 * STEP_MS).to_string(), format!("sink-{}", i / 3 % 10));
        let headers = [
            ("dlq.source_topic", "orders"),
            ("dlq.source_partition", ["0", "1", "2", "3", "4", "5", "6", "7"][(i % 8) as usize]),
            ("dlq.source_offset", &offset),
            ("dlq.error_type", "refused"),
            ("dlq.error_message", &message),
            ("dlq.timestamp", &at),
            ("dlq.sink_id", &connector),
            ("dlq.stage", STAGES[(i % 4) as usize]),
            ("dlq.plugin_version", "1.0.0"),
        ];
        let headers = headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
            all.insert(Header { key, value: Some(*value) })
        });
        let mut record = BaseRecord::to(QUEUE).partition(0).key(&offset).payload("{\"id\": 1}").headers(headers);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    std::thread::sleep(Duration::from_millis(5));
                    record = again;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    producer.flush(Duration::from_secs(120))?;
    Ok(())
}

fn folder(of: &std::path::Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(of)? {
        let entry = entry?;
        bytes += if entry.path().is_dir() { folder(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
