//! The converters of plain bytes: `StringConverter`, `ByteArrayConverter`, and those of numbers and booleans.

use std::sync::Arc;

use millrace_row::{Row, RowBuf};

use super::{ConvertError, Converter, Settings};
use crate::json::{java_f32, java_f64};
use crate::{Kind, Schema, Schemas};

fn of_kind(schemas: &Schemas, schema: Option<u32>, what: &str) -> Result<Option<Arc<Schema>>, ConvertError> {
    let Some(id) = schema else { return Ok(None) };
    let found = schemas.get(id).ok_or_else(|| ConvertError::data(format!("{what}: no schema has the id {id}")))?;
    Ok(Some(found))
}

/// `StringConverter`: UTF-8 text; other simple values in Java's `toString`.
pub(super) struct StringConverter {
    schemas: Arc<Schemas>,
    text: u32,
}

impl StringConverter {
    pub fn new(settings: &Settings<'_>, schemas: &Arc<Schemas>) -> Result<Self, String> {
        let encoding = settings.text("converter.encoding").unwrap_or("UTF-8");
        if !["utf8", "utf-8", "us-ascii"].iter().any(|e| encoding.eq_ignore_ascii_case(e)) {
            return Err(settings.wrong("converter.encoding", encoding, "only UTF-8 is supported: remove the setting"));
        }
        Ok(StringConverter { schemas: schemas.clone(), text: schemas.intern(Schema::new(Kind::Text).optional()) })
    }
}

impl Converter for StringConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let Some(row) = row else { return Ok(false) };
        let of = of_kind(&self.schemas, schema, "StringConverter")?;
        let kind = of.as_ref().map_or(Kind::Any, |s| s.kind);
        if kind != Kind::Struct && row.is_null(0) {
            return Ok(false);
        }
        match kind {
            Kind::Text => out.extend_from_slice(row.get_bytes(0)),
            // A schemaless string is its text, any other schemaless value its JSON.
            Kind::Any => match serde_json::from_slice::<String>(row.get_bytes(0)) {
                Ok(text) => out.extend_from_slice(text.as_bytes()),
                Err(_) => out.extend_from_slice(row.get_bytes(0)),
            },
            Kind::Boolean => out.extend_from_slice(if row.bool(0) { b"true" } else { b"false" }),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                out.extend_from_slice(itoa::Buffer::new().format(row.i64(0)).as_bytes());
            }
            Kind::Float32 => java_f32(row.f64(0) as f32, out),
            Kind::Float64 => java_f64(row.f64(0), out),
            Kind::Bytes | Kind::List | Kind::Map | Kind::Struct => {
                let of = of.expect("a kind other than Any has a schema");
                super::text::to_string(&of, &row, out);
            }
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError> {
        let Some(bytes) = bytes else { return Ok(None) };
        // Java replaces what is not UTF-8 rather than refusing it.
        let text = String::from_utf8_lossy(bytes);
        let row = rows.begin(1);
        rows.text(row, 0, &text);
        Ok(Some(Some(self.text)))
    }
}

/// `ByteArrayConverter`: bytes, untouched.
pub(super) struct ByteArrayConverter {
    schemas: Arc<Schemas>,
    bytes: u32,
}

impl ByteArrayConverter {
    pub fn new(schemas: &Arc<Schemas>) -> Self {
        ByteArrayConverter { schemas: schemas.clone(), bytes: schemas.intern(Schema::new(Kind::Bytes).optional()) }
    }
}

impl Converter for ByteArrayConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let Some(row) = row else { return Ok(false) };
        match of_kind(&self.schemas, schema, "ByteArrayConverter")?.map(|s| s.kind) {
            Some(Kind::Bytes) if row.is_null(0) => Ok(false),
            Some(Kind::Bytes) => {
                out.extend_from_slice(row.get_bytes(0));
                Ok(true)
            }
            Some(other) => Err(ConvertError::data(format!("Invalid schema type for ByteArrayConverter: {other:?}"))),
            None => Err(ConvertError::data("ByteArrayConverter is not compatible with objects that are not bytes")),
        }
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let row = rows.begin(1);
        rows.bytes(row, 0, bytes);
        Ok(Some(Some(self.bytes)))
    }
}

/// The converters of one number or boolean, big endian as Kafka's serializers write them.
pub(super) struct NumberConverter {
    kind: Kind,
    /// Connect's simple class name, for messages.
    class: &'static str,
    schemas: Arc<Schemas>,
    id: u32,
}

impl NumberConverter {
    pub fn new(kind: Kind, class: &'static str, schemas: &Arc<Schemas>) -> Self {
        NumberConverter { kind, class, schemas: schemas.clone(), id: schemas.intern(Schema::new(kind).optional()) }
    }
}

impl Converter for NumberConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        let Some(row) = row else { return Ok(false) };
        let kind = of_kind(&self.schemas, schema, self.class)?.map(|s| s.kind);
        if kind != Some(self.kind) {
            return Err(ConvertError::data(format!("{}: expected {:?}, got {kind:?}", self.class, self.kind)));
        }
        if row.is_null(0) {
            return Ok(false);
        }
        match self.kind {
            Kind::Boolean => out.push(u8::from(row.bool(0))),
            Kind::Int16 => out.extend_from_slice(&(row.i64(0) as i16).to_be_bytes()),
            Kind::Int32 => out.extend_from_slice(&(row.i64(0) as i32).to_be_bytes()),
            Kind::Float32 => out.extend_from_slice(&(row.f64(0) as f32).to_be_bytes()),
            Kind::Float64 => out.extend_from_slice(&row.f64(0).to_be_bytes()),
            _ => out.extend_from_slice(&row.i64(0).to_be_bytes()),
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let wrong = || ConvertError::data(format!("{}: {} bytes are not a {:?}", self.class, bytes.len(), self.kind));
        fn exactly<const N: usize>(b: &[u8]) -> Option<[u8; N]> {
            b.try_into().ok()
        }
        let row = rows.begin(1);
        match self.kind {
            Kind::Boolean => match bytes {
                [v @ (0 | 1)] => rows.bool(row, 0, *v == 1),
                _ => return Err(wrong()),
            },
            Kind::Int16 => rows.i64(row, 0, i16::from_be_bytes(exactly(bytes).ok_or_else(wrong)?).into()),
            Kind::Int32 => rows.i64(row, 0, i32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?).into()),
            Kind::Float32 => rows.f64(row, 0, f32::from_be_bytes(exactly(bytes).ok_or_else(wrong)?).into()),
            Kind::Float64 => rows.f64(row, 0, f64::from_be_bytes(exactly(bytes).ok_or_else(wrong)?)),
            _ => rows.i64(row, 0, i64::from_be_bytes(exactly(bytes).ok_or_else(wrong)?)),
        }
        Ok(Some(Some(self.id)))
    }
}
