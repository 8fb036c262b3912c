//! From commit to topic: 1,000 rows a second in commits of ten, the age of each event when a consumer gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::json;

use crate::drain::source;
use crate::system::System;
use crate::{Bench, load};

const SECONDS: u64 = 30;
const COMMITS_A_SECOND: u64 = 100;
const ROWS_A_COMMIT: i64 = 10;

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let kafka = bench.kafka.address();
    println!("\nCommit to topic at 1,000 rows a second, {SECONDS} s, milliseconds");
    println!("{:<44}{:>10}{:>10}{:>10}{:>10}", "", "p50", "p99", "max", "events");
    for (system, how, extra) in [
        (System::connect("Debezium", &bench.connect, &kafka), "default settings", None),
        (System::connect("Debezium", &bench.connect, &kafka), "poll.interval.ms=10", Some(("poll.interval.ms", "10"))),
        (System::millrace("Millrace on Kafka", &bench.millrace), "default settings", None),
        (System::millrace("Millrace, embedded broker", &bench.embedded), "default settings", None),
    ] {
        load::drop_slots(&bench.pg).await?;
        load::table(&bench.pg, "bench_latency").await?;
        let name = format!("latency{}", rand::random::<u32>());
        let mut config = source(bench, &name, "bench_latency", &name);
        if let Some((k, v)) = extra {
            config[k] = json!(v);
        }
        load::create_slot(&bench.pg, &name).await?;
        system.create(&name, config).await?;
        let topic = format!("{name}.public.bench_latency");
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (stop, bootstrap) = (stop.clone(), system.bootstrap.to_owned());
            std::thread::spawn(move || read(&bootstrap, &topic, &stop))
        };
        write(bench).await?;
        stop.store(true, Ordering::SeqCst);
        let mut ages = reader.join().expect("the reader does not panic")?;
        system.delete(&name).await?;
        ages.sort_by(f64::total_cmp);
        let at =
            |q: f64| ages.get(((ages.len() as f64 * q) as usize).min(ages.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        println!(
            "{:<44}{:>10.1}{:>10.1}{:>10.1}{:>10}",
            format!("{}, {how}", system.name),
            at(0.5),
            at(0.99),
            at(1.0),
            ages.len()
        );
    }
    Ok(())
}

/// Three seconds to warm up, whose ages do not count, then the measured commits, paced by the clock.
async fn write(bench: &Bench) -> anyhow::Result<()> {
    let client = bench.pg.client("src").await?;
    let mut pace = tokio::time::interval(Duration::from_millis(1_000 / COMMITS_A_SECOND));
    for k in 0..(SECONDS + 3) * COMMITS_A_SECOND {
        pace.tick().await;
        let lo = 1 + k as i64 * ROWS_A_COMMIT;
        client.batch_execute(&format!("insert into bench_latency {}", load::rows(lo, lo + ROWS_A_COMMIT - 1))).await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(())
}

/// Ages in milliseconds of the events with ids beyond the warm-up.
fn read(bootstrap: &str, topic: &str, stop: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut conf = ClientConfig::new();
    conf.set("bootstrap.servers", bootstrap).set("group.id", "bench-latency").set("fetch.wait.max.ms", "5");
    conf.set("topic.metadata.refresh.interval.ms", "200").set("allow.auto.create.topics", "true");
    let consumer: BaseConsumer = conf.create()?;
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&at)?;
    let mut ages = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let Some(Ok(m)) = consumer.poll(Duration::from_millis(50)) else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as f64;
        let event: serde_json::Value = serde_json::from_slice(m.payload().unwrap_or_default())?;
        let id = event["after"]["id"].as_i64().unwrap_or(0);
        let committed = event["source"]["ts_us"].as_f64().ok_or_else(|| anyhow::anyhow!("no source.ts_us in {event}"))?;
        if id > 3 * COMMITS_A_SECOND as i64 * ROWS_A_COMMIT {
            ages.push((now - committed) / 1_000.0);
        }
    }
    Ok(ages)
}
