//! Linked files as if they had just been written: types by their full names, options as text, and sorted where order says
//! nothing.

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, FileDescriptor, MapKey, MessageDescriptor, Value};
use prost_types::field_descriptor_proto::Label;
use prost_types::uninterpreted_option::NamePart;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption};

use super::print;

/// A file whose options are uninterpreted again, in its own order.
pub(super) fn as_written(file: &FileDescriptor) -> FileDescriptorProto {
    let mut written = file.file_descriptor_proto().clone();
    written.source_code_info = None;
    set(&mut written.options, &file.options(), |o| &mut o.uninterpreted_option);
    for (proto, message) in written.message_type.iter_mut().zip(file.messages()) {
        in_message(proto, &message);
    }
    for (proto, of) in written.enum_type.iter_mut().zip(file.enums()) {
        in_enum(proto, &of);
    }
    for (proto, extension) in written.extension.iter_mut().zip(file.extensions()) {
        set(&mut proto.options, &extension.options(), |o| &mut o.uninterpreted_option);
    }
    for (proto, service) in written.service.iter_mut().zip(file.services()) {
        set(&mut proto.options, &service.options(), |o| &mut o.uninterpreted_option);
        for (proto, method) in proto.method.iter_mut().zip(service.methods()) {
            set(&mut proto.options, &method.options(), |o| &mut o.uninterpreted_option);
        }
    }
    written
}

/// The same with imports by name, fields and constants by number. Options come sorted as they are.
pub(super) fn normalized(file: &FileDescriptor) -> FileDescriptorProto {
    let mut proto = as_written(file);
    let public: Vec<String> = proto.public_dependency.iter().filter_map(|i| dependency(&proto, *i)).collect();
    let weak: Vec<String> = proto.weak_dependency.iter().filter_map(|i| dependency(&proto, *i)).collect();
    proto.dependency.sort();
    let places = |names: &[String]| {
        let found = names.iter().filter_map(|name| proto.dependency.iter().position(|d| d == name));
        let mut places: Vec<i32> = found.filter_map(|i| i32::try_from(i).ok()).collect();
        places.sort_unstable();
        places
    };
    (proto.public_dependency, proto.weak_dependency) = (places(&public), places(&weak));
    proto.message_type.iter_mut().for_each(sort_message);
    proto.enum_type.iter_mut().for_each(sort_enum);
    proto
}

/// A file as written, without its extensions and the options that are extensions. Imports stay: who reads it has them.
pub(super) fn without_extensions(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.extension.clear();
    plain(&mut file.options, |o| &mut o.uninterpreted_option);
    file.message_type.iter_mut().for_each(plain_message);
    file.enum_type.iter_mut().for_each(plain_enum);
    for service in &mut file.service {
        plain(&mut service.options, |o| &mut o.uninterpreted_option);
        service.method.iter_mut().for_each(|method| plain(&mut method.options, |o| &mut o.uninterpreted_option));
    }
    file
}

fn plain_message(message: &mut DescriptorProto) {
    message.extension.clear();
    plain(&mut message.options, |o| &mut o.uninterpreted_option);
    message.field.iter_mut().for_each(|field| plain(&mut field.options, |o| &mut o.uninterpreted_option));
    message.oneof_decl.iter_mut().for_each(|oneof| plain(&mut oneof.options, |o| &mut o.uninterpreted_option));
    message.nested_type.iter_mut().for_each(plain_message);
    message.enum_type.iter_mut().for_each(plain_enum);
}

fn plain_enum(of: &mut EnumDescriptorProto) {
    plain(&mut of.options, |o| &mut o.uninterpreted_option);
    of.value.iter_mut().for_each(|value| plain(&mut value.options, |o| &mut o.uninterpreted_option));
}

fn plain<T>(options: &mut Option<T>, uninterpreted: impl Fn(&mut T) -> &mut Vec<UninterpretedOption>) {
    if let Some(options) = options {
        uninterpreted(options).retain(|option| !option.name.first().is_some_and(|part| part.is_extension));
    }
}

fn dependency(file: &FileDescriptorProto, index: i32) -> Option<String> {
    file.dependency.get(usize::try_from(index).ok()?).cloned()
}

fn sort_message(message: &mut DescriptorProto) {
    message.field.sort_by_key(|field| field.number);
    keep_places(message);
    message.reserved_range.sort_by_key(|range| range.start);
    message.reserved_name.sort();
    message.extension_range.sort_by_key(|range| range.start);
    message.nested_type.iter_mut().for_each(sort_message);
    message.enum_type.iter_mut().for_each(sort_enum);
}

/// Puts maps among themselves back into the order of their entries where there are other messages beside these, which the wire
/// format names by their place.
fn keep_places(message: &mut DescriptorProto) {
    let is_entry = |m: &&DescriptorProto| m.options.as_ref().is_some_and(|o| o.map_entry());
    let entries: Vec<&str> = message.nested_type.iter().filter(is_entry).map(|m| m.name()).collect();
    if entries.len() == message.nested_type.len() {
        return;
    }
    let place = |field: &FieldDescriptorProto| {
        let name = field.type_name().rsplit('.').next().unwrap_or_default();
        entries.iter().position(|entry| field.label() == Label::Repeated && *entry == name)
    };
    let slots: Vec<usize> = (0..message.field.len()).filter(|i| place(&message.field[*i]).is_some()).collect();
    let mut maps: Vec<FieldDescriptorProto> = slots.iter().map(|i| message.field[*i].clone()).collect();
    maps.sort_by_key(place);
    for (slot, map) in slots.into_iter().zip(maps) {
        message.field[slot] = map;
    }
}

fn sort_enum(of: &mut EnumDescriptorProto) {
    // The first constant is the default and stays the first; names of one number keep their order.
    if let Some((_, rest)) = of.value.split_first_mut() {
        rest.sort_by_key(|value| value.number);
    }
    of.reserved_range.sort_by_key(|range| range.start);
    of.reserved_name.sort();
}

fn in_message(proto: &mut DescriptorProto, message: &MessageDescriptor) {
    // What marks the entries of maps is what the printer knows them by.
    if !message.is_map_entry() {
        set(&mut proto.options, &message.options(), |o| &mut o.uninterpreted_option);
    }
    for field in &mut proto.field {
        let number = field.number.and_then(|n| u32::try_from(n).ok());
        if let Some(described) = number.and_then(|n| message.get_field(n)) {
            set(&mut field.options, &described.options(), |o| &mut o.uninterpreted_option);
        }
    }
    for (proto, extension) in proto.extension.iter_mut().zip(message.child_extensions()) {
        set(&mut proto.options, &extension.options(), |o| &mut o.uninterpreted_option);
    }
    for proto in &mut proto.oneof_decl {
        if let Some(oneof) = message.oneofs().find(|o| o.name() == proto.name()) {
            set(&mut proto.options, &oneof.options(), |o| &mut o.uninterpreted_option);
        }
    }
    for (proto, child) in proto.nested_type.iter_mut().zip(message.child_messages()) {
        in_message(proto, &child);
    }
    for (proto, child) in proto.enum_type.iter_mut().zip(message.child_enums()) {
        in_enum(proto, &child);
    }
}

fn in_enum(proto: &mut EnumDescriptorProto, of: &EnumDescriptor) {
    set(&mut proto.options, &of.options(), |o| &mut o.uninterpreted_option);
    for proto in &mut proto.value {
        if let Some(value) = of.get_value_by_name(proto.name()) {
            set(&mut proto.options, &value.options(), |o| &mut o.uninterpreted_option);
        }
    }
}

fn set<T: Default>(
    options: &mut Option<T>,
    described: &DynamicMessage,
    uninterpreted: impl Fn(&mut T) -> &mut Vec<UninterpretedOption>,
) {
    let found = interpreted(described);
    *options = (!found.is_empty()).then(|| {
        let mut fresh = T::default();
        *uninterpreted(&mut fresh) = found;
        fresh
    });
}

/// Options as they are written, sorted by name.
fn interpreted(options: &DynamicMessage) -> Vec<UninterpretedOption> {
    let mut found = Vec::new();
    for (field, value) in options.fields() {
        found.extend(each(field.name(), false, &field, value));
    }
    for (extension, value) in options.extensions() {
        match value {
            Value::List(values) => found.extend(values.iter().map(|v| option(extension.full_name(), true, v, &extension.kind()))),
            value => found.push(option(extension.full_name(), true, value, &extension.kind())),
        }
    }
    found.sort_by_key(print::option_name);
    found
}

fn each(name: &str, is_extension: bool, field: &FieldDescriptor, value: &Value) -> Vec<UninterpretedOption> {
    match value {
        Value::List(values) => values.iter().map(|v| option(name, is_extension, v, &field.kind())).collect(),
        value => vec![option(name, is_extension, value, &field.kind())],
    }
}

fn option(name: &str, is_extension: bool, value: &Value, kind: &prost_reflect::Kind) -> UninterpretedOption {
    let name = vec![NamePart { name_part: name.to_owned(), is_extension }];
    let mut option = UninterpretedOption { name, ..UninterpretedOption::default() };
    match value {
        Value::String(text) => option.string_value = Some(text.clone().into_bytes()),
        Value::Bytes(bytes) => option.string_value = Some(bytes.to_vec()),
        Value::I32(n) if *n < 0 => option.negative_int_value = Some(i64::from(*n)),
        Value::I64(n) if *n < 0 => option.negative_int_value = Some(*n),
        Value::I32(n) => option.positive_int_value = u64::try_from(*n).ok(),
        Value::I64(n) => option.positive_int_value = u64::try_from(*n).ok(),
        Value::U32(n) => option.positive_int_value = Some(u64::from(*n)),
        Value::U64(n) => option.positive_int_value = Some(*n),
        Value::F32(n) if n.is_finite() => option.double_value = Some(f64::from(*n)),
        Value::F64(n) if n.is_finite() => option.double_value = Some(*n),
        Value::Message(message) => option.aggregate_value = Some(aggregate(message)),
        other => option.identifier_value = Some(scalar(other, kind)),
    }
    option
}

/// The members of a message in the text format, without its braces.
fn aggregate(message: &DynamicMessage) -> String {
    let mut members = Vec::new();
    for (field, value) in message.fields() {
        let kind = field.kind();
        match value {
            Value::List(values) => members.extend(values.iter().map(|v| member(field.name(), v, &kind))),
            Value::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| map_key(key));
                let value_kind = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
                for (key, value) in entries {
                    let value = member("value", value, value_kind.as_ref().unwrap_or(&kind));
                    members.push(format!("{} {{ key: {}, {value} }}", field.name(), map_key(key)));
                }
            }
            value => members.push(member(field.name(), value, &kind)),
        }
    }
    for (extension, value) in message.extensions() {
        members.push(member(&format!("[{}]", extension.full_name()), value, &extension.kind()));
    }
    members.join(", ")
}

fn member(name: &str, value: &Value, kind: &prost_reflect::Kind) -> String {
    match value {
        Value::Message(message) => format!("{name} {{ {} }}", aggregate(message)),
        scalar_value => format!("{name}: {}", scalar(scalar_value, kind)),
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(b) => b.to_string(),
        MapKey::I32(n) => n.to_string(),
        MapKey::I64(n) => n.to_string(),
        MapKey::U32(n) => n.to_string(),
        MapKey::U64(n) => n.to_string(),
        MapKey::String(text) => print::quoted(text.as_bytes()),
    }
}

fn scalar(value: &Value, kind: &prost_reflect::Kind) -> String {
    match value {
        Value::Bool(b) => b.to_string(),
        Value::I32(n) => n.to_string(),
        Value::I64(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::F32(n) => print::float(f64::from(*n)),
        Value::F64(n) => print::float(*n),
        Value::String(text) => print::quoted(text.as_bytes()),
        Value::Bytes(bytes) => print::quoted(bytes),
        Value::EnumNumber(n) => {
            let named = kind.as_enum().and_then(|of| of.get_value(*n)).map(|value| value.name().to_owned());
            named.unwrap_or_else(|| n.to_string())
        }
        Value::Message(message) => format!("{{ {} }}", aggregate(message)),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}
