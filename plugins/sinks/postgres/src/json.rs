//! Structs, lists and maps as JSON texts, for columns of `json` and `jsonb`.

use data_encoding::BASE64;
use millrace_plugin::{Kind, Row, Schema};
use serde_json::{Map, Number, Value};

/// The JSON of a slot.
pub fn value(schema: &Schema, row: &Row<'_>, slot: usize) -> Value {
    if row.is_null(slot) {
        return Value::Null;
    }
    match schema.kind {
        Kind::Boolean => Value::Bool(row.bool(slot)),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Value::Number(row.i64(slot).into()),
        Kind::Float32 | Kind::Float64 => Number::from_f64(row.f64(slot)).map_or(Value::Null, Value::Number),
        Kind::Text => Value::String(row.text(slot).to_owned()),
        Kind::Bytes => Value::String(BASE64.encode(row.get_bytes(slot))),
        Kind::Any => serde_json::from_slice(row.get_bytes(slot)).unwrap_or(Value::Null),
        Kind::Struct => row.row(slot).map_or(Value::Null, |r| {
            let fields = schema.fields.iter().enumerate();
            Value::Object(fields.map(|(i, f)| (f.name.clone(), value(&f.schema, &r, i))).collect())
        }),
        Kind::List => match (row.row(slot), &schema.element) {
            (Some(list), Some(element)) => Value::Array((0..list.len()).map(|i| value(element, &list, i)).collect()),
            _ => Value::Null,
        },
        Kind::Map => entries(schema, row, slot).map_or(Value::Null, Value::Object),
    }
}

/// A map's entries, keys as text.
pub fn entries(schema: &Schema, row: &Row<'_>, slot: usize) -> Option<Map<String, Value>> {
    let (map, key, element) = (row.row(slot)?, schema.key.as_ref()?, schema.element.as_ref()?);
    let (keys, values) = (map.row(0)?, map.row(1)?);
    let name = |i| match value(key, &keys, i) {
        Value::String(s) => s,
        other => other.to_string(),
    };
    Some((0..keys.len()).map(|i| (name(i), value(element, &values, i))).collect())
}
