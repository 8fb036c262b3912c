//! `io.confluent.connect.protobuf.ProtobufConverter`: Protobuf with the wire format's header and message indexes.
//!
//! A schema is compiled once into a walk over the row or over the bytes: when encoding by the schema's id together with the
//! descriptor that a registry has for it, when decoding by the header's id and indexes. After that a record costs its own bytes.

mod decode;
mod encode;
mod from_connect;
mod json;
mod names;
mod options;
mod plan;
mod scalar;
#[cfg(test)]
mod tests;
mod to_connect;
mod wire;

use std::sync::Arc;

use millrace_record::convert::{ConvertError, Converter, NotConverted};
use millrace_record::row::{Row, RowBuf};
use millrace_record::{RawConfig, Schema, Schemas};
use prost_reflect::MessageDescriptor;

use self::options::Options;
use super::misfit::Misfit;
use super::{Bounded, Common, Compiled, Direction, Own, Place, Settings, cache_max, read_header, write_header};
use crate::client::SchemaClient;
use crate::protobuf::ProtobufSchema;
use crate::{ParsedSchema, SchemaType};

/// How many prefixes are compared before a header is looked up: a topic carries few schemas at a time.
const RECENT: usize = 8;

pub struct ProtobufConverter {
    common: Common,
    options: Options,
    schemas: Arc<Schemas>,
    client: Arc<dyn SchemaClient>,
    /// By Connect's schema.
    owns: Bounded<u32, Arc<OwnSchema>>,
    encodings: Compiled<u32, Encoding>,
    recent: Vec<Decoding>,
    decodings: Bounded<(i32, Vec<i32>), Decoding>,
}

/// Connect's schema as Protobuf.
struct OwnSchema {
    connect: Arc<Schema>,
    text: Arc<str>,
    /// The full name of the root message.
    message: String,
    parsed: ParsedSchema,
}

/// How records of one schema are written into one topic.
struct Encoding {
    /// The registry's.
    id: i32,
    /// Header and message indexes.
    prefix: Vec<u8>,
    root: encode::Root,
}

/// How records of one message are read.
#[derive(Clone)]
struct Decoding {
    /// Header and message indexes as they stand.
    prefix: Arc<[u8]>,
    schema: u32,
    root: Arc<plan::Root>,
}

impl ProtobufConverter {
    /// `config` is the converter's own, without its prefix.
    pub fn new(is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>, client: Arc<dyn SchemaClient>) -> Result<Self, String> {
        let settings = Settings::without_empty(config);
        let max = cache_max(&settings)?;
        Ok(ProtobufConverter {
            common: Common::new(SchemaType::Protobuf, is_key, &settings)?,
            options: Options::new(&settings)?,
            schemas: schemas.clone(),
            client,
            owns: Bounded::new(max),
            encodings: Compiled::new(max),
            recent: Vec::new(),
            decodings: Bounded::new(max),
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
        let file = from_connect::file(&connect, &self.options)?;
        let parsed = ProtobufSchema::parse(&file.text, &[]).map_err(|e| {
            Misfit::new(format!("Connect's schema makes no schema in Protobuf: {e}: scrub.invalid.names may help"))
        })?;
        let own = Arc::new(OwnSchema {
            connect,
            text: parsed.canonical().into(),
            message: file.message,
            parsed: ParsedSchema::Protobuf(parsed),
        });
        self.owns.put(id, own.clone());
        Ok(own)
    }

    /// How records are written, with what the registry says of it now.
    fn encoding(&mut self, topic: &str, id: u32) -> Result<Place, NotConverted> {
        let known = self.encodings.find(id, topic);
        if let Some(known) = known
            && !self.common.writing.changes()
        {
            return Ok(known);
        }
        let own = self.own(id).map_err(|e| self.failed(Direction::To, topic, &e))?;
        let subject = self.common.subjects.name(self.common.failures, topic, Some(&own.message))?;
        let ours = Own { text: &own.text, references: &[], parsed: &own.parsed };
        let registered = self.common.writing.schema_for(&*self.client, self.common.failures, topic, &subject, ours)?;
        if let Some(known) = known.filter(|k| self.encodings[*k].id == registered.id) {
            return Ok(known);
        }
        let written_by = if self.common.writing.is_own() { &own.parsed } else { &registered.parsed };
        let (indexes, root) =
            self.target(&own, written_by).map_err(|e| NotConverted::from(self.failed(Direction::To, topic, &e)))?;
        let mut prefix = Vec::new();
        write_header(registered.id, &mut prefix);
        wire::put_indexes(&indexes, &mut prefix);
        Ok(self.encodings.put(id, topic, Encoding { id: registered.id, prefix, root }))
    }

    /// The message of `by` that rows of `own` are written as: the one of its full name, of its short one, or the only one.
    fn target(&self, own: &OwnSchema, by: &ParsedSchema) -> Result<(Vec<i32>, encode::Root), Misfit> {
        let ParsedSchema::Protobuf(by) = by else {
            return Err(Misfit::new("the subject's schema is not of the type PROTOBUF"));
        };
        let short = own.message.rsplit('.').next().unwrap_or(&own.message);
        let mut messages = by.file().messages();
        let message: Option<MessageDescriptor> = by
            .message_named(&own.message)
            .or_else(|| by.file().messages().find(|m| m.name() == short))
            .or_else(|| messages.next());
        let message = message.ok_or_else(|| Misfit::new("the subject's schema has no message"))?;
        let root = encode::compile(&own.connect, &message, &self.options)?;
        Ok((by.indexes(message.full_name()).unwrap_or_else(|| vec![0]), root))
    }

    /// The schema that a record of `topic` begins with, and what stands behind its prefix.
    fn decoding<'a>(&mut self, topic: &str, bytes: &'a [u8]) -> Result<(Decoding, &'a [u8]), NotConverted> {
        if let Some(i) = self.recent.iter().position(|d| bytes.starts_with(&d.prefix)) {
            self.recent.swap(0, i);
            let known = self.recent[0].clone();
            let rest = &bytes[known.prefix.len()..];
            return Ok((known, rest));
        }
        let failures = self.common.failures;
        let (id, behind) = read_header(bytes).ok_or_else(|| failures.no_header(topic, None))?;
        let mut reader = wire::Reader::new(behind);
        let indexes = wire::indexes(&mut reader).map_err(|e| self.failed(Direction::From, topic, &e))?;
        let prefix = &bytes[..bytes.len() - reader.rest().len()];
        let known = match self.decodings.get(&(id, indexes.clone())) {
            Some(known) => known.clone(),
            None => {
                let known = self.compiled(topic, id, &indexes, prefix)?;
                self.decodings.put((id, indexes), known.clone());
                known
            }
        };
        let known = Decoding { prefix: prefix.into(), ..known };
        self.recent.truncate(RECENT - 1);
        self.recent.insert(0, known.clone());
        Ok((known, reader.rest()))
    }

    fn compiled(&mut self, topic: &str, id: i32, indexes: &[i32], prefix: &[u8]) -> Result<Decoding, NotConverted> {
        let registered = self.common.schema_of(&*self.client, topic, id)?;
        let fail = |what: String| self.failed(Direction::From, topic, &Misfit::new(what));
        let ParsedSchema::Protobuf(parsed) = &registered.parsed else {
            let found = registered.parsed.schema_type();
            return Err(fail(format!("the schema of id {id} is of the type {found:?}, not of the type Protobuf")).into());
        };
        let message = parsed
            .message(indexes)
            .ok_or_else(|| fail(format!("Invalid message indexes: the schema of id {id} has no message at {indexes:?}")))?;
        let (schema, root) = to_connect::compile(&message, registered.version, &self.options)
            .map_err(|e| self.failed(Direction::From, topic, &e))?;
        Ok(Decoding { prefix: prefix.into(), schema: self.schemas.intern(schema), root: Arc::new(root) })
    }
}

impl Converter for ProtobufConverter {
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<u32>,
        row: Option<Row<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotConverted> {
        let Some(row) = row else { return Ok(false) };
        let Some(id) = schema else {
            let what = "data without a schema cannot be Protobuf: let the source give it one, or use JsonConverter with \
                        schemas.enable=false";
            return Err(self.failed(Direction::To, topic, &Misfit::new(what)).into());
        };
        let place = self.encoding(topic, id)?;
        let encoding = &self.encodings[place];
        let start = out.len();
        out.extend_from_slice(&encoding.prefix);
        encode::root(&encoding.root, &row, out).map(|()| true).map_err(|misfit| {
            out.truncate(start);
            self.failed(Direction::To, topic, &misfit).into()
        })
    }

    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(None) };
        let (known, payload) = self.decoding(topic, bytes)?;
        let start = rows.size();
        decode::root(&known.root, payload, rows).map_err(|misfit| {
            rows.truncate(start);
            self.failed(Direction::From, topic, &misfit)
        })?;
        Ok(Some(Some(known.schema)))
    }
}
