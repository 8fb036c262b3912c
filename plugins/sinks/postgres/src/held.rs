//! A batch that was taken, and is not known to be written.

use millrace_plugin::row::Batch;
use millrace_plugin::{Error, LateFailure, RecordFailure, TopicPartition};

use crate::planning::{Skip, Skipped};

/// A batch that is not known to be written.
pub(crate) struct Held {
    pub(crate) batch: Vec<u8>,
    pub(crate) skipped: Skipped,
}

impl Held {
    pub(crate) fn new(batch: Vec<u8>, failures: &[RecordFailure]) -> Held {
        Held { batch, skipped: failures.iter().map(|f| (f.row, Skip::Refused)).collect() }
    }

    /// Leaves the records of revoked partitions to whom they come next. What is not revoked comes no second time.
    pub(crate) fn give_up(&mut self, partitions: &[TopicPartition]) {
        let Ok(view) = parse(&self.batch) else { return };
        for i in 0..view.len() {
            let record = view.record(i);
            let (topic, partition) = (view.topic_of(&record), record.partition());
            if partitions.iter().any(|p| Some(p.partition) == partition && p.topic == topic) {
                self.skipped.insert(i as u32, Skip::Revoked);
            }
        }
    }

    /// What the host is told of records that it was told were taken.
    pub(crate) fn late(&self, failures: Vec<RecordFailure>) -> Result<Vec<LateFailure>, Error> {
        let view = parse(&self.batch)?;
        let late = failures.into_iter().map(|f| {
            let record = view.record(f.row as usize);
            LateFailure {
                topic: view.topic_of(&record).to_owned(),
                partition: record.partition().unwrap_or(-1),
                offset: record.offset().unwrap_or(-1),
                retriable: f.retriable,
                code: f.code,
                message: f.message,
            }
        });
        Ok(late.collect())
    }
}

/// A batch that the SDK has given, and checked.
pub(crate) fn parse(batch: &[u8]) -> Result<Batch<'_>, Error> {
    Batch::reopen(batch).map_err(|e| Error::fatal("postgres.malformed", e.to_string()))
}
