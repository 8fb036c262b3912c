//! A slot of a packed row as a binary value of PostgreSQL: one encoder for each pair of a schema and a column's type,
//! chosen once, then run without allocation on the paths that matter.

use std::fmt::Write;
use std::rc::Rc;

use millrace_plugin::{Row, Schema};

use crate::time::{self, Unit};
use crate::{json, numeric};

/// A type in which values cross to the server; the statement casts where the column's type is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wire {
    pub name: &'static str,
    pub oid: u32,
    array: (&'static str, u32),
}

macro_rules! wires {
    ($($id:ident $name:literal $oid:literal $array:literal $array_oid:literal;)*) => {
        $(pub const $id: Wire = Wire { name: $name, oid: $oid, array: ($array, $array_oid) };)*
    };
}
wires! {
    BOOL "boolean" 16 "boolean[]" 1000;
    BYTEA "bytea" 17 "bytea[]" 1001;
    INT8 "bigint" 20 "bigint[]" 1016;
    INT2 "smallint" 21 "smallint[]" 1005;
    INT4 "integer" 23 "integer[]" 1007;
    TEXT "text" 25 "text[]" 1009;
    FLOAT4 "real" 700 "real[]" 1021;
    FLOAT8 "double precision" 701 "double precision[]" 1022;
    DATE "date" 1082 "date[]" 1182;
    TIME "time without time zone" 1083 "time without time zone[]" 1183;
    TIMESTAMP "timestamp without time zone" 1114 "timestamp without time zone[]" 1115;
    TIMESTAMPTZ "timestamp with time zone" 1184 "timestamp with time zone[]" 1185;
    INTERVAL "interval" 1186 "interval[]" 1187;
    VARBIT "bit varying" 1562 "bit varying[]" 1563;
    NUMERIC "numeric" 1700 "numeric[]" 1231;
    UUID "uuid" 2950 "uuid[]" 2951;
}

/// How a slot becomes a value.
#[derive(Debug, Clone)]
pub enum Encoder {
    Bool,
    Int2,
    Int4,
    Int8,
    /// An integer into a floating column.
    IntFloat8,
    IntNumeric,
    Float4,
    Float8,
    /// A text, of whatever type the column is: the server reads it.
    Text,
    Uuid,
    Bytes,
    Decimal(i32),
    VariableDecimal {
        scale: usize,
        value: usize,
    },
    Date,
    Time(Unit),
    /// Since 1970, into `timestamp`.
    Timestamp(Unit),
    /// The same moment, into `timestamptz`.
    Timestamptz(Unit),
    /// An ISO text, into `timestamptz`.
    Zoned,
    /// An ISO text, into `timestamp`: as UTC.
    ZonedLocal,
    Interval(Unit),
    Bits(u32),
    BoolBit,
    Point {
        x: usize,
        y: usize,
    },
    BoolText,
    IntText,
    FloatText,
    DecimalText(i32),
    Json(Rc<Schema>),
    Hstore(Rc<Schema>),
    List(Box<Encoder>),
}

impl Encoder {
    /// The type of what it writes.
    pub fn wire(&self) -> Wire {
        use Encoder::*;
        match self {
            Bool => BOOL,
            Int2 => INT2,
            Int4 => INT4,
            Int8 => INT8,
            IntFloat8 | Float8 => FLOAT8,
            Float4 => FLOAT4,
            IntNumeric | Decimal(_) | VariableDecimal { .. } => NUMERIC,
            Uuid => UUID,
            Bytes => BYTEA,
            Date => DATE,
            Time(_) => TIME,
            Timestamp(_) | ZonedLocal => TIMESTAMP,
            Timestamptz(_) | Zoned => TIMESTAMPTZ,
            Interval(_) => INTERVAL,
            Bits(_) | BoolBit => VARBIT,
            Text | BoolText | IntText | FloatText | DecimalText(_) | Json(_) | Hstore(_) | Point { .. } => TEXT,
            List(element) => {
                let w = element.wire();
                Wire { name: w.array.0, oid: w.array.1, array: w.array }
            }
        }
    }

    /// Appends the value's length and bytes, -1 for null.
    #[inline]
    pub fn write(&self, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if row.is_null(slot) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            return Ok(());
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        self.body(row, slot, out)?;
        let n = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&n.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn body(&self, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), String> {
        use Encoder::*;
        match self {
            Text => return put_text(row.get_bytes(slot), out),
            Bytes => out.extend_from_slice(row.get_bytes(slot)),
            Int8 => out.extend_from_slice(&row.i64(slot).to_be_bytes()),
            Int4 => {
                let n = row.i64(slot);
                out.extend_from_slice(&i32::try_from(n).map_err(|_| range(n, "integer"))?.to_be_bytes());
            }
            Int2 => {
                let n = row.i64(slot);
                out.extend_from_slice(&i16::try_from(n).map_err(|_| range(n, "smallint"))?.to_be_bytes());
            }
            Bool => out.push(row.bool(slot) as u8),
            Float8 => out.extend_from_slice(&row.f64(slot).to_be_bytes()),
            Float4 => out.extend_from_slice(&(row.f64(slot) as f32).to_be_bytes()),
            IntFloat8 => out.extend_from_slice(&(row.i64(slot) as f64).to_be_bytes()),
            IntNumeric => numeric::write_int(row.i64(slot), out),
            Decimal(scale) => numeric::write(row.get_bytes(slot), *scale, out)?,
            VariableDecimal { scale, value } => {
                let r = row.row(slot).filter(|r| !r.is_null(*scale) && !r.is_null(*value)).ok_or("an empty decimal")?;
                numeric::write(r.get_bytes(*value), r.i64(*scale) as i32, out)?;
            }
            Date => {
                let days = row.i64(slot);
                let pg = match days as i32 {
                    i32::MAX => i32::MAX,
                    i32::MIN => i32::MIN,
                    d => i32::try_from(d as i64 - time::EPOCH_DAYS).map_err(|_| range(days, "date"))?,
                };
                out.extend_from_slice(&pg.to_be_bytes());
            }
            Time(unit) => {
                let n = row.i64(slot);
                let us = unit.micros(n).filter(|us| (0..=86_400_000_000).contains(us)).ok_or_else(|| range(n, "time"))?;
                out.extend_from_slice(&us.to_be_bytes());
            }
            Timestamp(unit) | Timestamptz(unit) => {
                let n = row.i64(slot);
                out.extend_from_slice(&time::timestamp(n, *unit).ok_or_else(|| range(n, "timestamp"))?.to_be_bytes());
            }
            Zoned | ZonedLocal => {
                let text = row.text(slot);
                let us = match text {
                    "infinity" => i64::MAX,
                    "-infinity" => i64::MIN,
                    _ => time::zoned(text).ok_or_else(|| format!("not an ISO time stamp with a zone ({} bytes)", text.len()))?,
                };
                out.extend_from_slice(&us.to_be_bytes());
            }
            Interval(unit) => {
                let n = row.i64(slot);
                out.extend_from_slice(&unit.micros(n).ok_or_else(|| range(n, "interval"))?.to_be_bytes());
                out.extend_from_slice(&[0; 8]);
            }
            Uuid => out.extend_from_slice(&uuid(row.get_bytes(slot)).ok_or("not a UUID")?),
            Bits(length) => bits(row.get_bytes(slot), *length, out),
            BoolBit => {
                out.extend_from_slice(&1i32.to_be_bytes());
                out.push((row.bool(slot) as u8) << 7);
            }
            Point { x, y } => {
                let r = row.row(slot).ok_or("an empty point")?;
                push(out, format_args!("({},{})", r.f64(*x), r.f64(*y)));
            }
            BoolText => out.extend_from_slice(if row.bool(slot) { b"true" } else { b"false" }),
            IntText => push(out, format_args!("{}", row.i64(slot))),
            FloatText => push(out, format_args!("{}", row.f64(slot))),
            DecimalText(scale) => out.extend_from_slice(numeric::text(row.get_bytes(slot), *scale).as_bytes()),
            Json(schema) => out.extend_from_slice(json::value(schema, row, slot).to_string().as_bytes()),
            Hstore(schema) => hstore(schema, row, slot, out),
            List(element) => {
                let list = row.row(slot).ok_or("an empty list slot")?;
                let nulls = (0..list.len()).any(|i| list.is_null(i));
                for n in [(!list.is_empty()) as i32, nulls as i32, element.wire().oid as i32] {
                    out.extend_from_slice(&n.to_be_bytes());
                }
                if !list.is_empty() {
                    out.extend_from_slice(&(list.len() as i32).to_be_bytes());
                    out.extend_from_slice(&1i32.to_be_bytes());
                }
                for i in 0..list.len() {
                    element.write(&list, i, out)?;
                }
            }
        }
        Ok(())
    }
}

/// PostgreSQL's text holds no zero byte.
#[inline]
fn put_text(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    if text.contains(&0) {
        return Err("a text with a zero byte, which PostgreSQL cannot store".into());
    }
    out.extend_from_slice(text);
    Ok(())
}

fn push(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    let mut text = String::new();
    let _ = text.write_fmt(args);
    out.extend_from_slice(text.as_bytes());
}

fn range(n: i64, of: &str) -> String {
    format!("{n} is out of the range of {of}")
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut out = [0u8; 16];
    let mut n = 0;
    for c in text {
        let v = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            b'A'..=b'F' => c - b'A' + 10,
            b'-' | b'{' | b'}' => continue,
            _ => return None,
        };
        *out.get_mut(n / 2)? |= if n % 2 == 0 { v << 4 } else { v };
        n += 1;
    }
    (n == 32).then_some(out)
}

/// Debezium's bits are little-endian with bit 0 last; PostgreSQL's are left to right from the highest.
fn bits(le: &[u8], length: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as i32).to_be_bytes());
    let from = out.len();
    out.resize(from + length.div_ceil(8) as usize, 0);
    for i in 0..length {
        let source = length - 1 - i;
        if le.get(source as usize / 8).is_some_and(|b| b >> (source % 8) & 1 == 1) {
            out[from + i as usize / 8] |= 0x80 >> (i % 8);
        }
    }
}

fn hstore(schema: &Schema, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) {
    let quote = |s: &str| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""));
    let entries = json::entries(schema, row, slot).unwrap_or_default();
    let texts: Vec<String> = entries
        .iter()
        .map(|(k, v)| match v {
            serde_json::Value::Null => format!("{}=>NULL", quote(k)),
            serde_json::Value::String(s) => format!("{}=>{}", quote(k), quote(s)),
            other => format!("{}=>{}", quote(k), quote(&other.to_string())),
        })
        .collect();
    out.extend_from_slice(texts.join(",").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_turn_around() {
        let mut out = Vec::new();
        bits(&[0b10101], 5, &mut out);
        assert_eq!(out, [0, 0, 0, 5, 0b10101000]);
    }

    #[test]
    fn uuids() {
        assert_eq!(uuid(b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").unwrap()[..2], [0xa0, 0xee]);
        assert!(uuid(b"a0eebc99").is_none() && uuid(b"zz").is_none());
        assert!(uuid(b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1100").is_none());
    }
}
