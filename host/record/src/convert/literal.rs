//! Values as text in headers: what Connect's `Values` writes, and can read again where it kept their type.

use millrace_row::Row;

use super::default_row;
use super::logical::{DAY_MS, Logical, civil, clock};
use super::text::{hashed, number};
use crate::json::{Bad, NodeType, Scanner, base64_into, java_f32, java_f64};
use crate::{Kind, Schema, decimal};

/// A root row. Without a schema it is JSON.
pub(super) fn write(schema: Option<&Schema>, row: &Row<'_>, out: &mut Vec<u8>) {
    match schema {
        None => untyped(row.text(0), false, out),
        Some(s) if s.kind == Kind::Struct => fields(s, row, out),
        Some(s) => slot(s, row, 0, false, out),
    }
}

/// What is inside of a list, map or struct is quoted.
fn text(text: &[u8], inside: bool, out: &mut Vec<u8>) {
    if !inside {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for b in text {
        if matches!(b, b'\\' | b'"') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}

fn fields(schema: &Schema, row: &Row<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, f) in schema.fields.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        text(f.name.as_bytes(), true, out);
        out.push(b':');
        // A field that is null has its default, as `Struct.get` has it.
        let default = if row.is_null(i) { default_row(&f.schema) } else { None };
        match default.as_deref().and_then(Row::new) {
            Some(default) => slot(&f.schema, &default, 0, true, out),
            None => slot(&f.schema, row, i, true, out),
        }
    }
    out.push(b'}');
}

fn slot(schema: &Schema, row: &Row<'_>, i: usize, inside: bool, out: &mut Vec<u8>) {
    if row.is_null(i) {
        return out.extend_from_slice(b"null");
    }
    match schema.kind {
        Kind::Boolean => out.extend_from_slice(if row.bool(i) { b"true" } else { b"false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => match Logical::of(schema).millis(row.i64(i)) {
            Some(millis) => date(millis, out),
            None => out.extend_from_slice(itoa::Buffer::new().format(row.i64(i)).as_bytes()),
        },
        Kind::Float32 => java_f32(row.f64(i) as f32, out),
        Kind::Float64 => java_f64(row.f64(i), out),
        Kind::Text => text(row.get_bytes(i), inside, out),
        Kind::Any => untyped(row.text(i), inside, out),
        Kind::Bytes => match Logical::of(schema) {
            Logical::Decimal { scale } => out.extend_from_slice(decimal::to_text(row.get_bytes(i), scale).as_bytes()),
            _ => {
                let quote: &[u8] = if inside { b"\"" } else { b"" };
                out.extend_from_slice(quote);
                base64_into(row.get_bytes(i), out);
                out.extend_from_slice(quote);
            }
        },
        Kind::Struct => {
            if let Some(nested) = row.row(i) {
                fields(schema, &nested, out);
            }
        }
        Kind::List => {
            let (Some(element), Some(list)) = (schema.element.as_deref(), row.row(i)) else { return };
            out.push(b'[');
            for j in 0..list.len() {
                if j > 0 {
                    out.push(b',');
                }
                slot(element, &list, j, true, out);
            }
            out.push(b']');
        }
        Kind::Map => {
            let (Some(key), Some(element), Some(map)) = (schema.key.as_deref(), schema.element.as_deref(), row.row(i)) else {
                return;
            };
            let (Some(keys), Some(values)) = (map.row(0), map.row(1)) else { return };
            out.push(b'{');
            for j in 0..keys.len() {
                if j > 0 {
                    out.push(b',');
                }
                slot(key, &keys, j, true, out);
                out.push(b':');
                slot(element, &values, j, true, out);
            }
            out.push(b'}');
        }
    }
}

/// Connect tells a time, a date and a timestamp apart by the number alone: below a day it is a time, at midnight a date.
fn date(millis: i64, out: &mut Vec<u8>) {
    let ((year, month, day), (h, m, s, ms)) = (civil(millis.div_euclid(DAY_MS)), clock(millis));
    let time = format!("{h:02}:{m:02}:{s:02}.{ms:03}Z");
    let written = match millis {
        ..DAY_MS => time,
        _ if millis % DAY_MS == 0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{time}"),
    };
    out.extend_from_slice(written.as_bytes());
}

/// JSON, without its white space and with numbers as Java prints them.
fn untyped(of: &str, inside: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if json(&mut Scanner::new(of), inside, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(of.as_bytes());
    }
}

fn json(json: &mut Scanner<'_>, inside: bool, out: &mut Vec<u8>) -> Result<(), Bad> {
    match json.node_type()? {
        NodeType::String => text(json.string()?.as_bytes(), inside, out),
        NodeType::Number => number(json, out)?,
        NodeType::Null | NodeType::Boolean => out.extend_from_slice(json.skip()?.as_bytes()),
        NodeType::Object => {
            out.push(b'{');
            for (i, (key, value)) in hashed(json)?.into_iter().enumerate() {
                out.extend_from_slice(if i > 0 { b"," } else { b"" });
                text(key.as_bytes(), true, out);
                out.push(b':');
                self::json(&mut Scanner::new(value), true, out)?;
            }
            out.push(b'}');
        }
        NodeType::Array => {
            json.at += 1;
            out.push(b'[');
            let mut first = true;
            while !json.eat(b']') {
                if !std::mem::take(&mut first) {
                    json.expect(b',', "no comma between elements")?;
                    out.push(b',');
                }
                self::json(json, true, out)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}
