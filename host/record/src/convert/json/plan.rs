//! A schema compiled for JSON: what encoder and decoder need of it, laid out for the walk.

use millrace_row::RowBuf;

use super::Form;
use crate::convert::logical::Logical;
use crate::json::{Scanner, quoted};
use crate::{Kind, Schema};

#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub logical: Logical,
    pub optional: bool,
    /// The default value in this converter's JSON.
    pub default: Option<Box<str>>,
    pub fields: Vec<FieldNode>,
    element: Option<Box<Node>>,
    key: Option<Box<Node>>,
}

#[derive(Debug)]
pub(super) struct FieldNode {
    pub name: Box<str>,
    /// `{"name":` for the first field, `,"name":` for the others: one copy when encoding, one comparison when decoding what was
    /// written compactly in the schema's order.
    pub literal: Box<[u8]>,
    pub node: Node,
}

impl Node {
    pub fn compile(schema: &Schema, form: Form) -> Node {
        let mut node = Node {
            kind: schema.kind,
            logical: Logical::of(schema),
            optional: schema.optional,
            default: None,
            fields: Vec::with_capacity(schema.fields.len()),
            element: schema.element.as_deref().map(|s| Box::new(Node::compile(s, form))),
            key: schema.key.as_deref().map(|s| Box::new(Node::compile(s, form))),
        };
        for (i, f) in schema.fields.iter().enumerate() {
            let mut literal = vec![if i == 0 { b'{' } else { b',' }];
            quoted(f.name.as_bytes(), &mut literal);
            literal.push(b':');
            node.fields.push(FieldNode {
                name: (&*f.name).into(),
                literal: literal.into(),
                node: Node::compile(&f.schema, form),
            });
        }
        if let Some(text) = schema.default.as_deref() {
            node.default = node.render(text, form);
        }
        node
    }

    /// The default, given as JSON, in this converter's form; as it is where it does not fit the type; none for null.
    fn render(&self, text: &str, form: Form) -> Option<Box<str>> {
        if text.trim() == "null" {
            return None;
        }
        let mut rows = RowBuf::new();
        let mut out = Vec::new();
        let mark = rows.begin(1);
        let fits = super::decode::value(self, form, &mut Scanner::new(text), &mut rows, mark, 0).is_ok()
            && millrace_row::Row::new(rows.as_bytes())
                .is_some_and(|row| super::encode::value(self, form, &row, 0, &mut out).is_ok());
        match String::from_utf8(out) {
            Ok(rendered) if fits => Some(rendered.into()),
            _ => Scanner::new(text).skip().ok().map(Into::into),
        }
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
static UNTYPED: Node =
    Node { kind: Kind::Any, logical: Logical::None, optional: true, default: None, fields: Vec::new(), element: None, key: None };
