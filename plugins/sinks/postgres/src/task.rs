//! The task: a batch comes, is planned, reduced, written in one transaction, and answered for.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::postgres::{Binary, Param, quote_literal};
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, ErrorKind, Flushed, LateFailure, RecordFailure, Schema, TopicOffset, TopicPartition, schema};

use crate::catalog::{self, Table, TableName};
use crate::connection::{Connection, Database, is_data_error, is_stale};
use crate::encode::Wire;
use crate::offsets::Offsets;
use crate::options::{InsertMode, KeyMode, Options, qualified};
use crate::plan::{Change, Draft, Plan, Target};
use crate::reduce::{self, Mode, Op, OpKind, Run};
use crate::statement;

/// A record that would not go in.
const REFUSED: &str = "postgres.refused";

type PlanKey = (String, Option<u32>, Option<u32>, bool);

/// A connection, and what is prepared on it.
struct Session {
    connection: Box<dyn Connection>,
    /// The composite types made: their name, their oid and that of their array.
    stages: HashMap<Vec<Wire>, (String, u32, u32)>,
    sql: HashMap<(u32, u64, bool), Rc<Prepared>>,
}

struct Prepared {
    sql: String,
    oid: u32,
    array: u32,
}

/// A batch whose good records wait until the host has dealt with its bad ones.
struct Held {
    batch: Vec<u8>,
    bad: Vec<u32>,
}

pub struct Task {
    options: Options,
    database: Box<dyn Database>,
    session: Option<Session>,
    tables: HashMap<TableName, Table>,
    table_ids: Vec<TableName>,
    plans: Vec<Rc<Plan>>,
    by_schema: HashMap<PlanKey, Result<u32, String>>,
    offsets: Option<Offsets>,
    held: Option<Held>,
    pub schema_of: fn(u32) -> Result<Rc<Schema>, Error>,
}

/// A batch, planned.
#[derive(Default)]
struct Planned {
    ops: Vec<Op>,
    keys: Vec<u8>,
    failures: Vec<RecordFailure>,
    /// With exactly-once: where each partition moves to.
    moves: Vec<((String, i32), i64)>,
}

struct Statement {
    sql: String,
    param: Option<Binary>,
}

impl Task {
    pub fn new(connector: &str, options: Options, database: Box<dyn Database>) -> Task {
        let offsets = options.exactly_once.then(|| Offsets::new(qualified(&options.offsets_table), connector));
        Task {
            options,
            database,
            session: None,
            tables: HashMap::new(),
            table_ids: Vec::new(),
            plans: Vec::new(),
            by_schema: HashMap::new(),
            offsets,
            held: None,
            schema_of: schema::get,
        }
    }

    /// Makes the session when there is none.
    pub fn connect(&mut self) -> Result<(), Error> {
        if self.session.is_none() {
            let mut connection = self.database.connect()?;
            if let Some(offsets) = &mut self.offsets {
                offsets.refresh(connection.as_mut()).map_err(|e| self.explain_offsets(e))?;
            }
            self.session = Some(Session { connection, stages: HashMap::new(), sql: HashMap::new() });
        }
        Ok(())
    }

    fn explain_offsets(&self, e: Error) -> Error {
        e.context(&format!("cannot use \"offsets.table\" {}", self.options.offsets_table))
    }

    fn connection(&mut self) -> Result<&mut dyn Connection, Error> {
        self.connect()?;
        Ok(self.session.as_mut().expect("connected").connection.as_mut())
    }

    /// Forgets the session: what is on it is in doubt.
    fn disconnect(&mut self) {
        self.session = None;
    }
    /// Forgets what was read of tables, and the session with the statements over them.
    fn forget(&mut self) {
        self.disconnect();
        self.tables.clear();
        self.plans.clear();
        self.table_ids.clear();
        self.by_schema.clear();
    }

    pub fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<TopicOffset>, Error> {
        if self.offsets.is_none() {
            return Ok(Vec::new());
        }
        self.connect()?;
        let (Some(offsets), Some(session)) = (&mut self.offsets, &mut self.session) else { return Ok(Vec::new()) };
        match offsets.open(session.connection.as_mut(), &partitions) {
            Ok(found) => Ok(found),
            Err(e) => {
                self.disconnect();
                Err(self.explain_offsets(e))
            }
        }
    }

    pub fn close(&mut self, partitions: &[TopicPartition]) {
        if let Some(offsets) = &mut self.offsets {
            offsets.close(partitions);
        }
        // A batch is held whole. What of it is not revoked has not been answered as durable, so it comes again.
        self.held = None;
    }

    /// Takes a batch in row format 1: written and committed when this returns, the failures aside.
    pub fn put(&mut self, batch: &[u8]) -> Result<Vec<RecordFailure>, Error> {
        let late = self.release()?;
        if let Some(first) = late.first() {
            // Its batch was answered for: only a restart from the stored position brings the record back.
            return Err(Error::fatal(
                REFUSED,
                format!(
                    "a record of {}-{} at offset {} was accepted, and then refused: {}; restart the task",
                    first.topic, first.partition, first.offset, first.message
                ),
            ));
        }
        let view = parse(batch)?;
        let failures = self.write(&view, &[])?;
        // Rows that are added twice are doubled, and offsets that are stored are passed: where that would follow from the
        // task being stopped over a failure, nothing is written before the host asks for more.
        if !failures.is_empty() && self.holds() {
            let bad = failures.iter().map(|f| f.row).collect();
            self.held = Some(Held { batch: batch.to_vec(), bad });
        }
        Ok(failures)
    }

    fn holds(&self) -> bool {
        self.options.insert_mode == InsertMode::Insert || self.offsets.is_some()
    }

    /// Writes what is held. The failures are of records that were good before: they are not written, and it stays held.
    fn release(&mut self) -> Result<Vec<LateFailure>, Error> {
        let Some(held) = self.held.take() else { return Ok(Vec::new()) };
        let done = parse(&held.batch).and_then(|view| {
            let failures = self.write(&view, &held.bad)?;
            let late = failures.into_iter().filter(|f| !held.bad.contains(&f.row)).map(|f| {
                let record = view.record(f.row as usize);
                LateFailure {
                    topic: view.topic_of(&record).to_owned(),
                    partition: record.partition().unwrap_or(-1),
                    offset: record.offset().unwrap_or(-1),
                    retriable: f.retriable,
                    code: f.code,
                    message: f.message,
                }
            });
            Ok(late.collect())
        });
        match &done {
            Ok(late) if Vec::is_empty(late) => {}
            Ok(late) => {
                let mut held = held;
                let view = parse(&held.batch)?;
                let bad = (0..view.len()).filter(|i| {
                    let r = view.record(*i);
                    late.iter().any(|l| {
                        Some(l.offset) == r.offset() && Some(l.partition) == r.partition() && l.topic == view.topic_of(&r)
                    })
                });
                let bad: Vec<u32> = bad.map(|i| i as u32).collect();
                held.bad.extend(bad);
                self.held = Some(held);
            }
            Err(_) => self.held = Some(held),
        }
        done
    }

    /// Invariant durable-before-commit: everything put is committed in PostgreSQL when this answers.
    pub fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        let failures = self.release()?;
        // What is still held is not written: the offsets stay behind until the next flush.
        let offsets = if self.held.is_some() { Vec::new() } else { upto };
        Ok(Flushed { offsets, failures })
    }

    /// One transaction, without the records `bad`. Where a failure has to be dealt with before anything is written, nothing is.
    fn write(&mut self, batch: &Batch<'_>, bad: &[u32]) -> Result<Vec<RecordFailure>, Error> {
        for attempt in 0.. {
            match self.write_once(batch, bad) {
                Ok(Some(failures)) => return Ok(failures),
                // Another task moved the stored offsets: they were read again.
                Ok(None) if attempt < 3 => {}
                Ok(None) => {
                    return Err(Error::retriable(
                        "postgres.offsets-moved",
                        "another task moves the stored offsets of the same partitions; is the connector running twice?",
                    ));
                }
                Err(e) if is_stale(&e) && attempt == 0 => self.forget(),
                Err(e) => {
                    self.disconnect();
                    return Err(explain(e, &self.options));
                }
            }
        }
        unreachable!("the loop ends by its attempts")
    }

    fn write_once(&mut self, batch: &Batch<'_>, bad: &[u32]) -> Result<Option<Vec<RecordFailure>>, Error> {
        self.connect()?;
        let mut planned = self.plan(batch, bad)?;
        let statements = self.encode_all(batch, &mut planned)?;
        let known = !planned.failures.is_empty() && self.holds();
        if planned.ops.is_empty() && planned.moves.is_empty() {
            return Ok(Some(planned.failures));
        }
        if known {
            // Find every failure now, and undo.
            return self.separate(batch, planned);
        }
        if statements.len() == 1 && planned.moves.is_empty() {
            // A single statement is a transaction of its own: one round trip.
            let s = &statements[0];
            return match run(self.connection()?, s) {
                Ok(()) => Ok(Some(planned.failures)),
                Err(e) if is_data_error(&e) => self.separate(batch, planned),
                Err(e) => Err(e),
            };
        }
        self.connection()?.query("BEGIN")?;
        if !self.advance(&planned)? {
            return Ok(None);
        }
        let mut done = statements.iter().try_for_each(|s| run(self.connection()?, s));
        if done.is_ok() {
            done = self.connection()?.query("COMMIT").map(drop);
        }
        match done {
            Ok(()) => {
                self.moved(planned.moves);
                Ok(Some(planned.failures))
            }
            Err(e) if is_data_error(&e) => {
                self.connection()?.query("ROLLBACK")?;
                self.separate(batch, planned)
            }
            Err(e) => Err(e),
        }
    }

    /// Moves the stored offsets inside the open transaction; false when another has, after a rollback.
    fn advance(&mut self, planned: &Planned) -> Result<bool, Error> {
        let (Some(offsets), Some(session)) = (&mut self.offsets, &mut self.session) else { return Ok(true) };
        if planned.moves.is_empty() || offsets.advance(session.connection.as_mut(), &planned.moves)? {
            return Ok(true);
        }
        session.connection.query("ROLLBACK")?;
        offsets.refresh(session.connection.as_mut())?;
        Ok(false)
    }

    fn moved(&mut self, moves: Vec<((String, i32), i64)>) {
        if let Some(offsets) = &mut self.offsets {
            offsets.moved(moves);
        }
    }

    /// Writes a batch that holds poison: by halves, so that few statements find the records to blame, and in order, so
    /// that what is left is applied as it came.
    fn separate(&mut self, batch: &Batch<'_>, mut planned: Planned) -> Result<Option<Vec<RecordFailure>>, Error> {
        // Deferred constraints would blame the whole transaction, and too late.
        self.connection()?.query("BEGIN; SET CONSTRAINTS ALL IMMEDIATE")?;
        if !self.advance(&planned)? {
            return Ok(None);
        }
        let ops = std::mem::take(&mut planned.ops);
        let mut parts = vec![(0, ops.len())];
        while let Some((from, to)) = parts.pop() {
            if from == to {
                continue;
            }
            let mut part = Planned { ops: ops[from..to].to_vec(), keys: std::mem::take(&mut planned.keys), ..Planned::default() };
            let statements = self.encode_all(batch, &mut part)?;
            planned.keys = part.keys;
            planned.failures.append(&mut part.failures);
            let connection = self.connection()?;
            connection.query("SAVEPOINT part")?;
            match statements.iter().try_for_each(|s| run(connection, s)) {
                Ok(()) => drop(connection.query("RELEASE part")?),
                Err(e) if is_data_error(&e) => {
                    connection.query("ROLLBACK TO part; RELEASE part")?;
                    if to - from == 1 {
                        planned.failures.push(refused(ops[from].row, &e));
                    } else {
                        let middle = from + (to - from) / 2;
                        parts.extend([(middle, to), (from, middle)]);
                    }
                }
                Err(e) => return Err(e),
            }
        }
        if self.holds() && !planned.failures.is_empty() {
            self.connection()?.query("ROLLBACK")?;
        } else {
            self.connection()?.query("COMMIT")?;
            self.moved(planned.moves);
        }
        planned.failures.sort_by_key(|f| f.row);
        Ok(Some(planned.failures))
    }

    /// Which table, which row and what to do, for every record.
    fn plan(&mut self, batch: &Batch<'_>, bad: &[u32]) -> Result<Planned, Error> {
        let mut planned = Planned { ops: Vec::with_capacity(batch.len()), ..Planned::default() };
        let mut cached: Option<((u32, Option<u32>, Option<u32>, bool), Result<u32, String>)> = None;
        for i in 0..batch.len() {
            let record = batch.record(i);
            let topic = batch.topic_of(&record);
            if self.offsets.is_some() && !self.fresh(topic, &record, &mut planned)? {
                continue;
            }
            if bad.contains(&(i as u32)) {
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
    fn fresh(&self, topic: &str, record: &millrace_plugin::Record<'_>, planned: &mut Planned) -> Result<bool, Error> {
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

    /// The statements for what is planned. Records that cannot be encoded leave the plan, and become its failures.
    fn encode_all(&mut self, batch: &Batch<'_>, planned: &mut Planned) -> Result<Vec<Statement>, Error> {
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
            out.push(Statement { sql: format!("TRUNCATE TABLE {}", self.table_ids[run.table as usize].sql()), param: None });
        }
        for i in &run.deletes {
            let id = (op(i).plan, 0, true);
            if !doing.contains_key(&id) {
                doing.insert(id, (self.prepared(id)?, Vec::new(), 0));
                order.push(id);
            }
            let (prepared, data, rows) = doing.get_mut(&id).expect("just put there");
            if *rows == 0 {
                statement::open(prepared.oid, data);
            }
            *rows += 1;
            let at = statement::begin(self.plans[id.0 as usize].keys, data);
            data.extend_from_slice(&planned.keys[op(i).key.0 as usize..op(i).key.1 as usize]);
            statement::end(at, data);
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
                        statement::open(p.oid, &mut data);
                        (Some(p), data, 0)
                    }
                };
                last = Some(id);
            }
            let plan = &self.plans[op.plan as usize];
            let record = batch.record(op.row as usize);
            let (row, key, topic) = (plan.row(&record), record.key(), batch.topic_of(&record));
            let data = &mut current.1;
            let at = statement::begin(plan.columns.len() - op.unseen.count_ones() as usize, data);
            data.extend_from_slice(&planned.keys[op.key.0 as usize..op.key.1 as usize]);
            let written = (plan.keys..plan.columns.len())
                .filter(|c| *c >= 64 || op.unseen >> c & 1 == 0)
                .try_for_each(|c| plan.write(c, topic, &record, key.as_ref(), row.as_ref(), data));
            if let Err(why) = written {
                data.truncate(at);
                failures.push(RecordFailure::poison(op.row as usize, REFUSED, why));
                continue;
            }
            statement::end(at, data);
            current.2 += 1;
        }
        if let (Some(l), (Some(p), data, rows)) = (last, current) {
            doing.insert(l, (p, data, rows));
        }
        for id in order {
            let Some((prepared, mut data, rows)) = doing.remove(&id).filter(|d| d.2 > 0 && !d.0.sql.is_empty()) else { continue };
            statement::close(rows, &mut data);
            out.push(Statement { sql: prepared.sql.clone(), param: Some(Binary { oid: prepared.array, data }) });
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
            session.connection.query(&statement::stage(&name, &wires)).map_err(|e| {
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
        let sql = if id.2 {
            statement::delete(&plan, stage)
        } else {
            statement::write(&plan, &columns, self.options.insert_mode, stage)
        };
        let prepared = Rc::new(Prepared { sql, oid: *oid, array: *array });
        session.sql.insert(id, prepared.clone());
        Ok(prepared)
    }
}

/// In place of a plan: its records change nothing.
const NOTHING: u32 = u32::MAX;

fn parse(batch: &[u8]) -> Result<Batch<'_>, Error> {
    Batch::parse(batch).map_err(|e| Error::fatal("postgres.malformed", e.to_string()))
}

fn run(connection: &mut dyn Connection, s: &Statement) -> Result<(), Error> {
    match &s.param {
        None => connection.query(&s.sql).map(drop),
        Some(p) => connection.execute(&s.sql, &[Param::Binary(p.clone())]).map(drop),
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

fn refused(row: u32, e: &Error) -> RecordFailure {
    let named = ["table", "column", "constraint"].iter().filter_map(|a| Some(format!("{a} {}", e.get(a)?)));
    let named: Vec<_> = named.collect();
    let at = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
    RecordFailure::poison(row as usize, e.code.clone(), format!("{}{at}", e.message))
}

/// Adds what to do, where the server does not say.
fn explain(e: Error, options: &Options) -> Error {
    let remedy = match e.sqlstate() {
        Some("42501") => {
            "grant the user INSERT, UPDATE, DELETE and SELECT on the table, CREATE on its schema where tables are to be made"
        }
        Some("42P10") => {
            "the key's columns need a primary key or a unique index in the table: add one, or change the key's settings"
        }
        _ => return e,
    };
    let kind = if e.kind == ErrorKind::Retriable { e.kind } else { ErrorKind::Fatal };
    let message = format!("{}; {remedy} (\"{}\", \"{}\")", e.message, options.dialect.key_mode(), options.dialect.key_fields());
    Error { kind, message, ..e }
}
