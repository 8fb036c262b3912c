//! What differs between two schemas, for people: messages by name, fields and constants by number.

use std::collections::BTreeMap;

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::ProtobufSchema;
use crate::{Change, ChangeKind};

/// From `before` to `after`: messages, their fields and oneofs, enums and their constants.
pub fn changes(before: &ProtobufSchema, after: &ProtobufSchema) -> Vec<Change> {
    let (from, to) = (before.file(), after.file());
    let mut found = Vec::new();
    if from.package_name() != to.package_name() {
        let package = |name: &str| Some(format!("package {name}"));
        tell(&mut found, "", ChangeKind::Renamed, package(from.package_name()), package(to.package_name()));
    }
    messages(&mut found, "", from.messages().collect(), to.messages().collect());
    enums(&mut found, "", from.enums().collect(), to.enums().collect());
    found
}

fn tell(found: &mut Vec<Change>, path: &str, kind: ChangeKind, before: Option<String>, after: Option<String>) {
    found.push(Change { path: path.to_owned(), kind, before, after });
}

fn dotted(path: &str, part: &str) -> String {
    if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") }
}

fn messages(found: &mut Vec<Change>, path: &str, from: Vec<MessageDescriptor>, to: Vec<MessageDescriptor>) {
    let real = |list: Vec<MessageDescriptor>| list.into_iter().filter(|m| !m.is_map_entry()).collect::<Vec<_>>();
    let (from, to) = (real(from), real(to));
    let text = || Some("message".to_owned());
    for before in &from {
        let at = dotted(path, before.name());
        match to.iter().find(|m| m.name() == before.name()) {
            None => tell(found, &at, ChangeKind::Removed, text(), None),
            Some(after) => message(found, &at, before, after),
        }
    }
    for after in to.iter().filter(|m| from.iter().all(|before| before.name() != m.name())) {
        tell(found, &dotted(path, after.name()), ChangeKind::Added, None, text());
    }
    // The wire format names messages by their place.
    let order = |list: &[MessageDescriptor], others: &[MessageDescriptor]| {
        let common = list.iter().filter(|m| others.iter().any(|o| o.name() == m.name()));
        common.map(|m| m.name().to_owned()).collect::<Vec<_>>()
    };
    let (was, is) = (order(&from, &to), order(&to, &from));
    if was != is {
        tell(found, path, ChangeKind::Reordered, Some(was.join(", ")), Some(is.join(", ")));
    }
}

fn message(found: &mut Vec<Change>, path: &str, before: &MessageDescriptor, after: &MessageDescriptor) {
    let fields = |of: &MessageDescriptor| of.fields().map(|f| (f.number(), f)).collect::<BTreeMap<_, _>>();
    let (from, to) = (fields(before), fields(after));
    for (number, field) in &from {
        let Some(now) = to.get(number) else {
            tell(found, &dotted(path, field.name()), ChangeKind::Removed, Some(text(field)), None);
            continue;
        };
        let at = dotted(path, now.name());
        if field.name() != now.name() {
            tell(found, &at, ChangeKind::Renamed, Some(field.name().to_owned()), Some(now.name().to_owned()));
        }
        if text(field) != text(now) {
            tell(found, &at, ChangeKind::TypeChanged, Some(text(field)), Some(text(now)));
        }
        let default = |field: &FieldDescriptor| field.field_descriptor_proto().default_value.clone();
        if default(field) != default(now) {
            tell(found, &at, ChangeKind::DefaultChanged, default(field), default(now));
        }
    }
    for (_, field) in to.iter().filter(|(number, _)| !from.contains_key(number)) {
        tell(found, &dotted(path, field.name()), ChangeKind::Added, None, Some(text(field)));
    }
    messages(found, path, before.child_messages().collect(), after.child_messages().collect());
    enums(found, path, before.child_enums().collect(), after.child_enums().collect());
}

fn enums(found: &mut Vec<Change>, path: &str, from: Vec<EnumDescriptor>, to: Vec<EnumDescriptor>) {
    for before in &from {
        let at = dotted(path, before.name());
        match to.iter().find(|e| e.name() == before.name()) {
            None => tell(found, &at, ChangeKind::Removed, Some("enum".to_owned()), None),
            Some(after) => constants(found, &at, before, after),
        }
    }
    for after in to.iter().filter(|e| from.iter().all(|before| before.name() != e.name())) {
        tell(found, &dotted(path, after.name()), ChangeKind::Added, None, Some("enum".to_owned()));
    }
}

fn constants(found: &mut Vec<Change>, path: &str, before: &EnumDescriptor, after: &EnumDescriptor) {
    // A number may have several names; the first is what it is called.
    let named = |of: &EnumDescriptor| {
        let mut names = BTreeMap::new();
        for value in of.values() {
            names.entry(value.number()).or_insert_with(|| value.name().to_owned());
        }
        names
    };
    let (from, to) = (named(before), named(after));
    for (number, name) in &from {
        match to.get(number) {
            None => tell(found, &dotted(path, name), ChangeKind::Removed, Some(number.to_string()), None),
            Some(now) if now != name => {
                tell(found, &dotted(path, now), ChangeKind::Renamed, Some(name.clone()), Some(now.clone()));
            }
            Some(_) => {}
        }
    }
    for (number, name) in to.iter().filter(|(number, _)| !from.contains_key(number)) {
        tell(found, &dotted(path, name), ChangeKind::Added, None, Some(number.to_string()));
    }
}

/// `repeated string`, `map<string, a.B>`, `int32 in oneof how`.
fn text(field: &FieldDescriptor) -> String {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        return format!("map<{}, {}>", name(&key), name(&value));
    }
    let of = name(&field.kind());
    let written = field.field_descriptor_proto();
    match (field.cardinality(), field.containing_oneof()) {
        (Cardinality::Repeated, _) => format!("repeated {of}"),
        (Cardinality::Required, _) => format!("required {of}"),
        (_, Some(oneof)) if !written.proto3_optional() => format!("{of} in oneof {}", oneof.name()),
        _ if field.supports_presence() && field.kind().as_message().is_none() => format!("optional {of}"),
        _ => of,
    }
}

fn name(kind: &Kind) -> String {
    let scalar = match kind {
        Kind::Message(message) => message.full_name(),
        Kind::Enum(of) => of.full_name(),
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
    };
    scalar.to_owned()
}
