//! Converters: bytes of the log to rows and back, by Kafka Connect's class names and options.

mod catalog;
mod charset;
mod header;
mod infer;
mod json;
mod literal;
pub(crate) mod logical;
mod plain;
mod registry_options;
mod settings;
mod text;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use millrace_row::{Row, RowBuf};

pub use self::catalog::{BUILT_IN, BuiltIn, SIMPLE_HEADER_CONVERTER};
pub use self::json::{Fitter, default_row, read_text, unfit};
pub use self::logical::Logical;
pub use self::settings::Settings;
pub use self::text::to_string;
use crate::json::Bad;
use crate::{Kind, RawConfig, Schemas};

/// A key, value or header that cannot be converted: a data error of this one record.
#[derive(Debug, Clone)]
pub struct ConvertError {
    /// The exception that Connect would name in `__connect.errors.exception.class.name`.
    pub class: &'static str,
    /// To the letter what Connect says, where it has a text.
    pub message: String,
    /// What Connect says only in the exception behind it, or not at all.
    pub cause: Option<String>,
}

const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

impl std::error::Error for ConvertError {}

impl std::fmt::Display for ConvertError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Texts that end in a colon go on with what is behind them.
        let head = self.message.trim_end_matches([' ', ':']);
        match &self.cause {
            None => f.write_str(head),
            Some(cause) => write!(f, "{head}: {cause}"),
        }
    }
}

impl ConvertError {
    pub fn data(message: impl Into<String>) -> Self {
        ConvertError { class: DATA_EXCEPTION, message: message.into(), cause: None }
    }
    fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// Why a converter has not converted.
pub enum NotConverted {
    /// This key, value or header cannot be.
    Failed(ConvertError),
    /// Nothing is known against it: what the converter needs is not at hand. Ask again once the wait is over.
    Wait(Wait),
}

/// Ends once what was asked for is at hand, or is known not to exist. An error: it cannot be had now, which says nothing of the
/// record; wait with back-off and ask again.
pub type Wait = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

/// What a converter needs cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl std::error::Error for Unavailable {}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for NotConverted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotConverted::Failed(error) => error.fmt(f),
            NotConverted::Wait(_) => f.write_str("Wait"),
        }
    }
}

impl From<ConvertError> for NotConverted {
    fn from(error: ConvertError) -> Self {
        NotConverted::Failed(error)
    }
}

impl From<Fault> for NotConverted {
    fn from(fault: Fault) -> Self {
        NotConverted::Failed(fault.into())
    }
}

impl NotConverted {
    /// For converters that never wait, as those of headers.
    pub fn failed(self) -> ConvertError {
        match self {
            NotConverted::Failed(error) => error,
            NotConverted::Wait(_) => ConvertError::data("the converter waits for what it needs"),
        }
    }
}

/// A failure on the way down into a value: what, and at which path of fields.
#[derive(Debug)]
pub(crate) struct Fault {
    class: &'static str,
    message: String,
    cause: Option<String>,
    path: Vec<Box<str>>,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Self {
        Fault { class: DATA_EXCEPTION, message: message.into(), cause: None, path: Vec::new() }
    }
    /// A schema that Connect's builder of schemas refuses.
    pub fn schema(message: impl Into<String>) -> Self {
        Fault { class: "org.apache.kafka.connect.errors.SchemaBuilderException", ..Fault::new(message) }
    }
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
    /// The text of a failure to read JSON, where it is another.
    pub fn reworded(mut self, unreadable: &str) -> Self {
        if self.message.starts_with("Converting byte[]") {
            self.message = unreadable.into();
        }
        self
    }
    /// To the letter what Connect says.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// A row that does not have its schema's shape: batches are checked when they enter, so this is our own mistake.
    pub fn broken_row() -> Self {
        Fault::new("the row does not have the shape of its schema")
    }
    pub fn within(mut self, field: &str) -> Self {
        self.path.push(field.into());
        self
    }
}

impl From<Bad> for Fault {
    fn from(bad: Bad) -> Self {
        Fault::new("Converting byte[] to Kafka Connect data failed due to serialization error: ").because(bad.to_string())
    }
}

impl From<Fault> for ConvertError {
    fn from(fault: Fault) -> Self {
        let path: Vec<&str> = fault.path.iter().rev().map(|p| &**p).collect();
        let cause = match (fault.cause, path.is_empty()) {
            (cause, true) => cause,
            (None, false) => Some(format!("field \"{}\"", path.join("."))),
            (Some(cause), false) => Some(format!("{cause}, field \"{}\"", path.join("."))),
        };
        ConvertError { class: fault.class, message: fault.message, cause }
    }
}

/// One of Connect's converters, for keys or for values. Not shared: each task has its own, with its caches.
pub trait Converter: Send {
    /// Appends the bytes of a key or value to `out`. False: they are null, and `out` is as it was.
    /// `schema` none: schemaless, `row` is one slot of JSON text.
    fn encode(&mut self, topic: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>)
    -> Result<bool, NotConverted>;

    /// Appends a root row to `rows` for the bytes of a key or value, and answers the schema's id (none: schemaless).
    /// Nothing appended and an id answered: null, of this schema. The outer none: null without one. On an error the caller
    /// undoes what was appended.
    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted>;
}

/// The shape of [`converter`]: what makes a task's converters is given to it, as those of a registry need its client.
pub type ConverterFactory =
    Arc<dyn Fn(&str, bool, &RawConfig, &Arc<Schemas>) -> Result<Box<dyn Converter>, String> + Send + Sync>;

/// Makes the converter of a class name, fully qualified, simple (`JsonConverter`) or its alias (`Json`). `config` holds the converter's own
/// keys, without the `key.converter.` prefix. The error names the class or key, the value and the remedy.
/// `is_key` is for converters that name their schemas after it.
pub fn converter(class: &str, _is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>) -> Result<Box<dyn Converter>, String> {
    let settings = Settings::new(config);
    Ok(match BuiltIn::find(class.trim()).map(BuiltIn::simple) {
        Some("JsonConverter") => Box::new(json::JsonConverter::new(&settings, schemas)?),
        Some("StringConverter") => Box::new(plain::StringConverter::new(&settings, schemas)?),
        Some("ByteArrayConverter") => Box::new(plain::ByteArrayConverter::new(schemas)),
        Some("BooleanConverter") => Box::new(plain::NumberConverter::new(Kind::Boolean, schemas)),
        Some("ShortConverter") => Box::new(plain::NumberConverter::new(Kind::Int16, schemas)),
        Some("IntegerConverter") => Box::new(plain::NumberConverter::new(Kind::Int32, schemas)),
        Some("LongConverter") => Box::new(plain::NumberConverter::new(Kind::Int64, schemas)),
        Some("FloatConverter") => Box::new(plain::NumberConverter::new(Kind::Float32, schemas)),
        Some("DoubleConverter") => Box::new(plain::NumberConverter::new(Kind::Float64, schemas)),
        Some("SimpleHeaderConverter") => Box::new(header::SimpleHeaderConverter::new(schemas)),
        Some("AvroConverter" | "JsonSchemaConverter" | "ProtobufConverter") => {
            return Err(format!("{class} needs a Schema Registry, which is not at hand here"));
        }
        _ => {
            let known: Vec<_> = BUILT_IN.iter().map(BuiltIn::simple).collect();
            return Err(format!("Class {class} could not be found: use one of {}", known.join(", ")));
        }
    })
}

#[cfg(test)]
mod tests;
