//! A sink task's consumer: manual commits, bounded memory, and rebalances that wait for the task's loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_record::{ErrorKind, TaskError, TopicOffset, TopicPartition};
use parking_lot::Mutex;
use rdkafka::bindings as rd;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::Notify;
use tracing::Instrument;

use super::repeats::Repeats;
use super::subscription::{Topics, follow};

/// How long a seek may wait for librdkafka.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// How old may be what the consumer knows of topics; `metadata.max.age.ms` sets it.
const REFRESH: &str = "topic.metadata.refresh.interval.ms";
const REFRESH_DEFAULT: Duration = Duration::from_secs(10);

/// Settings that a worker file or a connector may override. What is fetched ahead is bounded in bytes. The poll interval is
/// a day: a slow destination must not cost the group its member, and a worker that dies is told by its heartbeats.
pub const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("max.poll.interval.ms", "86400000"),
    ("session.timeout.ms", "45000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.message.max.bytes", "4194304"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "10"),
    (REFRESH, "10000"),
    ("allow.auto.create.topics", "true"),
];

/// A change of what the task is assigned. The group waits until it is answered.
#[derive(Debug, Clone)]
pub enum Change {
    Added(TopicPartitionList),
    Removed(TopicPartitionList),
}

/// Keeps changes until the task's loop has dealt with them: what the plugin must do first takes time, and librdkafka's
/// call-back must not. Heartbeats go on meanwhile.
#[derive(Default)]
pub struct Rebalances {
    due: Mutex<VecDeque<Change>>,
    arrived: Notify,
    /// Nobody deals with changes any more: they are answered at once.
    closing: AtomicBool,
    repeats: Repeats,
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.repeats.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.repeats.error("consumer", &error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let change = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Added(list.clone()),
            _ => Change::Removed(list.clone()),
        };
        if self.closing.load(Ordering::SeqCst) {
            if let Err(error) = answer(consumer, &change) {
                tracing::debug!(%error, "cannot answer a rebalance of a consumer that closes");
            }
            return;
        }
        self.due.lock().push_back(change);
        self.arrived.notify_one();
    }
}

fn answer<C: Consumer<Rebalances>>(consumer: &C, change: &Change) -> KafkaResult<()> {
    let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
    match change {
        Change::Added(list) if cooperative => consumer.incremental_assign(list),
        Change::Added(list) => consumer.assign(list),
        Change::Removed(list) if cooperative => consumer.incremental_unassign(list),
        Change::Removed(_) => consumer.unassign(),
    }
}

pub fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|e| TopicPartition { topic: e.topic().to_owned(), partition: e.partition() }).collect()
}

/// The end of a partition as the last fetch of it told.
fn log_end(consumer: &StreamConsumer<Rebalances>, topic: &str, partition: i32) -> Option<i64> {
    let topic = std::ffi::CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client lives for the call; the pointers are to a text that ends and to two numbers of ours.
    let code = unsafe {
        rd::rd_kafka_get_watermark_offsets(consumer.client().native_ptr(), topic.as_ptr(), partition, &mut low, &mut high)
    };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

pub struct LogConsumer {
    pub consumer: Arc<StreamConsumer<Rebalances>>,
    /// Follows the topics that match an expression.
    following: Option<tokio::task::AbortHandle>,
    /// Taken by [`LogConsumer::change`], and not answered yet.
    unanswered: Mutex<Option<Change>>,
}

impl LogConsumer {
    /// Must be called within a tokio runtime.
    pub fn new(config: &ClientConfig, topics: &Topics) -> Result<Self, TaskError> {
        let mut config = config.clone();
        if matches!(topics, Topics::Matching(_)) {
            // A topic that was deleted must not come back because somebody consumed it.
            config.set("allow.auto.create.topics", "false");
        }
        let consumer: StreamConsumer<Rebalances> = config
            .create_with_context(Rebalances::default())
            .map_err(|e| TaskError::config("consumer.override", format!("the consumer's settings are refused: {e}")))?;
        let consumer = Arc::new(consumer);
        let following = match topics {
            Topics::Named(names) => {
                let all: Vec<&str> = names.iter().map(String::as_str).collect();
                consumer
                    .subscribe(&all)
                    .map_err(|e| TaskError::config("topics", format!("cannot subscribe to {}: {e}", names.join(", "))))?;
                None
            }
            Topics::Matching(_) => {
                let every = config.get(REFRESH).and_then(|v| v.parse().ok()).filter(|ms| *ms > 0);
                let every = every.map_or(REFRESH_DEFAULT, Duration::from_millis);
                let following = follow(Arc::downgrade(&consumer), topics.clone(), every);
                Some(tokio::spawn(following.in_current_span()).abort_handle())
            }
        };
        Ok(LogConsumer { consumer, following, unanswered: Mutex::default() })
    }

    /// Whether changes wait to be dealt with.
    pub fn has_rebalanced(&self) -> bool {
        !self.consumer.context().due.lock().is_empty()
    }

    /// Completes when a change has arrived. Changes arrive only while messages are received.
    pub async fn changed(&self) {
        self.consumer.context().arrived.notified().await;
    }

    /// The next change; it must be answered before the one after it is asked for.
    pub fn change(&self) -> Option<Change> {
        let change = self.consumer.context().due.lock().pop_front()?;
        *self.unanswered.lock() = Some(change.clone());
        Some(change)
    }

    pub fn answer(&self, change: &Change) -> Result<(), TaskError> {
        *self.unanswered.lock() = None;
        answer(&*self.consumer, change)
            .map_err(|e| TaskError::new(ErrorKind::Restart, "kafka.rebalance", format!("cannot answer a rebalance: {e}")))
    }

    /// The group has given the partitions to others already: nothing can be committed for them.
    pub fn lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Commits, and returns once the group's coordinator has it. False: a rebalance is under way, it is to be tried later.
    pub fn commit(&self, offsets: &[TopicOffset]) -> Result<bool, TaskError> {
        let mut list = TopicPartitionList::new();
        for o in offsets {
            let _ = list.add_partition_offset(&o.topic, o.partition, Offset::Offset(o.offset));
        }
        use RDKafkaErrorCode as Code;
        match tokio::task::block_in_place(|| self.consumer.commit(&list, CommitMode::Sync)) {
            Ok(()) => Ok(true),
            Err(error) => match error.rdkafka_error_code() {
                Some(Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId) => {
                    tracing::warn!(%error, "cannot commit consumer offsets during a rebalance");
                    Ok(false)
                }
                _ => {
                    let message = format!("cannot commit consumer offsets: {error}");
                    Err(TaskError::new(ErrorKind::Restart, "kafka.commit", message))
                }
            },
        }
    }

    /// Reads on from these offsets. One that is not assigned any more is left out.
    pub fn seek(&self, offsets: &[TopicOffset]) -> Result<(), TaskError> {
        for o in offsets {
            tokio::task::block_in_place(|| self.consumer.seek(&o.topic, o.partition, Offset::Offset(o.offset), SEEK_TIMEOUT))
                .map_err(|e| {
                    let message = format!("cannot go to offset {} of {}-{}: {e}", o.offset, o.topic, o.partition);
                    TaskError::new(ErrorKind::Restart, "kafka.seek", message)
                })?;
        }
        Ok(())
    }

    /// About how many records wait in the log, as far as the last fetches told. Asks nobody.
    pub fn waiting(&self) -> u64 {
        let Ok(positions) = self.consumer.position() else { return 0 };
        let of = |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match e.offset() {
            Offset::Offset(at) => {
                log_end(&self.consumer, e.topic(), e.partition()).map_or(0, |end| end.saturating_sub(at).max(0))
            }
            _ => 0,
        };
        positions.elements().iter().map(|e| of(e) as u64).sum()
    }

    /// How many partitions there are of late.
    pub fn assigned(&self) -> usize {
        self.consumer.assignment().map_or(0, |a| a.count())
    }

    /// Stops or resumes fetching all that is assigned.
    pub fn pause(&self, pause: bool) {
        if let Ok(assigned) = self.consumer.assignment() {
            let done = if pause { self.consumer.pause(&assigned) } else { self.consumer.resume(&assigned) };
            if let Err(error) = done {
                tracing::warn!(%error, pause, "cannot pause or resume partitions");
            }
        }
    }
}

impl Drop for LogConsumer {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
        // A change that nobody answers would keep the consumer from closing.
        let context = self.consumer.context();
        context.closing.store(true, Ordering::SeqCst);
        let due = std::mem::take(&mut *context.due.lock());
        for change in self.unanswered.lock().take().into_iter().chain(due) {
            if let Err(error) = answer(&*self.consumer, &change) {
                tracing::debug!(%error, "cannot answer a rebalance of a consumer that closes");
            }
        }
    }
}
