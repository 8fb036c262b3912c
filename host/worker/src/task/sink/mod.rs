//! One session of a sink task: consume, convert, transform, put; flush and commit at intervals.
//!
//! Invariant durable-before-commit: consumer offsets are committed only up to what the plugin's `flush` answered, and only
//! after the dead letter queue has acknowledged what it was given.

mod batch;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::FutureExt;
use millrace_record::{ErrorKind, SinkTask, TaskContext, TaskError, TopicOffset, TopicPartition, Wake};
use rdkafka::message::BorrowedMessage;
use tokio::time::{Instant, sleep_until};

use super::converters::Converters;
use super::supervise::{Failure, Task};
use super::{Target, TaskState};
use crate::errors::dead_letters::DeadLetters;
use crate::kafka::consumer::{Assignment, CONSUMER_DEFAULTS, LogConsumer};
use crate::transforms::{Chain, list};

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
    let mut session = Session {
        task: task.clone(),
        subject,
        plugin,
        consumer: &consumer,
        converters,
        chain,
        dead_letters,
        upto: BTreeMap::new(),
        committed: BTreeMap::new(),
        known_topics: HashSet::new(),
    };
    let result = session.run(&wake).await;
    session.chain.close().await;
    session.plugin.stop().await;
    drop(session);
    // Closing leaves the group, which blocks for a moment.
    let _ = tokio::task::spawn_blocking(move || drop(consumer)).await;
    result
}

struct Session<'a> {
    task: Arc<Task>,
    subject: String,
    plugin: Box<dyn SinkTask>,
    consumer: &'a LogConsumer,
    converters: Converters,
    chain: Chain,
    dead_letters: Option<DeadLetters>,
    /// What was put, and is to be flushed: the next offset to read.
    upto: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, i64>,
    known_topics: HashSet<String>,
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
        while !task.stopping() {
            wake.clear();
            if task.target() == Target::Paused && !paused {
                self.flush().await?;
                self.consumer.pause(true);
                paused = true;
                task.report(TaskState::Paused);
            } else if task.target() == Target::Running && paused {
                self.consumer.pause(false);
                paused = false;
                task.report(TaskState::Running);
            }
            let consumer = self.consumer;
            let first = tokio::select! {
                m = consumer.consumer.recv() => Some(m),
                _ = wake.raised() => None,
                _ = sleep_until(flush_at) => None,
            };
            self.rebalance().await?;
            if let Some(first) = first {
                let messages = self.drain(first)?;
                if !messages.is_empty() {
                    self.put(&messages).await?;
                }
            }
            if Instant::now() >= flush_at {
                self.flush().await?;
                flush_at = Instant::now() + task.settings.flush_interval;
            }
        }
        Ok(())
    }

    /// The first message and all that are at hand, up to a batch.
    fn drain(
        &mut self,
        first: Result<BorrowedMessage<'a>, rdkafka::error::KafkaError>,
    ) -> Result<Vec<BorrowedMessage<'a>>, Failure> {
        let settings = &self.task.settings;
        let mut messages = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Ok(m) => {
                    bytes += m.payload_len() + m.key_len();
                    messages.push(m);
                }
                Err(e) => self.consume_failed(&e)?,
            }
            let full = messages.len() >= settings.batch_records as usize || bytes >= settings.batch_bytes as usize;
            next = if full { None } else { self.consumer.consumer.recv().now_or_never() };
        }
        self.task.counters.consumed.add(messages.len() as u64);
        self.task.counters.bytes.add(bytes as u64);
        Ok(messages)
    }

    /// librdkafka goes on by itself after most errors; those that need somebody end the session.
    fn consume_failed(&self, error: &rdkafka::error::KafkaError) -> Result<(), Failure> {
        use rdkafka::error::RDKafkaErrorCode as Code;
        let kind = match error.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => ErrorKind::Fatal,
            Some(Code::Fatal | Code::OffsetOutOfRange | Code::AutoOffsetReset) => ErrorKind::Restart,
            _ => {
                tracing::warn!(%error, "cannot consume for now");
                return Ok(());
            }
        };
        self.task.counters.errors.add(1);
        Err(Failure::new("consumer", "poll", TaskError::new(kind, "kafka.consume", format!("cannot consume: {error}"))))
    }

    async fn rebalance(&mut self) -> Result<(), Failure> {
        for change in self.consumer.rebalances() {
            match change {
                Assignment::Removed(gone) => {
                    // Others own them by now: what is not committed comes again there.
                    self.upto.retain(|tp, _| !gone.contains(tp));
                    self.committed.retain(|tp, _| !gone.contains(tp));
                    self.plugin.close(&gone).await.map_err(|e| Failure::new(&self.subject, "close", e))?;
                }
                Assignment::Added(added) => {
                    let own = self.plugin.open(&added).await.map_err(|e| Failure::new(&self.subject, "open", e))?;
                    self.consumer.seek(&own).map_err(|e| Failure::new("consumer", "seek", e))?;
                }
            }
        }
        Ok(())
    }

    /// Makes durable what was put, and commits what the plugin answers.
    async fn flush(&mut self) -> Result<(), Failure> {
        let due: Vec<TopicOffset> = self
            .upto
            .iter()
            .filter(|(tp, offset)| self.committed.get(tp) != Some(offset))
            .map(|(tp, offset)| TopicOffset { topic: tp.topic.clone(), partition: tp.partition, offset: *offset })
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let flushed = loop {
            match self.plugin.flush(&due).await {
                Ok(flushed) => break flushed,
                Err(error) => {
                    self.task.counters.errors.add(1);
                    if let Some(failure) = self.task.wait_to_retry(Failure::new(&self.subject, "flush", error)).await {
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
            return Err(Failure::new(&self.subject, "flush", TaskError::fatal(&late.code, message)));
        }
        let asked = |o: &TopicOffset| due.iter().find(|d| d.topic == o.topic && d.partition == o.partition).map(|d| d.offset);
        if let Some(beyond) = flushed.offsets.iter().find(|o| asked(o).is_none_or(|asked| o.offset > asked)) {
            let message =
                format!("flush answered {}-{}@{}, which it was not given", beyond.topic, beyond.partition, beyond.offset);
            return Err(Failure::new(&self.subject, "flush", TaskError::new(ErrorKind::Trap, "sink.contract", message)));
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
