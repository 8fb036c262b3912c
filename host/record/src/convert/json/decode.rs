//! From JSON straight into the packed row: no tree, keys matched in the schema's order first.

use base64::Engine;
use millrace_row::{RowBuf, RowMark};

use super::Form;
use super::plan::{FieldNode, Logical, Node};
use crate::convert::Fault;
use crate::json::{NodeType, Scanner};
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
            _ => drop(fields(node, form, json, rows)?),
        }
    } else {
        let row = rows.begin(1);
        value(node, form, json, rows, row, 0)?;
    }
    Ok(())
}

fn required(node: &Node) -> Fault {
    Fault::new(format!("Invalid null value for required {} field", connect_name(node.kind)))
}

/// Connect's name of a type, as its messages have it.
fn connect_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "BOOLEAN",
        Kind::Int8 => "INT8",
        Kind::Int16 => "INT16",
        Kind::Int32 => "INT32",
        Kind::Int64 => "INT64",
        Kind::Float32 => "FLOAT32",
        Kind::Float64 => "FLOAT64",
        Kind::Text => "STRING",
        Kind::Bytes => "BYTES",
        Kind::List => "ARRAY",
        Kind::Map => "MAP",
        Kind::Struct => "STRUCT",
        Kind::Any => "JSON",
    }
}

fn unfit(node: &Node, json: &mut Scanner<'_>) -> Fault {
    match json.node_type() {
        Ok(found) => Fault::new(format!("a JSON {found} does not fit the schema's {}", connect_name(node.kind))),
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
            let v = json.integer().ok_or_else(|| unfit(node, json))?;
            let fits = match node.kind {
                Kind::Int8 => i8::try_from(v).is_ok(),
                Kind::Int16 => i16::try_from(v).is_ok(),
                Kind::Int32 => i32::try_from(v).is_ok(),
                _ => true,
            };
            if !fits {
                return Err(Fault::new(format!("{v} does not fit the schema's {}", connect_name(node.kind))));
            }
            rows.i64(row, i, v);
        }
        Kind::Float32 | Kind::Float64 => {
            let text = if json.peek() == b'"' { json.raw_string()?.0 } else { json.number()?.0 };
            let v = match text {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => text
                    .parse()
                    .map_err(|_| Fault::new(format!("a text does not fit the schema's {}", connect_name(node.kind))))?,
            };
            // A float32 is the nearest of its own precision, widened.
            rows.f64(row, i, if node.kind == Kind::Float32 { f64::from(v as f32) } else { v });
        }
        Kind::Text if json.peek() == b'"' => {
            let at = json.at;
            let (raw, escapes) = json.raw_string()?;
            if escapes {
                let mut failed = Ok(());
                rows.bytes_with(row, i, |out| failed = Scanner::unescape(raw, at, |b| out.extend_from_slice(b)));
                failed?;
            } else {
                rows.text(row, i, raw);
            }
        }
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
            let n = count(json)?;
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
        _ if node.optional => Ok(()),
        _ => Err(required(node)),
    }
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
    let mut decoded = Ok(());
    rows.bytes_with(row, i, |out| decoded = base64::engine::general_purpose::STANDARD.decode_vec(text.as_bytes(), out));
    decoded.map_err(|e| Fault::new(format!("Invalid bytes field: not base64: {e}")))
}

/// How many elements an array or object has.
fn count(json: &Scanner<'_>) -> Result<usize, Fault> {
    let mut json = json.clone();
    let object = json.peek() == b'{';
    json.at += 1;
    let close = if object { b'}' } else { b']' };
    if json.eat(close) {
        return Ok(0);
    }
    let mut n = 0;
    loop {
        if object {
            json.raw_string()?;
            json.expect(b':', "no colon after a key")?;
        }
        json.skip()?;
        n += 1;
        if json.eat(close) {
            return Ok(n);
        }
        json.expect(b',', "no comma between elements")?;
    }
}

fn map(node: &Node, form: Form, json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Fault> {
    let object = match json.peek() {
        b'{' => true,
        b'[' => false,
        _ => return Err(Fault::new("Maps with string fields should be encoded as JSON objects, but found something else")),
    };
    let n = count(json)?;
    let lists = rows.begin(2);
    // The two lists lie one behind the other, so the text is read twice: keys, then values.
    let mut again = json.clone();
    for (part, json) in [(0, &mut *json), (1, &mut again)] {
        let list = rows.begin(n);
        json.peek();
        json.at += 1;
        for j in 0..n {
            if j > 0 {
                json.expect(b',', "no comma in a map")?;
            }
            let take = |inner: &Node, json: &mut Scanner<'_>, rows: &mut RowBuf| value(inner, form, json, rows, list, j);
            if !object {
                json.expect(b'[', "no pair in a map")?;
            }
            if part == 0 {
                take(node.key(), json, rows)?
            } else {
                json.skip().map(drop)?
            }
            if object {
                json.expect(b':', "no colon after a key")?
            } else {
                json.expect(b',', "no pair in a map")?
            }
            if part == 1 {
                take(node.element(), json, rows)?
            } else {
                json.skip().map(drop)?
            }
            if !object {
                json.expect(b']', "no pair in a map")?;
            }
        }
        json.expect(if object { b'}' } else { b']' }, "no end of a map")?;
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
