//! A cache that the tasks of one connector share, lost when they stop: at most 10,000 entries and 16 MiB, of which those not
//! used for longest go first. A transform's is its own, by alias.
//!
//! Under `cargo test` each thread has a cache, which forgets nothing by itself.

use std::time::Duration;

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::cache as host;

/// None: it is not there, or no longer.
pub fn get(key: &str) -> Option<Vec<u8>> {
    #[cfg(target_arch = "wasm32")]
    return host::get(key);
    #[cfg(not(target_arch = "wasm32"))]
    native::ENTRIES.with_borrow(|e| e.get(key).cloned())
}

/// In place of what was there, for `ttl`, else for an hour. A key of more than 1 KiB or a value of more than 1 MiB is refused.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn put(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return host::put(key, value, millis(ttl));
    #[cfg(not(target_arch = "wasm32"))]
    {
        native::ENTRIES.with_borrow_mut(|e| e.insert(key.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// As [`put`], but only where nothing is there; false: something is. Of tasks that add the same key at a time, one hears
/// true.
pub fn add(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return host::add(key, value, millis(ttl));
    #[cfg(not(target_arch = "wasm32"))]
    {
        let free = get(key).is_none();
        if free {
            put(key, value, ttl)?;
        }
        Ok(free)
    }
}

/// Whether it was there.
pub fn delete(key: &str) -> bool {
    #[cfg(target_arch = "wasm32")]
    return host::delete(key);
    #[cfg(not(target_arch = "wasm32"))]
    native::ENTRIES.with_borrow_mut(|e| e.remove(key).is_some())
}

#[cfg(target_arch = "wasm32")]
fn millis(ttl: Option<Duration>) -> Option<u32> {
    ttl.map(|t| t.as_millis().try_into().unwrap_or(u32::MAX))
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        pub static ENTRIES: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_cache() {
        super::put("a", b"1", None).unwrap();
        assert_eq!(super::get("a").as_deref(), Some(&b"1"[..]));
        assert!(!super::add("a", b"2", None).unwrap() && super::add("b", b"2", None).unwrap());
        assert!(super::delete("a") && !super::delete("a") && super::get("a").is_none());
    }
}
