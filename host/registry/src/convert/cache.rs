//! What converters remember: schemas as they were mapped, and what they were compiled to for a topic. Both hold no more than
//! `schemas.cache.config` says; a full one starts anew, for schemas are few and what is missing is only compiled again.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Index;

use super::Settings;

/// How many a converter keeps of each kind: `schemas.cache.config`.
pub fn cache_max(settings: &Settings<'_>) -> Result<usize, String> {
    Ok(usize::try_from(settings.integer("schemas.cache.config", 1000)?).unwrap_or(0).max(1))
}

/// A map of no more than so many entries.
pub struct Bounded<K, V> {
    all: HashMap<K, V>,
    max: usize,
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    pub fn new(max: usize) -> Self {
        Bounded { all: HashMap::new(), max }
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.all.get(key)
    }

    pub fn put(&mut self, key: K, value: V) {
        if self.all.len() >= self.max {
            self.all.clear();
        }
        self.all.insert(key, value);
    }
}

/// What was compiled, by a key and the topic. A record of the same two as the record before it costs two comparisons.
pub struct Compiled<K, V> {
    all: Vec<Entry<K, V>>,
    places: HashMap<K, HashMap<Box<str>, usize>>,
    last: usize,
    max: usize,
}

struct Entry<K, V> {
    key: K,
    topic: Box<str>,
    value: V,
}

/// Where something compiled stands until the next [`Compiled::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

impl<K: Copy + Eq + Hash, V> Compiled<K, V> {
    pub fn new(max: usize) -> Self {
        Compiled { all: Vec::new(), places: HashMap::new(), last: 0, max }
    }

    #[inline]
    pub fn find(&mut self, key: K, topic: &str) -> Option<Place> {
        if let Some(last) = self.all.get(self.last)
            && last.key == key
            && *last.topic == *topic
        {
            return Some(Place(self.last));
        }
        self.last = *self.places.get(&key)?.get(topic)?;
        Some(Place(self.last))
    }

    /// Takes the place of what there was for the key and topic.
    pub fn put(&mut self, key: K, topic: &str, value: V) -> Place {
        if let Some(known) = self.find(key, topic) {
            self.all[known.0].value = value;
            return known;
        }
        if self.all.len() >= self.max {
            self.all.clear();
            self.places.clear();
        }
        self.last = self.all.len();
        self.all.push(Entry { key, topic: topic.into(), value });
        self.places.entry(key).or_default().insert(topic.into(), self.last);
        Place(self.last)
    }
}

impl<K, V> Index<Place> for Compiled<K, V> {
    type Output = V;

    #[inline]
    fn index(&self, place: Place) -> &V {
        &self.all[place.0].value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_is_found_by_key_and_topic() {
        let mut compiled = Compiled::new(3);
        assert_eq!(compiled.find(1, "a"), None);
        for (key, topic) in [(1, "a"), (1, "b"), (2, "a")] {
            compiled.put(key, topic, format!("{key}{topic}"));
        }
        for (key, topic) in [(1, "a"), (2, "a"), (2, "a"), (1, "b"), (1, "a")] {
            let place = compiled.find(key, topic).expect("it was put");
            assert_eq!(compiled[place], format!("{key}{topic}"));
        }
        assert_eq!(compiled.find(2, "b"), None);
        let place = compiled.put(1, "b", "new".into());
        assert_eq!(compiled[place], "new");
        assert!(compiled.find(2, "a").is_some());
        // A fourth: all others are forgotten.
        compiled.put(2, "b", "four".into());
        assert_eq!((compiled.find(1, "a"), compiled.find(2, "a"), compiled.find(1, "b")), (None, None, None));
        let place = compiled.find(2, "b").expect("it was put");
        assert_eq!(compiled[place], "four");
    }

    #[test]
    fn a_full_map_starts_anew() {
        let mut map = Bounded::new(2);
        map.put("a".to_owned(), 1);
        map.put("b".to_owned(), 2);
        assert_eq!((map.get("a"), map.get("b")), (Some(&1), Some(&2)));
        map.put("c".to_owned(), 3);
        assert_eq!((map.get("a"), map.get("b"), map.get("c")), (None, None, Some(&3)));
    }

    #[test]
    fn the_setting_says_how_many() {
        for (value, max) in [("", Ok(1000)), ("20", Ok(20)), ("0", Ok(1)), ("-4", Ok(1)), ("many", Err(()))] {
            let config = [("schemas.cache.config", value)].into_iter().filter(|(_, v)| !v.is_empty());
            let config = config.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(cache_max(&Settings::without_empty(&config)).map_err(drop), max, "{value}");
        }
    }
}
