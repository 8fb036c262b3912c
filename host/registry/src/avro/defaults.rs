//! Whether a default is a value of its schema.

use serde_json::Value;

use super::model::{Kind, Node, NodeId};

/// Records whose fields have defaults of their own can ask for one another without end.
const DEPTH_MAX: usize = 128;

/// The default of a union may be of any branch.
pub(super) fn fits(nodes: &[Node], schema: NodeId, default: &Value) -> bool {
    within(nodes, schema, default, 0)
}

fn within(nodes: &[Node], schema: NodeId, value: &Value, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return false;
    }
    let fits = |of, value| within(nodes, of, value, depth + 1);
    match &nodes[schema.index()].kind {
        Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Fixed(_) => value.is_string(),
        Kind::Int => value.as_i64().is_some_and(|v| i32::try_from(v).is_ok()),
        Kind::Long => value.is_i64() || value.as_u64().is_some_and(|v| i64::try_from(v).is_ok()),
        Kind::Float | Kind::Double => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Null => value.is_null(),
        Kind::Array(of) => value.as_array().is_some_and(|items| items.iter().all(|item| fits(*of, item))),
        Kind::Map(of) => value.as_object().is_some_and(|values| values.values().all(|value| fits(*of, value))),
        Kind::Union(branches) => branches.iter().any(|branch| fits(*branch, value)),
        Kind::Record(record) => value.as_object().is_some_and(|object| {
            record.fields.iter().all(|f| object.get(&f.name).or(f.default.as_ref()).is_some_and(|value| fits(f.schema, value)))
        }),
    }
}
