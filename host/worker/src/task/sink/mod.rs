//! One session of a sink task: consume, convert, transform, put; flush and commit at intervals. [`intake`] is the way to a
//! decoded batch, [`batch`] the way from there to the plugin; the next batch is decoded while the last is being put.
//!
//! Invariant durable-before-commit: consumer offsets are committed only up to what the plugin's `flush` answered, and only
//! after the dead letter queue has acknowledged what it was given.
//!
//! Invariant state-before-offset: what was changed in states is stored before these offsets are committed.
//!
//! Invariant one-writer: see [`holders`].
//!
//! Invariant opened-before-read: no record of a partition reaches the plugin before its `open` has answered, and none from
//! before the offset that it answered.

mod batch;
mod flush;
mod holders;
mod intake;
mod isolate;
mod late;
mod patch;
mod rebalance;
mod redrive;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_record::{LogWriter, SinkTask, TaskError, TopicPartition, Wake};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::converters::Converters;
use super::supervise::{Failure, Task};
use super::{Keeper, Target, TaskState, Unsaved};
use crate::errors::dead_letters::DeadLetters;
use crate::kafka::consumer::{CONSUMER_DEFAULTS, LogConsumer};
use crate::kafka::subscription::Topics;
use crate::transforms::Chain;

pub(crate) use self::batch::Errant;
use self::holders::Held;
pub use self::holders::Holders;
use self::intake::{Decoded, Intake};
pub(crate) use self::patch::{Patcher, parse as parse_patch};
pub(crate) use self::redrive::{Durable, Redriver, keeps_offsets};

/// After how long a put is so slow that the consumer is served beside it.
const SLOW_PUT: Duration = Duration::from_millis(500);

pub(super) async fn run(task: &Arc<Task>) -> Result<(), Failure> {
    let config = &task.spec.connector_config;
    let wake = Wake::default();
    let mut keeper = Keeper::open(&*task.runtime.states, &task.spec.id.connector, task.spec.id.task).await?;
    let log = task.plugin_log();
    let context = task.context(&wake, keeper.services(Some(log.clone())));
    let subject = format!("sink plugin \"{}\"", task.spec.plugin.info().name);
    let failed = |subject: &str, call: &'static str| {
        let subject = subject.to_owned();
        move |e: TaskError| Failure::new(subject, call, e)
    };
    let converters = Converters::new(&task.spec, &task.runtime).map_err(failed("converter", "configure"))?;
    let chain = Chain::new(&task.spec, &task.runtime, &log).await.map_err(failed("transforms", "configure"))?;
    let dead_letters = DeadLetters::new(&task.spec, &task.runtime).await.map_err(failed("dead letter queue", "configure"))?;
    let topics = Topics::new(config).map_err(failed("consumer", "configure"))?;
    let mut plugin = task.spec.plugin.sink(context).await.map_err(failed(&subject, "start"))?;
    task.counters.pulse.during("start", plugin.start()).await.map_err(failed(&subject, "start"))?;
    keeper.keep();

    let mut client = task.runtime.clients.consumer(&format!("connector-consumer-{}", task.spec.id), config, CONSUMER_DEFAULTS);
    if client.get("group.id").is_none_or(|g| task.runtime.worker.get("group.id").is_some_and(|w| w == g)) {
        client.set("group.id", format!("connect-{}", task.spec.id.connector));
    }
    let consumer = LogConsumer::new(&client, &topics).map_err(failed("consumer", "create"))?;
    task.started();
    let outlet = Outlet::new(task, subject, plugin, keeper, log, chain, dead_letters);
    let gate = task.runtime.gates.as_ref().and_then(|g| g.enter(&task.spec.id, true, config, &wake));
    let intake = Intake::new(task.clone(), &consumer, converters, gate);
    let mut session = Session {
        task: task.clone(),
        consumer: &consumer,
        intake,
        outlet,
        committed: BTreeMap::new(),
        rewind: BTreeMap::new(),
        paused: false,
        held: Held::new(task.runtime.holders.clone(), &task.spec.id.connector),
    };
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
    /// Where to read on, for records that were received and given back.
    rewind: BTreeMap<TopicPartition, i64>,
    /// The operator's pause.
    paused: bool,
    /// Let go of after the plugin: the last field.
    held: Held,
}

/// What a decoded batch goes through.
struct Outlet {
    task: Arc<Task>,
    subject: String,
    plugin: Box<dyn SinkTask>,
    keeper: Keeper,
    /// What plugins changed in their states for what was put.
    unsaved: Unsaved,
    log: Arc<dyn LogWriter>,
    chain: Chain,
    dead_letters: Option<DeadLetters>,
    /// Partitions are to be given up or taken: a wait for the next try ends.
    interrupt: Arc<Notify>,
    /// What was put, and is to be flushed: the next offset to read.
    upto: BTreeMap<TopicPartition, i64>,
    /// The first offset of each partition that was put and is not committed.
    due_from: BTreeMap<TopicPartition, i64>,
    /// What failed puts are laid to.
    blame: isolate::Blame,
    /// The plugin keeps its offsets where its records are, and moves them with a put.
    keeps_offsets: bool,
}

impl Outlet {
    fn new(
        task: &Arc<Task>,
        subject: String,
        plugin: Box<dyn SinkTask>,
        keeper: Keeper,
        log: Arc<dyn LogWriter>,
        chain: Chain,
        dead_letters: Option<DeadLetters>,
    ) -> Self {
        Outlet {
            task: task.clone(),
            subject,
            plugin,
            keeper,
            unsaved: Unsaved::default(),
            log,
            chain,
            dead_letters,
            interrupt: Arc::default(),
            upto: BTreeMap::new(),
            due_from: BTreeMap::new(),
            blame: isolate::Blame::new(task),
            keeps_offsets: keeps_offsets(&task.spec),
        }
    }
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
        let started = Instant::now();
        let mut flush_at = started + task.settings.flush_interval;
        let mut ready = None;
        while !task.stopping() {
            wake.clear();
            // What came before a schema that the task is to stop at is durable first.
            if ready.is_none()
                && let Some(failure) = self.intake.refused()
            {
                self.flush().await?;
                return Err(failure);
            }
            if task.target() == Target::Paused && !self.paused {
                if let Some(batch) = ready.take() {
                    let left = self.outlet.put(batch).await?;
                    self.give_back(&left);
                }
                self.flush().await?;
                self.consumer.pause(true);
                self.paused = true;
                task.report(TaskState::Paused);
            } else if task.target() == Target::Running && self.paused {
                self.consumer.pause(false);
                self.paused = false;
                task.report(TaskState::Running);
            }
            if self.consumer.has_rebalanced() || !self.rewind.is_empty() {
                // What has not been put is read again: what it belongs to may be gone.
                self.give_back(&ready.take().map(|b: Decoded<'a>| b.messages).unwrap_or_default());
                let taken = self.intake.take_back();
                self.give_back(&taken);
                self.rebalance().await?;
            }
            if ready.is_none() {
                ready = tokio::select! {
                    batch = self.intake.next() => batch?,
                    _ = self.consumer.changed() => None,
                    _ = wake.raised() => None,
                    _ = sleep_until(flush_at) => None,
                };
            }
            if let Some(batch) = ready.take() {
                ready = self.put_and_read_on(batch).await?;
            }
            if Instant::now() >= flush_at {
                self.flush().await?;
                flush_at = Instant::now() + task.settings.flush_interval;
                if task.counters.pulse.look_is_due() && !self.paused {
                    let waiting = self.consumer.waiting();
                    task.counters.pulse.looked(waiting, task.counters.consumed.get());
                    // After a failure nobody puts anything where nothing comes.
                    if waiting == 0 && started.elapsed() >= task.settings.stuck_after {
                        task.healthy();
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts a batch, and decodes the next one meanwhile, when there is one. While a put takes long the group is served: its
    /// member stays in it, and partitions are given up when they are to be.
    async fn put_and_read_on(&mut self, batch: Decoded<'a>) -> Result<Option<Decoded<'a>>, Failure> {
        let (consumer, interrupt) = (self.consumer, self.outlet.interrupt.clone());
        let slow_at = Instant::now() + SLOW_PUT;
        let (mut next, mut reading, mut held, mut strays) = (None, true, false, Vec::new());
        let left = {
            let put = self.outlet.put(batch);
            tokio::pin!(put);
            loop {
                tokio::select! {
                    biased;
                    done = &mut put => break done?,
                    _ = consumer.changed() => {
                        reading = false;
                        interrupt.notify_one();
                    }
                    read = self.intake.next(), if reading => {
                        next = read?;
                        reading = false;
                    }
                    _ = sleep_until(slow_at), if !reading && !held => {
                        consumer.pause(true);
                        held = true;
                    }
                    // Paused, it gives events, and what was on its way.
                    message = consumer.consumer.recv(), if held => match message {
                        Ok(m) => strays.push(m),
                        Err(e) => self.intake.consume_failed(&e)?,
                    },
                }
            }
        };
        if held && !self.paused {
            consumer.pause(false);
        }
        self.give_back(&strays);
        if !left.is_empty() {
            self.give_back(&left);
            self.give_back(&next.take().map(|b| b.messages).unwrap_or_default());
        }
        Ok(next)
    }
}
