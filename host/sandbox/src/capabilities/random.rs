//! `random`: bytes of the operating system's generator. Nothing is seeded, so nothing repeats between instances.

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::bindings::random::Host;
use crate::state::State;

/// The most bytes of one call.
const BYTES_MAX: u32 = 64 << 10;

impl Host for State {
    fn get_bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; len.min(BYTES_MAX) as usize];
        OsRng.try_fill_bytes(&mut bytes).map_err(wasmtime::Error::new)?;
        Ok(bytes)
    }

    fn get_u64(&mut self) -> wasmtime::Result<u64> {
        OsRng.try_next_u64().map_err(wasmtime::Error::new)
    }
}
