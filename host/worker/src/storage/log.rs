//! Reads the internal topics to their end, and writes to them; two clients with small queues for all three topics.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::client::{ClientKind, ClientSettings, Quiet};
use millrace_record::RawConfig;

/// How long a topic may give nothing at all before reading it is given up.
const READ_STALL_MAX: Duration = Duration::from_secs(60);
/// How often an open transaction is looked at again.
const DECIDED_WAIT: Duration = Duration::from_millis(20);
/// How long the log may take to acknowledge a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("cannot make a Kafka client for the internal topics: {0}; check the worker's client settings")]
    Client(KafkaError),
    #[error("cannot read topic \"{topic}\": {why}; check \"bootstrap.servers\" and that Kafka runs")]
    Read { topic: String, why: String },
    #[error("cannot write to topic \"{topic}\": {why}; nothing has changed, try again once Kafka runs")]
    Write { topic: String, why: String },
}

/// A record for an internal topic; no value: a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    /// None: by the key's hash, as the Java client's.
    pub partition: Option<i32>,
}

/// The internal topics as a place to read and write.
pub struct StateLog {
    clients: ClientSettings,
    producer: FutureProducer<Quiet>,
}

impl StateLog {
    pub fn new(clients: ClientSettings, client_id: &str) -> Result<Self, StorageError> {
        let defaults = [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("partitioner", "murmur2_random"),
            ("queue.buffering.max.messages", "10000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("message.timeout.ms", "55000"),
            ("reconnect.backoff.ms", "20"),
        ];
        let config = clients.client(ClientKind::Producer, client_id, &RawConfig::new(), &defaults);
        Ok(StateLog { producer: config.create_with_context(Quiet).map_err(StorageError::Client)?, clients })
    }

    /// The cluster's id, once a broker answers.
    pub async fn cluster_id(&self, within: Duration) -> Option<String> {
        let producer = self.producer.clone();
        tokio::task::spawn_blocking(move || producer.client().fetch_cluster_id(within)).await.ok().flatten()
    }

    /// Whether the log answers a question about `topic` now.
    pub async fn answers(&self, topic: &str, within: Duration) -> bool {
        let (producer, topic) = (self.producer.clone(), topic.to_owned());
        tokio::task::spawn_blocking(move || producer.client().fetch_metadata(Some(&topic), within).is_ok()).await.unwrap_or(false)
    }

    /// Whether there is such a topic. Asking makes none.
    pub async fn has(&self, topic: &str, within: Duration) -> Result<bool, StorageError> {
        let (producer, name) = (self.producer.clone(), topic.to_owned());
        // Asked by its name, a broker may make it.
        let listed = move || {
            let metadata = producer.client().fetch_metadata(None, within)?;
            Ok(metadata.topics().iter().any(|t| t.name() == name && t.error().is_none()))
        };
        let listed = tokio::task::spawn_blocking(listed).await.expect("listing does not panic");
        listed.map_err(|e: KafkaError| StorageError::Read { topic: topic.to_owned(), why: e.to_string() })
    }

    /// Returns once the log has acknowledged all of them, in this order within a partition.
    pub async fn write(&self, topic: &str, entries: &[Entry]) -> Result<(), StorageError> {
        let sends = entries.iter().map(|entry| {
            let mut record = FutureRecord::<[u8], [u8]>::to(topic).key(&entry.key);
            if let Some(value) = &entry.value {
                record = record.payload(value);
            }
            if let Some(partition) = entry.partition {
                record = record.partition(partition);
            }
            // Queued here, in order; only the waiting happens together.
            self.producer.send_result(record).map_err(|(error, _)| error)
        });
        let failed = |why: String| StorageError::Write { topic: topic.to_owned(), why };
        let queued = sends.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
        let acknowledged = queued.into_iter().map(|delivery| async {
            match tokio::time::timeout(WRITE_TIMEOUT, delivery).await {
                Ok(Ok(Ok(_))) => Ok(()),
                Ok(Ok(Err((error, _)))) => Err(error.to_string()),
                Ok(Err(_)) => Err("the producer is gone".to_owned()),
                Err(_) => Err(format!("no acknowledgement within {} s", WRITE_TIMEOUT.as_secs())),
            }
        });
        try_join_all(acknowledged).await.map(|_| ()).map_err(failed)
    }

    /// Gives every record of the topics, in order within a partition, until their ends; blocks the thread.
    pub fn read(
        &self,
        client_id: &str,
        topics: &[String],
        mut each: impl FnMut(&str, &[u8], Option<&[u8]>),
    ) -> Result<(), StorageError> {
        let consumer = self.consumer(client_id, "read_committed")?;
        // One topic after the other: librdkafka reports the end of a partition by its number alone.
        for topic in topics {
            read_topic(&consumer, topic, &mut each)?;
        }
        Ok(())
    }

    /// As [`StateLog::read`], for one topic and once every transaction has ended that wrote to it before: what is read is all
    /// that was committed by then. Blocks the thread.
    pub fn read_decided(
        &self,
        client_id: &str,
        topic: &str,
        mut each: impl FnMut(&str, &[u8], Option<&[u8]>),
    ) -> Result<(), StorageError> {
        let failed = |why: String| StorageError::Read { topic: topic.to_owned(), why };
        let consumer = self.consumer(client_id, "read_committed")?;
        // Each asks for the end that it would read to.
        let uncommitted = self.consumer(client_id, "read_uncommitted")?;
        let begun = Instant::now();
        for partition in 0..partitions(&consumer, topic)? {
            let written = end(&uncommitted, topic, partition)?;
            while end(&consumer, topic, partition)? < written {
                if begun.elapsed() > READ_STALL_MAX {
                    return Err(failed("a transaction that wrote to it is still open".into()));
                }
                std::thread::sleep(DECIDED_WAIT);
            }
        }
        read_topic(&consumer, topic, &mut each)
    }

    fn consumer(&self, client_id: &str, isolation: &str) -> Result<BaseConsumer<Quiet>, StorageError> {
        let defaults = [
            ("group.id", "millrace-state"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("queued.max.messages.kbytes", "4096"),
            ("fetch.wait.max.ms", "10"),
            ("reconnect.backoff.ms", "20"),
        ];
        let mut config = self.clients.client(ClientKind::Consumer, client_id, &RawConfig::new(), &defaults);
        config.set("isolation.level", isolation);
        config.create_with_context(Quiet).map_err(StorageError::Client)
    }
}

fn read_topic(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    each: &mut impl FnMut(&str, &[u8], Option<&[u8]>),
) -> Result<(), StorageError> {
    let failed = |why: String| StorageError::Read { topic: topic.to_owned(), why };
    let mut open: HashSet<i32> = (0..partitions(consumer, topic)?).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).map_err(|e| failed(e.to_string()))?;
    }
    consumer.assign(&assignment).map_err(|e| failed(e.to_string()))?;
    let mut heard = Instant::now();
    let mut last_error = String::from("no answer");
    while !open.is_empty() {
        match consumer.poll(Timeout::After(Duration::from_millis(100))) {
            None => {}
            Some(Ok(message)) => {
                heard = Instant::now();
                each(topic, message.key().unwrap_or_default(), message.payload());
                continue;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                heard = Instant::now();
                open.remove(&partition);
            }
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                return Err(failed(error.to_string()));
            }
            Some(Err(error)) => last_error = error.to_string(),
        }
        if heard.elapsed() > READ_STALL_MAX {
            return Err(failed(last_error));
        }
    }
    Ok(())
}

/// Where a partition ends for this consumer.
fn end(consumer: &BaseConsumer<Quiet>, topic: &str, partition: i32) -> Result<i64, StorageError> {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition};
    let start = Instant::now();
    loop {
        let error = match consumer.fetch_watermarks(topic, partition, READ_STALL_MAX) {
            Ok((_, end)) => return Ok(end),
            Err(error) => error,
        };
        // Of a topic that was just made not every broker knows, and no leader yet leads.
        let soon = [LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition];
        if start.elapsed() > READ_STALL_MAX || !error.rdkafka_error_code().is_some_and(|code| soon.contains(&code)) {
            return Err(StorageError::Read { topic: topic.to_owned(), why: error.to_string() });
        }
        std::thread::sleep(DECIDED_WAIT);
    }
}

fn partitions(consumer: &BaseConsumer<Quiet>, topic: &str) -> Result<i32, StorageError> {
    let failed = |why: String| StorageError::Read { topic: topic.to_owned(), why };
    let start = Instant::now();
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), READ_STALL_MAX).map_err(|e| failed(e.to_string()))?;
        match metadata.topics().first().map(|t| t.partitions().len()) {
            Some(n) if n > 0 => return Ok(n as i32),
            // A topic that was just made may not have reached every broker.
            // Nothing is assigned yet: polling waits.
            _ if start.elapsed() < READ_STALL_MAX => drop(consumer.poll(Timeout::After(Duration::from_millis(20)))),
            _ => return Err(failed("the topic has no partitions".into())),
        }
    }
}
