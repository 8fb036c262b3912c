//! How records of one topic and one pair of schemas go into their table: decided once, then followed for every record.

use std::rc::Rc;

use millrace_plugin::{Kind, Record, Row, Schema};

use crate::catalog::{Table, TableName};
use crate::encode::{Encoder, Wire};
use crate::options::{InsertMode, KeyMode, Options};
use crate::task::{EVOLUTION, REFUSED};
use crate::{defaults, types};

/// What PostgreSQL keeps of a name; of a longer one it silently drops the rest.
const NAME_BYTES_MAX: usize = 63;

/// Where a column's value is in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Key(usize),
    Value(usize),
    Topic,
    Partition,
    Offset,
}

/// How the record's value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No value: a delete.
    Tombstone,
    Flat,
    /// A change event; the positions of its fields.
    Envelope {
        op: usize,
        after: usize,
    },
}

/// A column that the records want.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: String,
    pub origin: Origin,
    pub schema: Rc<Schema>,
    pub key: bool,
}

/// What the schemas say, before any table is looked at.
#[derive(Debug, Clone)]
pub struct Draft {
    pub table: TableName,
    pub shape: Shape,
    /// The key's columns first.
    pub wanted: Vec<Wanted>,
}

/// One column as it is written.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub origin: Origin,
    pub encoder: Encoder,
    pub wire: Wire,
    /// The column's type, where what crosses is of another.
    pub cast: Option<String>,
    /// The type of the column and that of the field, for who has to be told.
    pub types: Rc<(String, String)>,
    /// Whether the column may be too narrow for values of the field, or of another kind altogether.
    pub doubtful: bool,
    /// Whether the field may be null.
    pub optional: bool,
}

#[derive(Debug)]
pub struct Plan {
    pub table: TableName,
    pub shape: Shape,
    pub columns: Vec<Target>,
    /// How many of the columns, from the first, are the key.
    pub keys: usize,
    pub override_identity: bool,
}

fn plain(kind: Kind) -> Rc<Schema> {
    Rc::new(Schema::new(kind))
}

impl Draft {
    /// The error says what the record lacks: it is the record's failure.
    pub fn new(
        options: &Options,
        topic: &str,
        key: Option<&Rc<Schema>>,
        value: Option<&Rc<Schema>>,
        tombstone: bool,
    ) -> Result<Draft, String> {
        let (shape, row) = match value {
            _ if tombstone => (Shape::Tombstone, None),
            None => return Err("the value has no schema, so its columns and types are unknown: use a converter with schemas (value.converter.schemas.enable=true)".into()),
            Some(v) if v.kind != Kind::Struct => return Err(format!("the value is of type {:?}, and only a struct has columns: use a transform such as HoistField", v.kind)),
            Some(v) => match envelope(v) {
                Some((shape, after)) => (shape, Some(after)),
                None => (Shape::Flat, Some(v.clone())),
            },
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        let fields = &options.key_fields;
        match options.key_mode {
            KeyMode::None => {}
            KeyMode::Kafka => {
                let names = ["__connect_topic", "__connect_partition", "__connect_offset"];
                let name = |i: usize| if fields.len() == 3 { options.column(&fields[i]) } else { names[i].to_owned() };
                let all = [(Origin::Topic, Kind::Text), (Origin::Partition, Kind::Int32), (Origin::Offset, Kind::Int64)];
                wanted.extend(all.into_iter().enumerate().map(|(i, (origin, kind))| Wanted {
                    name: name(i),
                    origin,
                    schema: plain(kind),
                    key: true,
                }));
            }
            KeyMode::RecordKey => match key {
                None => {
                    return Err(format!(
                        "the record has no key with a schema, which \"{}\"=record_key needs: use a converter with schemas (key.converter.schemas.enable=true), or another key mode",
                        options.dialect.key_mode()
                    ));
                }
                Some(k) if k.kind == Kind::Struct => pick(options, k, fields, Origin::Key, "key", &mut wanted)?,
                Some(k) => match fields.first() {
                    Some(f) => {
                        wanted.push(Wanted { name: options.column(f), origin: Origin::Key(0), schema: k.clone(), key: true })
                    }
                    None => {
                        return Err(format!(
                            "the record's key is of type {:?}, and no field names it: set \"{}\" to its column",
                            k.kind,
                            options.dialect.key_fields()
                        ));
                    }
                },
            },
            KeyMode::RecordValue => match &row {
                Some(v) => pick(options, v, fields, Origin::Value, "value", &mut wanted)?,
                None => {
                    return Err(format!(
                        "a record without a value has no key where \"{}\" is record_value",
                        options.dialect.key_mode()
                    ));
                }
            },
        }
        if let Some(v) = &row {
            for (i, f) in v.fields.iter().enumerate() {
                let name = options.column(&f.name);
                if !options.takes(topic, &f.name) {
                    continue;
                }
                match wanted.iter().find(|w| w.name == name) {
                    None => wanted.push(Wanted { name, origin: Origin::Value(i), schema: f.schema.clone(), key: false }),
                    // The key's columns are in the value too, as a rule.
                    Some(w) if w.key => {}
                    Some(_) => {
                        return Err(format!(
                            "two fields are the one column \"{name}\" when the case of names is folded, \"{}\" among them: set quote.identifiers=true, or rename one with a transform such as ReplaceField",
                            f.name
                        ));
                    }
                }
            }
        }
        let table = options.table(topic);
        let names = wanted.iter().map(|w| &w.name).chain([&table.table]).chain(&table.schema);
        if let Some(long) = names.into_iter().find(|n| n.len() > NAME_BYTES_MAX) {
            return Err(format!(
                "the name \"{long}\" has {} bytes, and those of PostgreSQL end at {NAME_BYTES_MAX}: rename the field with a transform such as ReplaceField, or give the table another name by {}",
                long.len(),
                options.dialect.table_format()
            ));
        }
        Ok(Draft { table, shape, wanted })
    }

    /// `CREATE TABLE`, with the types of the schemas.
    pub fn create(&self) -> Result<String, String> {
        let mut parts = Vec::new();
        for w in &self.wanted {
            parts.push(format!("{} {}{}", ident(&w.name), column_type(w)?, rules(w)));
        }
        let keys: Vec<_> = self.wanted.iter().filter(|w| w.key).map(|w| ident(&w.name)).collect();
        if !keys.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", keys.join(", ")));
        }
        Ok(format!("CREATE TABLE IF NOT EXISTS {} ({})", self.table.sql(), parts.join(", ")))
    }

    /// The plan for a table that has every column.
    pub fn bind(self, table: &Table) -> Result<Plan, String> {
        let mut columns = Vec::new();
        let (mut keys, mut override_identity) = (0, false);
        for w in self.wanted {
            let column =
                table.column(&w.name).ok_or_else(|| format!("the table {} has no column \"{}\"", self.table.sql(), w.name))?;
            if column.generated {
                continue;
            }
            let encoder = types::encoder(&w.schema, column).map_err(|e| {
                format!(
                    "column \"{}\" of {}: {e}; change the column's type to {}, or convert the field with a transform such as Cast",
                    w.name,
                    self.table.sql(),
                    types::column_type(&w.schema).unwrap_or_else(|_| "one that takes it".to_owned())
                )
            })?;
            let wire = encoder.wire();
            override_identity |= column.identity_always;
            keys += w.key as usize;
            columns.push(Target {
                name: w.name,
                origin: w.origin,
                encoder,
                wire,
                cast: (wire.name != column.sql).then(|| column.sql.clone()),
                types: Rc::new((column.full.clone(), types::describe(&w.schema))),
                doubtful: types::doubtful(&w.schema, column),
                optional: w.schema.optional,
            });
        }
        Ok(Plan { table: self.table, shape: self.shape, columns, keys, override_identity })
    }
}

fn ident(name: &str) -> String {
    millrace_plugin::postgres::quote_ident(name)
}

pub(crate) fn column_type(w: &Wanted) -> Result<String, String> {
    types::column_type(&w.schema).map_err(|e| format!("field \"{}\": {e}", w.name))
}

/// `DEFAULT` and `NOT NULL`, as the schema has them.
pub(crate) fn rules(w: &Wanted) -> String {
    let default = defaults::expression(&w.schema).map(|l| format!(" DEFAULT {l}")).unwrap_or_default();
    if w.key || !w.schema.optional { format!("{default} NOT NULL") } else { default }
}

fn pick(
    options: &Options,
    of: &Rc<Schema>,
    fields: &[String],
    origin: fn(usize) -> Origin,
    part: &str,
    out: &mut Vec<Wanted>,
) -> Result<(), String> {
    for name in fields {
        if of.index(name).is_none() {
            return Err(format!("the record's {part} has no field \"{name}\", which \"{}\" names", options.dialect.key_fields()));
        }
    }
    // The schema's order, so that the key is the same whatever the order of the setting.
    for (i, f) in of.fields.iter().enumerate().filter(|(_, f)| fields.is_empty() || fields.contains(&f.name)) {
        out.push(Wanted { name: options.column(&f.name), origin: origin(i), schema: f.schema.clone(), key: true });
    }
    Ok(())
}

/// A change event: `op`, and a struct `after` whose fields are the row's.
fn envelope(v: &Rc<Schema>) -> Option<(Shape, Rc<Schema>)> {
    let (op, after, source) = (v.index("op")?, v.index("after")?, v.index("source"));
    let row = &v.fields[after].schema;
    let named = v.name.as_deref().is_some_and(|n| n.ends_with("Envelope"));
    (row.kind == Kind::Struct && v.fields[op].schema.kind == Kind::Text && (named || source.is_some()))
        .then(|| (Shape::Envelope { op, after }, row.clone()))
}

/// What a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Write,
    Delete,
    Truncate,
    /// Nothing: a delete where deletes are off, a message, a heartbeat.
    Skip,
}

impl Plan {
    pub fn change(&self, options: &Options, record: &Record<'_>) -> Change {
        let delete = if options.delete { Change::Delete } else { Change::Skip };
        match (self.shape, record.value()) {
            (Shape::Tombstone, _) | (_, None) => delete,
            (Shape::Flat, Some(_)) => Change::Write,
            (Shape::Envelope { op, after }, Some(v)) => match v.text(op) {
                "d" => delete,
                "t" if options.truncate => Change::Truncate,
                "c" | "r" | "u" if !v.is_null(after) => Change::Write,
                _ => Change::Skip,
            },
        }
    }

    /// The row whose slots [`Origin::Value`] counts.
    #[inline]
    pub fn row<'a>(&self, record: &Record<'a>) -> Option<Row<'a>> {
        match self.shape {
            Shape::Tombstone => None,
            Shape::Flat => record.value(),
            Shape::Envelope { after, .. } => record.value()?.row(after),
        }
    }

    /// Bit `i` set: column `i` holds the placeholder of a value that the source could not see.
    pub fn unseen(&self, options: &Options, row: &Row<'_>) -> u64 {
        let mut mask = 0;
        if !matches!(self.shape, Shape::Envelope { .. }) || options.insert_mode == InsertMode::Insert {
            return mask;
        }
        let placeholder = options.placeholder.as_bytes();
        for (i, c) in self.columns.iter().enumerate().take(64).skip(self.keys) {
            if let (Origin::Value(slot), Encoder::Text | Encoder::Bytes) = (c.origin, &c.encoder)
                && !row.is_null(slot)
                && (row.slot(slot) >> 32) as usize == placeholder.len()
                && row.get_bytes(slot) == placeholder
            {
                mask |= 1 << i;
            }
        }
        mask
    }

    /// Appends one column as a field of a composite: its type, length and bytes.
    #[inline]
    pub fn write(
        &self,
        i: usize,
        topic: &str,
        record: &Record<'_>,
        key: Option<&Row<'_>>,
        row: Option<&Row<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritten> {
        let c = &self.columns[i];
        out.extend_from_slice(&c.wire.oid.to_be_bytes());
        let written = match (c.origin, key, row) {
            (Origin::Value(slot), _, Some(row)) => c.encoder.write(row, slot, out),
            (Origin::Key(slot), Some(key), _) => c.encoder.write(key, slot, out),
            (Origin::Topic, ..) => coordinate(&c.encoder, None, topic, out),
            (Origin::Partition, ..) => coordinate(&c.encoder, record.partition().map(Into::into), topic, out),
            (Origin::Offset, ..) => coordinate(&c.encoder, record.offset(), topic, out),
            _ => Err("the record has no key".into()),
        };
        written.map_err(|e| self.unwritten(c, &e))
    }

    #[cold]
    fn unwritten(&self, c: &Target, why: &str) -> Unwritten {
        let (column, field) = &*c.types;
        let (code, remedy) = match c.doubtful {
            true => (EVOLUTION, ": widen the column, or convert the field with a transform such as Cast"),
            false => (REFUSED, ""),
        };
        let at = format!("column \"{}\" of {}", c.name, self.table.sql());
        Unwritten { code, why: format!("{at}: {why}; the column is {column}, the field is {field}{remedy}") }
    }
}

/// A value that has no form in its column, and the code of that failure.
#[derive(Debug)]
pub struct Unwritten {
    pub code: &'static str,
    pub why: String,
}

/// Kafka's coordinates, through the same encoders: as a row of one slot.
fn coordinate(encoder: &Encoder, number: Option<i64>, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let mut buffer = millrace_plugin::RowBuf::new();
    let mark = buffer.begin(1);
    match number {
        Some(n) => buffer.i64(mark, 0, n),
        None => buffer.text(mark, 0, text),
    }
    encoder.write(&Row::new(buffer.as_bytes()).expect("a row just written"), 0, out)
}
