//! A message compiled for decoding: what the walk over its bytes needs of its descriptor.

use std::sync::Arc;

use millrace_record::Kind;
use prost_reflect::MessageDescriptor;

use super::scalar::Scalar;

#[derive(Debug)]
pub(super) enum Root {
    /// A wrapper that stands for what it wraps.
    Raw(Scalar),
    Message(Message),
}

#[derive(Debug)]
pub(super) struct Message {
    pub slots: usize,
    pub fields: Vec<FieldPlan>,
    /// Of each oneof: the slot of its struct, and how many fields that has.
    pub unions: Vec<(usize, usize)>,
    /// The place in `fields` of a field by its number, for small numbers; the others are searched for.
    near: Vec<u16>,
    /// `generate.struct.for.nulls`: one of defaults stands for a message that is not there.
    pub made_for_nulls: bool,
}

const NONE: u16 = u16::MAX;
/// Numbers below this are found by one look.
const NEAR_MAX: usize = 256;

impl Message {
    pub fn new(slots: usize, fields: Vec<FieldPlan>, unions: Vec<(usize, usize)>) -> Self {
        let most = fields.iter().map(|f| f.number as usize).filter(|n| *n < NEAR_MAX).max().unwrap_or(0);
        let mut near = vec![NONE; most + 1];
        for (i, field) in fields.iter().enumerate() {
            if let Some(place) = near.get_mut(field.number as usize) {
                *place = u16::try_from(i).unwrap_or(NONE);
            }
        }
        Message { slots, fields, unions, near, made_for_nulls: false }
    }

    /// The place of the field of a number.
    #[inline]
    pub fn place(&self, number: u32) -> Option<usize> {
        match self.near.get(number as usize) {
            Some(place) if *place != NONE => Some(usize::from(*place)),
            Some(_) if (number as usize) < NEAR_MAX => None,
            _ => self.fields.iter().position(|f| f.number == number),
        }
    }
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    pub number: u32,
    pub name: Box<str>,
    pub place: Place,
    pub shape: Shape,
    /// Of an element, or of a map's values.
    pub value: Value,
    pub absent: Absent,
    /// The oneof that it is of where oneofs are not structs.
    pub flattened: Option<usize>,
}

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Slot(usize),
    /// Into the struct of a oneof.
    Member {
        union: usize,
        slot: usize,
    },
}

#[derive(Debug)]
pub(super) enum Shape {
    One,
    Many,
    /// With how its keys are read.
    Map(Box<Value>),
}

/// What a field that is not in the bytes becomes.
#[derive(Debug)]
pub(super) enum Absent {
    Null,
    /// The eight bytes of a slot.
    Bits(u64),
    Bytes(Vec<u8>),
    /// It is required.
    Missing,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar {
        scalar: Scalar,
        kind: Kind,
    },
    /// As a symbol.
    Enum(Arc<Symbols>),
    /// An enum as its number.
    Number,
    Wrapper(Scalar),
    Message(Box<Message>),
    /// As Protobuf's JSON.
    Json(MessageDescriptor),
    Decimal {
        scale: i32,
    },
    Date,
    Time,
    Timestamp,
}

/// The symbols of an enum.
#[derive(Debug)]
pub(super) struct Symbols {
    pub name: Box<str>,
    pub by_number: Vec<(i32, Box<str>)>,
}

impl Symbols {
    pub fn of(&self, number: i32) -> Option<&str> {
        match self.by_number.get(number as usize) {
            // Most count from zero.
            Some((n, symbol)) if *n == number => Some(symbol),
            _ => self.by_number.iter().find(|(n, _)| *n == number).map(|(_, symbol)| &**symbol),
        }
    }
}
