//! The normalized text, as Confluent's registry makes it: written in one order of attributes, read again, and printed as Java
//! Avro prints a schema.
//!
//! One thing differs on purpose. A default that is of another branch than the first of its union is lost there; here it stays,
//! since a schema that loses a default is another schema.

use std::collections::HashSet;

use serde_json::Value;

use super::AvroSchema;
use super::json::{Text, java_order};
use super::model::{Field, Kind, Logical, Name, Node, NodeId, Props};

pub(super) fn normalized(schema: &AvroSchema) -> String {
    let mut writer = Writer { schema, known: schema.0.referenced.iter().map(|n| &**n).collect(), out: Text::default() };
    writer.node(schema.root());
    let text = writer.out.finish();
    // What was written is a schema, for it was one before: the fallback is never taken.
    AvroSchema::parse(&text, &schema.0.dependencies).map_or_else(|_| schema.canonical(), |read| read.canonical())
}

struct Writer<'a> {
    schema: &'a AvroSchema,
    known: HashSet<&'a str>,
    out: Text,
}

impl Writer<'_> {
    fn node(&mut self, id: NodeId) {
        let node = self.schema.node(id);
        if let Some(name) = node.kind.name() {
            if !self.known.insert(name.full()) {
                return self.out.string(name.full());
            }
            self.out.raw("{");
            self.out.string_member("name", name.full());
            self.out.string_member("type", node.kind.word());
        }
        match &node.kind {
            Kind::Union(branches) => {
                self.out.raw("[");
                for (i, branch) in branches.iter().enumerate() {
                    if i > 0 {
                        self.out.raw(",");
                    }
                    self.node(*branch);
                }
                return self.out.raw("]");
            }
            Kind::Array(of) | Kind::Map(of) => {
                self.out.raw("{");
                self.out.string_member("type", node.kind.word());
                self.out.member(if matches!(node.kind, Kind::Array(_)) { "items" } else { "values" });
                self.node(*of);
            }
            Kind::Enum(e) => {
                self.out.member("symbols");
                self.out.list(&e.symbols, |out, symbol| out.string(symbol));
            }
            Kind::Fixed(f) => {
                self.out.member("size");
                self.out.raw(&f.size.to_string());
            }
            Kind::Record(r) => {
                self.out.member("fields");
                self.out.raw("[");
                for (i, field) in r.fields.iter().enumerate() {
                    self.out.raw(if i > 0 { ",{" } else { "{" });
                    self.field(field);
                    self.out.raw("}");
                }
                self.out.raw("]");
            }
            _ if node.props.is_empty() => return self.out.string(node.kind.word()),
            _ => {
                self.out.raw("{");
                self.out.string_member("type", node.kind.word());
            }
        }
        self.logical(node);
        self.named(&node.kind);
        self.props(&node.props);
        self.out.raw("}");
    }

    fn field(&mut self, field: &Field) {
        self.out.string_member("name", &field.name);
        self.out.member("type");
        self.node(field.schema);
        self.out.string_member("order", field.order.word());
        if let Some(doc) = &field.doc {
            self.out.string_member("doc", doc);
        }
        self.aliases(field.aliases.iter().map(String::as_str).collect());
        if let Some(default) = &field.default {
            self.out.member("default");
            self.value(default, Some(field.schema));
        }
        self.props(&field.props);
    }

    /// A known logical type goes before the other properties; which it is among too, where the first place counts.
    fn logical(&mut self, node: &Node) {
        let Some(logical) = node.logical() else { return };
        self.out.member("logicalType");
        self.out.value(&node.props["logicalType"], false);
        if let Logical::Decimal { precision, scale } = logical {
            self.out.member("precision");
            self.out.raw(&precision.to_string());
            if scale != 0 {
                self.out.member("scale");
                self.out.raw(&scale.to_string());
            }
        }
    }

    fn named(&mut self, kind: &Kind) {
        let Some(name) = kind.name() else { return };
        if let Some(doc) = kind.doc().filter(|doc| !doc.is_empty()) {
            self.out.string_member("doc", doc);
        }
        let outside = |alias: &Name| alias.namespace().is_none() && name.namespace().is_some();
        let aliases = kind.aliases().iter().map(|a| if outside(a) { format!(".{a}") } else { a.full().to_owned() });
        let aliases: Vec<_> = aliases.collect();
        self.aliases(aliases.iter().map(String::as_str).collect());
        if let Kind::Enum(e) = kind
            && let Some(default) = &e.default
        {
            self.out.string_member("default", default);
        }
    }

    fn aliases(&mut self, mut aliases: Vec<&str>) {
        if aliases.is_empty() {
            return;
        }
        aliases.sort_by(|a, b| java_order(a, b));
        self.out.member("aliases");
        self.out.list(aliases, |out, alias| out.string(alias));
    }

    fn props(&mut self, props: &Props) {
        let mut sorted: Vec<_> = props.iter().collect();
        sorted.sort_by(|a, b| java_order(a.0, b.0));
        for (name, value) in sorted {
            self.out.member(name);
            self.out.value(value, true);
        }
    }

    /// A default as a value of its schema: `1` of a double is `1.0`, and members are in order.
    fn value(&mut self, value: &Value, schema: Option<NodeId>) {
        let kind = schema.map(|id| self.schema.kind(id));
        if let Some(Kind::Union(branches)) = kind {
            return self.value(value, branches.first().copied());
        }
        match (value, kind) {
            (Value::Number(n), Some(Kind::Double)) => match n.as_f64() {
                Some(double) => self.out.double(double),
                None => self.out.value(value, true),
            },
            (Value::Number(n), Some(Kind::Float)) => match n.as_f64() {
                Some(double) => self.out.float(double as f32),
                None => self.out.value(value, true),
            },
            (Value::Array(items), Some(Kind::Array(of))) => {
                self.out.raw("[");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.out.raw(",");
                    }
                    self.value(item, Some(*of));
                }
                self.out.raw("]");
            }
            (Value::Object(members), Some(kind @ (Kind::Map(_) | Kind::Record(_)))) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| java_order(a.0, b.0));
                self.out.raw("{");
                for (name, value) in sorted {
                    self.out.member(name);
                    let of = match kind {
                        Kind::Map(of) => Some(*of),
                        Kind::Record(r) => r.field(name).map(|(_, f)| f.schema),
                        _ => None,
                    };
                    self.value(value, of);
                }
                self.out.raw("}");
            }
            _ => self.out.value(value, true),
        }
    }
}
