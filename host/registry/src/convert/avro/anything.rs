//! Values without a schema: as Confluent's `Anything`, and as JSON text where a record stands within itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_record::java::{java_f32, java_f64};
use millrace_record::json_text::quoted;
use serde_json::Value;

use super::Fault;
use super::decode::Input;
use super::encode::{long, sized};
use crate::avro::{self, AvroSchema, NodeId};

/// The fields of `Anything`, in order; each is a union of null and its type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Boolean,
    Bytes,
    Double,
    Float,
    Int,
    Long,
    String,
    Array,
    Map,
}

const MEMBERS: [Member; 9] = [
    Member::Boolean,
    Member::Bytes,
    Member::Double,
    Member::Float,
    Member::Int,
    Member::Long,
    Member::String,
    Member::Array,
    Member::Map,
];

/// How deep values are read into each other.
const DEPTH_MAX: usize = 200;

/// Appends a JSON value: whole numbers are longs, others doubles, objects maps.
pub(super) fn encode(value: &Value, out: &mut Vec<u8>) {
    let member = match value {
        Value::Null => None,
        Value::Bool(_) => Some(Member::Boolean),
        Value::Number(n) if n.is_i64() => Some(Member::Long),
        Value::Number(_) => Some(Member::Double),
        Value::String(_) => Some(Member::String),
        Value::Array(_) => Some(Member::Array),
        Value::Object(_) => Some(Member::Map),
    };
    for of in MEMBERS {
        if member != Some(of) {
            out.push(0);
            continue;
        }
        long(1, out);
        match value {
            Value::Bool(b) => out.push((*b).into()),
            Value::Number(n) => match n.as_i64() {
                Some(v) => long(v, out),
                None => out.extend_from_slice(&n.as_f64().unwrap_or(f64::NAN).to_le_bytes()),
            },
            Value::String(s) => sized(s.as_bytes(), out),
            Value::Array(items) => {
                if !items.is_empty() {
                    long(items.len() as i64, out);
                }
                items.iter().for_each(|v| encode(v, out));
                out.push(0);
            }
            Value::Object(members) => {
                if !members.is_empty() {
                    long(members.len() as i64, out);
                }
                for (key, v) in members {
                    encode(&Value::from(key.as_str()), out);
                    encode(v, out);
                }
                out.push(0);
            }
            Value::Null => {}
        }
    }
}

/// Appends the JSON text of an `Anything`. The first member that is set counts.
pub(super) fn decode(input: &mut Input<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::new("a schemaless value is nested too deep"));
    }
    let start = out.len();
    for of in MEMBERS {
        match input.long()? {
            0 => continue,
            1 => {}
            at => return Err(Fault::branch(at)),
        }
        let end = out.len();
        match of {
            Member::Boolean => out.extend_from_slice(if input.take(1)?[0] == 1 { b"true" } else { b"false" }),
            Member::Bytes => base64(input.sized()?, out),
            Member::Double => double(input, out)?,
            Member::Float => float(input, out)?,
            Member::Int | Member::Long => number(input.long()?, out),
            Member::String => text(input.sized()?, out),
            Member::Array => list(input, out, b'[', b']', |input, out| decode(input, out, depth + 1))?,
            Member::Map => list(input, out, b'{', b'}', |input, out| {
                let at = out.len();
                decode(input, out, depth + 1)?;
                // A key of an object is a text.
                if out.get(at) != Some(&b'"') {
                    let key = out.split_off(at);
                    quoted(&key, out);
                }
                out.push(b':');
                decode(input, out, depth + 1)
            })?,
        }
        if end > start {
            out.truncate(end);
        }
    }
    if out.len() == start {
        out.extend_from_slice(b"null");
    }
    Ok(())
}

/// Appends a value of an Avro schema as JSON text.
pub(super) fn json(avro: &AvroSchema, id: NodeId, input: &mut Input<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        return Err(Fault::new("a recursive record is nested too deep"));
    }
    match avro.kind(id) {
        avro::Kind::Null => out.extend_from_slice(b"null"),
        avro::Kind::Boolean => out.extend_from_slice(if input.take(1)?[0] == 1 { b"true" } else { b"false" }),
        avro::Kind::Int | avro::Kind::Long => number(input.long()?, out),
        avro::Kind::Float => float(input, out)?,
        avro::Kind::Double => double(input, out)?,
        avro::Kind::Bytes => base64(input.sized()?, out),
        avro::Kind::Fixed(of) => base64(input.take(of.size as usize)?, out),
        avro::Kind::String => text(input.sized()?, out),
        avro::Kind::Enum(of) => {
            let at = input.long()?;
            let symbol = usize::try_from(at).ok().and_then(|at| of.symbols.get(at));
            quoted(symbol.ok_or_else(|| Fault::new(format!("the enum has no symbol {at}")))?.as_bytes(), out);
        }
        avro::Kind::Union(branches) => {
            let at = input.long()?;
            let branch = usize::try_from(at).ok().and_then(|at| branches.get(at)).ok_or_else(|| Fault::branch(at))?;
            json(avro, *branch, input, out, depth + 1)?;
        }
        avro::Kind::Array(of) => list(input, out, b'[', b']', |input, out| json(avro, *of, input, out, depth + 1))?,
        avro::Kind::Map(of) => list(input, out, b'{', b'}', |input, out| {
            text(input.sized()?, out);
            out.push(b':');
            json(avro, *of, input, out, depth + 1)
        })?,
        avro::Kind::Record(of) => {
            out.push(b'{');
            for (i, field) in of.fields.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                quoted(field.name.as_bytes(), out);
                out.push(b':');
                json(avro, field.schema, input, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn list(
    input: &mut Input<'_>,
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    mut element: impl FnMut(&mut Input<'_>, &mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    out.push(open);
    let mut first = true;
    loop {
        let mut n = input.long()?;
        if n < 0 {
            input.long()?;
            n = n.saturating_neg();
        }
        if n == 0 {
            break;
        }
        if usize::try_from(n).unwrap_or(usize::MAX) > input.0.len() {
            return Err(Fault::short());
        }
        for _ in 0..n {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            element(input, out)?;
        }
    }
    out.push(close);
    Ok(())
}

fn number(v: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(v.to_string().as_bytes());
}

fn double(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let v = f64::from_le_bytes(*input.take(8)?.first_chunk().ok_or_else(Fault::short)?);
    finite(v.is_finite(), out, |out| java_f64(v, out));
    Ok(())
}

fn float(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let v = f32::from_le_bytes(*input.take(4)?.first_chunk().ok_or_else(Fault::short)?);
    finite(v.is_finite(), out, |out| java_f32(v, out));
    Ok(())
}

fn finite(finite: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if !finite {
        out.push(b'"');
    }
    write(out);
    if !finite {
        out.push(b'"');
    }
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    quoted(String::from_utf8_lossy(bytes).as_bytes(), out);
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
}
