//! Views of a batch for plugins that read one field of all records, or records as JSON documents.
//!
//! A path is `topic`, `partition`, `offset`, `timestamp`, or `key`, `value` and `header.NAME` with the names of nested
//! fields behind dots: `value.after.email`. A path that some record does not have is null there; one that no record has is
//! an error.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use crate::convert::{Converter, converter};
use crate::row::{Record, Row, RowBuf};
use crate::{Batch, Kind, RawConfig, Schema, Schemas};

/// One value for every row: what a column crosses into a plugin as, and comes back as.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Bit i (least significant first) set: row i is null. Empty: none is.
    pub nulls: Vec<u8>,
    pub data: ColumnData,
}

/// A column's values; null rows hold anything.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    Booleans(Vec<bool>),
    Int64s(Vec<i64>),
    Float64s(Vec<f64>),
    Texts(Vec<String>),
    /// Byte strings end to end: value i is `data[offsets[i]..offsets[i + 1]]`.
    Packed {
        offsets: Vec<u32>,
        data: Vec<u8>,
    },
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

impl Column {
    /// How many rows, and whether everything is as long as it must be.
    pub fn checked_len(&self) -> Result<usize, String> {
        let len = match &self.data {
            ColumnData::Booleans(v) => v.len(),
            ColumnData::Int64s(v) => v.len(),
            ColumnData::Float64s(v) => v.len(),
            ColumnData::Texts(v) => v.len(),
            ColumnData::Packed { offsets, data } => {
                let rising = offsets.windows(2).all(|w| w[0] <= w[1]);
                if !rising || offsets.last().is_some_and(|end| *end as usize > data.len()) {
                    return Err("the offsets of a packed column do not rise within its data".into());
                }
                offsets.len().saturating_sub(1)
            }
        };
        if !self.nulls.is_empty() && self.nulls.len() < len.div_ceil(8) {
            return Err(format!("{} bytes of null bits for {len} rows", self.nulls.len()));
        }
        Ok(len)
    }

    /// The value of row `i`. Panics past the length.
    pub fn cell(&self, i: usize) -> Cell<'_> {
        if self.nulls.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1) {
            return Cell::Null;
        }
        match &self.data {
            ColumnData::Booleans(v) => Cell::Bool(v[i]),
            ColumnData::Int64s(v) => Cell::Int(v[i]),
            ColumnData::Float64s(v) => Cell::Float(v[i]),
            ColumnData::Texts(v) => Cell::Text(Cow::Borrowed(&v[i])),
            ColumnData::Packed { offsets, data } => Cell::Bytes(&data[offsets[i] as usize..offsets[i + 1] as usize]),
        }
    }
}

/// One field of all rows. Text comes as `Packed` when `packed` says so, bytes always do; structs, lists, maps and values
/// whose kind differs from row to row come as JSON.
pub fn column(batch: &Batch, schemas: &Arc<Schemas>, path: &str, packed: bool) -> Result<Column, String> {
    let view = batch.view();
    let mut json = Documents::new(schemas)?;
    let mut finder = Finder::new(path);
    if packed && let Some(column) = finder.strings(&view, schemas) {
        return Ok(column);
    }
    let mut cells = Vec::with_capacity(view.len());
    for record in view.iter() {
        cells.push(match path {
            "topic" => Cell::Text(Cow::Borrowed(view.topic_of(&record))),
            "partition" => record.partition().map_or(Cell::Null, |p| Cell::Int(p.into())),
            "offset" => record.offset().map_or(Cell::Null, Cell::Int),
            "timestamp" => record.timestamp().map_or(Cell::Null, Cell::Int),
            _ => finder.cell(&record, schemas, &mut json)?,
        });
    }
    let attribute = matches!(path, "topic" | "partition" | "offset" | "timestamp");
    if !attribute && !finder.found && !cells.is_empty() {
        return Err(format!("no record of the batch has \"{path}\""));
    }
    Ok(gather(cells, finder.kind, packed))
}

/// The `key` or the `value` of each row as schemaless JSON; none: it is null.
pub fn documents(batch: &Batch, schemas: &Arc<Schemas>, part: &str) -> Result<Vec<Option<String>>, String> {
    let mut json = Documents::new(schemas)?;
    let view = batch.view();
    view.iter()
        .map(|r| {
            let (schema, row) = match part {
                "key" => (r.key_schema(), r.key()),
                "value" => (r.value_schema(), r.value()),
                _ => return Err(format!("\"{part}\" is not a part of a record: ask for \"key\" or \"value\"")),
            };
            row.map(|row| json.text(schema, row)).transpose()
        })
        .collect()
}

/// Rows as JSON text, as Connect's JsonConverter writes it without schemas.
pub struct Documents(Box<dyn Converter>, Vec<u8>);

impl Documents {
    pub fn new(schemas: &Arc<Schemas>) -> Result<Self, String> {
        let config = RawConfig::from([
            ("schemas.enable".to_owned(), "false".to_owned()),
            ("replace.null.with.default".to_owned(), "false".to_owned()),
        ]);
        Ok(Documents(converter("org.apache.kafka.connect.json.JsonConverter", false, &config, schemas)?, Vec::new()))
    }

    pub fn text(&mut self, schema: Option<u32>, row: Row<'_>) -> Result<String, String> {
        self.1.clear();
        self.0.encode("", schema, Some(row), &mut self.1).map_err(|e| e.failed().message)?;
        Ok(String::from_utf8_lossy(&self.1).into_owned())
    }
}

/// Finds a path in records, remembering where it was in the schema met last.
struct Finder<'p> {
    part: &'p str,
    header: &'p str,
    names: Vec<&'p str>,
    /// (schema's id, the slots that lead to the value, the value's schema).
    last: Option<(u32, Option<Rc<Place>>)>,
    found: bool,
    /// Of the first schema that has the path.
    kind: Option<Kind>,
}

struct Place {
    slots: Vec<usize>,
    schema: Arc<Schema>,
    /// What is left of the path lies inside schemaless JSON.
    inside: usize,
}

impl<'p> Finder<'p> {
    fn new(path: &'p str) -> Self {
        let (part, rest) = path.split_once('.').unwrap_or((path, ""));
        let names = rest.split('.').filter(|n| !n.is_empty()).collect();
        if part == "header" {
            return Finder { part, header: rest, names: Vec::new(), last: None, found: false, kind: None };
        }
        Finder { part, header: "", names, last: None, found: false, kind: None }
    }

    /// The key or the value.
    fn root<'a>(&self, record: &Record<'a>) -> (Option<u32>, Option<Row<'a>>) {
        match self.part {
            "key" => (record.key_schema(), record.key()),
            _ => (record.value_schema(), record.value()),
        }
    }

    fn place(&mut self, id: u32, schemas: &Schemas) -> Option<Rc<Place>> {
        if self.last.as_ref().is_none_or(|l| l.0 != id) {
            let place = schemas.get(id).and_then(|s| place(s, &self.names));
            if let Some(place) = &place {
                self.found = true;
                self.kind = self.kind.or(Some(place.schema.kind));
            }
            self.last = Some((id, place.map(Rc::new)));
        }
        self.last.as_ref()?.1.clone()
    }

    /// The column where it is text, or bytes, in all rows, which needs no cells.
    fn strings(&mut self, view: &crate::row::Batch<'_>, schemas: &Schemas) -> Option<Column> {
        if !matches!(self.part, "key" | "value") {
            return None;
        }
        let (mut offsets, mut data, mut nulls) = (Vec::with_capacity(view.len() + 1), Vec::new(), Vec::new());
        offsets.push(0);
        for (i, record) in view.iter().enumerate() {
            let leaf = match self.root(&record) {
                (_, None) => None,
                (id, Some(root)) => {
                    let place = self.place(id?, schemas).filter(|p| matches!(p.schema.kind, Kind::Text | Kind::Bytes))?;
                    let (last, path) = place.slots.split_last()?;
                    let parent = path.iter().try_fold(root, |row, slot| row.row(*slot));
                    parent.filter(|row| !row.is_null(*last)).map(|row| row.get_bytes(*last))
                }
            };
            match leaf {
                Some(bytes) => data.extend_from_slice(bytes),
                None => set_null(&mut nulls, i, view.len()),
            }
            offsets.push(data.len() as u32);
        }
        self.found.then_some(Column { nulls, data: ColumnData::Packed { offsets, data } })
    }

    fn cell<'a>(&mut self, record: &Record<'a>, schemas: &Schemas, json: &mut Documents) -> Result<Cell<'a>, String> {
        let (id, row) = match self.part {
            "key" | "value" => self.root(record),
            "header" => match record.headers().filter(|h| h.name == self.header).last() {
                Some(h) => (h.schema, h.value),
                None => return Ok(Cell::Null),
            },
            other => {
                return Err(format!(
                    "\"{other}\" is not a part of a record: paths begin with topic, partition, offset, timestamp, key, value or header"
                ));
            }
        };
        let Some(id) = id else {
            return Ok(match row {
                None => Cell::Null,
                Some(row) => self.inside(row.text(0), 0),
            });
        };
        let Some(place) = self.place(id, schemas) else { return Ok(Cell::Null) };
        let Some(mut row) = row else { return Ok(Cell::Null) };
        let Some((last, path)) = place.slots.split_last() else {
            // A struct root: all of it.
            return Ok(Cell::Text(Cow::Owned(json.text(Some(id), row)?)));
        };
        for slot in path {
            match row.row(*slot) {
                Some(nested) => row = nested,
                None => return Ok(Cell::Null),
            }
        }
        if row.is_null(*last) {
            return Ok(Cell::Null);
        }
        Ok(match place.schema.kind {
            Kind::Boolean => Cell::Bool(row.bool(*last)),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Cell::Int(row.i64(*last)),
            Kind::Float32 | Kind::Float64 => Cell::Float(row.f64(*last)),
            Kind::Text => Cell::Text(Cow::Borrowed(row.text(*last))),
            Kind::Bytes => Cell::Bytes(row.get_bytes(*last)),
            Kind::Any => self.inside(row.text(*last), place.inside),
            Kind::Struct | Kind::List | Kind::Map => {
                let schema = schemas.intern((*place.schema).clone());
                let text = match row.row(*last) {
                    Some(nested) if place.schema.kind == Kind::Struct => json.text(Some(schema), nested)?,
                    Some(nested) => {
                        let mut root = RowBuf::new();
                        let mark = root.begin(1);
                        root.row(mark, 0, nested);
                        let root = Row::new(root.as_bytes()).expect("just written");
                        json.text(Some(schema), root)?
                    }
                    None => return Ok(Cell::Null),
                };
                Cell::Text(Cow::Owned(text))
            }
        })
    }

    /// The value at the path's names from `from` on, in schemaless JSON.
    fn inside<'a>(&mut self, text: &'a str, from: usize) -> Cell<'a> {
        let names = &self.names[from..];
        if names.is_empty()
            && !matches!(text.trim_start().as_bytes().first(), Some(b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9'))
        {
            self.found = true;
            return Cell::Text(Cow::Borrowed(text));
        }
        let Ok(Some(found)) = crate::json::find(text, names) else { return Cell::Null };
        let Ok(value) = serde_json::from_str::<serde_json::Value>(found) else { return Cell::Null };
        self.found = true;
        match value {
            serde_json::Value::Null => Cell::Null,
            serde_json::Value::Bool(b) => Cell::Bool(b),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(i) => Cell::Int(i),
                None => n.as_f64().map_or(Cell::Null, Cell::Float),
            },
            serde_json::Value::String(s) => Cell::Text(Cow::Owned(s)),
            // As it stands: a number in it keeps its digits.
            _ => Cell::Text(Cow::Borrowed(found)),
        }
    }
}

fn place(root: Arc<Schema>, names: &[&str]) -> Option<Place> {
    if names.is_empty() {
        let slots = if root.kind == Kind::Struct { Vec::new() } else { vec![0] };
        return Some(Place { slots, schema: root, inside: 0 });
    }
    let (mut schema, mut slots) = (root, Vec::new());
    for (i, name) in names.iter().enumerate() {
        match schema.kind {
            Kind::Struct => {
                let at = schema.index(name)?;
                slots.push(at);
                schema = schema.fields[at].schema.clone();
            }
            Kind::Any => {
                if slots.is_empty() {
                    slots.push(0);
                }
                return Some(Place { slots, schema, inside: i });
            }
            _ => return None,
        }
    }
    Some(Place { slots, schema, inside: names.len() })
}

/// Says in `nulls` that row `i` of `rows` is null.
fn set_null(nulls: &mut Vec<u8>, i: usize, rows: usize) {
    nulls.resize(rows.div_ceil(8), 0);
    nulls[i / 8] |= 1 << (i % 8);
}

/// Values of one kind into a column of it.
fn gather(cells: Vec<Cell<'_>>, kind: Option<Kind>, packed: bool) -> Column {
    let mut nulls = Vec::new();
    for (i, _) in cells.iter().enumerate().filter(|(_, c)| **c == Cell::Null) {
        set_null(&mut nulls, i, cells.len());
    }
    let has = |of: fn(&Cell<'_>) -> bool| cells.iter().any(of);
    let bools = has(|c| matches!(c, Cell::Bool(_)));
    let ints = has(|c| matches!(c, Cell::Int(_)));
    let floats = has(|c| matches!(c, Cell::Float(_)));
    let texts = has(|c| matches!(c, Cell::Text(_)));
    let bytes = has(|c| matches!(c, Cell::Bytes(_)));
    let nothing = !(bools || ints || floats || texts || bytes);
    let of_kind = |kinds: &[Kind]| nothing && kind.is_some_and(|k| kinds.contains(&k));
    let integers = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64];
    let data = if (bools && !(ints || floats || texts || bytes)) || of_kind(&[Kind::Boolean]) {
        ColumnData::Booleans(cells.iter().map(|c| *c == Cell::Bool(true)).collect())
    } else if (ints && !(bools || floats || texts || bytes)) || of_kind(&integers) {
        ColumnData::Int64s(cells.iter().map(|c| if let Cell::Int(i) = c { *i } else { 0 }).collect())
    } else if ((ints || floats) && !(bools || texts || bytes)) || of_kind(&[Kind::Float32, Kind::Float64]) {
        let float = |c: &Cell<'_>| match c {
            Cell::Int(i) => *i as f64,
            Cell::Float(f) => *f,
            _ => 0.0,
        };
        ColumnData::Float64s(cells.iter().map(float).collect())
    } else if packed || bytes || of_kind(&[Kind::Bytes]) {
        let (mut offsets, mut data) = (Vec::with_capacity(cells.len() + 1), Vec::new());
        offsets.push(0);
        for cell in &cells {
            match cell {
                Cell::Bytes(b) => data.extend_from_slice(b),
                other => data.extend_from_slice(text(other).as_bytes()),
            }
            offsets.push(data.len() as u32);
        }
        ColumnData::Packed { offsets, data }
    } else {
        ColumnData::Texts(cells.iter().map(|c| text(c).into_owned()).collect())
    };
    Column { nulls, data }
}

/// A value as text, in a column whose rows are of several kinds.
fn text<'c>(cell: &'c Cell<'_>) -> Cow<'c, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Bool(b) => Cow::Owned(b.to_string()),
        Cell::Int(i) => Cow::Owned(i.to_string()),
        Cell::Float(f) => Cow::Owned(f.to_string()),
        Cell::Text(t) => Cow::Borrowed(t),
        Cell::Bytes(b) => String::from_utf8_lossy(b),
    }
}
