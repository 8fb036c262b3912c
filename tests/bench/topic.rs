//! Topics of either log: made before a run with one partition, counted at their end, sampled, deleted after it.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// Offsets that are looked at for what are records among them, and how many of the last need not be.
const SHARE_OFFSETS: i64 = 200_000;
const SHARE_LEAVES: i64 = 100;

pub struct Topics {
    bootstrap: String,
    admin: AdminClient<rdkafka::client::DefaultClientContext>,
    counter: BaseConsumer,
}

impl Topics {
    pub fn new(bootstrap: &str) -> anyhow::Result<Topics> {
        let mut conf = ClientConfig::new();
        conf.set("bootstrap.servers", bootstrap);
        let admin = conf.create()?;
        let counter = conf.set("group.id", "bench-count").create()?;
        Ok(Topics { bootstrap: bootstrap.to_owned(), admin, counter })
    }

    /// One partition; so that every side writes into the same kind of topic.
    pub async fn create(&self, topic: &str) -> anyhow::Result<()> {
        for r in self.admin.create_topics(&[NewTopic::new(topic, 1, TopicReplication::Fixed(1))], &AdminOptions::new()).await? {
            r.map_err(|(t, e)| anyhow::anyhow!("cannot create topic {t}: {e}"))?;
        }
        Ok(())
    }

    pub async fn delete(&self, topic: &str) -> anyhow::Result<()> {
        for r in self.admin.delete_topics(&[topic], &AdminOptions::new()).await? {
            r.map_err(|(t, e)| anyhow::anyhow!("cannot delete topic {t}: {e}"))?;
        }
        Ok(())
    }

    /// Records in the topic, by its high watermark: what every consumer can read.
    pub fn count(&self, topic: &str) -> i64 {
        self.counter.fetch_watermarks(topic, 0, Duration::from_secs(5)).map_or(0, |(_, high)| high)
    }

    /// A consumer at the topic's beginning.
    pub fn consumer(&self, topic: &str) -> anyhow::Result<BaseConsumer> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.bootstrap).set("group.id", "bench-read").create()?;
        let mut at = TopicPartitionList::new();
        at.add_partition_offset(topic, 0, Offset::Beginning)?;
        consumer.assign(&at)?;
        Ok(consumer)
    }

    /// How much of the first offsets of a topic with transactions, up to `end`, are records: the end of each transaction has an
    /// offset of its own.
    pub fn share_of_records(&self, topic: &str, end: i64) -> anyhow::Result<f64> {
        let (consumer, end) = (self.consumer(topic)?, end.min(SHARE_OFFSETS));
        let (mut records, mut last, since) = (0, -1, Instant::now());
        while last < end - SHARE_LEAVES {
            let Some(m) = consumer.poll(Duration::from_secs(1)) else {
                anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "{topic}: only {records} records to read");
                continue;
            };
            (records, last) = (records + 1, m?.offset());
        }
        Ok(records as f64 / (last + 1) as f64)
    }

    /// Reads the first `n` records, which must be those of the ids from 1 in order, and answers the mean bytes of key and
    /// value: both sides must have written the same.
    pub fn sample(&self, topic: &str, n: usize) -> anyhow::Result<f64> {
        let consumer = self.consumer(topic)?;
        let (mut bytes, mut expected, since) = (0, 1, Instant::now());
        while expected <= n as i64 {
            // A poll may answer nothing before its time.
            let Some(m) = consumer.poll(Duration::from_secs(1)) else {
                anyhow::ensure!(since.elapsed() < Duration::from_secs(30), "{topic}: only {} records to read", expected - 1);
                continue;
            };
            let m = m?;
            let event: serde_json::Value = serde_json::from_slice(m.payload().unwrap_or_default())?;
            // In an envelope, with its schema or without, or the row alone.
            let event = if event["payload"].is_object() { &event["payload"] } else { &event };
            let row = if event["after"].is_object() { &event["after"] } else { event };
            anyhow::ensure!(
                row["id"] == expected && row.as_object().is_some_and(|r| r.len() == 10),
                "{topic}: not the row with id {expected}: {event}"
            );
            bytes += m.key_len() + m.payload_len();
            expected += 1;
        }
        Ok(bytes as f64 / n as f64)
    }
}
