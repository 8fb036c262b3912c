//! `io.confluent.connect.json.JsonSchemaConverter`: JSON with the wire format's header, its schema a JSON Schema.
//!
//! A schema is compiled once: when encoding by Connect's, when decoding by the header's id. After that a record costs its own
//! bytes.

mod decode;
mod encode;
mod from_connect;
mod options;
mod plan;
#[cfg(test)]
mod tests;
mod to_connect;

use std::collections::HashMap;
use std::sync::Arc;

use millrace_record::convert::{ConvertError, Converter, NotConverted};
use millrace_record::json_text::Scanner;
use millrace_record::row::{Row, RowBuf};
use millrace_record::{RawConfig, Schemas};

use self::options::Options;
use self::plan::Node;
use super::misfit::Misfit;
use super::{Common, Direction, Own, Settings, read_header, write_header};
use crate::client::SchemaClient;
use crate::json_schema::JsonSchema;
use crate::{ParsedSchema, SchemaType};

pub struct JsonSchemaConverter {
    common: Common,
    options: Options,
    /// `schemas.cache.config`: how many schemas are remembered for each direction.
    schemas_max: usize,
    schemas: Arc<Schemas>,
    client: Arc<dyn SchemaClient>,
    /// By Connect's schema.
    owns: HashMap<u32, Arc<OwnSchema>>,
    encodings: Vec<Encoding>,
    /// By the header's id; the last used is looked at first.
    decodings: HashMap<i32, Decoding>,
    last: Option<(i32, Decoding)>,
}

/// Connect's schema as a JSON Schema.
struct OwnSchema {
    text: Arc<str>,
    /// The schema's title.
    name: Option<String>,
    parsed: ParsedSchema,
    node: Node,
}

/// How records of one schema are written into one topic.
struct Encoding {
    topic: Box<str>,
    schema: u32,
    own: Arc<OwnSchema>,
    subject: String,
    /// The id that the registry gave; none before it was asked.
    id: Option<i32>,
}

/// How records of one schema are read.
#[derive(Clone)]
struct Decoding {
    schema: u32,
    node: Arc<Node>,
}

impl JsonSchemaConverter {
    /// `config` is the converter's own, without its prefix.
    pub fn new(is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>, client: Arc<dyn SchemaClient>) -> Result<Self, String> {
        let settings = Settings(config);
        Ok(JsonSchemaConverter {
            common: Common::new(SchemaType::Json, is_key, &settings)?,
            options: Options::new(&settings)?,
            schemas_max: usize::try_from(settings.integer("schemas.cache.config", 1000)?).unwrap_or(0).max(1),
            schemas: schemas.clone(),
            client,
            owns: HashMap::new(),
            encodings: Vec::new(),
            decodings: HashMap::new(),
            last: None,
        })
    }

    fn failed(&self, direction: Direction, topic: &str, misfit: &Misfit) -> ConvertError {
        self.common.failures.serialization(direction, topic, &misfit.to_string())
    }

    fn own(&mut self, id: u32) -> Result<Arc<OwnSchema>, Misfit> {
        if let Some(own) = self.owns.get(&id) {
            return Ok(own.clone());
        }
        let connect = self.schemas.get(id).ok_or_else(|| Misfit::new(format!("no schema has the id {id}")))?;
        let text = from_connect::text(&connect, &self.options);
        let parsed =
            JsonSchema::parse(&text, &[]).map_err(|e| Misfit::new(format!("Connect's schema makes no JSON Schema: {e}")))?;
        let own = Arc::new(OwnSchema {
            text: text.into(),
            name: connect.name.as_deref().map(str::to_owned),
            parsed: ParsedSchema::Json(parsed),
            node: Node::for_encoding(&connect, &self.options),
        });
        if self.owns.len() >= self.schemas_max {
            self.owns.clear();
        }
        self.owns.insert(id, own.clone());
        Ok(own)
    }

    /// The place of the encoding, with the id that the registry says now.
    fn encoding(&mut self, topic: &str, id: u32) -> Result<(usize, i32), NotConverted> {
        let found = self.encodings.iter().position(|e| e.schema == id && *e.topic == *topic);
        let place = match found {
            Some(i) => match self.encodings[i].id {
                Some(id) if !self.common.writing.changes() => return Ok((i, id)),
                _ => i,
            },
            None => {
                let own = self.own(id).map_err(|e| self.failed(Direction::To, topic, &e))?;
                let subject = self.common.subjects.name(self.common.failures, topic, own.name.as_deref())?;
                if self.encodings.len() >= self.schemas_max {
                    self.encodings.clear();
                }
                self.encodings.push(Encoding { topic: topic.into(), schema: id, own, subject, id: None });
                self.encodings.len() - 1
            }
        };
        let encoding = &self.encodings[place];
        let own = Own { text: &encoding.own.text, references: &[], parsed: &encoding.own.parsed };
        let registered = self.common.writing.schema_for(&*self.client, self.common.failures, topic, &encoding.subject, own)?;
        if !matches!(registered.parsed, ParsedSchema::Json(_)) {
            let what = Misfit::new("the subject's schema is not of the type JSON");
            return Err(self.failed(Direction::To, topic, &what).into());
        }
        self.encodings[place].id = Some(registered.id);
        Ok((place, registered.id))
    }

    fn decoding(&mut self, topic: &str, id: i32) -> Result<Decoding, NotConverted> {
        if let Some((_, known)) = self.last.as_ref().filter(|(last, _)| *last == id) {
            return Ok(known.clone());
        }
        let known = match self.decodings.get(&id) {
            Some(known) => known.clone(),
            None => {
                let known = self.compiled(topic, id)?;
                if self.decodings.len() >= self.schemas_max {
                    self.decodings.clear();
                }
                self.decodings.insert(id, known.clone());
                known
            }
        };
        self.last = Some((id, known.clone()));
        Ok(known)
    }

    fn compiled(&mut self, topic: &str, id: i32) -> Result<Decoding, NotConverted> {
        let registered = self.common.schema_of(&*self.client, topic, id)?;
        let ParsedSchema::Json(parsed) = &registered.parsed else {
            let found = registered.parsed.schema_type();
            let what = Misfit::new(format!("the schema of id {id} is of the type {found:?}, not of the type Json"));
            return Err(self.failed(Direction::From, topic, &what).into());
        };
        let schema =
            to_connect::schema(parsed, registered.version, &self.options).map_err(|e| self.failed(Direction::From, topic, &e))?;
        let node = Arc::new(Node::for_decoding(&schema, &self.options));
        Ok(Decoding { schema: self.schemas.intern(schema), node })
    }
}

fn read(node: &Node, bytes: &[u8], rows: &mut RowBuf) -> Result<bool, Misfit> {
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| Misfit::new("not JSON: not UTF-8"))?;
    let mut json = Scanner::new(text);
    let there = decode::root(node, &mut json, rows)?;
    json.end()?;
    Ok(there)
}

impl Converter for JsonSchemaConverter {
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<u32>,
        row: Option<Row<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotConverted> {
        let Some(id) = schema else {
            if row.is_none() {
                return Ok(false);
            }
            let what = "data without a schema has no JSON Schema: let the source give it one, or use JsonConverter with \
                        schemas.enable=false";
            return Err(self.failed(Direction::To, topic, &Misfit::new(what)).into());
        };
        let (place, registered) = self.encoding(topic, id)?;
        let start = out.len();
        write_header(registered, out);
        match encode::root(&self.encodings[place].own.node, row, out) {
            Ok(true) => Ok(true),
            Ok(false) => {
                out.truncate(start);
                Ok(false)
            }
            Err(misfit) => {
                out.truncate(start);
                Err(self.failed(Direction::To, topic, &misfit).into())
            }
        }
    }

    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(None) };
        let (id, payload) = read_header(bytes).ok_or_else(|| self.common.failures.no_header(topic, None))?;
        let known = self.decoding(topic, id)?;
        let start = rows.size();
        match read(&known.node, payload, rows) {
            Ok(true) => Ok(Some(Some(known.schema))),
            // Null, as Confluent's converter has it: without a schema.
            Ok(false) => Ok(None),
            Err(misfit) => {
                rows.truncate(start);
                Err(self.failed(Direction::From, topic, &misfit).into())
            }
        }
    }
}
