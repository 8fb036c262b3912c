//! From JSON straight into the packed row: no tree, keys matched in the schema's order first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use millrace_row::{RowBuf, RowMark};

use super::Form;
use super::plan::{FieldNode, Node};
use crate::convert::Fault;
use crate::convert::logical::{DAY_MS, Logical};
use crate::json::{NodeType, Scanner, base64_decoded};
use crate::{Kind, decimal};

/// Appends a root: a struct's row, or a row of one slot for anything else. Nothing is appended for null.
pub(super) fn root(node: &Node, form: Form, json: &mut Scanner<'_>, rows: &mut RowBuf) -> Result<(), Fault> {
    if json.peek() == b'n' && (node.default.is_none() || !form.replace_null) {
        json.null()?;
        return if node.optional { Ok(()) } else { Err(required(node)) };
    }
    if node.kind == Kind::Struct {
        match &node.default {
            // The default's own row, not one slot that points to it.
            Some(default) if json.peek() == b'n' => {
                json.null()?;
                fields(node, form, &mut Scanner::new(default), rows)?;
            }
            _ if json.peek() == b'{' => drop(fields(node, form, json, rows)?),
            _ => return Err(unfit(node, json)),
        }
    } else {
        let row = rows.begin(1);
        value(node, form, json, rows, row, 0)?;
    }
    Ok(())
}

fn required(node: &Node) -> Fault {
    Fault::new(format!("Invalid null value for required {} field", node.kind.connect_name()))
}

/// A value of another type than its schema's. Connect has a text for some; for the others it makes up a value, which is none
/// of the record's.
#[cold]
fn unfit(node: &Node, json: &mut Scanner<'_>) -> Fault {
    match super::unfit(node.logical, node.kind, json) {
        Ok(what) => Fault::new(what),
        Err(bad) => bad.into(),
    }
}

/// Reads one value into slot `i`.
#[inline]
pub(super) fn value(
    node: &Node,
    form: Form,
    json: &mut Scanner<'_>,
    rows: &mut RowBuf,
    row: RowMark,
    i: usize,
) -> Result<(), Fault> {
    if json.peek() == b'n' {
        json.null()?;
        return absent(node, form, rows, row, i);
    }
    match node.kind {
        Kind::Boolean if matches!(json.peek(), b't' | b'f') => rows.bool(row, i, json.bool()?),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            json.peek();
            let start = json.at;
            let v = json.integer().ok_or_else(|| unfit(node, json))?;
            // A date is no number with a fraction, were it zero.
            if node.logical != Logical::None && !json.since(start).bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                return Err(unfit_number(node));
            }
            if !node.kind.has_room_for(v) {
                let fault = format!("{v} does not fit the schema's {}", node.kind.connect_name());
                let logical = matches!(node.logical, Logical::Date | Logical::Time);
                return Err(if logical { unfit_number(node) } else { Fault::new(fault) });
            }
            if node.logical == Logical::Time && !(0..=DAY_MS).contains(&v) {
                return Err(Fault::new("Time values must use number of milliseconds greater than 0 and less than 86400000"));
            }
            rows.i64(row, i, v);
        }
        Kind::Float32 | Kind::Float64 => {
            let v = json.float(node.kind == Kind::Float32)?;
            rows.f64(row, i, v.ok_or_else(|| unfit(node, json))?);
        }
        Kind::Text if json.peek() == b'"' => super::read_text(json, rows, row, i)?,
        Kind::Bytes => bytes(node, json, rows, row, i)?,
        Kind::Any => {
            let text = json.skip()?;
            rows.text(row, i, text);
        }
        Kind::Struct if json.peek() == b'{' => {
            let nested = fields(node, form, json, rows)?;
            rows.end_nested(row, i, nested);
        }
        Kind::List if json.peek() == b'[' => {
            let n = json.count()?;
            let list = rows.begin(n);
            json.expect(b'[', "no array")?;
            for j in 0..n {
                if j > 0 {
                    json.expect(b',', "no comma in an array")?;
                }
                value(node.element(), form, json, rows, list, j)?;
            }
            json.expect(b']', "no ] in an array")?;
            rows.end_nested(row, i, list);
        }
        Kind::Map => map(node, form, json, rows, row, i)?,
        _ => return Err(unfit(node, json)),
    }
    Ok(())
}

/// Slot `i` is null or missing: the default, null where that is allowed, else an error.
fn absent(node: &Node, form: Form, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    match &node.default {
        Some(default) if form.replace_null => value(node, form, &mut Scanner::new(default), rows, row, i),
        _ if node.optional => {
            // Of a key that stands there twice the last counts: the slot may hold a value already.
            rows.null(row, i);
            Ok(())
        }
        _ => Err(required(node)),
    }
}

#[cold]
fn unfit_number(node: &Node) -> Fault {
    unfit(node, &mut Scanner::new("0"))
}

fn bytes(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    if let Logical::Decimal { scale } = node.logical
        && matches!(json.node_type(), Ok(NodeType::Number))
    {
        let (text, _) = json.number()?;
        let unscaled = decimal::from_text(text, scale)
            .ok_or_else(|| Fault::new(format!("{text} does not fit a decimal of scale {scale}")))?;
        rows.bytes(row, i, &unscaled);
        return Ok(());
    }
    if json.peek() != b'"' {
        return Err(unfit(node, json));
    }
    let text = json.string()?;
    let decimal = matches!(node.logical, Logical::Decimal { .. });
    let mut decoded = Ok(());
    rows.bytes_with(row, i, |out| decoded = base64_decoded(&text, out));
    let wrong = if decimal { "Invalid bytes for Decimal field" } else { "Invalid bytes field" };
    match decoded {
        Ok(()) if decimal && text.is_empty() => Err(Fault::new(wrong).because("a decimal has one byte at least")),
        Ok(()) => Ok(()),
        Err(e) => Err(Fault::new(wrong).because(format!("not base64: {e}"))),
    }
}

/// Where the keys and values of a map start; of several with one key the last value counts.
fn entries(object: bool, json: &mut Scanner<'_>) -> Result<Vec<(usize, usize)>, Fault> {
    let (mut found, mut places) = (Vec::new(), HashMap::new());
    let close = if object { b'}' } else { b']' };
    json.peek();
    json.at += 1;
    if json.eat(close) {
        return Ok(found);
    }
    loop {
        json.peek();
        let (key, at, end) = if object {
            let at = json.at;
            let key = json.string()?;
            json.expect(b':', "no colon after a key")?;
            json.peek();
            let value = json.at;
            json.skip()?;
            (key, (at, value), json.at)
        } else {
            pair(json)?
        };
        match places.entry(key) {
            Entry::Occupied(place) => found[*place.get()] = at,
            Entry::Vacant(place) => {
                place.insert(found.len());
                found.push(at);
            }
        }
        json.at = end;
        if json.eat(close) {
            return Ok(found);
        }
        json.expect(b',', "no comma between elements")?;
    }
}

type Pair<'a> = (Cow<'a, str>, (usize, usize), usize);

/// `[key, value]`: the key's text, where both start, and where the pair ends.
fn pair<'a>(json: &mut Scanner<'a>) -> Result<Pair<'a>, Fault> {
    let found = json.node_type()?;
    if found != NodeType::Array {
        return Err(Fault::new(format!("Found invalid map entry instead of array tuple: {found}")));
    }
    let n = json.count()?;
    if n != 2 {
        return Err(Fault::new(format!("Found invalid map entry, expected length 2 but found :{n}")));
    }
    json.at += 1;
    json.peek();
    let key_at = json.at;
    let key = json.skip()?;
    json.expect(b',', "no comma between elements")?;
    json.peek();
    let value_at = json.at;
    json.skip()?;
    json.expect(b']', "no ] in an array")?;
    Ok((key.into(), (key_at, value_at), json.at))
}

fn map(node: &Node, form: Form, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    let object = node.key().kind == Kind::Text;
    let found = json.node_type()?;
    let (wanted, fields, as_what) =
        if object { (NodeType::Object, "string", "objects") } else { (NodeType::Array, "non-string", "array of tuples") };
    if found != wanted {
        json.clone().skip()?;
        return Err(Fault::new(format!("Maps with {fields} fields should be encoded as JSON {as_what}, but found {found}")));
    }
    let entries = entries(object, json)?;
    let lists = rows.begin(2);
    // The two lists lie one behind the other.
    for (part, inner) in [(0, node.key()), (1, node.element())] {
        let list = rows.begin(entries.len());
        for (j, (key, at)) in entries.iter().enumerate() {
            let mut entry = json.clone();
            entry.at = if part == 0 { *key } else { *at };
            value(inner, form, &mut entry, rows, list, j)?;
        }
        rows.end_nested(lists, part, list);
    }
    rows.end_nested(row, i, lists);
    Ok(())
}

/// Reads an object into a new row.
fn fields(node: &Node, form: Form, json: &mut Scanner<'_>, rows: &mut RowBuf) -> Result<RowMark, Fault> {
    let row = rows.begin(node.fields.len());
    json.peek();
    let read = |field: &FieldNode, i: usize, json: &mut Scanner<'_>, rows: &mut RowBuf| {
        value(&field.node, form, json, rows, row, i).map_err(|e| e.within(&field.name))
    };
    // What was written compactly in the schema's order is matched by one comparison a field.
    let mut known = 0;
    while let Some(field) = node.fields.get(known)
        && json.literal(&field.literal)
    {
        read(field, known, json, rows)?;
        known += 1;
    }
    if known == 0 {
        json.expect(b'{', "no object")?;
    }
    let mut seen = vec![false; node.fields.len() - known];
    let mut first = known == 0;
    while !json.eat(b'}') {
        if !first {
            json.expect(b',', "no comma or } in an object")?;
        }
        first = false;
        let key = json.string()?;
        json.expect(b':', "no colon after a key")?;
        match node.fields.iter().position(|f| *f.name == *key) {
            Some(i) => {
                read(&node.fields[i], i, json, rows)?;
                if i >= known {
                    seen[i - known] = true;
                }
            }
            None => json.skip().map(drop)?,
        }
    }
    for (i, field) in node.fields.iter().enumerate().skip(known) {
        if !seen[i - known] {
            absent(&field.node, form, rows, row, i).map_err(|e| e.within(&field.name))?;
        }
    }
    Ok(row)
}
