//! What differs between two schemas, for people: field by field through lists, maps and unions into records.
//!
//! Records, enums and fixed types are told apart by name, and a type or field that lists an earlier name as its alias is told as
//! renamed. A type that is used at several places is told where it is met first. Properties are told where they make the type:
//! `logicalType`, and `connect.name` where there is none.

use std::collections::{HashMap, HashSet};

use super::AvroSchema;
use super::model::{Enum, Field, Kind, Logical, Node, NodeId, Record};
use crate::{Change, ChangeKind};

/// How deep records are followed; what is deeper is not told.
const DEPTH_MAX: usize = 64;
/// The longest text of one side of a change.
const TEXT_CHARS_MAX: usize = 200;

/// Field by field, from `before` to `after`.
pub fn changes(before: &AvroSchema, after: &AvroSchema) -> Vec<Change> {
    let mut differences = Differences { before, after, found: Vec::new(), seen: HashSet::new(), depth: 0 };
    differences.types("", before.root(), after.root());
    differences.found
}

struct Differences<'a> {
    before: &'a AvroSchema,
    after: &'a AvroSchema,
    found: Vec<Change>,
    /// Pairs of named types that are told of.
    seen: HashSet<(NodeId, NodeId)>,
    depth: usize,
}

impl Differences<'_> {
    fn tell(&mut self, path: &str, kind: ChangeKind, before: Option<String>, after: Option<String>) {
        self.found.push(Change { path: path.to_owned(), kind, before: before.map(cut), after: after.map(cut) });
    }

    /// The types of one place, and the named types inside of them.
    fn types(&mut self, path: &str, before: NodeId, after: NodeId) {
        let pairs = self.named_pairs(before, after);
        // A type that was renamed is still the same one here.
        let renamed = pairs.iter().filter_map(|(b, a)| Some((*a, self.before.kind(*b).name()?.full().to_owned()))).collect();
        if text(self.before, before, &HashMap::new()) != text(self.after, after, &renamed) {
            let (was, is) = (text(self.before, before, &HashMap::new()), text(self.after, after, &HashMap::new()));
            self.tell(path, ChangeKind::TypeChanged, Some(was), Some(is));
        }
        for (before, after) in pairs {
            if self.depth < DEPTH_MAX && self.seen.insert((before, after)) {
                self.depth += 1;
                self.named(path, before, after);
                self.depth -= 1;
            }
        }
    }

    /// Which of the named types of one place were which.
    fn named_pairs(&self, before: NodeId, after: NodeId) -> Vec<(NodeId, NodeId)> {
        let mut left = named_in(self.before, before);
        let mut open = Vec::new();
        let mut pairs = Vec::new();
        for id in named_in(self.after, after) {
            let kind = self.after.kind(id);
            let Some(name) = kind.name() else { continue };
            let was = |b: &NodeId| {
                let old = self.before.kind(*b);
                old.word() == kind.word() && old.name().is_some_and(|old| old == name || kind.aliases().contains(old))
            };
            match left.iter().position(was) {
                Some(at) => pairs.push((left.remove(at), id)),
                None => open.push(id),
            }
        }
        // One that is gone and one that is new, of one kind: a new name.
        for id in open {
            let alike = |b: &NodeId| self.before.kind(*b).word() == self.after.kind(id).word();
            if let (Some(at), 1) = (left.iter().position(alike), left.iter().filter(|b| alike(b)).count()) {
                pairs.push((left.remove(at), id));
            }
        }
        pairs
    }

    fn named(&mut self, path: &str, before: NodeId, after: NodeId) {
        let (b, a) = (self.before, self.after);
        let (old, new) = (b.kind(before), a.kind(after));
        if let (Some(was), Some(is)) = (old.name(), new.name())
            && was != is
        {
            self.tell(path, ChangeKind::Renamed, Some(was.to_string()), Some(is.to_string()));
        }
        if old.doc() != new.doc() {
            self.tell(path, ChangeKind::DocChanged, old.doc().map(str::to_owned), new.doc().map(str::to_owned));
        }
        match (old, new) {
            (Kind::Record(old), Kind::Record(new)) => self.records(path, old, new),
            (Kind::Enum(old), Kind::Enum(new)) => self.enums(path, old, new),
            _ => {}
        }
    }

    fn records(&mut self, path: &str, before: &Record, after: &Record) {
        let taken: HashSet<&str> = after.fields.iter().map(|f| f.name.as_str()).collect();
        // What a field was: of its name, or of one of its aliases that no other field has for its name now.
        let was = |f: &Field| {
            let alias = || f.aliases.iter().filter(|a| !taken.contains(a.as_str())).find_map(|a| before.field(a));
            before.field(&f.name).or_else(alias).map(|(at, _)| at)
        };
        let origins: Vec<Option<usize>> = after.fields.iter().map(was).collect();
        for (at, field) in before.fields.iter().enumerate() {
            if !origins.contains(&Some(at)) {
                let text = described(self.before, field);
                self.tell(&dotted(path, &field.name), ChangeKind::Removed, Some(text), None);
            }
        }
        for (field, origin) in after.fields.iter().zip(&origins) {
            let at = dotted(path, &field.name);
            let Some(old) = origin.map(|at| &before.fields[at]) else {
                let text = described(self.after, field);
                self.tell(&at, ChangeKind::Added, None, Some(text));
                continue;
            };
            if old.name != field.name {
                self.tell(&at, ChangeKind::Renamed, Some(old.name.clone()), Some(field.name.clone()));
            }
            self.types(&at, old.schema, field.schema);
            if old.default != field.default {
                let default = |f: &Field| f.default.as_ref().map(|d| d.to_string());
                self.tell(&at, ChangeKind::DefaultChanged, default(old), default(field));
            }
            if old.doc != field.doc {
                self.tell(&at, ChangeKind::DocChanged, old.doc.clone(), field.doc.clone());
            }
        }
        let order: Vec<usize> = origins.iter().flatten().copied().collect();
        if !order.is_sorted() {
            let mut old = order.clone();
            old.sort_unstable();
            let listed = |order: &[usize]| order.iter().map(|i| before.fields[*i].name.as_str()).collect::<Vec<_>>().join(", ");
            self.tell(path, ChangeKind::Reordered, Some(listed(&old)), Some(listed(&order)));
        }
    }

    fn enums(&mut self, path: &str, before: &Enum, after: &Enum) {
        let within = |some: &Enum, all: &Enum| some.symbols.iter().all(|s| all.symbols.contains(s));
        if before.symbols != after.symbols {
            let same = within(before, after) && within(after, before);
            let kind = if same { ChangeKind::Reordered } else { ChangeKind::TypeChanged };
            let listed = |e: &Enum| Some(format!("enum {} {{{}}}", e.name, e.symbols.join(", ")));
            self.tell(path, kind, listed(before), listed(after));
        }
        if before.default != after.default {
            self.tell(path, ChangeKind::DefaultChanged, before.default.clone(), after.default.clone());
        }
    }
}

/// The named types of one place, in order: of itself, of items, values and branches.
fn named_in(schema: &AvroSchema, id: NodeId) -> Vec<NodeId> {
    match schema.kind(id) {
        Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_) => vec![id],
        Kind::Array(of) | Kind::Map(of) => named_in(schema, *of),
        Kind::Union(branches) => branches.iter().flat_map(|b| named_in(schema, *b)).collect(),
        _ => Vec::new(),
    }
}

/// A type as short text; `renamed` has the names to call types by.
fn text(schema: &AvroSchema, id: NodeId, renamed: &HashMap<NodeId, String>) -> String {
    let node = schema.node(id);
    let of = |id: &NodeId| text(schema, *id, renamed);
    let name = || renamed.get(&id).map(String::as_str).or(node.kind.name().map(|n| n.full())).unwrap_or_default();
    let plain = match &node.kind {
        Kind::Array(items) => format!("array<{}>", of(items)),
        Kind::Map(values) => format!("map<{}>", of(values)),
        Kind::Union(branches) => format!("union<{}>", branches.iter().map(of).collect::<Vec<_>>().join(", ")),
        Kind::Fixed(f) => format!("fixed {}({})", name(), f.size),
        Kind::Record(_) | Kind::Enum(_) => format!("{} {}", node.kind.word(), name()),
        kind => kind.word().to_owned(),
    };
    match meaning(node) {
        Some(meaning) => format!("{plain} ({meaning})"),
        None => plain,
    }
}

/// What the values of a node stand for.
fn meaning(node: &Node) -> Option<String> {
    if let Some(Logical::Decimal { precision, scale }) = node.logical() {
        return Some(format!("decimal({precision}, {scale})"));
    }
    let connect = || node.props.get("connect.name").filter(|_| !matches!(node.kind, Kind::Record(_)));
    node.props.get("logicalType").or_else(connect)?.as_str().map(str::to_owned)
}

/// `union<null, string> = null`.
fn described(schema: &AvroSchema, field: &Field) -> String {
    let text = text(schema, field.schema, &HashMap::new());
    match &field.default {
        Some(default) => format!("{text} = {default}"),
        None => text,
    }
}

fn dotted(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}
