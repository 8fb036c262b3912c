//! The default of a schema as an SQL expression, for columns that are made or added.

use data_encoding::{BASE64, HEXLOWER};
use millrace_plugin::postgres::quote_literal;
use millrace_plugin::{Kind, Schema};
use serde_json::Value;

use crate::types::{Meaning, meaning};
use crate::{numeric, time};

/// None: the schema has no default, or one that has no form in SQL.
pub fn expression(schema: &Schema) -> Option<String> {
    let default: Value = serde_json::from_str(schema.default.as_deref()?).ok()?;
    if default.is_null() {
        return None;
    }
    let bytes = || BASE64.decode(default.as_str()?.as_bytes()).ok();
    Some(match meaning(schema) {
        Meaning::Bool => default.as_bool()?.to_string(),
        Meaning::Int => default.as_i64()?.to_string(),
        Meaning::Float => match &default {
            Value::Number(n) => n.to_string(),
            // NaN and the infinities have no form in JSON's numbers.
            Value::String(s) => quote_literal(s),
            _ => return None,
        },
        Meaning::Text | Meaning::Json | Meaning::Zoned => quote_literal(default.as_str()?),
        Meaning::Bytes => quote_literal(&format!("\\x{}", HEXLOWER.encode(&bytes()?))),
        Meaning::Decimal(scale) => match &default {
            Value::Number(n) => n.to_string(),
            _ => numeric::text(&bytes()?, scale),
        },
        Meaning::Date => quote_literal(&time::date_text(default.as_i64()?)?),
        Meaning::Time(unit) => quote_literal(&time::time_text(unit.micros(default.as_i64()?)?)?),
        Meaning::Timestamp(unit) => quote_literal(&time::timestamp_text(unit.micros(default.as_i64()?)?)?),
        Meaning::Duration(unit) => format!("'{} microseconds'", unit.micros(default.as_i64()?)?),
        Meaning::Bits(length) => {
            let le = bytes()?;
            let bit = |i: u32| le.get(i as usize / 8).is_some_and(|b| b >> (i % 8) & 1 == 1);
            let digits: String = (0..length).rev().map(|i| if bit(i) { '1' } else { '0' }).collect();
            format!("B'{digits}'")
        }
        Meaning::Map | Meaning::Tree => quote_literal(&default.to_string()),
        // An array's elements have their own forms; the empty one has one for all.
        Meaning::List => match (&default, schema.element.as_ref().map(|e| e.kind)) {
            (Value::Array(list), Some(Kind::Struct | Kind::List | Kind::Map | Kind::Any)) if list.is_empty() => "'[]'".to_owned(),
            (Value::Array(list), _) if list.is_empty() => "'{}'".to_owned(),
            _ => return None,
        },
        Meaning::VariableDecimal | Meaning::Point => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_every_kind() {
        let check = |schema: Schema, json: &str, sql: Option<&str>| {
            assert_eq!(expression(&schema.default_json(json)).as_deref(), sql, "{json}");
        };
        check(Schema::int32(), "5", Some("5"));
        check(Schema::boolean(), "true", Some("true"));
        check(Schema::text(), "\"it's\"", Some("'it''s'"));
        check(Schema::text().optional(), "null", None);
        check(Schema::float64(), "1.5", Some("1.5"));
        let decimal = Schema::bytes().named("org.apache.kafka.connect.data.Decimal").parameter("scale", "2");
        check(decimal, "\"MDk=\"", Some("123.45"));
        check(Schema::int32().named("io.debezium.time.Date"), "19000", Some("'2022-01-08'"));
        check(Schema::int64().named("io.debezium.time.MicroTimestamp"), "5", Some("'1970-01-01 00:00:00.000005'"));
        check(Schema::bytes().named("io.debezium.data.Bits").parameter("length", "5"), "\"FQ==\"", Some("B'10101'"));
        check(Schema::bytes(), "\"AP8=\"", Some(" E'\\\\x00ff'"));
        check(Schema::list(Schema::text()), "[]", Some("'{}'"));
        check(Schema::list(Schema::text()), "[\"a\"]", None);
        check(Schema::int32(), "\"no number\"", None);
    }
}
