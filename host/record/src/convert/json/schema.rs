//! Schemas as `JsonConverter` writes and reads them.

use std::sync::Arc;

use millrace_row::RowBuf;
use serde_json::Value;

use super::Form;
use super::plan::Node;
use crate::convert::Fault;
use crate::json::{Scanner, quoted};
use crate::{Field, Kind, Schema};

/// The semantic name under which a schemaless value inside a struct goes where every field must have a type.
const JSON_NAME: &str = "io.debezium.data.Json";

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::Text | Kind::Any => "string",
        Kind::Bytes => "bytes",
        Kind::List => "array",
        Kind::Map => "map",
        Kind::Struct => "struct",
    }
}

/// Appends a schema, its members in Connect's order. `node` is the schema's plan: it has the defaults as JSON.
pub(super) fn write(schema: &Schema, node: &Node, field: Option<&str>, out: &mut Vec<u8>) {
    let text = |key: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        quoted(value.as_bytes(), out);
    };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(type_name(schema.kind).as_bytes());
    out.push(b'"');
    match (schema.kind, &schema.key, &schema.element) {
        (Kind::Struct, ..) => {
            out.extend_from_slice(b",\"fields\":[");
            for (i, (f, n)) in schema.fields.iter().zip(&node.fields).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(&f.schema, &n.node, Some(&f.name), out);
            }
            out.push(b']');
        }
        (Kind::List, _, Some(element)) => {
            out.extend_from_slice(b",\"items\":");
            write(element, node.element(), None, out);
        }
        (Kind::Map, Some(key), Some(element)) => {
            out.extend_from_slice(b",\"keys\":");
            write(key, node.key(), None, out);
            out.extend_from_slice(b",\"values\":");
            write(element, node.element(), None, out);
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    if let Some(name) = schema.name.as_deref().or((schema.kind == Kind::Any).then_some(JSON_NAME)) {
        text("name", name, out);
    }
    if let Some(version) = schema.version.or((schema.kind == Kind::Any).then_some(1)) {
        out.extend_from_slice(b",\"version\":");
        out.extend_from_slice(version.to_string().as_bytes());
    }
    if let Some(doc) = &schema.doc {
        text("doc", doc, out);
    }
    if !schema.parameters.is_empty() {
        out.extend_from_slice(b",\"parameters\":{");
        for (i, (key, value)) in schema.parameters.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            quoted(key.as_bytes(), out);
            out.push(b':');
            quoted(value.as_bytes(), out);
        }
        out.push(b'}');
    }
    if let Some(default) = &node.default {
        out.extend_from_slice(b",\"default\":");
        out.extend_from_slice(default.as_bytes());
    }
    if let Some(field) = field {
        text("field", field, out);
    }
    out.push(b'}');
}

fn fail<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(message))
}

/// Reads a schema; none for JSON null.
pub(super) fn read(json: &Value) -> Result<Option<Schema>, Fault> {
    if json.is_null() {
        return Ok(None);
    }
    let Some(kind) = json.get("type").and_then(Value::as_str) else {
        return fail("Schema must contain 'type' field");
    };
    let mut schema = Schema::new(match kind {
        "boolean" => Kind::Boolean,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "string" => Kind::Text,
        "bytes" => Kind::Bytes,
        "array" => Kind::List,
        "map" => Kind::Map,
        "struct" => Kind::Struct,
        other => return fail(format!("Unknown schema type: {other}")),
    });
    let inner = |key: &str, missing: &str| match json.get(key) {
        Some(of) => Ok(read(of)?.map(Arc::new)),
        None => fail(missing),
    };
    match schema.kind {
        Kind::List => {
            const MISSING: &str = "Array schema did not specify the element type";
            schema.element = Some(inner("items", MISSING)?.ok_or_else(|| Fault::new(MISSING))?);
        }
        Kind::Map => {
            let key = inner("keys", "Map schema did not specify the key type")?;
            let value = inner("values", "Map schema did not specify the value type")?;
            schema.key = Some(key.ok_or_else(|| Fault::schema("keySchema cannot be null."))?);
            schema.element = Some(value.ok_or_else(|| Fault::schema("valueSchema cannot be null."))?);
        }
        Kind::Struct => fields(&mut schema, json)?,
        _ => {}
    }
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(Into::into);
    schema.optional = json.get("optional").and_then(Value::as_bool).unwrap_or(false);
    schema.name = text("name");
    // Connect takes the lower bits of a greater number.
    schema.version = json.get("version").and_then(Value::as_i64).map(|v| v as i32);
    schema.doc = text("doc");
    if let Some(parameters) = json.get("parameters").and_then(Value::as_object) {
        for (key, value) in parameters {
            let Some(value) = value.as_str() else { return fail("Schema parameters must have string values.") };
            schema.parameters.push((key.as_str().into(), value.into()));
        }
    }
    if let Some(default) = json.get("default") {
        schema.default = checked_default(&schema, default)?;
    }
    Ok(Some(schema))
}

fn fields(schema: &mut Schema, json: &Value) -> Result<(), Fault> {
    let Some(fields) = json.get("fields").and_then(Value::as_array) else {
        return fail("Struct schema's \"fields\" argument is not an array.");
    };
    for field in fields {
        const UNNAMED: &str = "Struct schema's field name not specified properly";
        let Some(name) = field.get("field").and_then(Value::as_str) else { return fail(UNNAMED) };
        let Some(of) = read(field)? else { return fail(UNNAMED) };
        if name.is_empty() {
            return Err(Fault::schema("fieldName cannot be null."));
        }
        if schema.index(name).is_some() {
            return Err(Fault::schema(format!("Cannot create field because of field name duplication {name}")));
        }
        schema.fields.push(Field { name: name.into(), schema: of.into() });
    }
    Ok(())
}

/// A default that is of its schema's type; none for a null that is allowed.
fn checked_default(schema: &Schema, default: &Value) -> Result<Option<Arc<str>>, Fault> {
    const FORM: Form = Form { schemas: true, numeric: false, replace_null: true };
    let text = default.to_string();
    let mut rows = RowBuf::new();
    let row = rows.begin(1);
    let read = super::decode::value(&Node::compile(schema, FORM), FORM, &mut Scanner::new(&text), &mut rows, row, 0);
    match read {
        Ok(()) => Ok((!default.is_null()).then(|| text.into())),
        // Connect takes no text for null here.
        Err(_) if schema.kind == Kind::Text && schema.optional => Ok(None),
        Err(fault) if schema.kind == Kind::Text && !default.is_null() => {
            Err(Fault::schema("Invalid default value").because(fault.message()))
        }
        Err(fault) => Err(fault),
    }
}
