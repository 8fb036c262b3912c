//! What the worker has to do with schema registries.

pub mod clients;
mod embedded;
pub mod monitor;
mod storage;

pub use embedded::{Bound, Embedded, RegistrySettings};
