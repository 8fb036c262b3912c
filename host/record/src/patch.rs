//! Edits of a batch: rows dropped, fields removed, columns set.
//!
//! What is set replaces a field and keeps its schema; a field that was not there is appended to its struct as optional, of
//! the column's kind. What does not fit the field's schema is an error of the whole patch: the plugin made it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::row::{BatchWriter, Header, RecordMeta, Row, RowBuf, RowMark};
use crate::view::{Cell, Column, ColumnData};
use crate::{Batch, Field, Kind, Quota, Schema, Schemas};

/// Edits that one patch may have, and names that a path may have: more is nobody's intent, and the host would walk them all.
const EDITS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 64;

/// Edits; a column of `set` has a value for each row of the batch.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    pub drop_rows: Vec<u32>,
    /// Paths below the value, the key or the headers.
    pub remove_fields: Vec<String>,
    pub set: Vec<(String, Column)>,
}

/// The batch as the patch leaves it. None beside it: its rows are the input's, one to one; else the input row of each.
pub fn apply(batch: &Batch, schemas: &Schemas, quota: &Quota, patch: &Patch) -> Result<(Batch, Option<Vec<u32>>), String> {
    let view = batch.view();
    let mut dropped = vec![false; view.len()];
    for row in &patch.drop_rows {
        *dropped.get_mut(*row as usize).ok_or_else(|| format!("row {row} to drop of a batch of {}", view.len()))? = true;
    }
    let edits = Edits::of(patch, view.len())?;
    let of = |id: Option<u32>, edits: &Node<'_>| Plan::of(id, edits, patch, schemas, quota);
    let (mut values, mut keys) = (Plans::default(), Plans::default());
    let mut out = BatchWriter::with_capacity(batch.bytes().len());
    let topics: Vec<u32> = view.topics().iter().map(|t| out.topic(t)).collect();
    for (i, record) in view.iter().enumerate().filter(|(i, _)| !dropped[*i]) {
        if edits.none() {
            out.copy(&record, topics[record.topic() as usize]);
            continue;
        }
        let topic = match edits.text(patch, &edits.topic, i)? {
            Some(topic) => out.topic(topic),
            None => topics[record.topic() as usize],
        };
        let value = values.get(record.value_schema(), |id| of(id, &edits.value))?;
        let key = keys.get(record.key_schema(), |id| of(id, &edits.key))?;
        out.begin(RecordMeta {
            topic,
            partition: edits.int(patch, &edits.partition, i)?.map_or(Ok(record.partition()), narrow)?,
            offset: record.offset(),
            timestamp: edits.int(patch, &edits.timestamp, i)?.map_or(record.timestamp(), |t| t),
            key_schema: None,
            value_schema: None,
        });
        out.value_with(|rows| value.root(record.value(), i, patch, rows))?;
        out.key_with(|rows| key.root(record.key(), i, patch, rows))?;
        if edits.headers.is_empty() {
            out.headers_from(&record);
        } else {
            headers(&mut out, &edits, &record, i, patch, (schemas, quota))?;
        }
        out.end();
    }
    let records = Batch::trusted(out);
    if records.bytes().len() > crate::batch::BATCH_BYTES_MAX {
        return Err(format!("a patched batch of {} bytes", records.bytes().len()));
    }
    let kept = || (0..view.len() as u32).filter(|i| !dropped[*i as usize]).collect();
    Ok((records, (!patch.drop_rows.is_empty()).then(kept)))
}

fn narrow(partition: Option<i64>) -> Result<Option<i32>, String> {
    partition.map(|p| i32::try_from(p).map_err(|_| format!("the partition {p}"))).transpose()
}

/// A patch's paths as trees: of the value, of the key; the rest by name.
#[derive(Default)]
struct Edits<'p> {
    value: Node<'p>,
    key: Node<'p>,
    /// A column of `set`, or removal.
    headers: Vec<(&'p str, Option<usize>)>,
    topic: Option<usize>,
    partition: Option<usize>,
    timestamp: Option<usize>,
}

/// What is done to a field and to those below it.
#[derive(Default)]
struct Node<'p> {
    set: Option<usize>,
    remove: bool,
    below: Vec<(&'p str, Node<'p>)>,
}

impl<'p> Node<'p> {
    fn at(&mut self, path: &'p str) -> &mut Node<'p> {
        let mut node = self;
        for name in path.split('.').filter(|n| !n.is_empty()) {
            let i = match node.below.iter().position(|(n, _)| *n == name) {
                Some(i) => i,
                None => {
                    node.below.push((name, Node::default()));
                    node.below.len() - 1
                }
            };
            node = &mut node.below[i].1;
        }
        node
    }
    fn none(&self) -> bool {
        self.set.is_none() && !self.remove && self.below.is_empty()
    }
}

impl<'p> Edits<'p> {
    fn of(patch: &'p Patch, rows: usize) -> Result<Self, String> {
        let mut edits = Edits::default();
        if patch.remove_fields.len() + patch.set.len() > EDITS_MAX {
            return Err(format!(
                "a patch of {} edits: at most {EDITS_MAX} are taken",
                patch.remove_fields.len() + patch.set.len()
            ));
        }
        let paths = patch.remove_fields.iter().chain(patch.set.iter().map(|(path, _)| path));
        if let Some(deep) = paths.map(|p| p.bytes().filter(|b| *b == b'.').count()).find(|dots| *dots > DEPTH_MAX) {
            return Err(format!("a path of {} names: at most {DEPTH_MAX} are taken", deep + 1));
        }
        for path in &patch.remove_fields {
            match path.split_once('.') {
                Some(("value", rest)) => edits.value.at(rest).remove = true,
                Some(("key", rest)) => edits.key.at(rest).remove = true,
                Some(("header", name)) => edits.headers.push((name, None)),
                _ => return Err(format!("\"{path}\" to remove: only what is below value, key and header can be")),
            }
        }
        for (i, (path, column)) in patch.set.iter().enumerate() {
            let len = column.checked_len().map_err(|e| format!("\"{path}\" to set: {e}"))?;
            if len != rows {
                return Err(format!("\"{path}\" to set: {len} values for {rows} rows"));
            }
            let (part, rest) = path.split_once('.').unwrap_or((path, ""));
            match part {
                "value" => edits.value.at(rest).set = Some(i),
                "key" => edits.key.at(rest).set = Some(i),
                "header" if !rest.is_empty() => edits.headers.push((rest, Some(i))),
                "topic" => edits.topic = Some(i),
                "partition" => edits.partition = Some(i),
                "timestamp" => edits.timestamp = Some(i),
                _ => return Err(format!("\"{path}\" to set: it is not a path of a record")),
            }
        }
        Ok(edits)
    }

    fn none(&self) -> bool {
        self.value.none()
            && self.key.none()
            && self.headers.is_empty()
            && self.topic.or(self.partition).or(self.timestamp).is_none()
    }

    fn text(&self, patch: &'p Patch, column: &Option<usize>, row: usize) -> Result<Option<&'p str>, String> {
        let Some(column) = column else { return Ok(None) };
        match patch.set[*column].1.cell(row) {
            Cell::Text(std::borrow::Cow::Borrowed(t)) if !t.is_empty() => Ok(Some(t)),
            Cell::Bytes(b) => std::str::from_utf8(b).map(Some).map_err(|_| "a topic that is not UTF-8".into()),
            _ => Err("a topic that is not text".into()),
        }
    }

    /// The outer none: nothing is set.
    fn int(&self, patch: &Patch, column: &Option<usize>, row: usize) -> Result<Option<Option<i64>>, String> {
        let Some(column) = column else { return Ok(None) };
        match patch.set[*column].1.cell(row) {
            Cell::Null => Ok(Some(None)),
            Cell::Int(i) => Ok(Some(Some(i))),
            _ => Err(format!("\"{}\" is not an integer", patch.set[*column].0)),
        }
    }
}

/// What becomes of keys, or of values, by schema.
#[derive(Default)]
struct Plans {
    plans: HashMap<Option<u32>, usize>,
    made: Vec<Plan>,
    /// Schemas come in runs.
    last: Option<(Option<u32>, usize)>,
}

impl Plans {
    fn get(&mut self, id: Option<u32>, make: impl FnOnce(Option<u32>) -> Result<Plan, String>) -> Result<&Plan, String> {
        let at = match self.last {
            Some((last, at)) if last == id => at,
            _ => match self.plans.get(&id) {
                Some(at) => *at,
                None => {
                    self.made.push(make(id)?);
                    self.plans.insert(id, self.made.len() - 1);
                    self.made.len() - 1
                }
            },
        };
        self.last = Some((id, at));
        Ok(&self.made[at])
    }
}

/// What becomes of keys or values of one schema.
struct Plan {
    /// Of the result; none: schemaless.
    id: Option<u32>,
    work: Work,
}

enum Work {
    /// As it was.
    Copy,
    /// A column takes the place of all of it, into one slot of this kind.
    Replace {
        column: usize,
        schema: Schema,
    },
    Struct(Fields),
    /// Edits inside a JSON text.
    Json(Vec<(Vec<String>, Option<usize>)>),
}

/// What becomes of a struct's fields.
#[derive(Default)]
struct Fields {
    /// Slots of the result.
    slots: usize,
    /// Those that stay as they are: their slot, that which they had, and whether it points to bytes.
    copied: Vec<(usize, usize, bool)>,
    /// The others.
    work: Vec<(usize, FieldWork)>,
}

enum FieldWork {
    Set { column: usize, schema: Arc<Schema> },
    Nested(usize, Fields),
    Json(usize, Vec<(Vec<String>, Option<usize>)>),
}

impl Plan {
    fn of(id: Option<u32>, edits: &Node<'_>, patch: &Patch, schemas: &Schemas, quota: &Quota) -> Result<Plan, String> {
        if edits.none() {
            return Ok(Plan { id, work: Work::Copy });
        }
        let schema = id.map(|id| schemas.get(id).ok_or_else(|| format!("no schema has the id {id}"))).transpose()?;
        if let Some(column) = edits.set {
            let schema = schema.map(|s| (*s).clone()).unwrap_or(Schema::new(Kind::Any));
            if schema.kind == Kind::Struct {
                return Err(format!("\"{}\" to set is a struct: set its fields", patch.set[column].0));
            }
            return Ok(Plan { id, work: Work::Replace { column, schema } });
        }
        match schema {
            None => Ok(Plan { id, work: Work::Json(json_edits(edits, Vec::new())) }),
            Some(s) if s.kind == Kind::Struct => {
                let (schema, fields) = fields(&s, edits, patch)?;
                let id = schemas.intern_within(schema, quota).map_err(|e| e.to_string())?;
                Ok(Plan { id: Some(id), work: Work::Struct(fields) })
            }
            Some(s) => Err(format!("a field below a {:?}", s.kind)),
        }
    }

    fn root(&self, row: Option<Row<'_>>, i: usize, patch: &Patch, rows: &mut RowBuf) -> Result<Option<Option<u32>>, String> {
        if let Work::Replace { column, schema } = &self.work {
            let mark = rows.begin(1);
            let null = !set(rows, mark, 0, schema, &patch.set[*column], i)?;
            return Ok((!null).then_some(self.id));
        }
        let Some(row) = row else { return Ok(None) };
        match &self.work {
            Work::Copy => rows.append(row),
            Work::Struct(fields) => drop(fields.write(row, i, patch, rows)?),
            Work::Json(edits) => {
                let mark = rows.begin(1);
                rows.text(mark, 0, &edited(row.text(0), edits, i, patch)?);
            }
            Work::Replace { .. } => unreachable!("handled above"),
        }
        Ok(Some(self.id))
    }
}

fn fields(schema: &Schema, edits: &Node<'_>, patch: &Patch) -> Result<(Schema, Fields), String> {
    let mut result = Schema { fields: Vec::with_capacity(schema.fields.len()), ..schema.clone() };
    let mut work = Fields::default();
    let mut known = vec![false; edits.below.len()];
    for (at, field) in schema.fields.iter().enumerate() {
        let edit = edits.below.iter().position(|(n, _)| *n == &*field.name);
        let Some(edit) = edit else {
            work.copied.push((result.fields.len(), at, points(field.schema.kind)));
            result.fields.push(field.clone());
            continue;
        };
        known[edit] = true;
        let node = &edits.below[edit].1;
        let to = result.fields.len();
        if let Some(column) = node.set {
            work.work.push((to, FieldWork::Set { column, schema: field.schema.clone() }));
            result.fields.push(field.clone());
        } else if node.remove {
            continue;
        } else if field.schema.kind == Kind::Struct {
            let (nested, below) = fields(&field.schema, node, patch)?;
            work.work.push((to, FieldWork::Nested(at, below)));
            result.fields.push(Field { name: field.name.clone(), schema: Arc::new(nested) });
        } else if field.schema.kind == Kind::Any {
            work.work.push((to, FieldWork::Json(at, json_edits(node, Vec::new()))));
            result.fields.push(field.clone());
        } else {
            return Err(format!("a field below \"{}\", which is a {:?}", field.name, field.schema.kind));
        }
    }
    for (_, (name, node)) in edits.below.iter().enumerate().filter(|(i, _)| !known[*i]) {
        // What is to be removed may be missing from some schemas; what is to be set below a missing struct cannot be.
        if let Some(column) = node.set {
            let schema = Arc::new(Schema::new(kind_of(&patch.set[column].1)).optional());
            work.work.push((result.fields.len(), FieldWork::Set { column, schema: schema.clone() }));
            result.fields.push(Field { name: (*name).into(), schema });
        } else if node.below.iter().any(|(_, n)| n.set.is_some()) {
            return Err(format!("a field to set below \"{name}\", which is not there"));
        }
    }
    work.slots = result.fields.len();
    Ok((result, work))
}

/// Whether slots of this kind point to bytes.
fn points(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Bytes | Kind::Any | Kind::List | Kind::Map | Kind::Struct)
}

fn kind_of(column: &Column) -> Kind {
    match column.data {
        ColumnData::Booleans(_) => Kind::Boolean,
        ColumnData::Int64s(_) => Kind::Int64,
        ColumnData::Float64s(_) => Kind::Float64,
        ColumnData::Texts(_) => Kind::Text,
        ColumnData::Packed { .. } => Kind::Bytes,
    }
}

impl Fields {
    fn write(&self, row: Row<'_>, i: usize, patch: &Patch, rows: &mut RowBuf) -> Result<RowMark, String> {
        let out = rows.begin(self.slots);
        rows.take(out, row, self.copied.iter().copied());
        for (to, work) in &self.work {
            match work {
                FieldWork::Set { column, schema } => {
                    if !set(rows, out, *to, schema, &patch.set[*column], i)? && !schema.optional {
                        return Err(format!("\"{}\" of row {i} is null, but required", patch.set[*column].0));
                    }
                }
                FieldWork::Nested(from, _) | FieldWork::Json(from, _) if row.is_null(*from) => {}
                FieldWork::Nested(from, fields) => {
                    if let Some(nested) = row.row(*from) {
                        let nested = fields.write(nested, i, patch, rows)?;
                        rows.end_nested(out, *to, nested);
                    }
                }
                FieldWork::Json(from, edits) => rows.text(out, *to, &edited(row.text(*from), edits, i, patch)?),
            }
        }
        Ok(out)
    }
}

/// Sets a slot to a column's value, held against the slot's schema. False: it is null.
fn set(
    rows: &mut RowBuf,
    row: RowMark,
    slot: usize,
    schema: &Schema,
    (path, column): &(String, Column),
    i: usize,
) -> Result<bool, String> {
    let cell = column.cell(i);
    let wrong = || format!("\"{path}\" of row {i} does not fit its schema, a {:?}", schema.kind);
    let range = |v: i64, min: i64, max: i64| if (min..=max).contains(&v) { Ok(v) } else { Err(wrong()) };
    match (schema.kind, cell) {
        (_, Cell::Null) => return Ok(false),
        (Kind::Boolean, Cell::Bool(b)) => rows.bool(row, slot, b),
        (Kind::Int8, Cell::Int(v)) => rows.i64(row, slot, range(v, i8::MIN.into(), i8::MAX.into())?),
        (Kind::Int16, Cell::Int(v)) => rows.i64(row, slot, range(v, i16::MIN.into(), i16::MAX.into())?),
        (Kind::Int32, Cell::Int(v)) => rows.i64(row, slot, range(v, i32::MIN.into(), i32::MAX.into())?),
        (Kind::Int64, Cell::Int(v)) => rows.i64(row, slot, v),
        (Kind::Float32 | Kind::Float64, Cell::Float(v)) => rows.f64(row, slot, v),
        (Kind::Float32 | Kind::Float64, Cell::Int(v)) => rows.f64(row, slot, v as f64),
        (Kind::Text, Cell::Text(t)) => rows.text(row, slot, &t),
        (Kind::Text, Cell::Bytes(b)) => rows.text(row, slot, std::str::from_utf8(b).map_err(|_| wrong())?),
        (Kind::Bytes, Cell::Bytes(b)) => rows.bytes(row, slot, b),
        // A decimal's text is its number; its bytes are the unscaled value.
        (Kind::Bytes, Cell::Text(t)) if schema.scale().is_some() => {
            let unscaled = schema.scale().and_then(|scale| crate::decimal::from_text(&t, scale)).ok_or_else(wrong)?;
            rows.bytes(row, slot, &unscaled);
        }
        (Kind::Bytes, Cell::Text(t)) => rows.bytes(row, slot, t.as_bytes()),
        (Kind::Any, cell) => rows.text(row, slot, &json(cell).ok_or_else(wrong)?.to_string()),
        _ => return Err(wrong()),
    }
    Ok(true)
}

/// A value inside schemaless JSON: a text is a string there.
fn json(cell: Cell<'_>) -> Option<serde_json::Value> {
    Some(match cell {
        Cell::Null => serde_json::Value::Null,
        Cell::Bool(b) => b.into(),
        Cell::Int(i) => i.into(),
        Cell::Float(f) => serde_json::Number::from_f64(f)?.into(),
        Cell::Text(t) => t.into_owned().into(),
        Cell::Bytes(b) => std::str::from_utf8(b).ok()?.into(),
    })
}

fn json_edits(node: &Node<'_>, path: Vec<String>) -> Vec<(Vec<String>, Option<usize>)> {
    let mut edits = Vec::new();
    for (name, below) in &node.below {
        let path = [&path[..], &[(*name).to_owned()]].concat();
        if below.set.is_some() || below.remove {
            edits.push((path.clone(), below.set));
        }
        edits.extend(json_edits(below, path));
    }
    edits
}

fn edited(text: &str, edits: &[(Vec<String>, Option<usize>)], i: usize, patch: &Patch) -> Result<String, String> {
    let mut now = text.to_owned();
    for (path, column) in edits {
        let value = match column {
            None => None,
            Some(column) => {
                let (path, column) = &patch.set[*column];
                Some(json(column.cell(i)).ok_or_else(|| format!("\"{path}\" of row {i} is no JSON"))?.to_string())
            }
        };
        let mut next = Vec::with_capacity(now.len() + 64);
        crate::json::edit(&now, path, value.as_deref(), &mut next).map_err(|e| format!("row {i} is not JSON: {e}"))?;
        now = String::from_utf8(next).map_err(|_| format!("row {i} is not UTF-8"))?;
    }
    Ok(now)
}

fn headers(
    out: &mut BatchWriter,
    edits: &Edits<'_>,
    record: &crate::row::Record<'_>,
    i: usize,
    patch: &Patch,
    (schemas, quota): (&Schemas, &Quota),
) -> Result<(), String> {
    for header in record.headers().filter(|h| !edits.headers.iter().any(|(n, _)| *n == h.name)) {
        out.header(header);
    }
    for (name, column) in &edits.headers {
        let Some(column) = column else { continue };
        let schema = Schema::new(kind_of(&patch.set[*column].1)).optional();
        let mut row = RowBuf::new();
        let mark = row.begin(1);
        let given = set(&mut row, mark, 0, &schema, &patch.set[*column], i)?;
        let value = given.then(|| Row::new(row.as_bytes()).expect("just written"));
        let id = schemas.intern_within(schema, quota).map_err(|e| e.to_string())?;
        out.header(Header { name, schema: Some(id), value });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
