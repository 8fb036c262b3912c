//! `cache`: keys and values that the tasks of one connector share, lost when they stop.

use std::time::{Duration, Instant};

use crate::bindings::cache::Host;
use crate::bindings::types::{Error, ErrorKind};
use crate::state::State;
use crate::wit::error;

mod store;

pub(crate) use store::{Caches, Shared};

const KEY_BYTES_MAX: usize = 1 << 10;
const VALUE_BYTES_MAX: usize = 1 << 20;
const TTL_DEFAULT: Duration = Duration::from_secs(3_600);

/// Refused: more than one entry may have.
fn checked(key: &str, value: &[u8]) -> Result<(), Error> {
    let large = |what: &str, bytes: usize, most: usize| {
        let message = format!("cannot put into the cache: the {what} has {bytes} bytes, more than {most}");
        Err(error::new(ErrorKind::Fatal, "cache.too-large", message))
    };
    match (key.len(), value.len()) {
        (bytes, _) if bytes > KEY_BYTES_MAX => large("key", bytes, KEY_BYTES_MAX),
        (_, bytes) if bytes > VALUE_BYTES_MAX => large("value", bytes, VALUE_BYTES_MAX),
        _ => Ok(()),
    }
}

/// When an entry that is put now is gone.
fn until(now: Instant, ttl_ms: Option<u32>) -> Instant {
    now + ttl_ms.map_or(TTL_DEFAULT, |ms| Duration::from_millis(ms.into()))
}

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.owner.cache.lock().get(&key, Instant::now()))
    }

    fn put(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u32>) -> wasmtime::Result<Result<(), Error>> {
        let now = Instant::now();
        Ok(checked(&key, &value).map(|()| self.owner.cache.lock().put(key, value, until(now, ttl_ms))))
    }

    fn add(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u32>) -> wasmtime::Result<Result<bool, Error>> {
        let now = Instant::now();
        Ok(checked(&key, &value).map(|()| self.owner.cache.lock().add(key, value, now, until(now, ttl_ms))))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(self.owner.cache.lock().delete(&key, Instant::now()))
    }
}
