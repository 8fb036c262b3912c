//! JSON Schema: parsing, references, canonical and normalized text, compatibility, differences.
//!
//! Owns what a JSON Schema of drafts 4, 6, 7, 2019-09 and 2020-12 is. Promises that a parsed schema has keywords of their right
//! types only, and that each of its references leads to a place in itself or in a dependency. Keywords that it does not know,
//! as `connect.type` and its like, are kept and left alone. Never fetches anything, never validates data.

mod changes;
mod check;
mod compact;
mod compare;
mod content;
mod draft;
mod refs;
#[cfg(test)]
mod rules;
mod shape;
#[cfg(test)]
mod tests;
mod uri;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

pub use self::changes::changes;
pub use self::compare::cannot_read;
pub use self::draft::Draft;
use crate::{Dependency, InvalidSchema};

/// The longest text that is read. A schema is one record of a topic, and this is what topics take by default.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A parsed schema, cheap to clone.
#[derive(Clone)]
pub struct JsonSchema {
    inner: Arc<Inner>,
}

struct Inner {
    canonical: String,
    draft: Draft,
    /// The schema itself, then its dependencies.
    documents: Vec<Value>,
    /// Of the dependencies.
    names: Vec<String>,
    /// Where each `$ref` leads: by the address of the schema that holds it, which never moves once parsed.
    targets: HashMap<usize, Place>,
}

/// A place in one of the documents, as a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    document: usize,
    pointer: String,
}

/// One schema within a parsed one: the root, or what stands below it.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    of: &'a JsonSchema,
    value: &'a Value,
}

impl std::fmt::Debug for JsonSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("JsonSchema").field(&self.inner.canonical).finish()
    }
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl JsonSchema {
    pub fn parse(text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        let root = read(text, "the schema")?;
        let mut documents = vec![root];
        for dependency in dependencies {
            documents.push(read(&dependency.text, &format!("the reference {:?}", dependency.name))?);
        }
        let draft = Draft::of(&documents[0], Draft::default());
        for document in &documents {
            check::schema(document, Draft::of(document, draft))?;
        }
        let names: Vec<&str> = dependencies.iter().map(|d| d.name.as_str()).collect();
        let targets = refs::resolve(&documents, &names, draft)?;
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(JsonSchema { inner: Arc::new(Inner { canonical: compact::compact(text), draft, documents, names, targets }) })
    }

    /// The text without blanks between its tokens, everything as it was given.
    pub fn canonical(&self) -> String {
        self.inner.canonical.clone()
    }

    /// The text with the members of objects and the lists that have no order of their own sorted.
    pub fn normalized(&self) -> String {
        compact::normalized(&self.inner.documents[0])
    }

    pub fn draft(&self) -> Draft {
        self.inner.draft
    }

    /// The schemas that this one refers to, by the names it has for them.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.inner.names.iter().map(String::as_str).zip(&self.inner.documents[1..])
    }

    pub fn root(&self) -> Node<'_> {
        Node { of: self, value: &self.inner.documents[0] }
    }
}

impl<'a> Node<'a> {
    /// The schema as it stands: an object, or `true` or `false`.
    pub fn value(self) -> &'a Value {
        self.value
    }

    /// What tells this place apart from all others of the schema.
    pub fn address(self) -> usize {
        std::ptr::from_ref(self.value).addr()
    }

    pub fn get(self, keyword: &str) -> Option<&'a Value> {
        self.value.get(keyword)
    }

    pub fn text(self, keyword: &str) -> Option<&'a str> {
        self.get(keyword)?.as_str()
    }

    /// The schema that a keyword holds: `additionalProperties`, `items`, `not`.
    pub fn child(self, keyword: &str) -> Option<Node<'a>> {
        self.get(keyword).filter(|v| v.is_object() || v.is_boolean()).map(|value| self.at(value))
    }

    /// The schemas that a keyword lists: `oneOf`, `allOf`, `prefixItems`.
    pub fn list(self, keyword: &str) -> Option<impl ExactSizeIterator<Item = Node<'a>> + 'a> {
        Some(self.get(keyword)?.as_array()?.iter().map(move |value| self.at(value)))
    }

    /// The schemas that a keyword names, in the order of the text: `properties`, `patternProperties`, `$defs`.
    pub fn members(self, keyword: &str) -> impl Iterator<Item = (&'a str, Node<'a>)> + 'a {
        let members = self.get(keyword).and_then(Value::as_object).into_iter().flatten();
        members.map(move |(name, value)| (name.as_str(), self.at(value)))
    }

    /// Where the `$ref` of this schema leads; none where it has none.
    pub fn target(self) -> Option<Node<'a>> {
        let place = self.of.inner.targets.get(&self.address())?;
        self.of.inner.documents[place.document].pointer(&place.pointer).map(|value| self.at(value))
    }

    /// The schema behind all references: itself where it is none. References that only lead to each other end where they
    /// began to repeat.
    pub fn resolved(self) -> Node<'a> {
        let mut node = self;
        for _ in 0..REFERENCES_MAX {
            match node.target() {
                Some(target) => node = target,
                None => return node,
            }
        }
        node
    }

    fn at(self, value: &'a Value) -> Node<'a> {
        Node { of: self.of, value }
    }
}

/// The longest chain of references that lead to references.
const REFERENCES_MAX: usize = 64;

/// JSON that can be a schema: no longer than what is taken, no deeper than what the reader of JSON bears.
fn read(text: &str, what: &str) -> Result<Value, InvalidSchema> {
    if text.len() > TEXT_BYTES_MAX {
        let size = text.len();
        return Err(InvalidSchema(format!("{what} has {size} bytes, and at most {TEXT_BYTES_MAX} are taken")));
    }
    if text.trim().is_empty() {
        return Err(InvalidSchema(format!("{what} is empty")));
    }
    let value: Value = serde_json::from_str(text).map_err(|e| InvalidSchema(format!("{what} is no JSON: {e}")))?;
    if !value.is_object() && !value.is_boolean() {
        return Err(InvalidSchema(format!("{what} is {}, and a JSON Schema is an object or a boolean", kind(&value))));
    }
    Ok(value)
}

/// What a value is, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
