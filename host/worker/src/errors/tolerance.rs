//! Connect's `errors.*` settings, understood.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// The first record that fails for good fails the task.
    None,
    All,
}

/// How long records that may pass another time are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryTimeout {
    For(Duration),
    /// -1: until they pass.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    pub tolerance: Tolerance,
    /// `errors.retry.timeout`; none: it is not set, and `retry.*` holds.
    pub retry_timeout: Option<RetryTimeout>,
    /// `errors.retry.delay.max.ms`.
    pub retry_delay_max: Duration,
    /// `errors.log.enable`.
    pub log: bool,
    /// `errors.log.include.messages`: topic, partition, offset and timestamp of the record; never its key or value.
    pub log_messages: bool,
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        ErrorPolicy {
            tolerance: Tolerance::None,
            retry_timeout: None,
            retry_delay_max: Duration::from_secs(60),
            log: false,
            log_messages: false,
        }
    }
}
