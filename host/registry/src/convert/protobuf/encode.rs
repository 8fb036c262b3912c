//! From the packed row straight into a message's bytes.
//!
//! A schema is compiled together with the descriptor that its rows are written by, once: the converter's own or the one that a
//! registry has. Fields are matched by name then, and after that a row is a walk over the fields in the order of their numbers.

use std::collections::HashMap;

use millrace_record::row::Row;
use millrace_record::{Kind, Schema, calendar, decimal, default_row};
use prost_reflect::{Cardinality, FieldDescriptor, Kind as Type, MessageDescriptor};

use super::super::misfit::Misfit;
use super::json;
use super::options::{DATE_TYPE, DECIMAL_TYPE, Options, TIME_TYPE, TIMESTAMP_TYPE, is_union};
use super::scalar::Scalar;
use super::wire::{LENGTH, VARINT, put_sized, put_tag, put_varint, zigzag};

/// A root compiled for encoding.
#[derive(Debug)]
pub(super) enum Root {
    /// A single value in its wrapper.
    Raw(Scalar),
    Message(Message),
}

/// A message's fields in the order of their numbers.
#[derive(Debug)]
pub(super) struct Message(Vec<Step>);

#[derive(Debug)]
struct Step {
    from: Origin,
    name: Box<str>,
    number: u32,
    shape: Shape,
    value: Value,
    /// A row of one slot that stands for null.
    default: Option<Vec<u8>>,
}

/// Where a value is in the row.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Slot(usize),
    /// In the struct of a oneof, of which the first value that is not null counts.
    Member {
        union: usize,
        slot: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Left out where it is the type's default.
    Implicit,
    Explicit,
    Many,
    Packed,
    Map,
}

#[derive(Debug)]
enum Value {
    Scalar(Scalar),
    /// Symbols with their numbers.
    Symbols(HashMap<Box<str>, i32>),
    Number,
    Wrapper(Scalar),
    Message(Message),
    /// JSON, as Protobuf has it of the message.
    Json(MessageDescriptor),
    Entry(Box<Entry>),
    Decimal {
        scale: i32,
    },
    Date,
    Time,
    Timestamp,
}

/// A map's entry.
#[derive(Debug)]
struct Entry {
    key: Step,
    value: Step,
}

/// How rows of `schema` are written as messages of `of`.
pub(super) fn compile(schema: &Schema, of: &MessageDescriptor, options: &Options) -> Result<Root, Misfit> {
    if schema.kind != Kind::Struct {
        let scalar = Scalar::wrapped(of.full_name()).ok_or_else(|| {
            Misfit::new(format!("a value of type {} cannot be a message {}", schema.kind.connect_name(), of.full_name()))
        })?;
        takes(scalar, schema.kind)?;
        return Ok(Root::Raw(scalar));
    }
    message(schema, of, options).map(Root::Message)
}

fn message(schema: &Schema, of: &MessageDescriptor, options: &Options) -> Result<Message, Misfit> {
    let mut steps = Vec::with_capacity(schema.fields.len());
    let find = |name: &str| {
        of.get_field_by_name(&options.name(name)).ok_or_else(|| {
            Misfit::new(format!("Cannot find field with name {} in the message {}", options.name(name), of.full_name()))
        })
    };
    for (i, field) in schema.fields.iter().enumerate() {
        if is_union(&field.schema) && of.get_field_by_name(&options.name(&field.name)).is_none() {
            for (j, member) in field.schema.fields.iter().enumerate() {
                let from = Origin::Member { union: i, slot: j };
                steps.push(step(&member.schema, &find(&member.name)?, from, options).map_err(|e| e.within(&field.name))?);
            }
        } else {
            steps.push(step(&field.schema, &find(&field.name)?, Origin::Slot(i), options)?);
        }
    }
    // As Java writes them: bytes decide a key's partition.
    steps.sort_by_key(|s| s.number);
    Ok(Message(steps))
}

fn step(schema: &Schema, of: &FieldDescriptor, from: Origin, options: &Options) -> Result<Step, Misfit> {
    let repeated = of.cardinality() == Cardinality::Repeated;
    let unfit = || {
        let label = if repeated { "repeated " } else { "" };
        let what = format!("{} does not fit the field {label}{:?} of the schema", schema.kind.connect_name(), of.kind());
        Misfit::new(what).within(of.name())
    };
    let (shape, value) = match (schema.kind, &schema.element, repeated) {
        (Kind::List, Some(element), true) => {
            let value = value(element, of, options)?;
            (if of.is_packed() { Shape::Packed } else { Shape::Many }, value)
        }
        (Kind::Map, Some(_), true) => (Shape::Map, Value::Entry(Box::new(entry(schema, of, options)?))),
        (Kind::List | Kind::Map, ..) | (.., true) => return Err(unfit()),
        _ => (if of.supports_presence() { Shape::Explicit } else { Shape::Implicit }, value(schema, of, options)?),
    };
    let default = if options.ignore_default { None } else { default_row(schema) };
    Ok(Step { from, name: of.name().into(), number: of.number(), shape, value, default })
}

fn entry(schema: &Schema, of: &FieldDescriptor, options: &Options) -> Result<Entry, Misfit> {
    let field = |name: &str, of: &MessageDescriptor| {
        of.get_field_by_name(name)
            .ok_or_else(|| Misfit::new(format!("{} is no entry of a map: it has no field {name}", of.full_name())))
    };
    let (Type::Message(message), Some(key), Some(element)) = (of.kind(), &schema.key, &schema.element) else {
        return Err(Misfit::new("a map does not fit the field").within(of.name()));
    };
    Ok(Entry {
        key: step(key, &field("key", &message)?, Origin::Slot(0), options)?,
        value: step(element, &field("value", &message)?, Origin::Slot(1), options)?,
    })
}

fn value(schema: &Schema, of: &FieldDescriptor, options: &Options) -> Result<Value, Misfit> {
    let logical = schema.name.as_deref().and_then(|n| n.strip_prefix("org.apache.kafka.connect.data."));
    let unfit = |of: &str| Misfit::new(format!("{} does not fit the type {of}", schema.kind.connect_name()));
    let found = match of.kind() {
        Type::Enum(of) => match schema.kind {
            Kind::Text => Ok(Value::Symbols(of.values().map(|v| (v.name().into(), v.number())).collect())),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Ok(Value::Number),
            _ => Err(unfit(of.full_name())),
        },
        Type::Message(message_of) => match (message_of.full_name(), logical, schema.kind) {
            (DECIMAL_TYPE, Some("Decimal"), Kind::Bytes) => Ok(Value::Decimal { scale: schema.scale().unwrap_or(0) }),
            (DATE_TYPE, Some("Date"), Kind::Int32) => Ok(Value::Date),
            (TIME_TYPE, Some("Time"), Kind::Int32) => Ok(Value::Time),
            (TIMESTAMP_TYPE, Some("Timestamp"), Kind::Int64) => Ok(Value::Timestamp),
            (_, _, Kind::Struct) => message(schema, &message_of, options).map(Value::Message),
            (full_name, ..) => match Scalar::wrapped(full_name) {
                Some(scalar) => takes(scalar, schema.kind).map(|()| Value::Wrapper(scalar)),
                None if schema.kind == Kind::Any => Ok(Value::Json(message_of)),
                None => Err(unfit(full_name)),
            },
        },
        kind => match Scalar::of(&kind) {
            Some(scalar) => takes(scalar, schema.kind).map(|()| Value::Scalar(scalar)),
            None => Err(unfit(of.full_name())),
        },
    };
    found.map_err(|e| e.within(of.name()))
}

/// Whether values of Connect's type can be written as the scalar, each of them or those that it has room for.
fn takes(scalar: Scalar, kind: Kind) -> Result<(), Misfit> {
    let integer = matches!(kind, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64);
    let takes = match scalar {
        Scalar::Double | Scalar::Float => matches!(kind, Kind::Float32 | Kind::Float64),
        Scalar::Bool => kind == Kind::Boolean,
        Scalar::String => matches!(kind, Kind::Text | Kind::Any),
        Scalar::Bytes => kind == Kind::Bytes,
        _ => integer,
    };
    if takes { Ok(()) } else { Err(Misfit::new(format!("{} does not fit the type {}", kind.connect_name(), scalar.name()))) }
}

/// Appends the message of a root row.
pub(super) fn root(root: &Root, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match root {
        Root::Raw(scalar) if row.is_null(0) || is_default(*scalar, row, 0) => Ok(()),
        Root::Raw(scalar) => {
            put_tag(1, scalar.wire_number(), out);
            put_scalar(*scalar, row, 0, out)
        }
        Root::Message(of) => fields(of, row, out),
    }
}

fn fields(of: &Message, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    for step in &of.0 {
        match step.from {
            Origin::Slot(slot) => field(step, row, slot, out).map_err(|e| e.within(&step.name))?,
            Origin::Member { union, slot } => {
                if row.is_null(union) {
                    continue;
                }
                let struct_ = row.row(union).ok_or_else(Misfit::broken_row)?;
                match (0..struct_.len()).find(|j| !struct_.is_null(*j)) {
                    Some(first) if first == slot => field(step, &struct_, slot, out).map_err(|e| e.within(&step.name))?,
                    Some(_) => {}
                    None => return Err(Misfit::new("Cannot find non-null field").within(&step.name)),
                }
            }
        }
    }
    Ok(())
}

fn field(step: &Step, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if row.is_null(slot) {
        return match step.default.as_deref().and_then(Row::new).filter(|d| !d.is_null(0)) {
            Some(default) => field(step, &default, 0, out),
            // What is not there is not written.
            None => Ok(()),
        };
    }
    match step.shape {
        Shape::Implicit => {
            if !implied(&step.value, row, slot) {
                tagged(step, row, slot, out)?;
            }
            Ok(())
        }
        Shape::Explicit => tagged(step, row, slot, out),
        Shape::Many => {
            let list = elements(row, slot)?;
            (0..list.len()).try_for_each(|j| tagged(step, &list, j, out))
        }
        Shape::Packed => {
            let list = elements(row, slot)?;
            if list.is_empty() {
                return Ok(());
            }
            put_tag(step.number, LENGTH, out);
            put_sized(out, |out| (0..list.len()).try_for_each(|j| value_of(&step.value, &list, j, out)))
        }
        Shape::Map => map(step, row, slot, out),
    }
}

fn elements<'a>(row: &Row<'a>, slot: usize) -> Result<Row<'a>, Misfit> {
    let list = row.row(slot).ok_or_else(Misfit::broken_row)?;
    match (0..list.len()).find(|j| list.is_null(*j)) {
        None => Ok(list),
        Some(j) => Err(Misfit::new(format!("element {j} of the list is null, which Protobuf cannot have"))),
    }
}

fn map(step: &Step, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let Value::Entry(entry) = &step.value else { return Err(Misfit::broken_row()) };
    let lists = row.row(slot).ok_or_else(Misfit::broken_row)?;
    let (keys, values) = lists.row(0).zip(lists.row(1)).ok_or_else(Misfit::broken_row)?;
    for j in 0..keys.len() {
        put_tag(step.number, LENGTH, out);
        put_sized(out, |out| {
            field(&entry.key, &keys, j, out)?;
            field(&entry.value, &values, j, out)
        })?;
    }
    Ok(())
}

/// A value with its number before it.
fn tagged(step: &Step, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let wire = match &step.value {
        Value::Scalar(scalar) => scalar.wire_number(),
        Value::Symbols(_) | Value::Number => VARINT,
        _ => LENGTH,
    };
    put_tag(step.number, wire, out);
    value_of(&step.value, row, slot, out)
}

/// Whether the value is its type's default.
fn implied(value: &Value, row: &Row<'_>, slot: usize) -> bool {
    match value {
        Value::Scalar(scalar) => is_default(*scalar, row, slot),
        Value::Symbols(symbols) => std::str::from_utf8(row.get_bytes(slot)).is_ok_and(|s| symbols.get(s) == Some(&0)),
        Value::Number => row.i64(slot) == 0,
        _ => false,
    }
}

fn is_default(scalar: Scalar, row: &Row<'_>, slot: usize) -> bool {
    match scalar {
        Scalar::String | Scalar::Bytes => row.get_bytes(slot).is_empty(),
        // Minus zero is not the default: its bits are others.
        _ => row.slot(slot) == 0,
    }
}

fn value_of(value: &Value, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match value {
        Value::Scalar(scalar) => put_scalar(*scalar, row, slot, out),
        Value::Symbols(symbols) => {
            let text = row.text(slot);
            let number = symbols.get(text).copied().or_else(|| unknown(text)).ok_or_else(|| {
                Misfit::new(format!("the enum has no symbol \"{text}\": add it to the schema, or write another"))
            })?;
            put_varint(i64::from(number) as u64, out);
            Ok(())
        }
        Value::Number => {
            let number = i32::try_from(row.i64(slot)).map_err(|_| no_room(row.i64(slot), "an enum's number"))?;
            put_varint(i64::from(number) as u64, out);
            Ok(())
        }
        Value::Wrapper(scalar) => put_sized(out, |out| {
            if is_default(*scalar, row, slot) {
                return Ok(());
            }
            put_tag(1, scalar.wire_number(), out);
            put_scalar(*scalar, row, slot, out)
        }),
        Value::Message(of) => {
            let nested = row.row(slot).ok_or_else(Misfit::broken_row)?;
            put_sized(out, |out| fields(of, &nested, out))
        }
        Value::Json(of) => {
            let bytes = json::bytes(of, row.text(slot))?;
            put_varint(bytes.len() as u64, out);
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Value::Entry(_) => Err(Misfit::broken_row()),
        Value::Decimal { scale } => {
            let unscaled = row.get_bytes(slot);
            let digits = decimal::to_text(unscaled, 0);
            let precision = digits.trim_start_matches('-').len();
            put_sized(out, |out| {
                put_tag(1, LENGTH, out);
                put_varint(unscaled.len() as u64, out);
                out.extend_from_slice(unscaled);
                numbers(&[(2, precision as i64), (3, i64::from(*scale))], out);
                Ok(())
            })
        }
        Value::Date => {
            let (year, month, day) = calendar::civil(row.i64(slot));
            put_sized(out, |out| {
                numbers(&[(1, year), (2, i64::from(month)), (3, i64::from(day))], out);
                Ok(())
            })
        }
        Value::Time => {
            let millis = row.i64(slot);
            if !(0..calendar::DAY_MS).contains(&millis) {
                let range = "Time values must use number of millis greater than 0 and less than 86400000";
                return Err(Misfit::new(range));
            }
            let (hours, minutes, seconds, rest) = calendar::clock(millis);
            let parts = [hours, minutes, seconds, rest * 1_000_000];
            put_sized(out, |out| {
                numbers(&[1, 2, 3, 4].map(|n: usize| (n as u32, i64::from(parts[n - 1]))), out);
                Ok(())
            })
        }
        Value::Timestamp => {
            let millis = row.i64(slot);
            put_sized(out, |out| {
                numbers(&[(1, millis.div_euclid(1000)), (2, millis.rem_euclid(1000) * 1_000_000)], out);
                Ok(())
            })
        }
    }
}

/// The number in Java's name of a number that has no symbol.
fn unknown(text: &str) -> Option<i32> {
    text.strip_prefix("UNKNOWN_ENUM_VALUE_")?.rsplit_once('_')?.1.parse().ok()
}

/// Fields of a message that are numbers; zeros are left out.
fn numbers(of: &[(u32, i64)], out: &mut Vec<u8>) {
    for (number, value) in of.iter().filter(|(_, v)| *v != 0) {
        put_tag(*number, VARINT, out);
        put_varint(*value as u64, out);
    }
}

#[cold]
fn no_room(value: i64, of: &str) -> Misfit {
    Misfit::new(format!("{value} does not fit {of}"))
}

#[inline]
fn put_scalar(scalar: Scalar, row: &Row<'_>, slot: usize, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let narrow = || i32::try_from(row.i64(slot)).map_err(|_| no_room(row.i64(slot), scalar.name()));
    // A negative one is the same 32 bits, as Java has them.
    let unsigned = || {
        let value = row.i64(slot);
        u32::try_from(value).or_else(|_| i32::try_from(value).map(|v| v as u32)).map_err(|_| no_room(value, scalar.name()))
    };
    match scalar {
        Scalar::Double => out.extend_from_slice(&row.slot(slot).to_le_bytes()),
        Scalar::Float => {
            let (wide, narrow) = (row.f64(slot), row.f64(slot) as f32);
            if f64::from(narrow) != wide && !wide.is_nan() {
                return Err(Misfit::new(format!("{wide} does not fit float: it would lose digits")));
            }
            out.extend_from_slice(&narrow.to_le_bytes());
        }
        Scalar::Int32 => put_varint(i64::from(narrow()?) as u64, out),
        Scalar::Int64 | Scalar::Uint64 => put_varint(row.i64(slot) as u64, out),
        Scalar::Uint32 => put_varint(u64::from(unsigned()?), out),
        Scalar::Sint32 => put_varint(u64::from(zigzag(i64::from(narrow()?)) as u32), out),
        Scalar::Sint64 => put_varint(zigzag(row.i64(slot)), out),
        Scalar::Fixed32 => out.extend_from_slice(&unsigned()?.to_le_bytes()),
        Scalar::Sfixed32 => out.extend_from_slice(&narrow()?.to_le_bytes()),
        Scalar::Fixed64 | Scalar::Sfixed64 => out.extend_from_slice(&row.i64(slot).to_le_bytes()),
        Scalar::Bool => out.push(u8::from(row.bool(slot))),
        Scalar::String | Scalar::Bytes => {
            let bytes = row.get_bytes(slot);
            put_varint(bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
    }
    Ok(())
}
