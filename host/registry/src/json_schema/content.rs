//! Content models of objects and lists: what is declared by name or place, and what may stand beside it.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::compare::{Comparison, Found, at_least, at_most};
use super::shape::{Shape, View};
use super::{Draft, Node};

/// What may stand beside what is declared.
#[derive(Clone, Copy)]
enum Rest<'a> {
    Anything,
    Schema(Node<'a>),
    Nothing,
}

impl<'a> Rest<'a> {
    fn of(node: Option<Node<'a>>) -> Self {
        match node {
            None => Rest::Anything,
            Some(node) => match View::whole(node).shape() {
                Shape::Anything => Rest::Anything,
                Shape::Nothing => Rest::Nothing,
                _ => Rest::Schema(node),
            },
        }
    }
}

fn takes_anything(node: Node<'_>) -> bool {
    matches!(Rest::of(Some(node)), Rest::Anything)
}

fn takes_nothing(node: Node<'_>) -> bool {
    matches!(Rest::of(Some(node)), Rest::Nothing)
}

/// An object's model.
struct Model<'a> {
    node: Node<'a>,
    patterns: Vec<(&'a str, Option<fancy_regex::Regex>, Node<'a>)>,
    rest: Rest<'a>,
    required: HashSet<&'a str>,
}

impl<'a> Model<'a> {
    fn of(node: Node<'a>) -> Self {
        let rest = node.child("additionalProperties").or_else(|| node.child("unevaluatedProperties"));
        let patterns = node.members("patternProperties");
        Model {
            node,
            patterns: patterns.map(|(text, schema)| (text, fancy_regex::Regex::new(text).ok(), schema)).collect(),
            rest: Rest::of(rest),
            required: names(node.get("required")).collect(),
        }
    }

    fn property(&self, name: &str) -> Option<Node<'a>> {
        let value = self.node.get("properties")?.get(name)?;
        Some(Node { of: self.node.of, value })
    }

    /// Whether anything may stand under any name that is not declared.
    fn is_open(&self) -> bool {
        self.patterns.is_empty() && matches!(self.rest, Rest::Anything)
    }

    /// What may stand under a name that is not declared; all of several schemas hold.
    fn covering(&self, name: &str) -> (Vec<Node<'a>>, Rest<'a>) {
        let matching = |regex: &Option<fancy_regex::Regex>| regex.as_ref().is_some_and(|r| r.is_match(name).unwrap_or(false));
        let found: Vec<Node<'a>> = self.patterns.iter().filter(|(_, r, _)| matching(r)).map(|(_, _, schema)| *schema).collect();
        let rest = if found.is_empty() { self.rest } else { Rest::Nothing };
        (found, rest)
    }

    fn requires(&self, name: &str) -> bool {
        self.required.contains(name)
    }
}

fn names(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn objects(comparison: &mut Comparison, writer: Node<'_>, reader: Node<'_>) -> Vec<Found> {
    let (from, to) = (Model::of(writer), Model::of(reader));
    let mut found = Vec::new();
    required(&mut found, &from, &to);
    for (name, before) in writer.members("properties") {
        let at = format!("properties/{}", name.replace('~', "~0").replace('/', "~1"));
        match to.property(name) {
            Some(after) => found.extend(comparison.within(&at, before, after)),
            None => found.extend(removed(comparison, &at, name, before, &to)),
        }
    }
    for (name, after) in reader.members("properties").filter(|(name, _)| from.property(name).is_none()) {
        let at = format!("properties/{}", name.replace('~', "~0").replace('/', "~1"));
        found.extend(added(comparison, &at, name, after, &from, &to));
    }
    patterns(comparison, &mut found, &from, &to);
    found.extend(rests(comparison, "additionalProperties", from.rest, to.rest, PROPERTIES));
    match (writer.child("propertyNames"), reader.child("propertyNames")) {
        (Some(before), Some(after)) => found.extend(comparison.within("propertyNames", before, after)),
        (None, Some(after)) if !takes_anything(after) => found.push(Found::at("SCHEMA_ADDED", "propertyNames")),
        _ => {}
    }
    dependencies(comparison, &mut found, writer, reader);
    let (writer, reader) = (View::whole(writer), View::whole(reader));
    at_most(&mut found, "maxProperties", writer, reader, "MAX_PROPERTIES_ADDED", "MAX_PROPERTIES_DECREASED");
    at_least(&mut found, "minProperties", writer, reader, "MIN_PROPERTIES_ADDED", "MIN_PROPERTIES_INCREASED");
    found
}

/// What is required of properties that both know, or that neither declares.
fn required(found: &mut Vec<Found>, from: &Model<'_>, to: &Model<'_>) {
    for name in names(to.node.get("required")).filter(|name| !from.requires(name)) {
        let declared = to.property(name);
        let has_default = declared.is_some_and(|property| property.get("default").is_some());
        // A property that is new is a matter of the content model that it is added to.
        let is_new = declared.is_some() && from.property(name).is_none();
        let told_of = is_new && (!from.is_open() || declared.is_some_and(|p| !takes_anything(p)));
        if !has_default && !told_of {
            found.push(Found::at("REQUIRED_ATTRIBUTE_ADDED", format!("required/{name}")));
        }
    }
}

fn removed(comparison: &mut Comparison, at: &str, name: &str, before: Node<'_>, to: &Model<'_>) -> Option<Found> {
    if to.is_open() || takes_nothing(before) {
        return None;
    }
    let (schemas, rest) = to.covering(name);
    let kind = match (schemas.as_slice(), rest) {
        ([], Rest::Anything) => return None,
        ([], Rest::Nothing) => "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        ([], Rest::Schema(after)) if comparison.reads(before, after) => return None,
        (several @ [_, ..], _) if several.iter().all(|after| comparison.reads(before, *after)) => return None,
        _ => "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
    };
    Some(Found::at(kind, at))
}

fn added(comparison: &mut Comparison, at: &str, name: &str, after: Node<'_>, from: &Model<'_>, to: &Model<'_>) -> Vec<Found> {
    if from.is_open() {
        let kind = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL";
        return if takes_anything(after) { Vec::new() } else { vec![Found::at(kind, at)] };
    }
    let mut found = Vec::new();
    let (schemas, rest) = from.covering(name);
    let covered = match (schemas.as_slice(), rest) {
        ([], Rest::Anything) => takes_anything(after),
        ([], Rest::Nothing) => true,
        ([], Rest::Schema(before)) => comparison.reads(before, after),
        (several, _) => several.iter().any(|before| comparison.reads(*before, after)),
    };
    if !covered {
        found.push(Found::at("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at));
    }
    if to.requires(name) && after.get("default").is_none() && !from.requires(name) {
        found.push(Found::at("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", at));
    }
    found
}

/// Patterns that both know, that are new, and that are gone.
fn patterns(comparison: &mut Comparison, found: &mut Vec<Found>, from: &Model<'_>, to: &Model<'_>) {
    let find = |model: &Model<'_>, text: &str| model.patterns.iter().position(|(known, ..)| *known == text);
    for (text, _, before) in &from.patterns {
        let at = format!("patternProperties/{text}");
        match find(to, text) {
            Some(i) => found.extend(comparison.within(&at, *before, to.patterns[i].2)),
            None => {
                let fits = match to.rest {
                    Rest::Anything => true,
                    Rest::Nothing => takes_nothing(*before),
                    Rest::Schema(after) => comparison.reads(*before, after),
                };
                if !fits {
                    found.push(Found::at("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at));
                }
            }
        }
    }
    for (text, _, after) in to.patterns.iter().filter(|(text, ..)| find(from, text).is_none()) {
        let fits = match from.rest {
            Rest::Anything => takes_anything(*after),
            Rest::Nothing => true,
            Rest::Schema(before) => comparison.reads(before, *after),
        };
        if !fits {
            found.push(Found::at("ADDITIONAL_PROPERTIES_NARROWED", format!("patternProperties/{text}")));
        }
    }
}

/// The dependency of a property, a list of names or a schema, and the keyword it stands under.
fn dependency<'a>(node: Node<'a>, name: &str, is_list: bool) -> Option<(&'static str, &'a Value)> {
    let keywords = ["dependencies", if is_list { "dependentRequired" } else { "dependentSchemas" }];
    let found = keywords.into_iter().find_map(|keyword| Some((keyword, node.get(keyword)?.get(name)?)));
    found.filter(|(_, value)| value.is_array() == is_list)
}

/// What a property asks for beside it: names in lists, or schemas, under the keywords of old and new drafts.
fn dependencies(comparison: &mut Comparison, found: &mut Vec<Found>, writer: Node<'_>, reader: Node<'_>) {
    let mut keys = BTreeSet::new();
    for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
        keys.extend(reader.members(keyword).map(|(name, _)| name));
    }
    for name in keys {
        if let Some((keyword, list)) = dependency(reader, name, true) {
            let asked: BTreeSet<&str> = names(Some(list)).collect();
            let at = format!("{keyword}/{name}");
            match dependency(writer, name, true).map(|(_, list)| names(Some(list)).collect::<BTreeSet<_>>()) {
                None if !asked.is_empty() => found.push(Found::at("DEPENDENCY_ARRAY_ADDED", at)),
                Some(before) if asked.is_subset(&before) => {}
                Some(before) if asked.is_superset(&before) => found.push(Found::at("DEPENDENCY_ARRAY_EXTENDED", at)),
                Some(_) => found.push(Found::at("DEPENDENCY_ARRAY_CHANGED", at)),
                None => {}
            }
        }
        if let Some((keyword, value)) = dependency(reader, name, false) {
            let at = format!("{keyword}/{name}");
            let after = Node { of: reader.of, value };
            match dependency(writer, name, false) {
                Some((_, value)) => found.extend(comparison.within(&at, Node { of: writer.of, value }, after)),
                None if !takes_anything(after) => found.push(Found::at("DEPENDENCY_SCHEMA_ADDED", at)),
                None => {}
            }
        }
    }
}

/// The names of what can happen to the rest of a model.
struct Kinds {
    narrowed: &'static str,
    removed: &'static str,
}

const PROPERTIES: Kinds = Kinds { narrowed: "ADDITIONAL_PROPERTIES_NARROWED", removed: "ADDITIONAL_PROPERTIES_REMOVED" };
const ITEMS: Kinds = Kinds { narrowed: "ADDITIONAL_ITEMS_NARROWED", removed: "ADDITIONAL_ITEMS_REMOVED" };
const ALL_ITEMS: Kinds = Kinds { narrowed: "SCHEMA_ADDED", removed: "SCHEMA_ADDED" };

fn rests(comparison: &mut Comparison, at: &str, from: Rest<'_>, to: Rest<'_>, kinds: Kinds) -> Vec<Found> {
    match (from, to) {
        (Rest::Nothing, _) | (_, Rest::Anything) => Vec::new(),
        (_, Rest::Nothing) => vec![Found::at(kinds.removed, at)],
        (Rest::Anything, Rest::Schema(_)) => vec![Found::at(kinds.narrowed, at)],
        (Rest::Schema(before), Rest::Schema(after)) => comparison.within(at, before, after),
    }
}

/// A list's model: schemas by place, and what comes behind them.
struct Places<'a> {
    first: Vec<Node<'a>>,
    rest: Rest<'a>,
    /// Where the schemas by place stand, and where the rest does.
    keywords: (&'static str, &'static str),
}

impl<'a> Places<'a> {
    fn of(node: Node<'a>) -> Self {
        let unevaluated = || node.child("unevaluatedItems");
        if node.of.draft() >= Draft::Draft2020 && node.get("prefixItems").is_some() {
            let first = node.list("prefixItems").into_iter().flatten().collect();
            return Places {
                first,
                rest: Rest::of(node.child("items").or_else(unevaluated)),
                keywords: ("prefixItems", "items"),
            };
        }
        match node.list("items") {
            Some(first) => {
                let rest = Rest::of(node.child("additionalItems").or_else(unevaluated));
                Places { first: first.collect(), rest, keywords: ("items", "additionalItems") }
            }
            None => Places {
                first: Vec::new(),
                rest: Rest::of(node.child("items").or_else(unevaluated)),
                keywords: ("items", "items"),
            },
        }
    }
}

pub(super) fn arrays(comparison: &mut Comparison, writer: Node<'_>, reader: Node<'_>) -> Vec<Found> {
    let (from, to) = (Places::of(writer), Places::of(reader));
    let mut found = Vec::new();
    for i in 0..from.first.len().max(to.first.len()) {
        let at = format!("{}/{i}", if to.first.is_empty() { from.keywords.0 } else { to.keywords.0 });
        match (from.first.get(i), to.first.get(i)) {
            (Some(before), Some(after)) => found.extend(comparison.within(&at, *before, *after)),
            (Some(before), None) => {
                let kind = match to.rest {
                    _ if takes_nothing(*before) => continue,
                    Rest::Anything => continue,
                    Rest::Nothing => "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL",
                    Rest::Schema(after) if comparison.reads(*before, after) => continue,
                    Rest::Schema(_) => "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
                };
                found.push(Found::at(kind, at));
            }
            (None, Some(after)) => {
                let kind = match from.rest {
                    _ if takes_anything(*after) => continue,
                    Rest::Nothing => continue,
                    Rest::Anything => "ITEM_ADDED_TO_OPEN_CONTENT_MODEL",
                    Rest::Schema(before) if comparison.reads(before, *after) => continue,
                    Rest::Schema(_) => "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL",
                };
                found.push(Found::at(kind, at));
            }
            (None, None) => {}
        }
    }
    let kinds = if from.first.is_empty() && to.first.is_empty() { ALL_ITEMS } else { ITEMS };
    found.extend(rests(comparison, to.keywords.1, from.rest, to.rest, kinds));
    match (writer.child("contains"), reader.child("contains")) {
        (Some(before), Some(after)) => found.extend(comparison.within("contains", before, after)),
        (None, Some(_)) => found.push(Found::at("SCHEMA_ADDED", "contains")),
        (_, None) => {}
    }
    let unique = |node: Node<'_>| node.get("uniqueItems") == Some(&Value::Bool(true));
    if unique(reader) && !unique(writer) {
        found.push(Found::at("UNIQUE_ITEMS_ADDED", "uniqueItems"));
    }
    let (writer, reader) = (View::whole(writer), View::whole(reader));
    at_most(&mut found, "maxItems", writer, reader, "MAX_ITEMS_ADDED", "MAX_ITEMS_DECREASED");
    at_least(&mut found, "minItems", writer, reader, "MIN_ITEMS_ADDED", "MIN_ITEMS_INCREASED");
    at_most(&mut found, "maxContains", writer, reader, "MAX_CONTAINS_ADDED", "MAX_CONTAINS_DECREASED");
    at_least(&mut found, "minContains", writer, reader, "MIN_CONTAINS_ADDED", "MIN_CONTAINS_INCREASED");
    found
}
