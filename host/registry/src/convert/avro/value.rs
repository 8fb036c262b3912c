//! Values in JSON: Connect's as Avro writes defaults, and Avro's defaults as Connect's schemas hold them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_record::row::Row;
use millrace_record::{Kind, Schema};
use serde_json::{Map, Value, json};

use super::names::{is_avro_map, is_union, scrub};
use super::options::Options;
use crate::avro::{self, AvroSchema, NodeId};

/// Slot `i` in Avro's JSON: bytes are a text of as many characters.
pub(super) fn to_json(schema: &Schema, row: &Row<'_>, i: usize, options: &Options) -> Value {
    if row.is_null(i) {
        return Value::Null;
    }
    match schema.kind {
        Kind::Boolean => json!(row.bool(i)),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => json!(row.i64(i)),
        Kind::Float32 | Kind::Float64 => {
            let v = row.f64(i);
            // What JSON has no number for is a text, as Jackson writes it.
            let special = if v.is_nan() {
                "NaN"
            } else if v > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            if v.is_finite() { json!(v) } else { json!(special) }
        }
        Kind::Text | Kind::Any => json!(row.text(i)),
        Kind::Bytes => row.get_bytes(i).iter().map(|b| char::from(*b)).collect::<String>().into(),
        Kind::List => {
            let (Some(list), Some(element)) = (row.row(i), schema.element.as_deref()) else { return json!([]) };
            (0..list.len()).map(|j| to_json(element, &list, j, options)).collect()
        }
        Kind::Map => map_to_json(schema, row, i, options),
        Kind::Struct => {
            let Some(nested) = row.row(i) else { return Value::Null };
            let mut fields = schema.fields.iter().enumerate();
            if is_union(schema) {
                let set = fields.find(|(j, _)| !nested.is_null(*j));
                return set.map_or(Value::Null, |(j, f)| to_json(&f.schema, &nested, j, options));
            }
            let members = fields.map(|(j, f)| (scrub(&f.name, options), to_json(&f.schema, &nested, j, options)));
            Value::Object(members.collect())
        }
    }
}

fn map_to_json(schema: &Schema, row: &Row<'_>, i: usize, options: &Options) -> Value {
    let (Some(key), Some(element)) = (schema.key.as_deref(), schema.element.as_deref()) else { return Value::Null };
    let Some((keys, values)) = row.row(i).and_then(|m| m.row(0).zip(m.row(1))) else { return Value::Null };
    let value = |j| to_json(element, &values, j, options);
    if is_avro_map(schema, options) {
        return Value::Object((0..keys.len()).map(|j| (keys.text(j).to_owned(), value(j))).collect());
    }
    (0..keys.len()).map(|j| json!({ "key": to_json(key, &keys, j, options), "value": value(j) })).collect()
}

/// A default of Avro's in the JSON that Connect's schemas hold: bytes in Base64. None: it does not fit.
pub(super) fn from_json(schema: &Schema, avro: &AvroSchema, node: NodeId, value: &Value, options: &Options) -> Option<Value> {
    match (avro.kind(node), schema.kind) {
        (avro::Kind::Union(branches), _) => {
            if value.is_null() {
                return schema.optional.then_some(Value::Null);
            }
            if !is_union(schema) {
                let mut others = branches.iter().filter(|b| *avro.kind(**b) != avro::Kind::Null);
                return others.find_map(|b| from_json(schema, avro, *b, value, options));
            }
            let places = branches.iter().filter(|b| *avro.kind(**b) != avro::Kind::Null).zip(&schema.fields);
            let mut fitting = places.filter_map(|(b, f)| Some((f, from_json(&f.schema, avro, *b, value, options)?)));
            let (field, value) = fitting.next()?;
            Some(json!({ &*field.name: value }))
        }
        (avro::Kind::Bytes | avro::Kind::Fixed(_), Kind::Bytes) => {
            let bytes: Option<Vec<u8>> = value.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            Some(STANDARD.encode(bytes?).into())
        }
        (avro::Kind::Array(items), Kind::Map) => {
            let avro::Kind::Record(entry) = avro.kind(*items) else { return None };
            let (key, element) = (schema.key.as_deref()?, schema.element.as_deref()?);
            let of = |entry_value: &Value, name: &str, schema| {
                let (_, field) = entry.field(name)?;
                from_json(schema, avro, field.schema, entry_value.get(name)?, options)
            };
            let entries = value.as_array()?.iter().map(|e| Some(json!([of(e, "key", key)?, of(e, "value", element)?])));
            entries.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        (avro::Kind::Array(items), Kind::List) => {
            let element = schema.element.as_deref()?;
            let items = value.as_array()?.iter().map(|v| from_json(element, avro, *items, v, options));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        (avro::Kind::Map(values), Kind::Map) => {
            let element = schema.element.as_deref()?;
            let members = value.as_object()?.iter();
            let members = members.map(|(k, v)| Some((k.clone(), from_json(element, avro, *values, v, options)?)));
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        (avro::Kind::Record(record), Kind::Struct) => {
            let object = value.as_object()?;
            let members = record.fields.iter().zip(&schema.fields).map(|(of, field)| {
                let value = object.get(&of.name).or(of.default.as_ref())?;
                Some((field.name.to_string(), from_json(&field.schema, avro, of.schema, value, options)?))
            });
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        (avro::Kind::Boolean, Kind::Boolean) => value.as_bool().map(Value::Bool),
        (avro::Kind::Int | avro::Kind::Long, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64) => {
            value.as_i64().map(Value::from)
        }
        (avro::Kind::Float | avro::Kind::Double, Kind::Float32 | Kind::Float64) => Some(value.clone()),
        (avro::Kind::String | avro::Kind::Enum(_), Kind::Text) => value.as_str().map(Value::from),
        _ => None,
    }
}
