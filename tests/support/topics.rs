//! What is in the log, read from its beginning to its present end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

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
        let deadline = Instant::now() + PATIENCE;
        while open > 0 {
            anyhow::ensure!(Instant::now() < deadline, "{open} partitions were not read to their end within {PATIENCE:?}");
            match consumer.poll(Duration::from_millis(200)) {
                None => {}
                Some(Ok(m)) => records.push(m.detach()),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(e)) => return Err(e.into()),
            }
        }
        Ok(records)
    })
    .await?
}
