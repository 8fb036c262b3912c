//! The drafts of JSON Schema, and which keywords hold schemas.

use serde_json::Value;

/// A draft, older ones smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draft {
    Four,
    Six,
    /// What a schema is that does not say.
    #[default]
    Seven,
    Draft2019,
    Draft2020,
}

/// Parts of the address in `$schema`.
const ADDRESSES: [(&str, Draft); 5] = [
    ("draft-04", Draft::Four),
    ("draft-06", Draft::Six),
    ("draft-07", Draft::Seven),
    ("draft/2019-09", Draft::Draft2019),
    ("draft/2020-12", Draft::Draft2020),
];

impl Draft {
    /// As `$schema` says; one that is not known here is `otherwise`, as is a schema without.
    pub(super) fn of(schema: &Value, otherwise: Draft) -> Draft {
        let Some(address) = schema.get("$schema").and_then(Value::as_str) else { return otherwise };
        ADDRESSES.iter().find(|(part, _)| address.contains(part)).map_or(otherwise, |(_, draft)| *draft)
    }

    /// The keyword that names a schema.
    pub(super) fn id(self) -> &'static str {
        if self == Draft::Four { "id" } else { "$id" }
    }

    /// Whether keywords beside a `$ref` say nothing.
    pub(super) fn ref_stands_alone(self) -> bool {
        self <= Draft::Seven
    }
}

/// What a schema refers to. The references that newer drafts resolve while data is read are taken for where they lead in the
/// schema itself.
pub(super) fn reference(schema: &Value) -> Option<&str> {
    ["$ref", "$dynamicRef", "$recursiveRef"].into_iter().find_map(|keyword| schema.get(keyword)?.as_str())
}

/// Keywords that hold a schema.
pub(super) const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords that list schemas.
pub(super) const LISTS: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords that name schemas.
pub(super) const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// The schemas right below one, each with its place: a keyword, and a name or number within.
pub(super) fn below(schema: &Value) -> Vec<(&str, Option<String>, &Value)> {
    let mut found = Vec::new();
    let Some(members) = schema.as_object() else { return found };
    for (keyword, value) in members {
        let keyword = keyword.as_str();
        match value {
            Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword) => found.push((keyword, None, value)),
            Value::Array(list) if LISTS.contains(&keyword) => {
                found.extend(list.iter().enumerate().map(|(i, v)| (keyword, Some(i.to_string()), v)));
            }
            // Dependencies may be lists of names, too, which are no schemas.
            Value::Object(named) if NAMED.contains(&keyword) => {
                let schemas = named.iter().filter(|(_, v)| !v.is_array());
                found.extend(schemas.map(|(name, v)| (keyword, Some(name.clone()), v)));
            }
            _ => {}
        }
    }
    found
}

/// A JSON pointer one step further down.
pub(super) fn pointer(to: &str, keyword: &str, within: Option<&str>) -> String {
    let escaped = |part: &str| part.replace('~', "~0").replace('/', "~1");
    match within {
        None => format!("{to}/{}", escaped(keyword)),
        Some(within) => format!("{to}/{}/{}", escaped(keyword), escaped(within)),
    }
}
