//! The process: herder, task loops, storage, Kafka clients and the REST API. `main.rs` wires them together.

pub mod config;
pub mod dlq;
pub mod errors;
pub mod herder;
pub mod invariants;
pub mod kafka;
pub mod loggers;
pub mod metrics;
pub mod pattern;
pub mod plugins;
pub mod providers;
pub mod registry;
pub mod rest;
pub mod secrets;
pub mod storage;
pub mod task;
mod transforms;
pub mod worker;
