//! What the transforms do to rows and schemas.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_record::row::{Row, RowBuf, RowMark};
use millrace_record::{Kind, Schema, Schemas, default_row};
use serde_json::Value;

/// Copies a slot that is not null.
fn copy(kind: Kind, from: &Row<'_>, i: usize, rows: &mut RowBuf, row: RowMark, to: usize) {
    match kind {
        Kind::Text | Kind::Bytes | Kind::Any => rows.bytes(row, to, from.get_bytes(i)),
        Kind::Struct | Kind::List | Kind::Map => from.row(i).into_iter().for_each(|nested| rows.row(row, to, nested)),
        _ => rows.slot(row, to, from.slot(i)),
    }
}

/// A field that is taken as it is, or as its default where it is null.
#[derive(Debug)]
pub struct Take {
    pub slot: usize,
    kind: Kind,
    default: Option<Vec<u8>>,
}

impl Take {
    pub fn new(slot: usize, schema: &Schema, replace_null: bool) -> Take {
        Take { slot, kind: schema.kind, default: if replace_null { default_row(schema) } else { None } }
    }

    /// The default in its one slot, where there is one that is not null.
    fn default(&self) -> Option<Row<'_>> {
        self.default.as_deref().and_then(Row::new).filter(|d| !d.is_null(0))
    }

    /// Whether there is a value, or a default in its place.
    pub fn some(&self, from: &Row<'_>) -> bool {
        !from.is_null(self.slot) || self.default().is_some()
    }

    /// Where it is read: the field, or the default that stands for it.
    pub fn place<'a>(&'a self, from: &Row<'a>) -> (Row<'a>, usize) {
        match self.default() {
            Some(default) if from.is_null(self.slot) => (default, 0),
            _ => (*from, self.slot),
        }
    }

    /// Takes the field of `from` into slot `to`, which is null so far.
    pub fn write(&self, from: &Row<'_>, rows: &mut RowBuf, row: RowMark, to: usize) {
        if !from.is_null(self.slot) {
            copy(self.kind, from, self.slot, rows, row, to);
        } else if let Some(default) = self.default() {
            copy(self.kind, &default, 0, rows, row, to);
        }
    }

    /// Appends the field as a root row: a struct's own, or one slot. False: it is a null struct, which has no row.
    pub fn root(&self, from: &Row<'_>, rows: &mut RowBuf) -> bool {
        if self.kind == Kind::Struct {
            let nested = from.row(self.slot).filter(|_| !from.is_null(self.slot)).or_else(|| self.default()?.row(0));
            return nested.map(|n| rows.append(n)).is_some();
        }
        let root = rows.begin(1);
        self.write(from, rows, root, 0);
        true
    }

    /// Takes a whole root row into slot `to`.
    pub fn whole(schema: &Schema, root: &Row<'_>, rows: &mut RowBuf, row: RowMark, to: usize) {
        if schema.kind == Kind::Struct {
            rows.row(row, to, *root);
        } else if !root.is_null(0) {
            copy(schema.kind, root, 0, rows, row, to);
        }
    }
}

/// What a struct becomes: its schema, and where its first fields are taken from.
#[derive(Debug)]
pub struct Shape {
    pub schema: u32,
    pub takes: Vec<Take>,
}

impl Shape {
    /// Appends the struct's row, with `more` slots behind those that are taken.
    pub fn write(&self, from: &Row<'_>, more: usize, rows: &mut RowBuf) -> RowMark {
        let row = rows.begin(self.takes.len() + more);
        for (to, take) in self.takes.iter().enumerate() {
            take.write(from, rows, row, to);
        }
        row
    }
}

/// What is worked out once for a schema.
pub struct BySchema<T> {
    schemas: Arc<Schemas>,
    known: HashMap<u32, Result<Arc<T>, String>>,
}

impl<T> BySchema<T> {
    pub fn new(schemas: &Arc<Schemas>) -> Self {
        BySchema { schemas: schemas.clone(), known: HashMap::new() }
    }

    pub fn get(&mut self, id: u32, make: impl FnOnce(&Schema, &Schemas) -> Result<T, String>) -> Result<Arc<T>, String> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let schema = self.schemas.get(id).ok_or_else(|| format!("schema {id} is not known"))?;
        let made = make(&schema, &self.schemas).map(Arc::new);
        self.known.insert(id, made.clone());
        made
    }
}

/// What Connect says of a field without a name.
pub const NO_NAME: &str = "fieldName cannot be null.";

/// A struct with the name, version, documentation and parameters of another, and no fields.
pub fn like(schema: &Schema) -> Schema {
    Schema {
        name: schema.name.clone(),
        version: schema.version,
        doc: schema.doc.clone(),
        parameters: schema.parameters.clone(),
        ..Schema::new(Kind::Struct)
    }
}

/// Connect's refusal of what has a schema and is not a struct.
pub fn require_struct(schema: &Schema, purpose: &str) -> Result<(), String> {
    if schema.kind == Kind::Struct {
        return Ok(());
    }
    Err(format!("Only Struct objects supported for [{purpose}], found: {}", java_class(schema)))
}

/// Connect's refusal of a null.
pub fn refused_null(schema: Option<u32>, purpose: &str) -> String {
    match schema {
        None => format!("Only Map objects supported in absence of schema for [{purpose}], found: null"),
        Some(_) => format!("Only Struct objects supported for [{purpose}], found: null"),
    }
}

/// The Java class of a value without a schema.
pub fn json_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(n) if n.is_f64() => "java.lang.Double",
        Value::Number(_) => "java.lang.Long",
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "java.util.ArrayList",
        Value::Object(_) => "java.util.HashMap",
    }
}

/// Connect's name of a type.
pub fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => Kind::Map.connect_name(),
        kind => kind.connect_name(),
    }
}

/// A schema as Java prints it.
pub fn schema_text(schema: &Schema) -> String {
    match &schema.name {
        Some(name) => format!("Schema{{{name}:{}}}", type_name(schema.kind)),
        None => format!("Schema{{{}}}", type_name(schema.kind)),
    }
}

/// The Java class of a schema's values.
pub fn java_class(schema: &Schema) -> &'static str {
    let logical = schema.name.as_deref().and_then(|n| n.strip_prefix("org.apache.kafka.connect.data."));
    match (schema.kind, logical) {
        (Kind::Bytes, Some("Decimal")) => "java.math.BigDecimal",
        (Kind::Int32 | Kind::Int64, Some("Date" | "Time" | "Timestamp")) => "java.util.Date",
        (Kind::Boolean, _) => "java.lang.Boolean",
        (Kind::Int8, _) => "java.lang.Byte",
        (Kind::Int16, _) => "java.lang.Short",
        (Kind::Int32, _) => "java.lang.Integer",
        (Kind::Int64, _) => "java.lang.Long",
        (Kind::Float32, _) => "java.lang.Float",
        (Kind::Float64, _) => "java.lang.Double",
        (Kind::Text, _) => "java.lang.String",
        (Kind::Bytes, _) => "[B",
        (Kind::List, _) => "java.util.ArrayList",
        (Kind::Map | Kind::Any, _) => "java.util.HashMap",
        (Kind::Struct, _) => "org.apache.kafka.connect.data.Struct",
    }
}

/// Appends a value without a schema; JSON's null is a null part.
pub fn free(value: &Value, rows: &mut RowBuf) -> Option<Option<u32>> {
    if value.is_null() {
        return None;
    }
    let root = rows.begin(1);
    rows.bytes_with(root, 0, |out| serde_json::to_writer(out, value).expect("a JSON value is written"));
    Some(None)
}
