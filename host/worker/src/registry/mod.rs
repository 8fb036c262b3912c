//! What the worker has to do with schema registries.

pub mod clients;
pub mod monitor;
