//! Write sources, sinks and transforms for Millrace in Rust.
//!
//! Implement [`Source`], [`Sink`], [`Transform`] or [`PlainTransform`] for a type, name it in [`export_source!`],
//! [`export_sink!`], [`export_transform!`] or [`export_plain!`], and run `millrace plugin build`. One value of the type is one task. `README.md` beside this
//! crate goes through it step by step.
//!
//! Everything but the capabilities `postgres`, `http`, `redis` and `secrets` also works under plain `cargo test`: schemas are interned in a table of the
//! thread, log lines go to the terminal, files are real files, and a [`Batch`] is made from rows.

#[doc(hidden)]
pub mod bindings;

pub mod alerts;
mod batch;
pub mod cache;
pub mod clock;
mod columns;
mod config;
pub mod edit;
mod error;
mod export;
pub mod files;
pub mod http;
mod info;
pub mod kafka;
pub mod log;
pub mod metrics;
mod plain;
pub mod postgres;
pub mod random;
pub mod redis;
pub mod schema;
pub mod secrets;
mod sink;
mod source;
pub mod state;
mod transform;

pub use batch::{Batch, Column, ColumnData, ColumnStyle, Packed};
pub use bindings::offsets::exports::millrace::plugin::offsets::Altered;
pub use columns::{PackedColumn, PackedWriter};
pub use config::{Config, ConfigIssue, ConfigKey, ConfigType, Importance, Width};
pub use error::{Error, ErrorKind, RecordFailure};
pub use info::{Binding, PluginInfo, PluginKind, TaskContext};
pub use millrace_row::{self as row, BatchWriter, Record, RecordMeta, Row, RowBuf, RowMark};
pub use plain::{PlainFailure, PlainOutcome, PlainRecord, PlainTransform};
pub use schema::{Field, Kind, Schema};
pub use sink::{Flushed, LateFailure, Sink, TopicOffset, TopicPartition, idempotency_key};
pub use source::{Document, Encoded, Mark, Polled, Source, SourceOffset};
pub use transform::{Outcome, Output, Patch, Replacement, Transform};

#[doc(hidden)]
pub use plain::{PlainExport, PlainSlot};
#[doc(hidden)]
pub use sink::{SinkExport, SinkSlot};
#[doc(hidden)]
pub use source::{SourceExport, SourceSlot};
#[doc(hidden)]
pub use transform::{TransformExport, TransformSlot};
