//! Connect's schema compiled for JSON: what encoder and decoder need of it, laid out for the walk.

use millrace_record::convert::Logical;
use millrace_record::json_text::quoted;
use millrace_record::row::Row;
use millrace_record::{Kind, Schema, default_row};

use super::encode;
use super::options::{Options, is_object, is_union};

#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub logical: Logical,
    pub optional: bool,
    /// The struct is one of its fields.
    pub union: bool,
    /// The map is a JSON object.
    pub object: bool,
    /// `decimal.format=NUMERIC`
    pub numeric: bool,
    /// The default value in this converter's JSON, where null becomes it.
    pub default: Option<Box<str>>,
    pub fields: Vec<FieldNode>,
    element: Option<Box<Node>>,
    key: Option<Box<Node>>,
}

#[derive(Debug)]
pub(super) struct FieldNode {
    pub name: Box<str>,
    /// `"name":`, one copy when encoding.
    pub literal: Box<[u8]>,
    pub node: Node,
}

impl Node {
    /// For writing: nulls become defaults unless `ignore.default.for.nullables`.
    pub fn for_encoding(schema: &Schema, options: &Options) -> Node {
        Node::compile(schema, options, !options.ignore_default)
    }

    /// For reading: nulls always become defaults.
    pub fn for_decoding(schema: &Schema, options: &Options) -> Node {
        Node::compile(schema, options, true)
    }

    fn compile(schema: &Schema, options: &Options, defaults: bool) -> Node {
        let mut node = Node {
            kind: schema.kind,
            logical: Logical::of(schema),
            optional: schema.optional,
            union: is_union(schema),
            object: is_object(schema.key.as_deref()),
            numeric: options.numeric,
            default: None,
            fields: Vec::with_capacity(schema.fields.len()),
            element: schema.element.as_deref().map(|s| Box::new(Node::compile(s, options, defaults))),
            key: schema.key.as_deref().map(|s| Box::new(Node::compile(s, options, defaults))),
        };
        for field in &schema.fields {
            let mut literal = Vec::with_capacity(field.name.len() + 3);
            quoted(field.name.as_bytes(), &mut literal);
            literal.push(b':');
            let name = (&*field.name).into();
            node.fields.push(FieldNode { name, literal: literal.into(), node: Node::compile(&field.schema, options, defaults) });
        }
        if defaults {
            node.default = node.rendered(schema);
        }
        node
    }

    /// The schema's default in this converter's JSON.
    pub fn rendered(&self, schema: &Schema) -> Option<Box<str>> {
        let row = default_row(schema)?;
        let row = Row::new(&row).filter(|row| !row.is_null(0))?;
        let mut out = Vec::new();
        encode::value(self, &row, 0, &mut out).ok()?;
        String::from_utf8(out).ok().map(Into::into)
    }

    /// Of a list or map.
    pub fn element(&self) -> &Node {
        self.element.as_deref().unwrap_or(&UNTYPED)
    }
    /// Of a map.
    pub fn key(&self) -> &Node {
        self.key.as_deref().unwrap_or(&UNTYPED)
    }
}

/// What a list or map without an element type holds. Schemas made by the converters always name one.
static UNTYPED: Node = Node {
    kind: Kind::Any,
    logical: Logical::None,
    optional: true,
    union: false,
    object: false,
    numeric: false,
    default: None,
    fields: Vec::new(),
    element: None,
    key: None,
};
