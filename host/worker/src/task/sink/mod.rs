//! One session of a sink task: consume, convert, transform, put; flush and commit at intervals. [`intake`] is the way to a
//! decoded batch, [`batch`] the way from there to the plugin; the next batch is decoded while the last is being put.
//!
//! Invariant durable-before-commit: consumer offsets are committed only up to what the plugin's `flush` answered, and only
//! after the dead letter queue has acknowledged what it was given.

mod batch;
mod intake;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use millrace_record::{ErrorKind, SinkTask, TaskContext, TaskError, TopicOffset, TopicPartition, Wake};
use tokio::time::{Instant, sleep_until};

use super::converters::Converters;
use super::supervise::{Failure, Task};
use super::{Target, TaskState};
use crate::errors::dead_letters::DeadLetters;
use crate::kafka::consumer::{Assignment, CONSUMER_DEFAULTS, LogConsumer};
use crate::transforms::{Chain, list};

use self::intake::{Decoded, Intake};

pub(super) async fn run(task: &Arc<Task>) -> Result<(), Failure> {
    let config = &task.spec.connector_config;
    let wake = Wake::default();
    let context = TaskContext {
        connector: task.spec.id.connector.clone(),
        task: task.spec.id.task,
        config: task.spec.task_config.clone(),
        alias: None,
        schemas: task.runtime.schemas.clone(),
        wake: wake.clone(),
        grants: list(config.get("plugin.grants")),
    };
    let subject = format!("sink plugin \"{}\"", task.spec.plugin.info().name);
    let failed = |subject: &str, call: &'static str| {
        let subject = subject.to_owned();
        move |e: TaskError| Failure::new(subject, call, e)
    };
    let converters = Converters::new(&task.spec, &task.runtime).map_err(failed("converter", "configure"))?;
    let chain = Chain::new(&task.spec, &task.runtime).await.map_err(failed("transforms", "configure"))?;
    let dead_letters =
        DeadLetters::new(&task.spec.id, config, &task.runtime).await.map_err(failed("dead letter queue", "configure"))?;
    let topics = match config.get("topics.regex").filter(|r| !r.is_empty()) {
        // librdkafka takes a subscription that starts with ^ as a regular expression.
        Some(regex) => vec![if regex.starts_with('^') { regex.clone() } else { format!("^{regex}$") }],
        None => list(config.get("topics")),
    };
    let mut plugin = task.spec.plugin.sink(context).await.map_err(failed(&subject, "start"))?;
    plugin.start().await.map_err(failed(&subject, "start"))?;

    let mut client = task.runtime.clients.consumer(&format!("connector-consumer-{}", task.spec.id), config, CONSUMER_DEFAULTS);
    if client.get("group.id").is_none_or(|g| task.runtime.worker.get("group.id").is_some_and(|w| w == g)) {
        client.set("group.id", format!("connect-{}", task.spec.id.connector));
    }
    let consumer = LogConsumer::new(&client, &topics).map_err(failed("consumer", "create"))?;
    task.started();
    let outlet =
        Outlet { task: task.clone(), subject, plugin, chain, dead_letters, owned: HashSet::new(), upto: BTreeMap::new() };
    let intake = Intake::new(task.clone(), &consumer, converters);
    let mut session = Session { task: task.clone(), consumer: &consumer, intake, outlet, committed: BTreeMap::new() };
    let result = session.run(&wake).await;
    session.outlet.chain.close().await;
    session.outlet.plugin.stop().await;
    drop(session);
    // Closing leaves the group, which blocks for a moment.
    let _ = tokio::task::spawn_blocking(move || drop(consumer)).await;
    result
}

struct Session<'a> {
    task: Arc<Task>,
    consumer: &'a LogConsumer,
    intake: Intake<'a>,
    outlet: Outlet,
    committed: BTreeMap<TopicPartition, i64>,
}

/// What a decoded batch goes through.
struct Outlet {
    task: Arc<Task>,
    subject: String,
    plugin: Box<dyn SinkTask>,
    chain: Chain,
    dead_letters: Option<DeadLetters>,
    owned: HashSet<TopicPartition>,
    /// What was put, and is to be flushed: the next offset to read.
    upto: BTreeMap<TopicPartition, i64>,
}

impl<'a> Session<'a> {
    async fn run(&mut self, wake: &Wake) -> Result<(), Failure> {
        let task = self.task.clone();
        let waker = {
            let (wake, mut target) = (wake.clone(), task.target.clone());
            tokio::spawn(async move {
                while target.changed().await.is_ok() {
                    wake.raise();
                }
            })
        };
        let result = self.consume_and_put(wake).await;
        waker.abort();
        // What was put is flushed at the end too, unless that is what failed.
        if result.is_ok() { self.flush().await } else { result }
    }

    async fn consume_and_put(&mut self, wake: &Wake) -> Result<(), Failure> {
        let task = self.task.clone();
        let mut flush_at = Instant::now() + task.settings.flush_interval;
        let mut paused = false;
        let mut ready = None;
        while !task.stopping() {
            wake.clear();
            if task.target() == Target::Paused && !paused {
                if let Some(batch) = ready.take() {
                    self.outlet.put(batch).await?;
                }
                self.flush().await?;
                self.consumer.pause(true);
                paused = true;
                task.report(TaskState::Paused);
            } else if task.target() == Target::Running && paused {
                self.consumer.pause(false);
                paused = false;
                task.report(TaskState::Running);
            }
            if ready.is_none() {
                ready = tokio::select! {
                    batch = self.intake.next() => batch?,
                    _ = wake.raised() => None,
                    _ = sleep_until(flush_at) => None,
                };
            }
            self.rebalance().await?;
            if let Some(batch) = ready.take() {
                ready = self.put_and_read_on(batch).await?;
            }
            if Instant::now() >= flush_at {
                self.flush().await?;
                flush_at = Instant::now() + task.settings.flush_interval;
            }
        }
        Ok(())
    }

    /// Puts a batch, and decodes the next one meanwhile, when there is one.
    async fn put_and_read_on(&mut self, batch: Decoded<'a>) -> Result<Option<Decoded<'a>>, Failure> {
        let put = self.outlet.put(batch);
        tokio::pin!(put);
        let (mut next, mut reading) = (None, true);
        loop {
            tokio::select! {
                biased;
                done = &mut put => return done.map(|()| next),
                read = self.intake.next(), if reading => {
                    next = read?;
                    reading = false;
                }
            }
        }
    }

    async fn rebalance(&mut self) -> Result<(), Failure> {
        for change in self.consumer.rebalances() {
            match change {
                Assignment::Removed(gone) => {
                    // Others own them by now: what is not committed comes again there.
                    self.intake.forget(&gone);
                    self.outlet.owned.retain(|tp| !gone.contains(tp));
                    self.outlet.upto.retain(|tp, _| !gone.contains(tp));
                    self.committed.retain(|tp, _| !gone.contains(tp));
                    self.outlet.plugin.close(&gone).await.map_err(|e| Failure::new(&self.outlet.subject, "close", e))?;
                }
                Assignment::Added(added) => {
                    let own = self.outlet.plugin.open(&added).await;
                    let own = own.map_err(|e| Failure::new(&self.outlet.subject, "open", e))?;
                    // What came from the group's offset on is not what the plugin goes on from.
                    let moved: Vec<TopicPartition> =
                        own.iter().map(|o| TopicPartition { topic: o.topic.clone(), partition: o.partition }).collect();
                    self.intake.forget(&moved);
                    self.consumer.seek(&own).map_err(|e| Failure::new("consumer", "seek", e))?;
                    self.outlet.owned.extend(added);
                }
            }
        }
        Ok(())
    }

    /// Makes durable what was put, and commits what the plugin answers.
    async fn flush(&mut self) -> Result<(), Failure> {
        let due: Vec<TopicOffset> = self
            .outlet
            .upto
            .iter()
            .filter(|(tp, offset)| self.committed.get(tp) != Some(offset))
            .map(|(tp, offset)| TopicOffset { topic: tp.topic.clone(), partition: tp.partition, offset: *offset })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let flushed = loop {
            match self.outlet.plugin.flush(&due).await {
                Ok(flushed) => break flushed,
                Err(error) => {
                    self.task.counters.errors.add(1);
                    if let Some(failure) = self.task.wait_to_retry(Failure::new(&self.outlet.subject, "flush", error)).await {
                        return Err(failure);
                    }
                    if self.task.stopping() {
                        return Ok(());
                    }
                }
            }
        };
        if let Some(late) = flushed.failures.first() {
            // Its bytes are gone from memory: stopping without moving the offset is what loses nothing.
            let message =
                format!("record {}-{}@{} failed at the flush: {}", late.topic, late.partition, late.offset, late.message);
            return Err(Failure::new(&self.outlet.subject, "flush", TaskError::fatal(&late.code, message)));
        }
        let asked = |o: &TopicOffset| due.iter().find(|d| d.topic == o.topic && d.partition == o.partition).map(|d| d.offset);
        if let Some(beyond) = flushed.offsets.iter().find(|o| asked(o).is_none_or(|asked| o.offset > asked)) {
            let message =
                format!("flush answered {}-{}@{}, which it was not given", beyond.topic, beyond.partition, beyond.offset);
            return Err(Failure::new(&self.outlet.subject, "flush", TaskError::new(ErrorKind::Trap, "sink.contract", message)));
        }
        if flushed.offsets.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.consumer.commit(&flushed.offsets) {
            self.task.counters.commit_failures.add(1);
            return Err(Failure::new("consumer", "commit", e));
        }
        self.task.counters.commits.add(1);
        for o in flushed.offsets {
            self.committed.insert(TopicPartition { topic: o.topic, partition: o.partition }, o.offset);
        }
        Ok(())
    }
}
