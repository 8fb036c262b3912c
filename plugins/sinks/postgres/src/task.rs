//! The task: its session, and the batches that come, are written in their order, and are answered for.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use millrace_plugin::{Error, Flushed, LateFailure, RecordFailure, Schema, TopicOffset, TopicPartition, schema};

use crate::catalog::{Table, TableName};
use crate::connection::{Connection, Database, is_data_error, is_stale};
use crate::encode::Wire;
use crate::held::{Held, parse};
use crate::offsets::Offsets;
use crate::options::{InsertMode, Options, qualified};
use crate::plan::Plan;
use crate::planning::{Skip, Skipped, Unfit};
use crate::statements::{Prepared, StatementId};
use crate::writing::{STALE_MAX, explain};

/// A record that would not go in.
pub const REFUSED: &str = "postgres.refused";
/// A record of which no row can be made.
pub const UNFIT: &str = "postgres.unfit";
/// A record whose table is not as its schema needs, and is not changed: alerts go by this code.
pub const EVOLUTION: &str = "schema.evolution";

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
    pub(crate) fn disconnect(&mut self) {
        self.session = None;
        self.generation += 1;
    }

    /// Forgets what was read of tables, and the session with the statements over them.
    pub(crate) fn forget(&mut self) {
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
    pub(crate) fn holds(&self) -> bool {
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
}
