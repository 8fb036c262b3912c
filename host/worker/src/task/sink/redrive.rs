//! Dead letters through their sink once more: an instance of the plugin of its own, beside the tasks that consume.
//!
//! The tasks' group, offsets and order are not touched: whoever redrives gives records and is told of each what became of it.
//! Records are shown with the place in the log that they were consumed from. Where the sink keeps its offsets itself it would
//! take them for records that it has; there they have a place of their own, which only grows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use millrace_record::row::BatchWriter;
use millrace_record::{Batch, ErrorKind, TaskError, TopicOffset, TopicPartition, Wake};
use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use serde_json::Value;
use tokio::sync::watch;

use super::Outlet;
use super::batch::Errant;
use super::patch::Patcher;
use crate::errors::tolerance::Tolerance;
use crate::task::converters::{Converters, Undecoded, not_at_hand};
use crate::task::supervise::{Failure, Task, flush_plugins};
use crate::task::{Counters, Keeper, NoStates, Opened, Target, TaskRuntime, TaskSpec};
use crate::transforms::{Chain, Transformed};

/// How soon a plugin is asked again that has not made durable all it was given.
const FLUSH_AGAIN: Duration = Duration::from_millis(50);

/// Whether the sink keeps its offsets where its records are: a sink that can (`exactly-once`), and is told to.
pub fn keeps_offsets(spec: &TaskSpec) -> bool {
    let can = spec.plugin.info().capabilities.iter().any(|c| c == "exactly-once");
    can && spec.connector_config.get("exactly.once").is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
}

/// See the module.
pub struct Redriver {
    task: Arc<Task>,
    outlet: Outlet,
    converters: Converters,
    patcher: Option<Patcher>,
    /// Where the plugin starts in each partition that it knows; none: anywhere.
    opened: HashMap<TopicPartition, Option<i64>>,
}

/// A batch that is to be put: what converters and transforms have made of it.
pub struct Ready {
    done: Transformed,
    /// Of each record that was read, its message.
    rows: Vec<usize>,
}

/// What became of a batch that was put. What is in no list is with the plugin.
pub struct Put {
    pub errant: Vec<Errant>,
    /// Messages that the transforms have dropped.
    pub filtered: Vec<usize>,
}

/// How far the plugin has made durable what it was given.
pub enum Durable {
    All,
    /// These were taken before and have failed now; ask again once they are dealt with.
    Late(Vec<Errant>),
    /// It was to stop before.
    Stopped,
}

impl Redriver {
    /// Starts an instance; nothing is kept of the states of its plugins. It stops to wait once the target is `Stopped`. `patch`:
    /// of values, or, where it says so, of keys.
    pub async fn start(
        mut spec: TaskSpec,
        patch: Option<(&Value, bool)>,
        runtime: &TaskRuntime,
        events: Arc<dyn crate::task::TaskEvents>,
        target: watch::Receiver<Target>,
    ) -> Result<Self, Failure> {
        let runtime = Arc::new(TaskRuntime { states: Arc::new(NoStates), events, gates: None, ..runtime.clone() });
        let failed = |what: &str, e: TaskError| Failure::new(what, "configure", e);
        let patcher = patch.map(|(patch, of_key)| Patcher::new(patch, of_key, &mut spec.connector_config, &runtime));
        let patcher = patcher.transpose().map_err(|e| failed("patch", e))?;
        let mut settings =
            crate::task::settings::TaskSettings::new(&spec, &runtime.worker).map_err(|e| failed("connector", e))?;
        // A record that fails is a dead letter again, whatever that does to a task.
        settings.errors.tolerance = Tolerance::All;
        let task = Arc::new(Task::new(spec, runtime, settings, Arc::<Counters>::default(), target));
        let (spec, runtime) = (&task.spec, &task.runtime);
        let mut keeper = Keeper::new(Opened::empty(&spec.id.connector, None, spec.id.task));
        let log = task.plugin_log();
        let context = task.context(&Wake::default(), keeper.services(Some(log.clone())));
        let converters = Converters::new(spec, runtime).map_err(|e| failed("converter", e))?;
        let chain = Chain::new(spec, runtime, &log).await.map_err(|e| failed("transforms", e))?;
        let subject = format!("sink plugin \"{}\"", spec.plugin.info().name);
        let mut plugin = spec.plugin.sink(context).await.map_err(|e| Failure::new(&subject, "start", e))?;
        plugin.start().await.map_err(|e| Failure::new(&subject, "start", e))?;
        keeper.keep();
        let outlet = Outlet::new(&task, subject, plugin, keeper, log, chain, None);
        Ok(Redriver { task, outlet, converters, patcher, opened: HashMap::new() })
    }

    /// Which of these messages are at the destination: the instance before this one ended before it could say so. A sink that
    /// does not keep its offsets knows of none.
    pub async fn has(&mut self, messages: &[OwnedMessage]) -> Result<Vec<bool>, Failure> {
        self.open(messages).await?;
        Ok(messages.iter().map(|m| self.opened.get(&place(m)).copied().flatten().is_some_and(|from| m.offset() < from)).collect())
    }

    /// Sends a batch through converters and transforms, and answers what failed there. No two of its messages may have the same
    /// place. None: it was to stop before, and nothing is known of the batch.
    pub async fn prepare(&mut self, messages: &[OwnedMessage]) -> Result<Option<(Ready, Vec<Errant>)>, Failure> {
        let has = self.has(messages).await?;
        let mut writer = BatchWriter::with_capacity(messages.iter().map(|m| weight(m) + 256).sum());
        let (mut rows, mut errant) = (Vec::with_capacity(messages.len()), Vec::new());
        for (i, m) in messages.iter().enumerate() {
            if has[i] {
                continue;
            }
            loop {
                let done = match &mut self.patcher {
                    None => self.converters.decode(m, &mut writer),
                    Some(patcher) => patcher.apply(m).and_then(|m| self.converters.decode(&m, &mut writer)),
                };
                match done {
                    Ok(()) => rows.push(i),
                    Err(Undecoded::Failed(stage, e)) => {
                        let class = match &self.patcher {
                            Some(patcher) => patcher.class(stage),
                            None => self.converters.class(stage),
                        };
                        errant.push(Errant::unconverted(i, stage, class, e));
                    }
                    Err(Undecoded::Wait(stage, wait)) => {
                        let waited = tokio::select! {
                            waited = wait => waited,
                            _ = self.task.stopped() => return Ok(None),
                        };
                        if let Err(unavailable) = waited
                            && !self.outlet.back_off(not_at_hand(stage, unavailable)).await?
                        {
                            return Ok(None);
                        }
                        continue;
                    }
                }
                break;
            }
        }
        let Some(done) = self.outlet.transform(&Batch::trusted(writer), &rows, &mut errant).await? else { return Ok(None) };
        Ok(Some((Ready { done, rows }, errant)))
    }

    /// Puts a batch. What [`Redriver::prepare`] answered of it is to be durable before: a sink that keeps its offsets moves them past
    /// that. None: as there.
    pub async fn put(&mut self, Ready { done, rows }: Ready) -> Result<Option<Put>, Failure> {
        let mut left = vec![true; rows.len()];
        (0..done.records.len()).for_each(|i| left[done.origin_of(i) as usize] = false);
        done.failed.iter().for_each(|f| left[f.row as usize] = false);
        let Some(gone) = self.outlet.send(done, rows.len(), &rows, Vec::new()).await? else { return Ok(None) };
        let filtered = rows.iter().zip(left).filter_map(|(message, left)| left.then_some(*message)).collect();
        Ok(Some(Put { errant: gone.errant, filtered }))
    }

    /// Invariant opened-before-read.
    async fn open(&mut self, messages: &[OwnedMessage]) -> Result<(), Failure> {
        let mut new: Vec<TopicPartition> = messages.iter().map(place).filter(|p| !self.opened.contains_key(p)).collect();
        new.sort();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        let failed = |e| Failure::new(&self.outlet.subject, "open", e);
        let from = self.outlet.plugin.open(&new).await.map_err(failed)?;
        if let Some(own) = from.first().filter(|_| !self.outlet.keeps_offsets) {
            let message = format!(
                "the sink keeps its own offsets (of {}-{}), and would take dead letters for records that it has; it has to have the capability \"exactly-once\" and the setting \"exactly.once\" for that",
                own.topic, own.partition
            );
            return Err(failed(TaskError::fatal("redrive.offsets", message)));
        }
        self.opened.extend(new.into_iter().map(|p| (p, None)));
        for o in from {
            self.opened.insert(TopicPartition { topic: o.topic, partition: o.partition }, Some(o.offset));
        }
        Ok(())
    }

    /// Makes durable what was put of these messages.
    pub async fn flush(&mut self, messages: &[OwnedMessage]) -> Result<Durable, Failure> {
        let mut upto = BTreeMap::<TopicPartition, i64>::new();
        for m in messages {
            let at = upto.entry(place(m)).or_default();
            *at = (*at).max(m.offset() + 1);
        }
        let due: Vec<TopicOffset> =
            upto.iter().map(|(p, o)| TopicOffset { topic: p.topic.clone(), partition: p.partition, offset: *o }).collect();
        loop {
            let flushed = match self.outlet.plugin.flush(&due).await {
                Ok(flushed) => flushed,
                Err(error) => {
                    if !self.outlet.back_off(Failure::new(&self.outlet.subject, "flush", error)).await? {
                        return Ok(Durable::Stopped);
                    }
                    continue;
                }
            };
            self.task.healthy();
            if let Some(f) = flushed.failures.iter().find(|f| f.retriable) {
                let message = format!("record {}-{}@{} failed at the flush: {}", f.topic, f.partition, f.offset, f.message);
                return Err(Failure::new(&self.outlet.subject, "flush", TaskError::new(ErrorKind::Restart, &f.code, message)));
            }
            if !flushed.failures.is_empty() {
                let at: HashMap<_, _> = messages.iter().enumerate().map(|(i, m)| ((place(m), m.offset()), i)).collect();
                let mut errant = Vec::new();
                for f in flushed.failures {
                    let place = TopicPartition { topic: f.topic, partition: f.partition };
                    let Some(message) = at.get(&(place, f.offset)) else {
                        let error =
                            TaskError::new(ErrorKind::Trap, "sink.contract", "flush answered a failure that it was not given");
                        return Err(Failure::new(&self.outlet.subject, "flush", error));
                    };
                    errant.push(Errant::refused(*message, f.code, f.message));
                }
                return Ok(Durable::Late(errant));
            }
            let done = |d: &TopicOffset| {
                flushed.offsets.iter().any(|o| o.topic == d.topic && o.partition == d.partition && o.offset >= d.offset)
            };
            if due.iter().all(done) {
                flush_plugins(&self.outlet.log).await?;
                return Ok(Durable::All);
            }
            if !self.task.sleep(FLUSH_AGAIN).await {
                return Ok(Durable::Stopped);
            }
        }
    }

    pub async fn stop(&mut self) {
        self.outlet.chain.close().await;
        self.outlet.plugin.stop().await;
    }
}

fn weight(m: &OwnedMessage) -> usize {
    m.payload().map_or(0, <[u8]>::len) + m.key().map_or(0, <[u8]>::len)
}

fn place(m: &OwnedMessage) -> TopicPartition {
    TopicPartition { topic: m.topic().to_owned(), partition: m.partition() }
}
