//! Records as Java prints them, for errors that show one.

use millrace_record::row::{Record, Row};
use millrace_record::{Schemas, java};
use serde_json::Value;

use super::rows::schema_text;
use super::scalar::Scalar;

/// `ConnectRecord.toString`, and before it what a sink's record says of its own.
pub fn record(record: &Record<'_>, topic: &str, schemas: &Schemas) -> String {
    let or_null = |n: Option<i64>| n.map_or("null".to_owned(), |n| n.to_string());
    let partition = or_null(record.partition().map(i64::from));
    let (timestamp, mut out) = (record.timestamp(), String::new());
    if let Some(offset) = record.offset() {
        let kind = if timestamp.is_some() { "CreateTime" } else { "NoTimestampType" };
        out = format!(
            "SinkRecord{{kafkaOffset={offset}, timestampType={kind}, originalTopic={topic}, originalKafkaPartition={partition}, originalKafkaOffset={offset}}} "
        );
    }
    let (key, key_schema) = part(record.key_schema(), record.key(), schemas);
    let (value, value_schema) = part(record.value_schema(), record.value(), schemas);
    let headers: Vec<String> = record
        .headers()
        .map(|h| {
            let (value, schema) = part(h.schema, h.value, schemas);
            format!("ConnectHeader(key={}, value={value}, schema={schema})", h.name)
        })
        .collect();
    let headers = if headers.is_empty() { String::new() } else { format!("[{}]", headers.join(", ")) };
    out + &format!(
        "ConnectRecord{{topic='{topic}', kafkaPartition={partition}, key={key}, keySchema={key_schema}, value={value}, valueSchema={value_schema}, timestamp={}, headers=ConnectHeaders(headers={headers})}}",
        or_null(timestamp)
    )
}

/// A value and its schema.
fn part(schema: Option<u32>, row: Option<Row<'_>>, schemas: &Schemas) -> (String, String) {
    let schema = schema.and_then(|id| schemas.get(id));
    let printed = schema.as_deref().map_or("null".to_owned(), schema_text);
    let value = match (&schema, row) {
        (_, None) => "null".to_owned(),
        (Some(schema), Some(row)) => {
            let mut out = Vec::new();
            java::to_string(Some(schema), &row, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
        (None, Some(row)) => serde_json::from_str(row.text(0)).map_or_else(|_| row.text(0).to_owned(), |v| free(&v)),
    };
    (value, printed)
}

/// A value without a schema.
fn free(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(free).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            hash_order(&mut entries, |(name, _)| name);
            let entries: Vec<_> = entries.into_iter().map(|(name, value)| format!("{name}={}", free(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => Scalar::of_json(scalar).map_or_else(String::new, |s| s.to_java()),
    }
}

/// Puts things into the order in which Java's `HashMap` has them by name: that of its buckets, which are a power of two. Where
/// several are wrong, it says which Connect comes to first.
pub fn hash_order<T>(things: &mut [T], name: impl Fn(&T) -> &str) {
    let buckets = (things.len() * 4).div_ceil(3).next_power_of_two().max(16) as u32;
    things.sort_by_key(|thing| {
        let hash = name(thing).encode_utf16().fold(0u32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
}
