//! Values in PostgreSQL's text form into slots.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXLOWER_PERMISSIVE};
use millrace_plugin::{RowBuf, RowMark};

use super::time::{self, Moment};
use super::{BinaryMode, Modes, Value, ValueError, array, decimal, geometry, hstore};

/// What a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn of_micros(self, micros: i64) -> Option<i64> {
        match self {
            Unit::Millis => Some(micros.div_euclid(1000)),
            Unit::Micros => Some(micros),
            Unit::Nanos => micros.checked_mul(1000),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Encoder {
    Bool,
    Int,
    Float,
    Text,
    /// With its labels, sorted.
    Enum(std::rc::Rc<[Box<[u8]>]>),
    /// With its scale, which is negative where digits before the point are dropped.
    Decimal(i32),
    VariableDecimal,
    Money(usize),
    MoneyDouble,
    MoneyText,
    Bytea,
    ByteaText(BinaryMode),
    /// The text's own bytes, of a type without a mapping.
    Opaque,
    Bit,
    Bits,
    Date,
    IsoDate,
    Time(Unit),
    IsoTime,
    Timestamp(Unit),
    IsoTimestamp,
    ZonedTime,
    /// With how many digits of a second's fraction.
    ZonedTimestamp(usize),
    IntervalMicros,
    IntervalText,
    HstoreJson,
    HstoreMap,
    Array(Box<Value>, u8),
    Point,
}

/// What Debezium puts for an infinite timestamp, in microseconds.
const INFINITY_US: i64 = 9_223_372_036_825_200_000;
const MINUS_INFINITY_US: i64 = -9_223_372_036_832_400_000;
/// And for an infinite date, in days.
const INFINITY_DAYS: i64 = 2_147_483_647;
const DAY_US: i64 = 86_400_000_000;

impl Encoder {
    #[inline]
    pub fn write(&self, rows: &mut RowBuf, row: RowMark, slot: usize, text: &[u8]) -> Result<(), ValueError> {
        let wrong = |expected| ValueError::new(expected, text);
        match self {
            Encoder::Text => rows.bytes(row, slot, text),
            Encoder::Enum(labels) => {
                if labels.binary_search_by(|l| (**l).cmp(text)).is_err() {
                    return Err(ValueError::label(text));
                }
                rows.bytes(row, slot, text);
            }
            Encoder::Int => rows.i64(row, slot, integer(text).ok_or_else(|| wrong("a whole number"))?),
            Encoder::Bool => rows.bool(row, slot, text == b"t"),
            Encoder::Float => rows.f64(row, slot, float(text).ok_or_else(|| wrong("a number"))?),
            Encoder::Decimal(scale) => {
                let size = rows.size();
                let mut fits = None;
                rows.bytes_with(row, slot, |out| fits = decimal::unscaled(text, *scale, out));
                if fits.is_none() {
                    rows.truncate(size);
                    rows.null(row, slot);
                    return Err(wrong("a finite number; set decimal.handling.mode=string or double to have NaN and infinity"));
                }
            }
            Encoder::Timestamp(unit) => {
                let moment = time::timestamp(text).ok_or_else(|| wrong("a timestamp"))?;
                rows.i64(row, slot, count(moment, *unit).ok_or_else(|| wrong("a timestamp that nanoseconds can count"))?);
            }
            Encoder::ZonedTimestamp(fraction) => {
                let moment = time::timestamp(text).ok_or_else(|| wrong("a timestamp"))?;
                rows.bytes_with(row, slot, |out| zoned(out, moment, Some(*fraction)));
            }
            Encoder::Date => match time::date(text).ok_or_else(|| wrong("a date"))? {
                Moment::At(days) => rows.i64(row, slot, days),
                Moment::Infinity => rows.i64(row, slot, INFINITY_DAYS),
                Moment::MinusInfinity => rows.i64(row, slot, -INFINITY_DAYS - 1),
            },
            other => return other.write_rare(rows, row, slot, text),
        }
        Ok(())
    }

    fn write_rare(&self, rows: &mut RowBuf, row: RowMark, slot: usize, text: &[u8]) -> Result<(), ValueError> {
        let wrong = |expected| ValueError::new(expected, text);
        match self {
            Encoder::VariableDecimal => {
                let nested = rows.begin(2);
                let scale = decimal::scale_of(text);
                let mut fits = None;
                rows.i64(nested, 0, scale.into());
                rows.bytes_with(nested, 1, |out| fits = decimal::unscaled(text, scale, out));
                if fits.is_none() {
                    rows.undo(nested);
                    return Err(wrong("a finite number; set decimal.handling.mode=string or double to have NaN and infinity"));
                }
                rows.end_nested(row, slot, nested);
            }
            Encoder::Money(scale) => {
                let plain = money(text);
                let mut fits = None;
                let size = rows.size();
                rows.bytes_with(row, slot, |out| fits = decimal::unscaled(&rounded(&plain, *scale), *scale as i32, out));
                if fits.is_none() {
                    rows.truncate(size);
                    rows.null(row, slot);
                    return Err(wrong("an amount of money"));
                }
            }
            Encoder::MoneyDouble => rows.f64(row, slot, float(&money(text)).ok_or_else(|| wrong("an amount of money"))?),
            Encoder::MoneyText => rows.bytes(row, slot, &money(text)),
            Encoder::Bytea => {
                let mut hex = false;
                rows.bytes_with(row, slot, |out| hex = unhex(text, out));
                if !hex {
                    rows.null(row, slot);
                    return Err(wrong("bytes in hexadecimal"));
                }
            }
            Encoder::ByteaText(mode) => {
                let mut bytes = Vec::new();
                // A type without a mapping: its text's own bytes.
                let bytes = if unhex(text, &mut bytes) { &bytes } else { text };
                write_bytes(*mode, rows, row, slot, bytes);
            }
            Encoder::Opaque => rows.bytes(row, slot, text),
            Encoder::Bit => rows.bool(row, slot, text == b"1"),
            Encoder::Bits => rows.bytes_with(row, slot, |out| {
                // The last digit is the lowest bit of the first byte.
                out.extend(text.rchunks(8).map(|byte| byte.iter().fold(0u8, |b, bit| b << 1 | (bit & 1))));
            }),
            Encoder::IsoDate => match time::date(text).ok_or_else(|| wrong("a date"))? {
                Moment::At(days) => rows.bytes_with(row, slot, |out| {
                    time::write_date(out, days);
                    out.push(b'Z');
                }),
                _ => rows.bytes(row, slot, text),
            },
            Encoder::Time(unit) => {
                let micros = time::time(text).ok_or_else(|| wrong("a time"))?;
                rows.i64(row, slot, unit.of_micros(micros).ok_or_else(|| wrong("a time"))?);
            }
            Encoder::IsoTime => {
                let micros = time::time(text).ok_or_else(|| wrong("a time"))?;
                rows.bytes_with(row, slot, |out| {
                    time::write_time(out, micros, None);
                    out.push(b'Z');
                });
            }
            Encoder::IsoTimestamp => {
                let moment = time::timestamp(text).ok_or_else(|| wrong("a timestamp"))?;
                rows.bytes_with(row, slot, |out| zoned(out, moment, None));
            }
            Encoder::ZonedTime => {
                let micros = time::timetz(text).ok_or_else(|| wrong("a time"))?.rem_euclid(DAY_US);
                rows.bytes_with(row, slot, |out| {
                    time::write_time(out, micros, None);
                    out.push(b'Z');
                });
            }
            Encoder::IntervalMicros => {
                let (months, days, micros) = time::interval(text).ok_or_else(|| wrong("an interval"))?;
                // Longer than can be counted: the limit, as Debezium has it.
                let months = (months as f64 * MONTH_US) as i64;
                rows.i64(row, slot, months.saturating_add(days.saturating_mul(DAY_US)).saturating_add(micros));
            }
            Encoder::IntervalText => {
                let parts = time::interval(text).ok_or_else(|| wrong("an interval"))?;
                rows.text(row, slot, &interval_text(parts));
            }
            Encoder::HstoreJson => {
                let pairs = hstore::pairs(text).ok_or_else(|| wrong("an hstore"))?;
                rows.text(row, slot, &hstore::json(&pairs));
            }
            Encoder::HstoreMap => {
                let pairs = hstore::pairs(text).ok_or_else(|| wrong("an hstore"))?;
                hstore::write_map(rows, row, slot, &pairs);
            }
            Encoder::Array(element, delimiter) => return array::write(element, *delimiter, rows, row, slot, text),
            Encoder::Point => return geometry::write_point(rows, row, slot, text).ok_or_else(|| wrong("a point")),
            _ => {}
        }
        Ok(())
    }

    pub fn write_unavailable(&self, rows: &mut RowBuf, row: RowMark, slot: usize, modes: &Modes) {
        let placeholder = modes.placeholder.as_bytes();
        match self {
            Encoder::Text | Encoder::Enum(_) | Encoder::Bytea | Encoder::Opaque | Encoder::MoneyText | Encoder::IntervalText => {
                rows.bytes(row, slot, placeholder);
            }
            Encoder::ByteaText(mode) => write_bytes(*mode, rows, row, slot, placeholder),
            Encoder::HstoreJson => {
                let pairs = [(modes.placeholder.clone(), Some(modes.placeholder.clone()))];
                rows.text(row, slot, &hstore::json(&pairs));
            }
            Encoder::HstoreMap => {
                hstore::write_map(rows, row, slot, &[(modes.placeholder.clone(), Some(modes.placeholder.clone()))]);
            }
            Encoder::Array(element, _) if matches!(element.encoder, Encoder::Int) => {
                // Numbers have no room for the text: its bytes, one by one.
                let list = rows.begin(placeholder.len());
                for (i, b) in placeholder.iter().enumerate() {
                    rows.i64(list, i, i64::from(*b));
                }
                rows.end_nested(row, slot, list);
            }
            Encoder::Array(element, _) => {
                let list = rows.begin(1);
                element.encoder.write_unavailable(rows, list, 0, modes);
                rows.end_nested(row, slot, list);
            }
            _ => {}
        }
    }
}

/// An average month of 365.25 / 12 days, in microseconds.
const MONTH_US: f64 = 365.25 / 12.0 * 86_400_000_000.0;

fn count(moment: Moment, unit: Unit) -> Option<i64> {
    match moment {
        Moment::At(micros) => unit.of_micros(micros),
        Moment::Infinity => Some(unit.of_micros(INFINITY_US).unwrap_or(i64::MAX)),
        Moment::MinusInfinity => Some(unit.of_micros(MINUS_INFINITY_US).unwrap_or(i64::MIN)),
    }
}

fn zoned(out: &mut Vec<u8>, moment: Moment, digits: Option<usize>) {
    match moment {
        Moment::At(micros) => {
            time::write_date(out, micros.div_euclid(DAY_US));
            out.push(b'T');
            time::write_time(out, micros.rem_euclid(DAY_US), digits);
            out.push(b'Z');
        }
        Moment::Infinity => out.extend_from_slice(b"infinity"),
        Moment::MinusInfinity => out.extend_from_slice(b"-infinity"),
    }
}

#[inline]
fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut n = 0u64;
    for b in digits {
        let d = b.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        n = n * 10 + u64::from(d);
    }
    if negative { 0i64.checked_sub_unsigned(n) } else { i64::try_from(n).ok() }
}

fn float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `-$1,234.50` to `-1234.50`.
fn money(text: &[u8]) -> Vec<u8> {
    let negative = text.first() == Some(&b'(') || text.contains(&b'-');
    let digits = text.iter().copied().filter(|b| b.is_ascii_digit() || *b == b'.');
    negative.then_some(b'-').into_iter().chain(digits).collect()
}

/// A number with no more digits after the point than `scale`, rounded half away from zero.
fn rounded(text: &[u8], scale: usize) -> Vec<u8> {
    let Some(dot) = text.iter().position(|b| *b == b'.') else { return text.to_vec() };
    let keep = dot + 1 + scale;
    if text.len() <= keep {
        return text.to_vec();
    }
    let up = text[keep] >= b'5';
    let mut out = text[..keep].to_vec();
    let mut at = out.len();
    let mut carry = up;
    while carry && at > 0 {
        at -= 1;
        match out[at] {
            b'9' => out[at] = b'0',
            b'0'..=b'8' => {
                out[at] += 1;
                carry = false;
            }
            b'-' => {
                out.insert(at + 1, b'1');
                carry = false;
            }
            _ => {}
        }
    }
    if carry {
        out.insert(0, b'1');
    }
    out
}

/// `P1Y2M3DT4H5M6.789S`, as Debezium writes it: every part.
fn interval_text((months, days, micros): (i64, i64, i64)) -> String {
    let (years, months) = (months / 12, months % 12);
    let (hours, rest) = (micros / 3_600_000_000, micros % 3_600_000_000);
    let (minutes, rest) = (rest / 60_000_000, rest % 60_000_000);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let sign = if seconds == 0 && fraction < 0 { "-" } else { "" };
    let fraction = format!("{:06}", fraction.abs());
    let fraction = match fraction.trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits}"),
    };
    format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{sign}{seconds}{fraction}S")
}

/// Appends the bytes of a `bytea` in PostgreSQL's hexadecimal form. False, and nothing appended: it is not that.
fn unhex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(hex) = text.strip_prefix(b"\\x").filter(|h| h.len().is_multiple_of(2)) else { return false };
    let from = out.len();
    out.resize(from + hex.len() / 2, 0);
    let right = HEXLOWER_PERMISSIVE.decode_mut(hex, &mut out[from..]).is_ok();
    if !right {
        out.truncate(from);
    }
    right
}

/// Bytes as `binary.handling.mode` wants them, in a slot.
pub fn write_bytes(mode: BinaryMode, rows: &mut RowBuf, row: RowMark, slot: usize, bytes: &[u8]) {
    let encoding = match mode {
        BinaryMode::Bytes => return rows.bytes(row, slot, bytes),
        BinaryMode::Base64 => BASE64,
        BinaryMode::Base64UrlSafe => BASE64URL,
        BinaryMode::Hex => HEXLOWER,
    };
    rows.bytes_with(row, slot, |out| {
        let from = out.len();
        out.resize(from + encoding.encode_len(bytes.len()), 0);
        encoding.encode_mut(bytes, &mut out[from..]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_to_their_limits() {
        for n in [0, 7, -7, i64::MAX, i64::MIN] {
            assert_eq!(integer(n.to_string().as_bytes()), Some(n));
        }
        for wrong in ["", "-", "1x", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(integer(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn money_is_read_and_rounded() {
        assert_eq!(money(b"-$1,234.50"), b"-1234.50");
        assert_eq!(rounded(b"-9.995", 2), b"-10.00");
        assert_eq!(rounded(b"1.5", 2), b"1.5");
        assert_eq!(rounded(b"99.96", 1), b"100.0");
    }

    #[test]
    fn intervals_are_written() {
        assert_eq!(interval_text((14, 3, 14_706_789_000)), "P1Y2M3DT4H5M6.789S");
        assert_eq!(interval_text((0, 0, -500_000)), "P0Y0M0DT0H0M-0.5S");
    }

    #[test]
    fn bytes_are_read_and_written() {
        let mut bytes = Vec::new();
        assert!(unhex(b"\\x00ff10ab", &mut bytes));
        for wrong in ["\\x0", "\\xzz", "00"] {
            assert!(!unhex(wrong.as_bytes(), &mut bytes), "{wrong}");
        }
        assert_eq!(bytes, b"\x00\xff\x10\xab");
        let modes = [
            (BinaryMode::Bytes, &bytes[..]),
            (BinaryMode::Hex, b"00ff10ab"),
            (BinaryMode::Base64, b"AP8Qqw=="),
            (BinaryMode::Base64UrlSafe, b"AP8Qqw=="),
        ];
        for (mode, written) in modes {
            let mut rows = RowBuf::new();
            let row = rows.begin(1);
            write_bytes(mode, &mut rows, row, 0, &bytes);
            assert_eq!(millrace_plugin::Row::new(rows.as_bytes()).unwrap().get_bytes(0), written, "{mode:?}");
        }
    }
}
