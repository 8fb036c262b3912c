//! Error classes: they decide what happens, texts never do.

use std::time::Duration;

/// What the worker does with a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Try the same call again after a back-off; nothing of it took effect, or it is idempotent.
    Retriable,
    /// The task goes to FAILED; an operator must act.
    Fatal,
    /// The configuration is at fault; FAILED, shown against `field`.
    Config,
    /// The instance is not usable any more but a fresh one may be.
    Restart,
    /// The plugin itself broke: a trap, a deadline, a memory limit, an answer that breaks the contract. The task goes to
    /// FAILED with the plugin's name; a fresh instance is made when it is restarted.
    Trap,
}

/// Failure of a whole call into a task or transform.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    pub kind: ErrorKind,
    /// Stable, dotted, lower case: `postgres.connection`.
    pub code: String,
    /// Lower case, no full stop: what failed on what, and what to do.
    pub message: String,
    /// The least delay before a retry.
    pub retry_after: Option<Duration>,
    /// For `Config`: the key at fault.
    pub field: Option<String>,
    pub attributes: Vec<(String, String)>,
}

impl TaskError {
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        TaskError { kind, code: code.into(), message: message.into(), retry_after: None, field: None, attributes: Vec::new() }
    }
    pub fn retriable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, code, message)
    }
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, code, message)
    }
    pub fn config(field: impl Into<String>, message: impl Into<String>) -> Self {
        TaskError { field: Some(field.into()), ..Self::new(ErrorKind::Config, "config", message) }
    }
}

/// Failure of one record inside a call that otherwise succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFailure {
    /// Row of the input batch.
    pub row: u32,
    /// Worth another try before the dead letter queue; else poison.
    pub retriable: bool,
    pub code: String,
    pub message: String,
}
