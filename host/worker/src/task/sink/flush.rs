//! What was put becomes durable, and only then are its offsets committed.

use std::time::Instant;

use millrace_record::{ErrorKind, Flushed, TaskError, TopicOffset, TopicPartition};

use super::Session;
use crate::invariants::{Invariant, reversed};
use crate::kafka::consumer::LogConsumer;
use crate::task::Committed;
use crate::task::supervise::{Failure, flush_plugins};

impl Session<'_> {
    /// Flushes and commits; tries again for as long as that may help. A rebalance or a stop ends the tries: what was not
    /// flushed stays due. What was put of lost partitions is not written: whoever has them reads it again.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        // Invariant one-writer.
        let ours = |consumer: &LogConsumer| !consumer.lost() || reversed(Invariant::OneWriter);
        while ours(self.consumer) {
            match self.flush_once().await {
                Err(failure) if failure.error.kind == ErrorKind::Retriable => {
                    let delay = self.task.count_retry(failure)?;
                    if !self.wait(delay).await? {
                        return Ok(());
                    }
                }
                other => return other,
            }
        }
        Ok(())
    }

    /// Makes durable what was put, and commits what the plugin answers.
    pub(super) async fn flush_once(&mut self) -> Result<(), Failure> {
        let due: Vec<TopicOffset> = self
            .outlet
            .upto
            .iter()
            .filter(|(tp, offset)| self.committed.get(tp) != Some(offset))
            .map(|(tp, offset)| TopicOffset { topic: tp.topic.clone(), partition: tp.partition, offset: *offset })
            .collect();
        if due.is_empty() {
            return self.store_state().await;
        }
        if reversed(Invariant::SinkDurableBeforeCommit) {
            let _ = self.consumer.commit(&due);
        }
        let begun = Instant::now();
        // Invariant durable-before-commit: what this answers, and no more, is committed below.
        let flushed = match self.task.counters.pulse.during("flush", self.outlet.plugin.flush(&due)).await {
            Ok(flushed) => flushed,
            Err(error) => {
                self.outlet.keeper.undo();
                self.task.counters.failures.add(1);
                self.task.counters.commit_ended(Committed::Failed, begun.elapsed());
                return Err(Failure::new(&self.outlet.subject, "flush", error));
            }
        };
        self.task.healthy();
        self.check(&due, &flushed)?;
        self.late(&flushed.failures).await?;
        if !reversed(Invariant::StateBeforeOffset) {
            self.store_state().await?;
        }
        if flushed.offsets.is_empty() {
            return Ok(());
        }
        let consumer = self.consumer;
        match self.task.counters.pulse.during("the commit of offsets", async { consumer.commit(&flushed.offsets) }).await {
            Ok(true) => {}
            Ok(false) => {
                self.task.counters.commit_ended(Committed::Late, begun.elapsed());
                return Ok(());
            }
            Err(e) => {
                self.task.counters.commit_ended(Committed::Failed, begun.elapsed());
                return Err(Failure::new("consumer", "commit", e));
            }
        }
        self.task.counters.commit_ended(Committed::Done, begun.elapsed());
        for o in flushed.offsets {
            let tp = TopicPartition { topic: o.topic, partition: o.partition };
            self.outlet.due_from.insert(tp.clone(), o.offset);
            self.committed.insert(tp, o.offset);
        }
        self.outlet.count_due();
        if reversed(Invariant::StateBeforeOffset) {
            self.store_state().await?;
        }
        Ok(())
    }

    /// Waits for what plugins sent to the log, and stores what they changed in their states. Invariants sent-before-offset and
    /// state-before-offset: before the offsets are committed.
    async fn store_state(&mut self) -> Result<(), Failure> {
        let outlet = &mut self.outlet;
        self.task.counters.pulse.during("the log", flush_plugins(&outlet.log)).await?;
        outlet.keeper.keep();
        outlet.keeper.take(&mut outlet.unsaved);
        outlet.unsaved.store(&*self.task.runtime.states).await
    }

    /// A flush that answers more than it was asked breaks the contract: committing it would lose records.
    fn check(&self, due: &[TopicOffset], flushed: &Flushed) -> Result<(), Failure> {
        let asked =
            |topic: &str, partition: i32| due.iter().find(|d| d.topic == topic && d.partition == partition).map(|d| d.offset);
        let beyond = flushed.offsets.iter().find(|o| asked(&o.topic, o.partition).is_none_or(|asked| o.offset > asked));
        let late = flushed.failures.iter().find(|f| asked(&f.topic, f.partition).is_none_or(|asked| f.offset >= asked));
        let lie = match (beyond, late) {
            (Some(o), _) => format!("{}-{}@{}", o.topic, o.partition, o.offset),
            (None, Some(f)) => format!("a failure of {}-{}@{}", f.topic, f.partition, f.offset),
            (None, None) => return Ok(()),
        };
        let message = format!("flush answered {lie}, which it was not given");
        Err(Failure::new(&self.outlet.subject, "flush", TaskError::new(ErrorKind::Trap, "sink.contract", message)))
    }
}
