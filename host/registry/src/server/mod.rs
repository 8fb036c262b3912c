//! The embedded Schema Registry: Confluent's REST API over a state that lies in a log, in Confluent's format.
//!
//! Everything that changes is decided by one writer at a time, out of a state that has all that was written before it; it is
//! written in one piece, applied when it is read back from the log, and answered then. So what was answered is durable, ids
//! are never given out twice, and several workers on one log know the same. Nothing here knows of Kafka: the log is a
//! [`SchemaLog`], and who has it gives what it reads to [`Registry::read`].

mod association;
mod command;
mod compatible;
mod config;
mod error;
mod log;
mod mode;
mod record;
mod register;
mod rest;
mod state;
mod subject;
#[cfg(test)]
mod tests;
mod texts;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

pub use command::Command;
pub use error::ApiError;
pub use log::{LogError, SchemaLog};
pub use record::Entry;
pub use rest::router;
pub use writer::Writer;

use record::Record;
use state::State;
use texts::Texts;

/// How many changes may wait for the writer.
const WAITING_MAX: usize = 1_024;
/// How long a request waits until the log has been read for the first time.
const READY_WAIT: Duration = Duration::from_secs(30);

/// How far the log has been read.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Of the last record.
    offset: i64,
    /// Whether it was read to its end once.
    complete: bool,
}

/// A change, and who waits for it.
struct Job {
    command: Command,
    answer: oneshot::Sender<Result<Value, ApiError>>,
}

/// Who this registry is, as `GET /v1/metadata/id` says.
#[derive(Debug, Clone)]
pub struct Identity {
    pub kafka_cluster: String,
    /// The worker's version.
    pub version: &'static str,
}

/// The registry: what it knows, and the way to its writer.
pub struct Registry {
    state: RwLock<State>,
    texts: Texts,
    progress: watch::Sender<Progress>,
    commands: mpsc::Sender<Job>,
    identity: Identity,
}

impl Registry {
    /// The writer is to be run beside it.
    pub fn new(identity: Identity) -> (Arc<Registry>, Writer) {
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        let registry = Arc::new(Registry {
            state: RwLock::default(),
            texts: Texts::default(),
            progress: watch::Sender::new(Progress { offset: -1, complete: false }),
            commands,
            identity,
        });
        (registry.clone(), Writer::new(registry, waiting))
    }

    /// A record of the log, in the log's order.
    pub fn read(&self, offset: i64, key: &[u8], value: Option<&[u8]>) {
        match Record::read(key, value) {
            Ok(Record::Other(kind)) => tracing::debug!(offset, kind, "a record of a kind that the registry does not know"),
            Ok(record) => self.state.write().apply(&record),
            Err(error) => tracing::warn!(offset, %error, "a record of the registry's topic cannot be read; it is left out"),
        }
        self.progress.send_modify(|p| p.offset = offset);
    }

    /// The log has been read to its end: from now on requests are answered.
    pub fn complete(&self) {
        self.progress.send_if_modified(|p| !std::mem::replace(&mut p.complete, true));
    }

    /// Waits until the log was read.
    async fn ready(&self) -> Result<(), ApiError> {
        if self.progress.borrow().complete {
            return Ok(());
        }
        let mut progress = self.progress.subscribe();
        let waited = tokio::time::timeout(READY_WAIT, progress.wait_for(|p| p.complete)).await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ApiError::store("the registry's topic has not been read yet; see the worker's log, and try again")),
        }
    }

    /// Looks at the state.
    fn view<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read())
    }

    /// Makes a change; answers once it is durable and can be read here.
    pub async fn change(&self, command: Command) -> Result<Value, ApiError> {
        self.ready().await?;
        let (answer, answered) = oneshot::channel();
        let stopping = || ApiError::store("the change was not decided, nothing has changed; see the worker's log, and try again");
        self.commands.send(Job { command, answer }).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }

    /// How many subjects, versions and ids there are.
    pub fn counts(&self) -> (usize, usize) {
        self.view(|state| (state.subjects().count(), state.subjects().map(|(_, v)| v.len()).sum()))
    }
}
