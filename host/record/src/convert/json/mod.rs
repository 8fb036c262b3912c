//! Kafka Connect's `JsonConverter`, with and without the `{"schema":...,"payload":...}` envelope.
//!
//! A schema is compiled once, by its id when encoding and by its text when decoding; after that a record costs its own
//! bytes: the schema's part of the envelope is one copy out and one comparison in.

mod decode;
mod encode;
mod plan;
mod schema;

use std::collections::HashMap;
use std::sync::Arc;

use millrace_row::{Row, RowBuf};

use self::plan::Node;
use super::{ConvertError, Converter, Fault, Settings};
use crate::json::Scanner;
use crate::{Schema, Schemas};

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
}

impl JsonConverter {
    pub fn new(settings: &Settings<'_>, schemas: &Arc<Schemas>) -> Result<Self, String> {
        let form = Form {
            schemas: settings.boolean("schemas.enable", true)?,
            numeric: settings.one_of("decimal.format", &["BASE64", "NUMERIC"])? == "NUMERIC",
            replace_null: settings.boolean("replace.null.with.default", true)?,
        };
        let cache_size = settings.at_least("schemas.cache.size", 1000, 0)?;
        Ok(JsonConverter {
            form,
            schemas: schemas.clone(),
            encodings: HashMap::new(),
            recent: Vec::new(),
            decodings: HashMap::new(),
            cache_size,
        })
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
            decode::root(&known.node, self.form, &mut json, rows)?;
            // Anything but the closing brace is left to the slow path's checks.
            if json.eat(b'}') && json.end().is_ok() {
                return Ok(Some(Some(known.id)));
            }
            return Err(not_an_envelope());
        }
        let text = utf8(bytes)?;
        let parts = split(text)?;
        let Some((schema_text, payload_at)) = parts else { return Err(not_an_envelope()) };
        if schema_text == "null" {
            let payload = Scanner::from(text, payload_at).skip()?;
            return Ok(untyped(payload, rows));
        }
        let known = self.decoding(schema_text)?;
        decode::root(&known.node, self.form, &mut Scanner::from(text, payload_at), rows)?;
        if text.starts_with(OPEN) && text[..payload_at].len() == OPEN.len() + schema_text.len() + MIDDLE.len() {
            self.recent.truncate(RECENT - 1);
            self.recent.insert(0, Decoding { prefix: text.as_bytes()[..payload_at].into(), ..known.clone() });
        }
        Ok(Some(Some(known.id)))
    }

    fn decoding(&mut self, text: &str) -> Result<Decoding, Fault> {
        if let Some(known) = self.decodings.get(text) {
            return Ok(known.clone());
        }
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|e| Fault::new(format!("the schema is not JSON: {e}")))?;
        let of: Schema = schema::read(&json)?.ok_or_else(not_an_envelope)?;
        let node = Arc::new(Node::compile(&of, self.form));
        let known = Decoding { id: self.schemas.intern(of), node, prefix: Arc::from([]) };
        if self.decodings.len() >= self.cache_size {
            self.decodings.clear();
        }
        self.decodings.insert(text.into(), known.clone());
        Ok(known)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::serialization("not UTF-8"))
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
    fn encode(&mut self, _: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
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

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let start = rows.size();
        let decoded = if self.form.schemas {
            self.decode_envelope(bytes, rows)
        } else {
            utf8(bytes).and_then(|text| {
                let mut json = Scanner::new(text);
                let value = json.skip()?;
                json.end()?;
                Ok(untyped(value, rows))
            })
        };
        decoded.map_err(|fault| {
            rows.truncate(start);
            fault.into()
        })
    }
}

#[cfg(test)]
mod tests;
