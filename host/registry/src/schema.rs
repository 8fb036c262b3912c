//! A schema of any of the three formats: parsed once, compared many times.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{avro, json_schema, protobuf};

/// `schemaType` in the registry's API, where AVRO is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchemaType {
    #[default]
    Avro,
    Json,
    Protobuf,
}

/// A reference as it stands in a registered schema: `name` is what the schema calls it (a full name in Avro, a URI in JSON
/// Schema, the path of an import in Protobuf).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    pub name: String,
    pub subject: String,
    pub version: i32,
}

/// A reference with the text behind it. In lists each stands after those that it needs itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    pub name: String,
    pub text: Arc<str>,
}

/// A text that is no schema of its format, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSchema(pub String);

/// Where a description names the schema that reads: `new` or `old`, by the direction that is asked for.
pub const READER: &str = "{reader}";
/// Where a description names the schema that wrote.
pub const WRITER: &str = "{writer}";

/// One reason why data of one schema cannot be read by another, in the words of Confluent's registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// `READER_FIELD_MISSING_DEFAULT_VALUE`, `PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL`, `MESSAGE_REMOVED`, ...
    pub kind: &'static str,
    /// Where in the schema: `/fields/1/type`, `#/properties/a`, `#/Message/1`.
    pub path: String,
    /// A sentence for people. `cannot_read` of the formats puts [`READER`] and [`WRITER`] where the sentence says which of the two
    /// schemas it means; what [`Level::violations`](crate::compatibility::Level::violations) gives has `new` and `old` there.
    pub description: String,
    /// Further facts, as `additionalInfo` has them; may be empty.
    pub additional: String,
}

/// What happened to one place of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    Renamed,
    TypeChanged,
    DefaultChanged,
    DocChanged,
    Reordered,
}

/// One difference of two schemas, for people: which field, what happened, what stood there and what stands there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Dotted from the root: `address.street`; empty for the schema itself.
    pub path: String,
    pub kind: ChangeKind,
    /// As short text: `int`, `union<null, string> = null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A schema of one of the formats.
#[derive(Debug, Clone)]
pub enum ParsedSchema {
    Avro(avro::AvroSchema),
    Json(json_schema::JsonSchema),
    Protobuf(protobuf::ProtobufSchema),
}

impl ParsedSchema {
    pub fn parse(of: SchemaType, text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        Ok(match of {
            SchemaType::Avro => ParsedSchema::Avro(avro::AvroSchema::parse(text, dependencies)?),
            SchemaType::Json => ParsedSchema::Json(json_schema::JsonSchema::parse(text, dependencies)?),
            SchemaType::Protobuf => ParsedSchema::Protobuf(protobuf::ProtobufSchema::parse(text, dependencies)?),
        })
    }

    /// The same for a schema that is to be registered, of which more is asked than of one that is there already: in Avro its names
    /// and defaults.
    pub fn parse_new(of: SchemaType, text: &str, dependencies: &[Dependency]) -> Result<Self, InvalidSchema> {
        match of {
            SchemaType::Avro => Ok(ParsedSchema::Avro(avro::AvroSchema::parse_new(text, dependencies)?)),
            SchemaType::Json | SchemaType::Protobuf => ParsedSchema::parse(of, text, dependencies),
        }
    }

    pub fn schema_type(&self) -> SchemaType {
        match self {
            ParsedSchema::Avro(_) => SchemaType::Avro,
            ParsedSchema::Json(_) => SchemaType::Json,
            ParsedSchema::Protobuf(_) => SchemaType::Protobuf,
        }
    }

    /// The text that a registry stores and answers, by which two schemas are the same without `normalize`.
    pub fn canonical(&self) -> String {
        match self {
            ParsedSchema::Avro(s) => s.canonical(),
            ParsedSchema::Json(s) => s.canonical(),
            ParsedSchema::Protobuf(s) => s.canonical(),
        }
    }

    /// The text with everything in its one order, by which two schemas are the same with `normalize`.
    pub fn normalized(&self) -> String {
        match self {
            ParsedSchema::Avro(s) => s.normalized(),
            ParsedSchema::Json(s) => s.normalized(),
            ParsedSchema::Protobuf(s) => s.normalized(),
        }
    }

    /// Why data written with `writer` cannot be read with this schema; empty where it can.
    pub fn cannot_read(&self, writer: &ParsedSchema) -> Vec<Incompatibility> {
        match (self, writer) {
            (ParsedSchema::Avro(r), ParsedSchema::Avro(w)) => avro::cannot_read(r, w),
            (ParsedSchema::Json(r), ParsedSchema::Json(w)) => json_schema::cannot_read(r, w),
            (ParsedSchema::Protobuf(r), ParsedSchema::Protobuf(w)) => protobuf::cannot_read(r, w),
            _ => vec![Incompatibility {
                kind: "INCOMPATIBLE_TYPE",
                path: "/".into(),
                description: "Incompatible because of different schema type".into(),
                additional: String::new(),
            }],
        }
    }

    /// What differs from `before`, field by field.
    pub fn changes_since(&self, before: &ParsedSchema) -> Vec<Change> {
        match (before, self) {
            (ParsedSchema::Avro(b), ParsedSchema::Avro(a)) => avro::changes(b, a),
            (ParsedSchema::Json(b), ParsedSchema::Json(a)) => json_schema::changes(b, a),
            (ParsedSchema::Protobuf(b), ParsedSchema::Protobuf(a)) => protobuf::changes(b, a),
            (b, a) => vec![Change {
                path: String::new(),
                kind: ChangeKind::TypeChanged,
                before: Some(format!("{:?}", b.schema_type())),
                after: Some(format!("{:?}", a.schema_type())),
            }],
        }
    }
}
