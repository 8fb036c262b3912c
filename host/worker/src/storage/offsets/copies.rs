//! Offsets of connectors with a topic of their own, on their way to the worker's topic too: behind the tasks' backs, the latest
//! of each partition alone, and again for as long as the log does not take them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use millrace_record::SourceOffset;
use parking_lot::Mutex;

use super::topic::{OffsetTopic, canonical};
use crate::storage::log::StorageError;

/// How long copies wait for later ones of their partitions.
const GATHER: Duration = Duration::from_millis(100);
/// How long after a failure they are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Whose copies go to the log together: well below what its client queues.
const CONNECTORS_AT_ONCE: usize = 500;

pub(super) struct Copies {
    worker: Arc<OffsetTopic>,
    waiting: Mutex<Waiting>,
    /// Held by who writes.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// By connector, then by partition. One that is being written stays until the log has it.
    offsets: BTreeMap<String, BTreeMap<String, SourceOffset>>,
    /// Somebody is about to write them.
    attended: bool,
}

impl Waiting {
    /// The log has these. One that has come meanwhile waits on.
    fn done(&mut self, connector: &str, offsets: &[SourceOffset]) {
        let Some(of) = self.offsets.get_mut(connector) else { return };
        for offset in offsets {
            let partition = canonical(&offset.partition);
            if of.get(&partition) == Some(offset) {
                of.remove(&partition);
            }
        }
        if of.is_empty() {
            self.offsets.remove(connector);
        }
    }
}

impl Copies {
    pub fn new(worker: Arc<OffsetTopic>) -> Self {
        Copies { worker, waiting: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Must be called within a tokio runtime.
    pub fn add(self: &Arc<Self>, connector: &str, offsets: impl Iterator<Item = SourceOffset>) {
        let mut offsets = offsets.peekable();
        if offsets.peek().is_none() {
            return;
        }
        let mut waiting = self.waiting.lock();
        let of = waiting.offsets.entry(connector.to_owned()).or_default();
        of.extend(offsets.map(|o| (canonical(&o.partition), o)));
        if !std::mem::replace(&mut waiting.attended, true) {
            tokio::spawn(attend(Arc::downgrade(self)));
        }
    }

    /// Returns once the log has all that waited.
    pub async fn settle(&self) -> Result<(), StorageError> {
        let _alone = self.writing.lock().await;
        let now: Vec<(String, Vec<SourceOffset>)> = {
            let waiting = self.waiting.lock();
            waiting.offsets.iter().map(|(connector, of)| (connector.clone(), of.values().cloned().collect())).collect()
        };
        for part in now.chunks(CONNECTORS_AT_ONCE) {
            self.worker.write_all(part).await?;
            let mut waiting = self.waiting.lock();
            for (connector, offsets) in part {
                waiting.done(connector, offsets);
            }
        }
        Ok(())
    }

    /// What is about to be written is later than the copies that wait: none of these is written behind it.
    pub async fn supersede(&self, connector: &str, offsets: &[SourceOffset]) {
        let any = {
            let mut waiting = self.waiting.lock();
            match waiting.offsets.get_mut(connector) {
                Some(of) => {
                    offsets.iter().for_each(|o| drop(of.remove(&canonical(&o.partition))));
                    // A write of them may be under way.
                    true
                }
                None => false,
            }
        };
        if any {
            drop(self.writing.lock().await);
        }
    }
}

/// Until nothing waits, or the worker has gone.
async fn attend(copies: Weak<Copies>) {
    let mut pause = GATHER;
    loop {
        tokio::time::sleep(pause).await;
        let Some(copies) = copies.upgrade() else { return };
        pause = match copies.settle().await {
            Ok(()) => GATHER,
            Err(error) => {
                let topic = copies.worker.name();
                tracing::warn!(topic, %error, "offsets of connectors with a topic of their own are not copied to the worker's yet; trying again");
                RETRY
            }
        };
        let mut waiting = copies.waiting.lock();
        waiting.attended = !waiting.offsets.is_empty();
        if !waiting.attended {
            return;
        }
    }
}
