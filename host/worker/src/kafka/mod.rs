//! Kafka clients: one code path for a user's cluster and for the embedded broker.

pub mod admin;
pub mod client;
pub mod client_keys;
pub mod consumer;
mod enqueue;
pub mod groups;
pub mod java;
mod native;
pub mod outgoing;
pub mod plugin_log;
pub mod producer;
mod repeats;
pub mod reread;
pub mod subscription;
pub mod topic_name;
pub mod transaction;
