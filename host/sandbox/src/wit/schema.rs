//! Schemas as trees, and as the contract's tables of nodes.

use std::sync::Arc;

use millrace_record::{Field, Kind, Schema};

use crate::bindings::types;

/// Nesting that a guest's schema may have.
const DEPTH_MAX: usize = 64;
/// Nodes of a guest's schema once it is a tree: a table whose nodes share children could grow without bound.
const NODES_MAX: usize = 100_000;

/// The table of a schema, root first.
pub(crate) fn lower(schema: &Schema) -> types::Schema {
    let mut nodes = Vec::new();
    node(schema, &mut nodes);
    types::Schema { nodes }
}

fn node(schema: &Schema, nodes: &mut Vec<types::TypeNode>) -> u32 {
    let at = nodes.len();
    nodes.push(types::TypeNode {
        kind: match schema.kind {
            Kind::Boolean => types::TypeKind::Boolean,
            Kind::Int8 => types::TypeKind::Int8,
            Kind::Int16 => types::TypeKind::Int16,
            Kind::Int32 => types::TypeKind::Int32,
            Kind::Int64 => types::TypeKind::Int64,
            Kind::Float32 => types::TypeKind::Float32,
            Kind::Float64 => types::TypeKind::Float64,
            Kind::Text => types::TypeKind::Text,
            Kind::Bytes => types::TypeKind::Bytes,
            Kind::List => types::TypeKind::List,
            Kind::Map => types::TypeKind::Map,
            Kind::Struct => types::TypeKind::Struct,
            Kind::Any => types::TypeKind::Any,
        },
        optional: schema.optional,
        name: schema.name.as_deref().map(str::to_owned),
        version: schema.version,
        doc: schema.doc.as_deref().map(str::to_owned),
        default_value: schema.default.as_deref().map(str::to_owned),
        parameters: schema.parameters.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        fields: Vec::new(),
        element: None,
        key: None,
    });
    let fields = schema.fields.iter().map(|f| types::Field { name: f.name.to_string(), node: node(&f.schema, nodes) }).collect();
    let element = schema.element.as_deref().map(|e| node(e, nodes));
    let key = schema.key.as_deref().map(|k| node(k, nodes));
    (nodes[at].fields, nodes[at].element, nodes[at].key) = (fields, element, key);
    at as u32
}

/// The tree of a guest's table.
pub(crate) fn lift(schema: &types::Schema) -> Result<Schema, String> {
    let mut left = NODES_MAX;
    tree(&schema.nodes, 0, 0, &mut left)
}

fn tree(nodes: &[types::TypeNode], at: u32, depth: usize, left: &mut usize) -> Result<Schema, String> {
    let Some(node) = nodes.get(at as usize) else {
        return Err(format!("node {at} of a schema of {}", nodes.len()));
    };
    if depth > DEPTH_MAX || *left == 0 {
        return Err(format!("a schema of more than {DEPTH_MAX} levels or {NODES_MAX} nodes; does a node hold itself?"));
    }
    *left -= 1;
    let mut schema = Schema::new(match node.kind {
        types::TypeKind::Boolean => Kind::Boolean,
        types::TypeKind::Int8 => Kind::Int8,
        types::TypeKind::Int16 => Kind::Int16,
        types::TypeKind::Int32 => Kind::Int32,
        types::TypeKind::Int64 => Kind::Int64,
        types::TypeKind::Float32 => Kind::Float32,
        types::TypeKind::Float64 => Kind::Float64,
        types::TypeKind::Text => Kind::Text,
        types::TypeKind::Bytes => Kind::Bytes,
        types::TypeKind::List => Kind::List,
        types::TypeKind::Map => Kind::Map,
        types::TypeKind::Struct => Kind::Struct,
        types::TypeKind::Any => Kind::Any,
    });
    schema.optional = node.optional;
    schema.name = node.name.as_deref().map(Into::into);
    schema.version = node.version;
    schema.doc = node.doc.as_deref().map(Into::into);
    schema.default = node.default_value.as_deref().map(Into::into);
    schema.parameters = node.parameters.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
    let mut child = |at: Option<u32>, what: &str| match at {
        Some(at) => Ok(Some(Arc::new(tree(nodes, at, depth + 1, left)?))),
        None => Err(format!("a {:?} without its {what}", node.kind)),
    };
    match node.kind {
        types::TypeKind::Struct => {
            for field in &node.fields {
                let schema_of = Arc::new(tree(nodes, field.node, depth + 1, left)?);
                schema.fields.push(Field { name: field.name.as_str().into(), schema: schema_of });
            }
        }
        types::TypeKind::List => schema.element = child(node.element, "element")?,
        types::TypeKind::Map => {
            schema.element = child(node.element, "values")?;
            schema.key = child(node.key, "keys")?;
        }
        _ => {}
    }
    Ok(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_survives_its_table() {
        let schema = Schema::record([
            ("id", Schema::new(Kind::Int64)),
            ("tags", Schema::list(Schema::new(Kind::Text).optional())),
            ("attributes", Schema::map(Schema::new(Kind::Text), Schema::record([("x", Schema::new(Kind::Bytes))])).optional()),
        ])
        .named("shop.public.orders.Value");
        assert_eq!(lift(&lower(&schema)), Ok(schema));
    }

    #[test]
    fn tables_that_lie_are_refused() {
        let mut table = lower(&Schema::list(Schema::new(Kind::Text)));
        table.nodes[0].element = Some(0);
        assert!(lift(&table).unwrap_err().contains("does a node hold itself"));
        table.nodes[0].element = Some(7);
        assert_eq!(lift(&table).unwrap_err(), "node 7 of a schema of 2");
        table.nodes[0].element = None;
        assert!(lift(&table).unwrap_err().contains("without its element"));
        assert!(lift(&types::Schema { nodes: vec![] }).is_err());
    }
}
