//! From operations to statements: each run's deletions and writes, rows of one shape in one parameter.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::postgres::{Binary, Param, Statement, quote_literal};
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, RecordFailure};

use crate::encode::Wire;
use crate::options::{InsertMode, KeyMode};
use crate::plan::Target;
use crate::planning::Planned;
use crate::reduce::{self, Mode, Run};
use crate::sql;
use crate::task::Task;

/// Which statement: the plan, the columns it leaves out as bits, whether it deletes.
pub type StatementId = (u32, u64, bool);

/// A statement's text, and the types that its parameter is made of.
pub struct Prepared {
    sql: String,
    /// The oid of the composite type of a row, and of its array.
    oid: u32,
    array: u32,
}

impl Task {
    /// The statements for what is planned. Records that cannot be encoded leave the plan, and become its failures.
    pub(crate) fn encode_all(&mut self, batch: &Batch<'_>, planned: &mut Planned) -> Result<Vec<Statement>, Error> {
        loop {
            let append = self.options.insert_mode == InsertMode::Insert || self.options.key_mode == KeyMode::None;
            let mode = if append { Mode::Append } else { Mode::LastWins };
            let plans = &self.plans;
            let wide = |a: u32, b: u32| {
                let (a, b) = (&plans[a as usize].columns, &plans[b as usize].columns);
                b.iter().all(|c| a.iter().any(|d| d.name == c.name))
            };
            let runs = reduce::runs(&planned.ops, &planned.keys, mode, wide);
            let (mut statements, mut failures) = (Vec::new(), Vec::new());
            for run in &runs {
                self.encode(batch, planned, run, &mut statements, &mut failures)?;
            }
            if failures.is_empty() {
                return Ok(statements);
            }
            // Without the bad ones an earlier change of the same row may be its last: reduce again.
            planned.ops.retain(|op| !failures.iter().any(|f| f.row == op.row));
            planned.failures.append(&mut failures);
        }
    }

    fn encode(
        &mut self,
        batch: &Batch<'_>,
        planned: &Planned,
        run: &Run,
        out: &mut Vec<Statement>,
        failures: &mut Vec<RecordFailure>,
    ) -> Result<(), Error> {
        let op = |i: &u32| &planned.ops[*i as usize];
        let mut doing: HashMap<(u32, u64, bool), (Rc<Prepared>, Vec<u8>, usize)> = HashMap::new();
        let mut order = Vec::new();
        if run.truncate {
            out.push(Statement {
                sql: format!("TRUNCATE TABLE {}", self.table_ids[run.table as usize].sql()),
                params: Vec::new(),
            });
        }
        for i in &run.deletes {
            let id = (op(i).plan, 0, true);
            if !doing.contains_key(&id) {
                doing.insert(id, (self.prepared(id)?, Vec::new(), 0));
                order.push(id);
            }
            let (prepared, data, rows) = doing.get_mut(&id).expect("just put there");
            if *rows == 0 {
                sql::open(prepared.oid, data);
            }
            *rows += 1;
            let at = sql::begin(self.plans[id.0 as usize].keys, data);
            data.extend_from_slice(&planned.keys[op(i).key.0 as usize..op(i).key.1 as usize]);
            sql::end(at, data);
        }
        let mut last: Option<(u32, u64, bool)> = None;
        let mut current: (Option<Rc<Prepared>>, Vec<u8>, usize) = (None, Vec::new(), 0);
        for i in &run.writes {
            let op = op(i);
            let id = (op.plan, op.unseen, false);
            if last != Some(id) {
                // Groups change seldom: the one being written is kept at hand.
                if let (Some(l), (Some(p), data, rows)) = (last, std::mem::take(&mut current)) {
                    doing.insert(l, (p, data, rows));
                }
                current = match doing.remove(&id) {
                    Some((p, data, rows)) => (Some(p), data, rows),
                    None => {
                        order.push(id);
                        let p = self.prepared(id)?;
                        let mut data = Vec::with_capacity(run.writes.len() * 64);
                        sql::open(p.oid, &mut data);
                        (Some(p), data, 0)
                    }
                };
                last = Some(id);
            }
            let plan = &self.plans[op.plan as usize];
            let record = batch.record(op.row as usize);
            let (row, key, topic) = (plan.row(&record), record.key(), batch.topic_of(&record));
            let data = &mut current.1;
            let at = sql::begin(plan.columns.len() - op.unseen.count_ones() as usize, data);
            data.extend_from_slice(&planned.keys[op.key.0 as usize..op.key.1 as usize]);
            let written = (plan.keys..plan.columns.len())
                .filter(|c| *c >= 64 || op.unseen >> c & 1 == 0)
                .try_for_each(|c| plan.write(c, topic, &record, key.as_ref(), row.as_ref(), data));
            if let Err(bad) = written {
                data.truncate(at);
                failures.push(RecordFailure::poison(op.row as usize, bad.code, bad.why));
                continue;
            }
            sql::end(at, data);
            current.2 += 1;
        }
        if let (Some(l), (Some(p), data, rows)) = (last, current) {
            doing.insert(l, (p, data, rows));
        }
        for id in order {
            let Some((prepared, mut data, rows)) = doing.remove(&id).filter(|d| d.2 > 0 && !d.0.sql.is_empty()) else { continue };
            sql::close(rows, &mut data);
            out.push(Statement { sql: prepared.sql.clone(), params: vec![Param::Binary(Binary { oid: prepared.array, data })] });
        }
        Ok(())
    }

    /// The statement of a plan: its write without some columns, or its delete.
    fn prepared(&mut self, id: (u32, u64, bool)) -> Result<Rc<Prepared>, Error> {
        self.connect()?;
        let session = self.session.as_mut().expect("connected");
        if let Some(p) = session.sql.get(&id) {
            return Ok(p.clone());
        }
        let plan = self.plans[id.0 as usize].clone();
        let columns: Vec<&Target> = match id.2 {
            true => plan.columns[..plan.keys].iter().collect(),
            false => plan.columns.iter().enumerate().filter(|(i, _)| *i >= 64 || id.1 >> i & 1 == 0).map(|(_, c)| c).collect(),
        };
        let wires: Vec<Wire> = columns.iter().map(|c| c.wire).collect();
        if !session.stages.contains_key(&wires) {
            let name = format!("millrace_rows_{}", session.stages.len());
            session.connection.query(&sql::stage(&name, &wires)).map_err(|e| {
                e.context(
                    "cannot make the temporary table whose type the rows cross in (the user needs TEMPORARY on the database)",
                )
            })?;
            let found = session.connection.query(&format!(
                "SELECT oid, typarray FROM pg_type WHERE oid = {}::regtype",
                quote_literal(&format!("pg_temp.{name}"))
            ))?;
            let oid = |i: usize| found.first().and_then(|r| r.get(i)?.as_deref()?.parse().ok());
            let (Some(row), Some(array)) = (oid(0), oid(1)) else {
                return Err(Error::retriable("postgres.no-type", format!("the type of the temporary table {name} is not found")));
            };
            session.stages.insert(wires.clone(), (format!("pg_temp.{name}"), row, array));
        }
        let (stage, oid, array) = &session.stages[&wires];
        let sql = if id.2 { sql::delete(&plan, stage) } else { sql::write(&plan, &columns, self.options.insert_mode, stage) };
        let prepared = Rc::new(Prepared { sql, oid: *oid, array: *array });
        session.sql.insert(id, prepared.clone());
        Ok(prepared)
    }
}
