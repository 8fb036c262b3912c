//! Partitions come and go: the plugin is asked before the group is answered.

use std::time::Duration;

use millrace_record::{ErrorKind, TaskError, TopicOffset, TopicPartition};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::Session;
use crate::invariants::{Invariant, reversed};
use crate::kafka::consumer::{Change, partitions};
use crate::task::supervise::Failure;

/// How often it is looked whether partitions are lost.
const LOST_LOOK: Duration = Duration::from_millis(100);

impl Session<'_> {
    /// Deals with what has changed, then reads on where records were given back.
    pub(super) async fn rebalance(&mut self) -> Result<(), Failure> {
        while let Some(change) = self.consumer.change() {
            let (answered, done) = match change {
                Change::Removed(list) => {
                    let done = self.give_up(&partitions(&list)).await;
                    (Change::Removed(list), done)
                }
                Change::Added(list) => match self.take(list).await {
                    Ok(list) => (Change::Added(list), Ok(())),
                    // The session ends, and its consumer with it.
                    Err(failure) => return Err(failure),
                },
            };
            self.consumer.answer(&answered).map_err(|e| Failure::new("consumer", "rebalance", e))?;
            done?;
            self.task.counters.partitions.set(self.consumer.assigned() as i64);
            if self.paused {
                self.consumer.pause(true);
            }
        }
        if !self.rewind.is_empty() {
            let offset = |(tp, offset): (TopicPartition, i64)| TopicOffset { topic: tp.topic, partition: tp.partition, offset };
            let back: Vec<TopicOffset> = std::mem::take(&mut self.rewind).into_iter().map(offset).collect();
            self.consumer.seek(&back).map_err(|e| Failure::new("consumer", "seek", e))?;
        }
        Ok(())
    }

    /// Opens partitions, and says where to read on where the plugin keeps its own offsets.
    async fn take(&mut self, mut list: TopicPartitionList) -> Result<TopicPartitionList, Failure> {
        let added = partitions(&list);
        if added.is_empty() {
            return Ok(list);
        }
        if !self.in_hand(&added).await? {
            return Ok(list);
        }
        let opened = self.task.counters.pulse.during("open", self.outlet.plugin.open(&added)).await;
        for o in opened.map_err(|e| Failure::new(&self.outlet.subject, "open", e))? {
            if reversed(Invariant::OpenedBeforeRead) {
                break;
            }
            self.outlet.keeps_offsets = true;
            // Invariant opened-before-read: the assignment itself starts at the plugin's offset.
            list.set_partition_offset(&o.topic, o.partition, Offset::Offset(o.offset)).map_err(|e| {
                let message = format!("open answered {}-{}@{}, which it was not given: {e}", o.topic, o.partition, o.offset);
                Failure::new(&self.outlet.subject, "open", TaskError::new(ErrorKind::Trap, "sink.contract", message))
            })?;
        }
        Ok(list)
    }

    /// Waits until no other task of the connector has these in hand. Invariant one-writer. False: the task stops.
    async fn in_hand(&mut self, added: &[TopicPartition]) -> Result<bool, Failure> {
        if reversed(Invariant::OneWriter) {
            return Ok(true);
        }
        let (task, consumer) = (self.task.clone(), self.consumer);
        let lost = async {
            while !consumer.lost() {
                tokio::time::sleep(LOST_LOOK).await;
            }
        };
        tokio::select! {
            () = task.counters.pulse.during("another task to let go of its partitions", self.held.take(added)) => Ok(true),
            () = task.stopped() => Ok(false),
            // Two that wait for each other would wait for ever.
            () = lost => {
                let message = "the group gave the partitions away again while another task had yet to let go of them";
                Err(Failure::new("consumer", "rebalance", TaskError::new(ErrorKind::Restart, "kafka.rebalance", message)))
            }
        }
    }

    /// Makes durable and commits what was put, as far as the time allows, so that it does not come again elsewhere.
    async fn give_up(&mut self, gone: &[TopicPartition]) -> Result<(), Failure> {
        let mut cut_off = None;
        if !self.consumer.lost() {
            let limit: Duration = self.task.settings.flush_timeout;
            match tokio::time::timeout(limit, self.flush_once()).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) if failure.error.kind == ErrorKind::Retriable => {
                    tracing::warn!(error = %failure.error, "cannot flush before partitions are given up; their last records come again");
                }
                Ok(Err(failure)) => cut_off = Some(failure),
                Err(_) => {
                    let message = format!(
                        "flush took longer than {} ms while partitions were to be given up; their last records come again; raise \"offset.flush.timeout.ms\" if the destination is slow",
                        limit.as_millis()
                    );
                    // The plugin is in the middle of a call: only a fresh instance can go on.
                    let error = TaskError::new(ErrorKind::Restart, "sink.flush.timeout", message);
                    cut_off = Some(Failure::new(&self.outlet.subject, "flush", error));
                }
            }
        }
        self.outlet.upto.retain(|tp, _| !gone.contains(tp));
        self.outlet.due_from.retain(|tp, _| !gone.contains(tp));
        self.outlet.count_due();
        self.committed.retain(|tp, _| !gone.contains(tp));
        self.rewind.retain(|tp, _| !gone.contains(tp));
        self.outlet.chain.reassigned();
        match cut_off {
            Some(failure) => Err(failure),
            None if gone.is_empty() => Ok(()),
            None => {
                let closed = self.outlet.plugin.close(gone).await;
                closed.map_err(|e| Failure::new(&self.outlet.subject, "close", e))?;
                self.held.free(gone);
                Ok(())
            }
        }
    }

    /// Waits with all partitions paused and the group served, so that the task keeps its place in it however long the
    /// destination is away. False: the task stops, or partitions are to be given up or taken first.
    pub(super) async fn wait(&mut self, delay: Duration) -> Result<bool, Failure> {
        let (task, consumer) = (self.task.clone(), self.consumer);
        // Whoever waited before may have had the word of it.
        if consumer.has_rebalanced() && !reversed(Invariant::OneWriter) {
            return Ok(false);
        }
        if !self.paused {
            consumer.pause(true);
        }
        let until = tokio::time::sleep(delay);
        tokio::pin!(until);
        let again = loop {
            tokio::select! {
                _ = &mut until => break true,
                _ = task.stopped() => break false,
                _ = consumer.changed(), if !reversed(Invariant::OneWriter) => break false,
                received = consumer.consumer.recv() => match received {
                    // It was on its way when the partitions were paused.
                    Ok(m) => self.give_back(std::slice::from_ref(&m)),
                    Err(e) => self.intake.consume_failed(&e)?,
                },
            }
        };
        if !self.paused {
            consumer.pause(false);
        }
        Ok(again)
    }

    /// Received records that are not put: they are read again.
    pub(super) fn give_back(&mut self, messages: &[BorrowedMessage<'_>]) {
        for m in messages {
            let tp = TopicPartition { topic: m.topic().to_owned(), partition: m.partition() };
            let at = self.rewind.entry(tp).or_insert(m.offset());
            *at = m.offset().min(*at);
        }
    }
}
