//! What does not change from record to record, as Avro's binary: defaults and numbers of branches.

use serde_json::Value;

use crate::avro::{AvroSchema, Kind, NodeId};

/// Appends a default, given as Avro's JSON.
pub(super) fn constant(avro: &AvroSchema, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), ()> {
    let bytes = |value: &Value| {
        let text = value.as_str().ok_or(())?;
        text.chars().map(|c| u8::try_from(u32::from(c)).map_err(drop)).collect::<Result<Vec<_>, ()>>()
    };
    match avro.kind(id) {
        Kind::Null => return value.is_null().then_some(()).ok_or(()),
        Kind::Boolean => out.push(value.as_bool().ok_or(())?.into()),
        Kind::Int | Kind::Long => long(value.as_i64().ok_or(())?, out),
        Kind::Float => out.extend_from_slice(&(float(value).ok_or(())? as f32).to_le_bytes()),
        Kind::Double => out.extend_from_slice(&float(value).ok_or(())?.to_le_bytes()),
        Kind::String => sized(value.as_str().ok_or(())?.as_bytes(), out),
        Kind::Bytes => sized(&bytes(value)?, out),
        Kind::Fixed(of) => {
            let bytes = bytes(value)?;
            (bytes.len() == of.size as usize).then_some(()).ok_or(())?;
            out.extend_from_slice(&bytes);
        }
        Kind::Enum(of) => {
            let symbol = value.as_str().ok_or(())?;
            long(of.symbols.iter().position(|s| s == symbol).ok_or(())? as i64, out);
        }
        Kind::Union(branches) => {
            let start = out.len();
            for (i, branch) in branches.iter().enumerate() {
                long(i as i64, out);
                if constant(avro, *branch, value, out).is_ok() {
                    return Ok(());
                }
                out.truncate(start);
            }
            return Err(());
        }
        Kind::Array(of) => {
            let items = value.as_array().ok_or(())?;
            block(items.len(), out);
            items.iter().try_for_each(|v| constant(avro, *of, v, out))?;
            out.push(0);
        }
        Kind::Map(of) => {
            let members = value.as_object().ok_or(())?;
            block(members.len(), out);
            for (key, v) in members {
                sized(key.as_bytes(), out);
                constant(avro, *of, v, out)?;
            }
            out.push(0);
        }
        Kind::Record(of) => {
            let members = value.as_object().ok_or(())?;
            for field in &of.fields {
                constant(avro, field.schema, members.get(&field.name).or(field.default.as_ref()).ok_or(())?, out)?;
            }
        }
    }
    Ok(())
}

fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

pub(super) fn index(at: u32) -> Box<[u8]> {
    let mut out = Vec::new();
    long(at.into(), &mut out);
    out.into()
}

/// A number, zigzag and seven bits a byte.
pub(in super::super) fn long(v: i64, out: &mut Vec<u8>) {
    let mut z = ((v << 1) ^ (v >> 63)) as u64;
    while z >= 0x80 {
        out.push(z as u8 | 0x80);
        z >>= 7;
    }
    out.push(z as u8);
}

pub(in super::super) fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// The elements of an array or map stand in one block.
fn block(n: usize, out: &mut Vec<u8>) {
    if n > 0 {
        long(n as i64, out);
    }
}
