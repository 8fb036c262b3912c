//! Redrive: dead letters go through the sink that they failed in once more, and no other consumer of their topic sees them.
//!
//! A job names what is selected of a queue. It reads the queue itself and gives the records, as they were consumed, to an
//! instance of the sink of its own ([`crate::task`]): the running tasks, their group and their offsets are not touched, a job
//! may be slowed and cancelled at any record, and no record is copied. Jobs of a queue run one after another.
//!
//! Invariant one-outcome: see [`ledger`].

mod choice;
mod dry_run;
mod index;
mod job;
pub mod ledger;
mod letter;
mod outcome;
mod picked;
mod queue;
mod request;
mod run;
mod selected;
mod transforms;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::job::{Job, Part, Progress, Selection, State, What};
pub use self::ledger::Ledger;
pub use self::outcome::{Kind, Outcome};
pub use self::request::{POSITIONS_MAX, Wanted};
pub use self::transforms::is_one as is_transform;

use self::job::Live;
use self::ledger::{Change, LedgerError};
use crate::dlq::DeadLetterQueues;
use crate::herder::{Herder, HerderError};

/// How soon is tried again to read what earlier workers left.
const RETRY: Duration = Duration::from_secs(2);

/// All jobs of a worker.
pub struct Redrives {
    pub ledger: Ledger,
    queues: Arc<DeadLetterQueues>,
    /// Of each job that has a task.
    live: Mutex<HashMap<u64, Live>>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    /// One job is made at a time.
    making: tokio::sync::Mutex<()>,
    /// Beats whenever something changed that a job may wait for: a connector, a job that ended or was cancelled.
    pulse: watch::Sender<u64>,
    read: watch::Sender<bool>,
    /// Queues whose index could not be told of outcomes. It is told nothing more until it knows those: what it knows are the
    /// first, without a gap.
    untold: tokio::sync::Mutex<HashSet<String>>,
    stopping: AtomicBool,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl From<LedgerError> for HerderError {
    fn from(e: LedgerError) -> Self {
        HerderError::Failed(e.to_string())
    }
}

impl Redrives {
    pub fn new(ledger: Ledger, queues: Arc<DeadLetterQueues>) -> Arc<Self> {
        Arc::new(Redrives {
            ledger,
            queues,
            live: Mutex::default(),
            tasks: tokio::sync::Mutex::default(),
            making: tokio::sync::Mutex::default(),
            pulse: watch::channel(0).0,
            read: watch::channel(false).0,
            untold: tokio::sync::Mutex::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Reads what earlier workers left, and goes on with their jobs.
    pub async fn begin(self: &Arc<Self>, herder: &Arc<Herder>) {
        let (redrives, of) = (self.clone(), herder.clone());
        self.tasks.lock().await.spawn(async move {
            while !redrives.stopping() {
                match redrives.ledger.ready().await {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(%error, "the jobs of redrives cannot be read yet, it is tried again"),
                }
                let mut pulse = redrives.pulse.subscribe();
                let _ = tokio::time::timeout(RETRY, pulse.changed()).await;
            }
            // What comes of these jobs is told behind what came before.
            let mut untold = redrives.untold.lock().await;
            redrives.start_all(&of).await;
            redrives.read.send_replace(true);
            redrives.tell_again(&mut untold).await;
            drop(untold);
            redrives.look_after(&of).await;
        });
    }

    /// Starts the jobs that are to run.
    async fn start_all(self: &Arc<Self>, herder: &Arc<Herder>) {
        for (job, _) in self.ledger.jobs(|_, progress| progress.state == State::Running) {
            self.start(herder, job.id).await;
        }
    }

    /// Starts a job, unless it was.
    async fn start(self: &Arc<Self>, herder: &Arc<Herder>, id: u64) {
        if self.stopping() {
            return;
        }
        let new = match self.live.lock().entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(new) => {
                new.insert(Live::default());
                true
            }
        };
        if new {
            self.tasks.lock().await.spawn(run::run(self.clone(), herder.clone(), id));
        }
    }

    /// Once what earlier workers left is known.
    async fn known(&self) {
        let _ = self.read.subscribe().wait_for(|read| *read).await;
    }

    /// A connector has changed.
    pub fn changed(&self) {
        self.pulse.send_modify(|n| *n += 1);
    }

    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Stops all jobs behind their batch; they go on with the next worker.
    pub async fn stop(&self, graceful: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        self.changed();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().await);
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(graceful, all).await.is_err() {
            tasks.shutdown().await;
        }
    }

    fn live(&self, id: u64, change: impl FnOnce(&mut Live)) {
        change(self.live.lock().entry(id).or_default());
    }

    /// A job's task has ended.
    fn ended(&self, id: u64) {
        self.live.lock().remove(&id);
        self.changed();
    }

    /// Outcomes were written.
    async fn decided(&self, change: &Change) {
        let mut untold = self.untold.lock().await;
        if !untold.contains(&change.queue) && !index::tell(&self.queues, &change.queue, &change.outcomes).await {
            untold.insert(change.queue.clone());
        }
    }

    /// Until the worker stops: starts jobs that are in the log though who made them was told of a failure, and tells indices
    /// again that could not be told, such as on a disk that was full.
    async fn look_after(self: &Arc<Self>, herder: &Arc<Herder>) {
        let mut pulse = self.pulse.subscribe();
        while !self.stopping() {
            let _ = tokio::time::timeout(RETRY, pulse.wait_for(|_| self.stopping())).await;
            // Where it fails it is tried again.
            if self.ledger.sure().await.is_ok() {
                self.start_all(herder).await;
            }
            let (mut untold, mut there) = (self.untold.lock().await, false);
            for queue in untold.iter() {
                there |= self.queues.get(queue).await.is_some();
            }
            if there && !self.stopping() {
                untold.clear();
                self.tell_again(&mut untold).await;
            }
        }
    }

    /// Tells the indices what they do not know: one may have been made anew, or its worker was killed before it was told.
    async fn tell_again(self: &Arc<Self>, untold: &mut HashSet<String>) {
        let (sender, mut blocks) = tokio::sync::mpsc::channel(2);
        let of = self.clone();
        let reading =
            tokio::task::spawn_blocking(move || of.ledger.each_block(index::BLOCK, |block| sender.blocking_send(block).is_ok()));
        while let Some((queue, block)) = blocks.recv().await {
            let Some(last) = block.last().filter(|_| !untold.contains(&queue)) else { continue };
            let told = match self.queues.get(&queue).await {
                Some(known) => index::knows(&known, last).await || index::tell(&self.queues, &queue, &block).await,
                None => false,
            };
            if !told {
                untold.insert(queue);
            }
            if self.stopping() {
                return;
            }
        }
        if let Ok(Err(error)) = reading.await {
            tracing::warn!(%error, "the indices of dead letter queues are not told all outcomes yet, it is tried again");
            untold.extend(self.ledger.jobs(|_, _| true).into_iter().map(|(job, _)| job.queue));
        }
    }

    fn shown(&self, job: &Job, progress: &Progress) -> Value {
        let live = self.live.lock().get(&job.id).cloned().unwrap_or_default();
        job.shown(progress, &live)
    }

    /// The jobs of a queue, the last one first.
    pub async fn list(&self, queue: &str) -> Value {
        self.known().await;
        let jobs = self.ledger.jobs(|job, _| job.queue == queue);
        let all: Vec<_> = jobs.iter().rev().map(|(job, progress)| self.shown(job, progress)).collect();
        json!({"jobs": all})
    }

    pub async fn get(&self, queue: &str, id: &str) -> Result<Value, HerderError> {
        let (job, progress) = self.find(queue, id).await?;
        Ok(self.shown(&job, &progress))
    }

    async fn find(&self, queue: &str, id: &str) -> Result<(Job, Progress), HerderError> {
        self.known().await;
        let found = id.parse().ok().and_then(|id| self.ledger.job(id)).filter(|(job, _)| job.queue == queue);
        found.ok_or_else(|| HerderError::NotFound(format!("The queue {queue} has no job {id}")))
    }

    /// Ends a job behind the batch in hand. One that has ended stays as it is.
    pub async fn cancel(&self, queue: &str, id: &str) -> Result<Value, HerderError> {
        let (job, progress) = self.find(queue, id).await?;
        if progress.state != State::Running {
            let (id, state) = (job.id, json!(progress.state));
            return Err(HerderError::Conflict(format!("Job {id} has ended, it is {state}: there is nothing to cancel")));
        }
        let job = Job { cancelled: true, ..job };
        self.ledger.commit(Change { job: Some(job.clone()), ..Change::default() }).await?;
        self.changed();
        Ok(self.shown(&job, &progress))
    }

    /// Says what would become of the first `limit` of what a job would select.
    pub async fn dry_run(&self, herder: &Arc<Herder>, queue: &str, wanted: Wanted, limit: usize) -> Result<Value, HerderError> {
        self.known().await;
        let job = request::job(self, herder, queue, wanted).await?;
        dry_run::dry_run(self, herder, &job, limit).await
    }

    /// Makes a job and starts it.
    pub async fn create(self: &Arc<Self>, herder: &Arc<Herder>, queue: &str, wanted: Wanted) -> Result<Value, HerderError> {
        self.known().await;
        let _one = self.making.lock().await;
        self.ledger.ready().await?;
        let job = request::job(self, herder, queue, wanted).await?;
        self.ledger.commit(Change { job: Some(job.clone()), ..Change::default() }).await?;
        tracing::info!(queue, job = job.id, what = ?job.what, "a job on dead letters was made");
        self.start(herder, job.id).await;
        Ok(self.shown(&job, &Progress::default()))
    }
}
