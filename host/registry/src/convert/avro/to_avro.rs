//! From Connect's schema to Avro's, as Confluent's `AvroData` writes it.

use std::collections::{HashMap, HashSet};

use millrace_record::{Field, Kind, Schema, default_row, row::Row};
use serde_json::{Map, Value, json};

use super::names::*;
use super::options::Options;
use super::value;

/// The schema of schemaless values: one member of many is set.
pub(super) fn anything() -> Value {
    let optional = |name: &str, of: Value| json!({ "name": name, "type": ["null", of], "default": null });
    let entry = json!({ "type": "record", "name": MAP_ENTRY, "namespace": NAMESPACE, "fields": [
        { "name": "key", "type": "Anything" }, { "name": "value", "type": "Anything" },
    ] });
    json!({ "type": "record", "name": "Anything", "namespace": NAMESPACE, "fields": [
        optional("boolean", json!("boolean")),
        optional("bytes", json!("bytes")),
        optional("double", json!("double")),
        optional("float", json!("float")),
        optional("int", json!("int")),
        optional("long", json!("long")),
        optional("string", json!("string")),
        optional("array", json!({ "type": "array", "items": "Anything" })),
        optional("map", json!({ "type": "array", "items": entry })),
    ] })
}

/// The text of the schema as JSON; Java's order of attributes is for who prints it.
pub(super) fn to_avro(schema: &Schema, options: &Options) -> Result<Value, String> {
    let mut out = Out {
        options,
        unnamed: 0,
        by_name: HashMap::new(),
        structs: HashMap::new(),
        defined: HashMap::new(),
        seen: HashSet::new(),
        entries: 0,
    };
    out.node(schema, false)
}

struct Out<'o> {
    options: &'o Options,
    /// How many structs without a name there were.
    unnamed: usize,
    /// Structs by Connect's name: where they are nested, one stands for all.
    by_name: HashMap<String, String>,
    /// Structs met before, by all that they are.
    structs: HashMap<Schema, String>,
    /// Named types by their full name, as they were defined.
    defined: HashMap<String, Value>,
    /// Names of the schemas of fields.
    seen: HashSet<String>,
    entries: usize,
}

impl Out<'_> {
    /// `required`: what is optional is written as if it were not, as a branch of a union is.
    fn node(&mut self, schema: &Schema, required: bool) -> Result<Value, String> {
        if schema.kind == Kind::Struct {
            return self.structure(schema);
        }
        let mut node = Map::new();
        let mut full = None;
        match schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 => set(&mut node, "type", "int"),
            Kind::Int64 => set(&mut node, "type", "long"),
            Kind::Float32 => set(&mut node, "type", "float"),
            Kind::Float64 => set(&mut node, "type", "double"),
            Kind::Boolean => set(&mut node, "type", "boolean"),
            Kind::Any => set(&mut node, "type", "string"),
            Kind::Text => match enum_name(schema, self.options) {
                Some(name) => {
                    full = Some(name.to_owned());
                    self.enumeration(schema, name, &mut node);
                }
                None => set(&mut node, "type", "string"),
            },
            Kind::Bytes => {
                if is_fixed(schema) {
                    let size = schema.parameter(FIXED_SIZE).and_then(|s| s.parse::<u32>().ok());
                    let size = size.ok_or_else(|| format!("the parameter {FIXED_SIZE} is not a number"))?;
                    full = Some(self.name(schema));
                    set(&mut node, "type", "fixed");
                    set(&mut node, "name", full.clone().expect("just set"));
                    set(&mut node, "size", size);
                } else {
                    set(&mut node, "type", "bytes");
                }
                if schema.name.as_deref() == Some(DECIMAL) {
                    set(&mut node, "scale", number(schema, "scale", None)?);
                    set(&mut node, "precision", number(schema, PRECISION, Some(DEFAULT_PRECISION))?);
                }
            }
            Kind::List => {
                let element = schema.element.as_deref().ok_or("a list without a schema of its elements")?;
                set(&mut node, "type", "array");
                let items = self.nested(element, false)?;
                set(&mut node, "items", items);
            }
            Kind::Map => self.map(schema, &mut node)?,
            Kind::Struct => {}
        }
        self.metadata(schema, &mut node)?;
        let node = match full {
            Some(full) => self.define(full, Value::Object(node))?,
            None => Value::Object(node),
        };
        Ok(if required { node } else { optional(schema, node) })
    }

    /// A schema inside another: a struct whose name was met stands there by its name.
    fn nested(&mut self, schema: &Schema, required: bool) -> Result<Value, String> {
        let known = schema.name.as_deref().and_then(|name| self.by_name.get(name)).cloned();
        match known.filter(|_| !is_union(schema)) {
            Some(full) if required => Ok(full.into()),
            Some(full) => Ok(optional(schema, full.into())),
            None => self.node(schema, required),
        }
    }

    fn structure(&mut self, schema: &Schema) -> Result<Value, String> {
        if is_union(schema) {
            let mut branches = Vec::new();
            if schema.optional {
                branches.push(json!("null"));
            }
            for field in &schema.fields {
                branches.push(self.nested(&required(&field.schema), true)?);
            }
            return Ok(Value::Array(branches));
        }
        if schema.optional {
            let inner = self.nested(&required(schema), false)?;
            return Ok(json!(["null", inner]));
        }
        if let Some(known) = self.structs.get(schema) {
            return Ok(known.as_str().into());
        }
        let full = self.name(schema);
        let mut node = Map::new();
        set(&mut node, "type", "record");
        set(&mut node, "name", full.clone());
        if let Some(doc) = schema.parameter(RECORD_DOC) {
            set(&mut node, "doc", doc);
        }
        if let Some(name) = &schema.name {
            self.by_name.insert(name.to_string(), full.clone());
        }
        let mut fields = Vec::with_capacity(schema.fields.len());
        for Field { name, schema: of } in &schema.fields {
            let doc = schema.parameter(&format!("{FIELD_DOC}{name}"));
            fields.push(self.field(scrub(name, self.options), of, doc)?);
        }
        set(&mut node, "fields", fields);
        self.metadata(schema, &mut node)?;
        let defined = self.define(full.clone(), Value::Object(node))?;
        self.structs.insert(schema.clone(), full);
        Ok(defined)
    }

    fn field(&mut self, name: String, schema: &Schema, doc: Option<&str>) -> Result<Value, String> {
        let mut field = Map::new();
        set(&mut field, "name", name);
        let of = schema.name.as_deref().map(|n| scrub_full(n, self.options));
        let met = of.is_some_and(|n| !self.seen.insert(n));
        let written = self.node(schema, false)?;
        let names_one = |v: &Value| v.get("name").is_some() || v.as_str().is_some_and(|s| self.defined.contains_key(s));
        let named = names_one(&written) || written.as_array().is_some_and(|branches| branches.iter().any(names_one));
        set(&mut field, "type", written);
        if let Some(doc) = doc {
            set(&mut field, "doc", doc);
        }
        match default_of(schema, self.options) {
            Some(default) => set(&mut field, "default", default),
            None if schema.optional => set(&mut field, "default", Value::Null),
            None => {}
        }
        if self.options.meta_data && met && named {
            let parameters = parameters(schema);
            if !parameters.is_empty() {
                set(&mut field, "connect.parameters", parameters);
            }
        }
        Ok(Value::Object(field))
    }

    fn enumeration(&mut self, schema: &Schema, full: &str, node: &mut Map<String, Value>) {
        let of = if self.options.generalized { ANY_ENUM } else { ENUM };
        let symbol = |key: &str| key.strip_prefix(of)?.strip_prefix('.').map(str::to_owned);
        let symbols: Vec<String> = schema.parameters.iter().filter_map(|(k, _)| symbol(k)).collect();
        // Documentation and default stand under the simple name of the schema.
        let simple = schema.name.as_deref().map_or(DEFAULT_NAME, |n| n.rsplit('.').next().unwrap_or(n));
        set(node, "type", "enum");
        set(node, "name", full);
        if let Some(doc) = schema.parameter(&format!("{ENUM_DOC}{simple}")) {
            set(node, "doc", doc);
        }
        set(node, "symbols", symbols);
        if let Some(default) = schema.parameter(&format!("{ENUM_DEFAULT}{simple}")) {
            set(node, "default", default);
        }
    }

    fn map(&mut self, schema: &Schema, node: &mut Map<String, Value>) -> Result<(), String> {
        let (Some(key), Some(element)) = (schema.key.as_deref(), schema.element.as_deref()) else {
            return Err("a map without the schemas of its keys and values".into());
        };
        if is_avro_map(schema, self.options) {
            set(node, "type", "map");
            let values = self.nested(element, false)?;
            set(node, "values", values);
            return Ok(());
        }
        let mut entry = Map::new();
        set(&mut entry, "type", "record");
        let mut full = match &schema.name {
            Some(_) => self.name(schema),
            None => format!("{NAMESPACE}.{MAP_ENTRY}"),
        };
        let fields = vec![self.field("key".into(), key, None)?, self.field("value".into(), element, None)?];
        let define = |full: &str, marked: bool| {
            let mut entry = entry.clone();
            set(&mut entry, "name", full);
            set(&mut entry, "fields", fields.clone());
            if marked {
                set(&mut entry, "connect.internal.type", MAP_ENTRY);
            }
            Value::Object(entry)
        };
        let mut definition = define(&full, schema.name.is_some());
        // Entries of other types cannot have the same name.
        while self.defined.get(&full).is_some_and(|d| *d != definition) {
            self.entries += 1;
            full = format!("{NAMESPACE}.{MAP_ENTRY}{}", self.entries + 1);
            definition = define(&full, true);
        }
        set(node, "type", "array");
        let items = self.define(full, definition)?;
        set(node, "items", items);
        Ok(())
    }

    /// A named type: in full where it is met first, by its name after.
    fn define(&mut self, full: String, definition: Value) -> Result<Value, String> {
        match self.defined.get(&full) {
            Some(known) if *known == definition => Ok(full.into()),
            Some(_) => Err(format!("Can't redefine: {full}")),
            None => {
                self.defined.insert(full, definition.clone());
                Ok(definition)
            }
        }
    }

    /// The full name of a struct or fixed.
    fn name(&mut self, schema: &Schema) -> String {
        match &schema.name {
            Some(name) => scrub_full(name, self.options),
            None => {
                self.unnamed += 1;
                let number = if self.unnamed > 1 { self.unnamed.to_string() } else { String::new() };
                format!("{NAMESPACE}.{DEFAULT_NAME}{number}")
            }
        }
    }

    /// What Avro has no place for, and the logical type.
    fn metadata(&self, schema: &Schema, node: &mut Map<String, Value>) -> Result<(), String> {
        let name = schema.name.as_deref().or((schema.kind == Kind::Any).then_some(JSON));
        if self.options.meta_data {
            if let Some(doc) = &schema.doc {
                set(node, "connect.doc", &**doc);
            }
            if let Some(version) = schema.version.or((schema.kind == Kind::Any).then_some(1)) {
                set(node, "connect.version", version);
            }
            let parameters = parameters(schema);
            if !parameters.is_empty() {
                set(node, "connect.parameters", parameters);
            }
            if let Some(default) = default_of(schema, self.options).filter(|_| schema.parameter(FIELD_DEFAULT).is_none()) {
                set(node, "connect.default", default);
            }
            if let Some(name) = name {
                set(node, "connect.name", name);
            }
            match schema.kind {
                Kind::Int8 => set(node, "connect.type", "int8"),
                Kind::Int16 => set(node, "connect.type", "int16"),
                _ => {}
            }
        }
        let logical = match (name, schema.kind) {
            (Some(DECIMAL), Kind::Bytes) => Some("decimal"),
            (Some(TIME), Kind::Int32) => Some("time-millis"),
            (Some(TIMESTAMP), Kind::Int64) => Some("timestamp-millis"),
            (Some(DATE), Kind::Int32) => Some("date"),
            _ => None,
        };
        if let Some(logical) = logical {
            set(node, "logicalType", logical);
        }
        for (key, value) in schema.parameters.iter().filter(|(k, _)| k.starts_with("avro")) {
            set(node, key, &**value);
        }
        Ok(())
    }
}

fn set(node: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    node.insert(key.to_owned(), value.into());
}

fn parameters(schema: &Schema) -> Map<String, Value> {
    let own = schema.parameters.iter().filter(|(k, _)| &**k != FIELD_DEFAULT);
    own.map(|(k, v)| (k.to_string(), Value::from(&**v))).collect()
}

fn number(schema: &Schema, key: &str, default: Option<i64>) -> Result<i64, String> {
    match (schema.parameter(key), default) {
        (Some(text), _) => text.parse().map_err(|_| format!("the parameter {key} of a decimal is \"{text}\", not a number")),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(format!("a decimal without the parameter {key}")),
    }
}

/// The same schema, not optional.
fn required(schema: &Schema) -> Schema {
    Schema { optional: false, ..schema.clone() }
}

/// Null stands first, unless there is a default: a default is of the first branch.
fn optional(schema: &Schema, node: Value) -> Value {
    match (schema.optional, schema.default.is_some()) {
        (false, _) => node,
        (true, true) => json!([node, "null"]),
        (true, false) => json!(["null", node]),
    }
}

/// The default in Avro's JSON; none where there is none, or it does not fit.
pub(super) fn default_of(schema: &Schema, options: &Options) -> Option<Value> {
    schema.default.as_ref()?;
    let bytes = default_row(schema)?;
    let row = Row::new(&bytes)?;
    Some(value::to_json(schema, &row, 0, options))
}
