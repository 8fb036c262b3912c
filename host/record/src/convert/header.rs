//! `SimpleHeaderConverter`: text whose type is inferred, as Connect's `Values` does for what people put into headers.

use std::sync::Arc;

use millrace_row::{Row, RowBuf, RowMark};

use super::infer::{Inferred, Value, infer, shortest};
use super::{Converter, NotConverted, literal};
use crate::{Kind, Schema, Schemas};

pub(super) struct SimpleHeaderConverter {
    schemas: Arc<Schemas>,
    text: u32,
    boolean: u32,
    /// From the narrowest: int8 to int64.
    integers: [u32; 4],
    floats: [u32; 2],
}

impl SimpleHeaderConverter {
    pub fn new(schemas: &Arc<Schemas>) -> Self {
        let id = |kind| schemas.intern(Schema::new(kind));
        SimpleHeaderConverter {
            schemas: schemas.clone(),
            text: id(Kind::Text),
            boolean: id(Kind::Boolean),
            integers: [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64].map(id),
            floats: [Kind::Float32, Kind::Float64].map(id),
        }
    }

    /// The ids of what most headers hold need no look at the table.
    fn id(&self, schema: Schema) -> u32 {
        match schema.kind {
            _ if schema.name.is_some() => self.schemas.intern(schema),
            Kind::Boolean => self.boolean,
            Kind::Int8 => self.integers[0],
            Kind::Int16 => self.integers[1],
            Kind::Int32 => self.integers[2],
            Kind::Int64 => self.integers[3],
            Kind::Float32 => self.floats[0],
            Kind::Float64 => self.floats[1],
            _ => self.schemas.intern(schema),
        }
    }
}

impl Converter for SimpleHeaderConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, NotConverted> {
        let Some(row) = row else { return Ok(false) };
        let schema = schema.and_then(|id| self.schemas.get(id));
        match schema.as_deref() {
            None if row.is_null(0) || row.get_bytes(0) == b"null" => return Ok(false),
            Some(s) if s.kind != Kind::Struct && row.is_null(0) => return Ok(false),
            Some(s) if s.kind == Kind::Text => out.extend_from_slice(row.get_bytes(0)),
            schema => literal::write(schema, &row, out),
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes);
        match infer(&text) {
            Inferred::Null => Ok(None),
            Inferred::Text => {
                let row = rows.begin(1);
                rows.text(row, 0, &text);
                Ok(Some(Some(self.text)))
            }
            Inferred::Value(schema, value) => {
                let row = rows.begin(1);
                put(&schema, &value, rows, row, 0);
                Ok(Some(Some(self.id(schema))))
            }
        }
    }
}

/// Writes a value that fits its schema into slot `i`.
fn put(schema: &Schema, value: &Value, rows: &mut RowBuf, row: RowMark, i: usize) {
    if schema.kind == Kind::Any {
        return rows.bytes_with(row, i, |out| value.json(out));
    }
    let list = |of: &Schema, items: &mut dyn ExactSizeIterator<Item = &Value>, rows: &mut RowBuf, row: RowMark, i: usize| {
        let nested = rows.begin(items.len());
        for (j, item) in items.enumerate() {
            put(of, item, rows, nested, j);
        }
        rows.end_nested(row, i, nested);
    };
    match value {
        Value::Null => {}
        Value::Boolean(v) => rows.bool(row, i, *v),
        Value::Integer(v) if matches!(schema.kind, Kind::Float32 | Kind::Float64) => rows.f64(row, i, *v as f64),
        Value::Integer(v) | Value::Moment(v, _) => rows.i64(row, i, *v),
        Value::Single(v) if schema.kind == Kind::Float64 => rows.f64(row, i, shortest(*v).unwrap_or((*v).into())),
        Value::Single(v) => rows.f64(row, i, (*v).into()),
        Value::Double(v) => rows.f64(row, i, *v),
        Value::Text(v) => rows.text(row, i, v),
        Value::Decimal { unscaled, .. } => rows.bytes(row, i, unscaled),
        Value::List(items) => {
            if let Some(element) = &schema.element {
                list(element, &mut items.iter(), rows, row, i);
            }
        }
        Value::Map(entries) => {
            let (Some(key), Some(element)) = (&schema.key, &schema.element) else { return };
            let lists = rows.begin(2);
            list(key, &mut entries.iter().map(|e| &e.0), rows, lists, 0);
            list(element, &mut entries.iter().map(|e| &e.1), rows, lists, 1);
            rows.end_nested(row, i, lists);
        }
    }
}
