//! What a task understands of its connector's configuration; every wrong setting is reported at once.

use std::str::FromStr;
use std::time::Duration;

use millrace_record::{RawConfig, TaskError};

use super::TaskSpec;
use super::health::STUCK_AFTER;
use crate::errors::backoff::{BackoffPolicy, RestartPolicy};
use crate::errors::tolerance::{ErrorPolicy, RetryTimeout, Tolerance};

/// Settings that sources and sinks share. Each key is looked up in the connector's configuration, then, where Connect has
/// a worker setting of that name, in the worker's.
#[derive(Debug, Clone)]
pub(crate) struct TaskSettings {
    /// `offset.flush.interval.ms`, 200 ms by default: shorter than Connect's minute, because what was flushed does not
    /// come again after a crash, and a database's log is released sooner. Storing an offset is one small record.
    pub flush_interval: Duration,
    /// `offset.flush.timeout.ms`: how long a stopping task waits for the log.
    pub flush_timeout: Duration,
    /// `batch.max.records` and `batch.max.bytes`: of one poll or put.
    pub batch_records: u32,
    pub batch_bytes: u32,
    /// `errors.*`.
    pub errors: ErrorPolicy,
    /// `retry.max.attempts`, `retry.backoff.ms`, `retry.backoff.max.ms`.
    pub retry: BackoffPolicy,
    /// `task.restart.max.attempts`, `task.restart.fatal.max.attempts`.
    pub restart: RestartPolicy,
    /// `task.stuck.after.ms`
    pub stuck_after: Duration,
}

impl TaskSettings {
    pub fn new(spec: &TaskSpec, worker: &RawConfig) -> Result<Self, TaskError> {
        let mut read = Reader { connector: &spec.connector_config, worker, wrong: Vec::new(), field: None };
        let retry = BackoffPolicy::default();
        let settings = TaskSettings {
            flush_interval: read.millis("offset.flush.interval.ms", 200, 1),
            flush_timeout: read.millis("offset.flush.timeout.ms", 5_000, 1),
            batch_records: read.at_least("batch.max.records", 4_096, 1),
            batch_bytes: read.at_least("batch.max.bytes", 4 << 20, 1_024),
            errors: ErrorPolicy {
                tolerance: match read.get("errors.tolerance").unwrap_or("none") {
                    "none" => Tolerance::None,
                    "all" => Tolerance::All,
                    other => {
                        read.wrong("errors.tolerance", other, "one of: none, all");
                        Tolerance::None
                    }
                },
                retry_timeout: match read.get("errors.retry.timeout").map(|_| read.number("errors.retry.timeout", 0i64)) {
                    None => None,
                    Some(-1) => Some(RetryTimeout::Never),
                    // As Connect takes it: an end in the past, so there is no other try.
                    Some(n) => Some(RetryTimeout::For(Duration::from_millis(n.max(0) as u64))),
                },
                retry_delay_max: read.millis("errors.retry.delay.max.ms", 60_000, 1),
                log: read.boolean("errors.log.enable", false),
                log_messages: read.boolean("errors.log.include.messages", false),
            },
            retry: BackoffPolicy {
                attempts_max: read.at_least("retry.max.attempts", retry.attempts_max, 1),
                initial: read.millis("retry.backoff.ms", retry.initial.as_millis() as u64, 1),
                max: read.millis("retry.backoff.max.ms", retry.max.as_millis() as u64, 1),
            },
            restart: RestartPolicy {
                passing: read.up_to("task.restart.max.attempts", -1),
                fatal: read.up_to("task.restart.fatal.max.attempts", 3),
            },
            stuck_after: read.millis("task.stuck.after.ms", STUCK_AFTER.as_millis() as u64, 1),
        };
        read.finish(settings)
    }
}

/// Reads typed values and collects what is wrong.
pub(crate) struct Reader<'a> {
    pub connector: &'a RawConfig,
    pub worker: &'a RawConfig,
    pub wrong: Vec<String>,
    pub field: Option<String>,
}

impl<'a> Reader<'a> {
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.connector.get(key).or_else(|| self.worker.get(key)).map(|v| v.trim())
    }

    pub fn wrong(&mut self, key: &str, value: impl std::fmt::Display, expected: &str) {
        self.field.get_or_insert_with(|| key.to_owned());
        self.wrong.push(format!("\"{key}\" is \"{value}\" but must be {expected}"));
    }

    pub fn number<T: FromStr + Copy>(&mut self, key: &str, default: T) -> T {
        match self.get(key).map(|v| v.parse().map_err(|_| v)) {
            None => default,
            Some(Ok(n)) => n,
            Some(Err(v)) => {
                self.wrong(key, v, "a whole number in range");
                default
            }
        }
    }

    pub fn at_least<T: FromStr + Copy + PartialOrd + std::fmt::Display>(&mut self, key: &str, default: T, least: T) -> T {
        let n = self.number(key, default);
        if n < least {
            self.wrong(key, n, &format!("at least {least}"));
        }
        n
    }

    /// A number of times; none, -1: no limit.
    pub fn up_to(&mut self, key: &str, default: i64) -> Option<u32> {
        u32::try_from(self.at_least(key, default, -1)).ok()
    }

    pub fn millis(&mut self, key: &str, default: u64, least: u64) -> Duration {
        Duration::from_millis(self.at_least(key, default, least))
    }

    pub fn boolean(&mut self, key: &str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(v) if v.eq_ignore_ascii_case("true") => true,
            Some(v) if v.eq_ignore_ascii_case("false") => false,
            Some(v) => {
                self.wrong(key, v, "true or false");
                default
            }
        }
    }

    pub fn finish<T>(self, value: T) -> Result<T, TaskError> {
        match self.field {
            None => Ok(value),
            Some(field) => Err(TaskError::config(field, format!("wrong settings: {}", self.wrong.join("; ")))),
        }
    }
}
