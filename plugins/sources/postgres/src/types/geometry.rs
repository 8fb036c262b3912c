//! Points: as coordinates and well-known binary, as Debezium has them. PostgreSQL's other geometric types have no mapping.

use millrace_plugin::{RowBuf, RowMark, Schema};

use super::Value;
use super::encode::Encoder;

/// The mapping of `point`.
pub fn point() -> Value {
    let schema = Schema::record()
        .named("io.debezium.data.geometry.Point")
        .version(1)
        .doc("Geometry (POINT)")
        .field("x", Schema::float64())
        .field("y", Schema::float64())
        .field("wkb", Schema::bytes().optional())
        .field("srid", Schema::int32().optional());
    Value { schema, encoder: Encoder::Point }
}

/// None: the text is not a point, and nothing was written.
pub fn write_point(rows: &mut RowBuf, row: RowMark, slot: usize, text: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (x, y): (f64, f64) = (x.parse().ok()?, y.parse().ok()?);
    let point = rows.begin(4);
    rows.f64(point, 0, x);
    rows.f64(point, 1, y);
    rows.bytes_with(point, 2, |out| {
        // Little endian, a point.
        out.extend_from_slice(&[1, 1, 0, 0, 0]);
        out.extend_from_slice(&x.to_le_bytes());
        out.extend_from_slice(&y.to_le_bytes());
    });
    rows.end_nested(row, slot, point);
    Some(())
}
