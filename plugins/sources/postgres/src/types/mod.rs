//! Types of columns: what Connect schema a PostgreSQL type becomes, and how a value in text form is written into a row.

mod array;
mod decimal;
mod defaults;
mod encode;
mod geometry;
mod hstore;
mod mapping;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod time;

use std::fmt;

use millrace_plugin::{RowBuf, RowMark, Schema};

pub use defaults::default_text;
pub use encode::write_bytes;
pub use mapping::value;

/// How one column's values are written.
#[derive(Debug, Clone)]
pub struct Value {
    /// Of a value: required, and without a default.
    pub schema: Schema,
    encoder: encode::Encoder,
}

/// A value that is not as its type has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    /// What was expected: `a date`.
    pub expected: &'static str,
    /// The start of what came.
    pub found: String,
    /// The label that an enum is not known to have, which it may have got since its labels were read.
    pub label: Option<String>,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not {}", self.found, self.expected)
    }
}

impl ValueError {
    fn new(expected: &'static str, text: &[u8]) -> Self {
        ValueError { expected, found: String::from_utf8_lossy(&text[..text.len().min(20)]).into_owned(), label: None }
    }
    fn label(text: &[u8]) -> Self {
        let label = Some(String::from_utf8_lossy(text).into_owned());
        ValueError { label, ..Self::new("a label of its enum", text) }
    }
}

impl Value {
    /// Writes a value, as PostgreSQL prints it, into a slot.
    #[inline]
    pub fn write(&self, rows: &mut RowBuf, row: RowMark, slot: usize, text: &[u8]) -> Result<(), ValueError> {
        self.encoder.write(rows, row, slot, text)
    }
    /// Stands for a large value that the log does not have; null where the type has no stand-in.
    pub fn write_unavailable(&self, rows: &mut RowBuf, row: RowMark, slot: usize, modes: &Modes) {
        self.encoder.write_unavailable(rows, row, slot, modes);
    }
    /// A column's default, from the expression that the catalog has, as JSON. What is computed stands as zero where the
    /// column cannot be null (else nulls would be read as zero), as Debezium has it. None: there is none to name.
    pub fn default_json(&self, expression: &str, required: bool) -> Option<String> {
        defaults::json(self, expression, required)
    }
}

/// How types are mapped, by the options' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    pub decimal: DecimalMode,
    pub time: TimeMode,
    pub binary: BinaryMode,
    pub hstore: HstoreMode,
    pub interval: IntervalMode,
    /// `money.fraction.digits`.
    pub money_digits: u8,
    /// `include.unknown.datatypes`.
    pub unknown: bool,
    /// `unavailable.value.placeholder`.
    pub placeholder: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalMode {
    Precise,
    Double,
    String,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMode {
    Adaptive,
    AdaptiveTimeMicroseconds,
    Connect,
    Isostring,
    Microseconds,
    Nanoseconds,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryMode {
    Bytes,
    Base64,
    Base64UrlSafe,
    Hex,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HstoreMode {
    Json,
    Map,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalMode {
    Numeric,
    String,
}

impl Default for Modes {
    fn default() -> Self {
        Modes {
            decimal: DecimalMode::Precise,
            time: TimeMode::Adaptive,
            binary: BinaryMode::Bytes,
            hstore: HstoreMode::Json,
            interval: IntervalMode::Numeric,
            money_digits: 2,
            unknown: false,
            placeholder: "__debezium_unavailable_value".to_owned(),
        }
    }
}
