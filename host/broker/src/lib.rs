//! The embedded broker: Kafka's protocol on loopback over durable segment files.
//!
//! It is the log of a single machine, for librdkafka and any other Kafka client, and never pretends to be a cluster: who
//! outgrows one machine points `bootstrap.servers` at Kafka and changes nothing else. It knows nothing of connectors.
//!
//! Promises: a record is in its file before it is acknowledged, so a killed process loses none; a change of metadata or
//! of a committed offset is in the journal before a client sees it; bytes from a client never end the process.

mod apis;
mod broker;
mod config;
mod connection;
mod data_dir;
mod error;
mod groups;
mod guard;
mod journal;
mod log;
mod topics;
mod transactions;

pub use broker::Broker;
pub use config::{BrokerConfig, Flush, Limits};
pub use error::{JournalError, StartError};
