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
mod validate;

use std::sync::Arc;

use millrace_record::convert::{ConvertError, Converter, NotConverted};
use millrace_record::json_text::Scanner;
use millrace_record::row::{Row, RowBuf};
use millrace_record::{RawConfig, Schemas};

use self::options::Options;
use self::plan::Node;
use self::validate::Validator;
use super::misfit::Misfit;
use super::{Bounded, Common, Compiled, Direction, HEADER, Own, Place, Settings, cache_max, read_header, write_header};
use crate::client::SchemaClient;
use crate::json_schema::JsonSchema;
use crate::{ParsedSchema, SchemaType};

pub struct JsonSchemaConverter {
    common: Common,
    options: Options,
    schemas: Arc<Schemas>,
    client: Arc<dyn SchemaClient>,
    /// By Connect's schema.
    owns: Bounded<u32, Arc<OwnSchema>>,
    encodings: Compiled<u32, Encoding>,
    /// By the header's id.
    decodings: Compiled<i32, Decoding>,
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
    own: Arc<OwnSchema>,
    /// The registry's.
    id: i32,
    /// `json.fail.invalid.schema`: of the schema that records are written with.
    validator: Option<Validator>,
}

/// How records of one schema are read.
struct Decoding {
    schema: u32,
    node: Node,
    /// `json.fail.invalid.schema`
    validator: Option<Validator>,
}

impl JsonSchemaConverter {
    /// `config` is the converter's own, without its prefix.
    pub fn new(is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>, client: Arc<dyn SchemaClient>) -> Result<Self, String> {
        let settings = Settings::without_empty(config);
        let max = cache_max(&settings)?;
        Ok(JsonSchemaConverter {
            common: Common::new(SchemaType::Json, is_key, &settings)?,
            options: Options::new(&settings)?,
            schemas: schemas.clone(),
            client,
            owns: Bounded::new(max),
            encodings: Compiled::new(max),
            decodings: Compiled::new(max),
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
        self.owns.put(id, own.clone());
        Ok(own)
    }

    /// How records are written, with the id that the registry says now.
    fn encoding(&mut self, topic: &str, id: u32) -> Result<Place, NotConverted> {
        let known = self.encodings.find(id, topic);
        if let Some(known) = known
            && !self.common.writing.changes()
        {
            return Ok(known);
        }
        let own = self.own(id).map_err(|e| self.failed(Direction::To, topic, &e))?;
        let subject = self.common.subjects.name(self.common.failures, topic, own.name.as_deref())?;
        let ours = Own { text: &own.text, references: &[], parsed: &own.parsed };
        let registered = self.common.writing.schema_for(&*self.client, self.common.failures, topic, &subject, ours)?;
        if let Some(known) = known.filter(|k| self.encodings[*k].id == registered.id) {
            return Ok(known);
        }
        let by = if self.common.writing.is_own() { &own.parsed } else { &registered.parsed };
        let (ParsedSchema::Json(by), ParsedSchema::Json(_)) = (by, &registered.parsed) else {
            let what = Misfit::new("the subject's schema is not of the type JSON");
            return Err(self.failed(Direction::To, topic, &what).into());
        };
        let validator = self.validator(by).map_err(|e| self.failed(Direction::To, topic, &e))?;
        Ok(self.encodings.put(id, topic, Encoding { own, id: registered.id, validator }))
    }

    fn validator(&self, of: &JsonSchema) -> Result<Option<Validator>, Misfit> {
        self.options.validate.then(|| Validator::new(of)).transpose()
    }

    fn decoding(&mut self, topic: &str, id: i32) -> Result<Place, NotConverted> {
        if let Some(known) = self.decodings.find(id, topic) {
            return Ok(known);
        }
        let made = self.compiled(topic, id)?;
        Ok(self.decodings.put(id, topic, made))
    }

    fn compiled(&self, topic: &str, id: i32) -> Result<Decoding, NotConverted> {
        let registered = self.common.schema_of(&*self.client, topic, id)?;
        let ParsedSchema::Json(parsed) = &registered.parsed else {
            let found = registered.parsed.schema_type();
            let what = Misfit::new(format!("the schema of id {id} is of the type {found:?}, not of the type Json"));
            return Err(self.failed(Direction::From, topic, &what).into());
        };
        let schema =
            to_connect::schema(parsed, registered.version, &self.options).map_err(|e| self.failed(Direction::From, topic, &e))?;
        let node = Node::for_decoding(&schema, &self.options);
        let validator = self.validator(parsed).map_err(|e| self.failed(Direction::From, topic, &e))?;
        Ok(Decoding { schema: self.schemas.intern(schema), node, validator })
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
        let place = self.encoding(topic, id)?;
        let encoding = &self.encodings[place];
        let start = out.len();
        write_header(encoding.id, out);
        let written = encode::root(&encoding.own.node, row, out).and_then(|there| {
            if let (true, Some(validator)) = (there, &encoding.validator) {
                validator.check(&out[start + HEADER..])?;
            }
            Ok(there)
        });
        match written {
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
        let place = self.decoding(topic, id)?;
        let known = &self.decodings[place];
        let start = rows.size();
        let valid = known.validator.as_ref().map_or(Ok(()), |v| v.check(payload));
        match valid.and_then(|()| read(&known.node, payload, rows)) {
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
