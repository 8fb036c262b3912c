//! Writes records: an event of a table is one record, two when it deletes (a tombstone follows), three when it changes the
//! key.

use millrace_plugin::row::Header;
use millrace_plugin::{BatchWriter, Error, RecordMeta, RowBuf};

use crate::envelope::{Origin, slot};
use crate::options::{Operation, Options};
use crate::plan::{KeyPlan, Nulls, Plan, RowError, detached};
use crate::transactions::Counted;
use crate::wal::{Datum, Old, Tuple};

/// What an event says beside its rows.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub origin: Origin<'a>,
    /// When it was read.
    pub now_us: u64,
}

/// A batch of records being written.
pub struct Emitter<'o> {
    pub writer: BatchWriter,
    options: &'o Options,
    scratch: RowBuf,
    /// The topic used last: most events come in runs.
    topic: Option<(*const Plan, u32)>,
    /// The transaction whose events are counted, where `provide.transaction.metadata` asks for that.
    pub transaction: Option<Counted>,
}

const NO_VALUES: Option<std::iter::Empty<Datum<'static>>> = None;

impl<'o> Emitter<'o> {
    pub fn new(options: &'o Options, bytes: usize) -> Self {
        Emitter { writer: BatchWriter::with_capacity(bytes), options, scratch: RowBuf::new(), topic: None, transaction: None }
    }

    pub fn insert(&mut self, plan: &Plan, new: Tuple<'_>, event: Event<'_>) -> Result<(), RowError> {
        self.event(plan, "c", None, Some((new, None)), new, event, None)
    }

    /// A row of a snapshot, as an iterator of its values that can be taken twice.
    pub fn read<'a>(
        &mut self,
        plan: &Plan,
        values: impl Iterator<Item = Datum<'a>> + Clone,
        event: Event<'_>,
    ) -> Result<(), RowError> {
        self.record(plan, "r", event, values.clone(), None, |writer, env, options| {
            plan.write_row(writer.rows(), env, slot::AFTER, values, NO_VALUES, Nulls::Unknown, options)
        })
    }

    pub fn update(&mut self, plan: &Plan, old: Option<&Old<'_>>, new: Tuple<'_>, event: Event<'_>) -> Result<(), RowError> {
        let full = old.filter(|o| o.full).map(|o| o.tuple);
        let Some((old, key)) = old.zip(plan.key.as_ref()).filter(|(o, _)| plan.key_changed(o.tuple.values(), new.values()))
        else {
            return self.event(plan, "u", old, Some((new, full)), new, event, None);
        };
        // What cannot be written is met before the first of them.
        self.probe(plan, new)?;
        // Another key is another record: the old one is deleted, and each says in a header what the other's key is.
        if !self.options.skips(Operation::Delete) {
            self.event(plan, "d", Some(old), None, old.tuple, event, Some((key, "__debezium.newkey", new)))?;
            self.tombstone(plan, old.tuple, Some((key, "__debezium.newkey", new)))?;
        }
        self.event(plan, "c", None, Some((new, full)), new, event, Some((key, "__debezium.oldkey", old.tuple)))
    }

    /// Whether a row can be written.
    fn probe(&mut self, plan: &Plan, new: Tuple<'_>) -> Result<(), RowError> {
        self.scratch.clear();
        let outer = self.scratch.begin(1);
        plan.write_row(&mut self.scratch, outer, 0, new.values(), NO_VALUES, Nulls::Told, self.options)
    }

    pub fn delete(&mut self, plan: &Plan, old: &Old<'_>, event: Event<'_>) -> Result<(), RowError> {
        self.event(plan, "d", Some(old), None, old.tuple, event, None)?;
        self.tombstone(plan, old.tuple, None)
    }

    pub fn truncate(&mut self, plan: &Plan, event: Event<'_>) {
        let topic = self.topic(plan);
        self.writer.begin(meta(topic, None, Some(plan.envelope)));
        let env = self.writer.rows().begin(slot::WIDTH);
        self.blocks(plan, env, "t", event);
        self.writer.end_value(env);
        self.writer.end();
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one event")]
    fn event(
        &mut self,
        plan: &Plan,
        op: &str,
        before: Option<&Old<'_>>,
        after: Option<(Tuple<'_>, Option<Tuple<'_>>)>,
        key: Tuple<'_>,
        event: Event<'_>,
        other_key: Option<(&KeyPlan, &'static str, Tuple<'_>)>,
    ) -> Result<(), RowError> {
        self.record(plan, op, event, key.values(), other_key, |writer, env, options| {
            if let Some(before) = before {
                let nulls = if before.full { Nulls::Told } else { Nulls::Unknown };
                plan.write_row(writer.rows(), env, slot::BEFORE, before.tuple.values(), NO_VALUES, nulls, options)?;
            }
            if let Some((after, was)) = after {
                plan.write_row(writer.rows(), env, slot::AFTER, after.values(), was.map(Tuple::values), Nulls::Told, options)?;
            }
            Ok(())
        })
    }

    fn record<'a>(
        &mut self,
        plan: &Plan,
        op: &str,
        event: Event<'_>,
        key_values: impl Iterator<Item = Datum<'a>>,
        other_key: Option<(&KeyPlan, &'static str, Tuple<'_>)>,
        write: impl FnOnce(&mut BatchWriter, millrace_plugin::RowMark, &Options) -> Result<(), RowError>,
    ) -> Result<(), RowError> {
        let topic = self.topic(plan);
        self.writer.begin(meta(topic, plan.key.as_ref().map(|k| k.schema), Some(plan.envelope)));
        let written = (|| {
            let env = self.writer.rows().begin(slot::WIDTH);
            write(&mut self.writer, env, self.options)?;
            self.blocks(plan, env, op, event);
            self.writer.end_value(env);
            if let Some(key) = &plan.key {
                let row = plan.write_key(self.writer.rows(), key, key_values)?;
                self.writer.end_key(row);
            }
            self.other_key(plan, other_key)?;
            Ok(())
        })();
        match written {
            Ok(()) => self.writer.end(),
            // What cannot be written leaves no half a record behind.
            Err(_) => self.writer.undo(),
        }
        written
    }

    /// `source`, `transaction`, `op` and the times.
    fn blocks(&mut self, plan: &Plan, env: millrace_plugin::RowMark, op: &str, event: Event<'_>) {
        let rows = self.writer.rows();
        plan.source.write(rows, env, slot::SOURCE, event.origin);
        if let Some(counted) = &mut self.transaction {
            counted.write(rows, env, slot::TRANSACTION, &plan.name);
        }
        rows.text(env, slot::OP, op);
        rows.i64(env, slot::TS_MS, (event.now_us / 1000) as i64);
        rows.i64(env, slot::TS_US, event.now_us as i64);
        rows.i64(env, slot::TS_NS, (event.now_us as i64).saturating_mul(1000));
    }

    fn tombstone(
        &mut self,
        plan: &Plan,
        key_values: Tuple<'_>,
        other_key: Option<(&KeyPlan, &'static str, Tuple<'_>)>,
    ) -> Result<(), RowError> {
        let Some(key) = plan.key.as_ref().filter(|_| self.options.tombstones_on_delete) else { return Ok(()) };
        let topic = self.topic(plan);
        self.writer.begin(meta(topic, Some(key.schema), None));
        let written = plan.write_key(self.writer.rows(), key, key_values.values()).and_then(|row| {
            self.writer.end_key(row);
            self.other_key(plan, other_key)
        });
        match written {
            Ok(()) => self.writer.end(),
            Err(_) => self.writer.undo(),
        }
        written
    }

    /// A header that names the key which a record's row had before, or has after.
    fn other_key(&mut self, plan: &Plan, other: Option<(&KeyPlan, &'static str, Tuple<'_>)>) -> Result<(), RowError> {
        let Some((key, name, values)) = other else { return Ok(()) };
        self.scratch.clear();
        let row = plan.write_key(&mut self.scratch, key, values.values())?;
        self.writer.header(Header { name, schema: Some(key.schema), value: Some(detached(&self.scratch, row)) });
        Ok(())
    }

    /// To be called when a plan was replaced: the new one may lie where the old one was.
    pub fn plans_changed(&mut self) {
        self.topic = None;
    }

    fn topic(&mut self, plan: &Plan) -> u32 {
        match self.topic {
            Some((last, topic)) if std::ptr::eq(last, plan) => topic,
            _ => {
                let topic = self.writer.topic(&plan.topic);
                self.topic = Some((plan, topic));
                topic
            }
        }
    }
}

pub fn meta(topic: u32, key_schema: Option<u32>, value_schema: Option<u32>) -> RecordMeta {
    RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema, value_schema }
}

/// What to tell of an event that cannot be written.
pub fn refused(plan: &Plan, e: &RowError) -> Error {
    Error::fatal(
        "postgres.value",
        format!(
            "column \"{}\" of table {} has a value that cannot be converted: {}; leave the column out with \
             column.exclude.list, or set event.processing.failure.handling.mode=skip to leave such events out",
            e.column, plan.name, e.cause
        ),
    )
}
