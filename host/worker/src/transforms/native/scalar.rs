//! Single values as Java has them in a record: what `Cast` and `TimestampConverter` read and write.

use std::borrow::Cow;

use base64::Engine;
use millrace_record::row::{Row, RowBuf, RowMark};
use millrace_record::{Kind, Schema, decimal, java};
use serde_json::Value;

use super::date_format::{DAY_MS, civil};

/// How a slot is read: a schema's type with its logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Plain(Kind),
    /// The scale.
    Decimal(i32),
    Date,
    Time,
    Timestamp,
}

/// A value that is neither a struct nor a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Boolean(bool),
    /// Of any width.
    Integer(i64),
    Float(f32),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// The unscaled value and the scale.
    Decimal(&'a [u8], i32),
    /// A `java.util.Date`: milliseconds since the epoch, and what stands for it in the row.
    Instant(i64, i64),
}

impl Type {
    pub fn of(schema: &Schema) -> Type {
        let logical = schema.name.as_deref().and_then(|n| n.strip_prefix("org.apache.kafka.connect.data."));
        match (schema.kind, logical) {
            (Kind::Bytes, Some("Decimal")) => schema.scale().map_or(Type::Plain(Kind::Bytes), Type::Decimal),
            (Kind::Int32, Some("Date")) => Type::Date,
            (Kind::Int32, Some("Time")) => Type::Time,
            (Kind::Int64, Some("Timestamp")) => Type::Timestamp,
            (kind, _) => Type::Plain(kind),
        }
    }

    /// None: it is a struct or a collection.
    pub fn read<'a>(self, row: &Row<'a>, i: usize) -> Option<Scalar<'a>> {
        if row.is_null(i) {
            return Some(Scalar::Null);
        }
        Some(match self {
            Type::Plain(Kind::Boolean) => Scalar::Boolean(row.bool(i)),
            Type::Plain(Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64) => Scalar::Integer(row.i64(i)),
            Type::Plain(Kind::Float32) => Scalar::Float(row.f64(i) as f32),
            Type::Plain(Kind::Float64) => Scalar::Double(row.f64(i)),
            Type::Plain(Kind::Text | Kind::Any) => Scalar::Text(Cow::Borrowed(row.text(i))),
            Type::Plain(Kind::Bytes) => Scalar::Bytes(row.get_bytes(i)),
            Type::Plain(Kind::List | Kind::Map | Kind::Struct) => return None,
            Type::Decimal(scale) => Scalar::Decimal(row.get_bytes(i), scale),
            Type::Date => Scalar::Instant(row.i64(i).saturating_mul(DAY_MS), row.i64(i)),
            Type::Time | Type::Timestamp => Scalar::Instant(row.i64(i), row.i64(i)),
        })
    }
}

impl<'a> Scalar<'a> {
    /// None: an array or an object.
    pub fn of_json(value: &'a Value) -> Option<Scalar<'a>> {
        Some(match value {
            Value::Null => Scalar::Null,
            Value::Bool(b) => Scalar::Boolean(*b),
            // Without a schema there are longs and doubles; a long of more than 64 bits keeps the lower ones.
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Scalar::Integer(i),
                (None, Some(u)) => Scalar::Integer(u as i64),
                (None, None) => Scalar::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Scalar::Text(Cow::Borrowed(s)),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// Into a slot that is null so far.
    pub fn write(&self, rows: &mut RowBuf, row: RowMark, i: usize) {
        match self {
            Scalar::Null => {}
            Scalar::Boolean(b) => rows.bool(row, i, *b),
            Scalar::Integer(n) | Scalar::Instant(_, n) => rows.i64(row, i, *n),
            Scalar::Float(f) => rows.f64(row, i, f64::from(*f)),
            Scalar::Double(d) => rows.f64(row, i, *d),
            Scalar::Text(t) => rows.text(row, i, t),
            Scalar::Bytes(b) | Scalar::Decimal(b, _) => rows.bytes(row, i, b),
        }
    }

    /// As JSON, and as a schema's default; an instant as what stands for it.
    pub fn to_json(&self) -> Value {
        match self {
            Scalar::Null => Value::Null,
            Scalar::Boolean(b) => (*b).into(),
            Scalar::Integer(n) | Scalar::Instant(_, n) => (*n).into(),
            // By its own digits: widened, 0.1 would not be 0.1.
            Scalar::Float(f) if f.is_finite() => f.to_string().parse::<f64>().unwrap_or(f64::from(*f)).into(),
            Scalar::Double(d) if d.is_finite() => (*d).into(),
            Scalar::Float(_) | Scalar::Double(_) => self.to_java().into(),
            Scalar::Text(t) => t.as_ref().into(),
            Scalar::Bytes(b) | Scalar::Decimal(b, _) => base64::engine::general_purpose::STANDARD.encode(b).into(),
        }
    }

    /// As Java's `toString`, but bytes in base 64 and instants as Connect's `Values` prints them.
    pub fn to_java(&self) -> String {
        let number = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        match self {
            Scalar::Null => "null".into(),
            Scalar::Boolean(b) => b.to_string(),
            Scalar::Integer(n) => n.to_string(),
            Scalar::Float(f) => number(&|out| java::java_f32(*f, out)),
            Scalar::Double(d) => number(&|out| java::java_f64(*d, out)),
            Scalar::Text(t) => t.to_string(),
            Scalar::Bytes(b) => base64::engine::general_purpose::STANDARD.encode(b),
            Scalar::Decimal(unscaled, scale) => decimal::to_text(unscaled, *scale),
            Scalar::Instant(ms, _) => instant(*ms),
        }
    }
}

/// The time of day below the second day of the epoch, a date at midnight, else both.
fn instant(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let time = format!("{:02}:{:02}:{:02}.{:03}Z", rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    if ms < DAY_MS {
        return time;
    }
    let (year, month, day) = civil(days);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest == 0 { date } else { format!("{date}T{time}") }
}

/// A text as Java's `BigDecimal` reads it: the unscaled value and the scale.
pub fn big_decimal(text: &str) -> Option<(Vec<u8>, i32)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix(['+', '-']) {
        Some(digits) if mantissa.starts_with('-') => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((decimal::from_text(&format!("{sign}{whole}{fraction}"), 0)?, scale))
}

/// The lower 64 bits of a decimal without its fraction, as `BigDecimal.longValue`.
pub fn lower_bits(unscaled: &[u8], scale: i32) -> i64 {
    let text = decimal::to_text(unscaled, 0);
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |t| (true, t));
    let kept = (digits.len() as i64 - i64::from(scale.max(0))).max(0) as usize;
    // Ten to the 64th has no bit below the 64th.
    let zeros = scale.min(0).unsigned_abs().min(64);
    let digits = digits[..kept].bytes().map(|d| u64::from(d - b'0')).chain((0..zeros).map(|_| 0));
    let whole = digits.fold(0u64, |n, d| n.wrapping_mul(10).wrapping_add(d));
    if negative { whole.wrapping_neg() as i64 } else { whole as i64 }
}
