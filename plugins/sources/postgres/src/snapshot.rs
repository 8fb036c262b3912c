//! A consistent snapshot: every captured table as it was at one point of the log, read with COPY.
//!
//! Each row is written when the next one is known to follow, since the last of a table and the last of all say so.

use std::collections::VecDeque;
use std::rc::Rc;

use millrace_plugin::{Error, info, postgres, warn};

use crate::catalog::Types;
use crate::connection::{Connection, CopyRows};
use crate::copy::CopyRow;
use crate::emit::{Emitter, Event, refused};
use crate::envelope::Origin;
use crate::options::{FailureMode, Options};
use crate::plan::{Cause, Plan, RowError};
use crate::shape::{Announced, Shape};
use crate::stream::{Limits, Stream};
use crate::types::ValueError;
use crate::wal::Lsn;

/// A table to read.
pub struct Source {
    pub plan: Rc<Plan>,
    /// `COPY (SELECT ...) TO STDOUT`.
    pub sql: String,
}

/// Where and when the snapshot is.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub lsn: Lsn,
    pub xid: u32,
    pub time_us: i64,
}

pub struct Snapshot {
    connection: Box<dyn Connection>,
    tables: VecDeque<Source>,
    open: Option<Open>,
    /// The row that came last, until it is known whether another follows.
    held: Option<Held>,
    writer: Writer,
    done: bool,
    /// What its tables look like, until it is told.
    shapes: VecDeque<(Announced, Shape)>,
    types: Types,
}

/// The table being read.
struct Open {
    plan: Rc<Plan>,
    rows: Box<dyn CopyRows>,
    buffer: Vec<u8>,
    at: usize,
    /// None of its rows was met yet.
    fresh: bool,
}

struct Held {
    plan: Rc<Plan>,
    line: Vec<u8>,
    first_of_table: bool,
}

/// How much is asked for at once, in bytes.
const CHUNK_BYTES: u32 = 256 << 10;

impl Snapshot {
    pub fn new(options: Rc<Options>, connection: Box<dyn Connection>, tables: Vec<Source>, point: Point) -> Self {
        let sequence = crate::envelope::sequence_start(None);
        let writer = Writer { options, point, sequence, row: CopyRow::default(), written: 0 };
        let (shapes, types) = (VecDeque::new(), Types::default());
        Snapshot { connection, tables: tables.into(), open: None, held: None, writer, done: false, shapes, types }
    }

    /// What its tables look like, to be told before their rows.
    pub fn telling(mut self, shapes: Vec<(Announced, Shape)>, types: Types) -> Self {
        (self.shapes, self.types) = (shapes.into(), types);
        self
    }

    /// Tells what its tables look like, until a limit is reached. True: all of them are told.
    pub fn tell(&mut self, stream: &mut Stream, emitter: &mut Emitter<'_>, limits: Limits, now_us: u64) -> bool {
        while emitter.writer.len() < limits.records && emitter.writer.size() < limits.bytes {
            let Some((announced, shape)) = self.shapes.pop_front() else { return true };
            let Point { lsn, xid, time_us } = self.writer.point;
            let origin = Origin { lsn, xid: Some(xid), time_us, sequence: &self.writer.sequence, snapshot: Some("true") };
            stream.tell_snapshot(emitter, (&announced, &shape), &self.types, Event { origin, now_us });
        }
        false
    }

    /// Rows written so far.
    pub fn written(&self) -> u64 {
        self.writer.written
    }

    /// Writes rows until a limit is reached. True: that was all.
    pub fn drain(&mut self, emitter: &mut Emitter<'_>, limits: Limits, now_us: u64) -> Result<bool, Error> {
        while !self.done && emitter.writer.len() < limits.records && emitter.writer.size() < limits.bytes {
            let Some(open) = &mut self.open else {
                self.next_table(emitter, now_us)?;
                continue;
            };
            let Some(line) = postgres::messages(&open.buffer[open.at..]).next() else {
                // What a poll has goes on its way before more is waited for.
                if !emitter.writer.is_empty() {
                    return Ok(false);
                }
                match open.rows.next(CHUNK_BYTES)? {
                    Some(buffer) => (open.buffer, open.at) = (buffer, 0),
                    None => self.open = None,
                }
                continue;
            };
            let first_of_table = std::mem::take(&mut open.fresh);
            if let Some(held) = self.held.take() {
                let last = first_of_table.then_some("last_in_data_collection");
                self.writer.write(emitter, &held.plan, &held.line, held.first_of_table, last, now_us)?;
            }
            let next = open.at + 4 + line.len();
            if next < open.buffer.len() {
                self.writer.write(emitter, &open.plan, line, first_of_table, None, now_us)?;
            } else {
                self.held = Some(Held { plan: open.plan.clone(), line: line.to_vec(), first_of_table });
            }
            open.at = next;
        }
        Ok(self.done)
    }

    /// Opens the next table; after the last one, the row that is held is the last of all.
    fn next_table(&mut self, emitter: &mut Emitter<'_>, now_us: u64) -> Result<(), Error> {
        if let Some(table) = self.tables.pop_front() {
            info!("reading a table"; table = table.plan.name, rows_so_far = self.writer.written);
            let rows = self.connection.copy_out(&table.sql)?;
            self.open = Some(Open { plan: table.plan, rows, buffer: Vec::new(), at: 0, fresh: true });
            return Ok(());
        }
        if let Some(held) = self.held.take() {
            self.writer.write(emitter, &held.plan, &held.line, held.first_of_table, Some("last"), now_us)?;
        }
        self.connection.query("COMMIT")?;
        self.done = true;
        Ok(())
    }
}

/// Writes rows as events.
struct Writer {
    options: Rc<Options>,
    point: Point,
    sequence: String,
    row: CopyRow,
    written: u64,
}

impl Writer {
    fn write(
        &mut self,
        emitter: &mut Emitter<'_>,
        plan: &Plan,
        line: &[u8],
        first_of_table: bool,
        last: Option<&str>,
        now_us: u64,
    ) -> Result<(), Error> {
        let mark = match last {
            _ if self.written == 0 && last != Some("last") => "first",
            Some(last) => last,
            None if first_of_table => "first_in_data_collection",
            None => "true",
        };
        self.row.read(line);
        let Point { lsn, xid, time_us } = self.point;
        let origin = Origin { lsn, xid: Some(xid), time_us, sequence: &self.sequence, snapshot: Some(mark) };
        self.written += 1;
        match emitter.read(plan, self.row.values(), Event { origin, now_us }) {
            // An enum got it since its labels were read: a fresh task reads them again.
            Err(RowError { cause: Cause::Value(ValueError { label: Some(_), .. }), .. }) => {
                let message = format!("an enum of table {} changed while the snapshot was read", plan.name);
                Err(Error::restart("postgres.snapshot", message))
            }
            Err(e) if self.options.failure_mode == FailureMode::Fail => Err(refused(plan, &e)),
            Err(e) if self.options.failure_mode == FailureMode::Warn => {
                warn!("a row was left out"; table = plan.name, column = e.column, cause = e.cause);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
