//! Partitions on disk: segment files of record batches as received, their indexes and checkpoints.
//!
//! Knows nothing of requests or connections.

pub mod batch;
mod checkpoint;
pub mod codec;
pub mod compaction;
mod compression;
mod file;
mod index;
mod partition;
mod producers;
mod read;
pub mod records;
mod recover;
mod retention;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod waiters;

pub use checkpoint::boot_id;
pub use file::write_whole;
pub use partition::{Appended, Bounds, Partition};
pub use read::{ReadError, Slice};

/// The index of a segment has an entry for every so many bytes of log.
const INDEX_INTERVAL_BYTES: u64 = 8 << 10;
