//! Kafka clients: one code path for a user's cluster and for the embedded broker.

pub mod consumer;
pub mod producer;
