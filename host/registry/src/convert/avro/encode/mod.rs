//! From the packed row straight into Avro's binary.
//!
//! A schema is compiled once, for one Avro schema: which slot each field is, which branch of a union each value takes, and what
//! is written in place of null. A record then costs a walk over the plan.

mod compile;
mod constant;
mod room;
mod write;

pub(super) use self::compile::compile;
pub(super) use self::constant::{long, sized};
pub(super) use self::write::{root, schemaless};

/// How a slot is written.
#[derive(Debug)]
pub(super) struct Node {
    null: Null,
    /// The branch of the union that a value takes; nothing outside of unions.
    branch: Branch,
    op: Op,
}

#[derive(Debug)]
enum Null {
    Refused,
    /// Of a single byte: the branch of null, nearly always.
    Byte(u8),
    /// A default.
    Written(Box<[u8]>),
}

impl From<Box<[u8]>> for Null {
    fn from(bytes: Box<[u8]>) -> Self {
        if let [byte] = *bytes { Null::Byte(byte) } else { Null::Written(bytes) }
    }
}

/// A branch's number as it is written: always copied whole, of which the first `len` bytes count.
#[derive(Debug, Clone, Copy, Default)]
struct Branch {
    bytes: [u8; 8],
    len: u8,
}

impl Branch {
    fn new(at: u32) -> Self {
        let mut branch = Branch::default();
        let written = constant::index(at);
        branch.bytes[..written.len()].copy_from_slice(&written);
        branch.len = written.len() as u8;
        branch
    }
}

#[derive(Debug)]
enum Op {
    Boolean,
    Integer,
    /// An integer where the schema of the registry has a float or double.
    IntegerAs(bool),
    Float,
    Double,
    Text,
    Fixed {
        size: usize,
        decimal: bool,
    },
    Enum(Box<[Box<str>]>),
    Record(Box<[Place]>),
    Array(Box<Node>),
    Map(Box<Node>),
    Entries(Box<[Node; 2]>),
    /// The first slot that is set, each with its own branch.
    Union(Box<[Node]>),
}

/// A field of the Avro record.
#[derive(Debug)]
enum Place {
    Slot {
        at: u32,
        name: Box<str>,
        node: Node,
    },
    /// A field that Connect's schema does not have: its default.
    Constant(Box<[u8]>),
}
