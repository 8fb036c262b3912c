//! The log that the state lies in, as the registry writes it. Whoever has the log gives what it reads of it to
//! [`super::Registry::read`], in order, also what this registry wrote itself.

use async_trait::async_trait;

use super::record::Entry;

/// Why nothing was written, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another writer has claimed the log since; nothing was written.
    #[error("another worker writes to the log")]
    Superseded,
    /// Nothing was written.
    #[error("{0}")]
    TooLarge(String),
    /// The log does not answer. It may or may not have what was written last.
    #[error("{0}")]
    Unavailable(String),
}

/// A log with one writer at a time.
#[async_trait]
pub trait SchemaLog: Send + Sync {
    /// Becomes the writer. Nothing that an earlier writer has not finished by now is ever written.
    async fn claim(&self) -> Result<(), LogError>;
    /// Writes all of them or none; answers the offset of the last once they are durable.
    async fn append(&self, entries: Vec<Entry>) -> Result<i64, LogError>;
}
