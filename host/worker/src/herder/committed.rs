//! What a connector has committed: a source's own offsets, a sink's consumer group.

use std::time::Duration;

use millrace_record::{PluginKind, RawConfig, SourceOffset};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use super::{Herder, HerderError};
use crate::pattern::Pattern;
use crate::storage::StorageError;

const TIMEOUT: Duration = Duration::from_secs(30);

impl Herder {
    /// As `GET /connectors/C/offsets` shows them.
    pub async fn offsets_of(&self, name: &str, config: &RawConfig) -> Result<Vec<SourceOffset>, HerderError> {
        let sink = self.plugin(config).is_ok_and(|p| p.info().kind == PluginKind::Sink);
        if !sink {
            return Ok(self.offsets.of(name));
        }
        let config = &self.resolve(config).await?.config;
        let group = format!("connect-{name}");
        let client = self.runtime.clients.consumer(&format!("{group}-offsets"), config, &[("group.id", &group)]);
        let (topics, regex) = (config.get("topics").cloned(), config.get("topics.regex").cloned());
        let read = tokio::task::spawn_blocking(move || committed(client.create()?, topics, regex));
        let failed = |why: String| HerderError::Storage(StorageError::Read { topic: "__consumer_offsets".into(), why });
        read.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))
    }
}

fn committed(
    consumer: BaseConsumer,
    topics: Option<String>,
    regex: Option<String>,
) -> Result<Vec<SourceOffset>, rdkafka::error::KafkaError> {
    let named: Vec<_> = topics.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|t| !t.is_empty()).collect();
    let regex = regex.filter(|r| !r.is_empty()).and_then(|r| Pattern::new(&r).ok());
    let metadata = consumer.fetch_metadata(None, TIMEOUT)?;
    let mut partitions = TopicPartitionList::new();
    for topic in metadata.topics() {
        if named.contains(&topic.name()) || regex.as_ref().is_some_and(|r| r.matches(topic.name())) {
            for partition in topic.partitions() {
                partitions.add_partition(topic.name(), partition.id());
            }
        }
    }
    if partitions.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(partitions, TIMEOUT)?;
    let mut offsets: Vec<_> = committed
        .elements()
        .into_iter()
        .filter_map(|e| match e.offset() {
            Offset::Offset(at) => Some((e.topic().to_owned(), e.partition(), at)),
            _ => None,
        })
        .collect();
    offsets.sort();
    let offsets = offsets.into_iter().map(|(topic, partition, at)| SourceOffset {
        partition: json!({"kafka_topic": topic, "kafka_partition": partition}),
        offset: json!({"kafka_offset": at}),
    });
    Ok(offsets.collect())
}
