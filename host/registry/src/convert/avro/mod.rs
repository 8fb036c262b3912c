//! `io.confluent.connect.avro.AvroConverter`.
//!
//! Schemas are mapped as Confluent's `AvroData` does it and compiled once: the encoder by our schema's id, the decoder by the
//! registry's. After that a record costs its own bytes: no name is looked up, no tree is made.

mod anything;
mod decode;
mod encode;
mod from_avro;
mod names;
mod options;
mod to_avro;
mod value;

use std::sync::Arc;

use millrace_record::convert::{ConvertError, Converter, NotConverted};
use millrace_record::row::{Row, RowBuf};
use millrace_record::{Kind, RawConfig, Schemas};

use self::options::Options;
use super::{Bounded, Common, Compiled, Direction, Own, Place, Settings, Strategy, cache_max, read_header, write_header};
use crate::avro::{self, AvroSchema};
use crate::client::SchemaClient;
use crate::{ParsedSchema, SchemaType};

/// A failure on the way down into a value. A single word, for that of a success is handed up at every value.
#[derive(Debug)]
struct Fault(Box<What>);

/// What failed, and at which path of fields.
#[derive(Debug)]
struct What {
    message: String,
    path: Vec<Box<str>>,
}

impl Fault {
    #[cold]
    fn new(message: impl Into<String>) -> Self {
        Fault(Box::new(What { message: message.into(), path: Vec::new() }))
    }
    #[cold]
    fn null() -> Self {
        Fault::new("Found null value for non-optional schema")
    }
    /// A row that does not have its schema's shape: batches are checked when they enter, so this is our own mistake.
    #[cold]
    fn broken() -> Self {
        Fault::new("the row does not have the shape of its schema")
    }
    #[cold]
    fn short() -> Self {
        Fault::new("the message ends before its schema does")
    }
    #[cold]
    fn int() -> Self {
        Fault::new("Invalid int encoding")
    }
    #[cold]
    fn branch(at: i64) -> Self {
        Fault::new(format!("the union has no branch {at}"))
    }
    #[cold]
    fn within(mut self, field: &str) -> Self {
        self.0.path.push(field.into());
        self
    }
    fn place(&self) -> Option<String> {
        let path: Vec<&str> = self.0.path.iter().rev().map(|p| &**p).collect();
        (!path.is_empty()).then(|| format!("field \"{}\"", path.join(".")))
    }
    fn text(&self) -> String {
        let message = &self.0.message;
        self.place().map_or_else(|| message.clone(), |place| format!("{message}, {place}"))
    }
}

impl From<Fault> for ConvertError {
    fn from(fault: Fault) -> Self {
        let mut error = ConvertError::data(fault.0.message.clone());
        error.cause = fault.place();
        error
    }
}

/// Our schema as Avro's.
struct Mapped {
    text: Arc<str>,
    parsed: ParsedSchema,
    /// The name that strategies of records ask for.
    name: Option<String>,
}

/// A schema compiled for writing under one topic.
struct Encoding {
    /// None: schemaless values.
    node: Option<encode::Node>,
    is_struct: bool,
    /// The root is bytes, which stand as they are.
    bare: bool,
    id: i32,
}

/// A registered schema compiled for reading.
struct Decoding {
    /// None: schemaless values.
    schema: Option<u32>,
    op: decode::Op,
    bare: bool,
}

/// Writes and reads Avro by the schemas of a registry.
pub struct AvroConverter {
    common: Common,
    options: Options,
    client: Arc<dyn SchemaClient>,
    schemas: Arc<Schemas>,
    mapped: Bounded<Option<u32>, Arc<Mapped>>,
    encodings: Compiled<Option<u32>, Encoding>,
    decodings: Compiled<i32, Decoding>,
    /// What a record is written into before it is appended to the others.
    room: Vec<u8>,
}

impl AvroConverter {
    /// `config`: the converter's own settings, without the prefix.
    pub fn new(is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>, client: Arc<dyn SchemaClient>) -> Result<Self, String> {
        let settings = Settings::without_empty(config);
        let max = cache_max(&settings)?;
        Ok(AvroConverter {
            common: Common::new(SchemaType::Avro, is_key, &settings)?,
            client,
            schemas: schemas.clone(),
            mapped: Bounded::new(max),
            encodings: Compiled::new(max),
            decodings: Compiled::new(max),
            options: Options::new(&settings)?,
            room: Vec::new(),
        })
    }

    fn mapped(&mut self, id: Option<u32>) -> Result<Arc<Mapped>, ConvertError> {
        if let Some(mapped) = self.mapped.get(&id) {
            return Ok(mapped.clone());
        }
        let json = match id {
            None => to_avro::anything(),
            Some(id) => {
                let schema = self.schemas.get(id).ok_or_else(|| ConvertError::data(format!("no schema has the id {id}")))?;
                to_avro::to_avro(&schema, &self.options).map_err(ConvertError::data)?
            }
        };
        let parsed = AvroSchema::parse_new(&json.to_string(), &[]).map_err(|e| {
            let remedy = if self.options.scrub { "" } else { "; scrub.invalid.names=true makes names valid" };
            ConvertError::data(format!("the schema cannot be written as Avro: {e}{remedy}"))
        })?;
        let mapped = Arc::new(Mapped {
            text: parsed.canonical().into(),
            name: parsed.name().map(str::to_owned),
            parsed: ParsedSchema::Avro(parsed),
        });
        self.mapped.put(id, mapped.clone());
        Ok(mapped)
    }

    /// The encoder of a schema for a topic. What is not at hand is waited for.
    #[inline]
    fn encoding(&mut self, topic: &str, schema: Option<u32>) -> Result<Place, NotConverted> {
        match self.encodings.find(schema, topic) {
            Some(known) if !self.common.writing.changes() => Ok(known),
            known => self.registered(topic, schema, known),
        }
    }

    /// The encoder with the id that the registry says now.
    #[inline(never)]
    fn registered(&mut self, topic: &str, schema: Option<u32>, known: Option<Place>) -> Result<Place, NotConverted> {
        let mapped = self.mapped(schema)?;
        let failures = self.common.failures;
        let subject = self.common.subjects.name(failures, topic, mapped.name.as_deref())?;
        let own = Own { text: &mapped.text, references: &[], parsed: &mapped.parsed };
        let registered = self.common.writing.schema_for(&*self.client, failures, topic, &subject, own)?;
        if let Some(known) = known.filter(|k| self.encodings[*k].id == registered.id) {
            return Ok(known);
        }
        let parsed = if self.common.writing.is_own() { &mapped.parsed } else { &registered.parsed };
        let fail = |why: &str| failures.because(Direction::To, topic, "Error serializing Avro message", why);
        let ParsedSchema::Avro(avro) = parsed else {
            return Err(fail(&format!("the schema of id {} is not Avro", registered.id)).into());
        };
        let (node, is_struct) = match schema {
            None => (None, false),
            Some(id) => {
                let of = self.schemas.get(id).ok_or_else(|| ConvertError::data(format!("no schema has the id {id}")))?;
                (Some(encode::compile(&of, avro, &self.options).map_err(|e| fail(&e))?), of.kind == Kind::Struct)
            }
        };
        let bare = *avro.kind(avro.root()) == avro::Kind::Bytes;
        Ok(self.encodings.put(schema, topic, Encoding { node, is_struct, bare, id: registered.id }))
    }

    #[inline]
    fn decoding(&mut self, topic: &str, id: i32) -> Result<Place, NotConverted> {
        match self.decodings.find(id, topic) {
            Some(known) => Ok(known),
            None => self.found(topic, id),
        }
    }

    /// The decoder of a schema that was not met before.
    #[inline(never)]
    fn found(&mut self, topic: &str, id: i32) -> Result<Place, NotConverted> {
        let registered = self.common.schema_of(&*self.client, topic, id)?;
        let failures = self.common.failures;
        let what = format!("Error deserializing Avro message for id {id}");
        let ParsedSchema::Avro(avro) = &registered.parsed else {
            let why = format!("its schema is not Avro but {:?}", registered.parsed.schema_type());
            return Err(failures.because(Direction::From, topic, &what, &why).into());
        };
        let made = match avro.name() == Some(names::ANYTHING) && is_anything(avro) {
            true => Decoding { schema: None, op: decode::Op::Null, bare: false },
            false => {
                // Of the strategies by record the subject is not known, nor is the version in it.
                let version = registered.version.filter(|_| self.common.subjects.strategy() == Strategy::Topic);
                let schema = from_avro::to_connect(avro, version, &self.options).map_err(ConvertError::data)?;
                let op = decode::compile(avro, &schema).map_err(ConvertError::data)?;
                let bare = *avro.kind(avro.root()) == avro::Kind::Bytes;
                Decoding { schema: Some(self.schemas.intern(schema)), op, bare }
            }
        };
        Ok(self.decodings.put(id, topic, made))
    }
}

fn is_anything(avro: &AvroSchema) -> bool {
    AvroSchema::parse(&to_avro::anything().to_string(), &[]).is_ok_and(|a| a.canonical() == avro.canonical())
}

impl Converter for AvroConverter {
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<u32>,
        row: Option<Row<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotConverted> {
        let Some(row) = row.filter(|row| schema.is_some() || !row.is_null(0)) else {
            let required = schema.and_then(|id| self.schemas.get(id)).is_some_and(|s| !s.optional);
            return if required { Err(ConvertError::from(Fault::null()).into()) } else { Ok(false) };
        };
        if schema.is_none() && row.get_bytes(0) == b"null" {
            return Ok(false);
        }
        let place = self.encoding(topic, schema)?;
        let encoding = &self.encodings[place];
        if !encoding.is_struct && row.is_null(0) {
            let optional = schema.and_then(|id| self.schemas.get(id)).is_some_and(|s| s.optional);
            return if optional { Ok(false) } else { Err(ConvertError::from(Fault::null()).into()) };
        }
        let start = out.len();
        write_header(encoding.id, out);
        let done = match &encoding.node {
            Some(node) => encode::root(node, encoding.is_struct, encoding.bare, &row, &mut self.room, out),
            None => encode::schemaless(row.get_bytes(0), out),
        };
        done.map(|()| true).map_err(|fault| {
            out.truncate(start);
            ConvertError::from(fault).into()
        })
    }

    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        let Some(bytes) = bytes else { return Ok(None) };
        let failures = self.common.failures;
        let Some((id, rest)) = read_header(bytes) else { return Err(failures.no_header(topic, None).into()) };
        let place = self.decoding(topic, id)?;
        let decoding = &self.decodings[place];
        let start = rows.size();
        let mut input = decode::Input(rest);
        let read = match decoding.schema {
            Some(_) => decode::root(&decoding.op, decoding.bare, &mut input, rows).map(drop),
            None => {
                let row = rows.begin(1);
                let mut read = Ok(());
                rows.bytes_with(row, 0, |out| read = anything::decode(&mut input, out, 0));
                read
            }
        };
        let read = read.and_then(|()| match input.0.is_empty() {
            true => Ok(()),
            false => Err(Fault::new("Trailing data found after deserializing Avro message")),
        });
        if let Err(fault) = read {
            rows.truncate(start);
            let what = format!("Error deserializing Avro message for id {id}");
            return Err(failures.because(Direction::From, topic, &what, &fault.text()).into());
        }
        Ok(Some(decoding.schema))
    }
}

#[cfg(test)]
mod tests;
