//! A registry as converters ask it. What was asked before is at hand and costs a look into a table; what was not is a wait,
//! which the task takes on its own time: converters never block.

mod config;
mod http;
mod oauth;
mod table;
mod tls;

use std::fmt;
use std::sync::Arc;

use millrace_record::convert::Wait;

pub use self::config::{ClientConfig, URL};
pub use self::http::{Failed, HttpClient, part};
use crate::{ParsedSchema, Reference, SchemaType};

/// An answer that is at hand, or the wait for it.
pub enum Asked<T> {
    Known(Result<T, RegistryError>),
    /// Ask again once it is over: the registry has not been asked, or cannot be reached now.
    Wait(Wait),
}

/// The registry's answer is no: the record that asks cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; error code: {code}")]
pub struct RegistryError {
    /// `error_code`: 40403, 42201, 409, ...
    pub code: i32,
    pub message: String,
}

/// A schema as a registry has it, with its references resolved.
#[derive(Debug)]
pub struct Registered {
    pub id: i32,
    /// Where it was asked for by subject.
    pub version: Option<i32>,
    pub text: Arc<str>,
    pub references: Vec<Reference>,
    pub parsed: ParsedSchema,
}

/// How the id of a schema is found: `auto.register.schemas`, `use.latest.version`, `normalize.schemas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Registration {
    /// False: only looked up.
    pub register: bool,
    pub normalize: bool,
}

/// A registry, with its caches. One for each set of registry settings of a worker, shared by its tasks.
pub trait SchemaClient: Send + Sync + fmt::Debug {
    /// The schema behind an id of the wire format. `subject` is where the id is first looked for, as contexts need it.
    fn by_id(&self, id: i32, subject: &str) -> Asked<Arc<Registered>>;
    /// The id of a schema in a subject, which is registered or looked up.
    fn id_of(
        &self,
        subject: &str,
        of: SchemaType,
        text: &Arc<str>,
        references: &[Reference],
        how: Registration,
    ) -> Asked<Arc<Registered>>;
    /// The newest version of a subject, not older than `latest.cache.ttl.sec` where that is set.
    fn latest(&self, subject: &str) -> Asked<Arc<Registered>>;
}

#[cfg(test)]
mod tests;
