//! The PostgreSQL source: brings the changes of tables in, as Debezium's connector does.
//!
//! It owns what to ask a server for (publication, slot, snapshot), what its messages mean, and what a resumed task starts
//! from. Sockets, TLS and passwords are the host's. It tells the server to release its log only up to what the host has
//! committed, and a place to resume from is exact: nothing before it is given again, nothing after it is left out.

pub mod catalog;
pub mod position;
pub mod types;
pub mod wal;
