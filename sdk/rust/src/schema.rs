//! Connect's schemas as a tree, interned by the host: build one once, keep its id, and say the id of every record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::Error;
#[cfg(any(target_arch = "wasm32", test))]
use crate::bindings::host::millrace::plugin::types as wire;
pub use crate::bindings::host::millrace::plugin::types::TypeKind as Kind;

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

/// A node of a schema: Connect's `Schema`. Logical types are names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schema {
    pub kind: Kind,
    pub optional: bool,
    pub name: Option<String>,
    pub version: Option<i32>,
    pub doc: Option<String>,
    /// As a JSON text.
    pub default: Option<String>,
    /// Of the logical type: `scale`, ...
    pub parameters: Vec<(String, String)>,
    /// Of a struct.
    pub fields: Vec<Field>,
    /// A list's elements, a map's values.
    pub element: Option<Rc<Schema>>,
    /// A map's keys.
    pub key: Option<Rc<Schema>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub schema: Rc<Schema>,
}

impl Schema {
    /// A required node without a name.
    pub fn new(kind: Kind) -> Self {
        Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            default: None,
            parameters: Vec::new(),
            fields: Vec::new(),
            element: None,
            key: None,
        }
    }
    pub fn boolean() -> Self {
        Self::new(Kind::Boolean)
    }
    pub fn int16() -> Self {
        Self::new(Kind::Int16)
    }
    pub fn int32() -> Self {
        Self::new(Kind::Int32)
    }
    pub fn int64() -> Self {
        Self::new(Kind::Int64)
    }
    pub fn float32() -> Self {
        Self::new(Kind::Float32)
    }
    pub fn float64() -> Self {
        Self::new(Kind::Float64)
    }
    pub fn text() -> Self {
        Self::new(Kind::Text)
    }
    pub fn bytes() -> Self {
        Self::new(Kind::Bytes)
    }
    pub fn list(element: Schema) -> Self {
        Schema { element: Some(Rc::new(element)), ..Self::new(Kind::List) }
    }
    pub fn map(key: Schema, value: Schema) -> Self {
        Schema { key: Some(Rc::new(key)), element: Some(Rc::new(value)), ..Self::new(Kind::Map) }
    }
    /// A struct without fields; add them with [`Schema::field`].
    pub fn record() -> Self {
        Self::new(Kind::Struct)
    }
    /// Appends a field to a struct.
    pub fn field(mut self, name: impl Into<String>, schema: impl Into<Rc<Schema>>) -> Self {
        self.fields.push(Field { name: name.into(), schema: schema.into() });
        self
    }
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
    pub fn version(mut self, version: i32) -> Self {
        self.version = Some(version);
        self
    }
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = Some(doc.into());
        self
    }
    /// The default value, as a JSON text.
    pub fn default_json(mut self, json: impl Into<String>) -> Self {
        self.default = Some(json.into());
        self
    }
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }
    /// The position of a struct's field, which is its slot in a row.
    pub fn index(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == field)
    }
    /// How many slots a root row has: a struct's fields, else one.
    pub fn slots(&self) -> usize {
        if self.kind == Kind::Struct { self.fields.len() } else { 1 }
    }
    /// The value of a parameter.
    pub fn get(&self, parameter: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == parameter).map(|(_, v)| v.as_str())
    }

    /// Its table of nodes, root first.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn to_wire(&self) -> wire::Schema {
        fn add(s: &Schema, nodes: &mut Vec<wire::TypeNode>) -> u32 {
            let at = nodes.len();
            nodes.push(wire::TypeNode {
                kind: s.kind,
                optional: s.optional,
                name: s.name.clone(),
                version: s.version,
                doc: s.doc.clone(),
                default_value: s.default.clone(),
                parameters: s.parameters.clone(),
                fields: Vec::new(),
                element: None,
                key: None,
            });
            let fields = s.fields.iter().map(|f| wire::Field { name: f.name.clone(), node: add(&f.schema, nodes) }).collect();
            let element = s.element.as_ref().map(|e| add(e, nodes));
            let key = s.key.as_ref().map(|k| add(k, nodes));
            let node = &mut nodes[at];
            (node.fields, node.element, node.key) = (fields, element, key);
            at as u32
        }
        let mut nodes = Vec::new();
        add(self, &mut nodes);
        wire::Schema { nodes }
    }

    /// The tree of a table of nodes; children come after their parents, so that it ends.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn from_wire(schema: &wire::Schema) -> Option<Rc<Schema>> {
        let mut built: Vec<Option<Rc<Schema>>> = vec![None; schema.nodes.len()];
        for (i, n) in schema.nodes.iter().enumerate().rev() {
            let child = |at: u32| if at as usize > i { built.get(at as usize)?.clone() } else { None };
            let fields =
                n.fields.iter().map(|f| Some(Field { name: f.name.clone(), schema: child(f.node)? })).collect::<Option<_>>()?;
            let element = n.element.map(child);
            let key = n.key.map(child);
            if element == Some(None) || key == Some(None) {
                return None;
            }
            let node = Rc::new(Schema {
                kind: n.kind,
                optional: n.optional,
                name: n.name.clone(),
                version: n.version,
                doc: n.doc.clone(),
                default: n.default_value.clone(),
                parameters: n.parameters.clone(),
                fields,
                element: element.flatten(),
                key: key.flatten(),
            });
            built[i] = Some(node);
        }
        built.into_iter().next().flatten()
    }
}

#[derive(Default)]
struct Cache {
    by_id: HashMap<u32, Rc<Schema>>,
    ids: HashMap<Rc<Schema>, u32>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// The id of a schema, by content. The host is asked once for each distinct schema.
pub fn intern(schema: &Rc<Schema>) -> Result<u32, Error> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(id) = cache.ids.get(schema) {
            return Ok(*id);
        }
        let id = host::intern(schema, cache.by_id.len() as u32)?;
        cache.ids.insert(schema.clone(), id);
        cache.by_id.insert(id, schema.clone());
        Ok(id)
    })
}

/// The schema behind an id that a record carries. The host is asked once for each id.
pub fn get(id: u32) -> Result<Rc<Schema>, Error> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(schema) = cache.by_id.get(&id) {
            return Ok(schema.clone());
        }
        let schema = host::get(id)?;
        cache.by_id.insert(id, schema.clone());
        cache.ids.insert(schema.clone(), id);
        Ok(schema)
    })
}

#[cfg(target_arch = "wasm32")]
mod host {
    use super::*;
    use crate::bindings::host::millrace::plugin::records;

    pub fn intern(schema: &Schema, _next: u32) -> Result<u32, Error> {
        records::intern_schema(&schema.to_wire())
    }
    pub fn get(id: u32) -> Result<Rc<Schema>, Error> {
        Schema::from_wire(&records::get_schema(id)?)
            .ok_or_else(|| Error::fatal("schema.malformed", format!("the host's schema {id} is not a tree")))
    }
}

/// Under `cargo test` each thread has a table of its own.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use super::*;

    pub fn intern(_schema: &Schema, next: u32) -> Result<u32, Error> {
        Ok(next)
    }
    pub fn get(id: u32) -> Result<Rc<Schema>, Error> {
        Err(Error::fatal("schema.unknown", format!("no schema has the id {id}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_survives_its_table_of_nodes() {
        let point = Schema::record().named("Point").field("x", Schema::float64()).field("y", Schema::float64().optional());
        let s = Schema::record()
            .named("shop.Order")
            .version(2)
            .field("id", Schema::int64().doc("the key"))
            .field("at", point.optional())
            .field("tags", Schema::list(Schema::text().optional()))
            .field("attributes", Schema::map(Schema::text(), Schema::int32().default_json("7")))
            .field("price", Schema::bytes().named("org.apache.kafka.connect.data.Decimal").parameter("scale", "2"));
        let back = Schema::from_wire(&s.to_wire()).expect("a tree");
        assert_eq!(*back, s);
        assert_eq!(back.index("tags"), Some(2));
        assert_eq!(back.fields[4].schema.get("scale"), Some("2"));
    }

    #[test]
    fn a_table_with_a_loop_is_no_schema() {
        let mut s = Schema::list(Schema::text()).to_wire();
        s.nodes[0].element = Some(0);
        assert_eq!(Schema::from_wire(&s), None);
        s.nodes[0].element = Some(9);
        assert_eq!(Schema::from_wire(&s), None);
        assert_eq!(Schema::from_wire(&wire::Schema { nodes: vec![] }), None);
    }

    #[test]
    fn interning_is_by_content() {
        let (a, b) = (Rc::new(Schema::text()), Rc::new(Schema::text().optional()));
        let id = intern(&a).unwrap();
        assert_eq!(intern(&Rc::new(Schema::text())).unwrap(), id);
        assert_ne!(intern(&b).unwrap(), id);
        assert_eq!(get(id).unwrap(), a);
        assert!(get(99).is_err());
    }
}
