//! Connect's schema as the text of a `.proto` file.

use std::collections::HashSet;
use std::fmt::Write as _;

use millrace_record::{Kind, Schema};

use super::super::misfit::Misfit;
use super::names;
use super::options::{
    DATE_TYPE, DECIMAL_TYPE, ENUM, GENERALIZED_ENUM, GENERALIZED_UNION, Options, PRECISION, TAG, TIME_TYPE, TIMESTAMP_TYPE, TYPE,
    UNION_PREFIX, WRAPPER, is_union,
};
use super::scalar::Scalar;

const LOGICAL: &str = "org.apache.kafka.connect.data.";
/// What a struct without a name is called, with a number behind it.
const UNNAMED: &str = "ConnectDefault";

/// A schema in Protobuf: the text of its file, and the full name of the message that a row of it becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub text: String,
    pub message: String,
}

/// The schema of a root. One that is no struct is the wrapper of its type.
pub(super) fn file(schema: &Schema, options: &Options) -> Result<File, Misfit> {
    if schema.kind != Kind::Struct {
        let scalar = scalar_of(schema).filter(|_| !matches!(schema.kind, Kind::List | Kind::Map)).ok_or_else(|| {
            Misfit::new(format!(
                "Unsupported root schema of type {}: only structs and single values can be Protobuf messages",
                schema.kind.connect_name()
            ))
        })?;
        return Ok(File { text: WRAPPERS.to_owned(), message: scalar.wrapper().to_owned() });
    }
    let mut writer = Writer { options, imports: Vec::new(), unnamed: 0 };
    let full = writer.name_or_default(schema.name.as_deref());
    let parts: Vec<_> = full.split('.').map(|part| options.name(part)).collect();
    let (name, package) = parts.split_last().expect("a split has one part at least");
    let package = package.join(".");
    let mut body = String::new();
    writer.message(name, schema, 0, &mut body)?;
    let mut text = String::from("syntax = \"proto3\";\n");
    if !package.is_empty() {
        let _ = writeln!(text, "package {package};");
    }
    text.push('\n');
    for import in &writer.imports {
        let _ = writeln!(text, "import \"{import}\";");
    }
    if !writer.imports.is_empty() {
        text.push('\n');
    }
    text.push_str(&body);
    let message = if package.is_empty() { name.to_string() } else { format!("{package}.{name}") };
    Ok(File { text, message })
}

/// The file of the wrappers, whose messages stand for single values at the root.
const WRAPPERS: &str = r#"syntax = "proto3";
package google.protobuf;

option cc_enable_arenas = true;
option csharp_namespace = "Google.Protobuf.WellKnownTypes";
option go_package = "google.golang.org/protobuf/types/known/wrapperspb";
option java_multiple_files = true;
option java_outer_classname = "WrappersProto";
option java_package = "com.google.protobuf";
option objc_class_prefix = "GPB";

message DoubleValue {
  double value = 1;
}
message FloatValue {
  float value = 1;
}
message Int64Value {
  int64 value = 1;
}
message UInt64Value {
  uint64 value = 1;
}
message Int32Value {
  int32 value = 1;
}
message UInt32Value {
  uint32 value = 1;
}
message BoolValue {
  bool value = 1;
}
message StringValue {
  string value = 1;
}
message BytesValue {
  bytes value = 1;
}
"#;

/// The scalar that a single value is written as. None: it is none.
fn scalar_of(schema: &Schema) -> Option<Scalar> {
    let said = || schema.parameter(TYPE).and_then(Scalar::by_name).filter(|s| s.kind() == schema.kind);
    Some(match schema.kind {
        Kind::Boolean => Scalar::Bool,
        Kind::Int8 | Kind::Int16 => Scalar::Int32,
        Kind::Int32 => said().unwrap_or(Scalar::Int32),
        Kind::Int64 => said().unwrap_or(Scalar::Int64),
        Kind::Float32 => Scalar::Float,
        Kind::Float64 => Scalar::Double,
        // A schemaless value is its JSON.
        Kind::Text | Kind::Any => Scalar::String,
        Kind::Bytes => Scalar::Bytes,
        Kind::List | Kind::Map | Kind::Struct => return None,
    })
}

struct Writer<'a> {
    options: &'a Options,
    imports: Vec<&'static str>,
    unnamed: usize,
}

/// What a message being written has of its own.
struct Scope<'a> {
    name: &'a str,
    /// Fields, oneofs and types: each name is there once.
    taken: HashSet<String>,
    /// The types written so far, each with its schema.
    types: Vec<(String, Schema)>,
    nested: String,
    depth: usize,
}

impl Writer<'_> {
    fn name_or_default(&mut self, name: Option<&str>) -> String {
        match name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                self.unnamed += 1;
                format!("{UNNAMED}{}", self.unnamed)
            }
        }
    }

    fn unqualified(&mut self, name: Option<&str>) -> String {
        let full = self.name_or_default(name);
        let last = full.rsplit('.').next().unwrap_or(&full);
        self.options.name(last).into_owned()
    }

    fn import(&mut self, file: &'static str) {
        if !self.imports.contains(&file) {
            self.imports.push(file);
        }
    }

    fn message(&mut self, name: &str, schema: &Schema, depth: usize, out: &mut String) -> Result<(), Misfit> {
        let options = self.options;
        let mut taken: HashSet<String> = HashSet::new();
        for field in &schema.fields {
            taken.insert(options.name(&field.name).into_owned());
            if is_union(&field.schema) {
                taken.extend(field.schema.fields.iter().map(|f| options.name(&f.name).into_owned()));
            }
        }
        let mut scope = Scope { name, taken, types: Vec::new(), nested: String::new(), depth: depth + 1 };
        let mut tags = Tags::new(schema);
        let (mut fields, mut oneofs) = (String::new(), String::new());
        for field in &schema.fields {
            let within = |e: Misfit| e.within(&field.name);
            if is_union(&field.schema) {
                tags.next();
                let _ = writeln!(oneofs, "{}oneof {} {{", indent(depth + 1), self.oneof(&field.schema));
                for member in &field.schema.fields {
                    let tag = tags.of(&member.schema);
                    let name = options.name(&member.name);
                    self.field(&name, &member.schema, tag, true, &mut scope, &mut oneofs).map_err(within)?;
                }
                let _ = writeln!(oneofs, "{}}}", indent(depth + 1));
            } else {
                let tag = tags.of(&field.schema);
                let name = options.name(&field.name);
                self.field(&name, &field.schema, tag, false, &mut scope, &mut fields).map_err(within)?;
            }
        }
        let _ = writeln!(out, "{}message {} {{", indent(depth), scope.name);
        for part in [fields, oneofs, scope.nested].iter().filter(|p| !p.is_empty()) {
            out.push_str(part);
        }
        let _ = writeln!(out, "{}}}", indent(depth));
        Ok(())
    }

    fn oneof(&mut self, union: &Schema) -> String {
        match union.parameter(GENERALIZED_UNION) {
            Some(name) if self.options.generalized => self.options.name(name).into_owned(),
            _ => {
                let name = union.name.as_deref().unwrap_or_default();
                let own = name.strip_prefix(UNION_PREFIX).map(|n| n.trim_start_matches('.')).filter(|n| !n.is_empty());
                self.unqualified(own.or(Some(name)))
            }
        }
    }

    fn field(
        &mut self,
        name: &str,
        schema: &Schema,
        tag: u32,
        member: bool,
        scope: &mut Scope<'_>,
        out: &mut String,
    ) -> Result<(), Misfit> {
        let depth = scope.depth + usize::from(member);
        let of = match (schema.kind, &schema.element) {
            (Kind::List, Some(element)) => element,
            _ => schema,
        };
        let label = match schema.kind {
            Kind::List | Kind::Map => "repeated ",
            _ if self.options.optional_nullables && schema.optional && !member => "optional ",
            _ => "",
        };
        let mut meta = Vec::new();
        let type_name = self.type_name(of, member, scope, &mut meta)?;
        let _ = write!(out, "{}{label}{type_name} {name} = {tag}", indent(depth));
        if !meta.is_empty() {
            self.import("confluent/meta.proto");
            let inner = indent(depth + 1);
            let params: Vec<_> = meta
                .iter()
                .map(|(key, value)| {
                    format!("{inner}  {{\n{inner}    key: \"{key}\",\n{inner}    value: \"{value}\"\n{inner}  }}")
                })
                .collect();
            let _ = write!(
                out,
                " [(confluent.field_meta) = {{\n{inner}params: [\n{}\n{inner}]\n{}}}]",
                params.join(",\n"),
                indent(depth)
            );
        }
        out.push_str(";\n");
        Ok(())
    }

    /// The name of a value's type; a message or enum of its own is written into the scope.
    fn type_name(
        &mut self,
        schema: &Schema,
        member: bool,
        scope: &mut Scope<'_>,
        meta: &mut Vec<(&'static str, String)>,
    ) -> Result<String, Misfit> {
        if let Some(logical) = schema.name.as_deref().and_then(|n| n.strip_prefix(LOGICAL)) {
            let (name, file) = match logical {
                "Decimal" => {
                    meta.extend(schema.parameter(PRECISION).map(|p| ("precision", p.to_owned())));
                    meta.extend(schema.parameter("scale").map(|s| ("scale", s.to_owned())));
                    (DECIMAL_TYPE, "confluent/type/decimal.proto")
                }
                "Date" => (DATE_TYPE, "google/type/date.proto"),
                "Time" => (TIME_TYPE, "google/type/timeofday.proto"),
                "Timestamp" => (TIMESTAMP_TYPE, "google/protobuf/timestamp.proto"),
                _ => ("", ""),
            };
            if !name.is_empty() {
                self.import(file);
                return Ok(name.to_owned());
            }
        }
        match schema.kind {
            Kind::Int32 | Kind::Text if enum_name(schema).is_some() => return Ok(self.enumeration(schema, scope)),
            Kind::List => return Err(Misfit::new("Array cannot be nested")),
            Kind::Map => return self.map(schema, scope),
            Kind::Struct if is_union(schema) => {
                return Err(Misfit::new("a union cannot stand in a list or a map: give it a field of a message"));
            }
            Kind::Struct => return self.nested(schema, scope),
            Kind::Int8 => meta.push(("connect.type", "int8".to_owned())),
            Kind::Int16 => meta.push(("connect.type", "int16".to_owned())),
            _ => {}
        }
        let scalar =
            scalar_of(schema).ok_or_else(|| Misfit::new(format!("Unknown schema type: {}", schema.kind.connect_name())))?;
        let is_wrapped = !member || schema.parameter(WRAPPER) == Some("true");
        if self.options.wrapper_nullables && schema.optional && is_wrapped {
            self.import("google/protobuf/wrappers.proto");
            return Ok(scalar.wrapper().to_owned());
        }
        Ok(scalar.name().to_owned())
    }

    /// Writes a type into the scope, unless the same stands there already: `write` is given its name.
    fn define(
        &mut self,
        wanted: String,
        schema: &Schema,
        scope: &mut Scope<'_>,
        write: impl FnOnce(&mut Self, &str, usize, &mut String) -> Result<(), Misfit>,
    ) -> Result<String, Misfit> {
        // What a field knows of its type is no part of it.
        let mut known = schema.clone();
        known.optional = false;
        known.default = None;
        known.doc = None;
        known.parameters.retain(|(key, _)| &**key != TAG);
        if let Some((name, _)) = scope.types.iter().find(|(name, of)| name.starts_with(wanted.as_str()) && *of == known) {
            return Ok(name.clone());
        }
        let mut name = wanted.clone();
        if scope.taken.contains(&name) {
            name.push_str("Message");
        }
        let mut n = 2;
        while scope.taken.contains(&name) {
            name = format!("{wanted}{n}");
            n += 1;
        }
        scope.taken.insert(name.clone());
        scope.types.push((name.clone(), known));
        let mut text = String::new();
        write(self, &name, scope.depth, &mut text)?;
        scope.nested.push_str(&text);
        Ok(name)
    }

    fn nested(&mut self, schema: &Schema, scope: &mut Scope<'_>) -> Result<String, Misfit> {
        let wanted = self.unqualified(schema.name.as_deref());
        self.define(wanted, schema, scope, |writer, name, depth, out| writer.message(name, schema, depth, out))
    }

    fn map(&mut self, schema: &Schema, scope: &mut Scope<'_>) -> Result<String, Misfit> {
        let (Some(key), Some(value)) = (&schema.key, &schema.element) else {
            return Err(Misfit::new("a map without the schemas of its keys and values"));
        };
        let wanted = names::map_entry(&self.unqualified(schema.name.as_deref()));
        let mut entry = Schema::record([("key", (**key).clone()), ("value", (**value).clone())]);
        // The numbers of an entry's fields are always these.
        for (i, field) in entry.fields.iter_mut().enumerate() {
            let mut of = (*field.schema).clone();
            of.parameters.retain(|(key, _)| &**key != TAG);
            of.parameters.push((TAG.into(), (i + 1).to_string().into()));
            field.schema = of.into();
        }
        let of = entry.clone();
        self.define(wanted, &of, scope, |writer, name, depth, out| writer.message(name, &entry, depth, out))
    }

    fn enumeration(&mut self, schema: &Schema, scope: &mut Scope<'_>) -> String {
        let name = match schema.name.as_deref() {
            None => enum_name(schema).filter(|n| !n.is_empty()),
            named => named,
        };
        let wanted = self.unqualified(name);
        let parameter = [self.options.enum_parameter(), ENUM, GENERALIZED_ENUM]
            .into_iter()
            .find(|p| schema.parameters.iter().any(|(key, _)| &**key == *p))
            .unwrap_or(ENUM);
        let prefix = format!("{parameter}.");
        let numbered = schema.parameters.iter().filter_map(|(key, number)| {
            Some((self.options.name(key.strip_prefix(&prefix)?).into_owned(), number.parse::<i32>().ok()?))
        });
        let mut symbols: Vec<(String, i32)> = numbered.collect();
        // In proto3 the first is zero.
        symbols.sort_by_key(|(_, number)| *number != 0);
        let defined = self.define(wanted, schema, scope, |_, name, depth, out| {
            let _ = writeln!(out, "{}enum {name} {{", indent(depth));
            let distinct: HashSet<i32> = symbols.iter().map(|(_, n)| *n).collect();
            if distinct.len() < symbols.len() {
                let _ = writeln!(out, "{}option allow_alias = true;", indent(depth + 1));
            }
            for (symbol, number) in &symbols {
                let _ = writeln!(out, "{}{symbol} = {number};", indent(depth + 1));
            }
            let _ = writeln!(out, "{}}}", indent(depth));
            Ok(())
        });
        defined.expect("an enum is written without a failure")
    }
}

/// The name of the enum that a text or number stands for.
pub(super) fn enum_name(schema: &Schema) -> Option<&str> {
    schema.parameter(ENUM).or_else(|| schema.parameter(GENERALIZED_ENUM))
}

fn indent(depth: usize) -> &'static str {
    const SPACES: &str = "                                                                ";
    &SPACES[..(depth * 2).min(SPACES.len())]
}

/// The numbers of a message's fields: those that the schema says, and for the others their place.
struct Tags {
    said: HashSet<u32>,
    next: u32,
}

impl Tags {
    fn new(schema: &Schema) -> Self {
        let unions = schema.fields.iter().filter(|f| is_union(&f.schema));
        let members = unions.flat_map(|f| &f.schema.fields);
        Tags { said: schema.fields.iter().chain(members).filter_map(|f| said(&f.schema)).collect(), next: 0 }
    }

    fn next(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn of(&mut self, schema: &Schema) -> u32 {
        if let Some(tag) = said(schema) {
            return tag;
        }
        loop {
            let tag = self.next();
            // Numbers that Protobuf keeps for itself.
            if !self.said.contains(&tag) && !(19_000..20_000).contains(&tag) {
                return tag;
            }
        }
    }
}

fn said(schema: &Schema) -> Option<u32> {
    schema.parameter(TAG).and_then(|t| t.parse().ok())
}
