//! What producing costs: `produce ADDRESS [RECORDS] [VALUE_BYTES]` sends records of ready bytes with a task's default
//! settings, in batches as a source task does, waits for their acknowledgements, and counts what the log then holds.
//!
//! Prints records a second, and CPU-seconds of this process a million records.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_record::RawConfig;
use millrace_worker::kafka::client::ClientSettings;
use millrace_worker::kafka::outgoing::{OutMeta, Outgoing};
use millrace_worker::kafka::producer::{LogProducer, PRODUCER_DEFAULTS, Sent};
use millrace_worker::task::KafkaClients;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// Records of one batch, and batches that may wait for the log.
const BATCH: usize = 1700;
const IN_FLIGHT_MAX: usize = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("usage: produce ADDRESS [RECORDS] [VALUE_BYTES]")?;
    let records: usize = arguments.next().map_or(Ok(2_000_000), |a| a.parse())?;
    let size: usize = arguments.next().map_or(Ok(500), |a| a.parse())?;
    let clients = ClientSettings::new(&address, RawConfig::new());
    let mut producer = LogProducer::new(&clients.producer("produce", &RawConfig::new(), PRODUCER_DEFAULTS))?;
    let topic = format!("produce-{}", std::process::id());
    let (sent, mut to_acknowledge) = tokio::sync::mpsc::channel::<Sent>(IN_FLIGHT_MAX);
    let acknowledging = tokio::spawn(async move {
        while let Some(mut batch) = to_acknowledge.recv().await {
            let refused = batch.settled().await.context("the producer has ended")?;
            ensure!(refused.is_empty(), "refused: {refused:?}");
        }
        anyhow::Ok(())
    });
    let value = vec![b'v'; size];
    let (started, cpu) = (Instant::now(), cpu()?);
    for at in (0..records).step_by(BATCH) {
        let mut batch = Outgoing::with_capacity(BATCH, BATCH * (size + 32));
        let topic = batch.topic(&topic);
        for i in at..(at + BATCH).min(records) {
            let key = batch.bytes(Some(format!("{{\"id\":{i}}}").as_bytes()));
            let value = batch.bytes(Some(&value));
            batch.push(OutMeta { topic, ..OutMeta::default() }, key, value);
        }
        sent.send(producer.send(batch).await).await?;
    }
    drop(sent);
    acknowledging.await??;
    let (took, cpu) = (started.elapsed().as_secs_f64(), self::cpu()? - cpu);
    let consumer: BaseConsumer = clients.consumer("count", &RawConfig::new(), &[("group.id", "count")]).create()?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, Duration::from_secs(10))?;
    ensure!(high - low == records as i64, "the log holds {} records of {records}", high - low);
    let million = records as f64 / 1e6;
    println!(
        "{:.0} records/s, {:.2} CPU-s a million, {records} records of {size} bytes in {took:.2} s",
        records as f64 / took,
        cpu / million
    );
    Ok(())
}

/// CPU-seconds of this process, by all of its threads.
fn cpu() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).context("no CPU time in /proc/self/stat");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
