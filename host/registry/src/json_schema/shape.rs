//! What a schema asks of data, keyword by keyword: the one kind of assertion that it is, or several that have to hold together.

use serde_json::Value;

use super::Node;

/// A schema, or one aspect of it where it has several.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub node: Node<'a>,
    pub aspect: Aspect,
}

/// The part of a schema that a view looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Aspect {
    Whole,
    Target,
    Enum,
    Const,
    Not,
    Condition,
    Combined(Criterion),
    /// A list in `type`.
    Types,
    Typed(Type),
}

/// Of `allOf`, `anyOf` and `oneOf`; several assertions side by side are `All`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Criterion {
    All,
    Any,
    One,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// What a view comes to.
pub(super) enum Shape<'a> {
    /// Takes everything.
    Anything,
    /// Takes nothing.
    Nothing,
    Enum(Vec<&'a Value>),
    Not(View<'a>),
    Condition,
    Combined(Criterion, Vec<View<'a>>),
    Typed(Type),
}

pub(super) const TYPES: [(&str, Type); 7] = [
    ("null", Type::Null),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("string", Type::String),
    ("array", Type::Array),
    ("object", Type::Object),
];

/// Keywords that tell a type where `type` does not.
const TELLING: [(Type, &[&str]); 4] = [
    (
        Type::Array,
        &["items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "unevaluatedItems"],
    ),
    (
        Type::Object,
        &[
            "properties",
            "required",
            "minProperties",
            "maxProperties",
            "dependencies",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "dependentRequired",
            "dependentSchemas",
            "unevaluatedProperties",
        ],
    ),
    (Type::Number, &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
    (Type::String, &["minLength", "maxLength", "pattern"]),
];

impl<'a> View<'a> {
    /// All of a schema, behind its references.
    pub fn whole(node: Node<'a>) -> Self {
        View { node: entered(node), aspect: Aspect::Whole }
    }

    /// What tells this view apart from all others.
    pub fn key(self) -> (usize, Aspect) {
        (self.node.address(), self.aspect)
    }

    pub fn shape(self) -> Shape<'a> {
        let at = |aspect| View { node: self.node, aspect };
        let list = |keyword| self.node.list(keyword).into_iter().flatten().map(View::whole).collect();
        match self.aspect {
            Aspect::Whole => match self.node.value() {
                Value::Bool(true) => Shape::Anything,
                Value::Bool(false) => Shape::Nothing,
                // A reference that only leads back to itself asks for nothing.
                _ if self.node.target().is_some() && alone(self.node) => Shape::Anything,
                _ => match aspects(self.node).as_slice() {
                    [] => Shape::Anything,
                    [one] => at(*one).shape(),
                    several => Shape::Combined(Criterion::All, several.iter().map(|aspect| at(*aspect)).collect()),
                },
            },
            Aspect::Target => match self.node.target() {
                Some(target) => View::whole(target).shape(),
                None => Shape::Anything,
            },
            Aspect::Enum => Shape::Enum(self.node.get("enum").and_then(Value::as_array).into_iter().flatten().collect()),
            Aspect::Const => Shape::Enum(self.node.get("const").into_iter().collect()),
            Aspect::Not => match self.node.child("not") {
                Some(not) => Shape::Not(View::whole(not)),
                None => Shape::Anything,
            },
            Aspect::Condition => Shape::Condition,
            Aspect::Combined(Criterion::All) => Shape::Combined(Criterion::All, list("allOf")),
            Aspect::Combined(Criterion::Any) => Shape::Combined(Criterion::Any, list("anyOf")),
            Aspect::Combined(Criterion::One) => Shape::Combined(Criterion::One, list("oneOf")),
            Aspect::Types => {
                let names = self.node.get("type").and_then(Value::as_array).into_iter().flatten();
                Shape::Combined(Criterion::Any, names.filter_map(named).map(|of| at(Aspect::Typed(of))).collect())
            }
            Aspect::Typed(of) => Shape::Typed(of),
        }
    }

    pub fn text(self, keyword: &str) -> Option<&'a str> {
        self.node.text(keyword)
    }

    pub fn number(self, keyword: &str) -> Option<f64> {
        self.node.get(keyword)?.as_f64()
    }
}

/// Behind references that stand alone, as far as they lead.
fn entered(node: Node<'_>) -> Node<'_> {
    let mut node = node;
    for _ in 0..super::REFERENCES_MAX {
        match node.target() {
            Some(target) if alone(node) => node = target,
            _ => break,
        }
    }
    node
}

/// Whether a reference is all that a schema says.
fn alone(node: Node<'_>) -> bool {
    node.of.draft().ref_stands_alone() || aspects(node) == [Aspect::Target]
}

fn named(name: &Value) -> Option<Type> {
    let name = name.as_str()?;
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, of)| *of)
}

/// The assertions that a schema makes, in one order.
fn aspects(node: Node<'_>) -> Vec<Aspect> {
    let mut found = Vec::new();
    let has = |keyword: &str| node.get(keyword).is_some();
    if node.target().is_some() {
        found.push(Aspect::Target);
    }
    if has("enum") {
        found.push(Aspect::Enum);
    }
    for (keyword, criterion) in [("allOf", Criterion::All), ("anyOf", Criterion::Any), ("oneOf", Criterion::One)] {
        if has(keyword) {
            found.push(Aspect::Combined(criterion));
        }
    }
    match node.get("type") {
        Some(Value::Array(_)) => found.push(Aspect::Types),
        Some(name) => found.extend(named(name).map(Aspect::Typed)),
        None => {
            let told = TELLING.iter().filter(|(_, keywords)| keywords.iter().any(|k| has(k)));
            found.extend(told.map(|(of, _)| Aspect::Typed(*of)));
        }
    }
    if has("not") {
        found.push(Aspect::Not);
    }
    if has("const") {
        found.push(Aspect::Const);
    }
    if has("if") && (has("then") || has("else")) {
        found.push(Aspect::Condition);
    }
    found
}

/// A text that is the same for values that are equal as JSON: numbers by their value, members in any order.
pub(super) fn identity(value: &Value) -> String {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 1e15 => format!("{f:.0}"),
            _ => n.to_string(),
        },
        Value::Array(list) => format!("[{}]", list.iter().map(identity).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().map(|(name, v)| format!("{name:?}:{}", identity(v))).collect();
            sorted.sort();
            format!("{{{}}}", sorted.join(","))
        }
        scalar => scalar.to_string(),
    }
}
