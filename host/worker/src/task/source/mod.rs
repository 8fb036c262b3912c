//! One session of a source task, in three loops: [`run`] polls the plugin, [`send`] transforms, converts and produces, and
//! [`commit`] stores offsets once the log has acknowledged their records. Bounded channels lie between them, so that a slow
//! log slows the polls, and the next poll overlaps what becomes of the last.
//!
//! Invariants upheld here: durable-before-commit and state-before-offset (in `commit`), durable-before-release (in `run`: the
//! plugin's commit is called with stored offsets only), offset-with-records and one-producer (in `outlet`).

pub(super) mod commit;
mod letters;
mod outlet;
mod send;
mod tolerate;
mod topics;

use std::sync::Arc;
use std::time::Instant;

use millrace_record::{Mark, Polled, SourceOffset, SourceTask, TaskError, Wake};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::commit::Batch;
use self::letters::Letters;
use self::outlet::Outlet;
use self::send::Way;
use self::topics::TopicMaker;
use super::converters::Converters;
use super::supervise::{Failure, Task};
use super::{Keeper, Target, TaskState, Unsaved};
use crate::kafka::admin::TopicError;
use crate::kafka::producer::PRODUCER_DEFAULTS;
use crate::transforms::Chain;

/// Polled batches that wait to be sent.
const POLLED_MAX: usize = 2;
/// Sent batches that wait for the log.
const SENT_MAX: usize = 64;

/// What a poll gave, on its way.
pub(super) struct Taken {
    pub polled: Polled,
    /// What the plugin changed in its state since the poll before.
    pub unsaved: Unsaved,
}

pub(super) async fn run(task: &Arc<Task>) -> Result<(), Failure> {
    let name = format!("source plugin \"{}\"", task.spec.plugin.info().name);
    let failed = |call: &'static str| {
        let name = name.clone();
        move |e: TaskError| Failure::new(name, call, e)
    };
    let config = &task.spec.connector_config;
    let wake = Wake::default();
    // Invariant one-producer: first of all.
    let client = format!("connector-producer-{}", task.spec.id);
    let outlet = Arc::new(Outlet::new(task, task.runtime.clients.producer(&client, config, PRODUCER_DEFAULTS)).await?);
    let committed = where_to_go_on(task, &outlet).await;
    let committed = committed.map_err(|e| Failure::new("offsets", "read", unread(&e)))?;
    let mut keeper = Keeper::open(&*task.runtime.states, &task.spec.id.connector, task.spec.id.task).await?;
    let log = task.plugin_log();
    let context = task.context(&wake, keeper.services(Some(log.clone())));
    let converters = Converters::new(&task.spec, &task.runtime).map_err(|e| Failure::new("converter", "configure", e))?;
    let chain = Chain::new(&task.spec, &task.runtime, &log).await.map_err(|e| Failure::new("transforms", "configure", e))?;
    let gate = task.runtime.gates.as_ref().and_then(|g| g.enter(&task.spec.id, false, config, &wake));
    let maker = TopicMaker::new(&task.spec, &task.runtime).map_err(|e| Failure::new("topics", "configure", e))?;
    let letters = Letters::new(task).await.map_err(|e| Failure::new("dead letter queue", "configure", e))?;
    let mut plugin = task.spec.plugin.source(context).await.map_err(failed("start"))?;
    task.counters.pulse.during("start", plugin.start(&committed)).await.map_err(failed("start"))?;
    keeper.keep();
    task.started();

    let (taken, to_send) = mpsc::channel::<Taken>(POLLED_MAX);
    let (sent, to_commit) = mpsc::channel::<Batch>(SENT_MAX);
    let (stored, releasable) = mpsc::unbounded_channel::<Vec<SourceOffset>>();
    // The loops end with the session, however it ends: one that lived on while the log is away would write its old records
    // behind those of the next session once the log is back.
    let sending = AbortOnDropHandle::new(tokio::spawn(send::run(
        task.clone(),
        Way { converters, chain, gate, maker, letters, outlet: outlet.clone() },
        to_send,
        sent,
        wake.clone(),
    )));
    let transactions = outlet.boundary.map(|_| outlet.clone());
    let committing =
        AbortOnDropHandle::new(tokio::spawn(commit::run(task.clone(), log, transactions, to_commit, stored, wake.clone())));
    let mut poller = Poller { task, plugin, keeper, wake, releasable, taken: Some(taken) };
    let polled = poller.run(failed("poll"), failed("commit")).await;

    // The channel's end tells `send` and then `commit` to finish what they have.
    poller.taken = None;
    let (mut sent, mut committed) = (Ok(()), Ok(()));
    // The log gets its time to acknowledge.
    let ended = async {
        tokio::join!(async { sent = joined(sending.await, "send") }, async { committed = joined(committing.await, "commit") },)
    };
    if tokio::time::timeout(task.settings.flush_timeout, ended).await.is_err() {
        tracing::warn!("the log did not acknowledge the last records in time; they come again");
    }
    outlet.end().await;
    let released = poller.release(failed("commit")).await;
    poller.plugin.stop().await;
    // The loops' failure is the cause; that the poller then could not go on is its consequence.
    sent.and(committed).and(polled).and(released)
}

/// With transactions what earlier sessions have left is read from the log: they may have ended without knowing.
async fn where_to_go_on(task: &Task, outlet: &Outlet) -> anyhow::Result<Vec<SourceOffset>> {
    let connector = &task.spec.id.connector;
    if outlet.boundary.is_some() {
        task.runtime.states.settle(connector).await?;
    }
    task.runtime.offsets.read(connector).await
}

/// Only another topic helps where the one that is named cannot hold offsets.
fn unread(error: &anyhow::Error) -> TaskError {
    match error.downcast_ref::<TopicError>() {
        Some(TopicError::NotCompacted { setting, .. }) => TaskError::config(*setting, format!("{error:#}")),
        _ => TaskError::new(millrace_record::ErrorKind::Restart, "offsets.read", format!("{error:#}")),
    }
}

fn joined(ended: Result<Result<(), Failure>, tokio::task::JoinError>, what: &'static str) -> Result<(), Failure> {
    ended.unwrap_or_else(|e| {
        let error =
            TaskError::new(millrace_record::ErrorKind::Restart, "worker.panic", format!("the task's {what} loop ended: {e}"));
        Err(Failure::new("worker", what, error))
    })
}

/// The loop that owns the plugin.
struct Poller<'a> {
    task: &'a Arc<Task>,
    plugin: Box<dyn SourceTask>,
    keeper: Keeper,
    wake: Wake,
    /// Offsets that are stored, for the plugin to release.
    releasable: mpsc::UnboundedReceiver<Vec<SourceOffset>>,
    taken: Option<mpsc::Sender<Taken>>,
}

impl Poller<'_> {
    async fn run(
        &mut self,
        poll_failed: impl FnOnce(TaskError) -> Failure + Clone,
        commit_failed: impl FnOnce(TaskError) -> Failure + Clone,
    ) -> Result<(), Failure> {
        let task = self.task;
        // A change of the target ends the plugin's wait, whatever it waits for.
        let waker = {
            let (wake, mut target) = (self.wake.clone(), task.target.clone());
            tokio::spawn(async move {
                while target.changed().await.is_ok() {
                    wake.raise();
                }
            })
        };
        let result = async {
            while !task.stopping() {
                self.wake.clear();
                // Cleared first: what is raised from here on ends the next wait.
                self.release(commit_failed.clone()).await?;
                if task.target() == Target::Paused {
                    task.report(TaskState::Paused);
                    // Offsets that become durable meanwhile are released after the pause.
                    task.unpaused().await;
                    if !task.stopping() {
                        task.report(TaskState::Running);
                    }
                    continue;
                }
                if !self.poll(poll_failed.clone()).await? {
                    break;
                }
            }
            Ok(())
        }
        .await;
        waker.abort();
        result
    }

    /// One poll, handed on. False: the loops behind have ended, and they say why.
    async fn poll(&mut self, failed: impl FnOnce(TaskError) -> Failure) -> Result<bool, Failure> {
        let task = self.task;
        let started = Instant::now();
        let poll = self.plugin.poll(task.settings.batch_records, task.settings.batch_bytes);
        let polled = match task.counters.pulse.polling(&self.wake, poll).await {
            Ok(polled) => polled,
            Err(error) => {
                self.keeper.undo();
                task.counters.failures.add(1);
                return match task.wait_to_retry(failed(error)).await {
                    Some(failure) => Err(failure),
                    None => Ok(true),
                };
            }
        };
        task.healthy();
        let idle = polled.idle;
        let n = polled.records.len() as u64;
        let mut unsaved = Unsaved::default();
        self.keeper.keep();
        self.keeper.take(&mut unsaved);
        if n > 0 || !polled.marks.is_empty() || !unsaved.is_empty() {
            task.counters.polled_batch(n, started.elapsed());
            let Some(taken) = &self.taken else { return Ok(false) };
            if taken.send(Taken { polled, unsaved }).await.is_err() {
                return Ok(false);
            }
        }
        if let Some(idle) = idle {
            tokio::select! {
                _ = self.wake.raised() => {}
                _ = tokio::time::sleep(idle) => {}
            }
        }
        Ok(!self.taken.as_ref().is_none_or(|t| t.is_closed()))
    }

    /// Tells the plugin what is durable. Invariant durable-before-release: these offsets have been stored.
    async fn release(&mut self, failed: impl FnOnce(TaskError) -> Failure) -> Result<(), Failure> {
        let mut latest: Vec<SourceOffset> = Vec::new();
        while let Ok(offsets) = self.releasable.try_recv() {
            for o in offsets {
                latest.retain(|l| l.partition != o.partition);
                latest.push(o);
            }
        }
        if latest.is_empty() {
            return Ok(());
        }
        self.task.counters.pulse.during("commit", self.plugin.commit(&latest)).await.map_err(failed)?;
        self.keeper.keep();
        Ok(())
    }
}

/// The last mark of each partition, in order.
pub(super) fn latest(marks: Vec<Mark>) -> Vec<SourceOffset> {
    let mut offsets: Vec<SourceOffset> = Vec::new();
    for m in marks.into_iter().rev() {
        if !offsets.iter().any(|o| o.partition == m.offset.partition) {
            offsets.push(m.offset);
        }
    }
    offsets.reverse();
    offsets
}
