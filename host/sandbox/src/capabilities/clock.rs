//! `clock`: the time, and sleep that ends when the host has something to say.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings::clock::Host;
use crate::state::State;

impl Host for State {
    fn now_us(&mut self) -> wasmtime::Result<u64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(since.as_micros().try_into().unwrap_or(u64::MAX))
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        Ok(self.born.elapsed().as_nanos().try_into().unwrap_or(u64::MAX))
    }

    async fn sleep(&mut self, ms: u32) -> wasmtime::Result<bool> {
        let (waits, wake) = (self.waits.clone(), self.wake.clone());
        let slept = waits.on(async {
            tokio::select! {
                biased;
                () = wake.raised() => false,
                () = tokio::time::sleep(Duration::from_millis(ms.into())) => true,
            }
        });
        Ok(slept.await)
    }
}
