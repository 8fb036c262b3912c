//! Types of columns: what Connect schema a PostgreSQL type becomes, and how a value in text form is written into a row.

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
