//! The converters of plain bytes: `StringConverter`, `ByteArrayConverter`, and those of numbers and booleans.

use std::sync::Arc;

use millrace_row::{Row, RowBuf};

use super::charset::Charset;
use super::logical::Logical;
use super::{ConvertError, Converter, NotConverted, Settings};
use crate::json::{NodeType, Scanner};
use crate::{Kind, Schema, Schemas};

/// The schema that an id names; remembered, for records come in runs of one schema.
struct Known {
    schemas: Arc<Schemas>,
    last: Option<(u32, Arc<Schema>)>,
}

impl Known {
    fn new(schemas: &Arc<Schemas>) -> Self {
        Known { schemas: schemas.clone(), last: None }
    }

    fn get(&mut self, id: Option<u32>) -> Result<Option<&Schema>, ConvertError> {
        let Some(id) = id else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(known, _)| *known != id) {
            let schema = self.schemas.get(id).ok_or_else(|| ConvertError::data(format!("no schema has the id {id}")))?;
            self.last = Some((id, schema));
        }
        Ok(self.last.as_ref().map(|(_, schema)| &**schema))
    }
}

/// Whether a record's part is null: a struct's row never is, another has the value in its one slot.
fn is_null(schema: Option<&Schema>, row: Option<&Row<'_>>) -> bool {
    row.is_none_or(|r| schema.is_none_or(|s| s.kind != Kind::Struct) && r.is_null(0))
        || (schema.is_none() && row.is_some_and(|r| r.get_bytes(0) == b"null"))
}

/// The class of the Java object that Connect holds a value in, for messages.
fn java_class(schema: Option<&Schema>, row: &Row<'_>) -> &'static str {
    let Some(schema) = schema else {
        return match Scanner::new(row.text(0)).node_type() {
            Ok(NodeType::Object) => "java.util.HashMap",
            Ok(NodeType::Array) => "java.util.ArrayList",
            Ok(NodeType::Boolean) => "java.lang.Boolean",
            Ok(NodeType::Number) if whole(row).is_some() => "java.lang.Long",
            Ok(NodeType::Number) => "java.lang.Double",
            _ => "java.lang.String",
        };
    };
    match (Logical::of(schema), schema.kind) {
        (Logical::Decimal { .. }, _) => "java.math.BigDecimal",
        (Logical::Date | Logical::Time | Logical::Timestamp, _) => "java.util.Date",
        (_, Kind::Boolean) => "java.lang.Boolean",
        (_, Kind::Int8) => "java.lang.Byte",
        (_, Kind::Int16) => "java.lang.Short",
        (_, Kind::Int32) => "java.lang.Integer",
        (_, Kind::Int64) => "java.lang.Long",
        (_, Kind::Float32) => "java.lang.Float",
        (_, Kind::Float64) => "java.lang.Double",
        (_, Kind::Text | Kind::Any) => "java.lang.String",
        (_, Kind::Bytes) => "[B",
        (_, Kind::List) => "java.util.ArrayList",
        (_, Kind::Map) => "java.util.LinkedHashMap",
        (_, Kind::Struct) => "org.apache.kafka.connect.data.Struct",
    }
}

/// The integer that a schemaless value is.
fn whole(row: &Row<'_>) -> Option<i64> {
    Scanner::new(row.text(0)).number().ok().filter(|(_, integer)| *integer)?.0.parse().ok()
}

/// `StringConverter`: text in a character set; other values in Java's `toString`.
pub(super) struct StringConverter {
    known: Known,
    charset: Charset,
    text: u32,
}

impl StringConverter {
    pub fn new(settings: &Settings<'_>, schemas: &Arc<Schemas>) -> Result<Self, String> {
        let encoding = settings.text("converter.encoding").unwrap_or("UTF-8");
        let charset = Charset::named(encoding).ok_or_else(|| {
            let remedy = format!("Unsupported encoding {encoding}: use one of {}", Charset::supported());
            settings.wrong("converter.encoding", encoding, &remedy)
        })?;
        Ok(StringConverter { known: Known::new(schemas), charset, text: schemas.intern(Schema::new(Kind::Text).optional()) })
    }
}

impl Converter for StringConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, NotConverted> {
        let schema = self.known.get(schema)?;
        let Some(row) = row.filter(|r| !is_null(schema, Some(r))) else { return Ok(false) };
        if self.charset != Charset::Utf8 {
            let mut text = Vec::new();
            super::text::to_string(schema, &row, &mut text);
            self.charset.encode(&String::from_utf8_lossy(&text), out);
            return Ok(true);
        }
        match schema.map(|s| s.kind) {
            Some(Kind::Text) => out.extend_from_slice(row.get_bytes(0)),
            _ => super::text::to_string(schema, &row, out),
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(Some(Some(self.text))) };
        let row = rows.begin(1);
        rows.bytes_with(row, 0, |out| self.charset.decode(bytes, out));
        Ok(Some(Some(self.text)))
    }
}

/// `ByteArrayConverter`: bytes, untouched.
pub(super) struct ByteArrayConverter {
    known: Known,
    bytes: u32,
}

impl ByteArrayConverter {
    pub fn new(schemas: &Arc<Schemas>) -> Self {
        ByteArrayConverter { known: Known::new(schemas), bytes: schemas.intern(Schema::new(Kind::Bytes).optional()) }
    }
}

impl Converter for ByteArrayConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, NotConverted> {
        // Its own schema is the common case, and needs no look at the table.
        let schema = if schema == Some(self.bytes) { None } else { Some(self.known.get(schema)?) };
        if let Some(Some(s)) = schema
            && s.kind != Kind::Bytes
        {
            let kind = s.kind.connect_name();
            return Err(ConvertError::data(format!("Invalid schema type for ByteArrayConverter: {kind}")).into());
        }
        match (schema, row) {
            (_, None) => return Ok(false),
            (Some(schema), Some(row)) if is_null(schema, Some(&row)) => return Ok(false),
            (Some(schema), Some(row)) if schema.is_none_or(|s| Logical::of(s) != Logical::None) => {
                let class = java_class(schema, &row);
                let message = format!("ByteArrayConverter is not compatible with objects of type class {class}");
                return Err(ConvertError::data(message).into());
            }
            (_, Some(row)) if row.is_null(0) => return Ok(false),
            (_, Some(row)) => out.extend_from_slice(row.get_bytes(0)),
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(Some(Some(self.bytes))) };
        let row = rows.begin(1);
        rows.bytes(row, 0, bytes);
        Ok(Some(Some(self.bytes)))
    }
}

/// The converters of one number or boolean, big endian as Kafka's serializers write them.
pub(super) struct NumberConverter {
    kind: Kind,
    known: Known,
    id: u32,
}

impl NumberConverter {
    pub fn new(kind: Kind, schemas: &Arc<Schemas>) -> Self {
        NumberConverter { kind, known: Known::new(schemas), id: schemas.intern(Schema::new(kind).optional()) }
    }

    /// Java's word for the type, as the messages have it.
    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Boolean => "boolean",
            Kind::Int16 => "short",
            Kind::Int32 => "integer",
            Kind::Int64 => "long",
            Kind::Float32 => "float",
            _ => "double",
        }
    }
}

impl Converter for NumberConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, NotConverted> {
        let (kind, word) = (self.kind, self.word());
        let schema = self.known.get(schema)?;
        if let (Kind::Boolean, Some(s)) = (kind, schema)
            && s.kind != Kind::Boolean
        {
            return Err(ConvertError::data(format!("Invalid schema type for BooleanConverter: {}", s.kind.connect_name())).into());
        }
        let Some(row) = row.filter(|r| !is_null(schema, Some(r))) else { return Ok(false) };
        // Connect looks at the value's class, so a logical type is none of these and a schemaless number may be.
        let plain = schema.is_some_and(|s| s.kind == kind && Logical::of(s) == Logical::None);
        match kind {
            Kind::Boolean if plain => out.push(u8::from(row.bool(0))),
            Kind::Int16 if plain => out.extend_from_slice(&(row.i64(0) as i16).to_be_bytes()),
            Kind::Int32 if plain => out.extend_from_slice(&(row.i64(0) as i32).to_be_bytes()),
            Kind::Int64 if plain => out.extend_from_slice(&row.i64(0).to_be_bytes()),
            Kind::Float32 if plain => out.extend_from_slice(&(row.f64(0) as f32).to_be_bytes()),
            Kind::Float64 if plain => out.extend_from_slice(&row.f64(0).to_be_bytes()),
            _ => match (kind, java_class(schema, &row)) {
                (Kind::Boolean, "java.lang.Boolean") => out.push(u8::from(row.get_bytes(0) == b"true")),
                (Kind::Int64, "java.lang.Long") if schema.is_none() => {
                    out.extend_from_slice(&whole(&row).unwrap_or_default().to_be_bytes());
                }
                (Kind::Float64, "java.lang.Double") if schema.is_none() => {
                    let v: f64 = row.text(0).trim().parse().map_err(|_| ConvertError::data("a schemaless value is not JSON"))?;
                    out.extend_from_slice(&v.to_be_bytes());
                }
                (Kind::Boolean, class) => {
                    let message = format!("BooleanConverter is not compatible with objects of type class {class}");
                    return Err(ConvertError::data(message).into());
                }
                (_, class) => {
                    return Err(ConvertError::data(format!("Failed to serialize to {word} (was class {class}): ")).into());
                }
            },
        }
        Ok(true)
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(Some(Some(self.id))) };
        let wrong = || {
            let (word, n) = (self.word(), bytes.len());
            ConvertError::data(format!("Failed to deserialize {word}: ")).because(format!("{n} bytes are no {word}"))
        };
        fn exactly<const N: usize>(b: &[u8]) -> Option<[u8; N]> {
            b.try_into().ok()
        }
        let start = rows.size();
        let row = rows.begin(1);
        let read = match self.kind {
            Kind::Boolean => match bytes {
                [v @ (0 | 1)] => Some(rows.bool(row, 0, *v == 1)),
                _ => None,
            },
            Kind::Int16 => exactly(bytes).map(|b| rows.i64(row, 0, i16::from_be_bytes(b).into())),
            Kind::Int32 => exactly(bytes).map(|b| rows.i64(row, 0, i32::from_be_bytes(b).into())),
            Kind::Float32 => exactly(bytes).map(|b| rows.f64(row, 0, f32::from_be_bytes(b).into())),
            Kind::Float64 => exactly(bytes).map(|b| rows.f64(row, 0, f64::from_be_bytes(b))),
            _ => exactly(bytes).map(|b| rows.i64(row, 0, i64::from_be_bytes(b))),
        };
        if read.is_none() {
            rows.truncate(start);
            return Err(wrong().into());
        }
        Ok(Some(Some(self.id)))
    }
}
