//! Whether data of one schema is valid by another, by the rules of Confluent's registry: a reader may take more than its
//! writer gives, never less, and what the rules cannot tell counts as less.

use std::collections::{HashMap, HashSet};

use super::content;
use super::shape::{Aspect, Criterion, Shape, Type, View, identity};
use super::{JsonSchema, Node};
use crate::Incompatibility;

/// How many pairs of schemas one comparison looks at. Alternatives within alternatives multiply; who needs more is told so.
const PAIRS_MAX: usize = 100_000;
/// How deep schemas are followed into each other.
const DEPTH_MAX: usize = 200;

/// Why data of `writer` may not be valid by `reader`.
pub fn cannot_read(reader: &JsonSchema, writer: &JsonSchema) -> Vec<Incompatibility> {
    let mut comparison = Comparison::default();
    let found = comparison.views(View::whole(writer.root()), View::whole(reader.root()));
    found.into_iter().map(Found::told).collect()
}

/// A reason, at a place relative to where the comparison of two schemas began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub kind: &'static str,
    /// Outermost last, as it is put together on the way up.
    path: Vec<String>,
}

impl Found {
    pub fn at(kind: &'static str, part: impl Into<String>) -> Self {
        Found { kind, path: vec![part.into()] }
    }

    pub fn here(kind: &'static str) -> Self {
        Found { kind, path: Vec::new() }
    }

    fn told(self) -> Incompatibility {
        let path = format!("#/{}", self.path.iter().rev().map(String::as_str).collect::<Vec<_>>().join("/"));
        Incompatibility { kind: self.kind, description: describe(self.kind, &path), path, additional: String::new() }
    }
}

type Key = ((usize, Aspect), (usize, Aspect));

/// One comparison: what it has found of pairs, and how much it may still do.
#[derive(Default)]
pub(super) struct Comparison {
    known: HashMap<Key, Vec<Found>>,
    /// Pairs under comparison, with their depth. One met again is taken to be compatible: it is, if all the rest is.
    open: HashMap<Key, usize>,
    /// The shallowest open pair that the result at hand was built on.
    built_on: usize,
    pairs: usize,
}

impl Comparison {
    /// The reasons within a place, seen from outside of it.
    pub fn within(&mut self, part: &str, writer: Node<'_>, reader: Node<'_>) -> Vec<Found> {
        let mut found = self.views(View::whole(writer), View::whole(reader));
        found.iter_mut().for_each(|f| f.path.push(part.to_owned()));
        found
    }

    pub fn reads(&mut self, writer: Node<'_>, reader: Node<'_>) -> bool {
        self.views(View::whole(writer), View::whole(reader)).is_empty()
    }

    fn views(&mut self, writer: View<'_>, reader: View<'_>) -> Vec<Found> {
        let key = (writer.key(), reader.key());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if let Some(depth) = self.open.get(&key) {
            self.built_on = self.built_on.min(*depth);
            return Vec::new();
        }
        let depth = self.open.len();
        self.pairs += 1;
        if self.pairs > PAIRS_MAX || depth >= DEPTH_MAX {
            return vec![Found::here("COMBINED_TYPE_SUBSCHEMAS_CHANGED")];
        }
        self.open.insert(key, depth);
        let outer = std::mem::replace(&mut self.built_on, usize::MAX);
        let found = self.shapes(writer, reader);
        self.open.remove(&key);
        // What was built on a pair that is still open holds only as long as that does.
        if self.built_on >= depth {
            self.known.insert(key, found.clone());
            self.built_on = outer;
        } else {
            self.built_on = self.built_on.min(outer);
        }
        found
    }

    fn shapes(&mut self, writer: View<'_>, reader: View<'_>) -> Vec<Found> {
        let changed = || vec![Found::here("TYPE_CHANGED")];
        match (writer.shape(), reader.shape()) {
            (Shape::Nothing, _) | (_, Shape::Anything) => Vec::new(),
            (Shape::Combined(of_writer, from), Shape::Combined(of_reader, to)) => self.combined(of_writer, &from, of_reader, &to),
            (_, Shape::Combined(criterion, to)) => {
                let enough = criterion != Criterion::All || to.len() == 1;
                if enough && to.iter().any(|one| self.views(writer, *one).is_empty()) { Vec::new() } else { changed() }
            }
            (Shape::Combined(criterion, from), _) => {
                let enough = criterion == Criterion::All || from.len() == 1;
                if enough && from.iter().any(|one| self.views(*one, reader).is_empty()) { Vec::new() } else { changed() }
            }
            (Shape::Enum(from), Shape::Enum(to)) => enums(&from, &to),
            // What is forbidden may only become less.
            (Shape::Not(from), Shape::Not(to)) => match self.views(to, from).is_empty() {
                true => Vec::new(),
                false => vec![Found::at("NOT_TYPE_EXTENDED", "not")],
            },
            (Shape::Condition, Shape::Condition) => self.conditions(writer.node, reader.node),
            (Shape::Typed(from), Shape::Typed(to)) => match (from, to) {
                (Type::Integer | Type::Number, Type::Integer | Type::Number) => numbers(writer, from, reader, to),
                (from, to) if from != to => changed(),
                (Type::String, _) => strings(writer, reader),
                (Type::Array, _) => content::arrays(self, writer.node, reader.node),
                (Type::Object, _) => content::objects(self, writer.node, reader.node),
                _ => Vec::new(),
            },
            _ => changed(),
        }
    }

    fn combined(&mut self, of_writer: Criterion, from: &[View<'_>], of_reader: Criterion, to: &[View<'_>]) -> Vec<Found> {
        let part = match of_reader {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        };
        // One alternative or one demand is the same by any criterion.
        let single = from.len() == 1 && to.len() == 1;
        if of_writer != of_reader && of_reader != Criterion::Any && !single {
            return vec![Found::here("COMBINED_TYPE_CHANGED")];
        }
        let needed = match of_reader {
            Criterion::All if from.len() < to.len() => return vec![Found::at("PRODUCT_TYPE_EXTENDED", part)],
            Criterion::All => to.len(),
            Criterion::Any if of_writer == Criterion::All => 1,
            _ if from.len() > to.len() => return vec![Found::at("SUM_TYPE_NARROWED", part)],
            _ => from.len(),
        };
        if from.len() * to.len() > PAIRS_MAX.saturating_sub(self.pairs) {
            return vec![Found::at("COMBINED_TYPE_SUBSCHEMAS_CHANGED", part)];
        }
        let mut edges = Vec::with_capacity(from.len());
        for one in from {
            let fits = to.iter().enumerate().filter(|(_, other)| self.views(*one, **other).is_empty());
            edges.push(fits.map(|(i, _)| i).collect::<Vec<_>>());
        }
        match matched(&edges, to.len()) >= needed {
            true => Vec::new(),
            false => vec![Found::at("COMBINED_TYPE_SUBSCHEMAS_CHANGED", part)],
        }
    }

    /// The same condition has to lead to what reads what it led to.
    fn conditions(&mut self, writer: Node<'_>, reader: Node<'_>) -> Vec<Found> {
        let same_condition = match (writer.get("if"), reader.get("if")) {
            (Some(from), Some(to)) => identity(from) == identity(to),
            _ => false,
        };
        if !same_condition {
            return vec![Found::at("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "if")];
        }
        let mut found = Vec::new();
        for part in ["then", "else"] {
            match (writer.child(part), reader.child(part)) {
                (Some(from), Some(to)) => found.extend(self.within(part, from, to)),
                (None, Some(_)) => found.push(Found::at("SCHEMA_ADDED", part)),
                (_, None) => {}
            }
        }
        found
    }
}

/// How many on the left find a partner of their own on the right.
fn matched(edges: &[Vec<usize>], right: usize) -> usize {
    fn placed(left: usize, edges: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        for &to in &edges[left] {
            if !std::mem::replace(&mut tried[to], true) && taken[to].is_none_or(|other| placed(other, edges, taken, tried)) {
                taken[to] = Some(left);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; right];
    (0..edges.len()).filter(|left| placed(*left, edges, &mut taken, &mut vec![false; right])).count()
}

fn enums(from: &[&serde_json::Value], to: &[&serde_json::Value]) -> Vec<Found> {
    let values = |list: &[&serde_json::Value]| list.iter().map(|v| identity(v)).collect::<HashSet<_>>();
    let (from, to) = (values(from), values(to));
    match () {
        _ if from.is_subset(&to) => Vec::new(),
        _ if to.is_subset(&from) => vec![Found::at("ENUM_ARRAY_NARROWED", "enum")],
        _ => vec![Found::at("ENUM_ARRAY_CHANGED", "enum")],
    }
}

fn strings(writer: View<'_>, reader: View<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    at_most(&mut found, "maxLength", writer, reader, "MAX_LENGTH_ADDED", "MAX_LENGTH_DECREASED");
    at_least(&mut found, "minLength", writer, reader, "MIN_LENGTH_ADDED", "MIN_LENGTH_INCREASED");
    match (writer.text("pattern"), reader.text("pattern")) {
        (None, Some(_)) => found.push(Found::at("PATTERN_ADDED", "pattern")),
        (Some(from), Some(to)) if from != to => found.push(Found::at("PATTERN_CHANGED", "pattern")),
        _ => {}
    }
    found
}

fn numbers(writer: View<'_>, from: Type, reader: View<'_>, to: Type) -> Vec<Found> {
    let mut found = Vec::new();
    for (keyword, added, decreased) in [
        ("maximum", "MAXIMUM_ADDED", "MAXIMUM_DECREASED"),
        ("exclusiveMaximum", "EXCLUSIVE_MAXIMUM_ADDED", "EXCLUSIVE_MAXIMUM_DECREASED"),
    ] {
        found.extend(most(keyword, bound(writer, keyword), bound(reader, keyword), added, decreased));
    }
    for (keyword, added, increased) in [
        ("minimum", "MINIMUM_ADDED", "MINIMUM_INCREASED"),
        ("exclusiveMinimum", "EXCLUSIVE_MINIMUM_ADDED", "EXCLUSIVE_MINIMUM_INCREASED"),
    ] {
        found.extend(least(keyword, bound(writer, keyword), bound(reader, keyword), added, increased));
    }
    match (writer.number("multipleOf"), reader.number("multipleOf")) {
        (None, Some(_)) => found.push(Found::at("MULTIPLE_OF_ADDED", "multipleOf")),
        (Some(from), Some(to)) if from != to && from % to != 0.0 => {
            let kind = if to % from == 0.0 { "MULTIPLE_OF_EXPANDED" } else { "MULTIPLE_OF_CHANGED" };
            found.push(Found::at(kind, "multipleOf"));
        }
        _ => {}
    }
    if (from, to) == (Type::Number, Type::Integer) {
        found.push(Found::here("TYPE_NARROWED"));
    }
    found
}

/// A bound of numbers. In draft 4 `exclusiveMaximum` is a flag that says what `maximum` is.
fn bound(view: View<'_>, keyword: &str) -> Option<f64> {
    let flag = |keyword: &str| view.node.get(keyword).and_then(serde_json::Value::as_bool);
    match keyword {
        "maximum" if flag("exclusiveMaximum") == Some(true) => None,
        "minimum" if flag("exclusiveMinimum") == Some(true) => None,
        "exclusiveMaximum" if flag(keyword) == Some(true) => view.number("maximum"),
        "exclusiveMinimum" if flag(keyword) == Some(true) => view.number("minimum"),
        other => view.number(other),
    }
}

/// A keyword that sets an upper bound: it may only be gone or higher.
pub(super) fn at_most(
    found: &mut Vec<Found>,
    keyword: &str,
    writer: View<'_>,
    reader: View<'_>,
    added: &'static str,
    decreased: &'static str,
) {
    found.extend(most(keyword, writer.number(keyword), reader.number(keyword), added, decreased));
}

/// A keyword that sets a lower bound: it may only be gone or lower. None is the same as zero.
pub(super) fn at_least(
    found: &mut Vec<Found>,
    keyword: &str,
    writer: View<'_>,
    reader: View<'_>,
    added: &'static str,
    increased: &'static str,
) {
    let to = reader.number(keyword).filter(|n| *n > 0.0);
    found.extend(least(keyword, writer.number(keyword), to, added, increased));
}

fn most(keyword: &str, from: Option<f64>, to: Option<f64>, added: &'static str, decreased: &'static str) -> Option<Found> {
    match (from, to) {
        (None, Some(_)) => Some(Found::at(added, keyword)),
        (Some(from), Some(to)) if to < from => Some(Found::at(decreased, keyword)),
        _ => None,
    }
}

fn least(keyword: &str, from: Option<f64>, to: Option<f64>, added: &'static str, increased: &'static str) -> Option<Found> {
    match (from, to) {
        (None, Some(_)) => Some(Found::at(added, keyword)),
        (Some(from), Some(to)) if to > from => Some(Found::at(increased, keyword)),
        _ => None,
    }
}

/// A sentence for a reason.
fn describe(kind: &str, path: &str) -> String {
    let said = match kind {
        "TYPE_CHANGED" | "COMBINED_TYPE_CHANGED" => "the type is another in the {reader} schema than in the {writer} schema",
        "TYPE_NARROWED" => "the {reader} schema reads whole numbers only, and the {writer} schema allows fractions",
        "COMBINED_TYPE_SUBSCHEMAS_CHANGED" => {
            "the combined schemas of the {writer} schema are not each read by one of the {reader} schema"
        }
        "PRODUCT_TYPE_EXTENDED" => "more schemas have to hold in the {reader} schema than in the {writer} schema",
        "SUM_TYPE_NARROWED" => "the {reader} schema has fewer alternatives than the {writer} schema",
        "NOT_TYPE_EXTENDED" => "the {reader} schema forbids more than the {writer} schema",
        "ENUM_ARRAY_NARROWED" | "ENUM_ARRAY_CHANGED" => "the {reader} schema lacks values that the {writer} schema lists",
        "SCHEMA_ADDED" => "the {reader} schema has a schema where the {writer} schema has none",
        "REQUIRED_ATTRIBUTE_ADDED" => "the {reader} schema requires a property that is optional in the {writer} schema",
        "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL" => {
            "the {reader} schema requires a property without default that is missing in the {writer} schema"
        }
        "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" | "ITEM_ADDED_TO_OPEN_CONTENT_MODEL" => {
            "the {reader} schema declares what the {writer} schema leaves open, as its content model is open"
        }
        "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
        | "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" => {
            "the {reader} schema declares what it reads less of than the partially open {writer} schema allows"
        }
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL" | "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL" => {
            "the {reader} schema is closed and lacks what the {writer} schema declares"
        }
        "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
        | "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL" => {
            "the partially open {reader} schema lacks what the {writer} schema declares, and does not cover it"
        }
        "ADDITIONAL_PROPERTIES_REMOVED" | "ADDITIONAL_ITEMS_REMOVED" => {
            "the {reader} schema is closed, and the {writer} schema is not"
        }
        "ADDITIONAL_PROPERTIES_NARROWED" | "ADDITIONAL_ITEMS_NARROWED" => {
            "the {reader} schema reads less than anything beside what is declared, which the {writer} schema allows"
        }
        kind if kind.starts_with("DEPENDENCY_") => {
            "a property asks for more beside it in the {reader} schema than in the {writer} schema"
        }
        "PATTERN_CHANGED" | "MULTIPLE_OF_CHANGED" => "the value is another in the {reader} schema than in the {writer} schema",
        kind if kind.ends_with("_ADDED") => "the {reader} schema has a constraint that the {writer} schema has not",
        _ => "the constraint is tighter in the {reader} schema than in the {writer} schema",
    };
    format!("{said}, at {path}")
}
