//! The registry's topic: written in transactions, and followed from its first record on.
//!
//! All workers on one topic write with one transactional id, so Kafka itself sees to it that there is one writer at a time:
//! who begins to write ends whatever another had not finished, and the other finds out with its next write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::try_join_all;
use millrace_record::RawConfig;
use millrace_registry::server::{Entry, LogError, Registry, SchemaLog};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::client::{ClientKind, ClientSettings, Quiet};

/// How long Kafka may take to make this the writer, or to commit a transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a look into the topic waits for a record.
const POLL: Duration = Duration::from_millis(100);
/// How long the topic may not be readable before the log says so.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// The topic as the registry writes to it.
pub struct KafkaLog {
    clients: ClientSettings,
    client_id: String,
    topic: String,
    producer: Mutex<Option<FutureProducer<Quiet>>>,
}

impl KafkaLog {
    pub fn new(clients: ClientSettings, client_id: &str, topic: &str) -> Self {
        KafkaLog { clients, client_id: client_id.to_owned(), topic: topic.to_owned(), producer: Mutex::new(None) }
    }

    fn refused(&self, doing: &str, error: &KafkaError) -> LogError {
        let (code, fatal) = match error {
            KafkaError::Transaction(error) => (Some(error.code()), error.is_fatal()),
            other => (other.rdkafka_error_code(), false),
        };
        use RDKafkaErrorCode::{Fatal, Fenced, InvalidProducerEpoch, MessageSizeTooLarge, ProducerFenced, PurgeQueue};
        match code {
            Some(Fenced | ProducerFenced | InvalidProducerEpoch | Fatal | PurgeQueue) => LogError::Superseded,
            Some(MessageSizeTooLarge) => {
                LogError::TooLarge(format!("{error}; raise \"max.message.bytes\" of topic \"{}\"", self.topic))
            }
            _ if fatal => LogError::Superseded,
            _ => LogError::Unavailable(format!("cannot {doing} topic \"{}\": {error}; check that Kafka runs", self.topic)),
        }
    }
}

/// Waits on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static) -> Result<T, KafkaError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(KafkaError::Canceled))
}

#[async_trait]
impl SchemaLog for KafkaLog {
    async fn claim(&self) -> Result<(), LogError> {
        let id = format!("millrace-registry-{}", self.topic);
        let defaults = [
            ("transactional.id", id.as_str()),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "0"),
            ("transaction.timeout.ms", "30000"),
            ("message.timeout.ms", "30000"),
            ("message.max.bytes", "16777216"),
            ("queue.buffering.max.kbytes", "131072"),
            ("reconnect.backoff.ms", "20"),
        ];
        let config = self.clients.client(ClientKind::Producer, &self.client_id, &RawConfig::new(), &defaults);
        let old = self.producer.lock().take();
        let producer = blocking(move || {
            drop(old);
            let producer: FutureProducer<Quiet> = config.create_with_context(Quiet)?;
            producer.init_transactions(PATIENCE)?;
            Ok(producer)
        });
        let producer = producer.await.map_err(|e| self.refused("become the writer of", &e))?;
        *self.producer.lock() = Some(producer);
        Ok(())
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<i64, LogError> {
        let Some(producer) = self.producer.lock().clone() else { return Err(LogError::Superseded) };
        producer.begin_transaction().map_err(|e| self.refused("write to", &e))?;
        let mut queued = Vec::with_capacity(entries.len());
        for entry in &entries {
            let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic).key(&entry.key).partition(0);
            if let Some(value) = &entry.value {
                record = record.payload(value);
            }
            match producer.send_result(record) {
                Ok(delivery) => queued.push(delivery),
                Err((error, _)) => {
                    let refused = self.refused("write to", &error);
                    self.abort(producer).await?;
                    return Err(refused);
                }
            }
        }
        // Why a record was refused says more than that the transaction was.
        let delivered = try_join_all(queued.into_iter().map(|delivery| async {
            match delivery.await {
                Ok(Ok(delivery)) => Ok(delivery.offset),
                Ok(Err((error, _))) => Err(error),
                Err(_) => Err(KafkaError::Canceled),
            }
        }));
        let delivered = delivered.await;
        let offset = match delivered {
            Ok(offsets) => offsets.into_iter().max().unwrap_or(-1),
            Err(error) => {
                let refused = self.refused("write to", &error);
                self.abort(producer).await?;
                return Err(refused);
            }
        };
        let committed = blocking(move || commit(&producer)).await;
        committed.map_err(|e| self.refused("write to", &e))?;
        Ok(offset)
    }
}

/// A commit that took too long may be tried again: it is the same one.
fn commit(producer: &FutureProducer<Quiet>) -> Result<(), KafkaError> {
    let started = Instant::now();
    loop {
        match producer.commit_transaction(PATIENCE) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && started.elapsed() < PATIENCE => {}
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                producer.abort_transaction(PATIENCE)?;
                return Err(KafkaError::Transaction(error));
            }
            done => return done,
        }
    }
}

impl KafkaLog {
    /// Nothing of the transaction is ever read.
    async fn abort(&self, producer: FutureProducer<Quiet>) -> Result<(), LogError> {
        let aborted = blocking(move || producer.abort_transaction(PATIENCE)).await;
        aborted.map_err(|e| self.refused("write to", &e))
    }
}

/// Gives the registry every record of the topic, and those to come, until it is told to stop; blocks the thread.
pub fn follow(clients: &ClientSettings, client_id: &str, topic: &str, registry: &Arc<Registry>, stopping: &AtomicBool) {
    let defaults = [
        ("group.id", "millrace-registry"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("queued.max.messages.kbytes", "4096"),
        ("reconnect.backoff.ms", "20"),
    ];
    let config = clients.client(ClientKind::Consumer, client_id, &RawConfig::new(), &defaults);
    let consumer: BaseConsumer<Quiet> = match config.create_with_context(Quiet) {
        Ok(consumer) => consumer,
        Err(error) => {
            tracing::error!(%error, "the embedded Schema Registry cannot read its topic; check the worker's client settings");
            return;
        }
    };
    let mut assignment = TopicPartitionList::new();
    let assigned = assignment.add_partition_offset(topic, 0, Offset::Beginning).and_then(|()| consumer.assign(&assignment));
    if let Err(error) = assigned {
        tracing::error!(%error, topic, "the embedded Schema Registry cannot read its topic");
        return;
    }
    let (started, mut complete, mut said) = (Instant::now(), false, false);
    let mut last_error = String::from("no answer");
    while !stopping.load(Ordering::Relaxed) {
        match consumer.poll(Timeout::After(POLL)) {
            None => {}
            Some(Ok(message)) => registry.read(message.offset(), message.key().unwrap_or_default(), message.payload()),
            Some(Err(KafkaError::PartitionEOF(_))) => {
                if !complete {
                    complete = true;
                    let (subjects, versions) = registry.counts();
                    tracing::info!(topic, subjects, versions, "embedded Schema Registry has read its topic");
                    registry.complete();
                }
            }
            Some(Err(error)) => last_error = error.to_string(),
        }
        if !complete && !said && started.elapsed() > QUIET_MAX {
            said = true;
            tracing::warn!(topic, error = last_error, "the embedded Schema Registry cannot read its topic yet; still trying");
        }
    }
}
