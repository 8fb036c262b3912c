//! How much memory an instance may have.

use wasmtime::ResourceLimiter;

/// Table entries of an instance, over all its tables.
const TABLE_ELEMENTS_MAX: usize = 200_000;
/// What a guest may hand over in one call, as the host would have to keep it: texts that are one in the guest are many here.
/// A batch, the largest thing that is handed over, has half of it.
pub(crate) const HANDED_BYTES_MAX: usize = 128 << 20;

/// Handles that a guest may hold at a time, of all kinds.
pub(crate) const HANDLES_MAX: usize = 1_000;
/// Of them, those of files and connections: the system has few, for all tasks of the worker.
pub(crate) const OPEN_MAX: usize = 64;

/// The limits of one store. A refused growth is an ordinary answer to the guest; it is kept for the message, should the
/// guest break on it.
#[derive(Debug)]
pub(crate) struct Limits {
    pub memory_bytes_max: u64,
    used: u64,
    /// The growth last refused, in bytes.
    pub refused: Option<u64>,
}

impl Limits {
    pub fn new(memory_bytes_max: u64) -> Self {
        Limits { memory_bytes_max, used: 0, refused: None }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used - (current as u64).min(self.used) + desired as u64;
        if wanted > self.memory_bytes_max {
            self.refused = Some(wanted);
            return Ok(false);
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
