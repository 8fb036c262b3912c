//! A registry as the monitor asks it.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_record::RawConfig;
use millrace_registry::compatibility::Level;
use millrace_registry::{InvalidSchema, ParsedSchema, SchemaType};

use super::event::SchemaVersion;

/// The registry cannot be asked now. It is no reason to stop anything.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// A schema as a registry has it.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// 0 where it was asked for by its id.
    pub version: i32,
    pub id: i32,
    pub schema_type: SchemaType,
    pub text: Arc<str>,
    pub parsed: Result<ParsedSchema, InvalidSchema>,
}

impl Fetched {
    pub fn place(&self) -> SchemaVersion {
        SchemaVersion { version: self.version, id: Some(self.id), schema_type: Some(self.schema_type) }
    }
}

/// What the monitor asks of a registry; nothing it does changes one.
#[async_trait]
pub trait SubjectReader: Send + Sync {
    /// The versions of a subject that are not deleted, in ascending order. Empty: there is no such subject.
    async fn versions(&self, subject: &str) -> Result<Vec<i32>, Unreachable>;
    /// None: there is no such version, not among the deleted ones either.
    async fn version(&self, subject: &str, version: i32) -> Result<Option<Arc<Fetched>>, Unreachable>;
    async fn by_id(&self, id: i32, subject: &str) -> Result<Option<Arc<Fetched>>, Unreachable>;
    /// Where an id stands: subjects and versions. Empty: nowhere.
    async fn versions_of(&self, id: i32, subject: &str) -> Result<Vec<(String, i32)>, Unreachable>;
    /// The level that holds for a subject, its own or the global one.
    async fn level(&self, subject: &str) -> Result<Level, Unreachable>;
}

/// Makes a reader of a converter's settings.
pub trait Readers: Send + Sync {
    /// The registry's name in events and in the topic, and its reader. The error names the setting at fault.
    fn reader(&self, settings: &RawConfig) -> Result<(String, Arc<dyn SubjectReader>), String>;
}
