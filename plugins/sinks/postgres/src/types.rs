//! Which column a schema makes, and how its values go into a column that exists.

use std::rc::Rc;

use millrace_plugin::{Kind, Schema};

use crate::catalog::Column;
use crate::encode::Encoder;
use crate::time::Unit;

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// What a value is, beyond Connect's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Decimal(i32),
    VariableDecimal,
    Date,
    Time(Unit),
    Timestamp(Unit),
    Zoned,
    Duration(Unit),
    Bits(u32),
    Point,
    Json,
    Map,
    List,
    /// A struct, or a JSON of any shape.
    Tree,
}

pub(crate) fn meaning(schema: &Schema) -> Meaning {
    use Meaning::*;
    let name = schema.name.as_deref().unwrap_or_default();
    let scale = || schema.get("scale").and_then(|s| s.parse().ok()).unwrap_or(0);
    match (schema.kind, name) {
        (Kind::Boolean, _) => Bool,
        (Kind::Int32, "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date") => Date,
        (Kind::Int32, "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time") => Time(Unit::Millis),
        (Kind::Int64, "io.debezium.time.MicroTime") => Time(Unit::Micros),
        (Kind::Int64, "io.debezium.time.NanoTime") => Time(Unit::Nanos),
        (Kind::Int64, "org.apache.kafka.connect.data.Timestamp" | "io.debezium.time.Timestamp") => Timestamp(Unit::Millis),
        (Kind::Int64, "io.debezium.time.MicroTimestamp") => Timestamp(Unit::Micros),
        (Kind::Int64, "io.debezium.time.NanoTimestamp") => Timestamp(Unit::Nanos),
        (Kind::Int64, "io.debezium.time.MicroDuration") => Duration(Unit::Micros),
        (Kind::Int64, "io.debezium.time.NanoDuration") => Duration(Unit::Nanos),
        (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, _) => Int,
        (Kind::Float32 | Kind::Float64, _) => Float,
        (Kind::Text, "io.debezium.time.ZonedTimestamp") => Zoned,
        (Kind::Text, "io.debezium.data.Json") => Json,
        (Kind::Text, _) => Text,
        (Kind::Bytes, DECIMAL) => Decimal(scale()),
        (Kind::Bytes, "io.debezium.data.Bits") => Bits(schema.get("length").and_then(|l| l.parse().ok()).unwrap_or(1)),
        (Kind::Bytes, _) => Bytes,
        (Kind::Struct, "io.debezium.data.VariableScaleDecimal") => VariableDecimal,
        (Kind::Struct, "io.debezium.data.geometry.Point") => Point,
        (Kind::Struct | Kind::Any, _) => Tree,
        (Kind::List, _) => List,
        (Kind::Map, _) => Map,
    }
}

/// The type of the column that auto-creation makes, as Debezium's JDBC sink makes it in PostgreSQL.
pub fn column_type(schema: &Schema) -> Result<String, String> {
    let name = schema.name.as_deref().unwrap_or_default();
    Ok(match meaning(schema) {
        Meaning::Bool => "boolean".into(),
        Meaning::Int => match schema.kind {
            Kind::Int8 | Kind::Int16 => "smallint".into(),
            Kind::Int32 => "integer".into(),
            _ => "bigint".into(),
        },
        Meaning::Float if schema.kind == Kind::Float32 => "real".into(),
        Meaning::Float => "double precision".into(),
        Meaning::Text => match name {
            "io.debezium.time.ZonedTime" => "time(6) with time zone",
            "io.debezium.time.IsoDate" => "date",
            "io.debezium.time.IsoTime" => "time(6) without time zone",
            "io.debezium.time.IsoTimestamp" => "timestamp(6) without time zone",
            "io.debezium.time.Interval" => "interval",
            "io.debezium.data.Uuid" => "uuid",
            "io.debezium.data.Xml" => "xml",
            "io.debezium.data.Ltree" => "ltree",
            "io.debezium.data.Tsvector" => "tsvector",
            _ => return Ok(propagated(schema).unwrap_or_else(|| "text".into())),
        }
        .into(),
        Meaning::Json => "json".into(),
        Meaning::Tree => "jsonb".into(),
        Meaning::Map => "jsonb".into(),
        Meaning::Zoned => "timestamp(6) with time zone".into(),
        Meaning::Bytes => "bytea".into(),
        Meaning::Decimal(scale) => {
            let precision = schema.get("connect.decimal.precision").and_then(|p| p.parse::<i32>().ok()).unwrap_or(38);
            format!("numeric({},{})", precision.max(scale).clamp(1, 1000), scale.max(0))
        }
        // Of no fixed scale: `numeric` alone keeps every digit, where a floating column would not.
        Meaning::VariableDecimal => "numeric".into(),
        Meaning::Date => "date".into(),
        Meaning::Time(_) => "time(6) without time zone".into(),
        Meaning::Timestamp(_) => "timestamp(6) without time zone".into(),
        Meaning::Duration(_) => "interval".into(),
        Meaning::Bits(1) => "bit(1)".into(),
        // A `varbit` says no length of its own values; Debezium gives the column's.
        Meaning::Bits(n) => format!("bit({n})"),
        Meaning::Point => "point".into(),
        Meaning::List => {
            let element = schema.element.as_ref().ok_or("a list without an element's schema")?;
            match meaning(element) {
                Meaning::List | Meaning::Map | Meaning::Tree => "jsonb".into(),
                _ => format!("{}[]", column_type(element)?),
            }
        }
    })
}

/// How values of a schema go into a column. The error says why they cannot.
pub fn encoder(schema: &Rc<Schema>, column: &Column) -> Result<Encoder, String> {
    use Encoder as E;
    use Meaning as M;
    let what = meaning(schema);
    if let (M::List, Some(element)) = (what, &column.element) {
        let inner = schema.element.as_ref().ok_or("a list without an element's schema")?;
        return Ok(E::List(Box::new(encoder(inner, element)?)));
    }
    let ty = column.base.as_str();
    let is_text = matches!(ty, "text" | "varchar" | "bpchar" | "name" | "citext");
    Ok(match (what, ty) {
        (M::Bool, "bool") => E::Bool,
        (M::Bool, "bit" | "varbit") => E::BoolBit,
        (M::Bool, "int2" | "int4" | "int8") => E::Int8,
        (M::Bool, _) if is_text => E::BoolText,
        (M::Int, "int2") => E::Int2,
        (M::Int, "int4") => E::Int4,
        (M::Int, "int8" | "oid" | "bool") => {
            if ty == "bool" {
                E::IntText
            } else {
                E::Int8
            }
        }
        (M::Int, "float4" | "float8") => E::IntFloat8,
        (M::Int, "numeric" | "money") => E::IntNumeric,
        (M::Int, _) if is_text => E::IntText,
        (M::Float, "float4") => E::Float4,
        (M::Float, "float8") => E::Float8,
        (M::Float, "numeric") => E::FloatText,
        (M::Float, _) if is_text => E::FloatText,
        (M::Text | M::Json, "uuid") => E::Uuid,
        (M::Text | M::Json, "bytea") => return Err(format!("{} does not go into {}", describe(schema), column.full)),
        (M::Text | M::Json, _) => E::Text,
        (M::Zoned, "timestamptz") => E::Zoned,
        (M::Zoned, "timestamp") => E::ZonedLocal,
        (M::Zoned, _) => E::Text,
        (M::Bytes, "bytea") => E::Bytes,
        (M::Decimal(scale), "numeric" | "money" | "float4" | "float8" | "int2" | "int4" | "int8") => E::Decimal(scale),
        (M::Decimal(scale), _) if is_text => E::DecimalText(scale),
        (M::VariableDecimal, "numeric" | "money" | "float4" | "float8" | "int2" | "int4" | "int8" | "text" | "varchar") => {
            let at = |f: &str| schema.index(f).ok_or_else(|| format!("a VariableScaleDecimal without \"{f}\""));
            E::VariableDecimal { scale: at("scale")?, value: at("value")? }
        }
        (M::Date, "date" | "timestamp" | "timestamptz" | "text" | "varchar") => E::Date,
        (M::Time(unit), "time" | "interval" | "text" | "varchar") => E::Time(unit),
        (M::Timestamp(unit), "timestamptz") => E::Timestamptz(unit),
        (M::Timestamp(unit), "timestamp" | "date" | "text" | "varchar") => E::Timestamp(unit),
        (M::Duration(unit), "interval" | "text" | "varchar") => E::Interval(unit),
        (M::Date | M::Time(_) | M::Timestamp(_) | M::Duration(_), "int4" | "int8") => {
            if ty == "int4" {
                E::Int4
            } else {
                E::Int8
            }
        }
        (M::Bits(n), "bit" | "varbit" | "text" | "varchar") => E::Bits(n),
        (M::Point, "point") => {
            let at = |f: &str| schema.index(f).ok_or_else(|| format!("a Point without \"{f}\""));
            E::Point { x: at("x")?, y: at("y")? }
        }
        (M::Map, "hstore") => E::Hstore(schema.clone()),
        (M::Tree | M::List | M::Map | M::Point, "json" | "jsonb") => E::Json(schema.clone()),
        (M::Tree | M::List | M::Map, _) if is_text => E::Json(schema.clone()),
        _ => return Err(format!("{} does not go into {}", describe(schema), column.full)),
    })
}

/// Whether a value of the schema may fail to go into the column for what it is, not for a rule of the table's.
pub(crate) fn doubtful(schema: &Schema, column: &Column) -> bool {
    if let (Some(element), Some(inner)) = (&schema.element, &column.element) {
        return doubtful(element, inner);
    }
    let text = matches!(column.base.as_str(), "text" | "varchar" | "bpchar" | "citext");
    let limited = column.length().is_some() || column.digits().is_some();
    let read = !text && column_type(schema).is_ok_and(|t| t == "text");
    limited || read || crate::widening::widened(column, schema).is_some()
}

/// The type of a text's column at its source, which a source of Debezium's tells with `column.propagate.source.type`.
fn propagated(schema: &Schema) -> Option<String> {
    if schema.name.is_some() {
        return None;
    }
    let source = schema.get("__debezium.source.column.type")?.to_ascii_uppercase();
    Some(match source.as_str() {
        "CHAR" | "CHARACTER" | "BPCHAR" | "NCHAR" => format!("char({})", length(schema).unwrap_or(1)),
        "VARCHAR" | "VARCHAR2" | "CHARACTER VARYING" | "NVARCHAR" | "NVARCHAR2" => format!("varchar({})", length(schema)?),
        "CIDR" | "INET" | "MACADDR" | "MACADDR8" | "CITEXT" | "INT4RANGE" | "INT8RANGE" | "NUMRANGE" | "TSRANGE"
        | "TSTZRANGE" | "DATERANGE" => source.to_ascii_lowercase(),
        _ => return None,
    })
}

/// How many characters a text had room for at its source; none: that is not told, or there was no limit.
pub(crate) fn length(schema: &Schema) -> Option<i32> {
    let n = schema.get("__debezium.source.column.length")?.parse().ok()?;
    // A type without a limit is told as having the largest there is; PostgreSQL's own end below.
    (1..=10_485_760).contains(&n).then_some(n)
}

/// A schema as a reader of Connect knows it: `int32 (io.debezium.time.Date)`.
pub fn describe(schema: &Schema) -> String {
    let kind = match schema.kind {
        Kind::Boolean => "boolean",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float32",
        Kind::Float64 => "float64",
        Kind::Text => "string",
        Kind::Bytes => "bytes",
        Kind::Struct => "struct",
        Kind::List => "array",
        Kind::Map => "map",
        Kind::Any => "a value without a schema",
    };
    let element = match (&schema.element, schema.kind) {
        (Some(element), Kind::List) => format!(" of {}", describe(element)),
        _ => String::new(),
    };
    let name = schema.name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
    format!("{kind}{element}{name}")
}
