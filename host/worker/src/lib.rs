//! The process: herder, task loops, storage, Kafka clients and the REST API. `main.rs` wires them together.

pub mod errors;
pub mod kafka;
pub mod task;
mod transforms;
