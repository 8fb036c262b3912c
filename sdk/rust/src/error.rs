//! Errors by class: the class decides what the host does, the text is for a person.
//!
//! Messages are lower case without a full stop and say what failed on what, and what to do.

pub use crate::bindings::host::millrace::plugin::types::{Error, ErrorKind, RecordFailure};

impl Error {
    /// An error of a class. `code` is stable, dotted and lower case: `webhook.rejected`.
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Error { kind, code: code.into(), message: message.into(), retry_after_ms: None, field: None, attributes: Vec::new() }
    }
    /// Nothing of the call took effect, or it is idempotent: the host makes the same call again after a back-off.
    pub fn retriable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, code, message)
    }
    /// The task goes to FAILED; an operator must act.
    pub fn fatal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, code, message)
    }
    /// The setting `field` is at fault: FAILED, and shown against it.
    pub fn config(field: impl Into<String>, message: impl Into<String>) -> Self {
        Error { field: Some(field.into()), ..Self::new(ErrorKind::Config, "config", message) }
    }
    /// This instance is of no more use but a fresh one may be: the host makes one, then retries.
    pub fn restart(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Restart, code, message)
    }
    /// The least delay before the retry.
    pub fn retry_after(mut self, delay: std::time::Duration) -> Self {
        self.retry_after_ms = Some(delay.as_millis().min(u64::MAX as u128) as u64);
        self
    }
    /// Adds a name and value for logs.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }
    /// The value of an attribute, such as `detail` of a PostgreSQL error.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == attribute).map(|(_, v)| v.as_str())
    }
    /// Says what was being done: `doing: message`.
    pub fn context(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
    pub fn is_retriable(&self) -> bool {
        self.kind == ErrorKind::Retriable
    }
}

impl RecordFailure {
    /// This record will never pass: it goes to `errors.tolerance` and the dead letter queue.
    pub fn poison(row: usize, code: impl Into<String>, message: impl Into<String>) -> Self {
        RecordFailure { row: row as u32, retriable: false, code: code.into(), message: message.into() }
    }
    /// Worth another try before the dead letter queue.
    pub fn retriable(row: usize, code: impl Into<String>, message: impl Into<String>) -> Self {
        RecordFailure { row: row as u32, retriable: true, code: code.into(), message: message.into() }
    }
}
