//! A sink task's consumer: manual commits, bounded memory, and rebalances told to the task's loop.

use millrace_record::{ErrorKind, TaskError, TopicOffset, TopicPartition};
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

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
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("allow.auto.create.topics", "true"),
];

/// A change of what the task is assigned.
#[derive(Debug, Clone)]
pub enum Assignment {
    Added(Vec<TopicPartition>),
    Removed(Vec<TopicPartition>),
}

#[derive(Default)]
pub struct Rebalances(Mutex<Vec<Assignment>>);

impl ClientContext for Rebalances {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "consumer");
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|e| TopicPartition { topic: e.topic().to_owned(), partition: e.partition() }).collect()
}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.0.lock().push(Assignment::Removed(partitions(list)));
        }
    }
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            self.0.lock().push(Assignment::Added(partitions(list)));
        }
    }
}

pub struct LogConsumer {
    pub consumer: StreamConsumer<Rebalances>,
}

impl LogConsumer {
    /// `topics` are names, or one regular expression that starts with `^`.
    pub fn new(config: &ClientConfig, topics: &[String]) -> Result<Self, TaskError> {
        let consumer: StreamConsumer<Rebalances> = config
            .create_with_context(Rebalances::default())
            .map_err(|e| TaskError::config("consumer.override", format!("the consumer's settings are refused: {e}")))?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&names)
            .map_err(|e| TaskError::config("topics", format!("cannot subscribe to {}: {e}", topics.join(", "))))?;
        Ok(LogConsumer { consumer })
    }

    /// Whether the assignment changed since [`Self::rebalances`] was asked.
    pub fn has_rebalanced(&self) -> bool {
        !self.consumer.context().0.lock().is_empty()
    }

    /// Changes since the last call, in order.
    pub fn rebalances(&self) -> Vec<Assignment> {
        std::mem::take(&mut *self.consumer.context().0.lock())
    }

    /// Commits, and returns once the group's coordinator has it.
    pub fn commit(&self, offsets: &[TopicOffset]) -> Result<(), TaskError> {
        let mut list = TopicPartitionList::new();
        for o in offsets {
            let _ = list.add_partition_offset(&o.topic, o.partition, Offset::Offset(o.offset));
        }
        tokio::task::block_in_place(|| self.consumer.commit(&list, CommitMode::Sync))
            .map_err(|e| TaskError::new(ErrorKind::Restart, "kafka.commit", format!("cannot commit consumer offsets: {e}")))
    }

    /// Reads on from these offsets.
    pub fn seek(&self, offsets: &[TopicOffset]) -> Result<(), TaskError> {
        for o in offsets {
            tokio::task::block_in_place(|| {
                self.consumer.seek(&o.topic, o.partition, Offset::Offset(o.offset), Duration::from_secs(10))
            })
            .map_err(|e| {
                let message = format!("cannot go to offset {} of {}-{}: {e}", o.offset, o.topic, o.partition);
                TaskError::new(ErrorKind::Restart, "kafka.seek", message)
            })?;
        }
        Ok(())
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
