//! What differs between two schemas, for people: properties by name, through lists, alternatives and references.

use std::collections::HashSet;

use serde_json::Value;

use super::shape::identity;
use super::{JsonSchema, Node};
use crate::{Change, ChangeKind};

/// How deep schemas are followed; what is deeper is not told.
const DEPTH_MAX: usize = 64;
/// The longest text of one side of a change.
const TEXT_CHARS_MAX: usize = 200;

/// From `before` to `after`, property by property.
pub fn changes(before: &JsonSchema, after: &JsonSchema) -> Vec<Change> {
    let mut differences = Differences { found: Vec::new(), seen: HashSet::new() };
    differences.schemas("", before.root(), after.root(), "", "", 0);
    differences.found
}

struct Differences {
    found: Vec<Change>,
    /// Pairs that are told of, as references lead in rings.
    seen: HashSet<(usize, usize)>,
}

impl Differences {
    fn tell(&mut self, path: &str, kind: ChangeKind, before: Option<String>, after: Option<String>) {
        self.found.push(Change { path: path.to_owned(), kind, before: before.map(cut), after: after.map(cut) });
    }

    /// `was` and `is` go before the types: that a property is required.
    fn schemas(&mut self, path: &str, before: Node<'_>, after: Node<'_>, was: &str, is: &str, depth: usize) {
        // Titles and defaults may stand beside a reference or behind it.
        let keyword = |node: Node<'_>, keyword: &str| match node.get(keyword) {
            Some(value) => Some(value.clone()),
            None => node.resolved().get(keyword).cloned(),
        };
        let text = |node: Node<'_>, of: &str| keyword(node, of).and_then(|v| v.as_str().map(str::to_owned));
        let types = (format!("{was}{}", brief(before, 0)), format!("{is}{}", brief(after, 0)));
        if types.0 != types.1 {
            self.tell(path, ChangeKind::TypeChanged, Some(types.0), Some(types.1));
        }
        let (from, to) = (keyword(before, "default"), keyword(after, "default"));
        if from.as_ref().map(identity) != to.as_ref().map(identity) {
            let shown = |value: Option<Value>| value.map(|v| v.to_string());
            self.tell(path, ChangeKind::DefaultChanged, shown(from), shown(to));
        }
        for of in ["title", "description"] {
            let (from, to) = (text(before, of), text(after, of));
            if from != to {
                self.tell(path, ChangeKind::DocChanged, from, to);
            }
        }
        self.members(path, before, after, depth);
    }

    /// What stands below two schemas, which themselves are told of already.
    fn members(&mut self, path: &str, before: Node<'_>, after: Node<'_>, depth: usize) {
        let (before, after) = (only(before), only(after));
        if depth > DEPTH_MAX || !self.seen.insert((before.address(), after.address())) {
            return;
        }
        let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, from) in before.members("properties") {
            let was = required(before, name);
            match property(after, name) {
                Some(to) => self.schemas(&dotted(name), from, to, was, required(after, name), depth + 1),
                None => {
                    let text = format!("{was}{}", brief(from, 0));
                    self.tell(&dotted(name), ChangeKind::Removed, Some(text), None);
                }
            }
        }
        for (name, to) in after.members("properties").filter(|(name, _)| property(before, name).is_none()) {
            let text = format!("{}{}", required(after, name), brief(to, 0));
            self.tell(&dotted(name), ChangeKind::Added, None, Some(text));
        }
        for (keyword, shown) in [("items", "[]"), ("additionalProperties", "{}"), ("additionalItems", "[]")] {
            if let (Some(from), Some(to)) = (before.child(keyword), after.child(keyword)) {
                self.members(&format!("{path}{shown}"), from, to, depth + 1);
            }
        }
        // Alternatives are told apart by their place, where they are as many as before.
        for keyword in ["oneOf", "anyOf", "allOf", "prefixItems", "items"] {
            if let (Some(from), Some(to)) = (before.list(keyword), after.list(keyword))
                && from.len() == to.len()
            {
                for (i, (from, to)) in from.zip(to).enumerate() {
                    self.members(&format!("{path}[{i}]"), from, to, depth + 1);
                }
            }
        }
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn required(node: Node<'_>, name: &str) -> &'static str {
    let listed = node.get("required").and_then(Value::as_array).is_some_and(|l| l.iter().any(|r| r == name));
    if listed { "required " } else { "" }
}

fn property<'a>(node: Node<'a>, name: &str) -> Option<Node<'a>> {
    node.get("properties")?.get(name).map(|value| Node { of: node.of, value })
}

/// Behind references, and behind an alternative that only adds null.
fn only(node: Node<'_>) -> Node<'_> {
    let mut node = node.resolved();
    for _ in 0..DEPTH_MAX {
        let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|keyword| node.list(keyword));
        let Some(alternatives) = alternatives.filter(|_| node.get("type").is_none()) else { break };
        let mut real = alternatives.map(Node::resolved).filter(|n| n.text("type") != Some("null"));
        match (real.next(), real.next()) {
            (Some(one), None) => node = one,
            _ => break,
        }
    }
    node
}

/// How deep a type is told within another.
const BRIEF_DEPTH: usize = 3;
/// How many alternatives of a type are told.
const BRIEF_PARTS: usize = 10;

/// A schema in a few words: `string`, `null | integer`, `array<object>`, `enum("a", "b")`.
fn brief(node: Node<'_>, depth: usize) -> String {
    let node = node.resolved();
    let members = match node.value() {
        Value::Bool(true) => return "anything".to_owned(),
        Value::Bool(false) => return "nothing".to_owned(),
        other => other.as_object(),
    };
    if depth > BRIEF_DEPTH {
        return "...".to_owned();
    }
    let mut parts = Vec::new();
    match node.get("type") {
        Some(Value::String(name)) => parts.push(name.clone()),
        Some(Value::Array(names)) => parts.push(names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ")),
        _ => {}
    }
    if parts == ["array"] {
        parts[0] = match (node.list("items"), node.child("items")) {
            (Some(places), _) => format!("array({})", joined(places, ", ", depth)),
            (None, Some(of)) => format!("array<{}>", brief(of, depth + 1)),
            (None, None) => "array".to_owned(),
        };
    }
    for (keyword, between) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        parts.extend(node.list(keyword).map(|list| joined(list, between, depth)));
    }
    for keyword in ["enum", "const"] {
        if let Some(value) = node.get(keyword) {
            let values = value.as_array().filter(|_| keyword == "enum");
            let texts: Vec<String> =
                values.map_or_else(|| vec![value.to_string()], |list| list.iter().map(Value::to_string).collect());
            parts.push(format!("{keyword}({})", texts.join(", ")));
        }
    }
    if let Some(not) = node.child("not") {
        parts.push(format!("not {}", brief(not, depth + 1)));
    }
    match node.get("additionalProperties") {
        Some(Value::Bool(false)) => parts.push("closed".to_owned()),
        Some(Value::Object(_)) if depth < BRIEF_DEPTH => {
            let of = node.child("additionalProperties").map(|n| brief(n, depth + 1));
            parts.push(format!("of {}", of.unwrap_or_default()));
        }
        _ => {}
    }
    let scalars = members.into_iter().flatten().filter(|(keyword, value)| {
        CONSTRAINTS.contains(&keyword.as_str()) && (value.is_number() || value.is_string() || **value == Value::Bool(true))
    });
    let mut scalars: Vec<String> =
        scalars.map(|(keyword, v)| format!("{keyword} {}", v.as_str().map_or_else(|| v.to_string(), str::to_owned))).collect();
    if !scalars.is_empty() {
        scalars.sort();
        parts.push(format!("({})", scalars.join(", ")));
    }
    match parts.is_empty() {
        true => if node.get("properties").is_some() { "object" } else { "anything" }.to_owned(),
        false => parts.join(" "),
    }
}

fn joined<'a>(list: impl ExactSizeIterator<Item = Node<'a>>, between: &str, depth: usize) -> String {
    let more = list.len().saturating_sub(BRIEF_PARTS);
    let mut texts: Vec<String> = list.take(BRIEF_PARTS).map(|n| brief(n, depth + 1)).collect();
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(between)
}

const CONSTRAINTS: [&str; 19] = [
    "connect.type",
    "contentEncoding",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "uniqueItems",
    "connect.version",
];
