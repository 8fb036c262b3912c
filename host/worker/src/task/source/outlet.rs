//! The session's way to the log: its producer and, with exactly-once delivery, its transactions.
//!
//! Invariant offset-with-records: a transaction holds whole batches, what plugins changed in their states for them, and the
//! offsets that stand for exactly these batches; so all of it is in the log, or nothing.
//!
//! Invariant one-producer: a session claims its transactional id before it reads where to go on. Who had it before writes
//! nothing any more, and what he left open is aborted.
//!
//! The sender writes a batch while it holds the lock; the committer ends a transaction while he holds it, between two batches.

use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};
use rdkafka::ClientConfig;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::invariants::{Invariant, reversed};
use crate::kafka::outgoing::{OutMeta, Outgoing};
use crate::kafka::producer::{LogProducer, Sent, refusal};
use crate::kafka::transaction::transactional;
use crate::task::Prepared;
use crate::task::settings::Reader;
use crate::task::supervise::{Failure, Task};

/// How long a session that ends waits until its open transaction is aborted.
const ABORT_WAIT: Duration = Duration::from_secs(2);

/// Where transactions end: `transaction.boundary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Boundary {
    /// As soon as a polled batch is in the log, with those that came meanwhile.
    Poll,
    /// `transaction.boundary.interval.ms`, else `offset.flush.interval.ms`.
    Interval(Duration),
    /// Where a transaction of the source ends.
    Connector,
}

impl Boundary {
    fn of(task: &Task) -> Result<Boundary, TaskError> {
        let mut read =
            Reader { connector: &task.spec.connector_config, worker: &task.runtime.worker, wrong: Vec::new(), field: None };
        let interval = read.millis("transaction.boundary.interval.ms", task.settings.flush_interval.as_millis() as u64, 1);
        let boundary = match read.get("transaction.boundary").unwrap_or("poll").to_ascii_lowercase().as_str() {
            "poll" => Boundary::Poll,
            "interval" => Boundary::Interval(interval),
            "connector" => Boundary::Connector,
            other => {
                read.wrong("transaction.boundary", other, "one of: poll, interval, connector");
                Boundary::Poll
            }
        };
        read.finish(boundary)
    }
}

pub(in crate::task) struct Outlet {
    open: Mutex<Open>,
    /// A transaction has ended.
    committed: Notify,
    /// None: at least once, without transactions.
    pub boundary: Option<Boundary>,
}

struct Open {
    producer: LogProducer,
    /// A transaction is open.
    begun: bool,
    /// How many batches were begun in this session.
    batches: u64,
    /// A transaction of the source has ended in it: no further batch joins it.
    full: bool,
}

impl Outlet {
    /// With `settings` of a producer. Waits for the coordinator of transactions where there are any.
    pub async fn new(task: &Task, mut settings: ClientConfig) -> Result<Outlet, Failure> {
        let failed = |call: &'static str| move |e: TaskError| Failure::new("producer", call, e);
        let boundary = match &task.runtime.transactions_of {
            Some(group) => {
                let mut id = format!("{group}-{}", task.spec.id);
                if reversed(Invariant::OneProducer) {
                    id += &format!("-{}", rand::random::<u64>());
                }
                transactional(&mut settings, &id);
                Some(Boundary::of(task).map_err(failed("configure"))?)
            }
            None => None,
        };
        let producer = LogProducer::new(&settings).map_err(failed("create"))?;
        if boundary.is_some() {
            tokio::select! {
                claimed = producer.claim() => claimed.map_err(failed("claim"))?,
                _ = task.stopped() => {
                    let error = TaskError::new(ErrorKind::Restart, "task.stopped", "the task was stopped before it began");
                    return Err(failed("claim")(error));
                }
            }
        }
        let open = Open { producer, begun: false, batches: 0, full: false };
        Ok(Outlet { open: Mutex::new(open), committed: Notify::new(), boundary })
    }

    /// For one batch: it is counted from here on, so that no transaction ends without all of it. `last`: a transaction of the
    /// source ends with it.
    pub async fn batch(&self, last: bool) -> Result<Writing<'_>, Failure> {
        let mut writing = loop {
            let committed = self.committed.notified();
            let writing = self.between().await;
            if !writing.0.full {
                break writing;
            }
            drop(writing);
            committed.await;
        };
        if self.boundary.is_some() {
            writing.begin()?;
        }
        writing.0.batches += 1;
        writing.0.full = last && self.boundary == Some(Boundary::Connector);
        Ok(writing)
    }

    /// Nobody ends transactions any more: who waits for that goes on, and finds out.
    pub fn let_go(&self) {
        // Whoever holds it does not wait.
        if let Ok(mut open) = self.open.try_lock() {
            open.full = false;
        }
        self.committed.notify_waiters();
    }

    /// Between two batches.
    pub async fn between(&self) -> Writing<'_> {
        Writing(self.open.lock().await, &self.committed)
    }

    /// Waits until all that was sent is acknowledged or refused.
    pub async fn flush(&self, within: Duration) {
        self.between().await.0.producer.flush(within).await;
    }

    /// The session ends: what is open is given up, so that nobody who reads the topics has to wait for its time-out.
    pub async fn end(&self) {
        if self.boundary.is_none() {
            return;
        }
        let mut open = self.open.lock().await;
        if std::mem::take(&mut open.begun) {
            open.producer.abort(ABORT_WAIT).await;
        }
    }
}

pub(in crate::task) struct Writing<'a>(MutexGuard<'a, Open>, &'a Notify);

impl Writing<'_> {
    pub async fn send(&mut self, out: Outgoing) -> Sent {
        self.0.producer.send(out).await
    }

    pub fn batches(&self) -> u64 {
        self.0.batches
    }

    pub fn begun(&self) -> bool {
        self.0.begun
    }

    /// Begins a transaction where none is open.
    pub fn begin(&mut self) -> Result<(), Failure> {
        if !self.0.begun {
            self.0.producer.begin().map_err(|e| Failure::new("producer", "begin", e))?;
            self.0.begun = true;
        }
        Ok(())
    }

    /// Writes to internal topics in the transaction; returns once the log has taken all of it.
    pub async fn write(&mut self, prepared: impl IntoIterator<Item = &Prepared>) -> Result<(), Failure> {
        let mut out = Outgoing::default();
        for p in prepared {
            let topic = out.topic(&p.topic);
            for e in &p.entries {
                let (key, value) = (out.bytes(Some(&e.key)), out.bytes(e.value.as_deref()));
                out.push(OutMeta { topic, partition: e.partition, ..OutMeta::default() }, key, value);
            }
        }
        if out.is_empty() {
            return Ok(());
        }
        let failed = |e| Failure::new("offsets", "write", e);
        match self.send(out).await.settled().await.as_deref() {
            Some([]) => Ok(()),
            Some([refused, ..]) => Err(failed(refusal(refused))),
            None => Err(failed(TaskError::new(ErrorKind::Restart, "kafka.produce", "the producer has ended"))),
        }
    }

    pub async fn commit(&mut self) -> Result<(), Failure> {
        self.0.producer.commit().await.map_err(|e| Failure::new("producer", "commit", e))?;
        (self.0.begun, self.0.full) = (false, false);
        self.1.notify_waiters();
        Ok(())
    }
}
