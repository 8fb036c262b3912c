//! A task's producer: takes whole batches, copies no value, and counts acknowledgements by batch.
//!
//! A batch's values lie in one buffer that librdkafka reads in place. The buffer is held until every record of the batch is
//! acknowledged or refused; then [`Sent`] completes. Records of one topic and partition keep their order; delivery is
//! idempotent and, by default, never gives up on a broker that is away: that stops a task, it does not fail it.
//!
//! What is in flight is bounded, by [`IN_FLIGHT_BYTES_MAX`] and [`BATCHES_MAX`]: a batch beyond it waits in
//! [`LogProducer::send`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext, PurgeConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::enqueue::{Enqueuer, Topics};
use super::outgoing::{Outgoing, Refused};
use super::repeats::Repeats;

/// `linger.ms` in [`PRODUCER_DEFAULTS`].
const LINGER_MS: f64 = 1.0;

/// Settings that a worker file or a connector may override.
pub const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", "1"),
    // The Java client's choice of partition, so that a key stays where Kafka Connect has put it.
    ("partitioner", "murmur2_random"),
    ("batch.size", "1000000"),
    ("batch.num.messages", "10000"),
    ("message.max.bytes", "1048576"),
    // The producer's own bounds hold; librdkafka's are out of their way.
    ("queue.buffering.max.messages", "10000000"),
    ("queue.buffering.max.kbytes", "1048576"),
    ("message.timeout.ms", "0"),
    ("socket.nagle.disable", "true"),
    ("topic.metadata.propagation.max.ms", "30000"),
];

/// Bytes of keys, values and headers that may wait for the log; one batch beyond it is let through alone. One full request
/// and the beginning of the next: an idempotent librdkafka has no second one of a partition under way, and its thread spins
/// while records wait for the answer to the first. The rest forms in the task meanwhile, so that batches grow with the load
/// by themselves.
pub const IN_FLIGHT_BYTES_MAX: usize = 5 << 18;
/// What a record weighs in this beside its bytes.
const RECORD_BYTES: usize = 100;
/// Batches that may wait for the log.
pub const BATCHES_MAX: usize = 256;
/// The unit in which bytes in flight are counted.
const BUDGET_UNIT: usize = 1 << 10;
/// How long the thread that takes acknowledgements waits in one go.
/// Acknowledgements end it; it is how soon the client of a session that has ended is noticed, and how often the thread of an
/// idle task wakes.
const DELIVERY_WAIT: Duration = Duration::from_millis(500);
/// Clients that end within this of one another give their memory back to the system together.
const GIVE_BACK_WAIT: Duration = Duration::from_secs(2);
/// How long librdkafka is told at a time to send at once what it holds.
const HURRY: Duration = Duration::from_millis(5);
/// How soon a record is offered again that found librdkafka's queue full.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(1);

/// A batch that the log has yet to acknowledge.
struct Held {
    batch: Arc<Outgoing>,
    done: oneshot::Sender<Vec<Refused>>,
    /// Given back when the batch is settled.
    _budget: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

#[derive(Default)]
struct Slot {
    /// Records not yet answered for, and one while the batch is being sent.
    pending: AtomicU32,
    refused: Mutex<Vec<(u32, RDKafkaErrorCode)>>,
    held: Mutex<Option<Held>>,
}

/// What deliveries are counted in. It holds the buffers in flight, and outlives the client that reads them.
pub(super) struct Deliveries {
    slots: Vec<Slot>,
    free: Mutex<Vec<u32>>,
    repeats: Repeats,
}

impl Deliveries {
    fn new() -> Self {
        Deliveries {
            slots: (0..BATCHES_MAX).map(|_| Slot::default()).collect(),
            free: Mutex::new((0..BATCHES_MAX as u32).collect()),
            repeats: Repeats::default(),
        }
    }

    /// `n` records of a slot's batch have been answered for; the last one ends the batch.
    fn settle(&self, at: u32, n: u32) {
        let slot = &self.slots[at as usize];
        if slot.pending.fetch_sub(n, Ordering::AcqRel) != n {
            return;
        }
        let refused = std::mem::take(&mut *slot.refused.lock());
        let Some(held) = slot.held.lock().take() else { return };
        self.free.lock().push(at);
        let refusal = |(record, code): (u32, RDKafkaErrorCode)| {
            let r = &held.batch.records[record as usize];
            Refused { origin: r.origin, topic: held.batch.topics[r.topic as usize].clone(), code }
        };
        // Nobody waits any more when the session has ended.
        let _ = held.done.send(refused.into_iter().map(refusal).collect());
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.repeats.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.repeats.error("producer", &error, reason);
    }
}

impl ProducerContext for Deliveries {
    /// `slot << 32 | record`.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let slot = (opaque >> 32) as u32;
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            self.slots[slot as usize].refused.lock().push((opaque as u32, code));
        }
        self.settle(slot, 1);
    }
}

/// A batch on its way. It may be dropped: the records are delivered all the same.
#[derive(Debug)]
pub struct Sent(oneshot::Receiver<Vec<Refused>>);

impl Sent {
    /// Completes when every record is acknowledged or refused, and answers the refused. None: the producer has ended before.
    pub async fn settled(&mut self) -> Option<Vec<Refused>> {
        (&mut self.0).await.ok()
    }

    /// One that its maker settles.
    #[cfg(test)]
    pub fn by(settled: oneshot::Receiver<Vec<Refused>>) -> Self {
        Sent(settled)
    }
}

/// What a refusal means for the task.
pub fn refusal(refused: &Refused) -> TaskError {
    let (kind, remedy) = match refused.code {
        RDKafkaErrorCode::MessageSizeTooLarge => {
            (ErrorKind::Fatal, "raise \"producer.override.max.request.size\" and the topic's \"max.message.bytes\"")
        }
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition => {
            (ErrorKind::Restart, "create the topic, or set \"topic.creation.default.partitions\"")
        }
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            (ErrorKind::Fatal, "allow the worker's user to write to it")
        }
        RDKafkaErrorCode::InvalidTopic => {
            (ErrorKind::Fatal, "use a name of up to 249 letters, digits, dots, underscores and hyphens")
        }
        _ => (ErrorKind::Restart, "see the broker's log"),
    };
    TaskError::new(kind, "kafka.produce", format!("cannot write to topic \"{}\": {}; {remedy}", refused.topic, refused.code))
}

/// The client, with the topics that belong to it: they go first.
pub(super) struct Client {
    pub topics: Topics,
    pub producer: BaseProducer<Deliveries>,
}

pub struct LogProducer {
    pub(super) client: Arc<Client>,
    enqueuer: Enqueuer,
    alive: Arc<AtomicBool>,
    bytes: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    /// `linger.ms` was raised: librdkafka may hold back what nothing more can join.
    lingers: bool,
}

impl LogProducer {
    pub fn new(config: &ClientConfig) -> Result<Self, TaskError> {
        let refused = |e: String| TaskError::config("producer.override", format!("the producer's settings are refused: {e}"));
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::new()).map_err(|e| refused(e.to_string()))?;
        let client = Arc::new(Client { topics: Topics::default(), producer });
        let alive = Arc::new(AtomicBool::new(true));
        let (served, go_on) = (client.clone(), alive.clone());
        // The last to hold the client, so that its end, which blocks, is no task's.
        let thread = std::thread::Builder::new().name("deliveries".into()).spawn(move || {
            while go_on.load(Ordering::Relaxed) {
                served.producer.poll(DELIVERY_WAIT);
            }
            drop(served);
            give_back_memory();
        });
        thread.map_err(|e| TaskError::retriable("worker.thread", format!("cannot start the producer's thread: {e}")))?;
        let bytes = Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX / BUDGET_UNIT));
        let lingers = config.get("linger.ms").and_then(|l| l.parse::<f64>().ok()).is_some_and(|l| l > LINGER_MS);
        let batches = Arc::new(Semaphore::new(BATCHES_MAX));
        Ok(LogProducer { client, enqueuer: Enqueuer::default(), alive, bytes, batches, lingers })
    }

    /// Hands a batch to the client, waiting for room. Refusals are told by [`Sent::settled`] alone.
    pub async fn send(&mut self, batch: Outgoing) -> Sent {
        let weight = batch.buffer.len() + batch.len() * RECORD_BYTES;
        let units = (weight / BUDGET_UNIT).clamp(1, IN_FLIGHT_BYTES_MAX / BUDGET_UNIT);
        let bytes = self.hurried(self.bytes.clone().acquire_many_owned(units as u32)).await.expect("it is never closed");
        let place = self.hurried(self.batches.clone().acquire_owned()).await.expect("it is never closed");
        let (done, settled) = oneshot::channel();
        let deliveries = self.client.producer.context().clone();
        let at = deliveries.free.lock().pop().expect("a batch has a permit for its slot");
        let slot = &deliveries.slots[at as usize];
        let batch = Arc::new(batch);
        slot.pending.store(batch.records.len() as u32 + 1, Ordering::Release);
        *slot.held.lock() = Some(Held { batch: batch.clone(), done, _budget: (bytes, place) });
        let mut left = self.enqueuer.enqueue(&self.client, &batch, at, None);
        loop {
            if !left.refused.is_empty() {
                let n = left.refused.len() as u32;
                slot.refused.lock().append(&mut left.refused);
                deliveries.settle(at, n);
            }
            if left.full.is_empty() {
                break;
            }
            tokio::time::sleep(QUEUE_FULL_WAIT).await;
            left = self.enqueuer.enqueue(&self.client, &batch, at, Some(&left.full));
        }
        deliveries.settle(at, 1);
        Sent(settled)
    }

    /// Waits until all that was sent is acknowledged or refused.
    pub async fn flush(&self, within: Duration) {
        let all = self.batches.acquire_many(BATCHES_MAX as u32);
        let _ = tokio::time::timeout(within, self.hurried(all)).await;
    }

    /// Waits for acknowledgements. Nothing more comes meanwhile, so that lingering would only hold up the task.
    async fn hurried<F: Future>(&self, wait: F) -> F::Output {
        let mut wait = std::pin::pin!(wait);
        let hurry = || {
            let client = self.client.clone();
            tokio::task::spawn_blocking(move || super::enqueue::send_now(&client, HURRY))
        };
        loop {
            tokio::select! {
                biased;
                done = &mut wait => return done,
                _ = hurry(), if self.lingers => {}
            }
        }
    }
}

/// The buffers of clients that have ended lie scattered over the heap, which would keep them; one thread gives them back for
/// all that end at about the same time. It sleeps and works on a thread that has nothing else to do any more.
fn give_back_memory() {
    static WAITING: AtomicBool = AtomicBool::new(false);
    if !WAITING.swap(true, Ordering::AcqRel) {
        std::thread::sleep(GIVE_BACK_WAIT);
        WAITING.store(false, Ordering::Release);
        millrace_sandbox::give_back_memory();
    }
}

impl Drop for LogProducer {
    fn drop(&mut self) {
        // What the log has not acknowledged comes again with the next session, and must not come behind its records.
        self.client.producer.purge(PurgeConfig::default().queue().inflight());
        self.alive.store(false, Ordering::Relaxed);
    }
}
