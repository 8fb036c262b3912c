//! When a producer's records go out.
//!
//! An idempotent librdkafka has one request of a partition on its way at a time (2.12 counts records in flight where it
//! means requests), and while it waits for the answer with records in its queue that have lingered for `linger.ms`, it
//! polls without a pause: a whole processor, for as long as the log is the slower side. So records linger for long, a full
//! batch goes out by its size, and all others are nudged: at once on a quiet producer, every few milliseconds on a busy one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// For how long the client is told to send without lingering, unless all is acknowledged before.
const NUDGE_MS: i32 = 1;
/// From one nudge of a busy producer to the next.
const PAUSE: Duration = Duration::from_millis(4);
/// With how many unacknowledged records after a nudge a producer is busy.
const BUSY_RECORDS: i32 = 100;

/// Records were sent or answered, so that others may wait to go out.
#[derive(Default)]
pub(super) struct Due {
    set: AtomicBool,
    wake: Notify,
}

impl Due {
    pub fn set(&self) {
        // Called for each record: what is set already costs a read.
        if !self.set.load(Ordering::Relaxed) && !self.set.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }
}

/// Nudges the producer until the handle is dropped.
pub(super) fn start<C: ProducerContext + 'static>(producer: Arc<ThreadedProducer<C>>, due: Arc<Due>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            due.wake.notified().await;
            due.set.store(false, Ordering::Release);
            if producer.in_flight_count() == 0 {
                continue;
            }
            let producer = producer.clone();
            let done = tokio::task::spawn_blocking(move || {
                // SAFETY: the client lives as long as `producer`, and the call may be made from any thread.
                // That not all is acknowledged by then is no error.
                unsafe { rdkafka::bindings::rd_kafka_flush(producer.client().native_ptr(), NUDGE_MS) };
                producer.in_flight_count()
            });
            if done.await.is_ok_and(|left| left > BUSY_RECORDS) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }))
}
