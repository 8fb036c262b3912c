//! What each of the server's messages does: a transaction begins, tables are announced, rows change, a transaction ends.
//!
//! Invariant exact-position: a change counts as taken once it is written, or left out on purpose; what fails is met again.

use std::rc::Rc;

use millrace_plugin::{Error, warn};

use super::telling::{note, tell};
use super::{Stream, Transaction};
use crate::ddl;
use crate::emit::{Emitter, Event, refused};
use crate::envelope::{self, Origin};
use crate::options::{FailureMode, Operation};
use crate::plan::{Plan, RowError};
use crate::position::{Partial, Position};
use crate::tables::Catalog;
use crate::transactions::Counted;
use crate::wal::{self, Frame, Lsn, Message};

impl Stream {
    #[inline]
    pub(super) fn take(
        &mut self,
        frame: &[u8],
        emitter: &mut Emitter<'_>,
        catalog: &mut dyn Catalog,
        now_us: u64,
    ) -> Result<(), Error> {
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

fn malformed(e: wal::Malformed) -> Error {
    Error::restart("postgres.protocol", e.to_string())
}
