//! Keys and values that a task keeps from one run to the next, across restarts and crashes of the worker. Each task has its
//! own, and each transform of it, by alias; they go when the connector is deleted.
//!
//! What a call puts is seen at once, and stored just before the offsets of that call's records are; of a call that fails
//! nothing is kept. After a crash records may come again whose changes are there already: who must count them once puts the
//! offset of the last record counted into the same value as the count.
//!
//! Under `cargo test` each thread has a state.
//!
//! ```
//! # use millrace_plugin::{Error, state};
//! # fn f() -> Result<(), Error> {
//! let seen = state::get("seen").and_then(|v| Some(u64::from_le_bytes(v.try_into().ok()?))).unwrap_or(0);
//! state::put("seen", &(seen + 1).to_le_bytes())?;
//! # Ok(()) }
//! # f().unwrap();
//! ```

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::state as host;
pub use crate::bindings::host::millrace::plugin::state::{Entry, Page};

/// None: nothing is there.
pub fn get(key: &str) -> Option<Vec<u8>> {
    #[cfg(target_arch = "wasm32")]
    return host::get(key);
    #[cfg(not(target_arch = "wasm32"))]
    native::ENTRIES.with_borrow(|e| e.get(key).cloned())
}

/// In place of what was there. A key has at most 1 KiB, a value 512 KiB; all of it what `plugin.state.max.entries` and
/// `plugin.state.max.bytes` say, 100,000 and 16 MiB where they say nothing.
pub fn put(key: &str, value: &[u8]) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return host::put(key, value);
    #[cfg(not(target_arch = "wasm32"))]
    {
        native::ENTRIES.with_borrow_mut(|e| e.insert(key.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// Whether it was there.
pub fn delete(key: &str) -> bool {
    #[cfg(target_arch = "wasm32")]
    return host::delete(key);
    #[cfg(not(target_arch = "wasm32"))]
    native::ENTRIES.with_borrow_mut(|e| e.remove(key).is_some())
}

/// Entries whose keys begin with `prefix`, in the order of the keys' bytes, from the first behind `after`: at most `limit`,
/// 1,000 and about 4 MiB.
pub fn page(prefix: &str, after: Option<&str>, limit: u32) -> Page {
    #[cfg(target_arch = "wasm32")]
    return host::scan(prefix, after, limit);
    #[cfg(not(target_arch = "wasm32"))]
    native::page(prefix, after, limit as usize)
}

/// All entries whose keys begin with `prefix`, a page at a time. What is changed meanwhile may be seen or not.
pub fn scan(prefix: &str) -> impl Iterator<Item = Entry> {
    let (mut last, mut entries, mut more) = (None, Vec::new().into_iter(), true);
    let prefix = prefix.to_owned();
    std::iter::from_fn(move || {
        loop {
            if let Some(entry) = entries.next() {
                return Some(entry);
            }
            if !more {
                return None;
            }
            let page = page(&prefix, last.as_deref(), 1_000);
            more = page.more;
            last = page.entries.last().map(|e: &Entry| e.key.clone());
            entries = page.entries.into_iter();
        }
    })
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::{Entry, Page};

    thread_local! {
        pub static ENTRIES: RefCell<BTreeMap<String, Vec<u8>>> = RefCell::default();
    }

    pub fn page(prefix: &str, after: Option<&str>, limit: usize) -> Page {
        ENTRIES.with_borrow(|all| {
            let chosen = all.iter().filter(|(k, _)| k.starts_with(prefix) && after.is_none_or(|a| k.as_str() > a));
            let mut entries: Vec<_> = chosen.map(|(k, v)| Entry { key: k.clone(), value: v.clone() }).take(limit + 1).collect();
            let more = entries.len() > limit;
            entries.truncate(limit);
            Page { entries, more }
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_state() {
        for i in 0..1_500 {
            super::put(&format!("n/{i:04}"), &[1]).unwrap();
        }
        super::put("m", b"2").unwrap();
        assert_eq!(super::scan("n/").count(), 1_500);
        assert_eq!(super::scan("").next().unwrap().key, "m");
        assert!(super::page("n/", Some("n/1497"), 1).more && !super::page("n/", Some("n/1498"), 1).more);
        assert!(super::delete("m") && !super::delete("m") && super::get("m").is_none());
    }
}
