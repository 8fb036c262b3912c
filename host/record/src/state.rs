//! What a task's plugin keeps from one run to the next: a bounded table of keys and values, what changed in it since it was
//! last taken, and the way back to where it was then. Whoever runs the task makes it durable; this knows of no log.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// What an entry costs beside its key and value, about.
const ENTRY_BYTES: u64 = 128;

/// The most that a state may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    pub entries: u64,
    /// Of keys and values, and a little for each entry.
    pub bytes: u64,
}

impl Default for StateLimits {
    fn default() -> Self {
        StateLimits { entries: 100_000, bytes: 16 << 20 }
    }
}

/// Why nothing was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateFull {
    #[error("it has {0} entries, as many as it may have")]
    Entries(u64),
    #[error("it would have {wanted} bytes, more than the {most} that it may have")]
    Bytes { wanted: u64, most: u64 },
}

/// Keys and what they have now; none: deleted.
pub type StateChanges = HashMap<Arc<str>, Option<Bytes>>;

/// What the other tasks of the connector have stored for the same plugin.
pub trait Siblings: std::fmt::Debug + Send + Sync {
    /// Entries whose keys begin with `prefix`; a key comes as often as tasks have it.
    fn scan(&self, prefix: &str) -> Vec<(Arc<str>, Bytes)>;
}

/// The state of one task's plugin. Cloning shares it: a plugin's instance changes what its task takes.
#[derive(Debug, Clone, Default)]
pub struct KeyedState(Arc<Mutex<Table>>, Option<Arc<dyn Siblings>>);

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<Arc<str>, Bytes>,
    bytes: u64,
    limits: StateLimits,
    /// What the keys had that were changed since the last `take` or `undo`.
    before: StateChanges,
    /// How often changes were undone.
    undone: u64,
}

/// Entries in the order of their keys, and whether there are more behind the last.
#[derive(Debug, Default, PartialEq)]
pub struct StatePage {
    pub entries: Vec<(Arc<str>, Bytes)>,
    pub more: bool,
}

impl KeyedState {
    /// With what is stored. Cheap where that is empty.
    pub fn new(entries: BTreeMap<Arc<str>, Bytes>) -> Self {
        let bytes = entries.iter().map(|(k, v)| cost(k, v)).sum();
        KeyedState(Arc::new(Mutex::new(Table { entries, bytes, ..Table::default() })), None)
    }

    /// Beside those of other tasks.
    pub fn beside(self, siblings: Arc<dyn Siblings>) -> Self {
        KeyedState(self.0, Some(siblings))
    }

    /// What other tasks of the connector have stored under keys that begin with `prefix`, as it is now.
    pub fn siblings(&self, prefix: &str) -> Vec<(Arc<str>, Bytes)> {
        self.1.as_ref().map(|siblings| siblings.scan(prefix)).unwrap_or_default()
    }

    /// What is there beyond the limits stays, and nothing is added to it.
    pub fn limit(&self, limits: StateLimits) {
        self.0.lock().limits = limits;
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.lock().entries.get(key).cloned()
    }

    /// In place of what was there.
    pub fn put(&self, key: &str, value: impl Into<Bytes>) -> Result<(), StateFull> {
        let (table, value) = (&mut *self.0.lock(), value.into());
        let old = table.entries.get(key).map(|old| cost(key, old));
        let wanted = table.bytes - old.unwrap_or(0) + cost(key, &value);
        if wanted > table.limits.bytes && wanted > table.bytes {
            return Err(StateFull::Bytes { wanted, most: table.limits.bytes });
        }
        let entries = table.entries.len() as u64;
        if old.is_none() && entries >= table.limits.entries {
            return Err(StateFull::Entries(entries));
        }
        table.set(key.into(), Some(value));
        Ok(())
    }

    /// Whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        let mut table = self.0.lock();
        let there = table.entries.contains_key(key);
        if there {
            table.set(key.into(), None);
        }
        there
    }

    /// Those whose keys begin with `prefix` and come after `after`: at most `limit`, and at most `bytes` of them unless it is one.
    pub fn scan(&self, prefix: &str, after: Option<&str>, limit: usize, bytes: usize) -> StatePage {
        let table = self.0.lock();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let (mut page, mut size) = (StatePage::default(), 0);
        for (key, value) in table.entries.range::<str, _>((from, Bound::Unbounded)).take_while(|(k, _)| k.starts_with(prefix)) {
            size += key.len() + value.len();
            if page.entries.len() >= limit || (size > bytes && !page.entries.is_empty()) {
                page.more = true;
                break;
            }
            page.entries.push((key.clone(), value.clone()));
        }
        page
    }

    /// What changed since it was last asked. From here on there is no way back behind it.
    pub fn take(&self) -> StateChanges {
        let table = &mut *self.0.lock();
        let before = std::mem::take(&mut table.before);
        let changed = before.into_iter().filter_map(|(key, before)| {
            let now = table.entries.get(&key).cloned();
            (now != before).then_some((key, now))
        });
        changed.collect()
    }

    /// Back to what it was when its changes were last taken.
    pub fn undo(&self) {
        let table = &mut *self.0.lock();
        table.undone += u64::from(!table.before.is_empty());
        for (key, before) in std::mem::take(&mut table.before) {
            table.set(key, before);
        }
        table.before.clear();
    }

    /// How often it went back: who remembers what he has put looks whether it is still so.
    pub fn undone(&self) -> u64 {
        self.0.lock().undone
    }
}

impl Table {
    fn set(&mut self, key: Arc<str>, value: Option<Bytes>) {
        let before = match &value {
            Some(value) => {
                self.bytes += cost(&key, value);
                self.entries.insert(key.clone(), value.clone())
            }
            None => self.entries.remove(&key),
        };
        if let Some(before) = &before {
            self.bytes -= cost(&key, before);
        }
        self.before.entry(key).or_insert(before);
    }
}

fn cost(key: &str, value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64 + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(entries: &[(&str, &str)]) -> KeyedState {
        KeyedState::new(entries.iter().map(|(k, v)| ((*k).into(), Bytes::copy_from_slice(v.as_bytes()))).collect())
    }

    fn taken(state: &KeyedState) -> Vec<(String, Option<String>)> {
        let text = |v: Bytes| String::from_utf8(v.to_vec()).unwrap();
        let mut taken: Vec<_> = state.take().into_iter().map(|(k, v)| (k.to_string(), v.map(text))).collect();
        taken.sort();
        taken
    }

    #[test]
    fn what_changed_is_taken_once() {
        let state = state(&[("a", "1"), ("b", "2")]);
        state.put("a", "3").unwrap();
        state.put("a", "4").unwrap();
        assert!(state.delete("b") && !state.delete("b"));
        state.put("c", "").unwrap();
        state.put("d", "5").unwrap();
        state.delete("d");
        assert_eq!(taken(&state), [("a".into(), Some("4".into())), ("b".into(), None), ("c".into(), Some(String::new()))]);
        assert_eq!(taken(&state), []);
    }

    #[test]
    fn it_pages_by_prefix() {
        let state = state(&[("a", "1"), ("b/1", "2"), ("b/2", "3"), ("b/3", "4"), ("c", "5")]);
        let keys = |page: StatePage| (page.entries.iter().map(|(k, _)| k.to_string()).collect::<Vec<_>>(), page.more);
        assert_eq!(keys(state.scan("b/", None, 2, 100)), (vec!["b/1".into(), "b/2".into()], true));
        assert_eq!(keys(state.scan("b/", Some("b/2"), 2, 100)), (vec!["b/3".into()], false));
        assert_eq!(keys(state.scan("b/", Some("a"), 9, 1)), (vec!["b/1".into()], true));
        assert_eq!(keys(state.scan("b/", Some("c"), 9, 100)), (vec![], false));
        assert_eq!(keys(state.scan("", None, 9, 100)).0.len(), 5);
        assert_eq!(keys(state.scan("x", None, 0, 0)), (vec![], false));
    }

    #[test]
    fn it_is_bounded() {
        let state = KeyedState::default();
        state.limit(StateLimits { entries: 2, bytes: 2 * ENTRY_BYTES + 10 });
        state.put("a", "1234").unwrap();
        assert_eq!(state.put("b", "123456").unwrap_err(), StateFull::Bytes { wanted: 268, most: 266 });
        state.put("b", "1").unwrap();
        assert_eq!(state.put("c", "").unwrap_err(), StateFull::Bytes { wanted: 392, most: 266 });
        state.limit(StateLimits { entries: 2, bytes: 1 << 20 });
        assert_eq!(state.put("c", "").unwrap_err(), StateFull::Entries(2));
        state.put("a", "12345").unwrap();
        // What is beyond a limit that was lowered may shrink.
        state.limit(StateLimits { entries: 1, bytes: 1 });
        state.put("a", "1").unwrap();
        assert!(state.delete("a"));
    }

    proptest! {
        #[test]
        fn undoing_leads_back(
            stored in prop::collection::btree_map("[a-d]", "[0-9]{0,3}", 0..4),
            kept in prop::collection::vec(("[a-f]", prop::option::of("[0-9]{0,3}")), 0..8),
            lost in prop::collection::vec(("[a-f]", prop::option::of("[0-9]{0,3}")), 0..8),
        ) {
            let bytes = |v: &String| Bytes::copy_from_slice(v.as_bytes());
            let state = KeyedState::new(stored.iter().map(|(k, v)| (k.as_str().into(), bytes(v))).collect());
            let mut model: BTreeMap<Arc<str>, Bytes> = stored.iter().map(|(k, v)| (k.as_str().into(), bytes(v))).collect();
            let change = |key: &str, value: &Option<String>| match value {
                Some(value) => state.put(key, bytes(value)).unwrap(),
                None => drop(state.delete(key)),
            };
            for (key, value) in &kept {
                change(key, value);
            }
            for (key, value) in state.take() {
                match value {
                    Some(value) => drop(model.insert(key, value)),
                    None => drop(model.remove(&key)),
                }
            }
            for (key, value) in &lost {
                change(key, value);
            }
            state.undo();
            let table = state.0.lock();
            prop_assert_eq!(&table.entries, &model);
            prop_assert_eq!(table.bytes, model.iter().map(|(k, v)| cost(k, v)).sum::<u64>());
            prop_assert!(table.before.is_empty());
        }
    }
}
