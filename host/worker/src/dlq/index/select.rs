//! From a filter to groups, and from groups to positions and counts.

use std::collections::HashMap;

use rusqlite::Connection;

use super::streams::{Bounds, Streams};
use super::{HOUR_MS, Index, IndexError, OUTCOME_BITS, OutcomeState, Position, SPAN_BITS, first_id, position};
use crate::dlq::cause;
use crate::dlq::filter::Filter;

/// What records have in common.
#[derive(Debug, Clone, Default)]
pub struct Kind {
    /// The cause's id as it is shown.
    pub cause: String,
    pub error: Option<String>,
    pub template: String,
    pub stage: Option<String>,
    pub connector: Option<String>,
    pub version: Option<String>,
    pub topic: Option<String>,
    pub partition: Option<i32>,
}

/// The groups that a filter picks, and what is left to be asked of each record.
pub struct Selected {
    pub kinds: HashMap<i64, Kind>,
    /// True: the text that is looked for may be in what varies of the message.
    pub groups: HashMap<i64, bool>,
    /// It is cheaper to go through all rows than to gather those of the groups: all of them are meant, or most of them, and each is to be
    /// asked for the text.
    pub all: bool,
    pub from: Option<i64>,
    pub to: Option<i64>,
    text: Option<String>,
}

impl Selected {
    pub fn new(c: &Connection, filter: &Filter) -> rusqlite::Result<Selected> {
        let text = filter.text.as_ref().map(|t| t.to_lowercase());
        let mut kinds = HashMap::new();
        let mut statement = c.prepare_cached(
            "SELECT k.id, c.name, c.error, c.template, k.stage, k.connector, k.version, k.topic, k.partition
             FROM kinds k JOIN causes c ON c.id = k.cause",
        )?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let kind = Kind {
                cause: r.get(1)?,
                error: r.get(2)?,
                template: r.get(3)?,
                stage: r.get(4)?,
                connector: r.get(5)?,
                version: r.get(6)?,
                topic: r.get(7)?,
                partition: r.get(8)?,
            };
            if kind.passes(filter) {
                kinds.insert(r.get(0)?, kind);
            }
        }
        let mut selected = Selected { kinds, groups: HashMap::new(), all: false, from: filter.from, to: filter.to, text };
        let mut statement = c.prepare_cached("SELECT grp, sum(records) FROM totals GROUP BY grp")?;
        let mut rows = statement.query([])?;
        let (mut records, mut picked, mut to_ask) = (0, 0, 0);
        while let Some(r) = rows.next()? {
            let (group, n): (i64, i64) = (r.get(0)?, r.get(1)?);
            records += n;
            if let Some(asked) = selected.picks(group, filter.outcome) {
                picked += n;
                to_ask += if asked { n } else { 0 };
                selected.groups.insert(group, asked);
            }
        }
        selected.all = picked == records || to_ask * 2 > records;
        Ok(selected)
    }

    /// None: no record of the group passes. True: its records are to be asked for the text.
    fn picks(&self, group: i64, outcome: Option<OutcomeState>) -> Option<bool> {
        let kind = self.kinds.get(&(group >> OUTCOME_BITS))?;
        if outcome.is_some_and(|o| o != OutcomeState::of(group)) {
            return None;
        }
        let Some(text) = &self.text else { return Some(false) };
        match kind.template.to_lowercase().contains(text) {
            true => Some(false),
            false => cause::varies(&kind.template).then_some(true),
        }
    }

    /// Whether a record of one of the groups passes.
    pub fn takes(&self, group: i64, at: i64, varying: Option<&str>) -> bool {
        if self.from.is_some_and(|from| at < from) || self.to.is_some_and(|to| at >= to) {
            return false;
        }
        match (self.groups.get(&group), &self.text) {
            (None, _) => false,
            (Some(false), _) | (_, None) => true,
            (Some(true), Some(text)) => {
                let template = self.kinds.get(&(group >> OUTCOME_BITS)).map_or("", |k| &k.template);
                cause::whole(template, varying).to_lowercase().contains(text)
            }
        }
    }

    /// Whether a group is all that is asked for.
    fn is_counted(&self) -> bool {
        self.groups.values().all(|asked| !asked)
    }

    /// The part of a partition where records of the time may be. None: there are none.
    pub fn bounds(&self, c: &Connection, partition: i32) -> rusqlite::Result<Option<Bounds>> {
        let all = Bounds { low: first_id(partition, 0), high: first_id(partition, i64::MAX) };
        if self.from.is_none() && self.to.is_none() {
            return Ok(Some(all));
        }
        let mut statement = c.prepare_cached(
            "SELECT min(span), max(span) FROM spans WHERE span BETWEEN ? AND ? AND latest >= ? AND earliest < ?",
        )?;
        let (from, to) = (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX));
        let found: (Option<i64>, Option<i64>) =
            statement.query_row([all.low >> SPAN_BITS, all.high >> SPAN_BITS, from, to], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let (Some(first), Some(last)) = found else { return Ok(None) };
        Ok(Some(Bounds { low: first << SPAN_BITS, high: all.high.min((last + 1) << SPAN_BITS) }))
    }
}

impl Kind {
    fn passes(&self, filter: &Filter) -> bool {
        let is = |asked: &Option<String>, has: &Option<String>| asked.is_none() || asked == has;
        filter.cause.as_ref().is_none_or(|c| *c == self.cause)
            && is(&filter.error, &self.error)
            && is(&filter.stage, &self.stage)
            && is(&filter.connector, &self.connector)
            && is(&filter.plugin_version, &self.version)
            && is(&filter.source_topic, &self.topic)
            && (filter.source_partition.is_none() || filter.source_partition == self.partition)
    }
}

/// The partitions, in their order.
pub fn partitions(c: &Connection) -> rusqlite::Result<Vec<i32>> {
    c.prepare_cached("SELECT partition FROM partitions ORDER BY partition")?.query_map([], |r| r.get(0))?.collect()
}

impl Index {
    /// The positions of records that pass, in log order, behind one of them; at most so many.
    pub fn select(&self, filter: &Filter, after: Option<Position>, limit: usize) -> Result<Vec<Position>, IndexError> {
        self.read(|c| {
            let selected = Selected::new(c, filter)?;
            let mut found = Vec::new();
            let from = after.map_or(0, |a| a.partition);
            for partition in partitions(c)?.into_iter().filter(|p| *p >= from) {
                let Some(mut bounds) = selected.bounds(c, partition)? else { continue };
                if let Some(after) = after.filter(|a| a.partition == partition) {
                    bounds.low = bounds.low.max(first_id(partition, after.offset.saturating_add(1)));
                }
                let mut streams = Streams::new(&selected, bounds, false, limit - found.len());
                while found.len() < limit {
                    let Some(raw) = streams.next(c)? else { break };
                    if selected.takes(raw.group, raw.at, raw.varying.as_deref()) {
                        found.push(position(raw.id));
                    }
                }
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// How many records pass. Where neither a text nor a part of an hour is asked for, no record is read for it.
    pub fn count(&self, filter: &Filter) -> Result<u64, IndexError> {
        self.read(|c| {
            let selected = Selected::new(c, filter)?;
            if !selected.is_counted() {
                return scanned(c, &selected, filter.from, filter.to);
            }
            let (from, to) = (filter.from.unwrap_or(i64::MIN), filter.to.unwrap_or(i64::MAX));
            // Whole hours are counted already; what is before and behind them is looked at.
            let first = from.div_euclid(HOUR_MS) + i64::from(filter.from.is_some() && from.rem_euclid(HOUR_MS) != 0);
            let last = if filter.to.is_some() { to.div_euclid(HOUR_MS) } else { i64::MAX / HOUR_MS };
            if first > last {
                return scanned(c, &selected, filter.from, filter.to);
            }
            let mut statement =
                c.prepare_cached("SELECT grp, sum(records) FROM totals WHERE hour >= ? AND hour < ? GROUP BY grp")?;
            let mut rows = statement.query([first, last])?;
            let mut count = 0;
            while let Some(r) = rows.next()? {
                if selected.groups.contains_key(&r.get(0)?) {
                    count += r.get::<_, i64>(1)?.max(0) as u64;
                }
            }
            if filter.from.is_some() && first * HOUR_MS != from {
                count += scanned(c, &selected, Some(from), Some(first * HOUR_MS))?;
            }
            if filter.to.is_some() && last * HOUR_MS != to {
                count += scanned(c, &selected, Some(last * HOUR_MS), Some(to))?;
            }
            Ok(count)
        })
    }
}

fn scanned(c: &Connection, selected: &Selected, from: Option<i64>, to: Option<i64>) -> rusqlite::Result<u64> {
    let part = Selected {
        kinds: selected.kinds.clone(),
        groups: selected.groups.clone(),
        all: selected.all,
        from,
        to,
        text: selected.text.clone(),
    };
    let mut count = 0;
    for partition in partitions(c)? {
        let Some(bounds) = part.bounds(c, partition)? else { continue };
        let mut streams = Streams::new(&part, bounds, false, usize::MAX);
        while let Some(raw) = streams.next(c)? {
            count += u64::from(part.takes(raw.group, raw.at, raw.varying.as_deref()));
        }
    }
    Ok(count)
}
