//! A batch of records as the host holds it: one checked buffer of row format 1.

use std::sync::Arc;

use bytes::Bytes;
use millrace_row as row;

use crate::{Kind, Schema, Schemas};

/// The most bytes the host takes in one batch from a guest.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// A checked batch; cloning copies nothing. Every slot agrees with its schema: offsets lie inside their rows and text is
/// UTF-8, so readers need not ask again.
#[derive(Debug, Clone)]
pub struct Batch {
    bytes: Bytes,
    len: usize,
}

/// Why a buffer from outside is not a batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvalidBatch {
    #[error("{0}")]
    Malformed(#[from] row::Malformed),
    #[error("batch of {0} bytes is over the limit of {BATCH_BYTES_MAX}: make smaller batches")]
    TooLarge(usize),
    #[error("record {record}: {part}: {what}")]
    Record { record: usize, part: &'static str, what: String },
}

impl Batch {
    /// Checks a buffer that came from outside: its structure, and every slot against its schema.
    pub fn check(bytes: impl Into<Bytes>, schemas: &Schemas) -> Result<Batch, InvalidBatch> {
        let bytes = bytes.into();
        if bytes.len() > BATCH_BYTES_MAX {
            return Err(InvalidBatch::TooLarge(bytes.len()));
        }
        let view = row::Batch::parse(&bytes)?;
        let mut cached: Option<(u32, Arc<Schema>)> = None;
        let mut check = |record: usize, part: &'static str, id: Option<u32>, row: Option<row::Row<'_>>| {
            let Some(row) = row else { return Ok(()) };
            let fail = |what: String| Err(InvalidBatch::Record { record, part, what });
            let Some(id) = id else {
                return if row.len() == 1 && slot_fits(Kind::Any, None, &row, 0) {
                    Ok(())
                } else {
                    fail("a schemaless value is a row of one JSON text".into())
                };
            };
            if cached.as_ref().is_none_or(|c| c.0 != id) {
                match schemas.get(id) {
                    Some(s) => cached = Some((id, s)),
                    None => return fail(format!("no schema has the id {id}")),
                }
            }
            let schema = &cached.as_ref().expect("just set").1;
            row_fits(schema, &row).or_else(fail)
        };
        // The value's schema, the key's and the headers' differ: checking them in three passes keeps the cache of one warm.
        for (i, r) in view.iter().enumerate() {
            check(i, "value", r.value_schema(), r.value())?;
        }
        for (i, r) in view.iter().enumerate() {
            check(i, "key", r.key_schema(), r.key())?;
        }
        for (i, r) in view.iter().enumerate() {
            for h in r.headers() {
                check(i, "header", h.schema, h.value)?;
            }
        }
        let len = view.len();
        Ok(Batch { bytes, len })
    }

    /// Takes a buffer that the host itself has written.
    pub fn trusted(writer: row::BatchWriter) -> Batch {
        let len = writer.len();
        Batch { bytes: writer.finish().into(), len }
    }

    pub fn empty() -> Batch {
        Self::trusted(row::BatchWriter::new())
    }

    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// The buffer, as it crosses into a plugin.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
    /// A view to read records from.
    pub fn view(&self) -> row::Batch<'_> {
        row::Batch::reopen(&self.bytes).expect("checked when it was made")
    }
}

fn row_fits(schema: &Schema, row: &row::Row<'_>) -> Result<(), String> {
    if schema.kind == Kind::Struct {
        if row.len() != schema.fields.len() {
            return Err(format!("a row of {} slots for a struct of {} fields", row.len(), schema.fields.len()));
        }
        for (i, f) in schema.fields.iter().enumerate() {
            if !slot_fits(f.schema.kind, Some(&f.schema), row, i) {
                return Err(format!("field \"{}\" does not hold a {:?}", f.name, f.schema.kind));
            }
        }
        return Ok(());
    }
    if row.len() == 1 && slot_fits(schema.kind, Some(schema), row, 0) {
        Ok(())
    } else {
        Err(format!("does not hold a {:?}", schema.kind))
    }
}

fn slot_fits(kind: Kind, schema: Option<&Schema>, row: &row::Row<'_>, i: usize) -> bool {
    if row.is_null(i) {
        return true;
    }
    match kind {
        Kind::Boolean => row.slot(i) <= 1,
        Kind::Int8 => i8::try_from(row.i64(i)).is_ok(),
        Kind::Int16 => i16::try_from(row.i64(i)).is_ok(),
        Kind::Int32 => i32::try_from(row.i64(i)).is_ok(),
        Kind::Int64 | Kind::Float32 | Kind::Float64 => true,
        Kind::Bytes => row.try_bytes(i).is_some(),
        Kind::Text => row.try_bytes(i).is_some_and(|b| simdutf8::basic::from_utf8(b).is_ok()),
        Kind::Any => row.try_bytes(i).is_some_and(|b| serde_json::from_slice::<&serde_json::value::RawValue>(b).is_ok()),
        Kind::Struct => {
            let (Some(schema), Some(nested)) = (schema, row.row(i)) else { return false };
            row_fits(schema, &nested).is_ok()
        }
        Kind::List => {
            let (Some(element), Some(list)) = (schema.and_then(|s| s.element.as_ref()), row.row(i)) else { return false };
            (0..list.len()).all(|j| slot_fits(element.kind, Some(element), &list, j))
        }
        Kind::Map => {
            let Some((key, value)) = schema.and_then(|s| s.key.as_ref().zip(s.element.as_ref())) else { return false };
            let Some((keys, values)) = row.row(i).filter(|m| m.len() == 2).and_then(|m| m.row(0).zip(m.row(1))) else {
                return false;
            };
            keys.len() == values.len()
                && (0..keys.len())
                    .all(|j| slot_fits(key.kind, Some(key), &keys, j) && slot_fits(value.kind, Some(value), &values, j))
        }
    }
}
