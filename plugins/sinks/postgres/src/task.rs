//! The task: a batch comes, is planned, reduced, written in one transaction, and answered for.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use millrace_plugin::postgres::Statement;
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, ErrorKind, Flushed, LateFailure, RecordFailure, Schema, TopicOffset, TopicPartition, schema};

use crate::catalog::{Table, TableName};
use crate::connection::{Connection, Database, is_data_error, is_stale};
use crate::encode::Wire;
use crate::offsets::Offsets;
use crate::options::{InsertMode, Options, qualified};
use crate::plan::Plan;
use crate::planning::{Planned, Skip, Skipped, Unfit};
use crate::reduce::Op;
use crate::statements::{Prepared, StatementId};

/// A record that would not go in.
pub const REFUSED: &str = "postgres.refused";
/// A record of which no row can be made.
pub const UNFIT: &str = "postgres.unfit";
/// A record whose table is not as its schema needs, and is not changed: alerts go by this code.
pub const EVOLUTION: &str = "schema.evolution";

/// How often a batch is tried again because the server's tables are not as the task remembers them.
const STALE_MAX: usize = 3;
/// How often a batch is tried again because a table was changed for it. Each time one thing more is right.
const CHANGES_MAX: usize = 256;
/// How many columns of doubtful type a failure names.
const COLUMNS_SHOWN: usize = 3;

type PlanKey = (String, Option<u32>, Option<u32>, bool);

/// A connection, and what is prepared on it.
pub(crate) struct Session {
    pub(crate) connection: Box<dyn Connection>,
    /// The composite types made: their name, their oid and that of their array.
    pub(crate) stages: HashMap<Vec<Wire>, (String, u32, u32)>,
    pub(crate) sql: HashMap<StatementId, Rc<Prepared>>,
    /// The server works on the batch `ahead`.
    submitted: bool,
}

/// A batch that is not known to be written.
struct Held {
    batch: Vec<u8>,
    skipped: Skipped,
}

impl Held {
    fn new(batch: Vec<u8>, failures: &[RecordFailure]) -> Held {
        Held { batch, skipped: failures.iter().map(|f| (f.row, Skip::Refused)).collect() }
    }

    /// Leaves the records of revoked partitions to whom they come next. What is not revoked comes no second time.
    fn give_up(&mut self, partitions: &[TopicPartition]) {
        let Ok(view) = parse(&self.batch) else { return };
        for i in 0..view.len() {
            let record = view.record(i);
            let (topic, partition) = (view.topic_of(&record), record.partition());
            if partitions.iter().any(|p| Some(p.partition) == partition && p.topic == topic) {
                self.skipped.insert(i as u32, Skip::Revoked);
            }
        }
    }

    /// What the host is told of records that it was told were taken.
    fn late(&self, failures: Vec<RecordFailure>) -> Result<Vec<LateFailure>, Error> {
        let view = parse(&self.batch)?;
        let late = failures.into_iter().map(|f| {
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
    }
}

pub struct Task {
    pub(crate) options: Options,
    database: Box<dyn Database>,
    pub(crate) session: Option<Session>,
    /// Grows whenever plans and statements made before are void.
    pub(crate) generation: u64,
    pub(crate) tables: HashMap<TableName, Table>,
    pub(crate) table_ids: Vec<TableName>,
    pub(crate) plans: Vec<Rc<Plan>>,
    pub(crate) by_schema: HashMap<PlanKey, Result<u32, Unfit>>,
    /// Why records were refused by their tables: what was logged.
    pub(crate) refused: HashSet<String>,
    /// Changes of tables that were tried in vain.
    pub(crate) given_up: HashSet<String>,
    pub(crate) offsets: Option<Offsets>,
    /// A batch whose good records wait until the host has dealt with its bad ones.
    held: Option<Held>,
    /// The batch that the server works on while the next one is made ready; or, the session lost, worked on.
    ahead: Option<Held>,
    /// Records that were taken and then refused, until the next flush.
    late: Vec<LateFailure>,
    pub schema_of: fn(u32) -> Result<Rc<Schema>, Error>,
}

impl Task {
    pub fn new(connector: &str, options: Options, database: Box<dyn Database>) -> Task {
        let offsets = options.exactly_once.then(|| Offsets::new(qualified(&options.offsets_table), connector));
        Task {
            options,
            database,
            session: None,
            generation: 0,
            tables: HashMap::new(),
            table_ids: Vec::new(),
            plans: Vec::new(),
            by_schema: HashMap::new(),
            refused: HashSet::new(),
            given_up: HashSet::new(),
            offsets,
            held: None,
            ahead: None,
            late: Vec::new(),
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
            self.session = Some(Session { connection, stages: HashMap::new(), sql: HashMap::new(), submitted: false });
        }
        Ok(())
    }

    fn explain_offsets(&self, e: Error) -> Error {
        e.context(&format!("cannot use \"offsets.table\" {}", self.options.offsets_table))
    }

    pub(crate) fn connection(&mut self) -> Result<&mut dyn Connection, Error> {
        self.connect()?;
        Ok(self.session.as_mut().expect("connected").connection.as_mut())
    }

    /// Forgets the session: what is on it is in doubt.
    fn disconnect(&mut self) {
        self.session = None;
        self.generation += 1;
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
        [&mut self.held, &mut self.ahead].into_iter().flatten().for_each(|h| h.give_up(partitions));
        self.late.retain(|f| !partitions.iter().any(|p| p.partition == f.partition && p.topic == f.topic));
    }

    /// Takes a batch in row format 1.
    pub fn put(&mut self, batch: Vec<u8>) -> Result<Vec<RecordFailure>, Error> {
        if self.holds() { self.put_whole(batch) } else { self.put_ahead(batch) }
    }

    /// Whether rows that are added twice are doubled, or offsets that are stored are passed: then nothing of a batch is
    /// written before the host has dealt with its bad records, since that may stop the task, and the batch comes again.
    fn holds(&self) -> bool {
        self.options.insert_mode == InsertMode::Insert || self.offsets.is_some()
    }

    /// Written and committed when this returns, unless it holds bad records: then it is held.
    fn put_whole(&mut self, batch: Vec<u8>) -> Result<Vec<RecordFailure>, Error> {
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
        let failures = self.write(&parse(&batch)?, &Skipped::new())?;
        if !failures.is_empty() {
            self.held = Some(Held::new(batch, &failures));
        }
        Ok(failures)
    }

    /// Writes what is held. The failures are of records that were good before: they are not written, and it stays held.
    fn release(&mut self) -> Result<Vec<LateFailure>, Error> {
        let Some(mut held) = self.held.take() else { return Ok(Vec::new()) };
        let done = parse(&held.batch).and_then(|view| self.write(&view, &held.skipped));
        let done = done.and_then(|failures| {
            let new: Vec<_> = failures.into_iter().filter(|f| !held.skipped.contains_key(&f.row)).collect();
            held.skipped.extend(new.iter().map(|f| (f.row, Skip::Refused)));
            held.late(new)
        });
        if done.as_ref().map_or(true, |late| !late.is_empty()) {
            self.held = Some(held);
        }
        done
    }

    /// Makes a batch ready while the server works on the one before, then hands it over: the answer is taken by the next
    /// call. Invariant in-order: nothing is handed over before what came earlier is committed.
    fn put_ahead(&mut self, batch: Vec<u8>) -> Result<Vec<RecordFailure>, Error> {
        let view = parse(&batch)?;
        let mut stale = 0;
        loop {
            let ready = self.connect().and_then(|()| {
                let mut planned = self.plan(&view, &Skipped::new())?;
                let generation = self.generation;
                let statements = self.encode_all(&view, &mut planned)?;
                Ok((generation, planned, statements))
            });
            let (generation, planned, statements) = match ready {
                Ok(ready) => ready,
                Err(e) if is_stale(&e) && stale < STALE_MAX => {
                    stale += 1;
                    self.forget();
                    continue;
                }
                Err(e) => {
                    self.disconnect();
                    return Err(explain(e, &self.options));
                }
            };
            self.settle()?;
            if generation != self.generation {
                continue;
            }
            if !statements.is_empty() {
                let session = self.session.as_mut().expect("connected");
                if let Err(e) = session.connection.submit(statements) {
                    self.disconnect();
                    return Err(explain(e, &self.options));
                }
                session.submitted = true;
                self.ahead = Some(Held::new(batch, &planned.failures));
            }
            return Ok(planned.failures);
        }
    }

    /// Waits for the batch that the server works on. It is committed when this returns, but for those of its records that
    /// were refused: the next flush tells them.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(held) = self.ahead.take() else { return Ok(()) };
        if let Some(session) = self.session.as_mut().filter(|s| s.submitted) {
            session.submitted = false;
            match session.connection.outcome() {
                Ok(_) => return Ok(()),
                Err(e) if is_data_error(&e) => {}
                // Nothing was written, or that is not known: writing it again changes nothing.
                Err(_) => self.disconnect(),
            }
        }
        let done = parse(&held.batch).and_then(|view| self.write(&view, &held.skipped)).and_then(|f| held.late(f));
        match done {
            Ok(mut late) => self.late.append(&mut late),
            Err(e) => {
                self.ahead = Some(held);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Invariant durable-before-commit: everything put is committed in PostgreSQL when this answers.
    pub fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.settle()?;
        let mut failures = self.release()?;
        failures.append(&mut self.late);
        // What is still held is not written: the offsets stay behind until the next flush.
        let offsets = if self.held.is_some() { Vec::new() } else { upto };
        Ok(Flushed { offsets, failures })
    }

    /// One transaction, without what is skipped. Where a failure has to be dealt with before anything is written, nothing is.
    fn write(&mut self, batch: &Batch<'_>, skipped: &Skipped) -> Result<Vec<RecordFailure>, Error> {
        let (mut moved, mut changed, mut stale) = (0, 0, 0);
        loop {
            match self.write_once(batch, skipped) {
                Ok(Written::All(failures)) => return Ok(failures),
                Ok(Written::TableChanged) if changed < CHANGES_MAX => changed += 1,
                // Another task moved the stored offsets: they were read again.
                Ok(Written::OffsetsMoved) if moved < 3 => moved += 1,
                Ok(Written::TableChanged) => {
                    return Err(Error::retriable(
                        "postgres.unsettled",
                        "a table is changed for a batch again and again: see who else alters it",
                    ));
                }
                Ok(Written::OffsetsMoved) => {
                    return Err(Error::retriable(
                        "postgres.offsets-moved",
                        "another task moves the stored offsets of the same partitions; is the connector running twice?",
                    ));
                }
                Err(e) if is_stale(&e) && stale < STALE_MAX => {
                    stale += 1;
                    self.forget();
                }
                Err(e) => {
                    self.disconnect();
                    return Err(explain(e, &self.options));
                }
            }
        }
    }

    fn write_once(&mut self, batch: &Batch<'_>, skipped: &Skipped) -> Result<Written, Error> {
        self.connect()?;
        let mut planned = self.plan(batch, skipped)?;
        let statements = self.encode_all(batch, &mut planned)?;
        let known = !planned.failures.is_empty() && self.holds();
        if planned.ops.is_empty() && planned.moves.is_empty() {
            return Ok(Written::All(planned.failures));
        }
        if known {
            // Find every failure now, and undo.
            return self.separate(batch, planned);
        }
        if planned.moves.is_empty() {
            return match self.run(statements) {
                Ok(()) => Ok(Written::All(planned.failures)),
                Err(e) if is_data_error(&e) => match self.room_for(batch, &planned.ops, &e)? {
                    needed if needed.is_empty() => self.separate(batch, planned),
                    needed => self.make_room(needed),
                },
                Err(e) => Err(e),
            };
        }
        self.connection()?.query("BEGIN")?;
        if !self.advance(&planned)? {
            return Ok(Written::OffsetsMoved);
        }
        let mut done = self.run(statements);
        if done.is_ok() {
            done = self.connection()?.query("COMMIT").map(drop);
        }
        match done {
            Ok(()) => {
                self.moved(planned.moves);
                Ok(Written::All(planned.failures))
            }
            Err(e) if is_data_error(&e) => {
                self.connection()?.query("ROLLBACK")?;
                match self.room_for(batch, &planned.ops, &e)? {
                    needed if needed.is_empty() => self.separate(batch, planned),
                    needed => self.make_room(needed),
                }
            }
            Err(e) => Err(e),
        }
    }

    /// Runs statements as one transaction, or inside the open one.
    fn run(&mut self, statements: Vec<Statement>) -> Result<(), Error> {
        let connection = self.connection()?;
        connection.submit(statements)?;
        connection.outcome().map(drop)
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
    fn separate(&mut self, batch: &Batch<'_>, mut planned: Planned) -> Result<Written, Error> {
        // Deferred constraints would blame the whole transaction, and too late.
        self.connection()?.query("BEGIN; SET CONSTRAINTS ALL IMMEDIATE")?;
        if !self.advance(&planned)? {
            return Ok(Written::OffsetsMoved);
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
            self.connection()?.query("SAVEPOINT part")?;
            match self.run(statements) {
                Ok(()) => drop(self.connection()?.query("RELEASE part")?),
                Err(e) if is_data_error(&e) => {
                    self.connection()?.query("ROLLBACK TO part; RELEASE part")?;
                    if to - from == 1 {
                        let needed = self.room_for(batch, &ops[from..to], &e)?;
                        if !needed.is_empty() {
                            self.connection()?.query("ROLLBACK")?;
                            return self.make_room(needed);
                        }
                        planned.failures.push(self.refused(&ops[from], &e));
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
        Ok(Written::All(planned.failures))
    }

    /// The failure of a record that the server refused; where its field and its column differ in type, both are named.
    fn refused(&self, op: &Op, e: &Error) -> RecordFailure {
        let named = ["table", "column", "constraint"].iter().filter_map(|a| Some(format!("{a} {}", e.get(a)?)));
        let named: Vec<_> = named.collect();
        let at = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
        let (mut code, mut types) = (e.code.clone(), String::new());
        if e.sqlstate().is_some_and(|s| s.starts_with("22")) {
            let plan = &self.plans[op.plan as usize];
            let doubtful: Vec<_> = plan.columns.iter().filter(|c| c.doubtful).collect();
            let shown = doubtful.iter().take(COLUMNS_SHOWN).map(|c| {
                let (column, field) = &*c.types;
                format!("column \"{}\" is {column}, the field {field}", c.name)
            });
            let shown: Vec<_> = shown.collect();
            if !shown.is_empty() {
                code = EVOLUTION.to_owned();
                types = format!(
                    "; in the table {} {}: change the column's type, or convert the field with a transform such as Cast",
                    plan.table.sql(),
                    shown.join("; ")
                );
            }
        }
        RecordFailure::poison(op.row as usize, code, format!("{}{at}{types}", e.message))
    }
}

/// What became of a batch.
pub(crate) enum Written {
    /// All but these; or none at all, where these have to be dealt with first.
    All(Vec<RecordFailure>),
    /// Nothing, and the stored offsets were read again.
    OffsetsMoved,
    /// Nothing, and a table that had no room for it may have it now.
    TableChanged,
}

/// A batch that the SDK has given, and checked.
fn parse(batch: &[u8]) -> Result<Batch<'_>, Error> {
    Batch::reopen(batch).map_err(|e| Error::fatal("postgres.malformed", e.to_string()))
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
