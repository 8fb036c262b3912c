//! Kafka Connect's `JsonConverter`, with and without the `{"schema":...,"payload":...}` envelope.
//!
//! A schema is compiled once, by its id when encoding and by its text when decoding; after that a record costs its own
//! bytes: the schema's part of the envelope is one copy out and one comparison in.

mod decode;
mod encode;
mod fit;
mod plan;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use millrace_row::{Row, RowBuf, RowMark};

pub use self::fit::Fitter;
use self::plan::Node;
use super::charset::Charset;
use super::{ConvertError, Converter, Fault, Logical, NotConverted, Settings};
use crate::json::{Bad, Scanner};
use crate::{Kind, Schema, Schemas};

/// How this converter writes and reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// `schemas.enable`.
    pub schemas: bool,
    /// `decimal.format=NUMERIC`.
    pub numeric: bool,
    /// `replace.null.with.default`.
    pub replace_null: bool,
}

/// A schema's default, as a row of one slot. None: it has none, or one that does not fit its type.
pub fn default_row(schema: &Schema) -> Option<Vec<u8>> {
    const FORM: Form = Form { schemas: true, numeric: false, replace_null: true };
    let node = Node::compile(schema, FORM);
    let mut rows = RowBuf::new();
    let row = rows.begin(1);
    decode::value(&node, FORM, &mut Scanner::new(node.default.as_deref()?), &mut rows, row, 0).ok()?;
    Some(rows.into_bytes())
}

/// What is said of a JSON value of another type than its schema's. Connect has a text for some; for the others it makes up a
/// value, which is none of the record's.
#[cold]
pub fn unfit(logical: Logical, kind: Kind, json: &Scanner<'_>) -> Result<String, Bad> {
    let mut json = json.clone();
    let found = json.node_type()?;
    // A value that is no JSON is told as that.
    json.skip()?;
    let said =
        |name: &str, of: &str| format!("Invalid type for {name}, underlying representation should be {of} but was {found}");
    Ok(match (logical, kind) {
        (Logical::Date, _) => said("Date", "integer"),
        (Logical::Time, _) => said("Time", "integer"),
        (Logical::Timestamp, _) => said("Timestamp", "integral"),
        (Logical::Decimal { .. }, _) => said("Decimal", "numeric or bytes"),
        (_, Kind::Struct) => format!("Structs should be encoded as JSON objects, but found {found}"),
        _ => format!("a JSON {found} does not fit the schema's {}", kind.connect_name()),
    })
}

/// Reads the string that is next into slot `i`.
#[inline]
pub fn read_text(json: &mut Scanner<'_>, rows: &mut RowBuf, row: RowMark, i: usize) -> Result<(), Bad> {
    let at = json.at;
    let (raw, escapes) = json.raw_string()?;
    if !escapes {
        rows.text(row, i, raw);
        return Ok(());
    }
    let mut failed = Ok(());
    rows.bytes_with(row, i, |out| failed = Scanner::unescape(raw, at, |b| out.extend_from_slice(b)));
    failed
}

const OPEN: &str = "{\"schema\":";
const MIDDLE: &str = ",\"payload\":";

/// A schema compiled for encoding.
struct Encoding {
    node: Node,
    /// `{"schema":...,"payload":`, or nothing.
    prefix: Vec<u8>,
}

/// A schema met when decoding.
#[derive(Clone)]
struct Decoding {
    id: u32,
    node: Arc<Node>,
    /// `{"schema":...,"payload":` as it stood.
    prefix: Arc<[u8]>,
}

/// How many prefixes are compared before the text is scanned: a topic carries few schemas at a time.
const RECENT: usize = 8;

pub(super) struct JsonConverter {
    form: Form,
    schemas: Arc<Schemas>,
    encodings: HashMap<u32, Encoding>,
    recent: Vec<Decoding>,
    /// By the text of the schema; at most `cache_size`.
    decodings: HashMap<Box<str>, Decoding>,
    cache_size: usize,
    /// `schema.content`: the schema of all that is read, which then stands without an envelope.
    content: Option<Decoding>,
}

impl JsonConverter {
    pub fn new(settings: &Settings<'_>, schemas: &Arc<Schemas>) -> Result<Self, String> {
        let form = Form {
            schemas: settings.boolean("schemas.enable", true)?,
            numeric: settings.one_of("decimal.format", ["BASE64", "NUMERIC"])? == "NUMERIC",
            replace_null: settings.boolean("replace.null.with.default", true)?,
        };
        let cache_size = settings.integer("schemas.cache.size", 1000)?;
        let mut converter = JsonConverter {
            form,
            schemas: schemas.clone(),
            encodings: HashMap::new(),
            recent: Vec::new(),
            decodings: HashMap::new(),
            cache_size: usize::try_from(cache_size).unwrap_or(0),
            content: None,
        };
        if let Some(text) = settings.text("schema.content").filter(|t| !t.is_empty() && form.schemas) {
            let wrong = |e: Fault| settings.wrong("schema.content", text, &ConvertError::from(e).to_string());
            converter.content = converter.read_schema(text).map_err(|e| wrong(e.reworded(BAD_CONTENT)))?;
        }
        Ok(converter)
    }

    fn encoding(&mut self, id: u32) -> Result<&Encoding, Fault> {
        if !self.encodings.contains_key(&id) {
            let of = self.schemas.get(id).ok_or_else(|| Fault::new(format!("no schema has the id {id}")))?;
            let node = Node::compile(&of, self.form);
            let mut prefix = Vec::new();
            if self.form.schemas {
                prefix.extend_from_slice(OPEN.as_bytes());
                schema::write(&of, &node, None, &mut prefix);
                prefix.extend_from_slice(MIDDLE.as_bytes());
            }
            self.encodings.insert(id, Encoding { node, prefix });
        }
        Ok(&self.encodings[&id])
    }

    fn encode_row(&mut self, id: u32, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let form = self.form;
        let encoding = self.encoding(id)?;
        out.extend_from_slice(&encoding.prefix);
        encode::root(&encoding.node, form, row, out)?;
        if form.schemas {
            out.push(b'}');
        }
        Ok(())
    }

    /// With the envelope.
    fn decode_envelope(&mut self, bytes: &[u8], rows: &mut RowBuf) -> Result<Option<Option<u32>>, Fault> {
        if let Some(i) = self.recent.iter().position(|d| bytes.starts_with(&d.prefix)) {
            if i > 0 {
                self.recent.swap(0, i);
            }
            let known = &self.recent[0];
            // The prefix is known to be UTF-8 and ends with an ASCII byte: only the rest is checked.
            let payload = utf8(&bytes[known.prefix.len()..])?;
            let mut json = Scanner::new(payload);
            let start = rows.size();
            decode::root(&known.node, self.form, &mut json, rows)?;
            if json.eat(b'}') && json.end().is_ok() {
                return Ok(Some(Some(known.id)));
            }
            // Anything but the closing brace is left to the slow path's checks.
            rows.truncate(start);
        }
        let text = utf8(bytes)?;
        let parts = split(text)?;
        let Some((schema_text, payload_at)) = parts else { return Err(not_an_envelope()) };
        let mut payload = Scanner::from(text, payload_at);
        let Some(known) = self.decoding(schema_text)? else { return Ok(untyped(payload.skip()?, rows)) };
        decode::root(&known.node, self.form, &mut payload, rows)?;
        // Only what is first its schema and then its payload, and nothing more, has the prefix that is looked for.
        let compact = text.starts_with(OPEN) && payload_at == OPEN.len() + schema_text.len() + MIDDLE.len();
        if compact && payload.eat(b'}') && payload.end().is_ok() {
            self.recent.truncate(RECENT - 1);
            self.recent.insert(0, Decoding { prefix: text.as_bytes()[..payload_at].into(), ..known.clone() });
        }
        Ok(Some(Some(known.id)))
    }

    /// None: JSON null, for schemaless.
    fn decoding(&mut self, text: &str) -> Result<Option<Decoding>, Fault> {
        if let Some(known) = self.decodings.get(text) {
            return Ok(Some(known.clone()));
        }
        let Some(known) = self.read_schema(text)? else { return Ok(None) };
        if self.cache_size > 0 {
            if self.decodings.len() >= self.cache_size {
                self.decodings.clear();
            }
            self.decodings.insert(text.into(), known.clone());
        }
        Ok(Some(known))
    }

    fn read_schema(&self, text: &str) -> Result<Option<Decoding>, Fault> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|e| Fault::new(UNREADABLE).because(format!("the schema is not JSON: {e}")))?;
        let Some(of) = schema::read(&json)? else { return Ok(None) };
        let node = Arc::new(Node::compile(&of, self.form));
        Ok(Some(Decoding { id: self.schemas.intern(of), node, prefix: Arc::from([]) }))
    }

    fn decode_text(&mut self, bytes: &[u8], rows: &mut RowBuf) -> Result<Option<Option<u32>>, Fault> {
        if let Some(known) = &self.content {
            let mut json = Scanner::new(utf8(bytes)?);
            // An error of the text goes before one of its value.
            let mut whole = json.clone();
            if whole.end().is_ok() {
                return Err(Fault::new("Structs should be encoded as JSON objects, but found MISSING"));
            }
            whole.skip()?;
            whole.end()?;
            decode::root(&known.node, self.form, &mut json, rows)?;
            return Ok(Some(Some(known.id)));
        }
        if self.form.schemas {
            return self.decode_envelope(bytes, rows);
        }
        let mut json = Scanner::new(utf8(bytes)?);
        if json.clone().end().is_ok() {
            return Ok(None);
        }
        let value = json.skip()?;
        json.end()?;
        Ok(untyped(value, rows))
    }
}

const UNREADABLE: &str = "Converting byte[] to Kafka Connect data failed due to serialization error: ";
const BAD_CONTENT: &str = "Failed to parse schema in converter config due to serialization error: ";

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::new(UNREADABLE).because("not UTF-8"))
}

fn not_an_envelope() -> Fault {
    Fault::new(
        "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional fields. \
         If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.",
    )
}

/// The text of the schema and where the payload starts. None: not an object of just these two.
fn split(text: &str) -> Result<Option<(&str, usize)>, Fault> {
    let mut json = Scanner::new(text);
    if json.clone().end().is_ok() {
        return Ok(None);
    }
    let (mut schema, mut payload) = (None, None);
    if !json.eat(b'{') {
        json.skip()?;
        json.end()?;
        return Ok(None);
    }
    let mut others = false;
    if !json.eat(b'}') {
        loop {
            let key = json.string()?;
            json.expect(b':', "no colon after a key")?;
            json.peek();
            let at = json.at;
            let value = json.skip()?;
            match &*key {
                "schema" => schema = Some(value),
                "payload" => payload = Some(at),
                _ => others = true,
            }
            if json.eat(b'}') {
                break;
            }
            json.expect(b',', "no comma or } in an object")?;
        }
    }
    json.end()?;
    Ok(schema.zip(payload).filter(|_| !others))
}

/// A schemaless value: one slot of JSON text. JSON null is null.
fn untyped(text: &str, rows: &mut RowBuf) -> Option<Option<u32>> {
    if text == "null" {
        return None;
    }
    let row = rows.begin(1);
    rows.text(row, 0, text);
    Some(None)
}

impl Converter for JsonConverter {
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, NotConverted> {
        let start = out.len();
        let done = match (schema, row) {
            (None, None) => return Ok(false),
            (Some(id), row) => self.encode_row(id, row, out),
            (None, Some(row)) => {
                if self.form.schemas {
                    out.extend_from_slice(OPEN.as_bytes());
                    out.extend_from_slice(b"null");
                    out.extend_from_slice(MIDDLE.as_bytes());
                }
                out.extend_from_slice(if row.is_null(0) { b"null" } else { row.get_bytes(0) });
                if self.form.schemas {
                    out.push(b'}');
                }
                Ok(())
            }
        };
        done.map(|()| true).map_err(|fault| {
            out.truncate(start);
            fault.into()
        })
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(None) };
        let start = rows.size();
        let decoded = match unusual(bytes) {
            None => self.decode_text(bytes, rows).or_else(|fault| {
                rows.truncate(start);
                // Connect reads numbers with leading zeros; they are no JSON, so nothing else may see them.
                match std::str::from_utf8(bytes).ok().and_then(without_leading_zeros) {
                    Some(text) if fault.message() == UNREADABLE => self.decode_text(text.as_bytes(), rows),
                    _ => Err(fault),
                }
            }),
            Some((charset, skip)) => {
                let mut text = Vec::new();
                charset.decode(&bytes[skip..], &mut text);
                self.decode_text(&text, rows)
            }
        };
        decoded.map_err(|fault| {
            rows.truncate(start);
            fault.into()
        })
    }
}

/// JSON in another encoding than UTF-8, or with a byte order mark, as Jackson tells it by the first bytes; with how many of
/// them to leave out.
#[inline]
fn unusual(bytes: &[u8]) -> Option<(Charset, usize)> {
    match bytes {
        // All that begins with two ASCII characters, as JSON does.
        [0x01..=0x7F, 0x01..=0x7F, ..] => None,
        [0, 0, 0xFE, 0xFF, ..] => Some((Charset::Utf32Be, 4)),
        [0xFF, 0xFE, 0, 0, ..] => Some((Charset::Utf32Le, 4)),
        [0xFE, 0xFF, ..] => Some((Charset::Utf16Be, 2)),
        [0xFF, 0xFE, ..] => Some((Charset::Utf16Le, 2)),
        [0xEF, 0xBB, 0xBF, ..] => Some((Charset::Utf8, 3)),
        [0, 0, 0, 1..=0xFF, ..] => Some((Charset::Utf32Be, 0)),
        [1..=0xFF, 0, 0, 0, ..] => Some((Charset::Utf32Le, 0)),
        [0, 1..=0xFF, ..] => Some((Charset::Utf16Be, 0)),
        [1..=0xFF, 0, ..] => Some((Charset::Utf16Le, 0)),
        _ => None,
    }
}

/// The text with its numbers as JSON has them; none when there is nothing to change.
fn without_leading_zeros(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut before) = (false, false, ' ');
    for (i, c) in text.char_indices() {
        let digit_next = text.as_bytes().get(i + 1).is_some_and(u8::is_ascii_digit);
        let starts = !quoted && !matches!(before, '0'..='9' | '.' | '+' | 'e' | 'E');
        if quoted {
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else {
            quoted = c == '"';
        }
        // A minus in an exponent has an `e` before it, which a number's own sign has not.
        let exponent = before == '-' && out.trim_end_matches('-').ends_with(['e', 'E']);
        if starts && !exponent && c == '0' && digit_next {
            continue;
        }
        before = c;
        out.push(c);
    }
    (out.len() < text.len()).then_some(out)
}

#[cfg(test)]
mod tests;
