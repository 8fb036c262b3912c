//! Rows of some groups in one partition, in log order or against it: the groups' own orders, merged.

use std::collections::{BinaryHeap, VecDeque};

use rusqlite::Connection;

use super::select::Selected;

/// Groups from which on all rows are read and those of other groups passed over.
const STREAMS_MAX: usize = 2_000;
/// Rows of a group that are read at once, and of all groups together.
const READ_MIN: usize = 8;
const READ_MAX: usize = 2_048;
const HELD_MAX: usize = 32_768;

/// Ids from `low` up to but without `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub low: i64,
    pub high: i64,
}

/// A row as it is kept.
#[derive(Debug, Clone)]
pub struct Raw {
    pub id: i64,
    pub group: i64,
    pub at: i64,
    pub source: Option<i64>,
    pub varying: Option<String>,
}

impl Raw {
    /// Of `id, grp, at, source, varying`.
    pub fn of(r: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
        Ok(Raw { id: r.get(0)?, group: r.get(1)?, at: r.get(2)?, source: r.get(3)?, varying: r.get(4)? })
    }
}

/// Merges the rows of groups.
pub struct Streams {
    streams: Vec<Stream>,
    /// The order of each stream's next row, and its place in `streams`.
    heads: BinaryHeap<(i64, usize)>,
    opened: bool,
    newest_first: bool,
}

struct Stream {
    /// None: of all groups.
    group: Option<i64>,
    read: VecDeque<Raw>,
    bounds: Bounds,
    at_once: usize,
    at_once_max: usize,
    ended: bool,
}

impl Streams {
    /// `wanted`: about how many rows will be asked for.
    pub fn new(selected: &Selected, bounds: Bounds, newest_first: bool, wanted: usize) -> Streams {
        let one = selected.all || selected.groups.len() > STREAMS_MAX;
        let at_once_max = if one { READ_MAX } else { (HELD_MAX / selected.groups.len().max(1)).clamp(READ_MIN, READ_MAX) };
        let stream = |group, at_once: usize| {
            let at_once = at_once.clamp(READ_MIN, at_once_max);
            Stream { group, read: VecDeque::new(), bounds, at_once, at_once_max, ended: bounds.low >= bounds.high }
        };
        let streams = if one {
            vec![stream(None, wanted)]
        } else {
            let each = wanted / selected.groups.len().max(1);
            selected.groups.keys().map(|group| stream(Some(*group), each)).collect()
        };
        Streams { streams, heads: BinaryHeap::new(), opened: false, newest_first }
    }

    /// The next row. It may be of a group that is not asked for, where there are too many groups.
    pub fn next(&mut self, c: &Connection) -> rusqlite::Result<Option<Raw>> {
        if !self.opened {
            self.opened = true;
            for i in 0..self.streams.len() {
                self.head(c, i)?;
            }
        }
        let Some((_, i)) = self.heads.pop() else { return Ok(None) };
        let row = self.streams[i].read.pop_front();
        self.head(c, i)?;
        Ok(row)
    }

    /// Puts a stream's next row among the heads.
    fn head(&mut self, c: &Connection, i: usize) -> rusqlite::Result<()> {
        let stream = &mut self.streams[i];
        if stream.read.is_empty() && !stream.ended {
            stream.fill(c, self.newest_first)?;
        }
        if let Some(row) = stream.read.front() {
            // The largest is taken first.
            self.heads.push((if self.newest_first { row.id } else { -row.id }, i));
        }
        Ok(())
    }
}

impl Stream {
    fn fill(&mut self, c: &Connection, newest_first: bool) -> rusqlite::Result<()> {
        let mut statement = c.prepare_cached(match (self.group.is_some(), newest_first) {
            (true, false) => {
                "SELECT id, grp, at, source, varying FROM records INDEXED BY records_grp
                 WHERE grp = ?4 AND id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3"
            }
            (true, true) => {
                "SELECT id, grp, at, source, varying FROM records INDEXED BY records_grp
                 WHERE grp = ?4 AND id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            }
            (false, false) => {
                "SELECT id, grp, at, source, varying FROM records NOT INDEXED
                 WHERE id >= ?1 AND id < ?2 AND ?4 IS NULL ORDER BY id LIMIT ?3"
            }
            (false, true) => {
                "SELECT id, grp, at, source, varying FROM records NOT INDEXED
                 WHERE id >= ?1 AND id < ?2 AND ?4 IS NULL ORDER BY id DESC LIMIT ?3"
            }
        })?;
        let mut rows = statement.query((self.bounds.low, self.bounds.high, self.at_once as i64, self.group))?;
        while let Some(r) = rows.next()? {
            self.read.push_back(Raw::of(r)?);
        }
        self.ended = self.read.len() < self.at_once;
        if let Some(last) = self.read.back() {
            if newest_first {
                self.bounds.high = last.id;
            } else {
                self.bounds.low = last.id + 1;
            }
        }
        // Who reads on is to be asked for less often.
        self.at_once = (self.at_once * 2).min(self.at_once_max);
        Ok(())
    }
}
