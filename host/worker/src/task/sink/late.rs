//! Records that a plugin took and found bad only at the flush: the rule for failed records holds for them too.
//!
//! They have left memory by then, so the dead letter queue gets them from the log, by their offsets. One that may pass
//! another time ends the session, and comes again from the last committed offset with all that followed it.

use millrace_record::{ErrorKind, LateFailure, TaskError};
use rdkafka::Timestamp;
use rdkafka::message::OwnedMessage;

use super::Session;
use super::batch::Errant;
use crate::kafka::consumer::CONSUMER_DEFAULTS;
use crate::kafka::reread::{Place, reread};
use crate::task::supervise::{Failure, Task};

impl Session<'_> {
    /// Returns once each has left by an exit, so that the offsets beyond them may be committed.
    pub(super) async fn late(&mut self, failures: &[LateFailure]) -> Result<(), Failure> {
        if failures.is_empty() {
            return Ok(());
        }
        if let Some(f) = failures.iter().find(|f| f.retriable) {
            let message = format!("record {}-{}@{} failed at the flush: {}", f.topic, f.partition, f.offset, f.message);
            return Err(Failure::new(&self.outlet.subject, "flush", TaskError::new(ErrorKind::Restart, &f.code, message)));
        }
        let place = |f: &LateFailure| Place { topic: f.topic.clone(), partition: f.partition, offset: f.offset };
        let places: Vec<Place> = failures.iter().map(place).collect();
        let messages = if self.outlet.dead_letters.is_some() {
            from_the_log(&self.task, places).await?
        } else {
            places.iter().map(unread).collect()
        };
        let errant = failures.iter().enumerate().map(|(i, f)| Errant::refused(i, f.code.clone(), f.message.clone()));
        let errant = errant.collect();
        self.outlet.report(&messages, errant).await?;
        self.task.counters.late.add(failures.len() as u64);
        Ok(())
    }
}

async fn from_the_log(task: &Task, places: Vec<Place>) -> Result<Vec<OwnedMessage>, Failure> {
    let (id, config) = (&task.spec.id, &task.spec.connector_config);
    let mut client = task.runtime.clients.consumer(&format!("connector-reread-{id}"), config, CONSUMER_DEFAULTS);
    // It joins no group and commits nothing; librdkafka wants a name all the same.
    client.set("group.id", format!("connect-{}", id.connector)).set("enable.partition.eof", "true");
    let read = tokio::task::spawn_blocking(move || reread(&client, &places)).await;
    let read = read.map_err(|e| TaskError::new(ErrorKind::Restart, "worker.panic", format!("reading records again: {e}")));
    read.and_then(|r| r).map_err(|e| Failure::new("dead letter queue", "read", e))
}

/// Stands for a record whose bytes nobody needs.
fn unread(p: &Place) -> OwnedMessage {
    OwnedMessage::new(None, None, p.topic.clone(), Timestamp::NotAvailable, p.partition, p.offset, None)
}
