//! How long a dead letter queue keeps its records: by age, which the topic itself sees to, and by count, which the thread does that
//! follows it.

use crate::task::Reader;

/// Milliseconds, -1: for ever; the topic's `retention.ms` when it is made.
pub const MS: &str = "errors.deadletterqueue.retention.ms";
/// The most records of a queue.
pub const RECORDS: &str = "errors.deadletterqueue.retention.records";

/// The age, where it is set; what is wrong is noted.
pub(super) fn read(settings: &mut Reader<'_>) -> Option<i64> {
    settings.get(MS).filter(|v| !v.is_empty())?;
    let ms: i64 = settings.number(MS, -1);
    if ms < -1 || ms == 0 {
        settings.wrong(MS, ms, "milliseconds from 1, or -1 to keep records for ever");
    }
    Some(ms)
}
