//! The PostgreSQL source: brings the changes of tables in, as Debezium's connector does.
//!
//! It owns what to ask a server for (publication, slot, snapshot), what its messages mean, and what a resumed task starts
//! from. Sockets, TLS and passwords are the host's. It tells the server to release its log only up to what the host has
//! committed, and a place to resume from is exact: nothing before it is given again, nothing after it is left out.

pub mod catalog;
pub mod connection;
pub mod copy;
pub mod ddl;
pub mod emit;
pub mod envelope;
pub mod filter;
pub mod heartbeat;
pub mod info;
pub mod options;
pub mod plan;
pub mod position;
pub mod schema_changes;
pub mod setup;
pub mod shape;
pub mod snapshot;
pub mod stream;
pub mod tables;
pub mod task;
pub mod transactions;
pub mod types;
pub mod wal;

mod component;

millrace_plugin::export_source!(component::PostgresSource);
