//! Avro: schemas, their texts, and what one makes of the data of another.
//!
//! [`AvroSchema`] keeps all that stood in a schema, the properties of primitives included (`connect.name`, `logicalType`),
//! because converters and the registry's answers need it; libraries of Avro forget a part of it. It is parsed as Java Avro 1.12
//! does it, which is what Confluent's registry runs, and never changes after.
//!
//! - [`AvroSchema::parse`] and [`AvroSchema::parse_new`]: from text, with the schemas that it refers to.
//! - [`AvroSchema::root`] and [`AvroSchema::node`]: the model, to be walked; see [`Node`] and [`Kind`].
//! - [`AvroSchema::canonical`] and [`AvroSchema::normalized`]: the texts by which a registry tells schemas apart.
//! - [`cannot_read`]: Java Avro's rules of schema resolution, with every reason.
//! - [`changes`]: what differs, for people.

mod changes;
mod compatibility;
mod defaults;
mod json;
mod model;
mod normalized;
mod parse;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use changes::changes;
pub use compatibility::cannot_read;
pub use model::{Enum, Field, Fixed, Kind, Logical, Name, Node, NodeId, Order, Props, Record};

use crate::{Dependency, InvalidSchema};

/// A schema with everything it refers to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AvroSchema(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Of the schema and of its references.
    nodes: Vec<Node>,
    root: NodeId,
    names: HashMap<Box<str>, NodeId>,
    /// The full names of the references themselves: in texts they stay names.
    referenced: Vec<Box<str>>,
    dependencies: Vec<Dependency>,
}

impl AvroSchema {
    /// A schema that is registered already: data of it exists, so defaults that fit no type and odd namespaces are let be.
    pub fn parse(text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        parse::parse(text, dependencies, false)
    }

    /// A schema that is to be registered: names are ASCII and every default is a value of its type.
    pub fn parse_new(text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        parse::parse(text, dependencies, true)
    }

    fn new(inner: Inner) -> Self {
        AvroSchema(Arc::new(inner))
    }

    pub fn root(&self) -> NodeId {
        self.0.root
    }

    /// # Panics
    /// With an id of another schema.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.0.nodes[id.index()]
    }

    /// The kind of a node: `schema.kind(schema.root())`.
    pub fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }

    /// How many nodes there are, those of references included.
    pub fn node_count(&self) -> usize {
        self.0.nodes.len()
    }

    /// The record, enum or fixed of that full name, here or in a reference.
    pub fn named(&self, full: &str) -> Option<NodeId> {
        self.0.names.get(full).copied()
    }

    /// The full name of the root, where it is a record, an enum or a fixed: what the record name strategies call a subject.
    pub fn name(&self) -> Option<&str> {
        self.kind(self.root()).name().map(Name::full)
    }

    /// The text that Java Avro prints: attributes in its order, a type in full where it is met first and by name after, and
    /// references by name. Equal texts are equal schemas without `normalize`.
    pub fn canonical(&self) -> String {
        text::canonical(self, &self.0.referenced)
    }

    /// The same with the types of references in full, so that it stands alone (`format=resolved`).
    pub fn resolved(&self) -> String {
        text::canonical(self, &[])
    }

    /// [`AvroSchema::canonical`] with the properties sorted, what says nothing left out, and defaults as values of their types:
    /// equal texts are equal schemas with `normalize`.
    pub fn normalized(&self) -> String {
        normalized::normalized(self)
    }
}

/// Two schemas are equal when their canonical texts are.
impl PartialEq for AvroSchema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.canonical() == other.canonical()
    }
}
