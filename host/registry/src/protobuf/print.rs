//! The text of a schema from its descriptor, in the layout of Confluent's registry: two blanks a level, a blank line between
//! sections, imports and options first, messages before enums. Comments are no part of it.

use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto, UninterpretedOption,
};

const FIELD_NUMBER_MAX: i32 = 536_870_911;

/// A file whose options are uninterpreted.
pub(super) fn print(file: &FileDescriptorProto) -> String {
    let syntax = file.syntax.as_deref().filter(|s| !s.is_empty()).unwrap_or("proto2");
    let mut out = format!("syntax = \"{syntax}\";\n");
    if let Some(package) = file.package.as_deref().filter(|p| !p.is_empty()) {
        let _ = writeln!(out, "package {package};");
    }
    let of = |list: &[i32], i: usize| list.iter().any(|p| usize::try_from(*p) == Ok(i));
    let mut imports = Vec::new();
    for public in [false, true] {
        for (i, name) in file.dependency.iter().enumerate().filter(|(i, _)| of(&file.public_dependency, *i) == public) {
            let kind = if public {
                "public "
            } else if of(&file.weak_dependency, i) {
                "weak "
            } else {
                ""
            };
            imports.push(format!("import {kind}{};", quoted(name.as_bytes())));
        }
    }
    section(&mut out, &imports);
    section(&mut out, &declared(file.options.as_ref().map_or(&[], |o| &o.uninterpreted_option)));
    let printer = Printer { proto2: syntax == "proto2" };
    for message in &file.message_type {
        let _ = write!(out, "\n{}\n", printer.message(message, None));
    }
    for of in &file.enum_type {
        let _ = write!(out, "\n{}\n", printer.enumeration(of));
    }
    for extension in printer.extensions(&file.extension, &file.message_type) {
        let _ = write!(out, "\n{extension}\n");
    }
    for service in &file.service {
        let _ = write!(out, "\n{}\n", printer.service(service));
    }
    out
}

struct Printer {
    proto2: bool,
}

/// Lines, with a blank one before them.
fn section(out: &mut String, lines: &[String]) {
    if !lines.is_empty() {
        let _ = write!(out, "\n{}\n", lines.join("\n"));
    }
}

/// A block of sections: `message A {`, its sections with a blank line between, `}`.
fn block(head: &str, sections: Vec<Vec<String>>) -> String {
    let mut body = String::new();
    for lines in sections.into_iter().filter(|lines| !lines.is_empty()) {
        body.push('\n');
        for line in lines.iter().flat_map(|text| text.split('\n')) {
            let indent = if line.is_empty() { "" } else { "  " };
            let _ = writeln!(body, "{indent}{line}");
        }
    }
    format!("{head} {{{body}}}")
}

impl Printer {
    /// `group`: what stands instead of `message` for a group.
    fn message(&self, message: &DescriptorProto, group: Option<String>) -> String {
        let synthetic = |index: usize| {
            let mut members = message.field.iter().filter(|f| f.oneof_index.is_some_and(|i| usize::try_from(i) == Ok(index)));
            members.all(|f| f.proto3_optional())
        };
        let oneof_of = |f: &FieldDescriptorProto| f.oneof_index.and_then(|i| usize::try_from(i).ok()).filter(|i| !synthetic(*i));
        let mut reserved = Vec::new();
        if !message.reserved_range.is_empty() {
            let ranges = message.reserved_range.iter().map(|r| range(r.start(), r.end().saturating_sub(1), FIELD_NUMBER_MAX));
            reserved.push(format!("reserved {};", ranges.collect::<Vec<_>>().join(", ")));
        }
        reserved.extend(names(&message.reserved_name));
        let is_entry_or_group =
            |m: &DescriptorProto| is_map_entry(m) || message.field.iter().chain(&message.extension).any(|f| is_group_of(f, m));
        // The wire format names messages by their place, and an entry takes its place where its map stands: messages that come
        // before it are printed before the map.
        let mut nested = message.nested_type.iter().enumerate().filter(|(_, m)| !is_entry_or_group(m)).peekable();
        let mut fields: Vec<Vec<String>> = vec![Vec::new()];
        for field in message.field.iter().filter(|f| oneof_of(f).is_none()) {
            let entry = entry_of(field, &message.nested_type).map(DescriptorProto::name);
            let place = message.nested_type.iter().position(|m| is_map_entry(m) && Some(m.name()) == entry).unwrap_or(0);
            let mut before = Vec::new();
            while let Some((_, m)) = nested.next_if(|(i, _)| *i < place) {
                before.push(self.message(m, None));
            }
            if !before.is_empty() {
                fields.extend([before, Vec::new()]);
            }
            if let Some(section) = fields.last_mut() {
                section.push(self.field(field, &message.nested_type, true));
            }
        }
        let mut sections = vec![reserved, declared(message.options.as_ref().map_or(&[], |o| &o.uninterpreted_option))];
        sections.extend(fields);
        for (i, oneof) in message.oneof_decl.iter().enumerate().filter(|(i, _)| !synthetic(*i)) {
            let members = message.field.iter().filter(|f| oneof_of(f) == Some(i));
            let members = members.map(|f| self.field(f, &message.nested_type, false)).collect();
            let options = declared(oneof.options.as_ref().map_or(&[], |o| &o.uninterpreted_option));
            sections.push(vec![block(&format!("oneof {}", oneof.name()), vec![options, members])]);
        }
        let ranges = message.extension_range.iter().map(|r| {
            let options = in_brackets(r.options.as_ref().map_or(&[], |o| &o.uninterpreted_option), Vec::new());
            format!("extensions {}{options};", range(r.start(), r.end().saturating_sub(1), FIELD_NUMBER_MAX))
        });
        sections.push(ranges.collect());
        let mut types: Vec<String> = nested.map(|(_, m)| self.message(m, None)).collect();
        types.extend(message.enum_type.iter().map(|e| self.enumeration(e)));
        sections.push(types);
        sections.extend(self.extensions(&message.extension, &message.nested_type).into_iter().map(|e| vec![e]));
        block(&group.unwrap_or_else(|| format!("message {}", message.name())), sections)
    }

    fn field(&self, field: &FieldDescriptorProto, nested: &[DescriptorProto], labelled: bool) -> String {
        let options = || {
            let mut pseudo = Vec::new();
            if let Some(default) = &field.default_value {
                pseudo.push(format!("default = {}", default_text(field, default)));
            }
            if let Some(name) = field.json_name.as_deref().filter(|name| *name != json_name(field.name())) {
                pseudo.push(format!("json_name = {}", quoted(name.as_bytes())));
            }
            in_brackets(field.options.as_ref().map_or(&[], |o| &o.uninterpreted_option), pseudo)
        };
        if let Some(entry) = entry_of(field, nested) {
            let part = |number| entry.field.iter().find(|f| f.number() == number).map_or(String::new(), type_name);
            return format!("map<{}, {}> {} = {}{};", part(1), part(2), field.name(), field.number(), options());
        }
        let label = match field.label() {
            _ if !labelled => "",
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Optional if self.proto2 || field.proto3_optional() => "optional ",
            Label::Optional => "",
        };
        if let Some(group) = nested.iter().find(|m| is_group_of(field, m)) {
            return self.message(group, Some(format!("{label}group {} = {}{}", group.name(), field.number(), options())));
        }
        format!("{label}{} {} = {}{};", type_name(field), field.name(), field.number(), options())
    }

    fn enumeration(&self, of: &EnumDescriptorProto) -> String {
        let mut reserved = Vec::new();
        if !of.reserved_range.is_empty() {
            let ranges = of.reserved_range.iter().map(|r| range(r.start(), r.end(), i32::MAX));
            reserved.push(format!("reserved {};", ranges.collect::<Vec<_>>().join(", ")));
        }
        reserved.extend(names(&of.reserved_name));
        let constants = of.value.iter().map(|value| {
            let options = in_brackets(value.options.as_ref().map_or(&[], |o| &o.uninterpreted_option), Vec::new());
            format!("{} = {}{options};", value.name(), value.number())
        });
        let options = declared(of.options.as_ref().map_or(&[], |o| &o.uninterpreted_option));
        block(&format!("enum {}", of.name()), vec![reserved, options, constants.collect()])
    }

    /// Extensions, those of one message in a row in one block.
    fn extensions(&self, extensions: &[FieldDescriptorProto], nested: &[DescriptorProto]) -> Vec<String> {
        let runs = extensions.chunk_by(|a, b| a.extendee() == b.extendee());
        let print = |run: &[FieldDescriptorProto]| {
            let fields = run.iter().map(|f| self.field(f, nested, true)).collect();
            block(&format!("extend {}", run.first().map_or("", |f| f.extendee())), vec![fields])
        };
        runs.map(print).collect()
    }

    fn service(&self, service: &ServiceDescriptorProto) -> String {
        let methods = service.method.iter().map(|method| {
            let stream = |streams: bool| if streams { "stream " } else { "" };
            let head = format!(
                "rpc {} ({}{}) returns ({}{})",
                method.name(),
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type(),
            );
            match declared(method.options.as_ref().map_or(&[], |o| &o.uninterpreted_option)) {
                options if options.is_empty() => format!("{head};"),
                options => format!("{};", block(&head, vec![options])),
            }
        });
        let options = declared(service.options.as_ref().map_or(&[], |o| &o.uninterpreted_option));
        block(&format!("service {}", service.name()), vec![options, methods.collect()])
    }
}

fn names(reserved: &[String]) -> Option<String> {
    let names: Vec<String> = reserved.iter().map(|name| quoted(name.as_bytes())).collect();
    (!names.is_empty()).then(|| format!("reserved {};", names.join(", ")))
}

/// Both ends are in it.
fn range(start: i32, end: i32, max: i32) -> String {
    match end {
        end if end == start => start.to_string(),
        end if end >= max => format!("{start} to max"),
        end => format!("{start} to {end}"),
    }
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|o| o.map_entry())
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn entry_of<'a>(field: &FieldDescriptorProto, nested: &'a [DescriptorProto]) -> Option<&'a DescriptorProto> {
    // Only a field of the message itself can mean an entry, and its name says which.
    nested.iter().find(|m| is_map_entry(m) && field.label() == Label::Repeated && last_part(field.type_name()) == m.name())
}

fn is_group_of(field: &FieldDescriptorProto, message: &DescriptorProto) -> bool {
    field.r#type == Some(Type::Group as i32) && last_part(field.type_name()) == message.name()
}

fn type_name(field: &FieldDescriptorProto) -> String {
    if let Some(name) = &field.type_name {
        return name.clone();
    }
    let name = match field.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Group | Type::Message | Type::Enum => "",
    };
    name.to_owned()
}

fn default_text(field: &FieldDescriptorProto, default: &str) -> String {
    match field.r#type.and_then(|t| Type::try_from(t).ok()) {
        Some(Type::String) => quoted(default.as_bytes()),
        // In descriptors these are escaped already.
        Some(Type::Bytes) => format!("\"{default}\""),
        _ => default.to_owned(),
    }
}

/// The name in JSON that a field has by itself.
fn json_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

pub(super) fn option_name(option: &UninterpretedOption) -> String {
    let part = |part: &prost_types::uninterpreted_option::NamePart| match part.is_extension {
        true => format!("({})", part.name_part),
        false => part.name_part.clone(),
    };
    option.name.iter().map(part).collect::<Vec<_>>().join(".")
}

fn option_text(option: &UninterpretedOption) -> String {
    let value = match option {
        UninterpretedOption { string_value: Some(bytes), .. } => quoted(bytes),
        UninterpretedOption { identifier_value: Some(name), .. } => name.clone(),
        UninterpretedOption { positive_int_value: Some(n), .. } => n.to_string(),
        UninterpretedOption { negative_int_value: Some(n), .. } => n.to_string(),
        UninterpretedOption { double_value: Some(n), .. } => float(*n),
        UninterpretedOption { aggregate_value: Some(text), .. } => format!("{{ {} }}", tidied(text)),
        _ => "\"\"".to_owned(),
    };
    format!("{} = {value}", option_name(option))
}

/// The text format of a message with no blank before a colon or a comma.
fn tidied(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut escaped) = (None, false);
    for c in text.trim().chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ':' || c == ',' => out.truncate(out.trim_end().len()),
            None => {}
        }
        out.push(c);
    }
    out
}

/// `option a = b;` for each.
fn declared(options: &[UninterpretedOption]) -> Vec<String> {
    options.iter().map(|option| format!("option {};", option_text(option))).collect()
}

/// ` [a = b]`, and over several lines where there are several.
fn in_brackets(options: &[UninterpretedOption], pseudo: Vec<String>) -> String {
    let texts: Vec<String> = options.iter().map(option_text).chain(pseudo).collect();
    match texts.as_slice() {
        [] => String::new(),
        [one] => format!(" [{one}]"),
        several => format!(" [\n  {}\n]", several.join(",\n  ")),
    }
}

/// A number that reads back as itself, with a point where it needs one to stay a fraction.
pub(super) fn float(n: f64) -> String {
    match n {
        n if n.is_nan() => "nan".to_owned(),
        n if n.is_infinite() => if n > 0.0 { "inf" } else { "-inf" }.to_owned(),
        n => format!("{n:?}"),
    }
}

/// A string in quotes; what is not ASCII or not to be seen is escaped, unless it is text.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    let escape = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(out, "\\{byte:03o}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => escape(&mut out, c.to_string().as_bytes()),
                c => out.push(c),
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out.push('"');
    out
}
