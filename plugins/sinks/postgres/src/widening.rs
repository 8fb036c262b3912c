//! When a column has to become wider before the values of a schema go into it whole, and what it becomes.
//!
//! It promises that the new type holds all that the column may hold already, and all that the schema may bring; it never
//! answers with a narrower type. Limits that a schema does not tell of (the length of a text, the digits of a number
//! without a precision) are left to the moment when a value needs more: [`room`].

use millrace_plugin::{Kind, Schema};

use crate::catalog::Column;
use crate::encode::{self, Wire};
use crate::types::{Meaning, column_type, length, meaning};

/// What `numeric` may be limited to.
const PRECISION_MAX: i32 = 1000;

/// The wider type that a column needs for a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wider {
    pub to: String,
    /// How its values become of the new type, where the server's own conversion would do something else.
    pub using: Option<String>,
}

impl Wider {
    fn to(to: impl Into<String>) -> Option<Wider> {
        Some(Wider { to: to.into(), using: None })
    }
}

/// None: the column is wide enough, or nothing wider would help.
pub fn widened(column: &Column, schema: &Schema) -> Option<Wider> {
    if column.domain || column.generated {
        return None;
    }
    if let (Some(element), Some(of)) = (&column.element, &schema.element) {
        let wider = widened(element, of).filter(|_| schema.kind == Kind::List)?;
        return wider.using.is_none().then(|| Wider { to: format!("{}[]", wider.to), using: None });
    }
    match (meaning(schema), column.base.as_str()) {
        (Meaning::Int, "int2") if !matches!(schema.kind, Kind::Int8 | Kind::Int16) => Wider::to(integer(schema.kind)),
        (Meaning::Int, "int4") if schema.kind == Kind::Int64 => Wider::to("bigint"),
        // A float of 32 bits is exact for 24 of them.
        (Meaning::Int, "float4") if schema.kind == Kind::Int32 => Wider::to("double precision"),
        (Meaning::Float, "int2") if schema.kind == Kind::Float32 => Wider::to("real"),
        (Meaning::Float, "int2" | "int4") => Wider::to("double precision"),
        (Meaning::Float, "float4") if schema.kind == Kind::Float64 => Wider::to("double precision"),
        (Meaning::Decimal(scale), "int2" | "int4" | "int8") => {
            let own = match column.base.as_str() {
                "int2" => 5,
                "int4" => 10,
                _ => 19,
            };
            let digits = precision(schema).map(|p| p - scale);
            (scale > 0 || digits.is_some_and(|d| d >= own))
                .then(|| decimal(own.max(digits.unwrap_or(38 - scale)), scale.max(0)))
                .and_then(Wider::to)
        }
        (Meaning::Decimal(scale), "numeric") => {
            numeric(column.digits()?, precision(schema).map_or(0, |p| p - scale), scale.max(0))
        }
        // Every value has a scale of its own, and a scale of the column's would round it.
        (Meaning::VariableDecimal, "int2" | "int4" | "int8") => Wider::to("numeric"),
        (Meaning::VariableDecimal, "numeric") => column.digits().and_then(|_| Wider::to("numeric")),
        (Meaning::Timestamp(_), "date") => Wider::to("timestamp(6) without time zone"),
        (Meaning::Zoned, "date") => Some(Wider {
            to: "timestamp(6) with time zone".into(),
            // The session's time zone has no say in what a day is.
            using: Some("::timestamp AT TIME ZONE 'UTC'".into()),
        }),
        (Meaning::Text, "varchar" | "bpchar") => {
            let (has, needs) = (column.length()?, length(schema)?);
            let known = column_type(schema).is_ok_and(|t| t.contains('('));
            (known && needs > has).then(|| format!("varchar({needs})")).and_then(Wider::to)
        }
        _ => None,
    }
}

/// The type that a column of limited length needs for a value that did not go in; the value is as it crosses to the server.
pub fn room(column: &Column, wire: Wire, value: &[u8]) -> Option<String> {
    if column.domain || column.generated {
        return None;
    }
    if let Some(has) = column.length() {
        let text = std::str::from_utf8(value).ok()?;
        return (text.chars().count() > has as usize).then(|| "text".to_owned());
    }
    let (precision, scale) = column.digits()?;
    let needs = if wire == encode::NUMERIC { whole_digits(value)? } else { printed_digits(value)? };
    (needs > precision - scale).then(|| decimal(needs, scale))
}

fn integer(kind: Kind) -> &'static str {
    if kind == Kind::Int64 { "bigint" } else { "integer" }
}

fn precision(schema: &Schema) -> Option<i32> {
    schema.get("connect.decimal.precision")?.parse().ok().filter(|p| *p > 0)
}

/// A `numeric` of some digits before the point and behind it.
fn decimal(whole: i32, scale: i32) -> String {
    match whole + scale {
        precision @ 1..=PRECISION_MAX => format!("numeric({precision},{scale})"),
        _ => "numeric".to_owned(),
    }
}

/// What holds a `numeric` of `(precision, scale)` and digits of another.
fn numeric((precision, scale): (i32, i32), whole: i32, behind: i32) -> Option<Wider> {
    let has = precision - scale;
    (whole > has || behind > scale).then(|| decimal(has.max(whole), scale.max(behind))).and_then(Wider::to)
}

/// How many digits are before the point of a binary `numeric`.
fn whole_digits(value: &[u8]) -> Option<i32> {
    let word = |at: usize| Some(i16::from_be_bytes(value.get(at..at + 2)?.try_into().ok()?));
    let (words, weight) = (word(0)?, word(2)?);
    if words == 0 || weight < 0 {
        return Some(0);
    }
    let first = word(8)?.max(1).ilog10() as i32 + 1;
    Some(weight as i32 * 4 + first)
}

/// The same of a number as text, as floats cross.
fn printed_digits(value: &[u8]) -> Option<i32> {
    let whole = value.strip_prefix(b"-").unwrap_or(value).split(|b| *b == b'.').next()?;
    (!whole.is_empty() && whole.iter().all(u8::is_ascii_digit)).then_some(whole.len() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{NUMERIC, TEXT};

    fn column(base: &str, modifier: i32) -> Column {
        Column { name: "c".into(), base: base.into(), modifier, ..Column::default() }
    }

    fn digits(precision: i32, scale: i32) -> Column {
        column("numeric", (precision << 16 | scale) + 4)
    }

    fn decimal_of(precision: Option<i32>, scale: i32) -> Schema {
        let schema = Schema::bytes().named("org.apache.kafka.connect.data.Decimal").parameter("scale", scale.to_string());
        match precision {
            Some(p) => schema.parameter("connect.decimal.precision", p.to_string()),
            None => schema,
        }
    }

    fn check(column: &Column, schema: &Schema, expected: Option<&str>) {
        assert_eq!(widened(column, schema).map(|w| w.to).as_deref(), expected, "{column:?} {schema:?}");
    }

    #[test]
    fn integers_and_floats_grow_and_never_shrink() {
        check(&column("int2", -1), &Schema::int16(), None);
        check(&column("int2", -1), &Schema::int32(), Some("integer"));
        check(&column("int2", -1), &Schema::int64(), Some("bigint"));
        check(&column("int4", -1), &Schema::int64(), Some("bigint"));
        check(&column("int8", -1), &Schema::int16(), None);
        check(&column("float4", -1), &Schema::float64(), Some("double precision"));
        check(&column("float8", -1), &Schema::float32(), None);
        check(&column("int4", -1), &Schema::float64(), Some("double precision"));
        // No float has all the integers of 64 bits.
        check(&column("int8", -1), &Schema::float64(), None);
        check(&column("text", -1), &Schema::int64(), None);
        check(&Column { domain: true, ..column("int4", -1) }, &Schema::int64(), None);
    }

    #[test]
    fn decimals_keep_the_digits_of_both() {
        check(&digits(10, 2), &decimal_of(Some(10), 2), None);
        check(&digits(10, 2), &decimal_of(Some(8), 1), None);
        check(&digits(10, 2), &decimal_of(Some(12), 2), Some("numeric(12,2)"));
        check(&digits(10, 2), &decimal_of(Some(10), 4), Some("numeric(12,4)"));
        check(&digits(10, 2), &decimal_of(None, 4), Some("numeric(12,4)"));
        check(&digits(10, 2), &decimal_of(None, 2), None);
        check(&digits(10, 2), &Schema::int64(), None);
        check(&column("numeric", -1), &decimal_of(Some(900), 100), None);
        check(&column("int4", -1), &decimal_of(Some(8), 2), Some("numeric(12,2)"));
        check(&column("int8", -1), &decimal_of(Some(30), 0), Some("numeric(30,0)"));
        check(&column("int8", -1), &decimal_of(None, 0), None);
        check(&digits(1000, 0), &decimal_of(Some(900), 100), Some("numeric"));
    }

    #[test]
    fn texts_dates_and_arrays() {
        let named = |n: i32| {
            Schema::text()
                .parameter("__debezium.source.column.type", "VARCHAR")
                .parameter("__debezium.source.column.length", n.to_string())
        };
        check(&column("varchar", 14), &Schema::text(), None);
        check(&column("varchar", 14), &named(20), Some("varchar(20)"));
        check(&column("varchar", 14), &named(5), None);
        check(&column("varchar", -1), &named(5), None);
        check(
            &column("date", -1),
            &Schema::int64().named("io.debezium.time.MicroTimestamp"),
            Some("timestamp(6) without time zone"),
        );
        check(&column("timestamp", -1), &Schema::int32().named("io.debezium.time.Date"), None);
        let array = Column { element: Some(Box::new(column("int4", -1))), ..column("_int4", -1) };
        check(&array, &Schema::list(Schema::int64()), Some("bigint[]"));
        check(&array, &Schema::list(Schema::int32()), None);
    }

    #[test]
    fn room_is_made_for_what_is_longer() {
        assert_eq!(room(&column("varchar", 7), TEXT, "äöü".as_bytes()), None);
        assert_eq!(room(&column("varchar", 7), TEXT, "äöüß".as_bytes()).as_deref(), Some("text"));
        assert_eq!(room(&column("text", -1), TEXT, b"long"), None);
        let mut n = Vec::new();
        crate::numeric::write_int(1_234_567, &mut n);
        assert_eq!(room(&digits(8, 1), NUMERIC, &n), None);
        assert_eq!(room(&digits(8, 2), NUMERIC, &n).as_deref(), Some("numeric(9,2)"));
        assert_eq!(room(&digits(4, 2), TEXT, b"-123.5").as_deref(), Some("numeric(5,2)"));
        assert_eq!(room(&digits(4, 2), TEXT, b"NaN"), None);
        n.clear();
        crate::numeric::write_int(0, &mut n);
        assert_eq!(room(&digits(2, 2), NUMERIC, &n), None);
    }
}
