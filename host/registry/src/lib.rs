//! Schemas as a Schema Registry keeps them: the three formats with their compatibility rules and differences, the converters
//! that write and read records by them, the client of a registry and the embedded one.
//!
//! No WebAssembly and no Kafka client: the embedded registry keeps its state in a log that the worker gives it.

pub mod avro;
pub mod client;
pub mod compatibility;
pub mod convert;
pub mod json_schema;
pub mod protobuf;
mod schema;
pub mod server;

pub use schema::{
    Change, ChangeKind, Dependency, Incompatibility, InvalidSchema, ParsedSchema, READER, Reference, SchemaType, WRITER,
};
