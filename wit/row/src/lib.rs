//! Row format 1 (`wit/ROW-FORMAT.md`): reads and writes the one buffer that holds a batch of records.
//!
//! It is the host's own form of decoded records and the form in which a batch crosses into a plugin, so both the
//! host and the Rust SDK use this crate. It knows bytes and slots, never schemas: what a slot means is said by the
//! schema whose id the record carries.
//!
//! Reading is bounds-checked and never panics on a buffer that passed [`Batch::parse`] for the record heads; a row's
//! slots are checked as they are read, and what lies outside the row reads as empty. The host checks slots against
//! the schema once, for buffers that come from a guest.

mod read;
mod write;

pub use read::{Batch, Header, Headers, Malformed, Record, Row};
pub use write::{BatchWriter, RecordMeta, RowBuf, RowMark};

/// The format's number, as in `task-context.row-format`.
pub const FORMAT: u32 = 1;
/// In a length: null. In a schema id: schemaless.
pub const NONE: u32 = u32::MAX;
/// In a record's timestamp: none.
pub const NO_TIMESTAMP: i64 = i64::MIN;

const BATCH_HEAD: usize = 16;
const RECORD_HEAD: usize = 48;

#[cfg(test)]
mod tests;
