//! From records to operations: which table each goes to, which row of it and what to do there.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::postgres::quote_ident;
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, Record, RecordFailure, clock};

use crate::catalog::Table;
use crate::options::InsertMode;
use crate::plan::{Change, Draft, Shape};
use crate::reduce::{Op, OpKind};
use crate::task::{EVOLUTION, Task, UNFIT};

/// In place of a plan: its records change nothing.
const NOTHING: u32 = u32::MAX;
/// How often a batch is planned anew because tables changed meanwhile.
const PASSES_MAX: usize = 16;
/// How long records fail for a table that was found unfit before it is looked at again: somebody may have mended it.
const LOOK_AGAIN_NS: u64 = 5_000_000_000;
/// Refusals that were logged.
const REFUSED_KNOWN_MAX: usize = 1000;

/// Why records of a topic and its schemas go into no table.
#[derive(Debug, Clone)]
pub struct Unfit {
    pub code: &'static str,
    pub why: Rc<str>,
    /// When to look again, on the monotonic clock.
    pub until: u64,
}

impl Unfit {
    fn new(code: &'static str, why: String) -> Unfit {
        Unfit { code, why: why.into(), until: clock::monotonic_ns().saturating_add(LOOK_AGAIN_NS) }
    }
}

/// Why a record is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It was refused, and the host has dealt with it: stored offsets move past it.
    Refused,
    /// Its partition is somebody else's now.
    Revoked,
}

/// By the row in the batch.
pub type Skipped = HashMap<u32, Skip>;

/// A batch, planned.
#[derive(Default)]
pub struct Planned {
    pub ops: Vec<Op>,
    pub keys: Vec<u8>,
    pub failures: Vec<RecordFailure>,
    /// With exactly-once: where each partition moves to.
    pub moves: Vec<((String, i32), i64)>,
}

impl Task {
    /// Which table, which row and what to do, for every record.
    pub(crate) fn plan(&mut self, batch: &Batch<'_>, skipped: &Skipped) -> Result<Planned, Error> {
        for _ in 0..PASSES_MAX {
            let generation = self.generation;
            let planned = self.plan_once(batch, skipped)?;
            // Of a table that changed on the way some records were planned as it was before, and two forms of one key would
            // count as two rows.
            if generation == self.generation {
                return Ok(planned);
            }
        }
        Err(Error::retriable(
            "postgres.unsettled",
            "the tables change all the time while a batch is made ready: see who else alters them",
        ))
    }

    fn plan_once(&mut self, batch: &Batch<'_>, skipped: &Skipped) -> Result<Planned, Error> {
        let mut planned = Planned { ops: Vec::with_capacity(batch.len()), ..Planned::default() };
        let mut cached: Option<((u32, Option<u32>, Option<u32>, bool), Result<u32, Unfit>)> = None;
        for i in 0..batch.len() {
            let skip = skipped.get(&(i as u32));
            if skip == Some(&Skip::Revoked) {
                continue;
            }
            let record = batch.record(i);
            let topic = batch.topic_of(&record);
            if self.offsets.is_some() && !self.fresh(topic, &record, &mut planned)? {
                continue;
            }
            if skip.is_some() {
                continue;
            }
            let tombstone = record.value().is_none();
            if tombstone && !self.options.delete {
                continue;
            }
            let key = (record.topic(), record.key_schema(), record.value_schema(), tombstone);
            let plan = match &cached {
                Some((k, plan)) if *k == key => plan.clone(),
                _ => {
                    let plan = self.plan_of(topic, key.1, key.2, tombstone)?;
                    cached = Some((key, plan.clone()));
                    plan
                }
            };
            let at = match plan {
                Ok(NOTHING) => continue,
                Ok(at) => at,
                Err(unfit) => {
                    planned.failures.push(RecordFailure::poison(i, unfit.code, &*unfit.why));
                    continue;
                }
            };
            let plan = &self.plans[at as usize];
            let kind = match plan.change(&self.options, &record) {
                Change::Skip => continue,
                Change::Write => OpKind::Write,
                Change::Delete => OpKind::Delete,
                Change::Truncate => OpKind::Truncate,
            };
            let (row, key_row) = (plan.row(&record), record.key());
            let from = planned.keys.len();
            let mut unseen = 0;
            if kind != OpKind::Truncate {
                let written = (0..plan.keys)
                    .try_for_each(|c| plan.write(c, topic, &record, key_row.as_ref(), row.as_ref(), &mut planned.keys));
                if let Err(bad) = written {
                    planned.keys.truncate(from);
                    planned.failures.push(RecordFailure::poison(i, bad.code, bad.why));
                    continue;
                }
            }
            if let (OpKind::Write, Some(row)) = (kind, &row) {
                unseen = plan.unseen(&self.options, row);
            }
            let table = self.table_ids.iter().position(|t| *t == plan.table).expect("a plan's table has an id") as u32;
            planned.ops.push(Op { row: i as u32, plan: at, table, kind, unseen, key: (from as u32, planned.keys.len() as u32) });
        }
        Ok(planned)
    }

    /// Whether the stored offset does not cover the record; notes where its partition moves to.
    fn fresh(&self, topic: &str, record: &Record<'_>, planned: &mut Planned) -> Result<bool, Error> {
        let offsets = self.offsets.as_ref().expect("asked with exactly-once only");
        let (Some(partition), Some(offset)) = (record.partition(), record.offset()) else {
            return Err(Error::config(
                "exactly.once",
                "\"exactly.once\" is true, and a record has no partition and offset to store: set it to false",
            ));
        };
        let Some(next) = offsets.next(topic, partition) else {
            return Err(Error::config(
                "exactly.once",
                format!(
                    "\"exactly.once\" is true, and a transform gave a record the topic \"{topic}\", which is not one that is read: set it to false, or leave the topic as it is and use the table's name format"
                ),
            ));
        };
        if offset < next {
            return Ok(false);
        }
        match planned.moves.iter_mut().find(|((t, p), _)| *p == partition && t == topic) {
            Some((_, to)) => *to = (*to).max(offset + 1),
            None => planned.moves.push(((topic.to_owned(), partition), offset + 1)),
        }
        Ok(true)
    }

    /// The plan for a topic and its schemas; the inner error is that of every such record.
    fn plan_of(
        &mut self,
        topic: &str,
        key: Option<u32>,
        value: Option<u32>,
        tombstone: bool,
    ) -> Result<Result<u32, Unfit>, Error> {
        let id = (topic.to_owned(), key, value, tombstone);
        match self.by_schema.get(&id) {
            Some(Ok(plan)) => return Ok(Ok(*plan)),
            Some(Err(unfit)) if clock::monotonic_ns() < unfit.until => return Ok(Err(unfit.clone())),
            _ => {}
        }
        let key_schema = key.map(self.schema_of).transpose()?;
        let value_schema = value.map(self.schema_of).transpose()?;
        let plan = match Draft::new(&self.options, topic, key_schema.as_ref(), value_schema.as_ref(), tombstone) {
            Err(why) => Err(Unfit::new(UNFIT, why)),
            Ok(draft) => match self.table_for(&draft)? {
                // Nothing to delete where there is no table yet: ask again at the next record.
                None => return Ok(Ok(NOTHING)),
                Some(Err(why)) => Err(self.refuse(&draft, why)),
                Some(Ok(table)) => {
                    let bound = self.arbiter(&draft, &table).and_then(|()| draft.clone().bind(&table));
                    match bound {
                        Err(why) => Err(self.refuse(&draft, why)),
                        Ok(plan) => {
                            if !self.table_ids.contains(&plan.table) {
                                self.table_ids.push(plan.table.clone());
                            }
                            self.plans.push(Rc::new(plan));
                            Ok(self.plans.len() as u32 - 1)
                        }
                    }
                }
            },
        };
        self.by_schema.insert(id, plan.clone());
        Ok(plan)
    }

    /// The failure of records whose table cannot take them. It is logged here, once for all of them.
    fn refuse(&mut self, draft: &Draft, why: String) -> Unfit {
        if self.refused.len() >= REFUSED_KNOWN_MAX {
            self.refused.clear();
        }
        if self.refused.insert(why.clone()) {
            millrace_plugin::warn!("records do not go into their table: {}", why; table = draft.table.sql());
            millrace_plugin::metrics::counter_add("table_refusals", &[], 1);
        }
        Unfit::new(EVOLUTION, why)
    }

    /// Whether an upsert finds the row of a key.
    fn arbiter(&self, draft: &Draft, table: &Table) -> Result<(), String> {
        let keys: Vec<&str> = draft.wanted.iter().filter(|w| w.key).map(|w| w.name.as_str()).collect();
        if self.options.insert_mode != InsertMode::Upsert || draft.shape == Shape::Tombstone || !table.plain {
            return Ok(());
        }
        let covers = |index: &Vec<String>| index.len() == keys.len() && index.iter().all(|c| keys.contains(&c.as_str()));
        if table.unique.iter().any(covers) {
            return Ok(());
        }
        let quoted = |names: Vec<&str>| names.into_iter().map(quote_ident).collect::<Vec<_>>().join(", ");
        let primary = quoted(table.columns.iter().filter(|c| c.key).map(|c| c.name.as_str()).collect());
        let primary = if primary.is_empty() { "none".to_owned() } else { primary };
        let (dialect, name) = (self.options.dialect, draft.table.sql());
        Err(format!(
            "the records' key ({keys}) has no primary key or unique index in the table {name} (its primary key: {primary}), which \"insert.mode\"=upsert needs: add one by CREATE UNIQUE INDEX ON {name} ({keys}), or change the key (\"{}\", \"{}\")",
            dialect.key_mode(),
            dialect.key_fields(),
            keys = quoted(keys),
        ))
    }
}
