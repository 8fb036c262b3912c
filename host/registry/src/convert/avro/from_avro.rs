//! From Avro's schema to Connect's, as Confluent's `AvroData` reads it.
//!
//! One thing differs: Connect's schemas may be cycles, ours are trees. Where an Avro record stands within itself it is read as
//! schemaless JSON.

use std::sync::Arc;

use millrace_record::{Field, Kind, Schema, default_row};
use serde_json::Value;

use super::names::*;
use super::options::Options;
use super::value;
use crate::avro::{self, AvroSchema, NodeId};

/// `version`: of the schema in its subject; one that the schema names itself goes before.
pub(super) fn to_connect(avro: &AvroSchema, version: Option<i32>, options: &Options) -> Result<Schema, String> {
    let mut of = From { avro, options, open: Vec::new(), unions: 0 };
    of.node(avro.root(), false, None, version)
}

struct From<'a> {
    avro: &'a AvroSchema,
    options: &'a Options,
    /// The records that are being read.
    open: Vec<NodeId>,
    unions: usize,
}

/// The text of a property.
fn prop<'n>(node: &'n avro::Node, key: &str) -> Option<&'n str> {
    node.props.get(key).and_then(Value::as_str)
}

impl From<'_> {
    fn node(&mut self, id: NodeId, optional: bool, default: Option<&Value>, version: Option<i32>) -> Result<Schema, String> {
        let avro = self.avro;
        let node = avro.node(id);
        if let avro::Kind::Union(branches) = &node.kind {
            let others: Vec<_> = branches.iter().filter(|b| *avro.kind(**b) != avro::Kind::Null).collect();
            match (branches.len(), &others[..]) {
                (1, [one]) if self.options.flatten_singletons => return self.node(**one, false, None, None),
                (2, [one]) => return self.node(**one, true, None, None),
                _ => {}
            }
        }
        if self.open.contains(&id) {
            return Ok(Schema { optional, ..Schema::new(Kind::Any) });
        }
        let mut schema = self.bare(id, node)?;
        let meta = self.options.meta_data;
        if let Some(doc) = prop(node, "connect.doc").filter(|_| meta) {
            schema.doc = Some(doc.into());
        }
        let own = match node.props.get("connect.version") {
            None => version,
            Some(v) => Some(v.as_i64().map(|v| v as i32).ok_or_else(|| format!("Invalid Connect version found: {v}"))?),
        };
        match (schema.version, own) {
            (None, Some(own)) => schema.version = Some(own),
            (Some(of), Some(own)) if of != own && node.props.contains_key("connect.version") => {
                return Err(format!(
                    "Mismatched versions: version already added to SchemaBuilder ({of}) differs from version in source schema ({own})"
                ));
            }
            _ => {}
        }
        if let Some(parameters) = node.props.get("connect.parameters").filter(|_| meta) {
            let Some(all) = parameters.as_object() else {
                return Err(format!("Expected JSON object for schema parameters but found: {parameters}"));
            };
            for (key, value) in all {
                let text =
                    value.as_str().ok_or_else(|| format!("Expected schema parameter values to be strings but found: {value}"))?;
                put(&mut schema, key, text);
            }
        }
        for (key, value) in node.props.iter().filter(|(k, _)| k.starts_with("avro")) {
            put(&mut schema, key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let connect_default = node.props.get("connect.default");
        if default.is_some() && connect_default.is_none() && meta {
            put(&mut schema, FIELD_DEFAULT, "true");
        }
        self.named(node, &mut schema)?;
        if optional {
            schema.optional = true;
        }
        if let Some(default) = default.or(connect_default).filter(|d| !d.is_null()) {
            let text = value::from_json(&schema, avro, id, default, self.options).map(|v| v.to_string());
            schema.default = text.map(Arc::from);
            // A default that does not fit is none.
            if schema.default.is_some() && default_row(&schema).is_none() {
                schema.default = None;
            }
        }
        Ok(schema)
    }

    fn bare(&mut self, id: NodeId, node: &avro::Node) -> Result<Schema, String> {
        let logical = prop(node, "logicalType").unwrap_or_default().to_ascii_lowercase();
        Ok(match &node.kind {
            avro::Kind::Boolean => Schema::new(Kind::Boolean),
            avro::Kind::Float => Schema::new(Kind::Float32),
            avro::Kind::Double => Schema::new(Kind::Float64),
            avro::Kind::String => Schema::new(Kind::Text),
            avro::Kind::Bytes | avro::Kind::Fixed(_) => {
                let mut schema = Schema::new(Kind::Bytes);
                if logical == "decimal" {
                    schema = logical_type(Kind::Bytes, DECIMAL);
                    let scale = node.props.get("scale").and_then(Value::as_i64).unwrap_or(0);
                    put(&mut schema, "scale", &scale.to_string());
                    if let Some(precision) = node.props.get("precision") {
                        let precision = precision.as_i64().ok_or("precision property must be a JSON Integer")?;
                        if precision != DEFAULT_PRECISION {
                            put(&mut schema, PRECISION, &precision.to_string());
                        }
                    }
                }
                if let avro::Kind::Fixed(fixed) = &node.kind {
                    put(&mut schema, FIXED_SIZE, &fixed.size.to_string());
                }
                schema
            }
            avro::Kind::Int => match (&*logical, prop(node, "connect.type")) {
                ("date", _) => logical_type(Kind::Int32, DATE),
                ("time-millis", _) => logical_type(Kind::Int32, TIME),
                ("", Some("int8")) => Schema::new(Kind::Int8),
                ("", Some("int16")) => Schema::new(Kind::Int16),
                ("", Some(_)) => return Err("Connect type annotation for Avro int field is null".into()),
                _ => Schema::new(Kind::Int32),
            },
            avro::Kind::Long if logical == "timestamp-millis" => logical_type(Kind::Int64, TIMESTAMP),
            avro::Kind::Long => Schema::new(Kind::Int64),
            avro::Kind::Array(items) => match self.avro.node(*items) {
                entry if is_entry(entry) => {
                    let avro::Kind::Record(record) = &entry.kind else { return Err("an entry that is no record".into()) };
                    let (Some((_, key)), Some((_, value)), 2) = (record.field("key"), record.field("value"), record.fields.len())
                    else {
                        return Err("Found map encoded as array of key-value pairs, but array elements do not match the \
                                    expected format."
                            .into());
                    };
                    Schema::map(self.node(key.schema, false, None, None)?, self.node(value.schema, false, None, None)?)
                }
                _ => Schema::list(self.node(*items, false, None, None)?),
            },
            avro::Kind::Map(values) => Schema::map(Schema::new(Kind::Text), self.node(*values, false, None, None)?),
            avro::Kind::Record(record) => {
                self.open.push(id);
                let made = self.record(record);
                self.open.pop();
                made?
            }
            avro::Kind::Enum(of) => self.enumeration(of),
            avro::Kind::Union(branches) => self.union(branches)?,
            avro::Kind::Null => return Err("Standalone null schemas are not supported by this converter".into()),
        })
    }

    fn record(&mut self, record: &avro::Record) -> Result<Schema, String> {
        let meta = self.options.meta_data;
        let mut schema = Schema::new(Kind::Struct);
        if let Some(doc) = record.doc.as_ref().filter(|_| meta) {
            put(&mut schema, RECORD_DOC, doc);
        }
        for field in &record.fields {
            if let Some(doc) = field.doc.as_ref().filter(|_| meta) {
                put(&mut schema, &format!("{FIELD_DOC}{}", field.name), doc);
            }
            let mut of = self.node(field.schema, false, field.default.as_ref(), None)?;
            if let Some(own) = field.props.get("connect.parameters").and_then(Value::as_object).filter(|_| meta) {
                for (key, value) in own {
                    put(&mut of, key, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                }
            }
            schema.fields.push(Field { name: field.name.as_str().into(), schema: Arc::new(of) });
        }
        Ok(schema)
    }

    fn enumeration(&self, of: &avro::Enum) -> Schema {
        let mut schema = Schema::new(Kind::Text);
        let simple = of.name.simple();
        if self.options.meta_data {
            if let Some(doc) = &of.doc {
                put(&mut schema, &format!("{ENUM_DOC}{simple}"), doc);
            }
            if let Some(default) = &of.default {
                put(&mut schema, &format!("{ENUM_DEFAULT}{simple}"), default);
            }
        }
        let key = if self.options.generalized { ANY_ENUM } else { ENUM };
        put(&mut schema, key, of.name.full());
        for (i, symbol) in of.symbols.iter().enumerate() {
            let value = if self.options.generalized { i.to_string() } else { symbol.clone() };
            put(&mut schema, &format!("{key}.{symbol}"), &value);
        }
        schema
    }

    fn union(&mut self, branches: &[NodeId]) -> Result<Schema, String> {
        let mut schema = Schema::new(Kind::Struct);
        schema.name = Some(UNION.into());
        if self.options.generalized {
            let name = format!("{ANY_UNION_NAME}{}", self.unions);
            self.unions += 1;
            put(&mut schema, ANY_UNION, &name);
            schema.name = Some(name.into());
        }
        for (i, branch) in branches.iter().enumerate() {
            let kind = self.avro.kind(*branch);
            if *kind == avro::Kind::Null {
                schema.optional = true;
                continue;
            }
            let name = union_field(kind, i, self.options);
            if schema.index(&name).is_some() {
                return Err("Multiple union schemas map to the Connect union field name".into());
            }
            let of = self.node(*branch, true, None, None)?;
            schema.fields.push(Field { name: name.into(), schema: Arc::new(of) });
        }
        Ok(schema)
    }

    /// The name: Connect's own, else that of the named type.
    fn named(&self, node: &avro::Node, schema: &mut Schema) -> Result<(), String> {
        let name = match (node.props.get("connect.name"), &node.kind) {
            (Some(Value::String(name)), _) => name.clone(),
            (Some(other), _) => return Err(format!("Invalid schema name: {other}")),
            (None, avro::Kind::Record(_) | avro::Kind::Enum(_)) => node.kind.branch_name().to_owned(),
            (None, avro::Kind::Fixed(f)) if schema.name.as_deref() != Some(DECIMAL) => f.name.full().to_owned(),
            _ => return Ok(()),
        };
        if name.strip_prefix(NAMESPACE).is_some_and(|n| n.starts_with(&format!(".{DEFAULT_NAME}"))) {
            return Ok(());
        }
        match &schema.name {
            Some(own) if **own != *name => Err(format!(
                "Mismatched names: name already added to SchemaBuilder ({own}) differs from name in source schema ({name})"
            )),
            _ => {
                schema.name = Some(name.into());
                Ok(())
            }
        }
    }
}

/// As Connect's builders of logical types make them.
fn logical_type(kind: Kind, name: &str) -> Schema {
    Schema { version: Some(1), ..Schema::new(kind).named(name) }
}

/// Sets a parameter; one of this key keeps its place.
fn put(schema: &mut Schema, key: &str, value: &str) {
    match schema.parameters.iter_mut().find(|(k, _)| &**k == key) {
        Some((_, old)) => *old = value.into(),
        None => schema.parameters.push((key.into(), value.into())),
    }
}
