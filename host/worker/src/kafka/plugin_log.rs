//! What plugins of a task send to the log by themselves. A client is made with the first message. Invariant sent-before-offset:
//! the task asks [`PluginLog::flush`] before it stores offsets, so what was sent for their records is acknowledged by then.

use std::collections::VecDeque;

use async_trait::async_trait;
use millrace_record::{ErrorKind, LogRecord, LogWriter, TaskError};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::sync::Mutex;

use super::client::Quiet;

/// Settings that a worker file or a connector may override. A message that the log has not taken for so long fails the task.
pub const PLUGIN_PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", "1"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.messages", "20000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("message.timeout.ms", "120000"),
];
/// Messages that may wait for their acknowledgement, well below what the client queues.
const PENDING_MAX: usize = 10_000;
/// How soon a message is offered again that found the client's queue full.
const QUEUE_FULL_WAIT: std::time::Duration = std::time::Duration::from_millis(2);

/// The log, for the plugins of one task's session.
pub struct PluginLog {
    config: ClientConfig,
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    producer: Option<FutureProducer<Quiet>>,
    pending: VecDeque<(String, DeliveryFuture)>,
    /// The first message that was not taken: a plugin may pass over it, the task may not.
    failed: Option<TaskError>,
}

impl std::fmt::Debug for PluginLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PluginLog")
    }
}

fn failed(topic: &str, why: &KafkaError) -> TaskError {
    let kind = match why.rdkafka_error_code() {
        // Another try would fail alike.
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::InvalidTopic,
        ) => ErrorKind::Fatal,
        _ => ErrorKind::Restart,
    };
    let message = format!("the log did not take a message that a plugin sent to topic \"{topic}\": {why}");
    TaskError::new(kind, "kafka.produce", message)
}

impl PluginLog {
    pub fn new(config: ClientConfig) -> Self {
        PluginLog { config, sent: Mutex::default() }
    }
}

impl Sent {
    /// Waits until at most `most` are not acknowledged.
    async fn settle(&mut self, most: usize) -> Result<(), TaskError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        while self.pending.len() > most
            && let Some((topic, delivery)) = self.pending.front_mut()
        {
            // Kept until it has settled: a call that is given up halfway leaves it for the next.
            let settled = delivery.await;
            let failure = match settled {
                Ok(Ok(_)) => None,
                Ok(Err((why, _))) => Some(failed(topic, &why)),
                Err(_) => Some(TaskError::new(ErrorKind::Restart, "kafka.produce", "the client of plugins' messages is gone")),
            };
            self.pending.pop_front();
            if let Some(failure) = failure {
                self.failed = Some(failure.clone());
                return Err(failure);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl LogWriter for PluginLog {
    async fn send(&self, records: Vec<LogRecord>) -> Result<(), TaskError> {
        let mut sent = self.sent.lock().await;
        let producer = match &sent.producer {
            Some(producer) => producer.clone(),
            None => {
                let made: Result<FutureProducer<Quiet>, _> = self.config.create_with_context(Quiet);
                let wrong =
                    |e| TaskError::fatal("kafka.client", format!("cannot make a Kafka client for plugins' messages: {e}"));
                sent.producer.insert(made.map_err(wrong)?).clone()
            }
        };
        for r in records {
            sent.settle(PENDING_MAX - 1).await?;
            let mut record = FutureRecord::<[u8], [u8]>::to(&r.topic);
            record.key = r.key.as_deref();
            record.payload = r.value.as_deref();
            record.partition = r.partition;
            record.timestamp = r.timestamp;
            if !r.headers.is_empty() {
                let headers = r.headers.iter().fold(OwnedHeaders::new_with_capacity(r.headers.len()), |all, (name, value)| {
                    all.insert(Header { key: name, value: value.as_deref() })
                });
                record.headers = Some(headers);
            }
            let delivery = loop {
                match producer.send_result(record) {
                    Ok(delivery) => break delivery,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                        record = again;
                        tokio::time::sleep(QUEUE_FULL_WAIT).await;
                    }
                    Err((why, _)) => return Err(failed(&r.topic, &why)),
                }
            };
            sent.pending.push_back((r.topic.clone(), delivery));
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), TaskError> {
        self.sent.lock().await.settle(0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::ClientSettings;
    use crate::task::KafkaClients;
    use millrace_broker::{Broker, BrokerConfig};
    use millrace_record::RawConfig;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_refused_stays_refused() {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerConfig::new(dir.path())).await.unwrap();
        let clients = ClientSettings::new(broker.address().to_string(), RawConfig::new());
        let log = || PluginLog::new(clients.producer("test", &RawConfig::new(), PLUGIN_PRODUCER_DEFAULTS));
        let record = |partition: i32, value: &str| LogRecord {
            topic: "audit".into(),
            partition: Some(partition),
            value: Some(value.into()),
            headers: vec![("h".into(), None), ("i".into(), Some(vec![1]))],
            ..LogRecord::default()
        };
        let good = log();
        good.flush().await.unwrap();
        good.send((0..2_000).map(|n| record(0, &n.to_string())).collect()).await.unwrap();
        good.flush().await.unwrap();
        let bad = log();
        bad.send(vec![record(99, "nowhere")]).await.unwrap_or_default();
        for _ in 0..2 {
            let refused = bad.flush().await.unwrap_err();
            assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Fatal, "kafka.produce"), "{}", refused.message);
        }
        let large = log();
        let refused = large.send(vec![record(0, &"x".repeat(2 << 20))]).await.unwrap_err();
        assert!(refused.kind == ErrorKind::Fatal && refused.message.contains("\"audit\""), "{}", refused.message);
        large.flush().await.unwrap();
    }
}
