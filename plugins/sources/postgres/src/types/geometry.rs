//! PostgreSQL's own geometric types: points as coordinates and well-known binary, all others as text, as Debezium has them.

use millrace_plugin::{RowBuf, RowMark, Schema};

use super::Value;
use super::encode::Encoder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Point,
}

/// The mapping of a type by its name.
pub fn mapping(name: &str) -> Option<Value> {
    (name == "point").then(|| {
        let schema = Schema::record()
            .named("io.debezium.data.geometry.Point")
            .version(1)
            .doc("Geometry (POINT)")
            .field("x", Schema::float64())
            .field("y", Schema::float64())
            .field("wkb", Schema::bytes().optional())
            .field("srid", Schema::int32().optional());
        Value { schema, encoder: Encoder::Geometry(Shape::Point) }
    })
}

impl Shape {
    /// None: the text is not such a shape, and nothing was written.
    pub fn write(self, rows: &mut RowBuf, row: RowMark, slot: usize, text: &[u8]) -> Option<()> {
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
}
