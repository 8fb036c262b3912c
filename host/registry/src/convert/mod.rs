//! What the converters of all three formats share: their settings, the subject of a record, the wire format's header, which
//! registered schema a record is written with, and failures in Confluent's words.
//!
//! A converter asks a [`SchemaClient`] and never waits itself: what is not at hand is a [`NotConverted::Wait`].

pub mod avro;
mod cache;
mod failure;
pub mod json_schema;
#[cfg(test)]
mod memory;
mod misfit;
pub mod protobuf;
mod refused;
mod subject;

use std::sync::Arc;

use millrace_record::convert::{ConvertError, NotConverted, Settings};

use self::cache::{Bounded, Compiled, Place, cache_max};
pub use self::failure::{Direction, Failures};
pub use self::json_schema::JsonSchemaConverter;
pub use self::protobuf::ProtobufConverter;
pub use self::subject::{Strategy, Subjects};
use crate::client::{Asked, Registered, Registration, SchemaClient};
use crate::{ParsedSchema, Reference, SchemaType};

/// The first byte of everything that is written by a registered schema.
const MAGIC: u8 = 0;
/// The magic byte and the id.
pub const HEADER: usize = 5;

/// Parameters that mark an enum and a union where `generalized.sum.type.support` makes all formats agree.
const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";

/// Appends the header of the wire format.
#[inline]
pub fn write_header(id: i32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// The id in the header, and what stands behind it. None: the bytes do not begin with one.
#[inline]
pub fn read_header(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    (header[0] == MAGIC).then(|| (i32::from_be_bytes([header[1], header[2], header[3], header[4]]), rest))
}

/// What a converter of one of the formats is made with.
pub struct Common {
    pub is_key: bool,
    pub subjects: Subjects,
    pub writing: Writing,
    pub failures: Failures,
}

impl Common {
    /// Reads the settings that all formats share; `config` is the converter's own, without its prefix.
    pub fn new(of: SchemaType, is_key: bool, settings: &Settings<'_>) -> Result<Self, String> {
        refused::check(is_key, settings)?;
        Ok(Common {
            is_key,
            subjects: Subjects::new(is_key, settings)?,
            writing: Writing::new(settings)?,
            failures: Failures { of, is_key },
        })
    }

    /// The schema behind an id that was read from a record of `topic`; `record` is the name that its schema has, where the
    /// strategy asks for it and it is known.
    pub fn schema_of(&self, client: &dyn SchemaClient, topic: &str, id: i32) -> Result<Arc<Registered>, NotConverted> {
        let subject = self.subjects.to_look_in(topic);
        match client.by_id(id, &subject) {
            Asked::Known(Ok(found)) => Ok(found),
            Asked::Known(Err(no)) => {
                let what = format!("Error retrieving {} {} schema for id {id}", self.failures.format(), self.failures.role());
                Err(self.failures.because(Direction::From, topic, &what, &no.to_string()).into())
            }
            Asked::Wait(wait) => Err(NotConverted::Wait(wait)),
        }
    }
}

/// A schema that a converter made of Connect's.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    pub text: &'a Arc<str>,
    pub references: &'a [Reference],
    pub parsed: &'a ParsedSchema,
}

/// Which registered schema a record is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    from: Source,
    normalize: bool,
    /// `latest.compatibility.strict`, `id.compatibility.strict`: that the found schema must read data of ours.
    latest_strict: bool,
    id_strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// `auto.register.schemas`, which goes before the others.
    Register,
    /// `use.schema.id`.
    Id(i32),
    /// `use.latest.version`.
    Latest,
    LookUp,
}

impl Writing {
    fn new(settings: &Settings<'_>) -> Result<Self, String> {
        let register = settings.boolean("auto.register.schemas", true)?;
        let id = settings.integer("use.schema.id", -1)?;
        let latest = settings.boolean("use.latest.version", false)?;
        let from = match (register, id, latest) {
            (true, ..) => Source::Register,
            (_, 0.., _) => Source::Id(id),
            (.., true) => Source::Latest,
            _ => Source::LookUp,
        };
        Ok(Writing {
            from,
            normalize: settings.boolean("normalize.schemas", false)?,
            latest_strict: settings.boolean("latest.compatibility.strict", true)?,
            id_strict: settings.boolean("id.compatibility.strict", true)?,
        })
    }

    /// Whether the answer for one and the same schema may change with time: it is to be asked for again.
    pub fn changes(&self) -> bool {
        self.from == Source::Latest
    }

    /// Whether records are written with the converter's own schema; else with the one that is found.
    pub fn is_own(&self) -> bool {
        matches!(self.from, Source::Register | Source::LookUp)
    }

    /// The schema that records of `own` are written with into `topic`.
    pub fn schema_for(
        &self,
        client: &dyn SchemaClient,
        failures: Failures,
        topic: &str,
        subject: &str,
        own: Own<'_>,
    ) -> Result<Arc<Registered>, NotConverted> {
        let how = Registration { register: self.from == Source::Register, normalize: self.normalize };
        let asked = match self.from {
            Source::Register | Source::LookUp => client.id_of(subject, failures.of, own.text, own.references, how),
            Source::Id(id) => client.by_id(id, subject),
            Source::Latest => client.latest(subject),
        };
        let found = match asked {
            Asked::Known(Ok(found)) => found,
            Asked::Known(Err(no)) => {
                let format = failures.format();
                let what = match self.from {
                    Source::Register => format!("Error registering {format} schema{}", own.text),
                    Source::Id(id) => format!("Error retrieving schema ID {id}"),
                    Source::Latest => format!("Error retrieving latest version of {format} schema{}", own.text),
                    Source::LookUp => format!("Error retrieving {format} schema{}", own.text),
                };
                return Err(failures.because(Direction::To, topic, &what, &no.to_string()).into());
            }
            Asked::Wait(wait) => return Err(NotConverted::Wait(wait)),
        };
        let strict = match self.from {
            Source::Id(_) => self.id_strict,
            Source::Latest => self.latest_strict,
            _ => false,
        };
        if strict {
            self.must_fit(failures, topic, &found, own)?;
        }
        Ok(found)
    }

    fn must_fit(&self, failures: Failures, topic: &str, found: &Registered, own: Own<'_>) -> Result<(), ConvertError> {
        let Some(why) = found.parsed.cannot_read(own.parsed).into_iter().next() else { return Ok(()) };
        let setting = if matches!(self.from, Source::Id(_)) { "id" } else { "latest" };
        let what = format!(
            "Incompatible schema of type '{}'. Set {setting}.compatibility.strict=false to disable this check.",
            failures.format().to_uppercase()
        );
        Err(failures.because(Direction::To, topic, &what, &format!("{} at {}", why.description, why.path)))
    }
}

#[cfg(test)]
mod tests;
