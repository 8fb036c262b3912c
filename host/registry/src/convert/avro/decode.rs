//! From Avro's binary straight into the packed row.
//!
//! A schema is compiled once, beside the Connect schema that it is read as; a record then costs a walk over the plan. Nothing of
//! a message is believed: lengths and counts are checked against what there is before anything is made of them.

use millrace_record::row::{RowBuf, RowMark};
use millrace_record::{Kind, Schema};

use super::Fault;
use super::anything;
use super::names::is_union;
use crate::avro::{self, AvroSchema, NodeId};

/// Elements that take no bytes are no more than this many.
const EMPTY_ELEMENTS_MAX: usize = 1 << 16;

/// How a value is read.
#[derive(Debug)]
pub(super) enum Op {
    Null,
    Boolean,
    /// Cut to this many bits, as Java does.
    Integer(u32),
    Float,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    Enum(Box<[Box<str>]>),
    Record(Box<[(Box<str>, Op)]>),
    Array(Box<Element>),
    Map(Box<Element>),
    Entries(Box<Element>, Box<Element>),
    /// Of null and one more: which is which.
    Optional {
        null: u32,
        value: Box<Op>,
    },
    /// For each branch, the slot of the struct and how it is read; of null, none.
    Union(Box<[Option<(u32, Op)>]>, u32),
    /// A union of one branch.
    Single(Box<Op>),
    /// A record within itself, as JSON text.
    Json(AvroSchema, NodeId),
}

#[derive(Debug)]
pub(super) struct Element {
    op: Op,
    /// Each takes one byte at least.
    sized: bool,
}

pub(super) fn compile(avro: &AvroSchema, schema: &Schema) -> Result<Op, String> {
    op(avro, avro.root(), schema)
}

fn op(avro: &AvroSchema, id: NodeId, schema: &Schema) -> Result<Op, String> {
    if schema.kind == Kind::Any && !matches!(avro.kind(id), avro::Kind::Union(_)) {
        return Ok(Op::Json(avro.clone(), id));
    }
    let mismatch = || format!("Avro's {} is read as {:?}", avro.kind(id).word(), schema.kind);
    let element = |of: NodeId, schema: Option<&Schema>| {
        let op = op(avro, of, schema.ok_or_else(mismatch)?)?;
        Ok::<_, String>(Box::new(Element { sized: takes_bytes(&op), op }))
    };
    Ok(match avro.kind(id) {
        avro::Kind::Null => Op::Null,
        avro::Kind::Boolean => Op::Boolean,
        avro::Kind::Int => Op::Integer(match schema.kind {
            Kind::Int8 => 8,
            Kind::Int16 => 16,
            _ => 32,
        }),
        avro::Kind::Long => Op::Integer(64),
        avro::Kind::Float => Op::Float,
        avro::Kind::Double => Op::Double,
        avro::Kind::String => Op::Text,
        avro::Kind::Bytes => Op::Bytes,
        avro::Kind::Fixed(of) => Op::Fixed(of.size as usize),
        avro::Kind::Enum(of) => Op::Enum(of.symbols.iter().map(|s| s.as_str().into()).collect()),
        avro::Kind::Array(of) if schema.kind == Kind::Map => {
            let avro::Kind::Record(entry) = avro.kind(*of) else { return Err(mismatch()) };
            let [key, value] = &entry.fields[..] else { return Err(mismatch()) };
            Op::Entries(element(key.schema, schema.key.as_deref())?, element(value.schema, schema.element.as_deref())?)
        }
        avro::Kind::Array(of) => Op::Array(element(*of, schema.element.as_deref())?),
        avro::Kind::Map(of) => Op::Map(element(*of, schema.element.as_deref())?),
        avro::Kind::Record(record) => {
            let fields = record.fields.iter().zip(&schema.fields);
            let fields = fields.map(|(f, of)| Ok((f.name.as_str().into(), op(avro, f.schema, &of.schema)?)));
            Op::Record(fields.collect::<Result<Vec<_>, String>>()?.into())
        }
        avro::Kind::Union(branches) if is_union(schema) => {
            let mut fields = schema.fields.iter().enumerate();
            let mut ops = Vec::with_capacity(branches.len());
            for branch in branches {
                ops.push(match avro.kind(*branch) {
                    avro::Kind::Null => None,
                    _ => {
                        let (i, field) = fields.next().ok_or_else(mismatch)?;
                        Some((i as u32, op(avro, *branch, &field.schema)?))
                    }
                });
            }
            Op::Union(ops.into(), schema.fields.len() as u32)
        }
        avro::Kind::Union(branches) => {
            let null = branches.iter().position(|b| *avro.kind(*b) == avro::Kind::Null);
            match (&branches[..], null) {
                ([one], None) => Op::Single(Box::new(op(avro, *one, schema)?)),
                ([a, b], Some(null)) => {
                    let other = if null == 0 { b } else { a };
                    Op::Optional { null: null as u32, value: Box::new(op(avro, *other, schema)?) }
                }
                _ => return Err(mismatch()),
            }
        }
    })
}

fn takes_bytes(op: &Op) -> bool {
    match op {
        Op::Null | Op::Fixed(0) => false,
        Op::Record(fields) => fields.iter().any(|(_, op)| takes_bytes(op)),
        _ => true,
    }
}

/// What is left of a message.
#[derive(Clone)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    #[inline(always)]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(Fault::short)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline(always)]
    pub fn long(&mut self) -> Result<i64, Fault> {
        match *self.0 {
            // Most numbers are lengths and branches.
            [b, ref rest @ ..] if b < 0x80 => {
                self.0 = rest;
                Ok(i64::from(b >> 1) ^ -i64::from(b & 1))
            }
            _ => self.longer(),
        }
    }

    #[inline]
    fn longer(&mut self) -> Result<i64, Fault> {
        if let Some(word) = self.0.first_chunk() {
            let word = u64::from_le_bytes(*word);
            let last = !word & 0x8080_8080_8080_8080;
            if last != 0 {
                // The last byte is the first that says so; groups of seven bits move together, neighbours first.
                let n = last.trailing_zeros() as usize / 8 + 1;
                let z = word & (u64::MAX >> (64 - 8 * n)) & 0x7F7F_7F7F_7F7F_7F7F;
                let z = (z & 0x007F_007F_007F_007F) | (z & 0x7F00_7F00_7F00_7F00) >> 1;
                let z = (z & 0x0000_3FFF_0000_3FFF) | (z & 0x3FFF_0000_3FFF_0000) >> 2;
                let z = (z & 0x0FFF_FFFF) | (z & 0x0FFF_FFFF_0000_0000) >> 4;
                self.0 = &self.0[n..];
                return Ok((z >> 1) as i64 ^ -((z & 1) as i64));
            }
        }
        self.longest()
    }

    /// A number of nine bytes or more, or one near the end.
    #[inline(never)]
    fn longest(&mut self) -> Result<i64, Fault> {
        let (mut z, mut shift) = (0u64, 0);
        for (i, b) in self.0.iter().enumerate() {
            if shift == 63 && *b > 1 {
                return Err(Fault::new("Invalid long encoding"));
            }
            z |= u64::from(b & 0x7F) << shift;
            if *b < 0x80 {
                self.0 = &self.0[i + 1..];
                return Ok((z >> 1) as i64 ^ -((z & 1) as i64));
            }
            shift += 7;
        }
        Err(Fault::short())
    }

    #[inline(always)]
    pub fn sized(&mut self) -> Result<&'a [u8], Fault> {
        let n = self.long()?;
        let n = usize::try_from(n).map_err(|_| Fault::new(format!("Malformed data. Length is negative: {n}")))?;
        self.take(n)
    }

    /// The count of a block, and whether its size stands behind it.
    fn block(&mut self, sized: bool) -> Result<usize, Fault> {
        let n = self.long()?;
        if n < 0 {
            self.long()?;
        }
        let n = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        let most = if sized { self.0.len() } else { EMPTY_ELEMENTS_MAX };
        if n > most {
            return Err(Fault::new(format!("a block of {n} elements in {} bytes", self.0.len())));
        }
        Ok(n)
    }
}

/// Appends a root row. False: null, and nothing is appended. `bare`: bytes stand without their length.
pub(super) fn root(op: &Op, bare: bool, input: &mut Input<'_>, rows: &mut RowBuf) -> Result<bool, Fault> {
    match op {
        Op::Optional { null, value } => {
            return if input.long()? == i64::from(*null) { Ok(false) } else { root(value, false, input, rows) };
        }
        Op::Single(inner) => {
            input.long()?;
            return root(inner, false, input, rows);
        }
        Op::Record(_) => drop(record(op, input, rows)?),
        Op::Union(..) => return Ok(union(op, input, rows)?.is_some()),
        Op::Bytes if bare => {
            let row = rows.begin(1);
            rows.bytes(row, 0, input.take(input.0.len())?);
        }
        _ => {
            let row = rows.begin(1);
            single(op, input, rows, row, 0)?;
        }
    }
    Ok(true)
}

fn record(op: &Op, input: &mut Input<'_>, rows: &mut RowBuf) -> Result<RowMark, Fault> {
    let Op::Record(fields) = op else { return Err(Fault::broken()) };
    let row = rows.begin(fields.len());
    for (i, (name, op)) in fields.iter().enumerate() {
        if let Err(fault) = value(op, input, rows, row, i) {
            return Err(fault.within(name));
        }
    }
    Ok(row)
}

/// None: null.
fn union(op: &Op, input: &mut Input<'_>, rows: &mut RowBuf) -> Result<Option<RowMark>, Fault> {
    let Op::Union(branches, n) = op else { return Err(Fault::broken()) };
    let at = input.long()?;
    let branch = usize::try_from(at).ok().and_then(|at| branches.get(at)).ok_or_else(|| Fault::branch(at))?;
    let Some((slot, op)) = branch else { return Ok(None) };
    let row = rows.begin(*n as usize);
    single(op, input, rows, row, *slot as usize)?;
    Ok(Some(row))
}

/// Reads one value into slot `i`. What has no parts is read here, the rest by [`parts`]. Inlined where values come in a row.
#[inline(always)]
fn value(mut op: &Op, input: &mut Input<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    if let Op::Optional { null, value } = op {
        match input.long()? {
            at if at == i64::from(*null) => return Ok(()),
            0 | 1 => op = value,
            at => return Err(Fault::branch(at)),
        }
    }
    match op {
        Op::Integer(bits) => {
            let v = input.long()?;
            rows.i64(
                row,
                i,
                match bits {
                    64 => v,
                    32 => i64::from(i32::try_from(v).map_err(|_| Fault::int())?),
                    16 => i64::from(v as i16),
                    _ => i64::from(v as i8),
                },
            );
        }
        Op::Text => text(input.sized()?, rows, row, i),
        Op::Bytes => rows.bytes(row, i, input.sized()?),
        Op::Fixed(size) => rows.bytes(row, i, input.take(*size)?),
        Op::Boolean => rows.bool(row, i, input.take(1)?[0] == 1),
        Op::Float => rows.f64(row, i, f32::from_le_bytes(*input.take(4)?.first_chunk().ok_or_else(Fault::short)?).into()),
        Op::Double => rows.f64(row, i, f64::from_le_bytes(*input.take(8)?.first_chunk().ok_or_else(Fault::short)?)),
        _ => return parts(op, input, rows, row, i),
    }
    Ok(())
}

#[inline(never)]
fn single(op: &Op, input: &mut Input<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    value(op, input, rows, row, i)
}

/// Reads a value that is not a number, a text or bytes.
#[inline(never)]
fn parts(op: &Op, input: &mut Input<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    match op {
        Op::Enum(symbols) => {
            let at = input.long()?;
            let symbol = usize::try_from(at).ok().and_then(|at| symbols.get(at));
            rows.text(row, i, symbol.ok_or_else(|| Fault::new(format!("the enum has no symbol {at}")))?);
        }
        Op::Record(_) => {
            let nested = record(op, input, rows)?;
            rows.end_nested(row, i, nested);
        }
        Op::Union(..) => {
            if let Some(nested) = union(op, input, rows)? {
                rows.end_nested(row, i, nested);
            }
        }
        Op::Single(inner) => {
            input.long()?;
            single(inner, input, rows, row, i)?;
        }
        Op::Array(element) => {
            let list = array(element, input, rows)?;
            rows.end_nested(row, i, list);
        }
        Op::Map(element) => map(None, element, input, rows, row, i)?,
        Op::Entries(key, element) => map(Some(key), element, input, rows, row, i)?,
        Op::Json(avro, id) => {
            let mut failed = Ok(());
            rows.bytes_with(row, i, |out| failed = anything::json(avro, *id, input, out, 0));
            failed?;
        }
        Op::Null => {}
        // Read where the others are not.
        _ => return Err(Fault::broken()),
    }
    Ok(())
}

/// Whether all bytes are ASCII, which most texts are: a word at a time, the last one reaching back into the one before it.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let high = |word: &[u8; 8]| u64::from_le_bytes(*word) & HIGH;
    match bytes.last_chunk::<8>() {
        Some(last) => bytes.as_chunks::<8>().0.iter().fold(high(last), |seen, word| seen | high(word)) == 0,
        None => bytes.iter().fold(0, |seen, b| seen | b) < 0x80,
    }
}

#[inline(always)]
fn text(bytes: &[u8], rows: &mut RowBuf, row: RowMark, i: usize) {
    if is_ascii(bytes) || simdutf8::basic::from_utf8(bytes).is_ok() {
        rows.bytes(row, i, bytes);
    } else {
        // As Java does.
        rows.text(row, i, &String::from_utf8_lossy(bytes));
    }
}

/// A list's row. What comes in several blocks, which is rare, is read once more as one: a row knows its length when it begins.
fn array(element: &Element, input: &mut Input<'_>, rows: &mut RowBuf) -> Result<RowMark, Fault> {
    let start = input.clone();
    let n = input.block(element.sized)?;
    let list = rows.begin(n);
    for j in 0..n {
        value(&element.op, input, rows, list, j)?;
    }
    if n == 0 || input.block(element.sized)? == 0 {
        return Ok(list);
    }
    *input = start.clone();
    let pass = |input: &mut Input<'_>, n| {
        for _ in 0..n {
            let scratch = rows.begin(1);
            let read = single(&element.op, input, rows, scratch, 0);
            rows.undo(scratch);
            read?;
        }
        Ok(())
    };
    let all = total(input, pass, element.sized)?;
    rows.undo(list);
    *input = start;
    joined(element, input, rows, all)
}

/// How many elements all blocks have.
fn total(
    input: &mut Input<'_>,
    mut pass: impl FnMut(&mut Input<'_>, usize) -> Result<(), Fault>,
    sized: bool,
) -> Result<usize, Fault> {
    let mut all = 0usize;
    loop {
        let n = input.block(sized)?;
        if n == 0 {
            return Ok(all);
        }
        all += n;
        if !sized && all > EMPTY_ELEMENTS_MAX {
            return Err(Fault::new(format!("an array of more than {EMPTY_ELEMENTS_MAX} elements that take no bytes")));
        }
        pass(input, n)?;
    }
}

fn joined(element: &Element, input: &mut Input<'_>, rows: &mut RowBuf, all: usize) -> Result<RowMark, Fault> {
    let list = rows.begin(all);
    let mut at = 0;
    loop {
        let n = input.block(element.sized)?;
        if n == 0 {
            return Ok(list);
        }
        for _ in 0..n {
            single(&element.op, input, rows, list, at)?;
            at += 1;
        }
    }
}

/// A map's two lists. Their rows are begun one behind the other and what they point to follows both.
fn map(
    key: Option<&Element>,
    element: &Element,
    input: &mut Input<'_>,
    rows: &mut RowBuf,
    row: RowMark,
    i: usize,
) -> Result<(), Fault> {
    let entry = |input: &mut Input<'_>, rows: &mut RowBuf, keys: RowMark, values: RowMark, j: usize| {
        match key {
            None => text(input.sized()?, rows, keys, j),
            Some(key) => single(&key.op, input, rows, keys, j)?,
        }
        value(&element.op, input, rows, values, j)
    };
    let sized = key.is_none_or(|k| k.sized) || element.sized;
    let start = input.clone();
    let lists = rows.begin(2);
    let n = input.block(sized)?;
    let (mut keys, mut values) = (rows.begin(n), rows.begin(n));
    for j in 0..n {
        entry(input, rows, keys, values, j)?;
    }
    if n > 0 && input.block(sized)? > 0 {
        *input = start.clone();
        let all = total(
            input,
            |input, n| {
                for _ in 0..n {
                    let scratch = rows.begin(2);
                    let read = single(key.map_or(&Op::Text, |k| &k.op), input, rows, scratch, 0)
                        .and_then(|()| single(&element.op, input, rows, scratch, 1));
                    rows.undo(scratch);
                    read?;
                }
                Ok(())
            },
            sized,
        )?;
        rows.undo(keys);
        *input = start;
        (keys, values) = (rows.begin(all), rows.begin(all));
        let mut at = 0;
        loop {
            let n = input.block(sized)?;
            if n == 0 {
                break;
            }
            for _ in 0..n {
                entry(input, rows, keys, values, at)?;
                at += 1;
            }
        }
    }
    rows.end_nested(lists, 0, keys);
    rows.end_nested(lists, 1, values);
    rows.end_nested(row, i, lists);
    Ok(())
}
