//! Transactions: producer ids and epochs, what an open transaction holds, and how it ends.
//!
//! Promises that a decision is in the journal before the first marker is written (invariant `decided-before-marked`),
//! that offsets hold only when all markers are there, and that a transaction cut by a crash is aborted under a higher
//! epoch, so that its producer cannot go on as if nothing had happened.

use crate::config::Limits;
use crate::error::JournalError;
use crate::journal::{CommittedOffset, Decision, Entry, Journal, TopicPartition, TransactionalProducer};
use crate::log::Partition;
use crate::topics::Topics;
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From this epoch on a transactional id gets a new producer id.
const LAST_EPOCH: i16 = i16::MAX - 3;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Nothing is open; how the last one ended, if one did.
    Idle(Option<bool>),
    Open(Instant),
    /// Decided in the journal; markers may be missing.
    Ending(Arc<Decision>),
}

#[derive(Debug)]
struct Transaction {
    id: String,
    producer: TransactionalProducer,
    phase: Phase,
    partitions: BTreeSet<TopicPartition>,
    offsets: BTreeMap<String, BTreeMap<TopicPartition, CommittedOffset>>,
    used: Instant,
}

#[derive(Default)]
struct Registry {
    by_id: HashMap<String, Arc<Mutex<Transaction>>>,
    by_producer: HashMap<i64, Arc<Mutex<Transaction>>>,
}

pub struct Transactions {
    journal: Arc<Journal>,
    /// Locks are taken in this order: the registry, a transaction, the busy ids.
    registry: Mutex<Registry>,
    /// Ids whose transaction is open or ending.
    busy: Mutex<HashSet<String>>,
    timeout_max: Duration,
    ids_max: usize,
}

/// A producer's id and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
}

impl Transaction {
    fn new(id: &str, producer: TransactionalProducer) -> Self {
        Self {
            id: id.to_owned(),
            producer,
            phase: Phase::Idle(None),
            partitions: BTreeSet::new(),
            offsets: BTreeMap::new(),
            used: Instant::now(),
        }
    }

    fn check(&self, producer: Producer) -> Result<(), ResponseError> {
        if producer.id != self.producer.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if producer.epoch != self.producer.producer_epoch {
            return Err(ResponseError::ProducerFenced);
        }
        Ok(())
    }

    /// Checks the producer and opens the transaction if none is open.
    fn enter(&mut self, producer: Producer) -> Result<(), ResponseError> {
        self.check(producer)?;
        self.used = Instant::now();
        match self.phase {
            Phase::Ending(_) => Err(ResponseError::ConcurrentTransactions),
            Phase::Open(_) => Ok(()),
            Phase::Idle(_) => {
                self.phase = Phase::Open(Instant::now());
                Ok(())
            }
        }
    }

    fn decision(&self, commit: bool, producer_epoch: i16) -> Decision {
        Decision {
            producer_id: self.producer.producer_id,
            producer_epoch,
            commit,
            partitions: self.partitions.iter().cloned().collect(),
            offsets: self.offsets.iter().map(|(g, o)| (g.clone(), o.clone().into_iter().collect())).collect(),
        }
    }
}

impl Transactions {
    /// Takes up what the journal and the logs say: decided transactions are finished, others that are open are aborted.
    pub fn recover(limits: &Limits, journal: Arc<Journal>, topics: &Topics) -> Result<Self, JournalError> {
        let mut registry = Registry::default();
        let (producers, decided) = journal.read(|state| (state.transactional.clone(), state.decided.clone()));
        for (id, producer) in producers {
            registry.insert(Transaction::new(&id, producer));
        }
        let transactions = Self {
            journal,
            registry: Mutex::new(registry),
            busy: Mutex::default(),
            timeout_max: limits.transaction_timeout_max,
            ids_max: limits.transactional_ids_max,
        };
        for (id, decision) in decided {
            transactions.resume(&id, decision, topics);
        }
        transactions.abort_undecided(topics)?;
        Ok(transactions)
    }

    fn resume(&self, id: &str, decision: Decision, topics: &Topics) {
        let Some(transaction) = self.find(id) else { return };
        transaction.lock().phase = Phase::Ending(Arc::new(decision));
        self.busy.lock().insert(id.to_owned());
        if let Err(error) = self.finish(&transaction, topics) {
            tracing::error!(transactional_id = id, %error, "cannot finish a transaction yet; it is tried again");
        }
    }

    fn abort_undecided(&self, topics: &Topics) -> Result<(), JournalError> {
        let mut open: HashMap<i64, (i16, Vec<Arc<Partition>>)> = HashMap::new();
        for partition in topics.all().iter().flat_map(|topic| topic.partitions()) {
            for (producer, epoch) in partition.open_transactions() {
                let entry = open.entry(producer).or_insert((epoch, Vec::new()));
                entry.0 = entry.0.max(epoch);
                entry.1.push(partition.clone());
            }
        }
        for (producer_id, (epoch, partitions)) in open {
            let owner = self.registry.lock().by_producer.get(&producer_id).cloned();
            let Some(owner) = owner else {
                for partition in partitions {
                    if let Some(topic) = topics.get(&partition.topic) {
                        let _ = partition.end_transaction(producer_id, epoch.saturating_add(1), false, &topic.config());
                    }
                }
                continue;
            };
            let (id, decision) = {
                let mut transaction = owner.lock();
                if matches!(transaction.phase, Phase::Ending(_)) {
                    continue;
                }
                transaction.partitions =
                    partitions.iter().map(|partition| (partition.topic.to_string(), partition.index)).collect();
                (transaction.id.clone(), self.decide(&mut transaction, false, true)?)
            };
            tracing::info!(transactional_id = %id, "aborted a transaction that was open when the broker ended");
            self.resume(&id, decision.as_ref().clone(), topics);
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Option<Arc<Mutex<Transaction>>> {
        self.registry.lock().by_id.get(id).cloned()
    }

    fn known(&self, id: &str) -> Result<Arc<Mutex<Transaction>>, ResponseError> {
        self.find(id).ok_or(ResponseError::InvalidProducerIdMapping)
    }

    /// Gives an idempotent producer its id.
    pub async fn new_producer(&self) -> Result<Producer, ResponseError> {
        let id = self.allocate()?;
        self.journal.settle().await.map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        Ok(Producer { id, epoch: 0 })
    }

    fn allocate(&self) -> Result<i64, ResponseError> {
        let allocated = self.journal.write_with(|state| {
            let id = state.next_producer_id;
            Ok::<_, JournalError>((vec![Entry::ProducerIds { next: id + 1 }], id))
        });
        allocated.map_err(|_| ResponseError::CoordinatorNotAvailable)
    }

    /// Gives a transactional producer its id and epoch; fences the one before and aborts what it left open.
    pub async fn init(
        &self,
        id: &str,
        timeout_ms: i32,
        current: Option<Producer>,
        topics: &Topics,
    ) -> Result<Producer, ResponseError> {
        if timeout_ms <= 0 || Duration::from_millis(timeout_ms as u64) > self.timeout_max {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let known = self.find(id);
        if let Some(transaction) = &known {
            {
                let mut transaction = transaction.lock();
                let held = Producer { id: transaction.producer.producer_id, epoch: transaction.producer.producer_epoch };
                if current.is_some_and(|current| current != held) {
                    return Err(ResponseError::ProducerFenced);
                }
                match transaction.phase {
                    Phase::Ending(_) => return Err(ResponseError::ConcurrentTransactions),
                    Phase::Idle(_) => {}
                    Phase::Open(_) => {
                        self.decide(&mut transaction, false, true).map_err(|_| ResponseError::CoordinatorNotAvailable)?;
                    }
                }
            }
            self.conclude(transaction, topics).await.map_err(|_| ResponseError::ConcurrentTransactions)?;
        } else if current.is_some() {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        let producer = self.raise(id, timeout_ms)?;
        self.journal.settle().await.map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        Ok(producer)
    }

    /// Journals the next epoch of a transactional id, or a first producer id.
    fn raise(&self, id: &str, timeout_ms: i32) -> Result<Producer, ResponseError> {
        let failed = |_| ResponseError::CoordinatorNotAvailable;
        let mut registry = self.registry.lock();
        let fresh = |producer_id| TransactionalProducer { producer_id, producer_epoch: 0, timeout_ms };
        let journal = |producer| self.journal.write(vec![Entry::Transactional { id: id.to_owned(), producer }]);
        let producer = match registry.by_id.get(id).cloned() {
            Some(known) => {
                let mut transaction = known.lock();
                let held = transaction.producer;
                let producer = if held.producer_epoch >= LAST_EPOCH {
                    fresh(self.allocate()?)
                } else {
                    TransactionalProducer { producer_epoch: held.producer_epoch + 1, timeout_ms, ..held }
                };
                journal(producer).map_err(failed)?;
                transaction.producer = producer;
                transaction.phase = Phase::Idle(None);
                transaction.used = Instant::now();
                drop(transaction);
                registry.by_producer.insert(producer.producer_id, known);
                producer
            }
            None => {
                if registry.by_id.len() >= self.ids_max {
                    self.forget_oldest(&mut registry).map_err(failed)?;
                }
                let producer = fresh(self.allocate()?);
                journal(producer).map_err(failed)?;
                registry.insert(Transaction::new(id, producer));
                producer
            }
        };
        Ok(Producer { id: producer.producer_id, epoch: producer.producer_epoch })
    }

    fn forget_oldest(&self, registry: &mut Registry) -> Result<(), JournalError> {
        let busy = self.busy.lock().clone();
        let idle = registry.by_id.iter().filter(|(id, _)| !busy.contains(*id));
        let Some(id) = idle.min_by_key(|(_, transaction)| transaction.lock().used).map(|(id, _)| id.clone()) else {
            return Ok(());
        };
        self.journal.write(vec![Entry::TransactionalForgotten { id: id.clone() }])?;
        if let Some(transaction) = registry.by_id.remove(&id) {
            registry.by_producer.remove(&transaction.lock().producer.producer_id);
        }
        Ok(())
    }

    pub fn add_partitions(
        &self,
        id: &str,
        producer: Producer,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ResponseError> {
        let transaction = self.known(id)?;
        let mut transaction = transaction.lock();
        transaction.enter(producer)?;
        transaction.partitions.extend(partitions);
        self.busy.lock().insert(id.to_owned());
        Ok(())
    }

    pub fn add_offsets(&self, id: &str, producer: Producer) -> Result<(), ResponseError> {
        self.add_partitions(id, producer, [])
    }

    /// Holds offsets back until the transaction commits.
    pub fn commit_offsets(
        &self,
        id: &str,
        producer: Producer,
        group: &str,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Result<(), ResponseError> {
        let transaction = self.known(id)?;
        let mut transaction = transaction.lock();
        transaction.check(producer)?;
        if !matches!(transaction.phase, Phase::Open(_)) {
            return Err(ResponseError::InvalidTxnState);
        }
        transaction.offsets.entry(group.to_owned()).or_default().extend(offsets);
        Ok(())
    }

    /// The partitions of a group whose offsets an unfinished transaction is about to change.
    pub fn unstable(&self, group: &str) -> BTreeSet<TopicPartition> {
        let busy = self.busy();
        let held = |transaction: &Arc<Mutex<Transaction>>| {
            let transaction = transaction.lock();
            transaction.offsets.get(group).map(|offsets| offsets.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
        };
        busy.iter().flat_map(held).collect()
    }

    /// The transactions that are open or ending.
    fn busy(&self) -> Vec<Arc<Mutex<Transaction>>> {
        let busy = self.busy.lock().clone();
        let registry = self.registry.lock();
        busy.iter().filter_map(|id| registry.by_id.get(id).cloned()).collect()
    }

    /// Appends a transactional batch, if its transaction is open and holds the partition. Nothing ends it meanwhile.
    pub fn append<T>(
        &self,
        producer: Producer,
        topic: &str,
        partition: i32,
        append: impl FnOnce() -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        let found = self.registry.lock().by_producer.get(&producer.id).cloned();
        let transaction = found.ok_or(ResponseError::InvalidProducerIdMapping)?;
        let transaction = transaction.lock();
        transaction.check(producer).map_err(|error| match error {
            ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
            other => other,
        })?;
        let holds = transaction.partitions.contains(&(topic.to_owned(), partition));
        if !holds || !matches!(transaction.phase, Phase::Open(_)) {
            return Err(ResponseError::InvalidTxnState);
        }
        append()
    }

    /// Ends a transaction as its producer wishes.
    pub async fn end(&self, id: &str, producer: Producer, commit: bool, topics: &Topics) -> Result<(), ResponseError> {
        let transaction = self.known(id)?;
        {
            let mut transaction = transaction.lock();
            transaction.check(producer)?;
            transaction.used = Instant::now();
            match &transaction.phase {
                Phase::Idle(Some(last)) if *last == commit => return Ok(()),
                Phase::Idle(_) => return Err(ResponseError::InvalidTxnState),
                Phase::Ending(_) => return Err(ResponseError::ConcurrentTransactions),
                Phase::Open(_) => {
                    self.decide(&mut transaction, commit, false).map_err(|_| ResponseError::CoordinatorNotAvailable)?;
                }
            }
        }
        // The decision stands from here on: should the markers fail, they are tried again.
        self.conclude(&transaction, topics).await.or(Ok(()))
    }

    /// Journals how a transaction ends. `fence` raises the epoch, so that its producer is refused from now on.
    fn decide(&self, transaction: &mut Transaction, commit: bool, fence: bool) -> Result<Arc<Decision>, JournalError> {
        let mut producer = transaction.producer;
        producer.producer_epoch = producer.producer_epoch.saturating_add(i16::from(fence));
        let decision = transaction.decision(commit, producer.producer_epoch);
        let mut entries = Vec::new();
        if fence {
            entries.push(Entry::Transactional { id: transaction.id.clone(), producer });
        }
        entries.push(Entry::Decided { id: transaction.id.clone(), decision: decision.clone() });
        self.journal.write(entries)?;
        let decision = Arc::new(decision);
        transaction.producer = producer;
        transaction.phase = Phase::Ending(decision.clone());
        Ok(decision)
    }

    /// Makes a decision durable, writes its markers and closes it.
    async fn conclude(&self, transaction: &Arc<Mutex<Transaction>>, topics: &Topics) -> Result<(), ResponseError> {
        // Invariant decided-before-marked.
        self.journal.settle().await.map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        self.finish(transaction, topics)?;
        self.journal.settle().await.map_err(|_| ResponseError::CoordinatorNotAvailable)
    }

    /// Writes the markers that are missing, then journals that it is done. Does nothing unless a decision is pending.
    fn finish(&self, transaction: &Arc<Mutex<Transaction>>, topics: &Topics) -> Result<(), ResponseError> {
        let mut transaction = transaction.lock();
        let Phase::Ending(decision) = transaction.phase.clone() else { return Ok(()) };
        for (topic, index) in &decision.partitions {
            let Some(topic) = topics.get(topic) else { continue };
            let Some(partition) = topic.partition(*index) else { continue };
            let Decision { producer_id, producer_epoch, commit, .. } = *decision;
            partition.end_transaction(producer_id, producer_epoch, commit, &topic.config())?;
        }
        let done = Entry::Done { id: transaction.id.clone() };
        self.journal.write(vec![done]).map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        transaction.phase = Phase::Idle(Some(decision.commit));
        transaction.partitions.clear();
        transaction.offsets.clear();
        self.busy.lock().remove(&transaction.id);
        Ok(())
    }

    /// Aborts transactions whose time is up, and goes on with those that could not be finished.
    pub async fn tick(&self, topics: &Topics) {
        for transaction in self.busy() {
            let due = {
                let mut transaction = transaction.lock();
                let timeout = Duration::from_millis(transaction.producer.timeout_ms.max(0) as u64);
                match transaction.phase {
                    Phase::Idle(_) => false,
                    Phase::Ending(_) => true,
                    Phase::Open(since) if since.elapsed() <= timeout => false,
                    Phase::Open(_) => {
                        tracing::warn!(transactional_id = %transaction.id, "a transaction took longer than its time-out; it is aborted");
                        self.decide(&mut transaction, false, true).is_ok()
                    }
                }
            };
            if due {
                let _ = self.conclude(&transaction, topics).await;
            }
        }
    }
}

impl Registry {
    fn insert(&mut self, transaction: Transaction) {
        let (id, producer) = (transaction.id.clone(), transaction.producer.producer_id);
        let transaction = Arc::new(Mutex::new(transaction));
        self.by_producer.insert(producer, transaction.clone());
        self.by_id.insert(id, transaction);
    }
}
