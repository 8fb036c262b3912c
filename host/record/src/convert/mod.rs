//! Converters: bytes of the log to rows and back.

use std::sync::Arc;

use millrace_row::{Row, RowBuf};

use crate::{RawConfig, Schemas};

/// A key, value or header that cannot be converted: a data error of this one record.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ConvertError {
    /// The exception that Connect would name in `__connect.errors.exception.class.name`.
    pub class: &'static str,
    pub message: String,
}

impl ConvertError {
    pub fn data(message: impl Into<String>) -> Self {
        ConvertError { class: "org.apache.kafka.connect.errors.DataException", message: message.into() }
    }
}

/// One of Connect's converters, for keys or for values. Not shared: each task has its own, with its caches.
pub trait Converter: Send {
    /// Appends the bytes of a key or value to `out`. False: they are null, and `out` is as it was.
    /// `schema` none: schemaless, `row` is one slot of JSON text.
    fn encode(&mut self, topic: &str, schema: Option<u32>, row: Option<Row<'_>>, out: &mut Vec<u8>)
    -> Result<bool, ConvertError>;

    /// Appends a root row to `rows` for the bytes of a key or value, and answers the schema's id (none: schemaless).
    /// The outer none: the value is null and nothing was written. On an error the caller undoes what was appended.
    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, ConvertError>;
}

/// Makes the converter of a class name (`org.apache.kafka.connect.json.JsonConverter`, or its simple name).
/// `config` holds the converter's own keys, without the `key.converter.` prefix.
pub type ConverterFactory =
    fn(class: &str, is_key: bool, config: &RawConfig, schemas: &Arc<Schemas>) -> Result<Box<dyn Converter>, String>;
