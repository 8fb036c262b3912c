//! The worker's state in Connect's three internal topics, in Connect's formats, so that an existing cluster's topics can
//! be taken over.
//!
//! The state is read once, to the end, at start; from then on this worker is the only writer and keeps in memory what it
//! has written. Invariant durable-before-answer: a change is applied, and the caller answered, only after the log has
//! acknowledged it. Statuses alone are written behind the caller's back: losing one loses no data.

pub mod configs;
mod format;
mod log;
pub mod offsets;
pub mod plugin_state;
pub mod status;
pub mod watch;

pub use format::{DataDir, FormatError, STATE_FORMAT};
pub use log::{Entry, StateLog, StorageError};
