//! A JSON Schema as Connect's.
//!
//! A schema may say one thing or several at once: a type, an enum, alternatives. What it says is taken apart first, and one of
//! its parts then decides, as Confluent's converter has it. Where that would drop what the data holds, the part becomes JSON as
//! it stands.

use std::sync::Arc;

use millrace_record::{Field, Kind, Schema, default_row};
use serde_json::Value;

use super::super::misfit::Misfit;
use super::options::{GENERALIZED_UNION, KEY, NULL_SYMBOL, ONE_OF, Options, UNION_PREFIX, VALUE};
use crate::json_schema::{JsonSchema, Node};

/// The schema of the values that `of` describes.
pub(super) fn schema(of: &JsonSchema, version: Option<i32>, options: &Options) -> Result<Schema, Misfit> {
    let mut walk = Walk { options, open: Vec::new(), unions: 0 };
    let mut schema = walk.node(of.root(), false)?;
    if schema.version.is_none() {
        schema.version = version;
    }
    Ok(schema)
}

struct Walk<'a> {
    options: &'a Options,
    /// The schemas that the walk is inside of, by their places.
    open: Vec<usize>,
    unions: usize,
}

/// What a schema says.
enum Part<'a> {
    /// `null`, `string`, `object`, ...
    Type(&'a str),
    /// The values of `enum`, or the one of `const`.
    Values(Vec<&'a Value>),
    /// `oneOf` and `anyOf`.
    Alternatives(Vec<Alternative<'a>>),
    AllOf(Vec<Node<'a>>),
}

/// One of several: a schema, or one of the types that one lists.
#[derive(Clone, Copy)]
enum Alternative<'a> {
    Schema(Node<'a>),
    Type(Node<'a>, &'a str),
}

impl Alternative<'_> {
    fn is_null(&self) -> bool {
        match self {
            Alternative::Schema(node) => node.resolved().text("type") == Some("null"),
            Alternative::Type(_, name) => *name == "null",
        }
    }
}

/// Keywords that only one type has, for schemas that do not say their type.
static TELLING: [(&str, &[&str]); 4] = [
    ("object", &["properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"]),
    ("array", &["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"]),
    ("string", &["minLength", "maxLength", "pattern", "format"]),
    ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
];

fn parts<'a>(node: Node<'a>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    match node.get("type") {
        Some(Value::String(name)) => parts.push(Part::Type(name)),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            parts.push(Part::Alternatives(names.map(|name| Alternative::Type(node, name)).collect()));
        }
        _ => {
            let told = TELLING.iter().find(|(_, keywords)| keywords.iter().any(|k| node.get(k).is_some()));
            parts.extend(told.map(|(name, _)| Part::Type(name)));
        }
    }
    if let Some(Value::Array(values)) = node.get("enum") {
        parts.push(Part::Values(values.iter().collect()));
    }
    if let Some(value) = node.get("const") {
        parts.push(Part::Values(vec![value]));
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(list) = node.list(keyword) {
            parts.push(Part::Alternatives(list.map(Alternative::Schema).collect()));
        }
    }
    if let Some(list) = node.list("allOf") {
        parts.push(Part::AllOf(list.collect()));
    }
    parts
}

impl Walk<'_> {
    fn alternative(&mut self, of: Alternative<'_>, optional: bool) -> Result<Schema, Misfit> {
        match of {
            Alternative::Schema(node) => self.node(node, optional),
            Alternative::Type(node, name) => self.named(node, name, optional),
        }
    }

    fn node(&mut self, node: Node<'_>, optional: bool) -> Result<Schema, Misfit> {
        let node = node.resolved();
        if self.open.contains(&node.address()) {
            // Where a schema stands within itself, which a schema here cannot, it is JSON as it stands.
            return Ok(Schema::new(Kind::Any).optional());
        }
        self.open.push(node.address());
        let schema = self.said(node, optional);
        self.open.pop();
        schema
    }

    fn said(&mut self, node: Node<'_>, optional: bool) -> Result<Schema, Misfit> {
        let mut parts = parts(node);
        match parts.as_slice() {
            [] => return self.finished(node, Schema::new(Kind::Any).optional(), optional),
            [Part::Type(name)] => return self.named(node, name, optional),
            [Part::Values(values)] => {
                let schema = self.values(values, None);
                return self.finished(node, schema, optional);
            }
            [Part::Alternatives(of)] => return self.union(node, of, optional),
            _ => {}
        }
        // Several at once: the value is all of them.
        let mut properties = Vec::new();
        collect(node, &mut properties, &mut Vec::new());
        if !properties.is_empty() {
            let schema = self.structure(&properties)?;
            return self.finished(node, schema, optional);
        }
        // What `allOf` lists is said too.
        if let Some(i) = parts.iter().position(|p| matches!(p, Part::AllOf(_)))
            && let Part::AllOf(list) = parts.remove(i)
        {
            if let ([], [one]) = (parts.as_slice(), list.as_slice()) {
                return self.node(*one, optional);
            }
            let single = |wanted: &dyn Fn(&[Part<'_>]) -> bool| list.iter().copied().find(|n| wanted(&self::parts(n.resolved())));
            let alternatives = |p: &[Part<'_>]| p.iter().any(|p| matches!(p, Part::Alternatives(_) | Part::AllOf(_)));
            let typed = |p: &[Part<'_>]| p.iter().any(|p| matches!(p, Part::Type(_)));
            let any = |p: &[Part<'_>]| !p.is_empty();
            for wanted in [&alternatives as &dyn Fn(&[Part<'_>]) -> bool, &typed, &any] {
                if parts.is_empty()
                    && let Some(one) = single(wanted)
                {
                    return self.node(one, optional);
                }
            }
        }
        if let Some(Part::Alternatives(of)) = parts.iter().find(|p| matches!(p, Part::Alternatives(_))) {
            // Of the types that a schema lists those are left that its values are of.
            if let Some(Part::Values(values)) = parts.iter().find(|p| matches!(p, Part::Values(_))) {
                let schema = self.values(values, None);
                return self.finished(node, schema, optional);
            }
            return self.union(node, of, optional);
        }
        let named = parts.iter().find_map(|p| if let Part::Type(name) = p { Some(*name) } else { None });
        match (named, parts.iter().find_map(|p| if let Part::Values(values) = p { Some(values) } else { None })) {
            (Some("string"), Some(values)) => {
                let constant = node.get("const").is_some();
                let schema = if constant { Schema::new(Kind::Text) } else { self.values(values, Some("string")) };
                self.finished(node, schema, optional)
            }
            (Some(name), _) => self.named(node, name, optional),
            (None, Some(values)) => {
                let schema = self.values(values, None);
                self.finished(node, schema, optional)
            }
            (None, None) => self.finished(node, Schema::new(Kind::Any).optional(), optional),
        }
    }

    /// A schema of one type.
    fn named(&mut self, node: Node<'_>, name: &str, optional: bool) -> Result<Schema, Misfit> {
        let connect = node.text("connect.type");
        let schema = match (name, connect) {
            ("boolean", _) => Schema::new(Kind::Boolean),
            ("integer" | "number", Some(connect)) => Schema::new(match connect {
                "int8" => Kind::Int8,
                "int16" => Kind::Int16,
                "int32" => Kind::Int32,
                "int64" => Kind::Int64,
                "float32" => Kind::Float32,
                "float64" => Kind::Float64,
                "bytes" => Kind::Bytes,
                other => return Err(Misfit::new(format!("Unsupported type {other}"))),
            }),
            ("integer", None) => Schema::new(Kind::Int64),
            ("number", None) => Schema::new(Kind::Float64),
            ("string", Some("bytes")) => Schema::new(Kind::Bytes),
            ("string", _) => Schema::new(Kind::Text),
            ("array", _) => self.list(node, connect)?,
            ("object", _) => self.object(node, connect)?,
            // Null and nothing else.
            _ => Schema::new(Kind::Any).optional(),
        };
        self.finished(node, schema, optional)
    }

    fn list(&mut self, node: Node<'_>, connect: Option<&str>) -> Result<Schema, Misfit> {
        let Some(items) = node.child("items") else {
            return Ok(Schema::list(Schema::new(Kind::Any).optional()));
        };
        let entry = items.resolved();
        let part = |name: &str| entry.members("properties").find(|(n, _)| *n == name).map(|(_, n)| n);
        if let (Some("map"), Some(key), Some(value)) = (connect, part(KEY), part(VALUE)) {
            return Ok(Schema::map(self.node(key, false)?, self.node(value, false)?));
        }
        Ok(Schema::list(self.node(items, false)?))
    }

    fn object(&mut self, node: Node<'_>, connect: Option<&str>) -> Result<Schema, Misfit> {
        let has_properties = node.get("properties").is_some();
        let values = node.child("additionalProperties").filter(|n| n.value().is_object());
        match (connect, values) {
            (Some("map"), None) => Ok(Schema::map(Schema::new(Kind::Text), Schema::new(Kind::Any).optional())),
            (Some("map"), Some(values)) => Ok(Schema::map(Schema::new(Kind::Text), self.node(values, false)?)),
            // Of objects whose members have no names nothing would be left in a struct.
            (_, Some(values)) if !has_properties => Ok(Schema::map(Schema::new(Kind::Text), self.node(values, false)?)),
            _ if !has_properties && node.value().get("additionalProperties") != Some(&Value::Bool(false)) => {
                Ok(Schema::new(Kind::Any).optional())
            }
            _ => {
                let required = |name: &str| requires(node, name);
                let properties: Vec<_> = node.members("properties").map(|(n, p)| (n, p, required(n))).collect();
                self.structure(&in_order(properties))
            }
        }
    }

    fn structure(&mut self, properties: &[(&str, Node<'_>, bool)]) -> Result<Schema, Misfit> {
        let mut schema = Schema::new(Kind::Struct);
        for (name, property, required) in properties {
            let optional = self.options.optional_nonrequired && !required;
            let field = self.node(*property, optional).map_err(|e| e.within(name))?;
            schema.fields.push(Field { name: (*name).into(), schema: Arc::new(field) });
        }
        Ok(schema)
    }

    fn union(&mut self, node: Node<'_>, of: &[Alternative<'_>], optional: bool) -> Result<Schema, Misfit> {
        let nullable = of.iter().any(Alternative::is_null);
        let others: Vec<_> = of.iter().copied().filter(|a| !a.is_null()).collect();
        match (others.as_slice(), nullable) {
            ([], _) => return self.finished(node, Schema::new(Kind::Any).optional(), optional),
            ([one], true) => return self.alternative(*one, true),
            ([one], false) if self.options.flatten_singletons => return self.alternative(*one, optional),
            _ => {}
        }
        let (name, field) = if self.options.generalized {
            self.unions += 1;
            (format!("{UNION_PREFIX}{}", self.unions - 1), format!("{UNION_PREFIX}field_"))
        } else {
            (ONE_OF.to_owned(), format!("{ONE_OF}.field."))
        };
        let mut union = Schema::new(Kind::Struct).named(&name);
        if self.options.generalized {
            union.parameters.push((GENERALIZED_UNION.into(), name.into()));
        }
        for (i, one) in others.into_iter().enumerate() {
            let schema = self.alternative(one, true)?;
            union.fields.push(Field { name: format!("{field}{i}").into(), schema: Arc::new(schema) });
        }
        union.optional = nullable;
        self.finished(node, union, optional)
    }

    /// An enum or a constant: text where its values are, else what they are.
    fn values(&self, values: &[&Value], named: Option<&str>) -> Schema {
        let all = |of: fn(&Value) -> bool| values.iter().filter(|v| !v.is_null()).all(|v| of(v));
        let nullable = values.iter().any(|v| v.is_null());
        let mut schema = match () {
            _ if named == Some("string") || all(Value::is_string) => {
                let parameter = self.options.enum_parameter();
                let mut schema = Schema::new(Kind::Text);
                schema.parameters.push((parameter.into(), "".into()));
                for (i, value) in values.iter().enumerate() {
                    let symbol = value.as_str().unwrap_or(NULL_SYMBOL);
                    let number = if self.options.generalized { i.to_string() } else { symbol.to_owned() };
                    schema.parameters.push((format!("{parameter}.{symbol}").into(), number.into()));
                }
                return schema;
            }
            _ if all(Value::is_boolean) => Schema::new(Kind::Boolean),
            _ if all(|v| v.is_i64()) => Schema::new(Kind::Int64),
            _ if all(Value::is_number) => Schema::new(Kind::Float64),
            _ => Schema::new(Kind::Any).optional(),
        };
        schema.optional |= nullable;
        schema
    }

    /// With name, version, documentation, parameters and default.
    fn finished(&self, node: Node<'_>, mut schema: Schema, optional: bool) -> Result<Schema, Misfit> {
        if schema.name.is_none() {
            schema.name = node.text("title").map(Into::into);
        }
        schema.version = node.get("connect.version").and_then(Value::as_i64).and_then(|v| i32::try_from(v).ok());
        schema.doc = node.text("description").map(Into::into);
        for (key, value) in node.get("connect.parameters").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            schema.parameters.retain(|(k, _)| **k != *key.as_str());
            schema.parameters.push((key.as_str().into(), value.into()));
        }
        schema.optional |= optional;
        if let Some(default) = node.get("default").filter(|d| !d.is_null()) {
            schema.default = Some(default.to_string().into());
            // One that is not of the type is none.
            if default_row(&schema).is_none() {
                schema.default = None;
            }
        }
        Ok(schema)
    }
}

fn requires(node: Node<'_>, name: &str) -> bool {
    let required = node.get("required").and_then(Value::as_array);
    required.is_some_and(|list| list.iter().any(|v| v.as_str() == Some(name)))
}

type Property<'a> = (&'a str, Node<'a>, bool);

/// By `connect.index`; those without one have their place in the text.
fn in_order(properties: Vec<Property<'_>>) -> Vec<Property<'_>> {
    let index = |node: &Node<'_>| node.get("connect.index").and_then(Value::as_i64);
    let mut placed: Vec<_> = properties.into_iter().enumerate().map(|(i, p)| (index(&p.1).unwrap_or(i as i64), p)).collect();
    placed.sort_by_key(|(i, _)| *i);
    placed.into_iter().map(|(_, p)| p).collect()
}

/// The properties of a schema and of all that its `allOf` lists; of two of one name the last counts.
fn collect<'a>(node: Node<'a>, found: &mut Vec<Property<'a>>, visited: &mut Vec<usize>) {
    let node = node.resolved();
    if visited.contains(&node.address()) {
        return;
    }
    visited.push(node.address());
    let own = node.members("properties").map(|(name, property)| (name, property, requires(node, name))).collect();
    for property in in_order(own) {
        match found.iter_mut().find(|p| p.0 == property.0) {
            Some(before) => *before = property,
            None => found.push(property),
        }
    }
    for part in node.list("allOf").into_iter().flatten() {
        collect(part, found, visited);
    }
}
