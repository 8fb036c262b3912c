//! From JSON to the model, with the rules of Java Avro.
//!
//! Two kinds of strictness, as Confluent's registry has them: a schema that is new must have ASCII names, namespaces of such
//! names and defaults that fit their types; one that is registered already is read with whatever it has, for data of it exists,
//! and only its simple names must be names at all.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::defaults::fits;
use super::model::{Enum, Field, Fixed, Kind, Name, Node, NodeId, Order, Props, Record};
use super::{AvroSchema, Inner, json};
use crate::{Dependency, InvalidSchema};

/// What is no property of a node, for it is part of the model or has no meaning there.
const OF_SCHEMAS: [&str; 10] = ["doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"];
const OF_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

/// Ids from here on stand for names that were not known yet when they were met.
const PENDING: u32 = 1 << 31;

/// Lists and objects inside one another in a text. The reader of JSON goes no deeper; types that are used before they are
/// defined could make the canonical text deeper than the one it came from.
const TEXT_DEPTH_MAX: usize = 125;
/// The same with all references in full.
const RESOLVED_DEPTH_MAX: usize = 1000;

type Parsed<T> = Result<T, InvalidSchema>;

struct Parser {
    /// For a new schema.
    strict: bool,
    nodes: Vec<Node>,
    names: HashMap<Box<str>, NodeId>,
    /// Full names that were met before their types.
    pending: Vec<String>,
}

pub(super) fn parse(text: &str, dependencies: &[Dependency], strict: bool) -> Parsed<AvroSchema> {
    let mut parser = Parser { strict, nodes: Vec::new(), names: HashMap::new(), pending: Vec::new() };
    let mut referenced: Vec<Box<str>> = Vec::new();
    for (i, dependency) in dependencies.iter().enumerate() {
        // Two references may lead to one schema.
        if dependencies[..i].iter().any(|d| d.text == dependency.text) {
            continue;
        }
        let named = |e: InvalidSchema| InvalidSchema(format!("reference \"{}\": {e}", dependency.name));
        let root = parser.whole(&dependency.text).map_err(named)?;
        referenced.push(parser.nodes[root.index()].kind.branch_name().into());
    }
    let root = parser.whole(text)?;
    for (known, most) in [(&referenced[..], TEXT_DEPTH_MAX), (&[], RESOLVED_DEPTH_MAX)] {
        let depth = parser.depth(root, known);
        if depth > most {
            return invalid(format!("the schema is nested {depth} levels deep as text, of which {most} are read"));
        }
    }
    Ok(AvroSchema::new(Inner { nodes: parser.nodes, root, names: parser.names, referenced, dependencies: dependencies.to_vec() }))
}

fn invalid<T>(message: impl Into<String>) -> Parsed<T> {
    Err(InvalidSchema(message.into()))
}

impl Parser {
    /// One text, and everything in it resolved and checked.
    fn whole(&mut self, text: &str) -> Parsed<NodeId> {
        let first = self.nodes.len();
        let value = json::read(text).map_err(InvalidSchema)?;
        let root = self.schema(&value, None)?;
        let root = self.resolve(first, root)?;
        self.check(first)?;
        Ok(root)
    }

    fn add(&mut self, kind: Kind, props: Props) -> NodeId {
        self.nodes.push(Node { kind, props });
        NodeId((self.nodes.len() - 1) as u32)
    }

    fn schema(&mut self, value: &Value, namespace: Option<&str>) -> Parsed<NodeId> {
        match value {
            Value::String(name) => Ok(self.find(name, namespace)),
            Value::Array(branches) => {
                let branches = branches.iter().map(|b| self.schema(b, namespace)).collect::<Parsed<_>>()?;
                Ok(self.add(Kind::Union(branches), Props::new()))
            }
            Value::Object(object) => self.object(object, namespace),
            _ => invalid(format!("{} is no schema: a name, an object or a list of branches is asked for", short(value))),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<NodeId> {
        let Some(word) = text(object, "type") else {
            return invalid(format!("no type: {} needs a \"type\" that is text", shown(object)));
        };
        if let Some(kind) = Kind::primitive(word) {
            return Ok(self.add(kind, props(object, &OF_SCHEMAS)));
        }
        match word {
            "record" | "error" => self.record(object, namespace, word == "error"),
            "enum" => self.enumeration(object, namespace),
            "fixed" => self.fixed(object, namespace),
            "array" | "map" => {
                let (of, kind): (_, fn(NodeId) -> Kind) =
                    if word == "array" { ("items", Kind::Array) } else { ("values", Kind::Map) };
                let Some(of) = object.get(of) else { return invalid(format!("{word} without \"{of}\": {}", shown(object))) };
                let of = self.schema(of, namespace)?;
                Ok(self.add(kind(of), props(object, &OF_SCHEMAS)))
            }
            name => Ok(self.find(name, namespace)),
        }
    }

    /// A primitive, a type that is known, or the promise of one.
    fn find(&mut self, name: &str, namespace: Option<&str>) -> NodeId {
        if let Some(kind) = Kind::primitive(name) {
            return self.add(kind, Props::new());
        }
        let full = match namespace {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        if let Some(known) = self.names.get(full.as_str()).or_else(|| self.names.get(name)) {
            return *known;
        }
        self.pending.push(full);
        NodeId(PENDING + (self.pending.len() - 1) as u32)
    }

    /// The name of a named type, and the namespace of what is inside it.
    fn name(&self, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Name> {
        let Some(name) = text(object, "name") else { return invalid(format!("no name: {}", shown(object))) };
        let name = Name::new(name, text(object, "namespace").or(namespace));
        self.valid_name(name.simple(), "name")?;
        if self.strict {
            for part in name.namespace().into_iter().flat_map(|space| space.split('.')) {
                self.valid_name(part, "part of a namespace")?;
            }
        }
        if Kind::primitive(name.full()).is_some() {
            return invalid(format!("a type may not be named as the primitive \"{}\"", name.full()));
        }
        Ok(name)
    }

    fn valid_name(&self, name: &str, what: &str) -> Parsed<()> {
        let letter = |c: char| if self.strict { c.is_ascii_alphabetic() } else { c.is_alphabetic() } || c == '_';
        let digit = |c: char| if self.strict { c.is_ascii_digit() } else { c.is_numeric() };
        let mut chars = name.chars();
        match chars.next() {
            None => return invalid(format!("an empty {what}")),
            Some(first) if !letter(first) => return invalid(format!("illegal initial character in {what} \"{name}\"")),
            Some(_) => {}
        }
        match chars.find(|c| !letter(*c) && !digit(*c)) {
            Some(c) => invalid(format!("illegal character '{c}' in {what} \"{name}\"")),
            None => Ok(()),
        }
    }

    /// Earlier names of a type: within its namespace where they have none.
    fn aliases(&self, object: &Map<String, Value>, of: &Name) -> Parsed<Vec<Name>> {
        let named = |alias: &String| {
            let alias = Name::new(alias, of.namespace());
            if self.strict {
                self.valid_name(alias.simple(), "alias")?;
            }
            Ok(alias)
        };
        aliases(object)?.iter().map(named).collect()
    }

    /// Gives the node its name, before its inside is read: that may refer to it.
    fn declare(&mut self, name: &Name, node: NodeId) -> Parsed<()> {
        match self.names.insert(name.full().into(), node) {
            Some(_) => invalid(format!("cannot redefine \"{name}\"")),
            None => Ok(()),
        }
    }

    fn record(&mut self, object: &Map<String, Value>, namespace: Option<&str>, is_error: bool) -> Parsed<NodeId> {
        let name = self.name(object, namespace)?;
        let Some(Value::Array(listed)) = object.get("fields") else {
            return invalid(format!("record \"{name}\" has no list of \"fields\""));
        };
        let aliases = self.aliases(object, &name)?;
        let doc = text(object, "doc").map(str::to_owned);
        let empty = Record { name: name.clone(), doc, aliases, fields: Vec::new(), is_error };
        let node = self.add(Kind::Record(empty), props(object, &OF_SCHEMAS));
        self.declare(&name, node)?;
        let mut fields: Vec<Field> = Vec::with_capacity(listed.len());
        let mut seen = std::collections::HashSet::with_capacity(listed.len());
        for value in listed {
            let field = self.field(value, &name)?;
            if !seen.insert(field.name.clone()) {
                return invalid(format!("duplicate field \"{}\" in record \"{name}\"", field.name));
            }
            fields.push(field);
        }
        if let Kind::Record(record) = &mut self.nodes[node.index()].kind {
            record.fields = fields;
        }
        Ok(node)
    }

    fn field(&mut self, value: &Value, of: &Name) -> Parsed<Field> {
        let Some((object, name)) = value.as_object().and_then(|o| Some((o, text(o, "name")?))) else {
            return invalid(format!("no field name: {} in record \"{of}\"", short(value)));
        };
        let at = |e: InvalidSchema| {
            if e.0.contains("field \"") { e } else { InvalidSchema(format!("field \"{name}\" of \"{of}\": {e}")) }
        };
        self.valid_name(name, "field name").map_err(at)?;
        let Some(schema) = object.get("type") else {
            return invalid(format!("field \"{name}\" of \"{of}\" has no type"));
        };
        let schema = self.schema(schema, of.namespace()).map_err(at)?;
        let order = match object.get("order") {
            None => Order::Ascending,
            Some(order) => match order.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("ascending") => Order::Ascending,
                Some("descending") => Order::Descending,
                Some("ignore") => Order::Ignore,
                _ => {
                    return invalid(format!(
                        "field \"{name}\" of \"{of}\": order {order} is none of ascending, descending and ignore"
                    ));
                }
            },
        };
        Ok(Field {
            name: name.to_owned(),
            schema,
            doc: text(object, "doc").map(str::to_owned),
            default: object.get("default").cloned(),
            order,
            aliases: aliases(object)?,
            props: props(object, &OF_FIELDS),
        })
    }

    fn enumeration(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<NodeId> {
        let name = self.name(object, namespace)?;
        let Some(Value::Array(listed)) = object.get("symbols") else {
            return invalid(format!("enum \"{name}\" has no list of \"symbols\""));
        };
        let mut symbols: Vec<String> = Vec::with_capacity(listed.len());
        let mut seen = std::collections::HashSet::with_capacity(listed.len());
        for symbol in listed {
            let Some(symbol) = symbol.as_str() else { return invalid(format!("enum \"{name}\": symbol {symbol} is not text")) };
            self.valid_name(symbol, "enum symbol")?;
            if !seen.insert(symbol) {
                return invalid(format!("duplicate symbol \"{symbol}\" in enum \"{name}\""));
            }
            symbols.push(symbol.to_owned());
        }
        let default = text(object, "default").map(str::to_owned);
        if let Some(default) = default.as_ref().filter(|d| !symbols.contains(d)) {
            return invalid(format!("the default \"{default}\" of enum \"{name}\" is none of its symbols {symbols:?}"));
        }
        let aliases = self.aliases(object, &name)?;
        let mut props = props(object, &OF_SCHEMAS);
        props.shift_remove("default");
        let made = Enum { name: name.clone(), doc: text(object, "doc").map(str::to_owned), aliases, symbols, default };
        // The same enum, defined once more.
        if let Some(known) = self.names.get(name.full()).copied()
            && matches!(&self.nodes[known.index()], Node { kind: Kind::Enum(e), props } if e.symbols == made.symbols && props.is_empty())
        {
            return Ok(known);
        }
        let node = self.add(Kind::Enum(made), props);
        self.declare(&name, node)?;
        Ok(node)
    }

    fn fixed(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<NodeId> {
        let name = self.name(object, namespace)?;
        let size =
            object.get("size").and_then(Value::as_i64).and_then(|s| i32::try_from(s).ok()).and_then(|s| u32::try_from(s).ok());
        let Some(size) = size else {
            return invalid(format!(
                "fixed \"{name}\" has an invalid \"size\" or none: a number of bytes from 0 to 2147483647 is asked for"
            ));
        };
        let aliases = self.aliases(object, &name)?;
        let made = Fixed { name: name.clone(), doc: text(object, "doc").map(str::to_owned), aliases, size };
        if let Some(known) = self.names.get(name.full()).copied()
            && matches!(&self.nodes[known.index()], Node { kind: Kind::Fixed(f), props } if f.size == size && props.is_empty())
        {
            return Ok(known);
        }
        let node = self.add(Kind::Fixed(made), props(object, &OF_SCHEMAS));
        self.declare(&name, node)?;
        Ok(node)
    }

    /// Puts types where only their names were known.
    fn resolve(&mut self, first: usize, root: NodeId) -> Parsed<NodeId> {
        let pending = std::mem::take(&mut self.pending);
        let mut found = Vec::with_capacity(pending.len());
        for name in &pending {
            match self.names.get(name.as_str()) {
                Some(node) => found.push(*node),
                None => {
                    return invalid(format!(
                        "undefined name \"{name}\": it is no primitive and is defined neither in the schema nor in one of its references"
                    ));
                }
            }
        }
        let put = |id: &mut NodeId| {
            if id.0 >= PENDING {
                *id = found[(id.0 - PENDING) as usize];
            }
        };
        for node in &mut self.nodes[first..] {
            match &mut node.kind {
                Kind::Record(r) => r.fields.iter_mut().for_each(|f| put(&mut f.schema)),
                Kind::Array(of) | Kind::Map(of) => put(of),
                Kind::Union(branches) => branches.iter_mut().for_each(put),
                _ => {}
            }
        }
        let mut root = root;
        put(&mut root);
        Ok(root)
    }

    /// How deep the canonical text is: every named type in full where it is met first.
    fn depth(&self, root: NodeId, known: &[Box<str>]) -> usize {
        let mut met = vec![false; self.nodes.len()];
        for name in known {
            if let Some(id) = self.names.get(name) {
                met[id.index()] = true;
            }
        }
        let mut deepest = 0;
        let mut left = vec![(root, 0)];
        while let Some((id, depth)) = left.pop() {
            deepest = deepest.max(depth);
            let kind = &self.nodes[id.index()].kind;
            if kind.name().is_some() && std::mem::replace(&mut met[id.index()], true) {
                continue;
            }
            match kind {
                // Its object, its list of fields, and the object of a field.
                Kind::Record(r) => left.extend(r.fields.iter().rev().map(|f| (f.schema, depth + 3))),
                Kind::Array(of) | Kind::Map(of) => left.push((*of, depth + 1)),
                Kind::Union(branches) => left.extend(branches.iter().rev().map(|b| (*b, depth + 1))),
                _ => {}
            }
        }
        deepest
    }

    /// What can be said only when all names are known: unions and defaults.
    fn check(&mut self, first: usize) -> Parsed<()> {
        for node in &self.nodes[first..] {
            let Kind::Union(branches) = &node.kind else { continue };
            let mut seen = std::collections::HashSet::with_capacity(branches.len());
            for branch in branches {
                let kind = &self.nodes[branch.index()].kind;
                if matches!(kind, Kind::Union(_)) {
                    return invalid("nested union: a branch of a union may not be a union");
                }
                if !seen.insert(kind.branch_name()) {
                    return invalid(format!("duplicate in union: \"{}\"", kind.branch_name()));
                }
            }
        }
        for at in first..self.nodes.len() {
            let Kind::Record(record) = &self.nodes[at].kind else { continue };
            let mut numbers = Vec::new();
            for (i, field) in record.fields.iter().enumerate() {
                let Some(default) = &field.default else { continue };
                let kind = &self.nodes[field.schema.index()].kind;
                if let (Kind::Float | Kind::Double, Value::String(text)) = (kind, default) {
                    // Java reads text that stands for a number here.
                    match text.trim().parse::<f64>() {
                        Ok(number) => numbers.push((i, number)),
                        Err(_) => {
                            return invalid(format!(
                                "invalid default of field \"{}\" of \"{}\": {default} is no number",
                                field.name, record.name
                            ));
                        }
                    }
                } else if self.strict && !fits(&self.nodes, field.schema, default) {
                    let (name, of) = (&field.name, &record.name);
                    return invalid(format!(
                        "invalid default of field \"{name}\" of \"{of}\": {} is no {}",
                        short(default),
                        kind.branch_name()
                    ));
                }
            }
            if let Kind::Record(record) = &mut self.nodes[at].kind {
                for (i, number) in numbers {
                    record.fields[i].default = Some(match serde_json::Number::from_f64(number) {
                        Some(number) => Value::Number(number),
                        None if number.is_nan() => "NaN".into(),
                        None => if number > 0.0 { "Infinity" } else { "-Infinity" }.into(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn props(object: &Map<String, Value>, but: &[&str]) -> Props {
    object.iter().filter(|(name, _)| !but.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Each once, in the order of the text.
fn aliases(object: &Map<String, Value>) -> Parsed<Vec<String>> {
    let Some(listed) = object.get("aliases") else { return Ok(Vec::new()) };
    let Some(listed) = listed.as_array() else { return invalid(format!("aliases are not a list: {}", shown(object))) };
    let mut aliases = Vec::with_capacity(listed.len());
    for alias in listed {
        match alias.as_str() {
            Some(alias) if !aliases.iter().any(|a| a == alias) => aliases.push(alias.to_owned()),
            Some(_) => {}
            None => return invalid(format!("alias {alias} is not text: {}", shown(object))),
        }
    }
    Ok(aliases)
}

/// As much of a value as a message bears.
fn short(value: &Value) -> String {
    cut(value.to_string())
}

fn shown(object: &Map<String, Value>) -> String {
    cut(serde_json::to_string(object).unwrap_or_default())
}

fn cut(mut text: String) -> String {
    const MOST: usize = 200;
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}
