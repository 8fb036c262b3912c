//! What `/transforms/try` takes and answers, as the OpenAPI document describes it.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use serde_json::Value;
use utoipa::ToSchema;

use super::schemas::GivenConfig;

/// What to try. Give `records`, or `topic` and `last`.
#[derive(ToSchema)]
pub struct TryRequest {
    /// `transforms.*`, `predicates.*` and converters, as a connector has them; the worker's converters where there are none.
    config: GivenConfig,
    /// At most 1000 records of 4 MiB together.
    #[schema(nullable = false)]
    records: Option<Vec<TryRecord>>,
    /// A topic whose last records are tried.
    #[schema(nullable = false)]
    topic: Option<String>,
    /// How many of them, 10 without it.
    #[schema(nullable = false)]
    last: Option<u32>,
    /// Whether keys and values are shown as `{"schema": ..., "payload": ...}`.
    #[schema(nullable = false)]
    schemas: Option<bool>,
}

/// A record as it would lie in the log. Keys and values are JSON; for a converter that takes no JSON a text is taken as it is.
#[derive(ToSchema)]
pub struct TryRecord {
    #[schema(nullable = false)]
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    timestamp: Option<i64>,
    key: Option<Value>,
    /// The key's bytes, where they are no text.
    #[schema(nullable = false)]
    key_base64: Option<String>,
    value: Option<Value>,
    /// The value's bytes, where they are no text.
    #[schema(nullable = false)]
    value_base64: Option<String>,
    #[schema(nullable = false)]
    headers: Option<Vec<TryHeader>>,
}

#[derive(ToSchema)]
pub struct TryHeader {
    key: String,
    value: Option<Value>,
}

/// What became of a record.
#[derive(ToSchema)]
pub struct TriedRecord {
    /// As the converters read it; absent where they could not.
    #[schema(nullable = false)]
    before: Option<TryRecord>,
    /// What the chain made of it: none where it was filtered or failed, several where it was split.
    #[schema(nullable = false)]
    after: Option<Vec<TryRecord>>,
    #[schema(nullable = false)]
    error: Option<TryError>,
}

#[derive(ToSchema)]
pub struct TryError {
    /// As in Connect's error headers.
    #[schema(nullable = false)]
    stage: Option<String>,
    #[schema(nullable = false)]
    class: Option<String>,
    #[schema(nullable = false)]
    code: Option<String>,
    message: String,
}

/// How long a transform took for all records that reached it.
#[derive(ToSchema)]
pub struct TryStep {
    alias: String,
    class: String,
    records: u64,
    micros: u64,
}

#[derive(ToSchema)]
pub struct TryAnswer {
    records: Vec<TriedRecord>,
    transforms: Vec<TryStep>,
    /// Where a transform failed as a whole, by a trap or a limit.
    #[schema(required)]
    error: Option<TryError>,
}
