//! Offsets become durable here: in the order of the polls, after the log has acknowledged every record up to them.

use std::sync::Arc;

use millrace_record::{ErrorKind, LogWriter, SourceOffset, TaskError, Wake};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::tolerate::tolerate;
use crate::errors::Stage;
use crate::kafka::outgoing::Refused;
use crate::kafka::producer::{Sent, refusal};
use crate::task::supervise::{Failure, Task, flush_plugins};
use crate::task::{Committed, Unsaved};

/// What Connect names when the log refuses a record.
const PRODUCE_CLASS: &str = "org.apache.kafka.connect.runtime.AbstractWorkerSourceTask";

/// A polled batch that the producer has.
#[derive(Default)]
pub(in crate::task) struct Batch {
    /// Its parts, in order.
    pub sent: Vec<Sent>,
    /// To be stored once all of it is acknowledged.
    pub offsets: Vec<SourceOffset>,
    /// What plugins changed in their states for it.
    pub unsaved: Unsaved,
    /// How many records were polled, and how many of them a transform dropped.
    pub records: u64,
    pub filtered: u64,
    /// Rows that failed and were tolerated; each counts once, however many records came of it.
    pub skipped: Vec<u32>,
}

impl Batch {
    pub fn skip(&mut self, row: u32) {
        if self.skipped.last() != Some(&row) && !self.skipped.contains(&row) {
            self.skipped.push(row);
        }
    }
}

pub(in crate::task) async fn run(
    task: Arc<Task>,
    log: Arc<dyn LogWriter>,
    mut sent: mpsc::Receiver<Batch>,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
) -> Result<(), Failure> {
    let every = task.settings.flush_interval;
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pending = Pending {
        task: task.clone(),
        offsets: Vec::new(),
        unsaved: Unsaved::default(),
        log,
        marked: false,
        open: false,
        stored,
        wake: wake.clone(),
    };
    let result = async {
        loop {
            tokio::select! {
                batch = sent.recv() => match batch {
                    Some(mut batch) => {
                        // Batches and their parts are awaited in order, so what is pending is a contiguous prefix; while
                        // one is awaited the ticks go on storing what came before it.
                        for mut part in std::mem::take(&mut batch.sent) {
                            let refused = loop {
                                tokio::select! {
                                    refused = part.settled() => break refused,
                                    _ = tick.tick() => pending.store().await?,
                                }
                            };
                            settle(&task, &mut batch, refused)?;
                        }
                        let skipped = batch.skipped.len() as u64;
                        task.counters.skipped.add(skipped);
                        task.counters.settled_batch(batch.records, batch.records.saturating_sub(batch.filtered + skipped));
                        pending.add(batch);
                    }
                    None => return pending.store().await,
                },
                _ = tick.tick() => pending.store().await?,
            }
        }
    }
    .await;
    // A failure ends the receiver, which ends `send`, which ends the polls.
    wake.raise();
    result
}

/// What the log refused of a part: a record that is itself at fault is tolerated as `errors.tolerance` says; any other
/// refusal would refuse the next records too, and ends the session.
fn settle(task: &Task, batch: &mut Batch, refused: Option<Vec<Refused>>) -> Result<(), Failure> {
    let Some(refused) = refused else {
        let message = "the producer ended before the log had acknowledged the last records; they come again";
        return Err(Failure::new("producer", "acknowledge", TaskError::new(ErrorKind::Restart, "kafka.produce", message)));
    };
    for r in &refused {
        if !r.is_data() {
            return Err(Failure::new("producer", "acknowledge", refusal(r)));
        }
        tolerate(task, Stage::KafkaProduce, PRODUCE_CLASS, "acknowledge", refusal(r))?;
        batch.skip(r.origin);
    }
    Ok(())
}

/// Offsets that may be stored: invariant durable-before-commit, the log has acknowledged every record up to them.
struct Pending {
    task: Arc<Task>,
    offsets: Vec<SourceOffset>,
    unsaved: Unsaved,
    log: Arc<dyn LogWriter>,
    /// The source has given marks.
    marked: bool,
    /// There are records behind the last mark.
    open: bool,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
}

impl Pending {
    fn add(&mut self, batch: Batch) {
        self.unsaved.append(batch.unsaved);
        self.marked |= !batch.offsets.is_empty();
        self.open = batch.offsets.is_empty() && (self.open || batch.records > 0);
        for o in batch.offsets {
            self.offsets.retain(|p| p.partition != o.partition);
            self.offsets.push(o);
        }
    }

    async fn store(&mut self) -> Result<(), Failure> {
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
            let error = TaskError::new(ErrorKind::Restart, "offsets.write", format!("cannot store source offsets: {e:#}"));
            return Err(Failure::new("offsets", "write", error));
        }
        self.task.counters.commit_ended(Committed::Done, begun.elapsed());
        let _ = self.stored.send(offsets);
        self.wake.raise();
        Ok(())
    }
}
