//! Protobuf's scalar types: what they are called, how they stand on the wire, and which of Connect's they are.

use millrace_record::Kind;
use prost_reflect::Kind as Type;

use super::wire::{FIXED32, FIXED64, LENGTH, VARINT, Wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
}

use Scalar::*;

/// Each with its name and the name of its wrapper, where it has one.
const NAMES: [(Scalar, &str, Option<&str>); 15] = [
    (Double, "double", Some("google.protobuf.DoubleValue")),
    (Float, "float", Some("google.protobuf.FloatValue")),
    (Int32, "int32", Some("google.protobuf.Int32Value")),
    (Int64, "int64", Some("google.protobuf.Int64Value")),
    (Uint32, "uint32", Some("google.protobuf.UInt32Value")),
    (Uint64, "uint64", Some("google.protobuf.UInt64Value")),
    (Sint32, "sint32", None),
    (Sint64, "sint64", None),
    (Fixed32, "fixed32", None),
    (Fixed64, "fixed64", None),
    (Sfixed32, "sfixed32", None),
    (Sfixed64, "sfixed64", None),
    (Bool, "bool", Some("google.protobuf.BoolValue")),
    (String, "string", Some("google.protobuf.StringValue")),
    (Bytes, "bytes", Some("google.protobuf.BytesValue")),
];

impl Scalar {
    /// None: an enum or a message.
    pub fn of(kind: &Type) -> Option<Scalar> {
        Some(match kind {
            Type::Double => Double,
            Type::Float => Float,
            Type::Int32 => Int32,
            Type::Int64 => Int64,
            Type::Uint32 => Uint32,
            Type::Uint64 => Uint64,
            Type::Sint32 => Sint32,
            Type::Sint64 => Sint64,
            Type::Fixed32 => Fixed32,
            Type::Fixed64 => Fixed64,
            Type::Sfixed32 => Sfixed32,
            Type::Sfixed64 => Sfixed64,
            Type::Bool => Bool,
            Type::String => String,
            Type::Bytes => Bytes,
            Type::Message(_) | Type::Enum(_) => return None,
        })
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|n| n.0 == self).map_or("", |n| n.1)
    }

    pub fn by_name(name: &str) -> Option<Scalar> {
        NAMES.iter().find(|n| n.1 == name).map(|n| n.0)
    }

    /// Of a wrapper's full name.
    pub fn wrapped(full_name: &str) -> Option<Scalar> {
        NAMES.iter().find(|n| n.2 == Some(full_name)).map(|n| n.0)
    }

    /// The full name of its wrapper, or of that of the plain number of its width and sign.
    pub fn wrapper(self) -> &'static str {
        let plain = match self {
            Sint32 | Sfixed32 => Int32,
            Sint64 | Sfixed64 => Int64,
            Fixed32 => Uint32,
            Fixed64 => Uint64,
            other => other,
        };
        NAMES.iter().find(|n| n.0 == plain).and_then(|n| n.2).unwrap_or("")
    }

    /// Connect's type.
    pub fn kind(self) -> Kind {
        match self {
            Double => Kind::Float64,
            Float => Kind::Float32,
            Int32 | Sint32 | Sfixed32 => Kind::Int32,
            Int64 | Uint32 | Uint64 | Sint64 | Fixed32 | Fixed64 | Sfixed64 => Kind::Int64,
            Bool => Kind::Boolean,
            String => Kind::Text,
            Bytes => Kind::Bytes,
        }
    }

    /// Whether Connect's type does not say which of several it is.
    pub fn is_said(self) -> bool {
        matches!(self, Sint32 | Sfixed32 | Uint32 | Uint64 | Sint64 | Fixed32 | Fixed64 | Sfixed64)
    }

    pub fn wire(self) -> Wire {
        match self {
            Double | Fixed64 | Sfixed64 => Wire::Fixed64,
            Float | Fixed32 | Sfixed32 => Wire::Fixed32,
            Int32 | Int64 | Uint32 | Uint64 | Sint32 | Sint64 | Bool => Wire::Varint,
            String | Bytes => Wire::Length,
        }
    }

    pub fn wire_number(self) -> u32 {
        match self.wire() {
            Wire::Varint => VARINT,
            Wire::Fixed64 => FIXED64,
            Wire::Fixed32 => FIXED32,
            Wire::Length | Wire::Group => LENGTH,
        }
    }
}
