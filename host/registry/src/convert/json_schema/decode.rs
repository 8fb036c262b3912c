//! From JSON straight into the packed row: no tree, and keys are looked for where the schema's order has them first.

use std::borrow::Cow;
use std::collections::HashMap;

use millrace_record::convert::{self, Logical};
use millrace_record::json_text::{Bad, NodeType, Scanner, base64_decoded};
use millrace_record::row::{RowBuf, RowMark};
use millrace_record::{Kind, calendar, decimal};

use super::super::misfit::Misfit;
use super::options::{KEY, VALUE};
use super::plan::{FieldNode, Node};

impl From<Bad> for Misfit {
    fn from(bad: Bad) -> Self {
        Misfit::new(format!("not JSON: {bad}"))
    }
}

/// Appends a root: a struct's row, or a row of one slot for anything else. False: null, and nothing is appended.
pub(super) fn root(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf) -> Result<bool, Misfit> {
    if json.peek() == b'n' && node.default.is_none() {
        json.null()?;
        return Ok(false);
    }
    if node.kind == Kind::Struct {
        match &node.default {
            // The default's own row, not one slot that points to it.
            Some(default) if json.peek() == b'n' => {
                json.null()?;
                structure(node, &mut Scanner::new(default), rows)?;
            }
            _ => drop(structure(node, json, rows)?),
        }
    } else {
        let row = rows.begin(1);
        value(node, json, rows, row, 0)?;
    }
    Ok(true)
}

/// Reads one value into slot `i`.
#[inline]
pub(super) fn value(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Misfit> {
    if json.peek() == b'n' {
        json.null()?;
        return match &node.default {
            Some(default) => value(node, &mut Scanner::new(default), rows, row, i),
            None if node.optional || node.kind == Kind::Any => {
                // Of a key that stands there twice the last counts: the slot may hold a value already.
                rows.null(row, i);
                Ok(())
            }
            None => Err(Misfit::new(format!("Invalid null value for required {} field", node.kind.connect_name()))),
        };
    }
    match node.kind {
        Kind::Boolean if matches!(json.peek(), b't' | b'f') => rows.bool(row, i, json.bool()?),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => rows.i64(row, i, integer(node, json)?),
        Kind::Float32 | Kind::Float64 => {
            let v = json.float(node.kind == Kind::Float32)?;
            rows.f64(row, i, v.ok_or_else(|| unfit(node, json))?);
        }
        Kind::Text if json.peek() == b'"' => convert::read_text(json, rows, row, i)?,
        Kind::Bytes => bytes(node, json, rows, row, i)?,
        Kind::Any => {
            let text = json.skip()?;
            rows.text(row, i, text);
        }
        Kind::Struct => {
            let nested = structure(node, json, rows)?;
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
                value(node.element(), json, rows, list, j)?;
            }
            json.expect(b']', "no ] in an array")?;
            rows.end_nested(row, i, list);
        }
        Kind::Map => map(node, json, rows, row, i)?,
        _ => return Err(unfit(node, json)),
    }
    Ok(())
}

/// A value of another type than its schema's. Confluent's converter has a text for some, and makes up a value for the others.
#[cold]
fn unfit(node: &Node, json: &mut Scanner<'_>) -> Misfit {
    match convert::unfit(node.logical, node.kind, json) {
        Ok(what) => Misfit::new(what),
        Err(bad) => bad.into(),
    }
}

fn integer(node: &Node, json: &mut Scanner<'_>) -> Result<i64, Misfit> {
    let v = json.integer().ok_or_else(|| unfit(node, json))?;
    if !node.kind.has_room_for(v) {
        return Err(Misfit::new(format!("{v} does not fit the schema's {}", node.kind.connect_name())));
    }
    if node.logical == Logical::Time && !(0..=calendar::DAY_MS).contains(&v) {
        return Err(Misfit::new("Time values must use number of milliseconds greater than 0 and less than 86400000"));
    }
    Ok(v)
}

fn bytes(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Misfit> {
    if let (Logical::Decimal { scale }, b'-' | b'0'..=b'9') = (node.logical, json.peek()) {
        let (text, _) = json.number()?;
        let unscaled = decimal::from_text(text, scale)
            .ok_or_else(|| Misfit::new(format!("{text} does not fit a decimal of scale {scale}")))?;
        rows.bytes(row, i, &unscaled);
        return Ok(());
    }
    if json.peek() != b'"' {
        return Err(unfit(node, json));
    }
    let text = json.string()?;
    let is_decimal = matches!(node.logical, Logical::Decimal { .. });
    let wrong = if is_decimal { "Invalid bytes for Decimal field" } else { "Invalid bytes field" };
    let mut decoded = Ok(());
    rows.bytes_with(row, i, |out| decoded = base64_decoded(&text, out));
    decoded.map_err(|e| Misfit::new(format!("{wrong}: not base64: {e}")))?;
    if is_decimal && text.is_empty() {
        return Err(Misfit::new(format!("{wrong}: a decimal has one byte at least")));
    }
    Ok(())
}

/// Reads an object into a new row, or whatever a union's value is.
fn structure(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf) -> Result<RowMark, Misfit> {
    let row = rows.begin(node.fields.len());
    if node.union {
        let i = matching(node, json)?;
        let field = &node.fields[i];
        value(&field.node, json, rows, row, i).map_err(|e| e.within(&field.name))?;
        return Ok(row);
    }
    if json.peek() != b'{' {
        return Err(unfit(node, json));
    }
    let mut seen = vec![false; node.fields.len()];
    let mut next = 0;
    json.members(|key, json| {
        let found = match node.fields.get(next) {
            Some(field) if *field.name == *key => Some(next),
            _ => node.fields.iter().position(|f| *f.name == *key),
        };
        match found {
            Some(i) => {
                next = i + 1;
                seen[i] = true;
                let field = &node.fields[i];
                value(&field.node, json, rows, row, i).map_err(|e| e.within(&field.name))
            }
            None => Ok(json.skip().map(drop)?),
        }
    })?;
    for (i, field) in node.fields.iter().enumerate().filter(|(i, _)| !seen[*i]) {
        // What is not there is null, were the schema to require it; Confluent's converter checks no more.
        if let Some(default) = &field.node.default {
            value(&field.node, &mut Scanner::new(default), rows, row, i).map_err(|e| e.within(&field.name))?;
        }
    }
    Ok(row)
}

/// Which field of a union takes the next value: the first single type, list or map that it is of, else the struct that has most
/// of its members.
fn matching(node: &Node, json: &Scanner<'_>) -> Result<usize, Misfit> {
    let mut json = json.clone();
    let found = json.node_type()?;
    let is_integer = || json.clone().number().is_ok_and(|(_, integer)| integer);
    let simple = |field: &FieldNode| match field.node.kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => found == NodeType::Number && is_integer(),
        Kind::Float32 | Kind::Float64 => found == NodeType::Number,
        Kind::Boolean => found == NodeType::Boolean,
        Kind::Text => found == NodeType::String,
        Kind::Bytes => matches!(field.node.logical, Logical::Decimal { .. }) && found == NodeType::Number && field.node.numeric,
        Kind::List => found == NodeType::Array,
        Kind::Map => found == if field.node.object { NodeType::Object } else { NodeType::Array },
        Kind::Struct | Kind::Any => false,
    };
    if let Some(i) = node.fields.iter().position(simple) {
        return Ok(i);
    }
    if found == NodeType::Object {
        let mut best = None;
        for (i, field) in node.fields.iter().enumerate().filter(|(_, f)| f.node.kind == Kind::Struct) {
            let members = shared_members(&field.node, &mut json.clone())?;
            if best.is_none_or(|(_, most)| members > most) {
                best = Some((i, members));
            }
        }
        if let Some((i, _)) = best {
            return Ok(i);
        }
    }
    // Bytes are texts where no other field is; what has no type takes what is left.
    let bytes = |f: &FieldNode| f.node.kind == Kind::Bytes && found == NodeType::String;
    let rest = |wanted: &dyn Fn(&FieldNode) -> bool| node.fields.iter().position(wanted);
    rest(&bytes)
        .or_else(|| rest(&|f: &FieldNode| f.node.kind == Kind::Any || (f.node.union && matching(&f.node, &json).is_ok())))
        .ok_or_else(|| Misfit::new("Did not find matching oneof field for data"))
}

/// How many of an object's members a struct has, and those of the structs within.
fn shared_members(node: &Node, json: &mut Scanner<'_>) -> Result<usize, Misfit> {
    let mut shared = 0;
    json.members(|key, json| {
        let field = node.fields.iter().find(|f| *f.name == *key);
        let mut inner = json.clone();
        json.skip()?;
        if let Some(field) = field {
            shared += 1;
            if field.node.kind == Kind::Struct && inner.peek() == b'{' {
                shared += shared_members(&field.node, &mut inner)?;
            }
        }
        Ok::<_, Misfit>(())
    })?;
    Ok(shared)
}

fn map(node: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Misfit> {
    let found = json.node_type()?;
    let (wanted, fields, as_what) =
        if node.object { (NodeType::Object, "string", "objects") } else { (NodeType::Array, "non-string", "array of objects") };
    if found != wanted {
        json.clone().skip()?;
        return Err(Misfit::new(format!("Maps with {fields} fields should be encoded as JSON {as_what}, but found {found}")));
    }
    let entries = if node.object { object_entries(json)? } else { list_entries(json)? };
    let lists = rows.begin(2);
    // The two lists lie one behind the other.
    for (part, inner) in [(0, node.key()), (1, node.element())] {
        let list = rows.begin(entries.len());
        for (j, (key, at)) in entries.iter().enumerate() {
            let mut entry = if part == 0 { key.clone() } else { at.clone() };
            value(inner, &mut entry, rows, list, j)?;
        }
        rows.end_nested(lists, part, list);
    }
    rows.end_nested(row, i, lists);
    Ok(())
}

/// Where a map's keys and values are.
type Entries<'a> = Vec<(Scanner<'a>, Scanner<'a>)>;

/// Of several with one key the last value counts.
fn object_entries<'a>(json: &mut Scanner<'a>) -> Result<Entries<'a>, Misfit> {
    let mut entries: Entries<'a> = Vec::new();
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
    json.expect(b'{', "no object")?;
    while !json.eat(b'}') {
        if !entries.is_empty() {
            json.expect(b',', "no comma or } in an object")?;
        }
        json.peek();
        let at_key = json.clone();
        let key = json.string()?;
        json.expect(b':', "no colon after a key")?;
        let at_value = json.clone();
        json.skip()?;
        match places.get(&key) {
            Some(place) => entries[*place].1 = at_value,
            None => {
                places.insert(key, entries.len());
                entries.push((at_key, at_value));
            }
        }
    }
    Ok(entries)
}

fn list_entries<'a>(json: &mut Scanner<'a>) -> Result<Entries<'a>, Misfit> {
    let mut entries: Entries<'a> = Vec::new();
    let mut places: HashMap<&'a str, usize> = HashMap::new();
    json.expect(b'[', "no array")?;
    let mut first = true;
    while !json.eat(b']') {
        if !first {
            json.expect(b',', "no comma between elements")?;
        }
        first = false;
        let found = json.node_type()?;
        if found != NodeType::Object {
            return Err(Misfit::new(format!("Found invalid map entry instead of object: {found}")));
        }
        let (mut key, mut value, mut n) = (None, None, 0);
        json.members(|name, json| {
            n += 1;
            json.peek();
            let at = json.clone();
            let text = json.skip()?;
            match &*name {
                KEY => key = Some((at, text)),
                VALUE => value = Some(at),
                _ => {}
            }
            Ok::<_, Misfit>(())
        })?;
        let (Some((key, text)), Some(value), 2) = (key, value, n) else {
            return Err(Misfit::new(format!("Found invalid map entry, expected length 2 but found :{n}")));
        };
        match places.get(text) {
            Some(place) => entries[*place].1 = value,
            None => {
                places.insert(text, entries.len());
                entries.push((key, value));
            }
        }
    }
    Ok(entries)
}
