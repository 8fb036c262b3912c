//! A batch becomes one transaction: it is tried again where tables or offsets moved, and taken apart where a record is
//! poison.
//!
//! Promises: all of a batch but its failures is committed when [`Task::write`] answers, or nothing is.

use millrace_plugin::postgres::Statement;
use millrace_plugin::row::Batch;
use millrace_plugin::{Error, ErrorKind, RecordFailure};

use crate::connection::{is_data_error, is_stale};
use crate::options::Options;
use crate::planning::{Planned, Skipped};
use crate::reduce::Op;
use crate::task::{EVOLUTION, Task};

/// How often a batch is tried again because the server's tables are not as the task remembers them.
pub(crate) const STALE_MAX: usize = 3;
/// How often a batch is tried again because a table was changed for it. Each time one thing more is right.
const CHANGES_MAX: usize = 256;
/// How often a batch is tried again because another task moved the stored offsets.
const MOVES_MAX: usize = 3;
/// How many columns of doubtful type a failure names.
const COLUMNS_SHOWN: usize = 3;

impl Task {
    /// One transaction, without what is skipped. Where a failure has to be dealt with before anything is written, nothing is.
    pub(crate) fn write(&mut self, batch: &Batch<'_>, skipped: &Skipped) -> Result<Vec<RecordFailure>, Error> {
        let (mut moved, mut changed, mut stale) = (0, 0, 0);
        loop {
            match self.write_once(batch, skipped) {
                Ok(Written::All(failures)) => return Ok(failures),
                Ok(Written::TableChanged) if changed < CHANGES_MAX => changed += 1,
                // Another task moved the stored offsets: they were read again.
                Ok(Written::OffsetsMoved) if moved < MOVES_MAX => moved += 1,
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

/// Adds what to do, where the server does not say.
pub(crate) fn explain(e: Error, options: &Options) -> Error {
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
