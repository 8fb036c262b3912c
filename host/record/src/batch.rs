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
        // Values, keys and headers are of different schemas: each remembers its last, for batches come in runs.
        let (mut values, mut keys, mut headers) = (Checker(schemas, None), Checker(schemas, None), Checker(schemas, None));
        for (record, r) in view.iter().enumerate() {
            let fail = |part| move |what| InvalidBatch::Record { record, part, what };
            values.check(r.value_schema(), r.value()).map_err(fail("value"))?;
            keys.check(r.key_schema(), r.key()).map_err(fail("key"))?;
            for h in r.headers() {
                headers.check(h.schema, h.value).map_err(fail("header"))?;
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

/// Checks rows of one part of the records, with the schema it met last.
struct Checker<'a>(&'a Schemas, Option<(u32, Arc<Schema>)>);

impl Checker<'_> {
    fn check(&mut self, id: Option<u32>, row: Option<row::Row<'_>>) -> Result<(), String> {
        let Some(row) = row else { return Ok(()) };
        let Some(id) = id else {
            return if row.len() == 1 && slot_fits(Kind::Any, None, &row, 0, &mut Room::of(&row)) {
                Ok(())
            } else {
                Err("a schemaless value is a row of one JSON text".into())
            };
        };
        if self.1.as_ref().is_none_or(|c| c.0 != id) {
            let schema = self.0.get(id).ok_or_else(|| format!("no schema has the id {id}"))?;
            self.1 = Some((id, schema));
        }
        let mut room = Room::of(&row);
        let fits = row_fits(&self.1.as_ref().expect("just set").1, &row, &mut room);
        if room.exceeded { Err("its slots point to the same bytes over and over".into()) } else { fits }
    }
}

/// What the slots of one row may point to in all, nested ones included. Slots that share their bytes would make a small row
/// endless for whoever walks through it, the check itself first.
struct Room {
    left: usize,
    exceeded: bool,
}

/// How often the bytes of a row may be pointed to, on average.
const SHARED_MAX: usize = 4;

impl Room {
    fn of(row: &row::Row<'_>) -> Room {
        Room { left: row.bytes().len().saturating_mul(SHARED_MAX), exceeded: false }
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.exceeded = true,
        }
        !self.exceeded
    }
}

fn row_fits(schema: &Schema, row: &row::Row<'_>, room: &mut Room) -> Result<(), String> {
    if schema.kind != Kind::Struct {
        return if row.len() == 1 && slot_fits(schema.kind, Some(schema), row, 0, room) {
            Ok(())
        } else {
            Err(format!("does not hold a {:?}", schema.kind))
        };
    }
    let n = schema.fields.len();
    if row.len() != n {
        return Err(format!("a row of {} slots for a struct of {n} fields", row.len()));
    }
    // Straight over the bytes: this runs for every field of every record that a guest makes.
    let bytes = row.bytes();
    let (nulls, slots) = bytes[4..].split_at(8 * n.div_ceil(64));
    for (i, (f, slot)) in schema.fields.iter().zip(slots.chunks_exact(8)).enumerate() {
        if nulls[i / 8] >> (i % 8) & 1 == 1 {
            continue;
        }
        let value = u64::from_le_bytes(slot.try_into().expect("eight bytes"));
        let fits = match f.schema.kind {
            Kind::Int64 | Kind::Float32 | Kind::Float64 => true,
            Kind::Boolean => value <= 1,
            kind @ (Kind::Int8 | Kind::Int16 | Kind::Int32) => kind.has_room_for(value as i64),
            Kind::Text => pointed(bytes, value).is_some_and(|text| room.take(text.len()) && is_utf8(text)),
            Kind::Bytes => pointed(bytes, value).is_some_and(|bytes| room.take(bytes.len())),
            kind => slot_fits(kind, Some(&f.schema), row, i, room),
        };
        if !fits {
            return Err(format!("field \"{}\" does not hold a {:?}", f.name, f.schema.kind));
        }
    }
    Ok(())
}

/// The bytes of a row that a slot points to.
#[inline]
fn pointed(row: &[u8], slot: u64) -> Option<&[u8]> {
    row.get(slot as u32 as usize..)?.get(..(slot >> 32) as usize)
}

/// Most texts are short and ASCII, which eight bytes at a time say soonest.
#[inline]
fn is_utf8(text: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if text.len() <= 128 {
        let (words, rest) = text.as_chunks::<8>();
        let mut seen = words.iter().fold(0, |seen, w| seen | u64::from_le_bytes(*w));
        seen |= rest.iter().fold(0, |seen, b| seen | u64::from(*b));
        if seen & HIGH == 0 {
            return true;
        }
    }
    simdutf8::basic::from_utf8(text).is_ok()
}

fn slot_fits(kind: Kind, schema: Option<&Schema>, row: &row::Row<'_>, i: usize, room: &mut Room) -> bool {
    if row.is_null(i) {
        return true;
    }
    match kind {
        Kind::Boolean => row.slot(i) <= 1,
        Kind::Int8 | Kind::Int16 | Kind::Int32 => kind.has_room_for(row.i64(i)),
        Kind::Int64 | Kind::Float32 | Kind::Float64 => true,
        Kind::Bytes => row.try_bytes(i).is_some_and(|b| room.take(b.len())),
        Kind::Text => row.try_bytes(i).is_some_and(|b| room.take(b.len()) && is_utf8(b)),
        Kind::Any => row
            .try_bytes(i)
            .is_some_and(|b| room.take(b.len()) && serde_json::from_slice::<&serde_json::value::RawValue>(b).is_ok()),
        Kind::Struct => {
            let (Some(schema), Some(nested)) = (schema, row.row(i)) else { return false };
            room.take(4 + 8 * nested.len()) && row_fits(schema, &nested, room).is_ok()
        }
        Kind::List => {
            let (Some(element), Some(list)) = (schema.and_then(|s| s.element.as_ref()), row.row(i)) else { return false };
            // Four bytes more than its slots: a row without any is still walked to.
            room.take(4 + 8 * list.len()) && (0..list.len()).all(|j| slot_fits(element.kind, Some(element), &list, j, room))
        }
        Kind::Map => {
            let Some((key, value)) = schema.and_then(|s| s.key.as_ref().zip(s.element.as_ref())) else { return false };
            let Some((keys, values)) = row.row(i).filter(|m| m.len() == 2).and_then(|m| m.row(0).zip(m.row(1))) else {
                return false;
            };
            keys.len() == values.len()
                && room.take(4 + 16 * keys.len())
                && (0..keys.len()).all(|j| {
                    slot_fits(key.kind, Some(key), &keys, j, room) && slot_fits(value.kind, Some(value), &values, j, room)
                })
        }
    }
}

#[cfg(test)]
mod tests;
