//! A record's walk over its plan.

use millrace_record::row::Row;
use serde_json::Value;

use super::super::{Fault, anything};
use super::room::{self, Full, STEP};
use super::{Node, Null, Op, Place};

/// A room that is larger is not kept for the next record.
const KEPT_MAX: usize = 1 << 20;

/// Why a record is not written.
#[derive(Debug)]
enum Stop {
    /// For want of room: it is begun anew in a larger one.
    Full,
    Fault(Fault),
}

impl From<Full> for Stop {
    #[cold]
    fn from(_: Full) -> Self {
        Stop::Full
    }
}

impl From<Fault> for Stop {
    #[cold]
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Stop {
    #[cold]
    fn within(self, field: &str) -> Self {
        match self {
            Stop::Full => Stop::Full,
            Stop::Fault(fault) => Stop::Fault(fault.within(field)),
        }
    }
}

/// Where the next byte goes.
type Written = Result<usize, Stop>;

#[cold]
fn broken() -> Stop {
    Fault::broken().into()
}

/// Appends a root: a struct's row, or the one slot of anything else. `bare`: bytes stand without their length. `room` is kept
/// from record to record.
pub(in super::super) fn root(
    node: &Node,
    is_struct: bool,
    bare: bool,
    row: &Row<'_>,
    room: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    if bare && matches!(node.op, Op::Text) && node.branch.len == 0 && !row.is_null(0) {
        out.extend_from_slice(row.get_bytes(0));
        return Ok(());
    }
    // Avro is shorter than a row, but for long numbers in short rows and defaults in place of nulls.
    let wanted = row.bytes().len() + row.bytes().len() / 4 + 4 * STEP;
    if room.len() < wanted {
        room.resize(wanted, 0);
    }
    loop {
        match in_room(node, is_struct, row, room) {
            Ok(n) => out.extend_from_slice(&room[..n]),
            Err(Stop::Full) => {
                room.resize(2 * room.len(), 0);
                continue;
            }
            Err(Stop::Fault(fault)) => return Err(fault),
        }
        if room.len() > KEPT_MAX {
            *room = Vec::new();
        }
        return Ok(());
    }
}

fn in_room(node: &Node, is_struct: bool, row: &Row<'_>, room: &mut [u8]) -> Written {
    let cells = Cells::new(row.bytes()).ok_or_else(broken)?;
    if !is_struct {
        return single(node, &cells, 0, room, 0);
    }
    let at = room::branch(room::step(room, 0)?, &node.branch);
    fields(node, &cells, room, at)
}

/// A row's parts, found once.
struct Cells<'a> {
    bytes: &'a [u8],
    nulls: &'a [u8],
    slots: &'a [[u8; 8]],
}

impl<'a> Cells<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (n, rest) = bytes.split_first_chunk::<4>()?;
        let n = u32::from_le_bytes(*n) as usize;
        let (nulls, rest) = rest.split_at_checked(8 * n.div_ceil(64))?;
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
    fn cells(&self, i: usize) -> Result<Cells<'a>, Stop> {
        self.pointed(i).and_then(Cells::new).ok_or_else(broken)
    }
    /// A map's two lists.
    fn entries(&self, i: usize) -> Result<(Cells<'a>, Cells<'a>), Stop> {
        let map = self.cells(i)?;
        if map.is_null(0) || map.is_null(1) {
            return Err(broken());
        }
        Ok((map.cells(0)?, map.cells(1)?))
    }
    fn len(&self) -> usize {
        self.slots.len()
    }
}

fn bytes(bytes: &[u8], room: &mut [u8], at: usize) -> Written {
    match room.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        Some(rest) => rest.copy_from_slice(bytes),
        None => return Err(Stop::Full),
    }
    Ok(at + bytes.len())
}

fn byte(byte: u8, room: &mut [u8], at: usize) -> Written {
    *room.get_mut(at).ok_or(Full)? = byte;
    Ok(at + 1)
}

/// The bytes that slot `i` points to, behind their length, which goes behind a branch of `from` bytes.
#[inline(always)]
fn sized(cells: &Cells<'_>, i: usize, room: &mut [u8], at: usize, from: usize) -> Written {
    let value = cells.value(i);
    let (start, len) = (value as u32 as usize, (value >> 32) as usize);
    let at = at + room::long(room::step(room, at)?, from, len as i64);
    Ok(room::copy(room, at, cells.bytes, start, len).ok_or_else(broken)??)
}

fn fields(node: &Node, cells: &Cells<'_>, room: &mut [u8], mut at: usize) -> Written {
    match &node.op {
        Op::Record(places) => {
            for place in places {
                match place {
                    Place::Slot { at: i, name, node } => match slot(node, cells, *i as usize, room, at) {
                        Ok(next) => at = next,
                        Err(stop) => return Err(stop.within(name)),
                    },
                    Place::Constant(default) => at = bytes(default, room, at)?,
                }
            }
            Ok(at)
        }
        Op::Union(nodes) => match (0..nodes.len()).find(|i| !cells.is_null(*i)) {
            Some(i) => single(&nodes[i], cells, i, room, at),
            None => null(node, room, at),
        },
        _ => Err(broken()),
    }
}

#[inline]
fn null(node: &Node, room: &mut [u8], at: usize) -> Written {
    match &node.null {
        Null::Byte(of) => byte(*of, room, at),
        Null::Written(of) => bytes(of, room, at),
        Null::Refused => Err(Fault::null().into()),
    }
}

/// Writes one slot. What has no parts is written here, the rest by [`parts`]. Inlined where slots come in a row.
#[inline(always)]
fn slot(node: &Node, cells: &Cells<'_>, i: usize, room: &mut [u8], at: usize) -> Written {
    if cells.is_null(i) {
        return null(node, room, at);
    }
    let step = room::step(room, at)?;
    let from = room::branch(step, &node.branch);
    let value = cells.value(i);
    Ok(at
        + match &node.op {
            Op::Boolean => room::word(step, from, [u8::from(value != 0)]),
            Op::Integer => room::long(step, from, value as i64),
            Op::Float => room::word(step, from, (f64::from_bits(value) as f32).to_le_bytes()),
            Op::Double => room::word(step, from, value.to_le_bytes()),
            Op::Text => return sized(cells, i, room, at, from),
            Op::IntegerAs(false) => room::word(step, from, (value as i64 as f32).to_le_bytes()),
            Op::IntegerAs(true) => room::word(step, from, (value as i64 as f64).to_le_bytes()),
            _ => return parts(node, cells, i, room, at + from),
        })
}

#[inline(never)]
fn single(node: &Node, cells: &Cells<'_>, i: usize, room: &mut [u8], at: usize) -> Written {
    slot(node, cells, i, room, at)
}

/// Writes a slot's value that is not a number or a text.
#[inline(never)]
fn parts(node: &Node, cells: &Cells<'_>, i: usize, room: &mut [u8], mut at: usize) -> Written {
    match &node.op {
        Op::Record(_) | Op::Union(_) => fields(node, &cells.cells(i)?, room, at),
        Op::Fixed { size, decimal } => fixed(cells.pointed(i).ok_or_else(broken)?, *size, *decimal, room, at),
        Op::Enum(symbols) => {
            let symbol = cells.pointed(i).ok_or_else(broken)?;
            let known = symbols.iter().position(|s| s.as_bytes() == symbol);
            let known =
                known.ok_or_else(|| Fault::new(format!("{} is no symbol of the enum", String::from_utf8_lossy(symbol))))?;
            count(known, room, at)
        }
        Op::Array(element) => {
            let list = cells.cells(i)?;
            at = block(list.len(), room, at)?;
            for j in 0..list.len() {
                at = slot(element, &list, j, room, at)?;
            }
            byte(0, room, at)
        }
        Op::Map(element) => {
            let (keys, values) = cells.entries(i)?;
            at = block(keys.len(), room, at)?;
            for j in 0..keys.len() {
                if keys.is_null(j) {
                    return Err(Fault::new("a null key in a map of string keys, which Avro's map cannot hold").into());
                }
                at = sized(&keys, j, room, at, 0)?;
                at = slot(element, &values, j, room, at)?;
            }
            byte(0, room, at)
        }
        Op::Entries(entry) => {
            let (keys, values) = cells.entries(i)?;
            at = block(keys.len(), room, at)?;
            for j in 0..keys.len() {
                at = single(&entry[0], &keys, j, room, at)?;
                at = single(&entry[1], &values, j, room, at)?;
            }
            byte(0, room, at)
        }
        _ => Err(broken()),
    }
}

fn count(n: usize, room: &mut [u8], at: usize) -> Written {
    Ok(at + room::long(room::step(room, at)?, 0, n as i64))
}

/// The elements of an array or map stand in one block.
fn block(n: usize, room: &mut [u8], at: usize) -> Written {
    if n == 0 { Ok(at) } else { count(n, room, at) }
}

/// A fixed has its size: a decimal is filled up with its sign, anything else must be as long.
fn fixed(value: &[u8], size: usize, decimal: bool, room: &mut [u8], at: usize) -> Written {
    let n = value.len();
    let missing = match size.checked_sub(n) {
        Some(0) => 0,
        Some(missing) if decimal => missing,
        None if decimal => {
            return Err(Fault::new(format!("Unscaled value byte array length {n} is greater than fixed size {size}")).into());
        }
        _ => return Err(Fault::new(format!("{n} bytes for a fixed of {size}")).into()),
    };
    let sign = if value.first().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 };
    room.get_mut(at..).and_then(|rest| rest.get_mut(..missing)).ok_or(Full)?.fill(sign);
    bytes(value, room, at + missing)
}

/// A schemaless value, given as JSON text.
pub(in super::super) fn schemaless(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let value: Value = serde_json::from_slice(text).map_err(|e| Fault::new(format!("the schemaless value is not JSON: {e}")))?;
    anything::encode(&value, out);
    Ok(())
}
