//! From the server's messages to records: one pass over what came, whole transactions in the order of their commits.
//!
//! Invariant exact-position: [`Stream::position`] names what has been written into the batch and nothing else, so that a
//! task which resumes from a mark of this batch continues with the very next event.

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::{Error, Polled, postgres, schema, warn};

use crate::catalog::{Table, Types};
use crate::emit::{Emitter, Event, meta, refused};
use crate::envelope::{self, Origin, SourceBlock, message_slot};
use crate::options::{FailureMode, Operation, Options};
use crate::plan::{Incoming, Plan, RowError};
use crate::position::{Partial, Position, Resume};
use crate::transactions::{Counted, TransactionTopic};
use crate::types;
use crate::wal::{self, Frame, Lsn, Message, Relation};

/// What the stream asks of the server's catalogs.
pub trait Catalog {
    /// A table as it is now. None: it is gone.
    fn table(&mut self, oid: u32) -> Result<Option<Table>, Error>;
    /// All types, read anew.
    fn types(&mut self) -> Result<Types, Error>;
}

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
    types: Types,
    /// By the table's oid. None: not captured.
    plans: HashMap<u32, Option<Rc<Plan>>>,
    /// The one used last: most changes come in runs.
    last_plan: Option<(u32, Option<Rc<Plan>>)>,
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
    pub fn new(options: Rc<Options>, types: Types, resume: Resume) -> Result<Self, Error> {
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
            types,
            plans: HashMap::new(),
            last_plan: None,
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
        self.plans.clear();
        self.last_plan = None;
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
            if emitter.writer.len() + wal::records_max(message) > limits.records {
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

    #[inline]
    fn take(&mut self, frame: &[u8], emitter: &mut Emitter<'_>, catalog: &mut dyn Catalog, now_us: u64) -> Result<(), Error> {
        match wal::frame(frame).map_err(malformed)? {
            Frame::Keepalive { end } => {
                // Between transactions all that was committed before `end` has come: a quiet table holds no log back.
                if self.transaction.is_none() && end > self.position.resume {
                    self.position.resume = end;
                    self.position.partial = None;
                }
                Ok(())
            }
            Frame::Data { at, message } => self.message(at, wal::message(message).map_err(malformed)?, emitter, catalog, now_us),
        }
    }

    fn message(
        &mut self,
        at: Lsn,
        message: Message<'_>,
        emitter: &mut Emitter<'_>,
        catalog: &mut dyn Catalog,
        now_us: u64,
    ) -> Result<(), Error> {
        match message {
            Message::Begin { commit, time_us, xid } => self.begin(commit, time_us, xid, emitter),
            Message::Commit { end } => self.commit(end, emitter),
            Message::Relation(relation) => {
                emitter.plans_changed();
                return self.relation(&relation, catalog);
            }
            Message::Other => {}
            Message::Emitted { transactional: false, prefix, content } => {
                if self.transaction.is_none() && at >= self.position.resume {
                    self.messages.write(emitter, prefix, content, self.origin(at, None, (now_us as i64, &self.sequence)), now_us);
                    self.position.resume = Lsn(at.0 + 1);
                }
            }
            change => return self.change(at, &change, emitter, now_us),
        }
        Ok(())
    }

    fn begin(&mut self, commit: Lsn, time_us: i64, xid: u32, emitter: &mut Emitter<'_>) {
        // A transaction that ended before the place to resume from was taken as a whole.
        let skip = match self.position.partial {
            _ if commit < self.position.resume => u64::MAX,
            Some(partial) if partial.commit == commit => partial.taken,
            _ => 0,
        };
        let begun = self.position.partial.is_some_and(|p| p.commit == commit);
        if !begun {
            self.position.partial = None;
        }
        self.transaction = Some(Transaction { commit, time_us, xid, seen: 0, skip });
        if let Some(topic) = &self.transactions
            && skip != u64::MAX
        {
            let counted = Counted::new(xid, commit);
            if !begun {
                topic.begin(&mut emitter.writer, &counted, time_us);
                self.position.partial = Some(Partial { commit, taken: 0 });
            }
            emitter.transaction = Some(counted);
        }
    }

    fn commit(&mut self, end: Lsn, emitter: &mut Emitter<'_>) {
        let Some(done) = self.transaction.take() else { return };
        if done.skip == u64::MAX {
            return;
        }
        if let (Some(topic), Some(counted)) = (&self.transactions, emitter.transaction.take()) {
            topic.end(&mut emitter.writer, &counted, done.time_us);
        }
        self.position = Position { resume: end, partial: None, xid: done.xid, time_us: done.time_us, ..self.position };
        self.sequence = envelope::sequence_start(Some(end));
        self.taken_before = None;
        self.boundary = Some((emitter.writer.len(), self.position));
    }

    /// A change of rows. It counts once it is written, or left out: what fails is met again.
    #[inline]
    fn change(&mut self, at: Lsn, change: &Message<'_>, emitter: &mut Emitter<'_>, now_us: u64) -> Result<(), Error> {
        let Some(t) = &self.transaction else { return Err(malformed(wal::Malformed("change outside a transaction"))) };
        let (commit, number) = (t.commit, t.seen + 1);
        if let Some(relation) = change.relation()
            && self.last_plan.as_ref().is_none_or(|(oid, _)| *oid != relation)
        {
            self.last_plan = self.plans.get(&relation).map(|plan| (relation, plan.clone()));
        }
        let origin = self.origin(at, Some(t.xid), (t.time_us, &self.sequence));
        let event = Event { origin, now_us };
        let taken = number <= t.skip || self.taken_before.is_some_and(|lsn| at < lsn);
        if !taken {
            self.emit(change, emitter, event)?;
        } else if t.skip != u64::MAX && emitter.transaction.is_some() {
            // Taken by an earlier session, which did not leave its counts: count again, and write nothing.
            let mut aside = Emitter::new(&self.options, 0);
            aside.transaction = emitter.transaction.take();
            let counted = self.emit(change, &mut aside, event);
            emitter.transaction = aside.transaction;
            counted?;
        }
        let Some(t) = &mut self.transaction else { return Ok(()) };
        t.seen = number;
        if !taken {
            self.position.partial = Some(Partial { commit, taken: number });
            self.position.lsn = at;
        }
        Ok(())
    }

    fn emit(&self, change: &Message<'_>, emitter: &mut Emitter<'_>, event: Event<'_>) -> Result<(), Error> {
        let written = match change {
            Message::Insert { relation, new } => match self.plan(*relation, Operation::Create)? {
                Some(plan) => emitter.insert(plan, *new, event).map_err(|e| (plan, e)),
                None => Ok(()),
            },
            Message::Update { relation, old, new } => match self.plan(*relation, Operation::Update)? {
                Some(plan) => emitter.update(plan, old.as_ref(), *new, event).map_err(|e| (plan, e)),
                None => Ok(()),
            },
            Message::Delete { relation, old } => match self.plan(*relation, Operation::Delete)? {
                Some(plan) => emitter.delete(plan, old, event).map_err(|e| (plan, e)),
                None => Ok(()),
            },
            Message::Truncate { relations } => {
                for relation in relations {
                    if let Some(plan) = self.plan(*relation, Operation::Truncate)? {
                        emitter.truncate(plan, event);
                    }
                }
                Ok(())
            }
            Message::Emitted { prefix, content, .. } => {
                self.messages.write(emitter, prefix, content, event.origin, event.now_us);
                Ok(())
            }
            _ => Ok(()),
        };
        written.or_else(|(plan, e)| self.refuse(plan, &e))
    }

    fn refuse(&self, plan: &Plan, e: &RowError) -> Result<(), Error> {
        match self.options.failure_mode {
            FailureMode::Fail => return Err(refused(plan, e)),
            FailureMode::Warn => warn!("an event was left out"; table = plan.name, column = e.column, cause = e.cause),
            FailureMode::Skip => {}
        }
        Ok(())
    }

    #[inline]
    fn plan(&self, relation: u32, operation: Operation) -> Result<Option<&Rc<Plan>>, Error> {
        let plan = match &self.last_plan {
            Some((oid, plan)) if *oid == relation => Some(plan),
            _ => self.plans.get(&relation),
        };
        match plan {
            Some(plan) => Ok(plan.as_ref().filter(|_| !self.options.skips(operation))),
            None => Err(malformed(wal::Malformed("a change of a table that was not announced"))),
        }
    }

    fn relation(&mut self, relation: &Relation<'_>, catalog: &mut dyn Catalog) -> Result<(), Error> {
        self.last_plan = None;
        if !self.options.filter.table(relation.schema, relation.name) {
            self.plans.insert(relation.oid, None);
            return Ok(());
        }
        if relation.columns.iter().any(|c| self.types.get(c.type_oid).is_none()) {
            self.types = catalog.types()?;
        }
        let table = catalog.table(relation.oid)?;
        let incoming: Vec<Incoming> = relation
            .columns
            .iter()
            .map(|c| Incoming { name: c.name.to_owned(), type_oid: c.type_oid, modifier: c.modifier })
            .collect();
        let plan = Plan::new(&self.options, &self.types, (relation.schema, relation.name), &incoming, table.as_ref())?;
        self.plans.insert(relation.oid, Some(Rc::new(plan)));
        Ok(())
    }

    #[inline]
    fn origin<'a>(&self, lsn: Lsn, xid: Option<u32>, (time_us, sequence): (i64, &'a str)) -> Origin<'a> {
        Origin { lsn, xid, time_us, sequence, snapshot: None }
    }
}

fn malformed(e: wal::Malformed) -> Error {
    Error::restart("postgres.protocol", e.to_string())
}

/// Records for `pg_logical_emit_message`.
struct MessageTopic {
    topic: String,
    key: u32,
    value: u32,
    source: SourceBlock,
    options: Rc<Options>,
}

impl MessageTopic {
    fn new(options: &Rc<Options>) -> Result<Self, Error> {
        Ok(MessageTopic {
            topic: envelope::topic_name(&format!("{}{}message", options.topic_prefix, options.topic_delimiter)),
            key: schema::intern(&Rc::new(envelope::message_key_schema()))?,
            value: schema::intern(&Rc::new(envelope::message_schema(options.modes.binary)))?,
            source: SourceBlock::new(&options.topic_prefix, &options.database, "", ""),
            options: options.clone(),
        })
    }

    fn write(&self, emitter: &mut Emitter<'_>, prefix: &str, content: &[u8], origin: Origin<'_>, now_us: u64) {
        if self.options.skips(Operation::Message) || !self.options.filter.message(prefix) {
            return;
        }
        let writer = &mut emitter.writer;
        let topic = writer.topic(&self.topic);
        writer.begin(meta(topic, Some(self.key), Some(self.value)));
        let rows = writer.rows();
        let value = rows.begin(message_slot::WIDTH);
        rows.text(value, message_slot::OP, "m");
        rows.i64(value, message_slot::TS_MS, (now_us / 1000) as i64);
        self.source.write(rows, value, message_slot::SOURCE, origin);
        if let Some(counted) = &mut emitter.transaction {
            counted.write(rows, value, message_slot::TRANSACTION, "");
        }
        let message = rows.begin(2);
        rows.text(message, 0, prefix);
        types::write_bytes(self.options.modes.binary, rows, message, 1, content);
        rows.end_nested(value, message_slot::MESSAGE, message);
        writer.end_value(value);
        let key = writer.rows().begin(1);
        writer.rows().text(key, 0, prefix);
        writer.end_key(key);
        writer.end();
    }
}
