//! From the packed row straight into JSON.

use millrace_row::Row;

use super::Form;
use super::plan::Node;
use crate::convert::Fault;
use crate::convert::logical::Logical;
use crate::json::{base64_quoted, float, integer, quoted};
use crate::{Kind, decimal};

/// Appends a root: a struct's row, or the one slot of anything else.
pub(super) fn root(node: &Node, form: Form, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match row {
        Some(row) if node.kind == Kind::Struct => fields(node, form, &row, out),
        Some(row) => value(node, form, &row, 0, out),
        None => null(node, form, out),
    }
}

fn null(node: &Node, form: Form, out: &mut Vec<u8>) -> Result<(), Fault> {
    match &node.default {
        Some(default) if form.replace_null => out.extend_from_slice(default.as_bytes()),
        _ if node.optional => out.extend_from_slice(b"null"),
        _ => return Err(Fault::new("Conversion error: null value for field that is required and has no default value")),
    }
    Ok(())
}

fn fields(node: &Node, form: Form, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if node.fields.is_empty() {
        out.push(b'{');
    }
    for (i, field) in node.fields.iter().enumerate() {
        out.extend_from_slice(&field.literal);
        value(&field.node, form, row, i, out).map_err(|e| e.within(&field.name))?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends slot `i`.
#[inline]
pub(super) fn value(node: &Node, form: Form, row: &Row<'_>, i: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    if row.is_null(i) {
        return null(node, form, out);
    }
    match node.kind {
        Kind::Boolean => out.extend_from_slice(if row.bool(i) { b"true" } else { b"false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => integer(row.i64(i), out),
        Kind::Float32 => float(row.f64(i), true, out),
        Kind::Float64 => float(row.f64(i), false, out),
        Kind::Text => quoted(row.get_bytes(i), out),
        Kind::Bytes => match node.logical {
            Logical::Decimal { scale } if form.numeric => {
                out.extend_from_slice(decimal::to_text(row.get_bytes(i), scale).as_bytes())
            }
            _ => base64_quoted(row.get_bytes(i), out),
        },
        // Where every field has a type it is a string that holds JSON, else it is part of the document.
        Kind::Any if form.schemas => quoted(row.get_bytes(i), out),
        Kind::Any => out.extend_from_slice(row.get_bytes(i)),
        Kind::Struct => fields(node, form, &row.row(i).ok_or_else(Fault::broken_row)?, out)?,
        Kind::List => {
            let list = row.row(i).ok_or_else(Fault::broken_row)?;
            out.push(b'[');
            for j in 0..list.len() {
                if j > 0 {
                    out.push(b',');
                }
                value(node.element(), form, &list, j, out)?;
            }
            out.push(b']');
        }
        Kind::Map => map(node, form, &row.row(i).ok_or_else(Fault::broken_row)?, out)?,
    }
    Ok(())
}

fn map(node: &Node, form: Form, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (keys, values) = row.row(0).zip(row.row(1)).ok_or_else(Fault::broken_row)?;
    let object = node.key().kind == Kind::Text;
    out.push(if object { b'{' } else { b'[' });
    for j in 0..keys.len() {
        if j > 0 {
            out.push(b',');
        }
        if object {
            if keys.is_null(j) {
                return Err(Fault::new("Conversion error: a null key in a map of string keys, which a JSON object cannot hold"));
            }
            quoted(keys.get_bytes(j), out);
            out.push(b':');
            value(node.element(), form, &values, j, out)?;
        } else {
            out.push(b'[');
            value(node.key(), form, &keys, j, out)?;
            out.push(b',');
            value(node.element(), form, &values, j, out)?;
            out.push(b']');
        }
    }
    out.push(if object { b'}' } else { b']' });
    Ok(())
}
