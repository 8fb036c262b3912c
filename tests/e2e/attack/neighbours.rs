//! Twenty pipelines that share a worker with those who attack: a file that grows at a fixed rate, read by each.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millrace_tests::{Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::json;

pub const NEIGHBOURS: usize = 20;
/// Lines that each of them is given at a time, and how often.
const LINES: u64 = 20;
const EVERY: Duration = Duration::from_millis(100);
const WITHIN: Duration = Duration::from_secs(60);

pub struct Neighbours {
    consumer: Arc<BaseConsumer>,
    written: Arc<AtomicU64>,
    writer: tokio::task::JoinHandle<()>,
}

impl Neighbours {
    /// Moves in: each reads the same file into a topic of its own, through a transform.
    pub async fn start(worker: &Worker) -> anyhow::Result<Neighbours> {
        let file = worker.dir().join("lines.txt");
        let mut out = std::fs::File::create(&file)?;
        let written = Arc::new(AtomicU64::new(0));
        for i in 0..NEIGHBOURS {
            let config = json!({
                "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic(i),
                "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
                "transforms": "wrap,mask", "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
                "transforms.wrap.field": "address", "transforms.mask.type": "mask-email", "transforms.mask.field": "address",
            });
            worker.create(&name(i), config).await?;
        }
        for i in 0..NEIGHBOURS {
            worker.running(&name(i)).await?;
        }
        let counted = written.clone();
        let writer = tokio::spawn(async move {
            let mut pace = tokio::time::interval(EVERY);
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
            loop {
                pace.tick().await;
                let n = counted.load(Ordering::SeqCst);
                let text: String = (n..n + LINES).map(|n| format!("ada@n{n}.example.com\n")).collect();
                if out.write_all(text.as_bytes()).is_err() {
                    return;
                }
                counted.store(n + LINES, Ordering::SeqCst);
            }
        });
        let consumer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).set("group.id", "counts").create()?;
        let neighbours = Neighbours { consumer: Arc::new(consumer), written, writer };
        neighbours.keep_up().await.map_err(|e| e.context(worker.log_tail()))?;
        Ok(neighbours)
    }

    /// How many records each has in its topic, and when.
    pub async fn counts(&self) -> anyhow::Result<(Instant, Vec<u64>)> {
        let consumer = self.consumer.clone();
        tokio::task::spawn_blocking(move || {
            let known = consumer.fetch_metadata(None, Duration::from_secs(10))?;
            let there = known.topics().iter().filter(|t| t.name().starts_with("neighbour-") && t.partitions().len() == 1).count();
            anyhow::ensure!(there == NEIGHBOURS, "{there} of {NEIGHBOURS} topics are there");
            let count = |i| anyhow::Ok(consumer.fetch_watermarks(&topic(i), 0, Duration::from_secs(10))?.1 as u64);
            let at = Instant::now();
            Ok((at, (0..NEIGHBOURS).map(count).collect::<Result<_, _>>()?))
        })
        .await?
    }

    /// Waits until each of them has passed on every line that is written by now. How long that took.
    pub async fn keep_up(&self) -> anyhow::Result<Duration> {
        let (begun, written) = (Instant::now(), self.written.load(Ordering::SeqCst));
        eventually("every neighbour passes on what was written", WITHIN, || async {
            let (_, counts) = self.counts().await?;
            let behind: Vec<_> = counts.iter().enumerate().filter(|(_, n)| **n < written).collect();
            anyhow::ensure!(behind.is_empty(), "of {written} lines: {behind:?}");
            Ok(())
        })
        .await?;
        Ok(begun.elapsed())
    }

    /// None of their tasks has failed.
    pub async fn all_run(&self, worker: &Worker) -> anyhow::Result<()> {
        for i in 0..NEIGHBOURS {
            worker.running(&name(i)).await?;
        }
        Ok(())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// Records a second between two counts: of the slowest, and of all together.
pub fn rates((from, before): &(Instant, Vec<u64>), (to, after): &(Instant, Vec<u64>)) -> (f64, f64) {
    let seconds = (*to - *from).as_secs_f64();
    let each: Vec<f64> = before.iter().zip(after).map(|(a, b)| (b - a) as f64 / seconds).collect();
    (each.iter().copied().fold(f64::MAX, f64::min), each.iter().sum())
}

pub fn topic(i: usize) -> String {
    format!("neighbour-{i}")
}

fn name(i: usize) -> String {
    format!("neighbour-{i}")
}
