//! Jobs, how far they are, and the outcome of every dead letter, in a compacted topic of one partition. Keys: `["job",7]`,
//! `["progress",7]`, `["outcome","queue",0,17]`; values JSON.
//!
//! Invariant one-outcome: all is written by one transactional producer; the outcomes of a batch, the dead letters that became
//! of it and the progress of its job are one transaction. What is in memory is what was committed. Whoever starts takes the
//! producer over, which ends what another had open, before it reads.
//!
//! The topic is made with the first job: a worker that redrives nothing has none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_record::RawConfig;
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use serde_json::{Value, json};

use super::job::{Job, Progress, State};
use super::outcome::{Outcome, Outcomes};
use crate::config::Storage;
use crate::dlq::Position;
use crate::kafka::admin::{Admin, TopicError};
use crate::kafka::client::{ClientKind, ClientSettings, Quiet};
use crate::storage::{StateLog, StorageError};

/// The setting that names the topic.
pub const TOPIC: &str = "dlq.redrive.topic";

/// How long one request of a transaction may take, and a transaction.
const REQUEST: Duration = Duration::from_secs(30);
const TRANSACTION: &str = "60000";
/// How long a record may wait for its acknowledgement, less than a transaction.
const DELIVERY: &str = "50000";
/// How often a transaction that was aborted is tried again at once.
const ATTEMPTS: u32 = 5;
const AGAIN: Duration = Duration::from_millis(200);
/// How soon a record is offered again that found the client's queue full.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(2);
/// How long the log may take to say whether there is the topic.
const LIST: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error("cannot use a transactional producer: {0}; allow the worker's user the transactional id \"{1}\"")]
    Client(KafkaError, String),
    /// Nothing of it is in the log.
    #[error("a transaction was aborted: {0}")]
    Aborted(KafkaError),
    /// It may be in the log or not: what there is has to be read again.
    #[error("it is not known whether a transaction was committed: {0}")]
    Unknown(KafkaError),
}

/// A record that is a dead letter again.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub queue: String,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp: Option<i64>,
    pub headers: OwnedHeaders,
}

/// What is written together.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub job: Option<Job>,
    pub progress: Option<(u64, Progress)>,
    pub queue: String,
    pub outcomes: Vec<(Position, Outcome)>,
    /// Dead letters, each with the index of the outcome that names its position.
    pub letters: Vec<(usize, DeadLetter)>,
}

#[derive(Debug, Default)]
struct Table {
    jobs: BTreeMap<u64, Job>,
    /// A job that was cancelled stands in the log behind its progress.
    progress: BTreeMap<u64, Progress>,
    outcomes: Outcomes,
}

/// See the module.
pub struct Ledger {
    log: Arc<StateLog>,
    clients: ClientSettings,
    client_id: String,
    group: String,
    storage: Storage,
    table: Mutex<Table>,
    /// None: what is in the log is not known yet, or not any more.
    producer: tokio::sync::Mutex<Option<FutureProducer<Quiet>>>,
    /// Whether a write has failed since the log was read: it may be there all the same.
    unsure: AtomicBool,
}

impl Ledger {
    pub fn new(log: Arc<StateLog>, clients: ClientSettings, client_id: &str, group: &str, storage: Storage) -> Self {
        let (client_id, group) = (client_id.to_owned(), group.to_owned());
        Ledger {
            log,
            clients,
            client_id,
            group,
            storage,
            table: Mutex::default(),
            producer: tokio::sync::Mutex::default(),
            unsure: AtomicBool::new(false),
        }
    }

    /// Reads what there is, where that is not known. Without a topic there is nothing.
    pub async fn ready(&self) -> Result<(), LedgerError> {
        let mut producer = self.producer.lock().await;
        if producer.is_none() && self.log.has(&self.storage.topic, LIST).await? {
            *producer = Some(self.take_over().await?);
        }
        Ok(())
    }

    /// Reads again what there is, where a write has failed: whoever asked for it was not told that it is there.
    pub async fn sure(&self) -> Result<(), LedgerError> {
        if self.unsure.load(Ordering::SeqCst) {
            self.ready().await?;
        }
        Ok(())
    }

    /// A producer that nobody else can be, and what all before it have written.
    async fn take_over(&self) -> Result<FutureProducer<Quiet>, LedgerError> {
        let transactional = format!("millrace-redrive-{}", self.group);
        let refused = |e: KafkaError| LedgerError::Client(e, transactional.clone());
        let defaults = [
            ("transactional.id", transactional.as_str()),
            ("transaction.timeout.ms", TRANSACTION),
            ("message.timeout.ms", DELIVERY),
            ("acks", "all"),
            ("linger.ms", "1"),
            ("partitioner", "murmur2_random"),
            // What the queue once took, and the headers of another death.
            ("message.max.bytes", "16777216"),
            ("reconnect.backoff.ms", "20"),
        ];
        let id = format!("{}-redrive", self.client_id);
        let config = self.clients.client(ClientKind::Producer, &id, &RawConfig::new(), &defaults);
        let producer: FutureProducer<Quiet> = config.create_with_context(Quiet).map_err(refused)?;
        let taken = producer.clone();
        let taken = tokio::task::spawn_blocking(move || taken.init_transactions(REQUEST)).await.expect("it does not panic");
        taken.map_err(refused)?;
        let (log, topic) = (self.log.clone(), self.storage.topic.clone());
        let read = move || {
            let mut table = Table::default();
            let done = log.read(&id, &[topic], |_, key, value| table.take(key, value));
            done.map(|()| table)
        };
        let table = tokio::task::spawn_blocking(read).await.expect("reading does not panic")?;
        *self.table.lock() = table;
        self.unsure.store(false, Ordering::SeqCst);
        Ok(producer)
    }

    /// Writes all of it or nothing. After [`LedgerError::Unknown`] what there is, is read again by [`Ledger::ready`].
    pub async fn commit(&self, mut change: Change) -> Result<Change, LedgerError> {
        let mut held = self.producer.lock().await;
        let producer = match &*held {
            Some(producer) => producer.clone(),
            None => {
                let id = format!("{}-redrive-admin", self.client_id);
                let client = self.clients.client(ClientKind::Admin, &id, &RawConfig::new(), &[("reconnect.backoff.ms", "20")]);
                Admin::new(&client)?.compacted(&self.storage, TOPIC).await?;
                held.insert(self.take_over().await?).clone()
            }
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.transact(&producer, &mut change).await {
                Ok(()) => break,
                Err(LedgerError::Aborted(error)) if attempt < ATTEMPTS => {
                    tracing::warn!(%error, "a transaction of a redrive was aborted, it is tried again");
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    *held = None;
                    self.unsure.store(true, Ordering::SeqCst);
                    return Err(error);
                }
            }
        }
        self.table.lock().apply(&change);
        Ok(change)
    }

    async fn transact(&self, producer: &FutureProducer<Quiet>, change: &mut Change) -> Result<(), LedgerError> {
        producer.begin_transaction().map_err(LedgerError::Unknown)?;
        let done = match self.send(producer, change).await {
            Ok(()) => commit(producer).await,
            Err(error) => Err(LedgerError::Aborted(error)),
        };
        let Err(LedgerError::Aborted(error)) = done else { return done };
        let aborting = producer.clone();
        let aborted = tokio::task::spawn_blocking(move || aborting.abort_transaction(REQUEST)).await.expect("it does not panic");
        // Whoever takes over aborts it.
        aborted.map_err(LedgerError::Unknown)?;
        Err(LedgerError::Aborted(error))
    }

    async fn send(&self, producer: &FutureProducer<Quiet>, change: &mut Change) -> Result<(), KafkaError> {
        let mut sent = Vec::with_capacity(change.letters.len());
        for (_, letter) in &change.letters {
            let mut record = FutureRecord::<[u8], [u8]>::to(&letter.queue).headers(letter.headers.clone());
            (record.key, record.payload) = (letter.key.as_deref(), letter.value.as_deref());
            record.timestamp = letter.timestamp;
            sent.push(enqueue(producer, record).await?);
        }
        for (delivery, (outcome, _)) in sent.into_iter().zip(&change.letters) {
            let at = delivered(delivery).await?;
            change.outcomes[*outcome].1.to = Some(at);
        }
        let mut entries = Vec::with_capacity(change.outcomes.len() + 2);
        for (at, outcome) in &change.outcomes {
            entries.push((json!(["outcome", change.queue, at.partition, at.offset]), json!(outcome)));
        }
        entries.extend(change.job.iter().map(|job| (json!(["job", job.id]), json!(job))));
        entries.extend(change.progress.iter().map(|(id, progress)| (json!(["progress", id]), json!(progress))));
        let mut sent = Vec::with_capacity(entries.len());
        for (key, value) in &entries {
            let (key, value) = (key.to_string(), value.to_string());
            let record = FutureRecord::<[u8], [u8]>::to(&self.storage.topic).key(key.as_bytes()).payload(value.as_bytes());
            sent.push(enqueue(producer, record).await?);
        }
        for delivery in sent {
            delivered(delivery).await?;
        }
        Ok(())
    }

    /// Reads the outcomes in the log once more, in their order, and gives them queue by queue in blocks until `take` has had
    /// enough. Blocks.
    pub fn each_block(
        &self,
        size: usize,
        mut take: impl FnMut((String, Vec<(Position, Outcome)>)) -> bool,
    ) -> Result<(), StorageError> {
        if self.table.lock().jobs.is_empty() {
            return Ok(());
        }
        let (mut open, mut more) = (BTreeMap::<String, Vec<(Position, Outcome)>>::new(), true);
        self.log.read(&format!("{}-redrive", self.client_id), std::slice::from_ref(&self.storage.topic), |_, key, value| {
            let Some((queue, at, outcome)) = value.and_then(|value| outcome(key, value)).filter(|_| more) else { return };
            let block = open.entry(queue.clone()).or_default();
            block.push((at, outcome));
            if block.len() >= size {
                more = take((queue, std::mem::take(block)));
            }
        })?;
        for (queue, block) in open {
            more = more && (block.is_empty() || take((queue, block)));
        }
        Ok(())
    }

    /// A job and how far it is.
    pub fn job(&self, id: u64) -> Option<(Job, Progress)> {
        let table = self.table.lock();
        Some((table.jobs.get(&id)?.clone(), table.progress(id).clone()))
    }

    /// The jobs that `wanted` picks, by id.
    pub fn jobs(&self, wanted: impl Fn(&Job, &Progress) -> bool) -> Vec<(Job, Progress)> {
        let table = self.table.lock();
        let all = table.jobs.values().map(|job| (job, table.progress(job.id)));
        all.filter(|(job, progress)| wanted(job, progress)).map(|(j, p)| (j.clone(), p.clone())).collect()
    }

    /// The id of the job that is made next.
    pub fn next_id(&self) -> u64 {
        self.table.lock().jobs.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    /// The job that is to run on a queue: of several that have not ended the first.
    pub fn turn(&self, queue: &str) -> Option<u64> {
        let table = self.table.lock();
        table.jobs.values().find(|j| j.queue == queue && table.progress(j.id).state == State::Running).map(|j| j.id)
    }

    /// What became of positions, in their order.
    pub fn outcomes(&self, queue: &str, of: impl Iterator<Item = Position>) -> Vec<Option<super::outcome::Kind>> {
        let table = self.table.lock();
        of.map(|at| table.outcomes.get(queue, at)).collect()
    }
}

/// Ends a transaction. A request that took too long may be asked again.
async fn commit(producer: &FutureProducer<Quiet>) -> Result<(), LedgerError> {
    for _ in 0..ATTEMPTS {
        let committing = producer.clone();
        let done = tokio::task::spawn_blocking(move || committing.commit_transaction(REQUEST)).await.expect("it does not panic");
        match done {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(e)) if e.is_retriable() => {}
            Err(KafkaError::Transaction(e)) if e.txn_requires_abort() => {
                return Err(LedgerError::Aborted(KafkaError::Transaction(e)));
            }
            Err(error) => return Err(LedgerError::Unknown(error)),
        }
    }
    Err(LedgerError::Unknown(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut)))
}

async fn enqueue(
    producer: &FutureProducer<Quiet>,
    mut record: FutureRecord<'_, [u8], [u8]>,
) -> Result<DeliveryFuture, KafkaError> {
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                tokio::time::sleep(QUEUE_FULL_WAIT).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

async fn delivered(delivery: DeliveryFuture) -> Result<Position, KafkaError> {
    match delivery.await {
        Ok(Ok(at)) => Ok(Position { partition: at.partition, offset: at.offset }),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

/// The outcome that a record is; none: it is another.
fn outcome(key: &[u8], value: &[u8]) -> Option<(String, Position, Outcome)> {
    let Value::Array(key) = serde_json::from_slice(key).ok()? else { return None };
    let [kind, queue, partition, offset] = &key[..] else { return None };
    if kind != "outcome" {
        return None;
    }
    let at = Position { partition: i32::try_from(partition.as_i64()?).ok()?, offset: offset.as_i64()? };
    Some((queue.as_str()?.to_owned(), at, serde_json::from_slice(value).ok()?))
}

impl Table {
    /// A record as it is read.
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else { return };
        if self.read(key, value).is_none() {
            tracing::warn!("a record of the topic of redrives cannot be read; it is left as it is");
        }
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some((queue, at, outcome)) = outcome(key, value) {
            self.outcomes.set(&queue, at, outcome.outcome);
            return Some(());
        }
        let Value::Array(key) = serde_json::from_slice(key).ok()? else { return None };
        match (key.first()?.as_str()?, &key[1..]) {
            ("job", [id]) => drop(self.jobs.insert(id.as_u64()?, serde_json::from_slice(value).ok()?)),
            ("progress", [id]) => drop(self.progress.insert(id.as_u64()?, serde_json::from_slice(value).ok()?)),
            _ => return None,
        }
        Some(())
    }

    fn progress(&self, id: u64) -> &Progress {
        static NONE: std::sync::LazyLock<Progress> = std::sync::LazyLock::new(Progress::default);
        self.progress.get(&id).unwrap_or(&NONE)
    }

    fn apply(&mut self, change: &Change) {
        for (at, outcome) in &change.outcomes {
            self.outcomes.set(&change.queue, *at, outcome.outcome);
        }
        self.jobs.extend(change.job.iter().map(|job| (job.id, job.clone())));
        self.progress.extend(change.progress.clone());
    }
}

/// Headers of a dead letter, in order.
pub fn headers<'a>(all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> OwnedHeaders {
    all.fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value }))
}
