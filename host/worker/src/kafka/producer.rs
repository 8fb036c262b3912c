//! A task's producer: counts acknowledgements by batch, so that a record costs no future of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::nudge::{self, Due};

/// Settings that a worker file or a connector may override. The queue is bounded in bytes: what does not fit waits in the
/// task. A record is retried for as long as it takes: a broker that is down stops a task, it does not fail it.
pub const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", NUDGED_LINGER_MS),
    // The Java client's choice of partition, so that a key stays where Kafka Connect has put it.
    ("partitioner", "murmur2_random"),
    ("batch.size", "524288"),
    ("batch.num.messages", "10000"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "8192"),
    ("message.timeout.ms", "0"),
    ("socket.nagle.disable", "true"),
    ("topic.metadata.propagation.max.ms", "30000"),
];

/// The longest: what is not a full batch goes out long before, see [`nudge`]. Who sets `linger.ms` gets it as it is.
const NUDGED_LINGER_MS: &str = "1000";

/// The records of one batch that the log has yet to acknowledge.
#[derive(Debug)]
pub struct InFlight {
    /// One more than there are records, until [`InFlight::seal`].
    left: AtomicUsize,
    failed: Mutex<Option<(String, KafkaError)>>,
    sealed: AtomicBool,
    done: Notify,
}

impl InFlight {
    pub fn new() -> Arc<Self> {
        Arc::new(InFlight {
            left: AtomicUsize::new(1),
            failed: Mutex::new(None),
            sealed: AtomicBool::new(false),
            done: Notify::new(),
        })
    }
    /// All records of the batch have been sent; where some were, [`LogProducer::seal`] says so to the producer too.
    pub fn seal(&self) {
        if !self.sealed.swap(true, Ordering::SeqCst) {
            self.settle(1);
        }
    }
    fn settle(&self, n: usize) {
        if self.left.fetch_sub(n, Ordering::SeqCst) == n {
            self.done.notify_one();
        }
    }
    /// Waits until every record is acknowledged; the first that was refused is the error. For one waiter.
    pub async fn acknowledged(&self) -> Result<(), TaskError> {
        while self.left.load(Ordering::SeqCst) > 0 {
            self.done.notified().await;
        }
        match self.failed.lock().take() {
            None => Ok(()),
            Some((topic, error)) => Err(refusal(&topic, &error)),
        }
    }
}

/// What a failed delivery means for the task.
fn refusal(topic: &str, error: &KafkaError) -> TaskError {
    let code = error.rdkafka_error_code();
    let (kind, remedy) = match code {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            (ErrorKind::Fatal, "raise \"producer.override.max.request.size\" and the topic's \"max.message.bytes\"")
        }
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            (ErrorKind::Retriable, "create the topic, or let the broker create topics")
        }
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed) => {
            (ErrorKind::Fatal, "allow the worker's user to write to it")
        }
        Some(RDKafkaErrorCode::InvalidTopic) => (ErrorKind::Fatal, "use a name of letters, digits, dot, underscore and hyphen"),
        _ => (ErrorKind::Restart, "see the broker's log"),
    };
    TaskError::new(kind, "kafka.produce", format!("cannot write to topic \"{topic}\": {error}; {remedy}"))
}

struct Acks {
    due: Arc<Due>,
}

impl ClientContext for Acks {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
    }
}

impl ProducerContext for Acks {
    type DeliveryOpaque = Arc<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<InFlight>) {
        if let Err((error, message)) = result {
            use rdkafka::Message;
            batch.failed.lock().get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
        }
        batch.settle(1);
        // What came meanwhile may have waited for this answer.
        self.due.set();
    }
}

/// A record on its way to the log.
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Option<OwnedHeaders>,
}

pub struct LogProducer {
    producer: Arc<ThreadedProducer<Acks>>,
    due: Arc<Due>,
    _nudging: Option<AbortOnDropHandle<()>>,
}

impl LogProducer {
    /// Within a runtime, where what nudges it runs.
    pub fn new(config: &ClientConfig) -> Result<Self, TaskError> {
        let due = Arc::<Due>::default();
        let producer: ThreadedProducer<Acks> = config
            .create_with_context(Acks { due: due.clone() })
            .map_err(|e| TaskError::config("producer.override", format!("the producer's settings are refused: {e}")))?;
        let producer = Arc::new(producer);
        let nudged = config.get("linger.ms") == Some(NUDGED_LINGER_MS);
        let nudging = nudged.then(|| nudge::start(producer.clone(), due.clone()));
        Ok(LogProducer { producer, due, _nudging: nudging })
    }

    /// All records of the batch have been sent: they need not wait for more.
    pub fn seal(&self, batch: &InFlight) {
        batch.seal();
        self.due.set();
    }

    /// Hands a record to the client, waiting while its queue is full.
    pub async fn send(&self, record: Outgoing<'_>, batch: &Arc<InFlight>) -> Result<(), TaskError> {
        batch.left.fetch_add(1, Ordering::SeqCst);
        let mut base = BaseRecord::with_opaque_to(record.topic, batch.clone());
        base.partition = record.partition;
        base.timestamp = record.timestamp;
        base.key = record.key;
        base.payload = record.value;
        base.headers = record.headers;
        loop {
            match self.producer.send(base) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    base = again;
                    self.due.set();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err((error, _)) => {
                    batch.settle(1);
                    return Err(refusal(record.topic, &error));
                }
            }
        }
    }

    /// Waits until all that was sent is acknowledged or refused.
    pub async fn flush(&self, within: Duration) {
        let start = tokio::time::Instant::now();
        while self.producer.in_flight_count() > 0 && start.elapsed() < within {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A header of bytes.
pub fn header<'a>(headers: OwnedHeaders, key: &'a str, value: Option<&'a [u8]>) -> OwnedHeaders {
    headers.insert(Header { key, value })
}
