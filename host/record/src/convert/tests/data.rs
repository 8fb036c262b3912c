//! Data of the vectors: schemas and values in their file's own form, which no converter has a part in, to rows and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_row::{Row, RowBuf, RowMark};
use serde_json::{Value, json};

use crate::json::{java_f32, java_f64};
use crate::{Field, Kind, Schema, decimal, default_row};

const KINDS: &[(&str, Kind)] = &[
    ("BOOLEAN", Kind::Boolean),
    ("INT8", Kind::Int8),
    ("INT16", Kind::Int16),
    ("INT32", Kind::Int32),
    ("INT64", Kind::Int64),
    ("FLOAT32", Kind::Float32),
    ("FLOAT64", Kind::Float64),
    ("STRING", Kind::Text),
    ("BYTES", Kind::Bytes),
    ("ARRAY", Kind::List),
    ("MAP", Kind::Map),
    ("STRUCT", Kind::Struct),
];

/// A schema of the vectors; null where only a list's or map's type is left open.
pub fn schema(from: &Value) -> Schema {
    if from.is_null() {
        return Schema::new(Kind::Any).optional();
    }
    let kind = KINDS.iter().find(|(name, _)| from["type"] == *name).expect("a type").1;
    let mut s = Schema::new(kind);
    s.optional = from["optional"] == true;
    let text = |key: &str| from[key].as_str().map(Into::into);
    (s.name, s.doc, s.version) = (text("name"), text("doc"), from["version"].as_i64().map(|v| v as i32));
    for (key, value) in from["parameters"].as_object().into_iter().flatten() {
        s.parameters.push((key.as_str().into(), value.as_str().unwrap().into()));
    }
    for field in from["fields"].as_array().into_iter().flatten() {
        s.fields.push(Field { name: field[0].as_str().unwrap().into(), schema: schema(&field[1]).into() });
    }
    if kind == Kind::Map {
        s.key = Some(schema(&from["keys"]).into());
    }
    if matches!(kind, Kind::Map | Kind::List) {
        s.element = Some(schema(&from["values"]).into());
    }
    if let Some(default) = from.get("default") {
        s.default = Some(default_json(&s, default).to_string().into());
    }
    s
}

/// A default as schemas hold it: JSON, numbers as numbers.
fn default_json(schema: &Schema, value: &Value) -> Value {
    match schema.kind {
        Kind::Float32 | Kind::Float64 => value.as_str().unwrap().parse::<f64>().unwrap().into(),
        Kind::Map => value.as_array().unwrap().iter().map(|e| (e[0].as_str().unwrap().to_owned(), e[1].clone())).collect(),
        _ => value.clone(),
    }
}

/// Writes a root row; false: the value is null and there is none.
pub fn write(schema: Option<&Schema>, value: &Value, rows: &mut RowBuf) -> bool {
    match schema {
        _ if value.is_null() => return false,
        Some(s) if s.kind == Kind::Struct => drop(fields(s, value, rows)),
        Some(s) => {
            let row = rows.begin(1);
            slot(s, value, rows, row, 0);
        }
        None => {
            let row = rows.begin(1);
            rows.text(row, 0, &value.to_string());
        }
    }
    true
}

fn fields(schema: &Schema, value: &Value, rows: &mut RowBuf) -> RowMark {
    let row = rows.begin(schema.fields.len());
    for (i, f) in schema.fields.iter().enumerate() {
        slot(&f.schema, &value[&*f.name], rows, row, i);
    }
    row
}

fn list(schema: &Schema, values: &[&Value], rows: &mut RowBuf, row: RowMark, i: usize) {
    let nested = rows.begin(values.len());
    values.iter().enumerate().for_each(|(j, v)| slot(schema, v, rows, nested, j));
    rows.end_nested(row, i, nested);
}

fn slot(schema: &Schema, value: &Value, rows: &mut RowBuf, row: RowMark, i: usize) {
    if value.is_null() {
        return;
    }
    match schema.kind {
        Kind::Boolean => rows.bool(row, i, value.as_bool().unwrap()),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => rows.i64(row, i, value.as_i64().unwrap()),
        Kind::Float32 => rows.f64(row, i, f64::from(float(value) as f32)),
        Kind::Float64 => rows.f64(row, i, float(value)),
        Kind::Text => rows.text(row, i, value.as_str().unwrap()),
        Kind::Bytes => match schema.scale() {
            Some(scale) => rows.bytes(row, i, &decimal::from_text(value.as_str().unwrap(), scale).unwrap()),
            None => rows.bytes(row, i, &STANDARD.decode(value.as_str().unwrap()).unwrap()),
        },
        Kind::Any => rows.text(row, i, &value.to_string()),
        Kind::Struct => {
            let nested = fields(schema, value, rows);
            rows.end_nested(row, i, nested);
        }
        Kind::List => list(schema.element.as_ref().unwrap(), &value.as_array().unwrap().iter().collect::<Vec<_>>(), rows, row, i),
        Kind::Map => {
            let nested = rows.begin(2);
            let pairs = value.as_array().unwrap();
            for (part, of) in [(0, schema.key.as_ref().unwrap()), (1, schema.element.as_ref().unwrap())] {
                list(of, &pairs.iter().map(|p| &p[part]).collect::<Vec<_>>(), rows, nested, part);
            }
            rows.end_nested(row, i, nested);
        }
    }
}

/// Floats stand as Java's text of them.
fn float(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

/// The schema as the vectors have it.
pub fn schema_json(s: &Schema) -> Value {
    if s.kind == Kind::Any {
        return Value::Null;
    }
    let mut out = json!({"type": KINDS.iter().find(|(_, k)| *k == s.kind).unwrap().0});
    let mut put = |key: &str, value: Option<Value>| value.into_iter().for_each(|v| out[key] = v);
    put("optional", s.optional.then_some(true.into()));
    put("name", s.name.as_deref().map(Into::into));
    put("version", s.version.map(Into::into));
    put("doc", s.doc.as_deref().map(Into::into));
    let parameters = || s.parameters.iter().map(|(k, v)| (k.to_string(), Value::from(&**v))).collect();
    put("parameters", (!s.parameters.is_empty()).then(parameters));
    let default = s.default.as_ref().map(|d| match default_row(s) {
        Some(row) => slot_json(s, &Row::new(&row).unwrap(), 0),
        None => json!({"broken default": &**d}),
    });
    put("default", default);
    let fields = || s.fields.iter().map(|f| json!([&*f.name, schema_json(&f.schema)])).collect();
    put("fields", (s.kind == Kind::Struct).then(fields));
    put("keys", s.key.as_deref().map(schema_json));
    put("values", s.element.as_deref().map(schema_json));
    out
}

/// The value as the vectors have it.
pub fn value_json(schema: Option<&Schema>, row: Option<&Row<'_>>) -> Value {
    match (schema, row) {
        (_, None) => Value::Null,
        (None, Some(row)) => untyped(std::str::from_utf8(row.get_bytes(0)).unwrap()),
        (Some(s), Some(row)) if s.kind == Kind::Struct => fields_json(s, row),
        (Some(s), Some(row)) => slot_json(s, row, 0),
    }
}

fn fields_json(s: &Schema, row: &Row<'_>) -> Value {
    s.fields.iter().enumerate().map(|(i, f)| (f.name.to_string(), slot_json(&f.schema, row, i))).collect()
}

fn slot_json(s: &Schema, row: &Row<'_>, i: usize) -> Value {
    if row.is_null(i) {
        return Value::Null;
    }
    let text = |out: Vec<u8>| Value::from(String::from_utf8(out).unwrap());
    let items = |s: &Schema, list: &Row<'_>| (0..list.len()).map(|j| slot_json(s, list, j)).collect::<Vec<_>>();
    match s.kind {
        Kind::Boolean => row.bool(i).into(),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => row.i64(i).into(),
        Kind::Float32 => {
            let mut out = Vec::new();
            java_f32(row.f64(i) as f32, &mut out);
            text(out)
        }
        Kind::Float64 => {
            let mut out = Vec::new();
            java_f64(row.f64(i), &mut out);
            text(out)
        }
        Kind::Text => text(row.get_bytes(i).to_vec()),
        Kind::Bytes => match s.scale() {
            Some(scale) => decimal::to_text(row.get_bytes(i), scale).into(),
            None => STANDARD.encode(row.get_bytes(i)).into(),
        },
        Kind::Any => untyped(std::str::from_utf8(row.get_bytes(i)).unwrap()),
        Kind::Struct => fields_json(s, &row.row(i).unwrap()),
        Kind::List => items(s.element.as_deref().unwrap_or(&Schema::new(Kind::Any)), &row.row(i).unwrap()).into(),
        Kind::Map => {
            let map = row.row(i).unwrap();
            let any = Schema::new(Kind::Any);
            let keys = items(s.key.as_deref().unwrap_or(&any), &map.row(0).unwrap());
            let values = items(s.element.as_deref().unwrap_or(&any), &map.row(1).unwrap());
            let mut pairs: Vec<Value> = keys.into_iter().zip(values).map(|(k, v)| json!([k, v])).collect();
            pairs.sort_by_key(Value::to_string);
            pairs.into()
        }
    }
}

/// JSON text; what is nested too deep for its reader is told by its depth.
fn untyped(text: &str) -> Value {
    let depth = text.bytes().take_while(|b| *b == b'[').count();
    if depth > 50 {
        return json!({"depth": depth});
    }
    // A number that no double holds is JSON all the same.
    serde_json::from_str(text).unwrap_or_else(|_| json!({"text": text}))
}
