//! `state`: keys and values that a task keeps from one run to the next. The task makes them durable.

use millrace_record::StateFull;

use crate::bindings::state::{Entry, Host, Page};
use crate::bindings::types::{Error, ErrorKind};
use crate::state::State;
use crate::wit::error;

const KEY_BYTES_MAX: usize = 1 << 10;
/// Well within what a log takes as one record.
const VALUE_BYTES_MAX: usize = 512 << 10;
/// Of one page.
const ENTRIES_MAX: usize = 1_000;
const PAGE_BYTES_MAX: usize = 4 << 20;

/// The settings that bound a state.
pub(crate) const MAX_BYTES: &str = "plugin.state.max.bytes";
pub(crate) const MAX_ENTRIES: &str = "plugin.state.max.entries";

/// Refused: more than one entry may have.
fn checked(key: &str, value: &[u8]) -> Result<(), Error> {
    let large = |what: &str, bytes: usize, most: usize| {
        let message =
            format!("cannot put into the state: the {what} has {bytes} bytes, more than {most}; spread it over more keys");
        Err(error::new(ErrorKind::Fatal, "state.too-large", message))
    };
    match (key.len(), value.len()) {
        (bytes, _) if bytes > KEY_BYTES_MAX => large("key", bytes, KEY_BYTES_MAX),
        (_, bytes) if bytes > VALUE_BYTES_MAX => large("value", bytes, VALUE_BYTES_MAX),
        _ => Ok(()),
    }
}

impl State {
    fn full(&self, why: StateFull) -> Error {
        let key = match why {
            StateFull::Entries(_) => MAX_ENTRIES,
            StateFull::Bytes { .. } => MAX_BYTES,
        };
        let key = self.owner.setting(key);
        error::config(
            "state.full",
            Some(&key),
            format!("cannot put into the state: {why}; raise \"{key}\", or let the plugin delete what it no longer needs"),
        )
    }
}

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.owner.services.state.get(&key).map(|value| value.to_vec()))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        let put = checked(&key, &value).and_then(|()| self.owner.services.state.put(&key, value).map_err(|why| self.full(why)));
        Ok(put)
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(self.owner.services.state.delete(&key))
    }

    fn scan(&mut self, prefix: String, after: Option<String>, limit: u32) -> wasmtime::Result<Page> {
        let limit = ENTRIES_MAX.min(limit as usize);
        let page = self.owner.services.state.scan(&prefix, after.as_deref(), limit, PAGE_BYTES_MAX);
        let entries = page.entries.into_iter().map(|(key, value)| Entry { key: (*key).to_owned(), value: value.to_vec() });
        Ok(Page { entries: entries.collect(), more: page.more })
    }
}
