//! Whether messages of one schema are read by another, by the rules of Confluent's registry: fields are matched by number,
//! messages by name, and types by what they are on the wire.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use prost_reflect::{Cardinality, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};

use super::ProtobufSchema;
use crate::Incompatibility;

/// Why messages of `writer` may not be read by `reader`.
pub fn cannot_read(reader: &ProtobufSchema, writer: &ProtobufSchema) -> Vec<Incompatibility> {
    let (from, to) = (writer.file(), reader.file());
    let mut comparison =
        Comparison { files: (from.clone(), to.clone()), compared: HashSet::new(), imported: Vec::new(), found: Vec::new() };
    if from.package_name() != to.package_name() {
        comparison.tell("PACKAGE_CHANGED", &[]);
    }
    comparison.messages(from.messages().collect(), to.messages().collect(), &[]);
    while let Some((writer, reader)) = comparison.imported.pop() {
        comparison.message(&writer, &reader, &[writer.full_name().to_owned()]);
    }
    comparison.found
}

struct Comparison {
    /// The writer's and the reader's.
    files: (FileDescriptor, FileDescriptor),
    /// Messages of imported files that are compared already or are to be, by their full names.
    compared: HashSet<(String, String)>,
    /// Those that are still to be compared.
    imported: Vec<(MessageDescriptor, MessageDescriptor)>,
    found: Vec<Incompatibility>,
}

/// What a type is on the wire; scalars of one kind read each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wire {
    /// Numbers of variable length, booleans and enums.
    Varint,
    ZigZag,
    Fixed32,
    Fixed64,
    Float,
    Double,
    Bytes,
    Message,
    Group,
    Map,
}

impl Wire {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            _ if field.is_map() => Wire::Map,
            _ if field.is_group() => Wire::Group,
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => Wire::Varint,
            Kind::Sint32 | Kind::Sint64 => Wire::ZigZag,
            Kind::Fixed32 | Kind::Sfixed32 => Wire::Fixed32,
            Kind::Fixed64 | Kind::Sfixed64 => Wire::Fixed64,
            Kind::Float => Wire::Float,
            Kind::Double => Wire::Double,
            Kind::String | Kind::Bytes => Wire::Bytes,
            Kind::Message(_) => Wire::Message,
        }
    }

    fn is_scalar(&self) -> bool {
        !matches!(self, Wire::Message | Wire::Group | Wire::Map)
    }

    fn is_numeric(&self) -> bool {
        self.is_scalar() && *self != Wire::Bytes
    }
}

impl Comparison {
    fn tell(&mut self, kind: &'static str, path: &[String]) {
        let path = format!("#/{}", path.join("/"));
        let description = format!("{}, at {path}", describe(kind));
        self.found.push(Incompatibility { kind, path, description, additional: String::new() });
    }

    fn messages(&mut self, from: Vec<MessageDescriptor>, to: Vec<MessageDescriptor>, path: &[String]) {
        let mut readers: HashMap<String, MessageDescriptor> = to.into_iter().map(|m| (m.name().to_owned(), m)).collect();
        for writer in from.iter().filter(|m| !m.is_map_entry()) {
            let path = below(path, writer.name());
            match readers.remove(writer.name()).filter(|m| !m.is_map_entry()) {
                None => self.tell("MESSAGE_REMOVED", &path),
                Some(reader) => self.message(writer, &reader, &path),
            }
        }
    }

    fn message(&mut self, writer: &MessageDescriptor, reader: &MessageDescriptor, path: &[String]) {
        let fields = |of: &MessageDescriptor| of.fields().map(|f| (f.number(), f)).collect::<BTreeMap<_, _>>();
        let (from, to) = (fields(writer), fields(reader));
        self.oneofs(&from, &to, reader, path);
        // Where nothing of a oneof is left it has gone as a whole, and its members with it.
        let stays: HashSet<String> = reader.oneofs().map(|o| o.name().to_owned()).collect();
        let mut kept = stays.clone();
        kept.extend(from.values().filter(|f| to.contains_key(&f.number())).filter_map(oneof));
        for number in from.keys().chain(to.keys()).copied().collect::<BTreeSet<u32>>() {
            let at = |field: &FieldDescriptor| {
                let scope = oneof(field).map_or_else(|| path.to_vec(), |name| below(path, &name));
                below(&scope, &number.to_string())
            };
            match (from.get(&number), to.get(&number)) {
                (Some(before), None) => match oneof(before) {
                    Some(name) if kept.contains(&name) => self.tell("ONEOF_FIELD_REMOVED", &at(before)),
                    None if before.cardinality() == Cardinality::Required => self.tell("REQUIRED_FIELD_REMOVED", &at(before)),
                    _ => {}
                },
                (None, Some(after)) if after.cardinality() == Cardinality::Required => {
                    self.tell("REQUIRED_FIELD_ADDED", &at(after));
                }
                (Some(before), Some(after)) => {
                    // It left a oneof that stays: which of its members was set is lost like that of one that is gone.
                    if oneof(before).is_some_and(|name| oneof(after).as_ref() != Some(&name) && stays.contains(&name)) {
                        self.tell("ONEOF_FIELD_REMOVED", &at(before));
                    }
                    self.field(before, after, &at(after));
                }
                _ => {}
            }
        }
        self.messages(writer.child_messages().collect(), reader.child_messages().collect(), path);
    }

    /// Fields that exclude each other now, and could stand side by side before.
    fn oneofs(
        &mut self,
        from: &BTreeMap<u32, FieldDescriptor>,
        to: &BTreeMap<u32, FieldDescriptor>,
        reader: &MessageDescriptor,
        path: &[String],
    ) {
        for name in reader.oneofs().map(|o| o.name().to_owned()) {
            let members = to.values().filter(|f| oneof(f).as_ref() == Some(&name));
            let before: Vec<&FieldDescriptor> = members.filter_map(|f| from.get(&f.number())).collect();
            let alone = before.iter().filter(|f| oneof(f).is_none()).count();
            let oneofs: HashSet<String> = before.iter().filter_map(|f| oneof(f)).collect();
            if alone > 1 {
                self.tell("MULTIPLE_FIELDS_MOVED_TO_ONEOF", &below(path, &name));
            } else if alone + oneofs.len() > 1 {
                self.tell("FIELD_MOVED_TO_EXISTING_ONEOF", &below(path, &name));
            }
        }
    }

    fn field(&mut self, before: &FieldDescriptor, after: &FieldDescriptor, path: &[String]) {
        let (from, to) = (Wire::of(before), Wire::of(after));
        if before.cardinality() != Cardinality::Required && after.cardinality() == Cardinality::Required {
            self.tell("REQUIRED_FIELD_ADDED", path);
        }
        if from.is_numeric() && to.is_numeric() && before.is_list() != after.is_list() {
            self.tell("FIELD_NUMERIC_LABEL_CHANGED", path);
        }
        match (from, to) {
            (from, to) if from.is_scalar() && to.is_scalar() => {
                if from != to {
                    self.tell("FIELD_SCALAR_KIND_CHANGED", path);
                }
            }
            (from, to) if from != to => self.tell("FIELD_KIND_CHANGED", path),
            (Wire::Map, _) => {
                if let (Kind::Message(from), Kind::Message(to)) = (before.kind(), after.kind()) {
                    self.field(&from.map_entry_key_field(), &to.map_entry_key_field(), path);
                    self.field(&from.map_entry_value_field(), &to.map_entry_value_field(), path);
                }
            }
            _ => {
                if let (Kind::Message(from), Kind::Message(to)) = (before.kind(), after.kind()) {
                    self.types(&from, &to, path);
                }
            }
        }
    }

    fn types(&mut self, from: &MessageDescriptor, to: &MessageDescriptor, path: &[String]) {
        let (file_from, file_to) = &self.files;
        if local(from, file_from.package_name()) != local(to, file_to.package_name()) {
            return self.tell("FIELD_NAMED_TYPE_CHANGED", path);
        }
        // The messages of the file itself are compared where they are declared, those of imports where they are used.
        if from.parent_file() == *file_from && to.parent_file() == *file_to {
            return;
        }
        if self.compared.insert((from.full_name().to_owned(), to.full_name().to_owned())) {
            self.imported.push((from.clone(), to.clone()));
        }
    }
}

fn below(path: &[String], part: &str) -> Vec<String> {
    path.iter().cloned().chain([part.to_owned()]).collect()
}

/// The oneof that a field is a member of, unless it is only how `optional` is kept.
fn oneof(field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    (!field.field_descriptor_proto().proto3_optional()).then(|| oneof.name().to_owned())
}

/// A name seen from a package: a file may move to another with all its messages.
fn local(message: &MessageDescriptor, package: &str) -> String {
    let name = message.full_name();
    let within = name.strip_prefix(package).filter(|_| !package.is_empty()).and_then(|rest| rest.strip_prefix('.'));
    within.map_or_else(|| format!(".{name}"), |rest| rest.to_owned())
}

fn describe(kind: &str) -> &'static str {
    match kind {
        "PACKAGE_CHANGED" => "the package of the {reader} schema is another than that of the {writer} schema",
        "MESSAGE_REMOVED" => "the {reader} schema lacks a message of the {writer} schema",
        "FIELD_KIND_CHANGED" => {
            "a field is a scalar, a message or a map in the {reader} schema, and another of these in the {writer} schema"
        }
        "FIELD_SCALAR_KIND_CHANGED" => {
            "the type of a field in the {reader} schema is written in another way than its type in the {writer} schema"
        }
        "FIELD_NAMED_TYPE_CHANGED" => "a field has another message type in the {reader} schema than in the {writer} schema",
        "FIELD_NUMERIC_LABEL_CHANGED" => "a numeric field is repeated in only one of the {reader} and the {writer} schema",
        "REQUIRED_FIELD_ADDED" => "the {reader} schema requires a field that the {writer} schema does not",
        "REQUIRED_FIELD_REMOVED" => "the {reader} schema lacks a field that the {writer} schema requires",
        "ONEOF_FIELD_REMOVED" => "the {reader} schema lacks a member of a oneof in the {writer} schema",
        "MULTIPLE_FIELDS_MOVED_TO_ONEOF" => {
            "fields exclude each other in the {reader} schema that stand side by side in the {writer} schema"
        }
        _ => "a field is in a oneof of the {reader} schema with members that it does not exclude in the {writer} schema",
    }
}
