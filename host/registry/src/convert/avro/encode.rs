//! From the packed row straight into Avro's binary.
//!
//! A schema is compiled once, for one Avro schema: which slot each field is, which branch of a union each value takes, and what
//! is written in place of null. A record then costs a walk over the plan.

use millrace_record::row::Row;
use millrace_record::{Kind, Schema};
use serde_json::Value;

use super::names::{JSON, is_union, scrub, union_field};
use super::options::Options;
use super::{Fault, anything, to_avro};
use crate::avro::{self, AvroSchema, NodeId};

/// How a slot is written.
#[derive(Debug)]
pub(super) struct Node {
    null: Null,
    /// The branch of the union that a value takes.
    branch: Option<u32>,
    op: Op,
}

#[derive(Debug)]
enum Null {
    Refused,
    /// The branch of null, or a default.
    Written(Box<[u8]>),
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

pub(super) fn compile(schema: &Schema, avro: &AvroSchema, options: &Options) -> Result<Node, String> {
    let compiler = Compiler { avro, options };
    let mut node = compiler.node(schema, avro.root())?;
    // The root's null is the log's null, whatever default there is.
    node.null = Null::Refused;
    Ok(node)
}

struct Compiler<'a> {
    avro: &'a AvroSchema,
    options: &'a Options,
}

impl Compiler<'_> {
    fn node(&self, schema: &Schema, id: NodeId) -> Result<Node, String> {
        let (mut null, mut branch, mut target) = (None, None, id);
        if let avro::Kind::Union(branches) = self.avro.kind(id) {
            let at = branches.iter().position(|b| *self.avro.kind(*b) == avro::Kind::Null);
            null = at.map(|at| index(at as u32));
            if is_union(schema) {
                return self.union(schema, branches, null);
            }
            let fitting = self.branch(schema, branches);
            let at = fitting.ok_or_else(|| format!("no branch of the union takes a {:?}", schema.kind))?;
            (branch, target) = (Some(at as u32), branches[at]);
        }
        let op = self.op(schema, target)?;
        let default = match self.options.keep_null && schema.optional {
            true => None,
            false => to_avro::default_of(schema, self.options),
        };
        let null = match default {
            Some(default) => {
                let mut out = Vec::new();
                self.constant(id, &default, &mut out).map_err(|()| "a default does not fit its schema".to_owned())?;
                Null::Written(out.into())
            }
            None => null.filter(|_| schema.optional).map_or(Null::Refused, Null::Written),
        };
        Ok(Node { null, branch, op })
    }

    fn union(&self, schema: &Schema, branches: &[NodeId], null: Option<Box<[u8]>>) -> Result<Node, String> {
        let mut nodes = Vec::with_capacity(schema.fields.len());
        let mut first = 0;
        for field in &schema.fields {
            let named = branches.iter().enumerate().position(|(i, b)| {
                let kind = self.avro.kind(*b);
                *kind != avro::Kind::Null && union_field(kind, i, self.options) == *field.name
            });
            // Fields of another mode's names go by what they hold.
            let at = named.or_else(|| self.branch(&field.schema, &branches[first..]).map(|at| first + at));
            let at = at.ok_or_else(|| format!("no branch of the union takes the field \"{}\"", field.name))?;
            first = at + 1;
            let mut node = self.node(&field.schema, branches[at])?;
            node.branch = Some(at as u32);
            nodes.push(node);
        }
        Ok(Node { null: null.map_or(Null::Refused, Null::Written), branch: None, op: Op::Union(nodes.into()) })
    }

    /// The branch that a value takes: the one of its name, else the first of its kind.
    fn branch(&self, schema: &Schema, branches: &[NodeId]) -> Option<usize> {
        let name = schema.name.as_deref().map(|n| super::names::scrub_full(n, self.options));
        let of_name = |b: &NodeId| self.avro.kind(*b).name().is_some_and(|n| Some(n.full()) == name.as_deref());
        let exact = |b: &NodeId| fits(schema, self.avro, *b, false);
        let find = |test: &dyn Fn(&NodeId) -> bool| branches.iter().position(test);
        find(&|b| of_name(b) && exact(b)).or_else(|| find(&exact)).or_else(|| find(&|b| fits(schema, self.avro, *b, true)))
    }

    fn op(&self, schema: &Schema, id: NodeId) -> Result<Op, String> {
        let element = |of: NodeId| {
            let schema = schema.element.as_deref().ok_or("a list or map without a schema of its elements")?;
            Ok::<_, String>(Box::new(self.node(schema, of)?))
        };
        Ok(match (schema.kind, self.avro.kind(id)) {
            _ if !fits(schema, self.avro, id, true) => {
                return Err(format!("a {:?} cannot be written as Avro's {}", schema.kind, self.avro.kind(id).word()));
            }
            (Kind::Boolean, _) => Op::Boolean,
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, avro::Kind::Float) => Op::IntegerAs(false),
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, avro::Kind::Double) => Op::IntegerAs(true),
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, _) => Op::Integer,
            (Kind::Float32 | Kind::Float64, avro::Kind::Float) => Op::Float,
            (Kind::Float32 | Kind::Float64, _) => Op::Double,
            (Kind::Text, avro::Kind::Enum(of)) => Op::Enum(of.symbols.iter().map(|s| s.as_str().into()).collect()),
            (Kind::Bytes, avro::Kind::Fixed(of)) => Op::Fixed { size: of.size as usize, decimal: schema.scale().is_some() },
            (Kind::Text | Kind::Any | Kind::Bytes, _) => Op::Text,
            (Kind::List, avro::Kind::Array(of)) => Op::Array(element(*of)?),
            (Kind::Map, avro::Kind::Map(of)) => Op::Map(element(*of)?),
            (Kind::Map, avro::Kind::Array(of)) => {
                let avro::Kind::Record(entry) = self.avro.kind(*of) else { return Err("entries that are no records".into()) };
                let [key, value] = &entry.fields[..] else { return Err("entries that are not of key and value".into()) };
                let of_key = schema.key.as_deref().ok_or("a map without a schema of its keys")?;
                Op::Entries(Box::new([self.node(of_key, key.schema)?, *element(value.schema)?]))
            }
            (_, avro::Kind::Record(record)) => self.record(schema, record)?,
            (kind, of) => return Err(format!("a {kind:?} cannot be written as Avro's {}", of.word())),
        })
    }

    fn record(&self, schema: &Schema, record: &avro::Record) -> Result<Op, String> {
        let mut places = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let at = schema.fields.iter().position(|f| scrub(&f.name, self.options) == field.name);
            let at = at.or_else(|| schema.fields.iter().position(|f| field.aliases.iter().any(|a| **a == *f.name)));
            places.push(match at {
                Some(at) => {
                    let of = &schema.fields[at];
                    let node = self.node(&of.schema, field.schema).map_err(|e| format!("field \"{}\": {e}", field.name))?;
                    Place::Slot { at: at as u32, name: of.name.as_ref().into(), node }
                }
                None => {
                    let default = field.default.as_ref().ok_or_else(|| {
                        format!(
                            "the registered schema has the field \"{}\" without a default, which records do not have",
                            field.name
                        )
                    })?;
                    let mut out = Vec::new();
                    let wrong = |()| format!("the default of the field \"{}\" does not fit", field.name);
                    self.constant(field.schema, default, &mut out).map_err(wrong)?;
                    Place::Constant(out.into())
                }
            });
        }
        Ok(Op::Record(places.into()))
    }

    /// Appends a default, given as Avro's JSON.
    fn constant(&self, id: NodeId, value: &Value, out: &mut Vec<u8>) -> Result<(), ()> {
        let bytes = |value: &Value| {
            let text = value.as_str().ok_or(())?;
            text.chars().map(|c| u8::try_from(u32::from(c)).map_err(drop)).collect::<Result<Vec<_>, ()>>()
        };
        match self.avro.kind(id) {
            avro::Kind::Null => return value.is_null().then_some(()).ok_or(()),
            avro::Kind::Boolean => out.push(value.as_bool().ok_or(())?.into()),
            avro::Kind::Int | avro::Kind::Long => long(value.as_i64().ok_or(())?, out),
            avro::Kind::Float => out.extend_from_slice(&(float(value).ok_or(())? as f32).to_le_bytes()),
            avro::Kind::Double => out.extend_from_slice(&float(value).ok_or(())?.to_le_bytes()),
            avro::Kind::String => sized(value.as_str().ok_or(())?.as_bytes(), out),
            avro::Kind::Bytes => sized(&bytes(value)?, out),
            avro::Kind::Fixed(of) => {
                let bytes = bytes(value)?;
                (bytes.len() == of.size as usize).then_some(()).ok_or(())?;
                out.extend_from_slice(&bytes);
            }
            avro::Kind::Enum(of) => {
                let symbol = value.as_str().ok_or(())?;
                long(of.symbols.iter().position(|s| s == symbol).ok_or(())? as i64, out);
            }
            avro::Kind::Union(branches) => {
                let start = out.len();
                for (i, branch) in branches.iter().enumerate() {
                    long(i as i64, out);
                    if self.constant(*branch, value, out).is_ok() {
                        return Ok(());
                    }
                    out.truncate(start);
                }
                return Err(());
            }
            avro::Kind::Array(of) => {
                let items = value.as_array().ok_or(())?;
                block(items.len(), out);
                items.iter().try_for_each(|v| self.constant(*of, v, out))?;
                end(items.len(), out);
            }
            avro::Kind::Map(of) => {
                let members = value.as_object().ok_or(())?;
                block(members.len(), out);
                for (key, v) in members {
                    sized(key.as_bytes(), out);
                    self.constant(*of, v, out)?;
                }
                end(members.len(), out);
            }
            avro::Kind::Record(of) => {
                let members = value.as_object().ok_or(())?;
                for field in &of.fields {
                    self.constant(field.schema, members.get(&field.name).or(field.default.as_ref()).ok_or(())?, out)?;
                }
            }
        }
        Ok(())
    }
}

fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

/// Whether values of the schema can be written as the node: `wider` where that takes a promotion, as from int to long.
fn fits(schema: &Schema, avro: &AvroSchema, id: NodeId, wider: bool) -> bool {
    use avro::Kind as A;
    match (schema.kind, avro.kind(id)) {
        (Kind::Boolean, A::Boolean)
        | (Kind::Int8 | Kind::Int16 | Kind::Int32, A::Int)
        | (Kind::Int64, A::Long)
        | (Kind::Float32, A::Float)
        | (Kind::Float64, A::Double)
        | (Kind::Text, A::String | A::Enum(_))
        | (Kind::Any, A::String)
        | (Kind::Bytes, A::Bytes | A::Fixed(_))
        | (Kind::List, A::Array(_))
        | (Kind::Map, A::Map(_))
        | (Kind::Struct, A::Record(_) | A::Union(_)) => true,
        (Kind::Map, A::Array(of)) => super::names::is_entry(avro.node(*of)),
        (Kind::Int8 | Kind::Int16 | Kind::Int32, A::Long | A::Float | A::Double)
        | (Kind::Int64, A::Float | A::Double)
        | (Kind::Float32, A::Double)
        | (Kind::Text, A::Bytes) => wider,
        // A text is JSON where the schema says so.
        (Kind::Struct, A::String) => schema.name.as_deref() == Some(JSON),
        _ => false,
    }
}

fn index(at: u32) -> Box<[u8]> {
    let mut out = Vec::new();
    long(at.into(), &mut out);
    out.into()
}

/// A number, zigzag and seven bits a byte.
#[inline]
pub(super) fn long(v: i64, out: &mut Vec<u8>) {
    let mut z = ((v << 1) ^ (v >> 63)) as u64;
    if z < 0x80 {
        return out.push(z as u8);
    }
    let mut bytes = [0; 10];
    let mut n = 0;
    while z >= 0x80 {
        bytes[n] = z as u8 | 0x80;
        z >>= 7;
        n += 1;
    }
    bytes[n] = z as u8;
    out.extend_from_slice(&bytes[..=n]);
}

#[inline]
pub(super) fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// The elements of an array or map stand in one block.
#[inline]
fn block(n: usize, out: &mut Vec<u8>) {
    if n > 0 {
        long(n as i64, out);
    }
}

#[inline]
fn end(_: usize, out: &mut Vec<u8>) {
    out.push(0);
}

/// Appends a root: a struct's row, or the one slot of anything else. `bare`: bytes stand without their length.
pub(super) fn root(node: &Node, is_struct: bool, bare: bool, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if bare && matches!(node.op, Op::Text) && node.branch.is_none() && !row.is_null(0) {
        out.extend_from_slice(row.get_bytes(0));
        return Ok(());
    }
    if !is_struct {
        let cells = Cells::new(row).ok_or_else(Fault::broken)?;
        return slot(node, &cells, 0, out);
    }
    if let Some(branch) = node.branch {
        long(branch.into(), out);
    }
    fields(node, row, out)
}

/// A row's parts, found once.
struct Cells<'a> {
    bytes: &'a [u8],
    nulls: &'a [u8],
    slots: &'a [[u8; 8]],
}

impl<'a> Cells<'a> {
    #[inline]
    fn new(row: &Row<'a>) -> Option<Self> {
        let (bytes, n) = (row.bytes(), row.len());
        let (nulls, rest) = bytes.get(4..)?.split_at_checked(8 * n.div_ceil(64))?;
        let slots = rest.get(..8 * n)?.as_chunks::<8>().0;
        Some(Cells { bytes, nulls, slots })
    }
    #[inline]
    fn is_null(&self, i: usize) -> bool {
        self.nulls.get(i / 8).is_none_or(|b| b >> (i % 8) & 1 == 1)
    }
    #[inline]
    fn value(&self, i: usize) -> u64 {
        self.slots.get(i).map_or(0, |s| u64::from_le_bytes(*s))
    }
    #[inline]
    fn pointed(&self, i: usize) -> Option<&'a [u8]> {
        let slot = self.value(i);
        self.bytes.get(slot as u32 as usize..)?.get(..(slot >> 32) as usize)
    }
    #[inline]
    fn row(&self, i: usize) -> Result<Row<'a>, Fault> {
        self.pointed(i).and_then(Row::new).ok_or_else(Fault::broken)
    }
    fn len(&self) -> usize {
        self.slots.len()
    }
}

fn fields(node: &Node, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let cells = Cells::new(row).ok_or_else(Fault::broken)?;
    match &node.op {
        Op::Record(places) => {
            for place in places {
                match place {
                    Place::Slot { at, name, node } => {
                        slot(node, &cells, *at as usize, out).map_err(|e| e.within(name))?;
                    }
                    Place::Constant(bytes) => out.extend_from_slice(bytes),
                }
            }
            Ok(())
        }
        Op::Union(nodes) => match (0..nodes.len()).find(|i| !cells.is_null(*i)) {
            Some(i) => slot(&nodes[i], &cells, i, out),
            None => match &node.null {
                Null::Written(bytes) => {
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                Null::Refused => Err(Fault::null()),
            },
        },
        _ => Err(Fault::broken()),
    }
}

#[inline]
fn slot(node: &Node, cells: &Cells<'_>, i: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    if cells.is_null(i) {
        let Null::Written(bytes) = &node.null else { return Err(Fault::null()) };
        out.extend_from_slice(bytes);
        return Ok(());
    }
    if let Some(branch) = node.branch {
        long(branch.into(), out);
    }
    match &node.op {
        Op::Boolean => out.push((cells.value(i) != 0).into()),
        Op::Integer => long(cells.value(i) as i64, out),
        Op::IntegerAs(false) => out.extend_from_slice(&(cells.value(i) as i64 as f32).to_le_bytes()),
        Op::IntegerAs(true) => out.extend_from_slice(&(cells.value(i) as i64 as f64).to_le_bytes()),
        Op::Float => out.extend_from_slice(&(f64::from_bits(cells.value(i)) as f32).to_le_bytes()),
        Op::Double => out.extend_from_slice(&cells.value(i).to_le_bytes()),
        Op::Text => sized(cells.pointed(i).ok_or_else(Fault::broken)?, out),
        Op::Fixed { size, decimal } => fixed(cells.pointed(i).ok_or_else(Fault::broken)?, *size, *decimal, out)?,
        Op::Enum(symbols) => {
            let symbol = cells.pointed(i).ok_or_else(Fault::broken)?;
            let at = symbols.iter().position(|s| s.as_bytes() == symbol);
            let at = at.ok_or_else(|| Fault::new(format!("{} is no symbol of the enum", String::from_utf8_lossy(symbol))))?;
            long(at as i64, out);
        }
        Op::Record(_) | Op::Union(_) => fields(node, &cells.row(i)?, out)?,
        Op::Array(element) => {
            let row = cells.row(i)?;
            let list = Cells::new(&row).ok_or_else(Fault::broken)?;
            block(list.len(), out);
            for j in 0..list.len() {
                slot(element, &list, j, out)?;
            }
            out.push(0);
        }
        Op::Map(element) => {
            let row = cells.row(i)?;
            let (keys, values) = row.row(0).zip(row.row(1)).ok_or_else(Fault::broken)?;
            let (keys, values) = Cells::new(&keys).zip(Cells::new(&values)).ok_or_else(Fault::broken)?;
            block(keys.len(), out);
            for j in 0..keys.len() {
                if keys.is_null(j) {
                    return Err(Fault::new("a null key in a map of string keys, which Avro's map cannot hold"));
                }
                sized(keys.pointed(j).ok_or_else(Fault::broken)?, out);
                slot(element, &values, j, out)?;
            }
            out.push(0);
        }
        Op::Entries(entry) => {
            let row = cells.row(i)?;
            let (keys, values) = row.row(0).zip(row.row(1)).ok_or_else(Fault::broken)?;
            let (keys, values) = Cells::new(&keys).zip(Cells::new(&values)).ok_or_else(Fault::broken)?;
            block(keys.len(), out);
            for j in 0..keys.len() {
                slot(&entry[0], &keys, j, out)?;
                slot(&entry[1], &values, j, out)?;
            }
            out.push(0);
        }
    }
    Ok(())
}

/// A fixed has its size: a decimal is filled up with its sign, anything else must be as long.
fn fixed(bytes: &[u8], size: usize, decimal: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    match size.checked_sub(bytes.len()) {
        Some(0) => {}
        Some(missing) if decimal => {
            let sign = if bytes.first().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 };
            out.resize(out.len() + missing, sign);
        }
        None if decimal => {
            let n = bytes.len();
            return Err(Fault::new(format!("Unscaled value byte array length {n} is greater than fixed size {size}")));
        }
        _ => return Err(Fault::new(format!("{} bytes for a fixed of {size}", bytes.len()))),
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// A schemaless value, given as JSON text.
pub(super) fn schemaless(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let value: Value = serde_json::from_slice(text).map_err(|e| Fault::new(format!("the schemaless value is not JSON: {e}")))?;
    anything::encode(&value, out);
    Ok(())
}
