//! Which schema and which encoder a type gets: Debezium's table of types.

use millrace_plugin::Schema;

use super::encode::{Encoder, Unit};
use super::{BinaryMode, DecimalMode, HstoreMode, IntervalMode, Modes, TimeMode, Value};
use crate::catalog::{DEPTH_MAX, PgKind, PgType, Types};

/// How values of a type are written. None: the type has no mapping, and columns of it are left out.
pub fn value(types: &Types, oid: u32, modifier: i32, modes: &Modes) -> Option<Value> {
    mapped(types, oid, modifier, modes, DEPTH_MAX)
}

fn mapped(types: &Types, oid: u32, modifier: i32, modes: &Modes, depth: u32) -> Option<Value> {
    let t = types.get(oid)?;
    let depth = depth.checked_sub(1)?;
    match &t.kind {
        PgKind::Domain { base, modifier: own } => {
            mapped(types, *base, if modifier == -1 { *own } else { modifier }, modes, depth)
        }
        PgKind::Array { element, delimiter } => {
            let element = mapped(types, *element, modifier, modes, depth)?;
            // Debezium has the elements of an array of an enum as required, though they may be null.
            let required = element.schema.name.as_deref() == Some("io.debezium.data.Enum");
            let schema = Schema::list(Schema { optional: !required, ..element.schema.clone() });
            Some(Value { schema, encoder: Encoder::Array(Box::new(element), *delimiter) })
        }
        PgKind::Enum(labels) => {
            let schema = named("io.debezium.data.Enum").parameter("allowed", labels.join(","));
            let mut sorted: Vec<Box<[u8]>> = labels.iter().map(|l| l.as_bytes().into()).collect();
            sorted.sort_unstable();
            Some(Value { schema, encoder: Encoder::Enum(sorted.into()) })
        }
        PgKind::Range => Some(text(Schema::text())),
        PgKind::Multirange | PgKind::Composite => unknown(modes),
        PgKind::Base => base(t, modifier, modes),
    }
}

fn named(name: &str) -> Schema {
    Schema::text().named(name).version(1)
}

fn text(schema: Schema) -> Value {
    Value { schema, encoder: Encoder::Text }
}

fn unknown(modes: &Modes) -> Option<Value> {
    modes.unknown.then(|| bytes(modes, Encoder::Opaque))
}

/// Bytes as `binary.handling.mode` wants them.
fn bytes(modes: &Modes, plain: Encoder) -> Value {
    let schema = if modes.binary == BinaryMode::Bytes { Schema::bytes() } else { Schema::text() };
    let encoder = match (plain, modes.binary) {
        (plain, BinaryMode::Bytes) => plain,
        (_, mode) => Encoder::ByteaText(mode),
    };
    Value { schema, encoder }
}

fn base(t: &PgType, modifier: i32, modes: &Modes) -> Option<Value> {
    let plain = |schema, encoder| Some(Value { schema, encoder });
    match t.name.as_str() {
        "bool" => plain(Schema::boolean(), Encoder::Bool),
        "int2" => plain(Schema::int16(), Encoder::Int),
        "int4" => plain(Schema::int32(), Encoder::Int),
        "int8" | "oid" => plain(Schema::int64(), Encoder::Int),
        "float4" => plain(Schema::float32(), Encoder::Float),
        "float8" => plain(Schema::float64(), Encoder::Float),
        "numeric" => Some(numeric(modifier, modes)),
        "money" => Some(money(modes)),
        "text" | "varchar" | "bpchar" | "name" | "char" | "inet" | "cidr" | "macaddr" | "macaddr8" | "citext" => {
            Some(text(Schema::text()))
        }
        "json" | "jsonb" => Some(text(named("io.debezium.data.Json"))),
        "xml" => Some(text(named("io.debezium.data.Xml"))),
        "uuid" => Some(text(named("io.debezium.data.Uuid"))),
        "ltree" => Some(text(named("io.debezium.data.Ltree"))),
        "tsvector" => Some(text(named("io.debezium.data.Tsvector"))),
        "hstore" => Some(match modes.hstore {
            HstoreMode::Json => Value { schema: named("io.debezium.data.Json"), encoder: Encoder::HstoreJson },
            HstoreMode::Map => {
                Value { schema: Schema::map(Schema::text(), Schema::text().optional()), encoder: Encoder::HstoreMap }
            }
        }),
        "bytea" => Some(bytes(modes, Encoder::Bytea)),
        "bit" | "varbit" => Some(bits(&t.name, modifier)),
        "date" => Some(date(modes)),
        "time" => Some(time(modifier, modes)),
        "timetz" => plain(named("io.debezium.time.ZonedTime"), Encoder::ZonedTime),
        "timestamp" => Some(timestamp(modifier, modes)),
        "timestamptz" => plain(named("io.debezium.time.ZonedTimestamp"), Encoder::ZonedTimestamp(precision(modifier))),
        "interval" => Some(match modes.interval {
            IntervalMode::Numeric => Value {
                schema: Schema::int64().named("io.debezium.time.MicroDuration").version(1),
                encoder: Encoder::IntervalMicros,
            },
            IntervalMode::String => Value { schema: named("io.debezium.time.Interval"), encoder: Encoder::IntervalText },
        }),
        "point" => Some(super::geometry::point()),
        "box" | "lseg" | "path" | "polygon" | "circle" | "line" => None,
        _ => unknown(modes),
    }
}

fn numeric(modifier: i32, modes: &Modes) -> Value {
    match modes.decimal {
        DecimalMode::Double => Value { schema: Schema::float64(), encoder: Encoder::Float },
        DecimalMode::String => text(Schema::text()),
        DecimalMode::Precise if modifier == -1 => {
            let schema = Schema::record()
                .named("io.debezium.data.VariableScaleDecimal")
                .version(1)
                .doc("Variable scaled decimal")
                .field("scale", Schema::int32())
                .field("value", Schema::bytes());
            Value { schema, encoder: Encoder::VariableDecimal }
        }
        DecimalMode::Precise => {
            // (precision << 16 | scale) + 4; the scale has eleven bits and may be negative.
            let packed = modifier - 4;
            let (precision, scale) = (packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
            Value { schema: decimal(scale, Some(precision)), encoder: Encoder::Decimal(scale) }
        }
    }
}

fn decimal(scale: i32, precision: Option<i32>) -> Schema {
    let schema = Schema::bytes().named("org.apache.kafka.connect.data.Decimal").version(1).parameter("scale", scale.to_string());
    match precision {
        Some(precision) => schema.parameter("connect.decimal.precision", precision.to_string()),
        None => schema,
    }
}

fn money(modes: &Modes) -> Value {
    match modes.decimal {
        DecimalMode::Double => Value { schema: Schema::float64(), encoder: Encoder::MoneyDouble },
        DecimalMode::String => Value { schema: Schema::text(), encoder: Encoder::MoneyText },
        DecimalMode::Precise => {
            let scale = modes.money_digits;
            Value { schema: decimal(scale.into(), None), encoder: Encoder::Money(scale.into()) }
        }
    }
}

fn bits(name: &str, modifier: i32) -> Value {
    if name == "bit" && (modifier == 1 || modifier == -1) {
        return Value { schema: Schema::boolean(), encoder: Encoder::Bit };
    }
    let length = if modifier == -1 { i32::MAX } else { modifier };
    let schema = Schema::bytes().named("io.debezium.data.Bits").version(1).parameter("length", length.to_string());
    Value { schema, encoder: Encoder::Bits }
}

/// Digits of the fraction that a type keeps.
fn precision(modifier: i32) -> usize {
    usize::try_from(modifier).map_or(6, |m| m.min(6))
}

fn int32(name: &str, encoder: Encoder) -> Value {
    Value { schema: Schema::int32().named(name).version(1), encoder }
}

fn int64(name: &str, encoder: Encoder) -> Value {
    Value { schema: Schema::int64().named(name).version(1), encoder }
}

fn date(modes: &Modes) -> Value {
    match modes.time {
        TimeMode::Connect => int32("org.apache.kafka.connect.data.Date", Encoder::Date),
        TimeMode::Isostring => Value { schema: named("io.debezium.time.IsoDate"), encoder: Encoder::IsoDate },
        _ => int32("io.debezium.time.Date", Encoder::Date),
    }
}

fn time(modifier: i32, modes: &Modes) -> Value {
    match modes.time {
        TimeMode::Adaptive if precision(modifier) <= 3 => int32("io.debezium.time.Time", Encoder::Time(Unit::Millis)),
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            int64("io.debezium.time.MicroTime", Encoder::Time(Unit::Micros))
        }
        TimeMode::Nanoseconds => int64("io.debezium.time.NanoTime", Encoder::Time(Unit::Nanos)),
        TimeMode::Connect => int32("org.apache.kafka.connect.data.Time", Encoder::Time(Unit::Millis)),
        TimeMode::Isostring => Value { schema: named("io.debezium.time.IsoTime"), encoder: Encoder::IsoTime },
    }
}

fn timestamp(modifier: i32, modes: &Modes) -> Value {
    match modes.time {
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds if precision(modifier) <= 3 => {
            int64("io.debezium.time.Timestamp", Encoder::Timestamp(Unit::Millis))
        }
        TimeMode::Adaptive | TimeMode::AdaptiveTimeMicroseconds | TimeMode::Microseconds => {
            int64("io.debezium.time.MicroTimestamp", Encoder::Timestamp(Unit::Micros))
        }
        TimeMode::Nanoseconds => int64("io.debezium.time.NanoTimestamp", Encoder::Timestamp(Unit::Nanos)),
        TimeMode::Connect => int64("org.apache.kafka.connect.data.Timestamp", Encoder::Timestamp(Unit::Millis)),
        TimeMode::Isostring => Value { schema: named("io.debezium.time.IsoTimestamp"), encoder: Encoder::IsoTimestamp },
    }
}
