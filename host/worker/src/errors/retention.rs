//! How long a dead letter queue keeps its records: by age, which the topic itself sees to, and by count.

/// Milliseconds; the topic's `retention.ms` when it is made.
pub const MS: &str = "errors.deadletterqueue.retention.ms";
/// The most records of a queue.
pub const RECORDS: &str = "errors.deadletterqueue.retention.records";
