//! Times as people write them: ISO 8601 in UTC or with an offset, or milliseconds since the epoch.

use millrace_record::calendar::{DAY_MS, civil, clock, days};

/// Milliseconds since the epoch. A date is its first millisecond; without an offset a time is in UTC.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms).filter(|ms| *ms >= 0);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-');
    let day = days(i64::from(digits(parts.next()?, 4)?), digits(parts.next()?, 2)?, digits(parts.next()?, 2)?)?;
    if rest.is_empty() {
        return Some(day * DAY_MS);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, minutes_east) = zone(rest)?;
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = parts.next().map_or(Some(("00", "")), |s| Some(s.split_once('.').unwrap_or((s, ""))))?;
    let second = digits(second, 2)?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let of_day = i64::from(hour * 3600 + minute * 60 + second) * 1000 + ms;
    Some(day * DAY_MS + of_day - minutes_east * 60_000)
}

/// A time without its offset, and the offset in minutes.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = text.rfind(['+', '-', ' ']) else { return Some((text, 0)) };
    let (hours, minutes) = text[at + 1..].split_once(':').unwrap_or((&text[at + 1..], "00"));
    let east = i64::from(digits(hours, 2)? * 60 + digits(minutes, 2)?);
    // In a query an unescaped plus is a space.
    Some((&text[..at], if text.as_bytes()[at] == b'-' { -east } else { east }))
}

fn digits(text: &str, length: usize) -> Option<u32> {
    if text.len() == length && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `2026-11-22T05:00:00.000Z`
pub fn iso(ms: i64) -> String {
    let ((year, month, day), (hour, minute, second, milli)) = (civil(ms.div_euclid(DAY_MS)), clock(ms));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let at = 1_795_323_600_123;
        assert_eq!(iso(at), "2026-11-22T05:00:00.123Z");
        for text in [
            "2026-11-22T05:00:00.123Z",
            "1795323600123",
            "2026-11-22 05:00:00.123456",
            "2026-11-22T06:30:00.123+01:30",
            "2026-11-22T06:00:00.123 01:00",
        ] {
            assert_eq!(parse(text), Some(at), "{text}");
        }
        assert_eq!(parse("2026-11-22"), Some(at / DAY_MS * DAY_MS));
        assert_eq!(parse("2026-11-22T05:00"), Some(at - 123));
        for text in ["", "-5", "2026-13-01", "2026-11-22T25:00", "2026-11-22T05:00:61Z", "2026-11-22x", "noon", "2026-11-é2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
