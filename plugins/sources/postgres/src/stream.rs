//! From the server's messages to records: one pass over what came, whole transactions in the order of their commits.
//!
//! Invariant exact-position: [`Stream::position`] names what has been written into the batch and nothing else, so that a
//! task which resumes from a mark of this batch continues with the very next event.

mod messages;
mod taking;
mod telling;

use std::rc::Rc;

use millrace_plugin::{Error, Polled, postgres};

use crate::catalog::Types;
use crate::emit::{Emitter, Event};
use crate::envelope;
use crate::options::Options;
use crate::position::{Position, Resume};
use crate::schema_changes::{Change, SchemaChanges};
use crate::shape::{Announced, Before, Shape};
use crate::tables::{Catalog, Tables};
use crate::transactions::{Counted, TransactionTopic};
use crate::wal::{self, Frame, Lsn, Message};
use messages::MessageTopic;

/// The limits of a poll.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub records: usize,
    pub bytes: usize,
}

/// A transaction being taken.
struct Transaction {
    commit: Lsn,
    time_us: i64,
    xid: u32,
    /// Messages that came.
    seen: u64,
    /// Messages that an earlier session has taken.
    skip: u64,
}

/// The state of the stream, which outlives a connection.
pub struct Stream {
    options: Rc<Options>,
    tables: Tables,
    changes: Option<SchemaChanges>,
    position: Position,
    transaction: Option<Transaction>,
    counted: Option<Counted>,
    transactions: Option<TransactionTopic>,
    messages: MessageTopic,
    /// The start of `sequence` for the transaction at hand.
    sequence: String,
    /// Of an offset of Debezium's connector: changes before here were taken.
    taken_before: Option<Lsn>,
    /// What came and is not taken, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Where the last transaction of this batch ended: after how many records.
    boundary: Option<(usize, Position)>,
    /// What made the last poll end early, to be told by the next.
    failed: Option<Error>,
    /// What was marked last.
    marked: Option<Position>,
    /// Where to stop: nothing that was committed from here on is taken.
    until: Option<Lsn>,
}

impl Stream {
    pub fn new(options: Rc<Options>, types: Types, resume: Resume, told: &[(u32, String)]) -> Result<Self, Error> {
        let (position, taken_before) = match resume {
            Resume::From(position) => (position, None),
            Resume::Debezium { resume, lsn } => (Position { resume, lsn, ..Position::default() }, Some(lsn)),
            Resume::InSnapshot => (Position::default(), None),
        };
        let transactions = match options.transaction_topic() {
            Some(topic) => Some(TransactionTopic::new(topic)?),
            None => None,
        };
        Ok(Stream {
            messages: MessageTopic::new(&options)?,
            transactions,
            tables: Tables::new(types),
            changes: SchemaChanges::new(&options, told)?,
            sequence: envelope::sequence_start(Some(position.resume).filter(|l| l.0 > 0)),
            position,
            transaction: None,
            counted: None,
            taken_before,
            buffer: Vec::new(),
            at: 0,
            boundary: None,
            failed: None,
            marked: None,
            until: None,
            options,
        })
    }

    /// What a table was before the log is read.
    pub fn remember(&mut self, table: u32, before: Before) {
        self.tables.remember(table, before);
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// Stops at a point of the log: nothing that was committed from there on is taken.
    pub fn stop_at(&mut self, point: Lsn) {
        self.until = Some(point);
    }

    /// Whether the stop was reached: everything before it has been taken. It is then one no more.
    pub fn stopped(&mut self) -> bool {
        if self.until.is_some_and(|until| self.transaction.is_none() && self.position.resume >= until) {
            self.until = None;
            return true;
        }
        false
    }

    /// Whether a frame lies past the stop.
    fn is_past(&self, frame: &[u8]) -> bool {
        let Some(until) = self.until.filter(|_| self.transaction.is_none()) else { return false };
        match wal::frame(frame) {
            Ok(Frame::Keepalive { end }) => end >= until,
            Ok(Frame::Data { message, .. }) => {
                matches!(wal::message(message), Ok(Message::Begin { commit, .. }) if commit >= until)
            }
            Err(_) => false,
        }
    }

    /// The connection is another one: it sends from [`Position::resume`] on, and tells the tables anew.
    pub fn reconnected(&mut self) {
        self.buffer.clear();
        self.at = 0;
        self.transaction = None;
        self.counted = None;
        self.tables.clear();
    }

    /// Whether something came that is not taken yet.
    pub fn has_more(&self) -> bool {
        self.at < self.buffer.len() || self.failed.is_some()
    }

    /// Gives it what came, when nothing is left of what came before.
    pub fn feed(&mut self, buffer: Vec<u8>) {
        debug_assert!(!self.has_more());
        (self.buffer, self.at) = (buffer, 0);
    }

    /// Writes records until a limit is reached or all that came is taken. An error ends it early, and is told at once
    /// where nothing was written, else by the next call.
    pub fn drain(
        &mut self,
        emitter: &mut Emitter<'_>,
        catalog: &mut dyn Catalog,
        limits: Limits,
        now_us: u64,
    ) -> Result<(), Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.boundary = None;
        emitter.transaction = self.counted.take();
        let buffer = std::mem::take(&mut self.buffer);
        let mut result = Ok(());
        while emitter.writer.size() < limits.bytes {
            let Some(message) = postgres::messages(&buffer[self.at..]).next() else {
                self.at = buffer.len();
                break;
            };
            let records_max = wal::records_max(message) + usize::from(self.changes.is_some());
            if emitter.writer.len() + records_max > limits.records {
                break;
            }
            if self.is_past(message) {
                self.position = Position { resume: self.until.unwrap_or_default(), partial: None, ..self.position };
                break;
            }
            result = self.take(message, emitter, catalog, now_us);
            if result.is_err() {
                break;
            }
            self.at += 4 + message.len();
        }
        self.buffer = buffer;
        self.counted = emitter.transaction.take();
        match result {
            Err(error) if !emitter.writer.is_empty() => {
                // What was written goes on its way; a failure that may pass is met again at the same message.
                self.failed = (!error.is_retriable()).then_some(error);
                Ok(())
            }
            result => result,
        }
    }

    /// The batch with its marks. `idle_mark`: a mark is wanted even when there are no records.
    pub fn polled(&mut self, emitter: Emitter<'_>, partition: &str, idle_mark: bool) -> Polled {
        let n = emitter.writer.len();
        let polled = self.positions(emitter, partition, idle_mark);
        match &mut self.changes {
            Some(changes) => changes.mark(polled, n, false),
            None => polled,
        }
    }

    /// The end of a snapshot: what was told of all tables is marked too.
    pub fn mark_shapes(&mut self, polled: Polled, through: usize) -> Polled {
        match &mut self.changes {
            Some(changes) => changes.mark(polled, through, true),
            None => polled,
        }
    }

    /// What a snapshot reads first: what its tables look like, as far as they are news. `types`: of that moment.
    pub fn tell_snapshot(
        &mut self,
        emitter: &mut Emitter<'_>,
        (announced, shape): (&Announced, &Shape),
        types: &Types,
        event: Event<'_>,
    ) {
        let Some(changes) = &mut self.changes else { return };
        if changes.news(announced, shape, types) {
            let change = Change { kind: "CREATE", announced, shape };
            changes.write(emitter, types, &[change], None, event.origin, event.now_us);
        }
    }

    fn positions(&mut self, emitter: Emitter<'_>, partition: &str, idle_mark: bool) -> Polled {
        let n = emitter.writer.len();
        let mut polled = Polled::new(emitter.writer);
        let whole = self.transaction.is_none();
        if n == 0 {
            if idle_mark && whole && self.marked != Some(self.position) {
                polled = self.mark(polled, 0, partition, self.position, true);
            }
            return polled;
        }
        if whole {
            return self.mark(polled, n, partition, self.position, true);
        }
        if let Some((through, position)) = self.boundary {
            polled = self.mark(polled, through, partition, position, true);
        }
        if self.boundary.is_none_or(|(through, _)| through < n) {
            polled = self.mark(polled, n, partition, self.position, false);
        }
        polled
    }

    fn mark(&mut self, polled: Polled, through: usize, partition: &str, position: Position, boundary: bool) -> Polled {
        self.marked = Some(position);
        polled.mark_at(through, partition, position.offset(), boundary)
    }
}
