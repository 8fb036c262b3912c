//! From the server's messages to records: one pass over what came, whole transactions in the order of their commits.
//!
//! Invariant exact-position: [`Stream::position`] names what has been written into the batch and nothing else, so that a
//! task which resumes from a mark of this batch continues with the very next event.

use std::rc::Rc;

use millrace_plugin::{Error, Polled, postgres, schema, warn};

use crate::catalog::{Table, Types};
use crate::ddl;
use crate::emit::{Emitter, Event, meta, refused};
use crate::envelope::{self, Origin, SourceBlock, message_slot};
use crate::options::{FailureMode, Operation, Options};
use crate::plan::{Plan, RowError};
use crate::position::{Partial, Position, Resume};
use crate::schema_changes::{Change, SchemaChanges};
use crate::shape::{Announced, Before, Shape};
use crate::tables::{Catalog, Tables};
use crate::transactions::{Counted, TransactionTopic};
use crate::types;
use crate::wal::{self, Frame, Lsn, Message};

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
                self.tables.announce(&relation, &self.options, catalog)?;
                if let Some(changes) = &mut self.changes {
                    changes.announced(relation.oid);
                }
            }
            Message::Type { oid, schema, name } => self.tables.name_type(oid, schema, name),
            Message::Other => {}
            Message::Emitted { transactional: false, prefix, content } => {
                if self.transaction.is_none() && at >= self.position.resume {
                    self.messages.write(emitter, prefix, content, self.origin(at, None, (now_us as i64, &self.sequence)), now_us);
                    self.position.resume = Lsn(at.0 + 1);
                }
            }
            change => return self.change(at, &change, emitter, catalog, now_us),
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
    fn change(
        &mut self,
        at: Lsn,
        change: &Message<'_>,
        emitter: &mut Emitter<'_>,
        catalog: &mut dyn Catalog,
        now_us: u64,
    ) -> Result<(), Error> {
        let Some(t) = &self.transaction else { return Err(malformed(wal::Malformed("change outside a transaction"))) };
        let (commit, number) = (t.commit, t.seen + 1);
        if let Some(relation) = change.relation() {
            self.tables.select(relation);
        }
        let (xid, time_us) = (t.xid, t.time_us);
        let taken = number <= t.skip || self.taken_before.is_some_and(|lsn| at < lsn);
        let counts = t.skip != u64::MAX && emitter.transaction.is_some();
        if let Some(relation) = change.relation()
            && let Some(Some(plan)) = self.tables.plan(relation)
            && change.width().is_some_and(|width| width != plan.columns.len())
        {
            // It was not announced: a new connection is told all tables anew.
            let message = format!("a change of table {} has another number of columns than was announced", plan.name);
            return Err(Error::restart("postgres.protocol", message));
        }
        if let Message::Emitted { prefix: ddl::PREFIX, content, .. } = change {
            let origin = self.origin(at, Some(xid), (time_us, &self.sequence));
            tell(&mut self.changes, &mut self.tables, &self.options, content, taken, emitter, catalog, Event { origin, now_us })?;
        } else if !taken && let Some(relation) = change.relation() {
            let origin = self.origin(at, Some(xid), (time_us, &self.sequence));
            note(&mut self.changes, &self.tables, relation, emitter, Event { origin, now_us });
        }
        while !taken || counts {
            let origin = self.origin(at, Some(xid), (time_us, &self.sequence));
            let event = Event { origin, now_us };
            let written = if taken {
                // Taken by an earlier session, which did not leave its counts: count again, and write nothing.
                let mut aside = Emitter::new(&self.options, 0);
                aside.transaction = emitter.transaction.take();
                let counted = self.emit(change, &mut aside, event)?;
                emitter.transaction = aside.transaction;
                counted
            } else {
                self.emit(change, emitter, event)?
            };
            let Err((relation, error)) = written else { break };
            emitter.plans_changed();
            if !self.tables.correct(relation, &error, &self.options, catalog)? {
                self.refuse(relation, &error)?;
                break;
            }
            if let Some(changes) = &mut self.changes {
                changes.announced(relation);
            }
        }
        let Some(t) = &mut self.transaction else { return Ok(()) };
        t.seen = number;
        if !taken {
            self.position.partial = Some(Partial { commit, taken: number });
            self.position.lsn = at;
        }
        Ok(())
    }

    /// The inner error: a row that cannot be written, and its table; nothing was.
    fn emit(
        &self,
        change: &Message<'_>,
        emitter: &mut Emitter<'_>,
        event: Event<'_>,
    ) -> Result<Result<(), (u32, RowError)>, Error> {
        let written = match change {
            Message::Insert { relation, new } => match self.plan(*relation, Operation::Create)? {
                Some(plan) => emitter.insert(plan, *new, event).map_err(|e| (*relation, e)),
                None => Ok(()),
            },
            Message::Update { relation, old, new } => match self.plan(*relation, Operation::Update)? {
                Some(plan) => emitter.update(plan, old.as_ref(), *new, event).map_err(|e| (*relation, e)),
                None => Ok(()),
            },
            Message::Delete { relation, old } => match self.plan(*relation, Operation::Delete)? {
                Some(plan) => emitter.delete(plan, old, event).map_err(|e| (*relation, e)),
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
        Ok(written)
    }

    fn refuse(&self, relation: u32, e: &RowError) -> Result<(), Error> {
        let Some(Some(plan)) = self.tables.plan(relation) else { return Ok(()) };
        match self.options.failure_mode {
            FailureMode::Fail => return Err(refused(plan, e)),
            FailureMode::Warn => warn!("an event was left out"; table = plan.name, column = e.column, cause = e.cause),
            FailureMode::Skip => {}
        }
        Ok(())
    }

    #[inline]
    fn plan(&self, relation: u32, operation: Operation) -> Result<Option<&Rc<Plan>>, Error> {
        match self.tables.plan(relation) {
            Some(plan) => Ok(plan.filter(|_| !self.options.skips(operation))),
            None => Err(malformed(wal::Malformed("a change of a table that was not announced"))),
        }
    }

    #[inline]
    fn origin<'a>(&self, lsn: Lsn, xid: Option<u32>, (time_us, sequence): (i64, &'a str)) -> Origin<'a> {
        Origin { lsn, xid, time_us, sequence, snapshot: None }
    }
}

/// Tells of a table that was announced with another shape than the one told before.
fn note(changes: &mut Option<SchemaChanges>, tables: &Tables, relation: u32, emitter: &mut Emitter<'_>, event: Event<'_>) {
    let Some(changes) = changes else { return };
    if !changes.take_pending(relation) {
        return;
    }
    let Some(known) = tables.known(relation) else { return };
    let kind = if changes.is_told(relation) { "ALTER" } else { "CREATE" };
    if changes.news(&known.announced, &known.shape, tables.types()) {
        let change = Change { kind, announced: &known.announced, shape: &known.shape };
        changes.write(emitter, tables.types(), &[change], None, event.origin, event.now_us);
    }
}

/// Takes a statement that the log tells: from here on its tables are as it says.
#[allow(clippy::too_many_arguments, reason = "parts of the stream that are borrowed apart")]
fn tell(
    changes: &mut Option<SchemaChanges>,
    tables: &mut Tables,
    options: &Options,
    content: &[u8],
    taken: bool,
    emitter: &mut Emitter<'_>,
    catalog: &mut dyn Catalog,
    event: Event<'_>,
) -> Result<(), Error> {
    let Some(statement) = changes.as_ref().and_then(|_| ddl::read(content)) else { return Ok(()) };
    let Some(changes) = changes else { return Ok(()) };
    let (mut news, mut gone) = (Vec::new(), Vec::new());
    // Rows of a partitioned table are its partitions', unless they come as its own.
    let captured = |t: &Table| options.filter.table(&t.schema, &t.name) && (t.kind != 'p' || options.via_root);
    for table in statement.tables.into_iter().filter(captured) {
        let kind = if changes.is_told(table.oid) { "ALTER" } else { "CREATE" };
        let (announced, shape) = tables.tell(table, catalog)?;
        if !taken && changes.news(&announced, &shape, tables.types()) {
            news.push((kind, announced, shape));
        }
    }
    for d in statement.dropped.into_iter().filter(|d| options.filter.table(&d.schema, &d.name)) {
        if !taken && changes.forget(d.oid, &d.schema, &d.name) {
            let announced = Announced { oid: d.oid, schema: d.schema, name: d.name, identity: b'd', columns: Vec::new() };
            gone.push(("DROP", announced, Shape { facts: Vec::new(), key: Vec::new() }));
        }
    }
    news.extend(gone);
    let list: Vec<_> = news.iter().map(|(kind, announced, shape)| Change { kind: *kind, announced, shape }).collect();
    changes.write(emitter, tables.types(), &list, Some(&statement.text), event.origin, event.now_us);
    Ok(())
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
        if prefix == ddl::PREFIX || self.options.skips(Operation::Message) || !self.options.filter.message(prefix) {
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
