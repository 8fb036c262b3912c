//! A message's descriptor as Connect's schema, and compiled for decoding in the same walk.
//!
//! One thing differs from Confluent's: Connect's schemas may be cycles, ours are trees. Where a message stands within itself it
//! is JSON, as are the messages that Protobuf has for JSON.

use std::sync::Arc;

use millrace_record::{Field, Kind, Schema};
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind as Type, MapKey, MessageDescriptor, OneofDescriptor, Syntax,
    Value as Reflected,
};

use super::super::misfit::Misfit;
use super::names;
use super::options::{
    DATE_TYPE, DECIMAL_TYPE, GENERALIZED_UNION, Options, PRECISION, TAG, TIME_TYPE, TIMESTAMP_TYPE, TYPE, UNION_PREFIX, WRAPPER,
};
use super::plan::{Absent, FieldPlan, Message, Place, Root, Shape, Symbols, Value};
use super::scalar::Scalar;

const LOGICAL: &str = "org.apache.kafka.connect.data.";

/// The schema of a root message, and how its bytes become a row of it.
pub(super) fn compile(root: &MessageDescriptor, version: Option<i32>, options: &Options) -> Result<(Schema, Root), Misfit> {
    if let Some(scalar) = Scalar::wrapped(root.full_name()).filter(|_| options.raw_wrappers) {
        let mut schema = Schema::new(scalar.kind());
        schema.version = version;
        return Ok((schema, Root::Raw(scalar)));
    }
    let mut walk = Walk { options, open: Vec::new() };
    let (mut schema, message) = walk.message(root)?;
    schema.version = version;
    Ok((schema, Root::Message(message)))
}

struct Walk<'a> {
    options: &'a Options,
    /// The messages that the walk is inside of.
    open: Vec<String>,
}

impl Walk<'_> {
    fn name<'n>(&self, full: &'n str, short: &'n str) -> &'n str {
        if self.options.enhanced { full } else { short }
    }

    fn message(&mut self, of: &MessageDescriptor) -> Result<(Schema, Message), Misfit> {
        self.open.push(of.full_name().to_owned());
        let mut schema = Schema::new(Kind::Struct).named(self.name(of.full_name(), of.name()));
        let mut fields = Vec::new();
        let mut unions = Vec::new();
        for (i, oneof) in of.oneofs().enumerate().filter(|(_, o)| !o.is_synthetic()) {
            if self.options.flatten_unions {
                for member in oneof.fields() {
                    let slot = schema.fields.len();
                    let plan = self.field(&member, true, Place::Slot(slot), &mut schema.fields)?;
                    fields.push(FieldPlan { flattened: Some(i), ..plan });
                }
                continue;
            }
            let name = if self.options.union_index { format!("{}_{i}", oneof.name()) } else { oneof.name().to_owned() };
            let mut union = self.union(&oneof);
            for member in oneof.fields() {
                let place = Place::Member { union: unions.len(), slot: union.fields.len() };
                fields.push(self.field(&member, true, place, &mut union.fields)?);
            }
            unions.push((schema.fields.len(), union.fields.len()));
            schema.fields.push(Field { name: name.into(), schema: Arc::new(union.optional()) });
        }
        let declared = of.descriptor_proto().field.iter().filter_map(|f| of.get_field(u32::try_from(f.number()).ok()?));
        for field in declared.filter(|f| f.containing_oneof().is_none_or(|o| o.is_synthetic())) {
            let place = Place::Slot(schema.fields.len());
            fields.push(self.field(&field, false, place, &mut schema.fields)?);
        }
        self.open.pop();
        let message = Message::new(schema.fields.len(), fields, unions);
        Ok((schema, message))
    }

    fn union(&self, oneof: &OneofDescriptor) -> Schema {
        if self.options.generalized {
            let mut union = Schema::new(Kind::Struct).named(oneof.name());
            union.parameters.push((GENERALIZED_UNION.into(), oneof.name().into()));
            return union;
        }
        Schema::new(Kind::Struct).named(&format!("{UNION_PREFIX}.{}", self.name(oneof.full_name(), oneof.name())))
    }

    /// Adds the field to `fields`.
    fn field(&mut self, of: &FieldDescriptor, member: bool, place: Place, fields: &mut Vec<Field>) -> Result<FieldPlan, Misfit> {
        let (schema, shape, value) = self.typed(of, member).map_err(|e| e.within(of.name()))?;
        fields.push(Field { name: of.name().into(), schema: Arc::new(schema) });
        let absent = match shape {
            Shape::One if member => Absent::Null,
            Shape::One => self.absent(of),
            Shape::Many | Shape::Map(_) => Absent::Null,
        };
        Ok(FieldPlan { number: of.number(), name: of.name().into(), place, shape, value, absent, flattened: None })
    }

    fn typed(&mut self, of: &FieldDescriptor, member: bool) -> Result<(Schema, Shape, Value), Misfit> {
        let options = self.options;
        let mut shape = if of.is_list() || of.cardinality() == Cardinality::Repeated { Shape::Many } else { Shape::One };
        let (mut schema, mut value) = match (of.kind(), Scalar::of(&of.kind())) {
            (_, Some(scalar)) => self.scalar(of, scalar),
            (Type::Enum(of), _) => {
                let (schema, value) = self.symbols(&of);
                (schema.optional(), value)
            }
            (Type::Message(message), _) => {
                if let Some((key, element)) = entry(of, &message) {
                    let (key, _, key_value) = self.typed(&key, false)?;
                    let (element, _, element_value) = self.typed(&element, false)?;
                    let name = names::map_field(self.name(message.full_name(), message.name()));
                    shape = Shape::Map(Box::new(key_value));
                    (Schema::map(key, element).named(&name).optional(), element_value)
                } else {
                    let (schema, value) = self.nested(of, &message)?;
                    (schema.optional(), value)
                }
            }
            (_, None) => unreachable!("all kinds that are no scalars are above"),
        };
        if matches!(shape, Shape::Many) {
            schema = Schema::list(schema.optional()).optional();
        }
        if member {
            schema.optional = true;
            if options.wrapper_nullables && matches!(value, Value::Wrapper(_)) {
                schema.parameters.push((WRAPPER.into(), "true".into()));
            }
        } else if options.optional_nullables {
            schema.optional |= says_optional(of);
        } else if !options.wrapper_nullables {
            schema.optional = true;
        }
        schema.parameters.push((TAG.into(), of.number().to_string().into()));
        if let Value::Message(message) = &mut value
            && options.struct_nulls
            && matches!(shape, Shape::One)
        {
            message.made_for_nulls = true;
        }
        Ok((schema, shape, value))
    }

    fn scalar(&self, of: &FieldDescriptor, scalar: Scalar) -> (Schema, Value) {
        let mut schema = Schema::new(scalar.kind());
        if scalar.kind() == Kind::Int32 {
            schema.kind = match meta(of, "connect.type").as_deref() {
                Some("int8") => Kind::Int8,
                Some("int16") => Kind::Int16,
                _ => Kind::Int32,
            };
        }
        if scalar.is_said() && !matches!(schema.kind, Kind::Int8 | Kind::Int16) {
            schema.parameters.push((TYPE.into(), scalar.name().into()));
        }
        let value = Value::Scalar { scalar, kind: schema.kind };
        (schema, value)
    }

    fn symbols(&self, of: &EnumDescriptor) -> (Schema, Value) {
        let options = self.options;
        let mut schema = Schema::new(if options.int_enums { Kind::Int32 } else { Kind::Text });
        schema.name = Some(self.name(of.full_name(), of.name()).into());
        let parameter = options.enum_parameter();
        schema.parameters.push((parameter.into(), of.name().into()));
        let mut symbols = Symbols { name: of.name().into(), by_number: Vec::new() };
        for value in of.values() {
            schema.parameters.push((format!("{parameter}.{}", value.name()).into(), value.number().to_string().into()));
            // Of two names of one number the first is the one that counts.
            if symbols.by_number.iter().all(|(n, _)| *n != value.number()) {
                symbols.by_number.push((value.number(), value.name().into()));
            }
        }
        let value = if options.int_enums { Value::Number } else { Value::Enum(Arc::new(symbols)) };
        (schema, value)
    }

    fn nested(&mut self, of: &FieldDescriptor, message: &MessageDescriptor) -> Result<(Schema, Value), Misfit> {
        let logical = |kind: Kind, name: &str| {
            let mut schema = Schema::new(kind).named(&format!("{LOGICAL}{name}"));
            schema.version = Some(1);
            schema
        };
        Ok(match message.full_name() {
            DECIMAL_TYPE => {
                let number = |key: &str| meta(of, key).and_then(|v| v.parse::<i32>().ok());
                let scale = number("scale").unwrap_or(0);
                let mut schema = logical(Kind::Bytes, "Decimal");
                schema.parameters.push(("scale".into(), scale.to_string().into()));
                if let Some(precision) = number("precision") {
                    schema.parameters.push((PRECISION.into(), precision.to_string().into()));
                }
                (schema, Value::Decimal { scale })
            }
            DATE_TYPE => (logical(Kind::Int32, "Date"), Value::Date),
            TIME_TYPE => (logical(Kind::Int32, "Time"), Value::Time),
            TIMESTAMP_TYPE => (logical(Kind::Int64, "Timestamp"), Value::Timestamp),
            full_name => match Scalar::wrapped(full_name) {
                Some(scalar) if self.options.wrapper_nullables || self.options.raw_wrappers => {
                    (Schema::new(scalar.kind()), Value::Wrapper(scalar))
                }
                // Where a message stands within itself, which a schema here cannot, it is JSON.
                _ if names::is_json(full_name) || self.open.iter().any(|m| m == full_name) => {
                    (Schema::new(Kind::Any), Value::Json(message.clone()))
                }
                _ => {
                    let (schema, message) = self.message(message)?;
                    (schema, Value::Message(Box::new(message)))
                }
            },
        })
    }

    /// What a field that is not in the bytes becomes.
    fn absent(&self, of: &FieldDescriptor) -> Absent {
        if of.is_required() {
            return Absent::Missing;
        }
        if of.kind().as_message().is_some() || is_optional(of, self.options) {
            return Absent::Null;
        }
        let default = of.default_value();
        match (&default, of.kind()) {
            (Reflected::EnumNumber(n), Type::Enum(e)) if !self.options.int_enums => {
                Absent::Bytes(e.get_value(*n).map(|v| v.name().as_bytes().to_vec()).unwrap_or_default())
            }
            (Reflected::String(text), _) => Absent::Bytes(text.clone().into_bytes()),
            (Reflected::Bytes(bytes), _) => Absent::Bytes(bytes.to_vec()),
            (Reflected::Bool(v), _) => Absent::Bits(u64::from(*v)),
            (Reflected::I32(v) | Reflected::EnumNumber(v), _) => Absent::Bits(i64::from(*v) as u64),
            (Reflected::I64(v), _) => Absent::Bits(*v as u64),
            (Reflected::U32(v), _) => Absent::Bits(u64::from(*v)),
            (Reflected::U64(v), _) => Absent::Bits(*v),
            (Reflected::F32(v), _) => Absent::Bits(f64::from(*v).to_bits()),
            (Reflected::F64(v), _) => Absent::Bits(v.to_bits()),
            (Reflected::Message(_) | Reflected::List(_) | Reflected::Map(_), _) => Absent::Null,
        }
    }
}

/// Whether the field says `optional`: in proto2, or in proto3.
fn says_optional(of: &FieldDescriptor) -> bool {
    let said = of.field_descriptor_proto().proto3_optional();
    let proto2 = of.parent_file().syntax() == Syntax::Proto2;
    said || (proto2 && of.cardinality() == Cardinality::Optional && of.containing_oneof().is_none())
}

fn is_optional(of: &FieldDescriptor, options: &Options) -> bool {
    of.field_descriptor_proto().proto3_optional() || (options.optional_proto2 && says_optional(of))
}

/// Key and value of a message that stands for a map's entries, whether it says so or only looks so.
fn entry(of: &FieldDescriptor, message: &MessageDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    let repeated = of.cardinality() == Cardinality::Repeated;
    if !repeated || !names::is_entry(message.name()) || message.fields().len() != 2 {
        return None;
    }
    let (key, value) = (message.get_field_by_name("key")?, message.get_field_by_name("value")?);
    let single = |f: &FieldDescriptor| f.cardinality() != Cardinality::Repeated;
    (key.number() < value.number() && single(&key) && single(&value)).then_some((key, value))
}

/// A parameter of the option `confluent.field_meta`.
fn meta(of: &FieldDescriptor, key: &str) -> Option<String> {
    let options = of.options();
    let (_, meta) = options.extensions().find(|(e, _)| e.full_name() == "confluent.field_meta")?;
    let params = meta.as_message()?.get_field_by_name("params")?.into_owned();
    let value = params.as_map()?.get(&MapKey::String(key.to_owned()))?.as_str()?.to_owned();
    Some(value)
}
