//! From records to operations: which table each goes to, which row of it and what to do there.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::row::Batch;
use millrace_plugin::{Error, Record, RecordFailure};

use crate::catalog::{self, Table};
use crate::connection::Connection;
use crate::plan::{Change, Draft};
use crate::reduce::{Op, OpKind};
use crate::task::{REFUSED, Task};

/// In place of a plan: its records change nothing.
const NOTHING: u32 = u32::MAX;

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
        let mut planned = Planned { ops: Vec::with_capacity(batch.len()), ..Planned::default() };
        let mut cached: Option<((u32, Option<u32>, Option<u32>, bool), Result<u32, String>)> = None;
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
                Err(why) => {
                    planned.failures.push(RecordFailure::poison(i, "postgres.unfit", why));
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
                if let Err(why) = written {
                    planned.keys.truncate(from);
                    planned.failures.push(RecordFailure::poison(i, REFUSED, why));
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
    ) -> Result<Result<u32, String>, Error> {
        let id = (topic.to_owned(), key, value, tombstone);
        if let Some(plan) = self.by_schema.get(&id) {
            return Ok(plan.clone());
        }
        let key_schema = key.map(self.schema_of).transpose()?;
        let value_schema = value.map(self.schema_of).transpose()?;
        let plan = match Draft::new(&self.options, topic, key_schema.as_ref(), value_schema.as_ref(), tombstone) {
            Err(why) => Err(why),
            Ok(draft) => match self.table_for(&draft, tombstone)? {
                // Nothing to delete where there is no table yet: ask again at the next record.
                None => return Ok(Ok(NOTHING)),
                Some(Err(why)) => Err(why),
                Some(Ok(table)) => draft.bind(&table).map(|plan| {
                    if !self.table_ids.contains(&plan.table) {
                        self.table_ids.push(plan.table.clone());
                    }
                    self.plans.push(Rc::new(plan));
                    self.plans.len() as u32 - 1
                }),
            },
        };
        self.by_schema.insert(id, plan.clone());
        Ok(plan)
    }

    /// The table as it is, made or given columns where the settings say so.
    fn table_for(&mut self, draft: &Draft, tombstone: bool) -> Result<Option<Result<Table, String>>, Error> {
        let name = draft.table.sql();
        if !self.tables.contains_key(&draft.table) {
            let connection = self.connection()?;
            let mut found = catalog::read(connection, &draft.table)?;
            if found.is_none() {
                if tombstone {
                    return Ok(None);
                }
                if !self.options.create {
                    return Err(Error::fatal(
                        "postgres.no-table",
                        format!("there is no table {name}: create it, or set {}", self.options.dialect.create()),
                    ));
                }
                let sql = match draft.create() {
                    Ok(sql) => sql,
                    Err(why) => return Ok(Some(Err(why))),
                };
                millrace_plugin::info!("creates a table"; table = name);
                let connection = self.connection()?;
                make(connection, &sql, &name)?;
                found = catalog::read(connection, &draft.table)?;
            }
            let table = found.ok_or_else(|| Error::fatal("postgres.no-table", format!("the table {name} was created and is not found: give the table's name format a schema that is in the user's search_path")))?;
            self.tables.insert(draft.table.clone(), table);
        }
        let table = &self.tables[&draft.table];
        if draft.missing(table).next().is_some() {
            let missing: Vec<_> = draft.missing(table).map(|w| w.name.clone()).collect();
            if !self.options.evolve {
                return Err(Error::fatal(
                    "postgres.no-column",
                    format!(
                        "the table {name} has no column \"{}\": add it, or set {}, or leave the field out",
                        missing.join("\", \""),
                        self.options.dialect.evolve()
                    ),
                ));
            }
            if let Some(w) = draft.missing(table).find(|w| w.key) {
                return Err(Error::fatal(
                    "postgres.no-column",
                    format!(
                        "the table {name} lacks \"{}\", a column of the key, which is not added to a table that exists: add it with a unique index",
                        w.name
                    ),
                ));
            }
            let sql = match draft.alter(table) {
                Ok(sql) => sql,
                Err(why) => return Ok(Some(Err(why))),
            };
            let connection = self.connection()?;
            make(connection, &sql, &name)?;
            let read = catalog::read(connection, &draft.table)?;
            match read {
                Some(table) => drop(self.tables.insert(draft.table.clone(), table)),
                None => return Ok(None),
            }
        }
        Ok(Some(Ok(self.tables[&draft.table].clone())))
    }
}

/// `CREATE TABLE` or `ALTER TABLE`; two tasks may make the same table at once, and one of them is told it is there.
fn make(connection: &mut dyn Connection, sql: &str, table: &str) -> Result<(), Error> {
    match connection.query(sql) {
        Ok(_) => Ok(()),
        Err(e) if matches!(e.sqlstate(), Some("23505" | "42P07" | "42701")) => Ok(()),
        Err(e) => Err(e.context(&format!("cannot make or change the table {table}"))),
    }
}
