//! `SimpleHeaderConverter`: text whose type is inferred, as Connect's `Values` does for what people put into headers.

use std::sync::Arc;

use millrace_row::{Row, RowBuf};

use super::{ConvertError, Converter, text};
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
}

impl Converter for SimpleHeaderConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let Some(row) = row else { return Ok(false) };
        match schema.and_then(|id| self.schemas.get(id)) {
            None => out.extend_from_slice(row.get_bytes(0)),
            Some(s) if s.kind != Kind::Struct && row.is_null(0) => return Ok(false),
            Some(s) if s.kind == Kind::Text => out.extend_from_slice(row.get_bytes(0)),
            Some(s) => text::to_string(&s, &row, out),
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes);
        if text == "null" {
            return Ok(None);
        }
        let row = rows.begin(1);
        let integer = text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
        let id = if text == "true" || text == "false" {
            rows.bool(row, 0, text == "true");
            self.boolean
        } else if let Some(v) = integer {
            rows.i64(row, 0, v);
            let width = [i8::try_from(v).is_ok(), i16::try_from(v).is_ok(), i32::try_from(v).is_ok(), true];
            self.integers[width.iter().position(|fits| *fits).unwrap_or(3)]
        } else if let Some(v) = decimal(&text) {
            rows.f64(row, 0, v);
            self.floats[usize::from(f64::from(v as f32) != v)]
        } else if let Some(array) = items(&text) {
            // A list or map is kept as its text's JSON: schemaless.
            rows.text(row, 0, array);
            return Ok(Some(None));
        } else {
            rows.text(row, 0, &text);
            self.text
        };
        Ok(Some(Some(id)))
    }
}

/// A number with a fraction or an exponent, as a finite double. `NaN` and words of letters are text.
fn decimal(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e' | b'E' | b'+'));
    text.parse().ok().filter(|v: &f64| numeric && v.is_finite())
}

/// A JSON array or object.
fn items(text: &str) -> Option<&str> {
    let trimmed = text.trim();
    let open = trimmed.starts_with(['[', '{']);
    (open && serde_json::from_str::<&serde_json::value::RawValue>(trimmed).is_ok()).then_some(trimmed)
}
