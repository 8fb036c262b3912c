//! Connect's schema as a JSON Schema.

use millrace_record::{Kind, Schema};
use serde_json::{Map, Value, json};

use super::options::{ENUM, GENERALIZED_ENUM, KEY, NAMESPACE, NULL_SYMBOL, Options, VALUE, is_object, is_union};
use super::plan::Node;

/// The text of a schema.
pub(super) fn text(schema: &Schema, options: &Options) -> String {
    described(schema, None, false, options).to_string()
}

/// `index`: the place of a field in its struct. `bare`: optional or not, as a member of a union.
fn described(schema: &Schema, index: Option<usize>, bare: bool, options: &Options) -> Value {
    let mut out = Map::new();
    if is_union(schema) {
        let null = schema.optional.then(|| json!({"type": "null"}));
        let members = schema.fields.iter().enumerate().map(|(i, f)| described(&f.schema, Some(i), true, options));
        out.insert("oneOf".into(), null.into_iter().chain(members).collect());
    } else {
        typed(schema, options, &mut out);
        annotated(schema, options, &mut out);
        if schema.optional && !bare && schema.kind != Kind::Any {
            out = Map::from_iter([("oneOf".to_owned(), json!([{"type": "null"}, out]))]);
        }
    }
    if let Some(index) = index {
        out.insert("connect.index".into(), index.into());
    }
    Value::Object(out)
}

/// What says the type.
fn typed(schema: &Schema, options: &Options, out: &mut Map<String, Value>) {
    let mut own = |name: &str, connect: Option<&str>| {
        out.insert("type".into(), name.into());
        if let Some(connect) = connect {
            out.insert("connect.type".into(), connect.into());
        }
    };
    match schema.kind {
        Kind::Int8 => own("integer", Some("int8")),
        Kind::Int16 => own("integer", Some("int16")),
        Kind::Int32 => own("integer", Some("int32")),
        Kind::Int64 => own("integer", Some("int64")),
        Kind::Float32 => own("number", Some("float32")),
        Kind::Float64 => own("number", Some("float64")),
        Kind::Boolean => own("boolean", None),
        Kind::Bytes if schema.scale().is_some() && options.numeric => own("number", Some("bytes")),
        Kind::Bytes => own("string", Some("bytes")),
        Kind::Text => match symbols(schema, options) {
            Some(symbols) => drop(out.insert("enum".into(), symbols)),
            None => own("string", None),
        },
        // Anything is one of its values.
        Kind::Any => {}
        Kind::List => {
            own("array", None);
            let items = schema.element.as_deref().map_or(json!({}), |e| described(e, None, false, options));
            out.insert("items".into(), items);
        }
        Kind::Map if is_object(schema.key.as_deref()) => {
            own("object", Some("map"));
            let values = schema.element.as_deref().map_or(json!({}), |e| described(e, None, false, options));
            out.insert("additionalProperties".into(), values);
        }
        Kind::Map => {
            own("array", Some("map"));
            let part = |of: &Option<std::sync::Arc<Schema>>, i| {
                of.as_deref().map_or(json!({}), |schema| described(schema, Some(i), false, options))
            };
            let properties = json!({KEY: part(&schema.key, 0), VALUE: part(&schema.element, 1)});
            out.insert("items".into(), json!({"type": "object", "properties": properties}));
        }
        Kind::Struct => {
            own("object", None);
            let properties = schema.fields.iter().enumerate();
            let properties = properties.map(|(i, f)| (f.name.to_string(), described(&f.schema, Some(i), false, options)));
            out.insert("properties".into(), Value::Object(properties.collect()));
            if !options.additional_properties {
                out.insert("additionalProperties".into(), false.into());
            }
        }
    }
}

/// The symbols of a text that is an enum.
fn symbols(schema: &Schema, options: &Options) -> Option<Value> {
    schema.parameter(ENUM).or_else(|| schema.parameter(GENERALIZED_ENUM))?;
    let of = |name: &str| {
        let prefix = format!("{name}.");
        let symbols = schema.parameters.iter().filter_map(|(key, _)| key.strip_prefix(&prefix));
        let symbols: Vec<Value> = symbols.map(|s| if s == NULL_SYMBOL { Value::Null } else { s.into() }).collect();
        (!symbols.is_empty()).then(|| Value::Array(symbols))
    };
    of(options.enum_parameter()).or_else(|| of(ENUM)).or_else(|| of(GENERALIZED_ENUM))
}

/// Name, version, documentation, parameters and default.
fn annotated(schema: &Schema, options: &Options, out: &mut Map<String, Value>) {
    if let Some(name) = &schema.name {
        out.insert("title".into(), (&**name).into());
    }
    if let Some(version) = schema.version {
        out.insert("connect.version".into(), version.into());
    }
    if let Some(doc) = &schema.doc {
        out.insert("description".into(), (&**doc).into());
    }
    let parameters = schema.parameters.iter().filter(|(key, _)| !key.starts_with(NAMESPACE));
    let parameters: Map<String, Value> = parameters.map(|(key, value)| (key.to_string(), (&**value).into())).collect();
    if !parameters.is_empty() {
        out.insert("connect.parameters".into(), Value::Object(parameters));
    }
    let default = Node::for_decoding(schema, options).rendered(schema);
    if let Some(default) = default.and_then(|text| serde_json::from_str(&text).ok()) {
        out.insert("default".into(), default);
    }
}
