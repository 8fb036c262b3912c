//! The canonical text, as Java Avro prints a schema.

use std::collections::HashSet;

use super::AvroSchema;
use super::json::Text;
use super::model::{Kind, Name, NodeId, Order, Props};

/// Names of types: a type of such a name is always written with its namespace.
const WORDS: [&str; 14] =
    ["record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float", "double", "boolean", "null"];

/// `known` are full names that are written as names from the beginning.
pub(super) fn canonical(schema: &AvroSchema, known: &[Box<str>]) -> String {
    let mut writer = Writer { schema, known: known.iter().map(|n| &**n).collect(), out: Text::default() };
    writer.node(schema.root(), None);
    writer.out.finish()
}

struct Writer<'a> {
    schema: &'a AvroSchema,
    known: HashSet<&'a str>,
    out: Text,
}

impl<'a> Writer<'a> {
    fn node(&mut self, id: NodeId, namespace: Option<&str>) {
        let node = self.schema.node(id);
        if let Some(name) = node.kind.name()
            && !self.known.insert(name.full())
        {
            return self.out.string(within(name, namespace));
        }
        match &node.kind {
            Kind::Union(branches) => {
                self.out.raw("[");
                for (i, branch) in branches.iter().enumerate() {
                    if i > 0 {
                        self.out.raw(",");
                    }
                    self.node(*branch, namespace);
                }
                return self.out.raw("]");
            }
            Kind::Record(r) => {
                self.head(if r.is_error { "error" } else { "record" }, &r.name, r.doc.as_deref(), namespace);
                self.out.member("fields");
                self.out.raw("[");
                for (i, field) in r.fields.iter().enumerate() {
                    self.out.raw(if i > 0 { ",{" } else { "{" });
                    self.out.string_member("name", &field.name);
                    self.out.member("type");
                    self.node(field.schema, r.name.namespace());
                    if let Some(doc) = &field.doc {
                        self.out.string_member("doc", doc);
                    }
                    if let Some(default) = &field.default {
                        self.out.member("default");
                        self.out.value(default, false);
                    }
                    if field.order != Order::Ascending {
                        self.out.string_member("order", field.order.word());
                    }
                    if !field.aliases.is_empty() {
                        self.out.member("aliases");
                        self.out.list(&field.aliases, |out, alias| out.string(alias));
                    }
                    self.props(&field.props);
                    self.out.raw("}");
                }
                self.out.raw("]");
            }
            Kind::Enum(e) => {
                self.head("enum", &e.name, e.doc.as_deref(), namespace);
                self.out.member("symbols");
                self.out.list(&e.symbols, |out, symbol| out.string(symbol));
                if let Some(default) = &e.default {
                    self.out.string_member("default", default);
                }
            }
            Kind::Fixed(f) => {
                self.head("fixed", &f.name, f.doc.as_deref(), namespace);
                self.out.member("size");
                self.out.raw(&f.size.to_string());
            }
            Kind::Array(of) | Kind::Map(of) => {
                self.out.raw("{");
                self.out.string_member("type", node.kind.word());
                self.out.member(if matches!(node.kind, Kind::Array(_)) { "items" } else { "values" });
                self.node(*of, namespace);
            }
            _ if node.props.is_empty() => return self.out.string(node.kind.word()),
            _ => {
                self.out.raw("{");
                self.out.string_member("type", node.kind.word());
            }
        }
        self.props(&node.props);
        if let (Some(name), aliases @ [_, ..]) = (node.kind.name(), node.kind.aliases()) {
            self.out.member("aliases");
            self.out.list(aliases, |out, alias| out.string(within(alias, name.namespace())));
        }
        self.out.raw("}");
    }

    fn head(&mut self, word: &str, name: &Name, doc: Option<&str>, namespace: Option<&str>) {
        self.out.raw("{");
        self.out.string_member("type", word);
        self.out.string_member("name", name.simple());
        if name.namespace() != namespace {
            self.out.string_member("namespace", name.namespace().unwrap_or_default());
        }
        if let Some(doc) = doc {
            self.out.string_member("doc", doc);
        }
    }

    fn props(&mut self, props: &Props) {
        for (name, value) in props {
            self.out.member(name);
            self.out.value(value, false);
        }
    }
}

/// A name as it is referred to inside a namespace.
fn within<'n>(name: &'n Name, namespace: Option<&str>) -> &'n str {
    let near = name.namespace().is_some() && name.namespace() == namespace && !WORDS.contains(&name.simple());
    if near { name.simple() } else { name.full() }
}
