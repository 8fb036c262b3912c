//! What start needs to know of a partition so that it reads only the tail of the log.
//!
//! Two files: `checkpoint` is right as long as the machine did not restart, since the page cache outlives a killed
//! process; `checkpoint.synced` names only what was synced to the disk and is right always.

use super::codec::{Decoder, Encoder};
use super::file::write_whole;
use super::producers::Producers;
use std::path::Path;

const MAGIC: u32 = 0x4d52_4331;

/// The state of a partition when the batch at `position` of the segment at `segment_base` was yet to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub segment_base: i64,
    pub position: u64,
    pub next_offset: i64,
    pub max_timestamp: i64,
    pub first_append_ms: i64,
    /// Entries of the segment's index that are in its file.
    pub index_entries: u32,
    pub producers: Producers,
}

/// Names the boot of this machine; empty where the system does not say, and then nothing unsynced is trusted.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

impl Checkpoint {
    pub fn encode(&self, boot_id: &str) -> Vec<u8> {
        let mut out = Encoder::default();
        out.u32(MAGIC).str(boot_id).i64(self.segment_base).u64(self.position).i64(self.next_offset);
        out.i64(self.max_timestamp).i64(self.first_append_ms).u32(self.index_entries);
        self.producers.encode(&mut out);
        let checksum = crc32c::crc32c(out.as_slice());
        out.u32(checksum);
        out.into_vec()
    }

    fn decode(bytes: &[u8], boot_id: Option<&str>) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let mut from = Decoder::new(body);
        if from.u32()? != MAGIC {
            return None;
        }
        let written_in = from.str()?;
        if boot_id.is_some_and(|boot_id| boot_id.is_empty() || boot_id != written_in) {
            return None;
        }
        Some(Self {
            segment_base: from.i64()?,
            position: from.u64()?,
            next_offset: from.i64()?,
            max_timestamp: from.i64()?,
            first_append_ms: from.i64()?,
            index_entries: from.u32()?,
            producers: Producers::decode(&mut from)?,
        })
    }

    /// The best checkpoint of a partition that can be trusted after this start.
    pub fn load(dir: &Path, boot_id: &str) -> Option<Self> {
        let read = |name: &str, boot_id| Self::decode(&std::fs::read(dir.join(name)).ok()?, boot_id);
        read("checkpoint", Some(boot_id)).or_else(|| read("checkpoint.synced", None))
    }
}

/// Stores an encoded checkpoint.
pub fn store(dir: &Path, encoded: &[u8], synced: bool) -> std::io::Result<()> {
    write_whole(&dir.join(if synced { "checkpoint.synced" } else { "checkpoint" }), encoded, synced)
}
