//! The PostgreSQL sink: takes records out of topics into tables.
//!
//! It owns what a record means to a table (which row, which columns, which types), the SQL it takes, and which records are
//! to blame when the server refuses. Sockets, TLS and passwords are the host's. What it answers as written is committed in
//! PostgreSQL; what it answers as failed is not in the table, and every other record of the batch is.

pub mod catalog;
pub mod connection;
pub mod defaults;
pub mod encode;
pub mod evolution;
pub mod evolving;
pub mod info;
pub mod json;
pub mod numeric;
pub mod offsets;
pub mod options;
pub mod plan;
pub mod planning;
pub mod reduce;
pub mod sql;
pub mod statements;
pub mod task;
pub mod time;
pub mod types;
pub mod widening;

mod component;
mod held;
mod writing;

millrace_plugin::export_sink!(component::PostgresSink);
