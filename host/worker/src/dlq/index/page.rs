//! Pages of records, and where the next one begins.
//!
//! A page ends with a place in each partition, so that the pages of one walk have every record once, whatever arrives
//! meanwhile. A page looks at no more than so many rows: where a filter leaves out almost all, it may be short, or empty, and
//! have a next one.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rusqlite::{Connection, OptionalExtension};

use super::select::{Kind, Selected, partitions};
use super::streams::{Raw, Streams};
use super::{Index, IndexError, OUTCOME_BITS, Outcome, OutcomeState, Position, first_id, id, position};
use crate::dlq::cause;
use crate::dlq::filter::Filter;

/// Rows that one page looks at, and how long, beyond the rows that it has.
const EXAMINED_MAX: usize = 200_000;
const TIME_MAX: Duration = Duration::from_millis(400);
/// How many rows are looked at between two looks at the clock.
const CLOCK_EVERY: usize = 1_024;
/// The longest cursor that is read.
const CURSOR_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Newest,
    Oldest,
}

/// Where a walk is: in each partition the last offset that it has behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub order: Order,
    passed: BTreeMap<i32, i64>,
}

/// A record as the index knows it.
#[derive(Debug, Clone)]
pub struct Row {
    pub position: Position,
    /// -1: unknown.
    pub at: i64,
    pub cause: String,
    pub error: Option<String>,
    pub message: String,
    pub stage: Option<String>,
    pub connector: Option<String>,
    pub plugin_version: Option<String>,
    pub source_topic: Option<String>,
    pub source_partition: Option<i32>,
    pub source_offset: Option<i64>,
    pub outcome: OutcomeState,
}

pub struct Page {
    pub rows: Vec<Row>,
    /// None: this was the last one.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// The beginning of a walk.
    pub fn start(order: Order) -> Cursor {
        Cursor { order, passed: BTreeMap::new() }
    }

    /// As a client keeps it.
    pub fn encode(&self) -> String {
        let mut text = String::from(if self.order == Order::Newest { "n" } else { "o" });
        for (partition, offset) in &self.passed {
            text.push_str(&format!(",{partition}:{offset}"));
        }
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    /// None: it is none of ours.
    pub fn decode(text: &str) -> Option<Cursor> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.split(',');
        let order = match parts.next()? {
            "n" => Order::Newest,
            "o" => Order::Oldest,
            _ => return None,
        };
        let passed = parts.map(|part| {
            let (partition, offset) = part.split_once(':')?;
            Some((partition.parse().ok().filter(|p: &i32| *p >= 0)?, offset.parse().ok().filter(|o: &i64| *o >= -1)?))
        });
        Some(Cursor { order, passed: passed.collect::<Option<_>>()? })
    }
}

/// A partition on the way of a walk.
struct Lane {
    partition: i32,
    streams: Streams,
    passed: i64,
    head: Option<Raw>,
    ended: bool,
}

impl Lane {
    /// Looks for the next record that passes; false: too many rows were looked at.
    fn advance(&mut self, c: &Connection, selected: &Selected, left: &mut usize, until: Instant) -> rusqlite::Result<bool> {
        while self.head.is_none() && !self.ended {
            if *left == 0 || (left.is_multiple_of(CLOCK_EVERY) && Instant::now() > until) {
                return Ok(false);
            }
            *left -= 1;
            match self.streams.next(c)? {
                None => self.ended = true,
                Some(raw) if selected.takes(raw.group, raw.at, raw.varying.as_deref()) => self.head = Some(raw),
                Some(raw) => self.passed = position(raw.id).offset,
            }
        }
        Ok(true)
    }
}

impl Index {
    /// At most `limit` records from where the cursor is, and the cursor behind them.
    pub fn page(&self, filter: &Filter, cursor: &Cursor, limit: usize) -> Result<Page, IndexError> {
        self.read(|c| page(c, filter, cursor, limit))
    }

    /// One record and what became of it. None: the index does not have it.
    pub fn row(&self, of: Position) -> Result<Option<(Row, Option<Outcome>)>, IndexError> {
        let Some(id) = id(of) else { return Ok(None) };
        self.read(|c| {
            let raw = c
                .prepare_cached("SELECT id, grp, at, source, varying FROM records WHERE id = ?")?
                .query_row([id], Raw::of)
                .optional()?;
            let Some(raw) = raw else { return Ok(None) };
            let outcome = c
                .prepare_cached("SELECT state, at, by_whom, reason FROM outcomes WHERE id = ?")?
                .query_row([id], |r| {
                    Ok(Outcome { state: OutcomeState::of(r.get(0)?), at: r.get(1)?, by: r.get(2)?, reason: r.get(3)? })
                })
                .optional()?;
            let kinds = Selected::new(c, &Filter::default())?.kinds;
            Ok(Some((row(raw, &kinds), outcome)))
        })
    }

    /// The records at these positions, without those that the index does not have.
    pub fn rows(&self, of: &[Position]) -> Result<Vec<Row>, IndexError> {
        self.read(|c| {
            let kinds = Selected::new(c, &Filter::default())?.kinds;
            let mut find = c.prepare_cached("SELECT id, grp, at, source, varying FROM records WHERE id = ?")?;
            let mut rows = Vec::with_capacity(of.len());
            for id in of.iter().filter_map(|p| id(*p)) {
                let raw = find.query_row([id], Raw::of).optional()?;
                rows.extend(raw.map(|raw| row(raw, &kinds)));
            }
            Ok(rows)
        })
    }
}

fn page(c: &Connection, filter: &Filter, cursor: &Cursor, limit: usize) -> rusqlite::Result<Page> {
    let selected = Selected::new(c, filter)?;
    let newest = cursor.order == Order::Newest;
    let mut lanes = Vec::new();
    let mut passed = cursor.passed.clone();
    for partition in partitions(c)? {
        let last = match cursor.passed.get(&partition) {
            Some(last) => *last,
            None if !newest => -1,
            // What came to be after the first page is newer than all of it.
            None if !cursor.passed.is_empty() => continue,
            None => next_of(c, partition)?,
        };
        passed.insert(partition, last);
        let Some(mut bounds) = selected.bounds(c, partition)? else { continue };
        if newest {
            bounds.high = bounds.high.min(first_id(partition, last));
        } else {
            bounds.low = bounds.low.max(first_id(partition, last.saturating_add(1)));
        }
        let streams = Streams::new(&selected, bounds, newest, limit + 1);
        lanes.push(Lane { partition, streams, passed: last, head: None, ended: false });
    }
    let mut rows = Vec::with_capacity(limit.min(1_024));
    // One more than a look at the clock: every page looks at some.
    let mut left = EXAMINED_MAX / CLOCK_EVERY * CLOCK_EVERY - 1;
    let until = Instant::now() + TIME_MAX;
    let ended = 'walk: loop {
        for lane in &mut lanes {
            if !lane.advance(c, &selected, &mut left, until)? {
                break 'walk false;
            }
        }
        let heads = lanes.iter_mut().filter_map(|lane| {
            let head = lane.head.as_ref()?;
            Some(((head.at, head.id), lane))
        });
        let first = if newest { heads.max_by_key(|(at, _)| *at) } else { heads.min_by_key(|(at, _)| *at) };
        let Some((_, lane)) = first else { break true };
        if rows.len() >= limit {
            break false;
        }
        if let Some(raw) = lane.head.take() {
            lane.passed = position(raw.id).offset;
            rows.push(row(raw, &selected.kinds));
        }
    };
    passed.extend(lanes.iter().map(|lane| (lane.partition, lane.passed)));
    Ok(Page { rows, next: (!ended).then_some(Cursor { order: cursor.order, passed }) })
}

fn next_of(c: &Connection, partition: i32) -> rusqlite::Result<i64> {
    c.prepare_cached("SELECT next FROM partitions WHERE partition = ?")?.query_row([partition], |r| r.get(0))
}

fn row(raw: Raw, kinds: &HashMap<i64, Kind>) -> Row {
    let kind = kinds.get(&(raw.group >> OUTCOME_BITS)).cloned().unwrap_or_default();
    Row {
        position: position(raw.id),
        at: raw.at,
        cause: kind.cause,
        error: kind.error,
        message: cause::whole(&kind.template, raw.varying.as_deref()),
        stage: kind.stage,
        connector: kind.connector,
        plugin_version: kind.version,
        source_topic: kind.topic,
        source_partition: kind.partition,
        source_offset: raw.source,
        outcome: OutcomeState::of(raw.group),
    }
}
