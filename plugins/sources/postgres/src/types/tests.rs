//! Values at the far ends of PostgreSQL's ranges, through mapping and codec.

use millrace_plugin::{RowBuf, row};

use super::{IntervalMode, Modes, TimeMode, Value, mapping};
use crate::catalog::{PgKind, PgType, Types};

/// The mapping of one of the server's own types.
pub fn mapped(name: &str, modifier: i32, modes: &Modes) -> Value {
    let t = PgType { oid: 1, schema: "pg_catalog".to_owned(), name: name.to_owned(), kind: PgKind::Base };
    mapping::value(&Types([(1, t.into())].into()), 1, modifier, modes).expect("a mapped type")
}

/// Writes one value, and reads it back.
fn written<T>(value: &Value, text: &str, read: impl FnOnce(row::Row<'_>) -> T) -> T {
    let mut rows = RowBuf::new();
    let root = rows.begin(1);
    value.write(&mut rows, root, 0, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    read(row::Row::new(rows.as_bytes()).expect("a row"))
}

/// `numeric(precision, scale)` as `atttypmod` has it.
pub fn numeric_modifier(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & 0x7ff) + 4
}

#[test]
fn decimals_of_a_negative_scale_keep_their_worth() {
    let value = mapped("numeric", numeric_modifier(3, -2), &Modes::default());
    let scale = value.schema.parameters.iter().find(|(name, _)| name == "scale").map(|(_, v)| v.clone());
    assert_eq!(scale.as_deref(), Some("-2"));
    // 12300 is 123 hundreds.
    written(&value, "12300", |row| assert_eq!(row.get_bytes(0), [123]));
    written(&value, "-100", |row| assert_eq!(row.get_bytes(0), [0xff]));
    written(&value, "0", |row| assert_eq!(row.get_bytes(0), [0]));
}

#[test]
fn dates_reach_as_far_as_the_server_has_them() {
    let value = mapped("date", -1, &Modes::default());
    written(&value, "5874897-12-31", |row| assert_eq!(row.i64(0), 2_145_042_905));
    written(&value, "4713-01-01 BC", |row| assert_eq!(row.i64(0), -2_440_550));
    let value = mapped("date", -1, &Modes { time: TimeMode::Isostring, ..Modes::default() });
    written(&value, "5874897-12-31", |row| assert_eq!(row.text(0), "+5874897-12-31Z"));
}

#[test]
fn intervals_too_long_to_count_end_at_the_limit() {
    let value = mapped("interval", -1, &Modes { interval: IntervalMode::Numeric, ..Modes::default() });
    written(&value, "2147483647 days", |row| assert_eq!(row.i64(0), i64::MAX));
    written(&value, "-2147483648 days", |row| assert_eq!(row.i64(0), i64::MIN));
    written(&value, "178000000 years 1 day", |row| assert_eq!(row.i64(0), i64::MAX));
    written(&value, "-1 days +00:00:01", |row| assert_eq!(row.i64(0), -86_399_000_000));
}
