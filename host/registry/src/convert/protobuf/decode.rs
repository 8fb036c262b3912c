//! From a message's bytes straight into the packed row.
//!
//! One pass over a message writes its single values and notes where the others lie; those are then read in the order of their
//! fields, for a list's rows must lie one behind the other.

use std::collections::HashMap;

use millrace_record::row::{RowBuf, RowMark};
use millrace_record::{Kind, calendar, decimal};

use super::super::misfit::Misfit;
use super::json;
use super::plan::{Absent, FieldPlan, Message, Place, Root, Shape, Symbols, Value};
use super::scalar::Scalar;
use super::wire::{Reader, Wire, unzigzag};

/// Messages in messages that are read, as Java's limit.
const DEPTH_MAX: usize = 100;

/// Where a value lies that is read after the pass.
#[derive(Debug, Clone, Copy)]
struct Span<'a> {
    field: usize,
    wire: Wire,
    bytes: &'a [u8],
}

/// Appends a root row for the bytes of a message.
pub(super) fn root(root: &Root, bytes: &[u8], rows: &mut RowBuf) -> Result<(), Misfit> {
    match root {
        Root::Raw(scalar) => {
            let row = rows.begin(1);
            wrapped(*scalar, bytes, rows, row, 0)
        }
        Root::Message(of) => message(of, bytes, rows, DEPTH_MAX).map(drop),
    }
}

fn message(of: &Message, bytes: &[u8], rows: &mut RowBuf, depth: usize) -> Result<RowMark, Misfit> {
    if depth == 0 {
        return Err(Misfit::new("Protocol message had too many levels of nesting. May be malicious."));
    }
    let row = rows.begin(of.slots);
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut seen = Seen::new(of.fields.len());
    let mut reader = Reader::new(bytes);
    while let Some((number, wire, value)) = reader.field()? {
        let Some(field) = of.place(number) else { continue };
        let plan = &of.fields[field];
        // A field of another type than the schema's is one that the schema does not have.
        if !fits(plan, wire) {
            continue;
        }
        seen.set(field);
        match (&plan.shape, &plan.value, plan.place, plan.flattened) {
            (Shape::One, Value::Scalar { scalar, kind }, Place::Slot(slot), None) => {
                scalar_slot(*scalar, *kind, value, rows, row, slot).map_err(|e| e.within(&plan.name))?;
            }
            (Shape::One, Value::Enum(symbols), Place::Slot(slot), None) => symbol(symbols, value, rows, row, slot)?,
            _ => spans.push(Span { field, wire, bytes: value }),
        }
    }
    only_last_of_oneofs(of, &mut spans);
    // Most come in the schema's order already.
    if !spans.is_sorted_by_key(|s| s.field) {
        spans.sort_by_key(|s| s.field);
    }
    for group in spans.chunk_by(|a, b| a.field == b.field) {
        let plan = &of.fields[group[0].field];
        match plan.place {
            Place::Slot(slot) => several(plan, group, rows, row, slot, depth).map_err(|e| e.within(&plan.name))?,
            Place::Member { union, slot } => {
                let (place, members) = of.unions[union];
                let struct_ = rows.begin(members);
                several(plan, group, rows, struct_, slot, depth).map_err(|e| e.within(&plan.name))?;
                rows.end_nested(row, place, struct_);
            }
        }
    }
    for (i, plan) in of.fields.iter().enumerate() {
        if !seen.has(i)
            && let Place::Slot(slot) = plan.place
        {
            absent(plan, rows, row, slot, depth)?;
        }
    }
    Ok(row)
}

/// Which fields were in the bytes.
struct Seen {
    first: u64,
    more: Vec<u64>,
}

impl Seen {
    fn new(fields: usize) -> Self {
        Seen { first: 0, more: if fields > 64 { vec![0; fields.div_ceil(64) - 1] } else { Vec::new() } }
    }
    #[inline]
    fn set(&mut self, i: usize) {
        match i / 64 {
            0 => self.first |= 1 << i,
            word => self.more[word - 1] |= 1 << (i % 64),
        }
    }
    #[inline]
    fn has(&self, i: usize) -> bool {
        let word = if i < 64 { self.first } else { self.more[i / 64 - 1] };
        word >> (i % 64) & 1 == 1
    }
}

/// Of the fields of a oneof the last in the bytes is the one that is set.
fn only_last_of_oneofs(of: &Message, spans: &mut Vec<Span<'_>>) {
    let oneof = |field: usize| match of.fields[field] {
        FieldPlan { place: Place::Member { union, .. }, .. } => Some(union),
        FieldPlan { flattened, .. } => flattened,
    };
    if spans.iter().filter(|s| oneof(s.field).is_some()).count() < 2 {
        return;
    }
    // Only what stands behind the last field of another name counts.
    let mut last: HashMap<usize, usize> = HashMap::new();
    for span in spans.iter() {
        if let Some(union) = oneof(span.field) {
            last.insert(union, span.field);
        }
    }
    let mut others = HashMap::new();
    for (i, span) in spans.iter().enumerate() {
        if let Some(union) = oneof(span.field)
            && last[&union] != span.field
        {
            others.insert(union, i);
        }
    }
    let mut i = 0;
    spans.retain(|span| {
        i += 1;
        oneof(span.field).is_none_or(|union| others.get(&union).is_none_or(|other| *other < i - 1))
    });
}

/// Whether a value that stands so may be one of the field's.
#[inline]
fn fits(plan: &FieldPlan, wire: Wire) -> bool {
    let (own, numeric) = match &plan.value {
        Value::Scalar { scalar, .. } => (scalar.wire(), scalar.wire() != Wire::Length),
        Value::Enum(_) | Value::Number => (Wire::Varint, true),
        _ => (Wire::Length, false),
    };
    // Lists of numbers may be packed or not, whatever the schema says; a group is a message that stands otherwise.
    (wire == own && !matches!(plan.shape, Shape::Map(_)))
        || (wire == Wire::Length && (matches!(plan.shape, Shape::Map(_)) || (numeric && matches!(plan.shape, Shape::Many))))
        || (wire == Wire::Group && matches!(plan.value, Value::Message(_) | Value::Json(_)))
}

/// All values of one field.
fn several(
    plan: &FieldPlan,
    group: &[Span<'_>],
    rows: &mut RowBuf,
    row: RowMark,
    slot: usize,
    depth: usize,
) -> Result<(), Misfit> {
    match &plan.shape {
        Shape::Many => list(&plan.value, group, rows, row, slot, depth),
        Shape::Map(key) => map(key, &plan.value, group, rows, row, slot, depth),
        Shape::One => match (&plan.value, group) {
            // A message that stands there twice is both in one.
            (
                Value::Message(_)
                | Value::Json(_)
                | Value::Wrapper(_)
                | Value::Decimal { .. }
                | Value::Date
                | Value::Time
                | Value::Timestamp,
                [_, _, ..],
            ) => {
                let whole: Vec<u8> = group.iter().flat_map(|s| s.bytes).copied().collect();
                value(&plan.value, &whole, rows, row, slot, depth)
            }
            _ => value(&plan.value, group[group.len() - 1].bytes, rows, row, slot, depth),
        },
    }
}

fn list(of: &Value, group: &[Span<'_>], rows: &mut RowBuf, row: RowMark, slot: usize, depth: usize) -> Result<(), Misfit> {
    let own = match of {
        Value::Scalar { scalar, .. } => scalar.wire(),
        Value::Enum(_) | Value::Number => Wire::Varint,
        _ => Wire::Length,
    };
    let packed = |s: &Span<'_>| s.wire == Wire::Length && own != Wire::Length;
    let count = |s: &Span<'_>| match own {
        _ if !packed(s) => 1,
        Wire::Fixed32 => s.bytes.len() / 4,
        Wire::Fixed64 => s.bytes.len() / 8,
        // Every varint ends in a byte below 0x80.
        _ => s.bytes.iter().filter(|b| **b < 0x80).count(),
    };
    let list = rows.begin(group.iter().map(count).sum());
    let mut i = 0;
    for span in group {
        if !packed(span) {
            value(of, span.bytes, rows, list, i, depth)?;
            i += 1;
            continue;
        }
        let mut reader = Reader::new(span.bytes);
        while !reader.is_empty() {
            let element = reader.value(own)?;
            value(of, element, rows, list, i, depth)?;
            i += 1;
        }
    }
    rows.end_nested(row, slot, list);
    Ok(())
}

fn map(
    key_of: &Value,
    of: &Value,
    group: &[Span<'_>],
    rows: &mut RowBuf,
    row: RowMark,
    slot: usize,
    depth: usize,
) -> Result<(), Misfit> {
    let mut entries: Vec<(&[u8], &[u8])> = Vec::with_capacity(group.len());
    let mut places: HashMap<&[u8], usize> = HashMap::with_capacity(group.len());
    for span in group {
        let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
        let mut reader = Reader::new(span.bytes);
        while let Some((number, _, bytes)) = reader.field()? {
            match number {
                1 => key = bytes,
                2 => value = bytes,
                _ => {}
            }
        }
        // Of several with one key the last value counts.
        match places.get(key) {
            Some(place) => entries[*place].1 = value,
            None => {
                places.insert(key, entries.len());
                entries.push((key, value));
            }
        }
    }
    let lists = rows.begin(2);
    for part in [0, 1] {
        let list = rows.begin(entries.len());
        for (j, (key, element)) in entries.iter().enumerate() {
            let (of, bytes) = if part == 0 { (key_of, key) } else { (of, element) };
            entry_part(of, bytes, rows, list, j, depth)?;
        }
        rows.end_nested(lists, part, list);
    }
    rows.end_nested(row, slot, lists);
    Ok(())
}

/// A key or value of a map; one that is not there is its type's default.
fn entry_part(of: &Value, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize, depth: usize) -> Result<(), Misfit> {
    const ZERO: [u8; 8] = [0; 8];
    let default: &[u8] = match of {
        Value::Scalar { scalar, .. } if bytes.is_empty() => match scalar.wire() {
            Wire::Varint => &ZERO[..1],
            Wire::Fixed32 => &ZERO[..4],
            Wire::Fixed64 => &ZERO,
            Wire::Length | Wire::Group => bytes,
        },
        Value::Enum(_) | Value::Number if bytes.is_empty() => &ZERO[..1],
        _ => bytes,
    };
    value(of, default, rows, row, slot, depth)
}

/// A field that is not in the bytes.
fn absent(plan: &FieldPlan, rows: &mut RowBuf, row: RowMark, slot: usize, depth: usize) -> Result<(), Misfit> {
    match (&plan.shape, &plan.absent, &plan.value) {
        (Shape::Many, ..) => {
            let list = rows.begin(0);
            rows.end_nested(row, slot, list);
        }
        (Shape::Map(_), ..) => {
            let lists = rows.begin(2);
            for part in [0, 1] {
                let list = rows.begin(0);
                rows.end_nested(lists, part, list);
            }
            rows.end_nested(row, slot, lists);
        }
        (Shape::One, Absent::Null, Value::Message(of)) if of.made_for_nulls => {
            let nested = message(of, &[], rows, depth - 1)?;
            rows.end_nested(row, slot, nested);
        }
        (Shape::One, Absent::Null, _) => {}
        (Shape::One, Absent::Bits(bits), _) => rows.slot(row, slot, *bits),
        (Shape::One, Absent::Bytes(bytes), _) => rows.bytes(row, slot, bytes),
        (Shape::One, Absent::Missing, _) => {
            return Err(Misfit::new(format!("Message missing required fields: {}", plan.name)));
        }
    }
    Ok(())
}

/// Reads one value into a slot.
fn value(of: &Value, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize, depth: usize) -> Result<(), Misfit> {
    match of {
        Value::Scalar { scalar, kind } => scalar_slot(*scalar, *kind, bytes, rows, row, slot)?,
        Value::Enum(symbols) => symbol(symbols, bytes, rows, row, slot)?,
        Value::Number => rows.i64(row, slot, i64::from(Reader::new(bytes).varint()? as i32)),
        Value::Wrapper(scalar) => wrapped(*scalar, bytes, rows, row, slot)?,
        Value::Message(of) => {
            let nested = message(of, bytes, rows, depth - 1)?;
            rows.end_nested(row, slot, nested);
        }
        Value::Json(of) => rows.text(row, slot, &json::text(of, bytes)?),
        Value::Decimal { scale } => decimal_slot(*scale, bytes, rows, row, slot)?,
        Value::Date => {
            let [year, month, day, _] = numbers(bytes)?;
            let part = |v: i64| u32::try_from(v).ok();
            let days = part(month).zip(part(day)).and_then(|(m, d)| calendar::days(year, m, d));
            let days = days.ok_or_else(|| Misfit::new(format!("there is no date {year:04}-{month:02}-{day:02}")))?;
            rows.i64(row, slot, days);
        }
        Value::Time => {
            let [hours, minutes, seconds, nanos] = numbers(bytes)?;
            let is_time = (0..24).contains(&hours)
                && (0..60).contains(&minutes)
                && (0..60).contains(&seconds)
                && (0..1_000_000_000).contains(&nanos);
            if !is_time {
                return Err(Misfit::new(format!("there is no time {hours:02}:{minutes:02}:{seconds:02} and {nanos} ns")));
            }
            rows.i64(row, slot, ((hours * 60 + minutes) * 60 + seconds) * 1000 + nanos / 1_000_000);
        }
        Value::Timestamp => {
            let [seconds, nanos, ..] = numbers(bytes)?;
            let millis = seconds.checked_mul(1000).and_then(|ms| ms.checked_add(nanos.div_euclid(1_000_000)));
            rows.i64(row, slot, millis.ok_or_else(|| Misfit::new(format!("{seconds} s is no timestamp in milliseconds")))?);
        }
    }
    Ok(())
}

/// The first four fields of a message of numbers.
fn numbers(bytes: &[u8]) -> Result<[i64; 4], Misfit> {
    let (mut numbers, mut reader) = ([0; 4], Reader::new(bytes));
    while let Some((number, wire, value)) = reader.field()? {
        if let (1..=4, Wire::Varint) = (number, wire) {
            numbers[number as usize - 1] = Reader::new(value).varint()? as i64;
        }
    }
    Ok(numbers)
}

fn decimal_slot(scale: i32, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize) -> Result<(), Misfit> {
    let (mut unscaled, mut own_scale): (&[u8], i32) = (&[0], 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire, value)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Length) => unscaled = value,
            (3, Wire::Varint) => own_scale = Reader::new(value).varint()? as i32,
            _ => {}
        }
    }
    if unscaled.is_empty() {
        return Err(Misfit::new("Zero length BigInteger"));
    }
    if own_scale == scale {
        rows.bytes(row, slot, unscaled);
        return Ok(());
    }
    let text = decimal::to_text(unscaled, own_scale);
    let scaled = decimal::from_text(&text, scale).ok_or_else(|| {
        Misfit::new(format!(
            "the decimal {text} does not fit the schema's scale of {scale}: give the field the option \
             (confluent.field_meta).params with a \"scale\" of {own_scale}"
        ))
    })?;
    rows.bytes(row, slot, &scaled);
    Ok(())
}

/// The value in a wrapper's field 1.
fn wrapped(scalar: Scalar, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize) -> Result<(), Misfit> {
    let (mut found, mut reader): (&[u8], _) = (&[], Reader::new(bytes));
    while let Some((number, wire, value)) = reader.field()? {
        if number == 1 && wire == scalar.wire() {
            found = value;
        }
    }
    entry_part(&Value::Scalar { scalar, kind: scalar.kind() }, found, rows, row, slot, 1)
}

fn symbol(symbols: &Symbols, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize) -> Result<(), Misfit> {
    let number = Reader::new(bytes).varint()? as i32;
    match symbols.of(number) {
        Some(symbol) => rows.text(row, slot, symbol),
        // What Java calls a number that has no symbol.
        None => rows.text(row, slot, &format!("UNKNOWN_ENUM_VALUE_{}_{number}", symbols.name)),
    }
    Ok(())
}

#[inline]
fn scalar_slot(scalar: Scalar, kind: Kind, bytes: &[u8], rows: &mut RowBuf, row: RowMark, slot: usize) -> Result<(), Misfit> {
    let four = || bytes.try_into().map(u32::from_le_bytes).map_err(|_| Misfit::broken_row());
    let eight = || bytes.try_into().map(u64::from_le_bytes).map_err(|_| Misfit::broken_row());
    let varint = || Reader::new(bytes).varint();
    let number = match scalar {
        Scalar::Double => return eight().map(|bits| rows.slot(row, slot, bits)),
        Scalar::Float => return four().map(|bits| rows.f64(row, slot, f64::from(f32::from_bits(bits)))),
        Scalar::Bool => return varint().map(|v| rows.bool(row, slot, v != 0)),
        Scalar::String => {
            let text = std::str::from_utf8(bytes).map_err(|_| Misfit::new("Protocol message had invalid UTF-8."))?;
            rows.text(row, slot, text);
            return Ok(());
        }
        Scalar::Bytes => {
            rows.bytes(row, slot, bytes);
            return Ok(());
        }
        Scalar::Int32 => i64::from(varint()? as i32),
        Scalar::Int64 | Scalar::Uint64 => varint()? as i64,
        Scalar::Uint32 => i64::from(varint()? as u32),
        Scalar::Sint32 => i64::from(unzigzag(u64::from(varint()? as u32)) as i32),
        Scalar::Sint64 => unzigzag(varint()?),
        Scalar::Fixed32 => i64::from(four()?),
        Scalar::Sfixed32 => i64::from(four()? as i32),
        Scalar::Fixed64 | Scalar::Sfixed64 => eight()? as i64,
    };
    if matches!(kind, Kind::Int8 | Kind::Int16) && !kind.has_room_for(number) {
        return Err(Misfit::new(format!("{number} does not fit the {kind:?} that the schema's connect.type asks for")));
    }
    rows.i64(row, slot, number);
    Ok(())
}
