//! A value as text, the way Java's `toString` gives it: `Struct{id=1,name=Ada}`, `[1, 2]`, `{a=1}`, `null`.

use std::fmt::Write;

use millrace_plugin::{Kind, Row, Schema};
use serde_json::Value;

/// Appends the value of slot `i`.
pub fn slot(out: &mut String, schema: &Schema, row: Row<'_>, i: usize) {
    if row.is_null(i) {
        out.push_str("null");
        return;
    }
    match schema.kind {
        Kind::Boolean => out.push_str(if row.bool(i) { "true" } else { "false" }),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            let _ = write!(out, "{}", row.i64(i));
        }
        Kind::Float32 => float(out, row.f64(i), &(row.f64(i) as f32).to_string()),
        Kind::Float64 => float(out, row.f64(i), &row.f64(i).to_string()),
        Kind::Text => out.push_str(row.text(i)),
        Kind::Any => any(out, row.text(i)),
        Kind::Bytes => bytes(out, row.get_bytes(i)),
        Kind::List => list(out, schema.element.as_deref(), row.row(i)),
        Kind::Map => map(out, schema, row.row(i)),
        Kind::Struct => match row.row(i) {
            Some(nested) => record(out, schema, nested),
            None => out.push_str("null"),
        },
    }
}

/// Appends the fields of a struct; like Connect, those that are null are left out.
pub fn record(out: &mut String, schema: &Schema, row: Row<'_>) {
    out.push_str("Struct{");
    let mut first = true;
    for (i, field) in schema.fields.iter().enumerate().filter(|(i, _)| !row.is_null(*i)) {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        out.push_str(&field.name);
        out.push('=');
        slot(out, &field.schema, row, i);
    }
    out.push('}');
}

fn list(out: &mut String, element: Option<&Schema>, row: Option<Row<'_>>) {
    out.push('[');
    if let (Some(element), Some(row)) = (element, row) {
        for i in 0..row.len() {
            if i > 0 {
                out.push_str(", ");
            }
            slot(out, element, row, i);
        }
    }
    out.push(']');
}

fn map(out: &mut String, schema: &Schema, row: Option<Row<'_>>) {
    out.push('{');
    let parts = row.and_then(|r| Some((r.row(0)?, r.row(1)?)));
    if let (Some(key), Some(value), Some((keys, values))) = (&schema.key, &schema.element, parts) {
        for i in 0..keys.len() {
            if i > 0 {
                out.push_str(", ");
            }
            slot(out, key, keys, i);
            out.push('=');
            slot(out, value, values, i);
        }
    }
    out.push('}');
}

/// A value without a schema: JSON here, maps and lists of Java in Connect.
fn any(out: &mut String, json: &str) {
    match serde_json::from_str(json) {
        Ok(value) => java(out, &value),
        // Not from a converter of ours; shown as it is.
        Err(_) => out.push_str(json),
    }
}

fn java(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) => out.push_str(text),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(fraction) => float(out, fraction, &number.to_string()),
            None => drop(write!(out, "{number}")),
        },
        Value::Bool(boolean) => drop(write!(out, "{boolean}")),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                java(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push('=');
                java(out, value);
            }
            out.push('}');
        }
    }
}

/// Java keeps a fraction in every number: `1.0`.
fn float(out: &mut String, value: f64, text: &str) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        out.push_str(text);
        if !text.contains('.') {
            out.push_str(".0");
        }
    }
}

/// Java prints an array's identity, which is of no use to anyone: these are the bytes in hexadecimal.
fn bytes(out: &mut String, value: &[u8]) {
    for b in value {
        let _ = write!(out, "{b:02x}");
    }
}
