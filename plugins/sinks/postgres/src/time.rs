//! Times as Connect and Debezium write them, in PostgreSQL's count of microseconds from 2000-01-01.

/// Microseconds from 1970-01-01 to 2000-01-01.
pub const EPOCH_US: i64 = 946_684_800_000_000;
/// Days from 1970-01-01 to 2000-01-01.
pub const EPOCH_DAYS: i64 = 10_957;
/// What Debezium writes for `infinity` and `-infinity`, in microseconds.
const INFINITY_US: i64 = 9_223_372_036_825_200_000;
const NEGATIVE_INFINITY_US: i64 = -9_223_372_036_832_400_000;

/// A unit of time stamps, by how many of it make a microsecond or are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// In microseconds; none when they do not fit.
    pub fn micros(self, n: i64) -> Option<i64> {
        match self {
            Unit::Millis => n.checked_mul(1000),
            Unit::Micros => Some(n),
            Unit::Nanos => Some(n.div_euclid(1000)),
        }
    }
}

/// A time stamp since 1970, as PostgreSQL counts.
pub fn timestamp(n: i64, unit: Unit) -> Option<i64> {
    let us = match unit {
        Unit::Micros if n == INFINITY_US => return Some(i64::MAX),
        Unit::Micros if n == NEGATIVE_INFINITY_US => return Some(i64::MIN),
        Unit::Millis if n == INFINITY_US / 1000 => return Some(i64::MAX),
        Unit::Millis if n == NEGATIVE_INFINITY_US / 1000 => return Some(i64::MIN),
        _ => unit.micros(n)?,
    };
    us.checked_sub(EPOCH_US)
}

/// The text of a date, by its days since 1970; none outside of the years 1 to 9999.
pub fn date_text(day: i64) -> Option<String> {
    if !(days(1, 1, 1)..days(10_000, 1, 1)).contains(&day) {
        return None;
    }
    // No year is longer than 366 days, no month than 31: the guess is never late.
    let mut y = 1 + (day - days(1, 1, 1)) / 366;
    while days(y + 1, 1, 1) <= day {
        y += 1;
    }
    let m = (2..=12).take_while(|m| days(y, *m, 1) <= day).last().unwrap_or(1);
    Some(format!("{y:04}-{m:02}-{:02}", day - days(y, m, 1) + 1))
}

/// The text of a time of day, by its microseconds.
pub fn time_text(us: i64) -> Option<String> {
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    (0..=86_400).contains(&seconds).then(|| if us == 0 { text } else { format!("{text}.{us:06}") })
}

/// The text of a time stamp, by its microseconds since 1970.
pub fn timestamp_text(us: i64) -> Option<String> {
    const DAY_US: i64 = 86_400_000_000;
    Some(format!("{} {}", date_text(us.div_euclid(DAY_US))?, time_text(us.rem_euclid(DAY_US))?))
}

/// Days since 1970 of a date of the proleptic Gregorian calendar.
fn days(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// `2024-01-02T03:04:05.123456Z`, with an offset in place of `Z` too: microseconds since 2000 in UTC. None when it is not
/// of this form; the server's own parser may still know it.
pub fn zoned(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let num = |at: usize, n: usize| -> Option<i64> {
        let digits = b.get(at..at + n)?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |v, d| v * 10 + (d - b'0') as i64))
    };
    let is = |at: usize, c: u8| b.get(at) == Some(&c);
    if !(is(4, b'-') && is(7, b'-') && (is(10, b'T') || is(10, b' ')) && is(13, b':')) {
        return None;
    }
    let (y, mo, d, h, mi) = (num(0, 4)?, num(5, 2)?, num(8, 2)?, num(11, 2)?, num(14, 2)?);
    let (mut at, mut s, mut us) = (16, 0, 0);
    if is(at, b':') {
        s = num(at + 1, 2)?;
        at += 3;
    }
    if is(at, b'.') {
        at += 1;
        let mut place = 100_000;
        while let Some(c) = b.get(at).filter(|c| c.is_ascii_digit()) {
            us += (c - b'0') as i64 * place;
            place /= 10;
            at += 1;
        }
    }
    let offset = match b.get(at)? {
        b'Z' if b.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if b.len() == at + 6 && is(at + 3, b':') => {
            (num(at + 1, 2)? * 3600 + num(at + 4, 2)? * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let last = [31, if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let valid = y >= 1 && (1..=12).contains(&mo) && d >= 1 && d <= last[mo as usize - 1] && h < 24 && mi < 60 && s < 60;
    valid.then(|| ((days(y, mo, d) * 86_400 + h * 3600 + mi * 60 + s - offset) * 1_000_000 + us) - EPOCH_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zoned_texts() {
        assert_eq!(zoned("2000-01-01T00:00:00Z"), Some(0));
        assert_eq!(zoned("2000-01-01T02:00:00.5+02:00"), Some(500_000));
        assert_eq!(zoned("1999-12-31T23:59:59.999999Z"), Some(-1));
        assert_eq!(zoned("2024-02-29T00:00Z"), Some((8766 + 59 - 0) * 86_400_000_000));
        for bad in ["", "infinity", "2023-02-29T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z"] {
            assert_eq!(zoned(bad), None, "{bad}");
        }
    }

    #[test]
    fn texts_of_dates_and_times() {
        assert_eq!(date_text(0).as_deref(), Some("1970-01-01"));
        assert_eq!(date_text(-1).as_deref(), Some("1969-12-31"));
        assert_eq!(date_text(19_782).as_deref(), Some("2024-02-29"));
        assert_eq!(date_text(days(1, 1, 1)).as_deref(), Some("0001-01-01"));
        assert_eq!(date_text(days(9999, 12, 31)).as_deref(), Some("9999-12-31"));
        assert_eq!((date_text(days(10_000, 1, 1)), date_text(i64::MIN)), (None, None));
        for day in (-200_000..200_000).step_by(37) {
            let text = date_text(day).unwrap();
            let part = |r: std::ops::Range<usize>| text[r].parse().unwrap();
            assert_eq!(days(part(0..4), part(5..7), part(8..10)), day);
        }
        assert_eq!(time_text(3_723_000_004).as_deref(), Some("01:02:03.000004"));
        assert_eq!(time_text(-1_000_000), None);
        assert_eq!(timestamp_text(-1).as_deref(), Some("1969-12-31 23:59:59.999999"));
    }

    #[test]
    fn stamps_and_infinities() {
        assert_eq!(timestamp(946_684_800_000, Unit::Millis), Some(0));
        assert_eq!(timestamp(946_684_800_000_000_999, Unit::Nanos), Some(0));
        assert_eq!(timestamp(9_223_372_036_825_200_000, Unit::Micros), Some(i64::MAX));
        assert_eq!(timestamp(i64::MAX, Unit::Millis), None);
    }
}
