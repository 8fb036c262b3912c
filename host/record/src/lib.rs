//! What a record is, and what every other crate agrees on: batches in row format 1, schemas, converters, configuration
//! definitions, error classes, and the traits [`SourceTask`], [`SinkTask`] and [`Transform`] with the [`Plugin`] that
//! makes them.
//!
//! Pure: no runtime, no network, no WebAssembly. Most unit and property tests of the project live here.

mod batch;
pub mod config;
pub mod convert;
pub mod decimal;
mod error;
mod json;
pub mod patch;
mod plugin;
mod schema;
mod select;
mod state;
pub mod view;

pub use batch::{Batch, InvalidBatch};
pub use convert::{Fitter, default_row};
pub use error::{ErrorKind, RecordFailure, TaskError};
pub use plugin::{
    Binding, Committed, Flushed, LateFailure, LogRecord, LogWriter, Mark, Needed, Outcome, Plugin, PluginInfo, PluginKind,
    Polled, RawConfig, Services, SinkTask, SourceOffset, SourceTask, TaskContext, TopicOffset, TopicPartition, Transform, Wake,
};
pub use schema::{Field, Kind, Quota, Schema, Schemas, TooManySchemas};
pub use state::{KeyedState, Siblings, StateChanges, StateFull, StateLimits, StatePage};

pub use millrace_row as row;

/// Values as Java prints them.
pub mod java {
    pub use crate::convert::to_string;
    pub use crate::json::{java_f32, java_f64};
}

/// The calendar that Connect's dates and times are counted in.
pub mod calendar {
    pub use crate::convert::logical::{DAY_MS, civil, clock, days};
}

/// JSON texts: scanning without a tree, and writing as Jackson does.
pub mod json_text {
    pub use crate::json::{Bad, NodeType, Scanner, base64_decoded, base64_into, base64_quoted, float, integer, members, quoted};
}
