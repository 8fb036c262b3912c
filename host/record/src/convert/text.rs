//! Java's `toString` of Connect's structured values, as `StringConverter` writes them.

use base64::Engine;
use millrace_row::Row;

use crate::json::{java_f32, java_f64};
use crate::{Kind, Schema};

/// A root row: `Struct{id=1,name=x}`, `[1, 2]`, `{a=1}`.
pub fn to_string(schema: &Schema, row: &Row<'_>, out: &mut Vec<u8>) {
    if schema.kind == Kind::Struct { fields(schema, row, out) } else { slot(schema, row, 0, out) }
}

/// Connect leaves null fields out.
fn fields(schema: &Schema, row: &Row<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Struct{");
    let mut first = true;
    for (i, f) in schema.fields.iter().enumerate().filter(|(i, _)| !row.is_null(*i)) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(f.name.as_bytes());
        out.push(b'=');
        slot(&f.schema, row, i, out);
    }
    out.push(b'}');
}

fn slot(schema: &Schema, row: &Row<'_>, i: usize, out: &mut Vec<u8>) {
    if row.is_null(i) {
        out.extend_from_slice(b"null");
        return;
    }
    match schema.kind {
        Kind::Boolean => out.extend_from_slice(if row.bool(i) { b"true" } else { b"false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            out.extend_from_slice(itoa::Buffer::new().format(row.i64(i)).as_bytes())
        }
        Kind::Float32 => java_f32(row.f64(i) as f32, out),
        Kind::Float64 => java_f64(row.f64(i), out),
        Kind::Text | Kind::Any => out.extend_from_slice(row.get_bytes(i)),
        // Java prints an object's identity here, which tells nobody anything.
        Kind::Bytes => out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(row.get_bytes(i)).as_bytes()),
        Kind::Struct => {
            if let Some(nested) = row.row(i) {
                fields(schema, &nested, out);
            }
        }
        Kind::List => {
            let (Some(element), Some(list)) = (schema.element.as_deref(), row.row(i)) else { return };
            out.push(b'[');
            for j in 0..list.len() {
                out.extend_from_slice(if j > 0 { b", " } else { b"" });
                slot(element, &list, j, out);
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
                out.extend_from_slice(if j > 0 { b", " } else { b"" });
                slot(key, &keys, j, out);
                out.push(b'=');
                slot(element, &values, j, out);
            }
            out.push(b'}');
        }
    }
}
