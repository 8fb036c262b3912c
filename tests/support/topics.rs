//! What is in the log, read from its beginning to its present end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long one question to the log may take.
const ASK: Duration = Duration::from_secs(10);

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

/// All records of the topics whose name passes, each partition in its order.
pub async fn read_topics(bootstrap: &str, wanted: impl Fn(&str) -> bool + Send + 'static) -> anyhow::Result<Vec<OwnedMessage>> {
    let bootstrap = bootstrap.to_owned();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("group.id", "millrace-tests")
            .set("enable.partition.eof", "true")
            .create()?;
        let metadata = consumer.fetch_metadata(None, PATIENCE)?;
        let mut all = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|t| wanted(t.name())) {
            for partition in topic.partitions() {
                all.add_partition_offset(topic.name(), partition.id(), Offset::Beginning)?;
            }
        }
        consumer.assign(&all)?;
        let (mut open, mut records) = (all.count(), Vec::new());
        let mut heard = Instant::now();
        while open > 0 {
            anyhow::ensure!(heard.elapsed() < PATIENCE, "{open} partitions were not read to their end: nothing for {PATIENCE:?}");
            match consumer.poll(Duration::from_millis(200)) {
                None => continue,
                Some(Ok(m)) => records.push(m.detach()),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(e)) => return Err(e.into()),
            }
            heard = Instant::now();
        }
        Ok(records)
    })
    .await?
}

/// Reads topics on from where it was the time before. Records of transactions that were not committed are left out.
pub struct LogReader {
    consumer: BaseConsumer,
    /// Each topic with the next offset of each of its partitions.
    topics: Vec<(String, TopicPartitionList)>,
}

impl LogReader {
    pub fn new(bootstrap: &str, topics: Vec<String>) -> anyhow::Result<LogReader> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "millrace-tests")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.error.backoff.ms", "20")
            .create()?;
        Ok(LogReader { consumer, topics: topics.into_iter().map(|t| (t, TopicPartitionList::new())).collect() })
    }

    /// Gives what is new, up to the end that each topic has now, and blocks the thread.
    pub fn read(&mut self, mut each: impl FnMut(OwnedMessage) -> anyhow::Result<()>) -> anyhow::Result<()> {
        // One topic after the other: librdkafka reports the end of a partition by its number alone.
        for (topic, next) in &mut self.topics {
            let metadata = self.consumer.fetch_metadata(Some(topic), ASK)?;
            for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
                if next.find_partition(topic, partition.id()).is_none() {
                    next.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
                }
            }
            self.consumer.assign(next)?;
            let (mut open, deadline) = (next.count(), Instant::now() + ASK);
            while open > 0 {
                anyhow::ensure!(Instant::now() < deadline, "{open} partitions of {topic} were not read to their end");
                match self.consumer.poll(Duration::from_millis(50)) {
                    Some(Ok(m)) => {
                        next.set_partition_offset(topic, m.partition(), Offset::Offset(m.offset() + 1))?;
                        each(m.detach())?;
                    }
                    Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                    // The client connects again by itself.
                    None | Some(Err(_)) => {}
                }
            }
        }
        Ok(())
    }
}
