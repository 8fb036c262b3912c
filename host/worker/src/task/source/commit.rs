//! Offsets become durable here: in the order of the polls, after the log has acknowledged every record up to them, or with
//! exactly-once delivery in one transaction with them.

use std::sync::Arc;

use millrace_record::{ErrorKind, LogWriter, SourceOffset, TaskError, Wake};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::outlet::{Boundary, Outlet};
use super::tolerate::tolerate;
use crate::errors::Stage;
use crate::errors::dead_letters::LETTER;
use crate::invariants::{Invariant, reversed};
use crate::kafka::outgoing::Refused;
use crate::kafka::producer::{Sent, refusal};
use crate::task::supervise::{Failure, Task, flush_plugins};
use crate::task::{Committed, Unsaved};

/// What Connect names when the log refuses a record.
pub(super) const PRODUCE_CLASS: &str = "org.apache.kafka.connect.runtime.AbstractWorkerSourceTask";

/// A polled batch that the producer has.
#[derive(Default)]
pub(in crate::task) struct Batch {
    /// Its parts, in order.
    pub sent: Vec<Sent>,
    /// To be stored once all of it is acknowledged.
    pub offsets: Vec<SourceOffset>,
    /// The offsets stand for all of its records.
    pub covered: bool,
    /// A transaction of the source ends with it.
    pub boundary: bool,
    /// What plugins changed in their states for it.
    pub unsaved: Unsaved,
    /// How many records were polled, and how many of them a transform dropped.
    pub records: u64,
    pub filtered: u64,
    /// Rows that failed and were tolerated; each counts once, however many records came of it.
    pub skipped: Vec<u32>,
}

impl Batch {
    /// False: it is skipped already.
    pub fn skip(&mut self, row: u32) -> bool {
        let new = self.skipped.last() != Some(&row) && !self.skipped.contains(&row);
        if new {
            self.skipped.push(row);
        }
        new
    }
}

/// `outlet`: whose transactions are to be ended; none: offsets are stored at least once.
pub(in crate::task) async fn run(
    task: Arc<Task>,
    log: Arc<dyn LogWriter>,
    outlet: Option<Arc<Outlet>>,
    sent: mpsc::Receiver<Batch>,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
) -> Result<(), Failure> {
    let boundary = outlet.as_ref().and_then(|o| o.boundary);
    let every = match boundary {
        Some(Boundary::Interval(every)) => every,
        _ => task.settings.flush_interval,
    };
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut committer = Committer {
        task,
        log,
        outlet,
        sent,
        settled: 0,
        offsets: Vec::new(),
        unsaved: Unsaved::default(),
        marked: false,
        open: false,
        ended: false,
        size: 0,
        stored,
        wake: wake.clone(),
    };
    let result = async {
        loop {
            tokio::select! {
                batch = committer.sent.recv() => match batch {
                    Some(batch) => {
                        committer.too_early(&batch).await?;
                        // A source that has not given a mark has no transactions yet: it reads a snapshot.
                        let ends = match boundary {
                            Some(Boundary::Poll) => true,
                            Some(Boundary::Connector) => batch.boundary || !committer.marked && batch.offsets.is_empty(),
                            _ => false,
                        };
                        committer.settle(batch, Some(&mut tick)).await?;
                        if ends {
                            committer.store().await?;
                        }
                    }
                    None => return committer.store().await,
                },
                _ = tick.tick(), if boundary != Some(Boundary::Connector) => committer.store().await?,
            }
        }
    }
    .await;
    if let Some(outlet) = &committer.outlet {
        outlet.let_go();
    }
    // A failure ends the receiver, which ends `send`, which ends the polls.
    wake.raise();
    result
}

/// What the log refused of a part: a record that is itself at fault is tolerated as `errors.tolerance` says; any other
/// refusal would refuse the next records too, and ends the session.
fn accept(task: &Task, batch: &mut Batch, refused: Option<Vec<Refused>>) -> Result<(), Failure> {
    let Some(refused) = refused else {
        let message = "the producer ended before the log had acknowledged the last records; they come again";
        return Err(Failure::new("producer", "acknowledge", TaskError::new(ErrorKind::Restart, "kafka.produce", message)));
    };
    for r in &refused {
        if r.origin == LETTER {
            task.counters.dead_letter_failures.add(1);
            return Err(Failure::new("dead letter queue", "acknowledge", refusal(r)));
        }
        if !r.is_data() {
            return Err(Failure::new("producer", "acknowledge", refusal(r)));
        }
        tolerate(task, Stage::KafkaProduce, PRODUCE_CLASS, "acknowledge", refusal(r))?;
        batch.skip(r.origin);
    }
    Ok(())
}

/// Offsets that may be stored: invariant durable-before-commit, the log has acknowledged every record up to them.
struct Committer {
    task: Arc<Task>,
    log: Arc<dyn LogWriter>,
    outlet: Option<Arc<Outlet>>,
    sent: mpsc::Receiver<Batch>,
    /// How many batches the log has acknowledged.
    settled: u64,
    offsets: Vec<SourceOffset>,
    unsaved: Unsaved,
    /// The source has given marks.
    marked: bool,
    /// There are records behind the last mark.
    open: bool,
    /// A transaction of the source ends with what came last.
    ended: bool,
    /// Records that the transaction which is open has.
    size: u64,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
}

impl Committer {
    /// Does with a batch that was sent what the invariants allow only later.
    async fn too_early(&mut self, batch: &Batch) -> Result<(), Failure> {
        let apart = self.outlet.is_some() && reversed(Invariant::OffsetWithRecords);
        if apart || reversed(Invariant::SourceDurableBeforeCommit) {
            let written = self.task.runtime.offsets.write(&self.task.spec.id.connector, &batch.offsets).await;
            written.map_err(not_stored)?;
        }
        if reversed(Invariant::DurableBeforeRelease) {
            self.release(batch.offsets.clone());
        }
        Ok(())
    }

    /// Batches and their parts are awaited in order, so what is pending is a contiguous prefix; while one is awaited the ticks
    /// go on storing what came before it, unless that belongs to the same transaction.
    async fn settle(&mut self, mut batch: Batch, mut tick: Option<&mut Interval>) -> Result<(), Failure> {
        for mut part in std::mem::take(&mut batch.sent) {
            let refused = loop {
                match &mut tick {
                    Some(tick) if self.outlet.is_none() => tokio::select! {
                        refused = part.settled() => break refused,
                        _ = tick.tick() => self.store_offsets().await?,
                    },
                    _ => break part.settled().await,
                }
            };
            accept(&self.task, &mut batch, refused)?;
        }
        self.settled += 1;
        let skipped = batch.skipped.len() as u64;
        let produced = batch.records.saturating_sub(batch.filtered + skipped);
        self.task.counters.skipped.add(skipped);
        self.task.counters.settled_batch(batch.records, produced);
        self.size += produced;
        self.add(batch);
        Ok(())
    }

    fn add(&mut self, batch: Batch) {
        self.unsaved.append(batch.unsaved);
        self.marked |= !batch.offsets.is_empty();
        // In a transaction records must not be ahead of their offsets; without one they may.
        let covered = if self.outlet.is_some() { batch.covered } else { !batch.offsets.is_empty() };
        if batch.records > 0 || !batch.offsets.is_empty() {
            self.ended = batch.boundary;
        }
        self.open = !covered && (self.open || batch.records > 0);
        for o in batch.offsets {
            self.offsets.retain(|p| p.partition != o.partition);
            self.offsets.push(o);
        }
    }

    async fn store(&mut self) -> Result<(), Failure> {
        match self.outlet.clone() {
            Some(outlet) => self.end_transaction(&outlet).await,
            None => self.store_offsets().await,
        }
    }

    async fn store_offsets(&mut self) -> Result<(), Failure> {
        // What a source changed between two marks waits for the second: its records come again until then.
        let between = self.marked && self.open && self.offsets.is_empty();
        if !between && !(self.offsets.is_empty() && self.unsaved.is_empty()) {
            flush_plugins(&self.log).await?;
            // Invariant state-before-offset.
            self.unsaved.store(&*self.task.runtime.states).await?;
        }
        if self.offsets.is_empty() {
            return Ok(());
        }
        let offsets = std::mem::take(&mut self.offsets);
        let begun = Instant::now();
        if let Err(e) = self.task.runtime.offsets.write(&self.task.spec.id.connector, &offsets).await {
            self.task.counters.commit_ended(Committed::Failed, begun.elapsed());
            return Err(not_stored(e));
        }
        self.task.counters.commit_ended(Committed::Done, begun.elapsed());
        self.release(offsets);
        Ok(())
    }

    /// Invariant offset-with-records.
    async fn end_transaction(&mut self, outlet: &Outlet) -> Result<(), Failure> {
        let mut writing = outlet.between().await;
        while self.settled < writing.batches() {
            match self.sent.recv().await {
                Some(batch) => self.settle(batch, None).await?,
                // `send` has failed in the midst of a batch, and says why. Nothing of it is committed.
                None => return Ok(()),
            }
        }
        // A transaction lasts until a mark stands for all of its records, and where the source says so until its own ends.
        let within = outlet.boundary == Some(Boundary::Connector) && !self.ended;
        if self.marked && (self.open || within) || !writing.begun() && self.offsets.is_empty() && self.unsaved.is_empty() {
            return Ok(());
        }
        flush_plugins(&self.log).await?;
        writing.begin()?;
        let runtime = self.task.runtime.clone();
        let begun = Instant::now();
        let offsets = std::mem::take(&mut self.offsets);
        let state = self.unsaved.prepare(&*runtime.states).await?;
        let connector = &self.task.spec.id.connector;
        let prepared = runtime.offsets.prepare(connector, &offsets).await.map_err(not_stored)?;
        let committed = match writing.write(state.iter().chain([&prepared])).await {
            Ok(()) => writing.commit().await,
            Err(failure) => Err(failure),
        };
        let ended = if committed.is_ok() { Committed::Done } else { Committed::Failed };
        self.task.counters.commit_ended(ended, begun.elapsed());
        committed?;
        self.task.counters.transaction_committed(std::mem::take(&mut self.size));
        self.unsaved.committed(&*runtime.states);
        runtime.offsets.committed(connector, &offsets);
        self.release(offsets);
        Ok(())
    }

    /// Invariant durable-before-release: they are stored, and the plugin may release them.
    fn release(&self, offsets: Vec<SourceOffset>) {
        if !offsets.is_empty() {
            let _ = self.stored.send(offsets);
            self.wake.raise();
        }
    }
}

fn not_stored(error: anyhow::Error) -> Failure {
    let error = TaskError::new(ErrorKind::Restart, "offsets.write", format!("cannot store source offsets: {error:#}"));
    Failure::new("offsets", "write", error)
}
