//! What is in a queue, counted: by cause, stage, connector and its version, source topic, outcome and hour.

use std::collections::{BTreeMap, HashMap};

use super::select::Selected;
use super::{HOUR_MS, Index, IndexError, OUTCOME_BITS, OutcomeState};
use crate::dlq::cause;
use crate::dlq::filter::Filter;

/// A cause, and how many records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseCount {
    pub cause: String,
    pub error: Option<String>,
    /// What varies from record to record is shown as `…`.
    pub message: String,
    pub records: u64,
    /// The first and the last hour in which it came, in milliseconds since the epoch.
    pub first: Option<i64>,
    pub last: Option<i64>,
}

/// Counts by what records have; none: the headers do not say. The largest first, hours in their order.
#[derive(Debug, Default)]
pub struct Summary {
    pub records: u64,
    pub causes: Vec<CauseCount>,
    pub stages: Vec<(Option<String>, u64)>,
    /// Connector and version of its plugin.
    pub plugins: Vec<((Option<String>, Option<String>), u64)>,
    pub source_topics: Vec<(Option<String>, u64)>,
    pub outcomes: Vec<(OutcomeState, u64)>,
    /// The beginning of an hour in milliseconds since the epoch.
    pub hours: Vec<(Option<i64>, u64)>,
}

impl Index {
    /// Counts what passes, by whole hours: `from` and `to` count from and to the beginning of theirs. A text picks causes
    /// by what their messages have in common.
    pub fn summary(&self, filter: &Filter) -> Result<Summary, IndexError> {
        self.read(|c| {
            let selected = Selected::new(c, filter)?;
            let first = filter.from.map_or(i64::MIN, |at| at.div_euclid(HOUR_MS));
            let last = filter.to.map_or(i64::MAX, |at| at.div_euclid(HOUR_MS));
            let mut by_kind: HashMap<i64, (u64, i64, i64)> = HashMap::new();
            let (mut outcomes, mut hours) = (BTreeMap::new(), BTreeMap::new());
            let mut statement = c.prepare_cached("SELECT grp, hour, records FROM totals WHERE hour >= ? AND hour < ?")?;
            let mut rows = statement.query([first, last])?;
            while let Some(r) = rows.next()? {
                let (group, hour, records): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
                if selected.groups.get(&group) != Some(&false) || records <= 0 {
                    continue;
                }
                let records = records as u64;
                let of_kind = by_kind.entry(group >> OUTCOME_BITS).or_insert((0, i64::MAX, i64::MIN));
                *of_kind = (of_kind.0 + records, of_kind.1.min(hour), of_kind.2.max(hour));
                *outcomes.entry(OutcomeState::of(group)).or_default() += records;
                *hours.entry(Some(hour).filter(|h| *h >= 0).map(|h| h * HOUR_MS)).or_default() += records;
            }
            let mut summary = Summary { hours: hours.into_iter().collect(), ..Summary::default() };
            let (mut causes, mut stages, mut plugins, mut topics) =
                (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
            for (kind, (records, first, last)) in by_kind {
                let Some(kind) = selected.kinds.get(&kind) else { continue };
                summary.records += records;
                *stages.entry(kind.stage.clone()).or_default() += records;
                *plugins.entry((kind.connector.clone(), kind.version.clone())).or_default() += records;
                *topics.entry(kind.topic.clone()).or_default() += records;
                let hour = |hour: i64| Some(hour).filter(|h| *h >= 0).map(|h| h * HOUR_MS);
                let cause = causes.entry(kind.cause.clone()).or_insert_with(|| CauseCount {
                    cause: kind.cause.clone(),
                    error: kind.error.clone(),
                    message: cause::shown(&kind.template),
                    records: 0,
                    first: hour(first),
                    last: hour(last),
                });
                cause.records += records;
                cause.first = cause.first.min(hour(first)).or(hour(first));
                cause.last = cause.last.max(hour(last));
            }
            summary.causes = causes.into_values().collect();
            summary.causes.sort_by(|a, b| b.records.cmp(&a.records).then_with(|| a.cause.cmp(&b.cause)));
            (summary.stages, summary.plugins, summary.source_topics) = (largest(stages), largest(plugins), largest(topics));
            summary.outcomes = largest(outcomes.into_iter().collect());
            Ok(summary)
        })
    }

    /// How many records the index has, and the earliest and latest time of them, in milliseconds since the epoch. Of records
    /// that have just been deleted the time may still count.
    pub fn extent(&self) -> Result<(u64, Option<(i64, i64)>), IndexError> {
        self.read(|c| {
            let records: i64 = c.prepare_cached("SELECT coalesce(sum(records), 0) FROM totals")?.query_row([], |r| r.get(0))?;
            let mut times = c.prepare_cached("SELECT min(earliest), max(latest) FROM spans WHERE earliest >= 0")?;
            let times: (Option<i64>, Option<i64>) = times.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?;
            Ok((records.max(0) as u64, times.0.zip(times.1)))
        })
    }
}

fn largest<K: Ord>(counts: HashMap<K, u64>) -> Vec<(K, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
