//! Offsets become durable here: in the order of the polls, after the log has acknowledged every record up to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_record::{ErrorKind, SourceOffset, TaskError, Wake};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::kafka::producer::InFlight;
use crate::task::supervise::{Failure, Task};

/// A batch that the producer has.
pub(super) struct Sent {
    pub in_flight: Arc<InFlight>,
    /// To be stored once it is acknowledged.
    pub offsets: Vec<SourceOffset>,
    /// How many records were polled, and how many of them produced.
    pub records: u64,
    pub produced: u64,
}

pub(super) async fn run(
    task: Arc<Task>,
    mut sent: mpsc::Receiver<Sent>,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
) -> Result<(), Failure> {
    let every = task.settings.flush_interval;
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pending = Pending { task: task.clone(), offsets: Vec::new(), stored, wake: wake.clone() };
    let result = async {
        loop {
            tokio::select! {
                batch = sent.recv() => match batch {
                    Some(batch) => {
                        // Batches are awaited in their order, so what is pending is a contiguous prefix; while one is
                        // awaited the ticks go on storing what came before it.
                        loop {
                            tokio::select! {
                                acknowledged = batch.in_flight.acknowledged() => {
                                    acknowledged.map_err(|e| Failure::new("producer", "acknowledge", e))?;
                                    break;
                                }
                                _ = tick.tick() => pending.store().await?,
                            }
                        }
                        task.counters.produced.add(batch.produced);
                        task.counters.in_flight.fetch_sub(batch.records as i64, Ordering::Relaxed);
                        pending.add(batch.offsets);
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

/// Offsets that may be stored: invariant durable-before-commit, the log has acknowledged every record up to them.
struct Pending {
    task: Arc<Task>,
    offsets: Vec<SourceOffset>,
    stored: mpsc::UnboundedSender<Vec<SourceOffset>>,
    wake: Wake,
}

impl Pending {
    fn add(&mut self, offsets: Vec<SourceOffset>) {
        for o in offsets {
            self.offsets.retain(|p| p.partition != o.partition);
            self.offsets.push(o);
        }
    }

    async fn store(&mut self) -> Result<(), Failure> {
        if self.offsets.is_empty() {
            return Ok(());
        }
        let offsets = std::mem::take(&mut self.offsets);
        if let Err(e) = self.task.runtime.offsets.write(&self.task.spec.id.connector, &offsets).await {
            self.task.counters.commit_failures.add(1);
            let error = TaskError::new(ErrorKind::Restart, "offsets.write", format!("cannot store source offsets: {e:#}"));
            return Err(Failure::new("offsets", "write", error));
        }
        self.task.counters.commits.add(1);
        let _ = self.stored.send(offsets);
        self.wake.raise();
        Ok(())
    }
}
