//! The caches of a sandbox: one for the tasks of a connector, bounded in entries and bytes. What was not used for longest
//! goes first; what is too old is never given, and goes with the others when its turn comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

const ENTRIES_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;
/// What an entry costs beside its key and value, about.
const ENTRY_BYTES: usize = 128;

/// A cache, held by each task that shares it; it goes with the last.
pub(crate) type Shared = Arc<Mutex<Cache>>;

/// Whose a cache is: connector, a transform's alias, plugin.
type Whose = (String, Option<String>, Arc<str>);

/// All caches of a sandbox.
#[derive(Default)]
pub(crate) struct Caches(Mutex<HashMap<Whose, Weak<Mutex<Cache>>>>);

impl Caches {
    /// The cache of a connector's plugin, which is made where no task has it.
    pub fn shared(&self, connector: &str, alias: Option<&str>, plugin: &Arc<str>) -> Shared {
        let mut caches = self.0.lock();
        let whose = (connector.to_owned(), alias.map(str::to_owned), plugin.clone());
        if let Some(shared) = caches.get(&whose).and_then(Weak::upgrade) {
            return shared;
        }
        caches.retain(|_, cache| cache.strong_count() > 0);
        let shared = Shared::default();
        caches.insert(whose, Arc::downgrade(&shared));
        shared
    }
}

#[derive(Default)]
pub(crate) struct Cache {
    entries: HashMap<Arc<str>, Entry>,
    /// Keys by when they were last used.
    used: BTreeMap<u64, Arc<str>>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    value: Vec<u8>,
    until: Instant,
    used: u64,
}

impl Cache {
    pub fn get(&mut self, key: &str, now: Instant) -> Option<Vec<u8>> {
        let entry = self.entries.get_mut(key)?;
        if entry.until <= now {
            self.remove(key);
            return None;
        }
        let name = self.used.remove(&entry.used)?;
        self.uses += 1;
        entry.used = self.uses;
        self.used.insert(self.uses, name);
        Some(entry.value.clone())
    }

    pub fn put(&mut self, key: String, value: Vec<u8>, until: Instant) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += cost(&key, &value);
        let key: Arc<str> = key.into();
        self.used.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { value, until, used: self.uses });
        while (self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX)
            && let Some((_, oldest)) = self.used.first_key_value()
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    /// False: something is there.
    pub fn add(&mut self, key: String, value: Vec<u8>, now: Instant, until: Instant) -> bool {
        if self.entries.get(key.as_str()).is_some_and(|e| e.until > now) {
            return false;
        }
        self.put(key, value, until);
        true
    }

    /// Whether it was there.
    pub fn delete(&mut self, key: &str, now: Instant) -> bool {
        self.remove(key).is_some_and(|e| e.until > now)
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.used.remove(&entry.used);
        self.bytes -= cost(key, &entry.value);
        Some(entry)
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn entries_live_until_their_time() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let later = |s: u64| now + Duration::from_secs(s);
        cache.put("a".into(), vec![1], later(10));
        assert_eq!(cache.get("a", later(9)), Some(vec![1]));
        assert!(!cache.add("a".into(), vec![2], later(9), later(20)));
        assert_eq!(cache.get("a", later(10)), None);
        assert!(cache.add("a".into(), vec![3], later(10), later(20)));
        assert!(cache.delete("a", later(11)) && !cache.delete("a", later(11)));
        cache.put("a".into(), vec![4], later(5));
        assert!(!cache.delete("a", later(5)));
        assert_eq!((cache.bytes, cache.used.len(), cache.entries.len()), (0, 0, 0));
    }

    #[test]
    fn what_is_unused_for_longest_goes_first() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        for i in 0..ENTRIES_MAX {
            cache.put(i.to_string(), Vec::new(), until);
        }
        assert!(cache.get("0", now).is_some());
        cache.put("more".into(), Vec::new(), until);
        assert!(cache.get("0", now).is_some() && cache.get("1", now).is_none() && cache.get("2", now).is_some());
        for i in 0..40 {
            cache.put(format!("large {i}"), vec![0; 1 << 20], until);
            assert!(cache.bytes <= BYTES_MAX && cache.entries.len() <= ENTRIES_MAX);
        }
        assert!(cache.get("large 39", now).is_some() && cache.get("large 0", now).is_none() && cache.get("0", now).is_none());
        assert_eq!(cache.entries.len(), cache.used.len());
        assert_eq!(cache.bytes, cache.entries.iter().map(|(k, e)| cost(k, &e.value)).sum::<usize>());
    }

    #[test]
    fn connectors_do_not_share() {
        let caches = Caches::default();
        let plugin: Arc<str> = "p".into();
        let one = caches.shared("a", None, &plugin);
        assert!(Arc::ptr_eq(&one, &caches.shared("a", None, &plugin)));
        for other in
            [caches.shared("b", None, &plugin), caches.shared("a", Some("t"), &plugin), caches.shared("a", None, &"q".into())]
        {
            assert!(!Arc::ptr_eq(&one, &other));
        }
        one.lock().put("k".into(), vec![1], Instant::now() + Duration::from_secs(60));
        drop(one);
        assert!(caches.shared("a", None, &plugin).lock().get("k", Instant::now()).is_none());
        assert_eq!(caches.0.lock().len(), 1);
    }
}
