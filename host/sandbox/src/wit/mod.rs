//! Between the contract's types and the host's.

pub(crate) mod batch;
pub(crate) mod error;
pub(crate) mod first;
pub(crate) mod info;
pub(crate) mod plain;
pub(crate) mod schema;
