//! From the packed row straight into JSON.

use millrace_record::convert::Logical;
use millrace_record::json_text::{base64_quoted, float, integer, quoted};
use millrace_record::row::Row;
use millrace_record::{Kind, decimal};

use super::super::misfit::Misfit;
use super::plan::Node;

/// Appends a root: a struct's row, or the one slot of anything else. False: null where the schema has none, which is a null
/// record.
pub(super) fn root(node: &Node, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    match row {
        Some(row) if node.kind == Kind::Struct => structure(node, &row, out)?,
        Some(row) if !row.is_null(0) => value(node, &row, 0, out)?,
        _ => return Ok(null(node, out)),
    }
    Ok(true)
}

/// False: there is nothing to write for null.
fn null(node: &Node, out: &mut Vec<u8>) -> bool {
    match &node.default {
        Some(default) => out.extend_from_slice(default.as_bytes()),
        None if node.optional => out.extend_from_slice(b"null"),
        None => return false,
    }
    true
}

fn structure(node: &Node, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if node.union {
        // The first that is there is the one that counts.
        return match (0..node.fields.len()).find(|i| !row.is_null(*i)) {
            Some(i) => value(&node.fields[i].node, row, i, out).map_err(|e| e.within(&node.fields[i].name)),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        };
    }
    let mut first = true;
    out.push(b'{');
    for (i, field) in node.fields.iter().enumerate() {
        let before = out.len();
        if !first {
            out.push(b',');
        }
        out.extend_from_slice(&field.literal);
        if !row.is_null(i) {
            value(&field.node, row, i, out).map_err(|e| e.within(&field.name))?;
        } else if !null(&field.node, out) {
            // A field that must not be null, and is, is left out.
            out.truncate(before);
            continue;
        }
        first = false;
    }
    out.push(b'}');
    Ok(())
}

/// Appends slot `i`.
#[inline]
pub(super) fn value(node: &Node, row: &Row<'_>, i: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if row.is_null(i) {
        if !null(node, out) {
            out.extend_from_slice(b"null");
        }
        return Ok(());
    }
    match node.kind {
        Kind::Boolean => out.extend_from_slice(if row.bool(i) { b"true" } else { b"false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => integer(row.i64(i), out),
        Kind::Float32 => float(row.f64(i), true, out),
        Kind::Float64 => float(row.f64(i), false, out),
        Kind::Text => quoted(row.get_bytes(i), out),
        Kind::Bytes => match node.logical {
            Logical::Decimal { scale } if node.numeric => {
                out.extend_from_slice(decimal::to_text(row.get_bytes(i), scale).as_bytes())
            }
            _ => base64_quoted(row.get_bytes(i), out),
        },
        // It is JSON already.
        Kind::Any => out.extend_from_slice(row.get_bytes(i)),
        Kind::Struct => structure(node, &row.row(i).ok_or_else(Misfit::broken_row)?, out)?,
        Kind::List => {
            let list = row.row(i).ok_or_else(Misfit::broken_row)?;
            out.push(b'[');
            for j in 0..list.len() {
                if j > 0 {
                    out.push(b',');
                }
                value(node.element(), &list, j, out)?;
            }
            out.push(b']');
        }
        Kind::Map => map(node, &row.row(i).ok_or_else(Misfit::broken_row)?, out)?,
    }
    Ok(())
}

fn map(node: &Node, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let (keys, values) = row.row(0).zip(row.row(1)).ok_or_else(Misfit::broken_row)?;
    out.push(if node.object { b'{' } else { b'[' });
    for j in 0..keys.len() {
        if j > 0 {
            out.push(b',');
        }
        if node.object {
            if keys.is_null(j) {
                return Err(Misfit::new("a null key in a map of string keys, which a JSON object cannot hold"));
            }
            quoted(keys.get_bytes(j), out);
            out.push(b':');
            value(node.element(), &values, j, out)?;
        } else {
            out.extend_from_slice(b"{\"key\":");
            value(node.key(), &keys, j, out)?;
            out.extend_from_slice(b",\"value\":");
            value(node.element(), &values, j, out)?;
            out.push(b'}');
        }
    }
    out.push(if node.object { b'}' } else { b']' });
    Ok(())
}
