//! What becomes of a table's rows: worked out once a relation, then used for every event of it.

use std::rc::Rc;

use millrace_plugin::{Error, Kind, RowBuf, RowMark, Schema, row, schema, warn};

use crate::catalog::Types;
use crate::envelope::{self, SourceBlock};
use crate::options::{Mask, Options};
use crate::shape::{Announced, Incoming, Shape};
use crate::types::{self, Value, ValueError};
use crate::wal::Datum;

/// A table's plan.
pub struct Plan {
    /// `schema.table`, for messages.
    pub name: String,
    pub topic: String,
    /// None: the table has no key, and neither have its records.
    pub key: Option<KeyPlan>,
    /// The id of the envelope's schema.
    pub envelope: u32,
    pub source: SourceBlock,
    /// In the order of the values as they come.
    pub columns: Vec<PlanColumn>,
    /// Slots of a row: the columns that are kept.
    width: usize,
}

/// A record's key: which columns, in which order.
pub struct KeyPlan {
    pub schema: u32,
    /// Indices into [`Plan::columns`].
    pub columns: Vec<usize>,
}

pub struct PlanColumn {
    pub name: String,
    /// Where its value goes, and how. None: the column is left out.
    kept: Option<Kept>,
    /// For a column that a key is made of, whether it is kept or not.
    key: Option<Value>,
}

struct Kept {
    slot: usize,
    value: Value,
    /// Not null: where the log does not have the value, its default stands for it, or zero.
    required: bool,
    /// The default's text, as PostgreSQL would write the value.
    default: Option<String>,
    mask: Option<Mask>,
}

/// A value that could not be written.
#[derive(Debug)]
pub struct RowError {
    pub column: String,
    pub cause: Cause,
}

#[derive(Debug)]
pub enum Cause {
    Value(ValueError),
    /// A null where the catalogs allow none: they are of a later time.
    Null,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Value(e) => e.fmt(f),
            Cause::Null => f.write_str("it is null, and the column is not"),
        }
    }
}

/// What a null is in a column that cannot be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// The log does not have the value: its default stands for it, or zero.
    Unknown,
    /// The value: what is known of the column is wrong.
    Told,
}

impl Plan {
    /// The plan of a table as it was announced, of which is known what `shape` says.
    pub fn new(options: &Options, types: &Types, announced: &Announced, shape: &Shape) -> Result<Plan, Error> {
        let (schema_name, table_name, incoming) = (&announced.schema, &announced.name, &announced.columns);
        let name = format!("{schema_name}.{table_name}");
        let full = format!("{}{d}{schema_name}{d}{table_name}", options.topic_prefix, d = options.topic_delimiter);
        // Schemas are named after the topic.
        let logical = envelope::topic_name(&format!("{}.{name}", options.topic_prefix));
        let keyed = key_columns(options, &name, incoming, &shape.key);

        let mut row = Schema::record().named(format!("{logical}.Value"));
        let mut columns = Vec::with_capacity(incoming.len());
        let (mut width, mut key_fields) = (0, Vec::new());
        for (i, (incoming, fact)) in incoming.iter().zip(&shape.facts).enumerate() {
            let value = || types::value(types, incoming.type_oid, incoming.modifier, &options.modes);
            let in_key = keyed.contains(&i);
            let required = fact.not_null;
            let mut kept = None;
            if options.filter.column(schema_name, table_name, &incoming.name)
                && let Some(value) = value()
            {
                let default = fact.default.as_deref();
                let mut field = value.schema.clone();
                field.optional = !required;
                field.default = default.and_then(|d| value.default_json(d, required));
                let default = default.and_then(types::default_text).filter(|_| required && field.default.is_some());
                row = row.field(&incoming.name, field);
                let mask = options.mask(schema_name, table_name, &incoming.name).filter(|_| value.schema.kind == Kind::Text);
                kept = Some(Kept { slot: width, value, required, default, mask });
                width += 1;
            }
            let key = if in_key { value() } else { None };
            if let Some(key) = &key {
                let mut field = key.schema.clone();
                field.optional = !required;
                field.default = fact.default.as_deref().and_then(|d| key.default_json(d, required));
                key_fields.push((i, incoming.name.clone(), field));
            }
            columns.push(PlanColumn { name: incoming.name.clone(), kept, key });
        }
        let key = if key_fields.is_empty() {
            None
        } else {
            let mut key = Schema::record().named(format!("{logical}.Key"));
            let mut order = Vec::new();
            for i in &keyed {
                if let Some((i, name, field)) = key_fields.iter().find(|(at, ..)| at == i) {
                    key = key.field(name, field.clone());
                    order.push(*i);
                }
            }
            Some(KeyPlan { schema: schema::intern(&Rc::new(key))?, columns: order })
        };
        Ok(Plan {
            topic: envelope::topic_name(&full),
            key,
            envelope: schema::intern(&Rc::new(envelope::event_schema(&logical, row)))?,
            source: SourceBlock::new(&options.topic_prefix, &options.database, schema_name, table_name),
            columns,
            width,
            name,
        })
    }

    /// Writes a row into slot `slot` of `parent`. `was`: the row as it was, where it is known as a whole, for what the log
    /// says is unchanged.
    pub fn write_row<'a>(
        &self,
        rows: &mut RowBuf,
        parent: RowMark,
        slot: usize,
        values: impl Iterator<Item = Datum<'a>>,
        mut was: Option<impl Iterator<Item = Datum<'a>>>,
        nulls: Nulls,
        options: &Options,
    ) -> Result<(), RowError> {
        let row = rows.begin(self.width);
        for (column, mut datum) in self.columns.iter().zip(values) {
            let before = was.as_mut().and_then(Iterator::next);
            let Some(kept) = &column.kept else { continue };
            if datum == Datum::Unchanged
                && let Some(known) = before
            {
                datum = known;
            }
            let written = match datum {
                Datum::Text(text) => kept.write(rows, row, text).map_err(Cause::Value),
                Datum::Null if kept.required && nulls == Nulls::Told => Err(Cause::Null),
                Datum::Null if kept.required => kept.stand_in(rows, row).map_err(Cause::Value),
                Datum::Null => Ok(()),
                Datum::Unchanged => {
                    kept.value.write_unavailable(rows, row, kept.slot, &options.modes);
                    Ok(())
                }
            };
            written.map_err(|cause| RowError { column: column.name.clone(), cause })?;
        }
        rows.end_nested(parent, slot, row);
        Ok(())
    }

    /// Writes the key as a root row; to be called when the plan has one.
    pub fn write_key<'a>(
        &self,
        rows: &mut RowBuf,
        key: &KeyPlan,
        values: impl Iterator<Item = Datum<'a>>,
    ) -> Result<RowMark, RowError> {
        let row = rows.begin(key.columns.len());
        for (i, datum) in values.enumerate() {
            let Some(column) = self.columns.get(i) else { break };
            let Some(value) = &column.key else { continue };
            let Some(slot) = key.columns.iter().position(|c| *c == i) else { continue };
            let written = match datum {
                Datum::Text(text) => value.write(rows, row, slot, text),
                Datum::Null | Datum::Unchanged => {
                    if !value.schema.optional && column.kept.as_ref().is_some_and(|k| k.required) {
                        zero(rows, row, slot, &value.schema);
                    }
                    Ok(())
                }
            };
            written.map_err(|e| RowError { column: column.name.clone(), cause: Cause::Value(e) })?;
        }
        Ok(row)
    }

    /// Whether an update changed the key. `old` has the columns of the replica identity alone, or all.
    pub fn key_changed<'a>(&self, old: impl Iterator<Item = Datum<'a>>, new: impl Iterator<Item = Datum<'a>>) -> bool {
        let Some(key) = &self.key else { return false };
        old.zip(new).enumerate().any(|(i, (old, new))| {
            self.columns.get(i).is_some_and(|c| c.key.is_some())
                && key.columns.contains(&i)
                && new != Datum::Unchanged
                && old != new
        })
    }
}

impl Kept {
    #[inline]
    fn write(&self, rows: &mut RowBuf, row: RowMark, text: &[u8]) -> Result<(), ValueError> {
        match self.mask {
            None => return self.value.write(rows, row, self.slot, text),
            Some(Mask::Stars(n)) => rows.text(row, self.slot, &"*".repeat(n)),
            Some(Mask::Prefix(n)) => {
                let text = String::from_utf8_lossy(text);
                let end = text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
                rows.text(row, self.slot, &text[..end]);
            }
        }
        Ok(())
    }

    /// For a value that cannot be null and is not known: its default, or zero, as Debezium does.
    fn stand_in(&self, rows: &mut RowBuf, row: RowMark) -> Result<(), ValueError> {
        match &self.default {
            Some(text) => self.value.write(rows, row, self.slot, text.as_bytes()),
            None => {
                zero(rows, row, self.slot, &self.value.schema);
                Ok(())
            }
        }
    }
}

/// Zero, as its schema has it.
fn zero(rows: &mut RowBuf, row: RowMark, slot: usize, schema: &Schema) {
    match schema.kind {
        Kind::Boolean => rows.bool(row, slot, false),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => rows.i64(row, slot, 0),
        Kind::Float32 | Kind::Float64 => rows.f64(row, slot, 0.0),
        Kind::Bytes if schema.name.as_deref() == Some("org.apache.kafka.connect.data.Decimal") => rows.bytes(row, slot, &[0]),
        Kind::Text | Kind::Bytes | Kind::Any => rows.bytes(row, slot, b""),
        Kind::List => {
            let list = rows.begin(0);
            rows.end_nested(row, slot, list);
        }
        Kind::Map => {
            let map = rows.begin(2);
            for i in 0..2 {
                let list = rows.begin(0);
                rows.end_nested(map, i, list);
            }
            rows.end_nested(row, slot, map);
        }
        Kind::Struct => {
            let nested = rows.begin(schema.fields.len());
            for (i, field) in schema.fields.iter().enumerate().filter(|(_, f)| !f.schema.optional) {
                zero(rows, nested, i, &field.schema);
            }
            rows.end_nested(row, slot, nested);
        }
    }
}

/// Which columns a record's key is made of, in its order: those asked for, else those of the table's key.
fn key_columns(options: &Options, table: &str, incoming: &[Incoming], key: &[usize]) -> Vec<usize> {
    let Some(names) = options.message_key(table) else { return key.to_vec() };
    let place = |n: &String| {
        let place = incoming.iter().position(|i| i.name == *n);
        if place.is_none() {
            warn!("message.key.columns names a column that the table does not have; its keys lack it"; table = table, column = n);
        }
        place
    };
    names.iter().filter_map(place).collect()
}

/// A row of its own, for a header.
pub fn detached(rows: &RowBuf, mark: RowMark) -> row::Row<'_> {
    row::Row::new(rows.since(mark)).expect("a row of our own")
}
