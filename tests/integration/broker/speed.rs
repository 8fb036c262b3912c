//! How fast the broker is; left out unless asked for:
//! `cargo test --release -p millrace-tests --test integration -- --ignored --nocapture speed`. Run it once more with
//! `MILLRACE_TEST_KAFKA` for the figures of a real Kafka on the same machine.

use super::*;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

const MESSAGES: usize = 1_000_000;
const BYTES: usize = 300;

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_produce_and_consume() -> anyhow::Result<()> {
    let mut cluster = Cluster::start()?;
    for round in 0..3 {
        let topic = cluster.topic(1, &[]).await?;
        let mut config = cluster.client();
        config.set("acks", "all").set("linger.ms", "5").set("batch.size", "1000000").set("batch.num.messages", "10000");
        config.set("queue.buffering.max.messages", "2000000").set("queue.buffering.max.kbytes", "1000000");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
        let payload = vec![b'x'; BYTES];
        let start = Instant::now();
        for _ in 0..MESSAGES {
            let record = BaseRecord::<(), _>::to(&topic).partition(0).payload(&payload);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(120))?;
        let produced = start.elapsed();
        let consumer = cluster.consumer(&[("fetch.message.max.bytes", "10000000"), ("queued.min.messages", "1000000")])?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&topic, 0, Offset::Beginning)?;
        consumer.assign(&assignment)?;
        let start = Instant::now();
        let mut count = 0;
        while count < MESSAGES {
            if let Some(message) = consumer.poll(Duration::from_secs(1)) {
                message?;
                count += 1;
            }
        }
        let rate = |took: Duration| MESSAGES as f64 / took.as_secs_f64();
        println!("round {round}: produce {:.0} messages/s, consume {:.0} messages/s", rate(produced), rate(start.elapsed()));
    }
    if let Some(own) = &mut cluster.own {
        let status = std::fs::read_to_string(format!("/proc/{}/status", own.child.id()))?;
        println!("{}", status.lines().filter(|line| line.starts_with("VmHWM")).collect::<String>());
    }
    Ok(())
}

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_from_produce_to_consume() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let topic = cluster.topic(1, &[]).await?;
    let producer = cluster.producer(&[("linger.ms", "0")])?;
    let consumer = cluster.consumer(&[("fetch.wait.max.ms", "500")])?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(&topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let epoch = Instant::now();
    let reading = std::thread::spawn(move || {
        let mut took = Vec::new();
        while took.len() < 5_000 {
            if let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) {
                let sent = u64::from_be_bytes(message.payload().unwrap_or_default().try_into().unwrap_or_default());
                took.push(epoch.elapsed().as_micros() as u64 - sent);
            }
        }
        took.split_off(500)
    });
    let mut deliveries = Vec::new();
    for n in 0..5_000u32 {
        let due = epoch + Duration::from_millis(500) + Duration::from_millis(1) * n;
        tokio::time::sleep_until(due.into()).await;
        let now = (epoch.elapsed().as_micros() as u64).to_be_bytes();
        let record = FutureRecord::<[u8], [u8]>::to(&topic).payload(&now);
        deliveries.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    let mut took = reading.join().map_err(|_| anyhow::anyhow!("the reader ended"))?;
    took.sort_unstable();
    println!("p50 {} us, p99 {} us", took[took.len() / 2], took[took.len() * 99 / 100]);
    Ok(())
}
