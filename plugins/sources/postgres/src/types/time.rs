//! Dates and times in PostgreSQL's ISO form to numbers and back to ISO 8601.

/// A moment or a day in PostgreSQL's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Microseconds since the epoch; of a date, days.
    At(i64),
    Infinity,
    MinusInfinity,
}

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar. After Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms".
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

/// Takes digits off the front.
fn digits(text: &mut &[u8]) -> Option<i64> {
    let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == 0 || n > 9 {
        return None;
    }
    let value = text[..n].iter().fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
    *text = &text[n..];
    Some(value)
}

fn mark(text: &mut &[u8], expected: u8) -> Option<()> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    (*first == expected).then_some(())
}

/// `2024-02-29`, without an era.
fn civil(text: &mut &[u8]) -> Option<(i64, u32, u32)> {
    let year = digits(text)?;
    mark(text, b'-')?;
    let month = digits(text)?;
    mark(text, b'-')?;
    let day = digits(text)?;
    Some((year, month as u32, day as u32))
}

/// `13:14:15.123456` in microseconds.
fn clock(text: &mut &[u8]) -> Option<i64> {
    let hours = digits(text)?;
    mark(text, b':')?;
    let minutes = digits(text)?;
    mark(text, b':')?;
    let seconds = digits(text)?;
    let mut micros = 0;
    if text.first() == Some(&b'.') {
        *text = &text[1..];
        let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
        if n > 6 {
            return None;
        }
        micros = digits(text)? * 10i64.pow(6 - n as u32);
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

/// `+02`, `-05:30`, `+01:02:03` in seconds; nothing where there is none.
fn zone(text: &mut &[u8]) -> Option<i64> {
    let sign = match text.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some(0),
    };
    *text = &text[1..];
    let mut seconds = digits(text)? * 3600;
    for unit in [60, 1] {
        if text.first() == Some(&b':') {
            *text = &text[1..];
            seconds += digits(text)? * unit;
        }
    }
    Some(sign * seconds)
}

fn end(text: &[u8], (year, month, day): (i64, u32, u32)) -> Option<i64> {
    let year = match text {
        b"" => year,
        b" BC" => 1 - year,
        _ => return None,
    };
    Some(days_from_civil(year, month, day))
}

/// A `date`, in days since the epoch: dates reach further than microseconds can count.
pub fn date(mut text: &[u8]) -> Option<Moment> {
    match text {
        b"infinity" => return Some(Moment::Infinity),
        b"-infinity" => return Some(Moment::MinusInfinity),
        _ => {}
    }
    let day = civil(&mut text)?;
    Some(Moment::At(end(text, day)?))
}

/// A `timestamp` or `timestamptz`, in UTC.
pub fn timestamp(mut text: &[u8]) -> Option<Moment> {
    match text {
        b"infinity" => return Some(Moment::Infinity),
        b"-infinity" => return Some(Moment::MinusInfinity),
        _ => {}
    }
    let day = civil(&mut text)?;
    mark(&mut text, b' ')?;
    let of_day = clock(&mut text)?;
    let offset = zone(&mut text)?;
    let days = end(text, day)?;
    Some(Moment::At(days.checked_mul(86_400_000_000)?.checked_add(of_day - offset * 1_000_000)?))
}

/// A `time`, in microseconds since midnight.
pub fn time(mut text: &[u8]) -> Option<i64> {
    let of_day = clock(&mut text)?;
    text.is_empty().then_some(of_day)
}

/// A `timetz`, in microseconds since midnight UTC, which may lie before it or a day past it.
pub fn timetz(mut text: &[u8]) -> Option<i64> {
    let of_day = clock(&mut text)?;
    let offset = zone(&mut text)?;
    text.is_empty().then_some(of_day - offset * 1_000_000)
}

fn two(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(&[b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]);
}

/// Appends `2024-02-29`. Years past 9999 get a sign, years before the first are `-0043`.
pub fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        two(out, year / 100);
        two(out, year % 100);
    } else {
        out.push(if year < 0 { b'-' } else { b'+' });
        out.extend_from_slice(format!("{:04}", year.abs()).as_bytes());
    }
    out.push(b'-');
    two(out, month.into());
    out.push(b'-');
    two(out, day.into());
}

/// Appends `13:14:15.123456`, with as many digits of the fraction as `digits` says, or as it needs.
pub fn write_time(out: &mut Vec<u8>, micros: i64, digits: Option<usize>) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    two(out, seconds / 3600);
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
    let mut text = *b"000000";
    let mut rest = fraction;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let n = digits.unwrap_or_else(|| 6 - text.iter().rev().take_while(|d| **d == b'0').count()).min(6);
    if n > 0 {
        out.push(b'.');
        out.extend_from_slice(&text[..n]);
    }
}

/// An `interval` in PostgreSQL's own form: months, days, microseconds.
pub fn interval(text: &[u8]) -> Option<(i64, i64, i64)> {
    let (mut months, mut days, mut micros) = (0i64, 0i64, 0i64);
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (negative, clean) = match word.as_bytes() {
                [b'-', rest @ ..] => (true, rest),
                [b'+', rest @ ..] => (false, rest),
                rest => (false, rest),
            };
            let of_day = time(clean)?;
            micros += if negative { -of_day } else { of_day };
            continue;
        }
        let n: i64 = word.trim_start_matches('+').parse().ok()?;
        match words.next()? {
            "year" | "years" => months += n * 12,
            "mon" | "mons" => months += n,
            "day" | "days" => days += n,
            _ => return None,
        }
    }
    Some((months, days, micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_both_ways() {
        for days in (-1_000_000..1_000_000).step_by(37) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(civil_from_days(19_782), (2024, 2, 29));
    }

    #[test]
    fn moments_are_read() {
        assert_eq!(timestamp(b"1970-01-01 00:00:00"), Some(Moment::At(0)));
        assert_eq!(timestamp(b"2024-02-29 13:14:15.5+02"), timestamp(b"2024-02-29 11:14:15.5"));
        assert_eq!(timestamp(b"1969-12-31 23:59:59.999999"), Some(Moment::At(-1)));
        assert_eq!(timestamp(b"0044-03-15 01:02:03 BC").map(|m| matches!(m, Moment::At(t) if t < 0)), Some(true));
        assert_eq!(timestamp(b"infinity"), Some(Moment::Infinity));
        assert_eq!(date(b"2024-02-29"), Some(Moment::At(19_782)));
        assert_eq!(time(b"24:00:00"), Some(86_400_000_000));
        assert_eq!(timetz(b"13:14:15.5-05:30"), time(b"18:44:15.5"));
        for wrong in ["", "2024", "2024-02-29T00:00:00", "2024-02-29 1:2", "x", "2024-02-29 00:00:00 AD"] {
            assert_eq!(timestamp(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn moments_are_written() {
        let mut out = Vec::new();
        write_date(&mut out, 19_782);
        out.push(b'T');
        write_time(&mut out, 47_655_120_000, None);
        assert_eq!(out, b"2024-02-29T13:14:15.12");
        out.clear();
        write_time(&mut out, 0, Some(3));
        assert_eq!(out, b"00:00:00.000");
    }

    #[test]
    fn intervals_are_read() {
        assert_eq!(interval(b"1 year 2 mons 3 days 04:05:06.789"), Some((14, 3, 14_706_789_000)));
        assert_eq!(interval(b"-1 days -02:03:04"), Some((0, -1, -7_384_000_000)));
        assert_eq!(interval(b"00:00:00"), Some((0, 0, 0)));
        assert_eq!(interval(b"1 mon -1 days"), Some((1, -1, 0)));
        assert_eq!(interval(b"soon"), None);
    }
}
