//! What a task has let through of each partition of the log, and where: in memory, and in chunks in the task's state.
//!
//! A record is dropped only where its equal came from an earlier offset of the same partition. So what is read again from the
//! same place, after a kill, a failed put or by an operator's wish, is let through again: the window never stands between a
//! record and a sink that does not have it, however far the state is ahead of the committed offsets.
//!
//! What other tasks of the connector have kept of a partition is read too, since partitions move between them; each task
//! writes and deletes its own alone.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use millrace_record::{KeyedState, StateLimits};

use super::chunk::{Chunk, Mark, Place, Writer};
use super::identity::{Id, Named, tombstone};

/// Entries of a chunk that is full: what a batch changes of the state is about this much, or what the batch adds.
const CHUNK_ENTRIES: usize = 512;
/// A chunk is added to for this part of the time to live; an entry is forgotten that much late at most.
const CHUNK_TIMES: i64 = 8;

/// How long, and how much.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub ttl_ms: i64,
    /// Of all partitions of a task together.
    pub entries: usize,
}

/// The state holds what was not written by this transform.
#[derive(Debug, thiserror::Error)]
#[error("entry \"{0}\" of its state is no chunk of a window that this version knows")]
pub struct NoChunk(Arc<str>);

/// See the module.
#[derive(Debug)]
pub struct Windows {
    state: KeyedState,
    limits: Limits,
    topics: HashMap<String, HashMap<i32, usize>>,
    all: Vec<Window>,
    /// In chunks, of all windows.
    entries: usize,
    /// Entries that were forgotten before their time.
    pushed_out: u64,
    /// How often the state had gone back when it was last looked at.
    undone: u64,
    now: i64,
}

/// Of one partition.
#[derive(Debug)]
struct Window {
    /// Of its keys in the state: `topic/partition/`.
    prefix: String,
    seen: HashMap<Id, Place>,
    /// Oldest first.
    chunks: VecDeque<Kept>,
    open: Option<Open>,
    /// The number of the next chunk.
    next: u64,
}

/// A chunk that is not added to any more.
#[derive(Debug)]
struct Kept {
    /// None: another task's.
    key: Option<Arc<str>>,
    value: Bytes,
}

#[derive(Debug)]
struct Open {
    key: Arc<str>,
    writer: Writer,
    entries: usize,
    begun: i64,
    last: i64,
    changed: bool,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    /// Nobody can say whether it came before.
    Unknown,
    Drop,
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // It is a hash already.
        state.write_u64(self.0);
    }
}

impl Windows {
    pub fn new(state: KeyedState, limits: Limits) -> Self {
        // Its own limit is in entries of the window.
        state.limit(StateLimits { entries: u64::MAX, bytes: u64::MAX });
        let undone = state.undone();
        Windows { state, limits, topics: HashMap::new(), all: Vec::new(), entries: 0, pushed_out: 0, undone, now: 0 }
    }

    #[cfg(test)]
    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn pushed_out(&self) -> u64 {
        self.pushed_out
    }

    /// What is in memory is read anew.
    pub fn forget(&mut self) {
        self.topics.clear();
        self.all.clear();
        self.entries = 0;
    }

    /// Before a batch, at `now` in milliseconds since the epoch.
    pub fn begin(&mut self, now: i64) {
        self.now = now;
        let undone = self.state.undone();
        if std::mem::replace(&mut self.undone, undone) != undone {
            self.forget();
        }
        let oldest = now.saturating_sub(self.limits.ttl_ms);
        for window in &mut self.all {
            while window.first_last().is_some_and(|last| last < oldest) {
                self.entries -= window.drop_first(&self.state);
            }
        }
    }

    /// After a batch: what it added goes to the state.
    pub fn end(&mut self) {
        while self.entries > self.limits.entries {
            let oldest = self.all.iter_mut().filter_map(|w| Some((w.first_last()?, w))).min_by_key(|(last, _)| *last);
            let Some((_, window)) = oldest else { break };
            let dropped = window.drop_first(&self.state);
            self.entries -= dropped;
            self.pushed_out += dropped as u64;
        }
        for open in self.all.iter_mut().filter_map(|w| w.open.as_mut()).filter(|o| o.changed) {
            put(&self.state, &open.key, Bytes::copy_from_slice(open.writer.bytes()));
            open.changed = false;
        }
    }

    /// The window of a partition, which is read where it is not in memory.
    pub fn of(&mut self, topic: &str, partition: i32) -> Result<usize, NoChunk> {
        if let Some(at) = self.topics.get(topic).and_then(|of| of.get(&partition)) {
            return Ok(*at);
        }
        let window = Window::read(format!("{topic}/{partition}/"), &self.state)?;
        self.entries += window.chunks.iter().map(|c| chunk(&c.value).len()).sum::<usize>();
        let at = self.all.len();
        self.all.push(window);
        self.topics.entry(topic.to_owned()).or_default().insert(partition, at);
        Ok(at)
    }

    /// Says what becomes of a record at `offset` of a partition, and remembers it.
    pub fn meet(&mut self, window: usize, named: &Named, offset: i64) -> Fate {
        match named {
            Named::Nobody => Fate::Unknown,
            Named::Record { id, deletes } => {
                let fate = match self.all[window].seen.get(id) {
                    Some(first) if first.offset() < offset => Fate::Drop,
                    Some(first) if first.offset() == offset => Fate::Pass,
                    _ => {
                        self.note(window, *id, Place::new(offset, Mark::Record));
                        Fate::Pass
                    }
                };
                if let Some(key) = deletes {
                    let known = self.all[window].seen.get(key).copied();
                    let place = Place::new(offset, if fate == Fate::Drop { Mark::Dropped } else { Mark::Passed });
                    // One that passes is worth a word only where another was dropped before.
                    if (fate == Fate::Drop || known.is_some()) && known != Some(place) {
                        self.note(window, *key, place);
                    }
                }
                fate
            }
            Named::Tombstone { key } => {
                let own = tombstone(*key, offset);
                let seen = &self.all[window].seen;
                if seen.contains_key(&own) {
                    return Fate::Drop;
                }
                match seen.get(key) {
                    Some(delete) if delete.mark() == Mark::Dropped && delete.offset() < offset => {
                        self.note(window, own, Place::new(offset, Mark::Dropped));
                        // It was this delete's: another tombstone is not.
                        self.note(window, *key, Place::new(offset, Mark::Passed));
                        Fate::Drop
                    }
                    Some(_) => Fate::Pass,
                    None => Fate::Unknown,
                }
            }
        }
    }

    fn note(&mut self, window: usize, id: Id, place: Place) {
        self.entries += 1;
        let most = CHUNK_ENTRIES.min(self.limits.entries.div_ceil(CHUNK_TIMES as usize));
        self.all[window].note(id, place, &self.state, self.now, most, self.limits.ttl_ms / CHUNK_TIMES);
    }
}

impl Window {
    fn read(prefix: String, state: &KeyedState) -> Result<Window, NoChunk> {
        let own = state.scan(&prefix, None, usize::MAX, usize::MAX).entries;
        let next =
            own.iter().filter_map(|(key, _)| u64::from_str_radix(&key[prefix.len()..], 16).ok()).max().map_or(0, |n| n + 1);
        let others = state.siblings(&prefix);
        let all = own.into_iter().map(|(key, value)| (true, key, value)).chain(others.into_iter().map(|(k, v)| (false, k, v)));
        let mut chunks = Vec::new();
        // A topic that a transform has given a name with slashes is another.
        for (own, key, value) in all.filter(|(_, key, _)| !key[prefix.len()..].contains('/')) {
            let Some(chunk) = Chunk::read(&value) else { return Err(NoChunk(key)) };
            chunks.push(((chunk.last(), key.clone()), Kept { key: own.then_some(key), value }));
        }
        chunks.sort_by(|a, b| a.0.cmp(&b.0));
        let mut seen = HashMap::with_capacity(chunks.iter().map(|(_, c)| chunk(&c.value).len()).sum());
        for (id, place) in chunks.iter().flat_map(|(_, c)| chunk(&c.value).entries()) {
            remember(&mut seen, id, place);
        }
        Ok(Window { prefix, seen, chunks: chunks.into_iter().map(|(_, c)| c).collect(), open: None, next })
    }

    /// When its oldest chunk was last added to.
    fn first_last(&self) -> Option<i64> {
        self.chunks.front().map(|c| chunk(&c.value).last()).or(self.open.as_ref().map(|o| o.last))
    }

    /// Forgets its oldest chunk, and answers how many entries that had.
    fn drop_first(&mut self, state: &KeyedState) -> usize {
        let (key, value) = match self.chunks.pop_front() {
            Some(Kept { key, value }) => (key, value),
            None => match self.open.take() {
                Some(open) => (Some(open.key), Bytes::copy_from_slice(open.writer.bytes())),
                None => return 0,
            },
        };
        if let Some(key) = key {
            state.delete(&key);
        }
        let chunk = chunk(&value);
        for (id, place) in chunk.entries() {
            // What was noted of it since is in another chunk.
            if self.seen.get(&id) == Some(&place) {
                self.seen.remove(&id);
            }
        }
        chunk.len()
    }

    fn note(&mut self, id: Id, place: Place, state: &KeyedState, now: i64, most: usize, span: i64) {
        remember(&mut self.seen, id, place);
        if let Some(open) = self.open.take_if(|o| o.entries >= most || now.saturating_sub(o.begun) > span) {
            let value = Bytes::copy_from_slice(open.writer.bytes());
            put(state, &open.key, value.clone());
            self.chunks.push_back(Kept { key: Some(open.key), value });
        }
        let open = self.open.get_or_insert_with(|| {
            let key = format!("{}{:016x}", self.prefix, self.next).into();
            self.next += 1;
            Open { key, writer: Writer::begin(now), entries: 0, begun: now, last: now, changed: false }
        });
        open.writer.add(id, place, now);
        open.entries += 1;
        (open.last, open.changed) = (now, true);
    }
}

/// Of a record the first place counts, of a key what was last said of it.
fn remember(seen: &mut HashMap<Id, Place>, id: Id, place: Place) {
    match seen.get_mut(&id) {
        Some(known) if place.mark() == Mark::Record && known.offset() < place.offset() => {}
        Some(known) => *known = place,
        None => drop(seen.insert(id, place)),
    }
}

fn chunk(value: &Bytes) -> Chunk<'_> {
    Chunk::read(value).expect("it was read before, or is of our own making")
}

fn put(state: &KeyedState, key: &str, value: Bytes) {
    state.put(key, value).expect("the state has no limits but the window's");
}
