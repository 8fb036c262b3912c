//! Parsing: what a text says by a pattern, as leniently as Java. What is behind the pattern's end is not looked at.

use super::calendar::{Builder, Field};
use super::zones::ZONES;
use super::{DAYS, DateFormat, ERAS, Fields, HALVES, MONTHS, Piece};

const MINUTE_MS: i64 = 60_000;
/// Decimal digits of a long.
const LONG_DIGITS: usize = 19;

impl DateFormat {
    /// Milliseconds since the epoch. None: the text does not match the pattern.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let text: Vec<char> = text.chars().collect();
        let mut parsed = Parsed { fields: Builder::default(), short_year: None, century_start: self.century_start };
        let mut at = 0;
        for (i, piece) in self.pieces.iter().enumerate() {
            at = match piece {
                Piece::Text(literal) => {
                    let rest = text.get(at..at + literal.len())?;
                    (rest == literal).then_some(at + literal.len())?
                }
                Piece::Letter(letter, count) => {
                    // Where a number follows a number, each has as many digits as letters.
                    let exact = matches!(self.pieces.get(i + 1), Some(Piece::Letter(next, n)) if is_number(*next, *n));
                    parsed.letters(&text, at, *letter, *count, exact)?
                }
            };
        }
        let time = parsed.fields.time()?;
        if parsed.short_year == Some(true) && time < self.century_start {
            parsed.fields.add_years(100);
            return parsed.fields.time();
        }
        Some(time)
    }
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count <= 2,
        _ => "ydkHmsSDFwWhKYu".contains(letter),
    }
}

struct Parsed {
    fields: Builder,
    /// There was a year of two digits; true: it is that in which the hundred years begin.
    short_year: Option<bool>,
    century_start: i64,
}

impl Parsed {
    /// Reads one part of the pattern at `start`, and answers where it ends.
    fn letters(&mut self, text: &[char], start: usize, letter: char, count: usize, exact: bool) -> Option<usize> {
        let blank = text[start..].iter().take_while(|c| matches!(c, ' ' | '\t')).count();
        let at = start + blank;
        text.get(at)?;
        // Names are looked for where the blanks begin, as in Java: there is none before a blank.
        let named = |names: &[&str], short: bool| best(&text[start..], names, short);
        match letter {
            'G' => return self.era(text, start),
            'M' | 'L' if count >= 3 => {
                let (i, length) = named(&MONTHS, true)?;
                self.fields.set(Field::Month, i as i64);
                return Some(start + length);
            }
            'E' => {
                let (i, length) = named(&DAYS, true)?;
                self.fields.set(Field::DayOfWeek, i as i64 + 1);
                return Some(start + length);
            }
            'a' => {
                let (i, length) = named(&HALVES, false)?;
                self.fields.set(Field::AmPm, i as i64);
                return Some(start + length);
            }
            'z' | 'Z' => return self.zone(text, start, at),
            'X' => return self.iso_zone(text, at, count),
            _ => {}
        }
        let end = if exact { Some(start + count).filter(|end| *end <= text.len())? } else { text.len() };
        let (value, length) = number(text.get(at..end)?)?;
        let end = at + length;
        match letter {
            'y' | 'Y' => {
                let field = if letter == 'y' { Field::Year } else { Field::WeekYear };
                let digits = |i: usize| text[i].is_numeric() && text[i].to_digit(10).is_some();
                let short = count <= 2 && length == 2 && digits(at) && digits(at + 1);
                let year = if short { self.full_year(value) } else { value };
                self.fields.set(field, year);
            }
            'M' | 'L' => self.fields.set(Field::Month, value - 1),
            'd' => self.fields.set(Field::Day, value),
            'D' => self.fields.set(Field::DayOfYear, value),
            'F' => self.fields.set(Field::DayOfWeekInMonth, value),
            'w' => self.fields.set(Field::WeekOfYear, value),
            'W' => self.fields.set(Field::WeekOfMonth, value),
            'u' => self.fields.set_iso_day_of_week(value),
            'H' => self.fields.set(Field::HourOfDay, value),
            'k' => self.fields.set(Field::HourOfDay, if value == 24 { 0 } else { value }),
            'K' => self.fields.set(Field::Hour, value),
            'h' => self.fields.set(Field::Hour, if value == 12 { 0 } else { value }),
            'm' => self.fields.set(Field::Minute, value),
            's' => self.fields.set(Field::Second, value),
            _ => self.fields.set(Field::Millisecond, value),
        }
        Some(end)
    }

    fn full_year(&mut self, value: i64) -> i64 {
        let start = Fields::of(self.century_start).year;
        self.short_year = Some(value == start % 100);
        value + start / 100 * 100 + if value < start % 100 { 100 } else { 0 }
    }

    fn era(&mut self, text: &[char], at: usize) -> Option<usize> {
        let (short, long) = (best(&text[at..], &ERAS, false), best(&text[at..], &["Before Christ", "Anno Domini"], false));
        let (era, length) = long.or(short)?;
        self.fields.set(Field::Era, era as i64);
        Some(at + length)
    }

    fn offset(&mut self, minutes: i64) {
        self.fields.offset = minutes * MINUTE_MS;
    }

    /// A name, `GMT+h:mm`, or `+hhmm`.
    fn zone(&mut self, text: &[char], start: usize, at: usize) -> Option<usize> {
        let sign = |at: usize| match text.get(at) {
            Some('+') => Some(1),
            Some('-') => Some(-1),
            _ => None,
        };
        if let Some(sign) = sign(at) {
            return self.numeric_zone(text, at + 1, sign, 0, false);
        }
        if matches!(text[at], 'G' | 'g') && starts_with(&text[start..], "GMT") {
            let behind = start + 3;
            let Some(sign) = sign(behind) else {
                self.offset(0);
                return Some(behind);
            };
            return self.numeric_zone(text, behind + 1, sign, 0, true);
        }
        let zone = ZONES.iter().filter(|(name, _)| starts_with(&text[at..], name)).max_by_key(|(name, _)| name.len())?;
        // The format's own zone leaves an offset that was read before it.
        if !matches!(zone.0, "UTC" | "Coordinated Universal Time") {
            self.offset(zone.1);
        }
        Some(at + zone.0.len())
    }

    /// `Z`, or `+hh`, `+hhmm` or `+hh:mm` by the number of letters.
    fn iso_zone(&mut self, text: &[char], at: usize, count: usize) -> Option<usize> {
        match text[at] {
            'Z' => {
                self.offset(0);
                Some(at + 1)
            }
            '+' => self.numeric_zone(text, at + 1, 1, count, count == 3),
            '-' => self.numeric_zone(text, at + 1, -1, count, count == 3),
            _ => None,
        }
    }

    fn numeric_zone(&mut self, text: &[char], at: usize, sign: i64, count: usize, colon: bool) -> Option<usize> {
        let digit = |at: usize| text.get(at).and_then(|c| c.to_digit(10)).map(i64::from);
        let (mut hours, mut at) = (digit(at)?, at + 1);
        match digit(at) {
            Some(d) => {
                hours = hours * 10 + d;
                at += 1;
            }
            // One digit is enough before a colon that need not be there by a count of letters.
            None if count > 0 || !colon => return None,
            None => drop(text.get(at)?),
        }
        if hours > 23 {
            return None;
        }
        let mut minutes = 0;
        if count != 1 {
            if colon {
                text.get(at).filter(|c| **c == ':')?;
                at += 1;
            }
            minutes = digit(at)? * 10 + digit(at + 1)?;
            at += 2;
            if minutes > 59 {
                return None;
            }
        }
        self.offset(sign * (minutes + 60 * hours));
        Some(at)
    }
}

/// Whether a text begins with a name, in whatever case.
fn starts_with(text: &[char], name: &str) -> bool {
    let same = |(a, b): (&char, char)| *a == b || a.to_uppercase().eq(b.to_uppercase());
    name.len() <= text.len() && text.iter().zip(name.chars()).all(same)
}

/// The longest of the names, or of their first three letters, that a text begins with: which, and its length.
fn best(text: &[char], names: &[&str], short: bool) -> Option<(usize, usize)> {
    for (i, name) in names.iter().enumerate() {
        if starts_with(text, name) {
            return Some((i, name.len()));
        }
    }
    let i = names.iter().position(|name| short && starts_with(text, &name[..3]))?;
    Some((i, 3))
}

/// A number as Java's `NumberFormat` for integers reads it, with an exponent too, as an `int`: its value and its length.
fn number(text: &[char]) -> Option<(i64, usize)> {
    if text.starts_with(&['N', 'a', 'N']) {
        return Some((0, 3));
    }
    let negative = text.first() == Some(&'-');
    let mut at = usize::from(negative);
    let int = |v: f64| i64::from(if negative { -v } else { v } as i32);
    if text.get(at) == Some(&'∞') {
        return Some((int(f64::INFINITY), at + 1));
    }
    let digits = |from: usize| text[from..].iter().map_while(|c| c.to_digit(10).and_then(|d| char::from_digit(d, 10)));
    let mantissa: String = digits(at).collect();
    if mantissa.is_empty() {
        return None;
    }
    at += mantissa.len();
    let mut exponent = 0;
    if text.get(at) == Some(&'E') {
        let sign = usize::from(text.get(at + 1) == Some(&'-'));
        let given: String = text.get(at + 1 + sign..).map(|_| digits(at + 1 + sign).collect()).unwrap_or_default();
        if let Ok(value) = given.parse::<i64>() {
            exponent = if sign == 1 { -value } else { value };
            at += 1 + sign + given.len();
        }
    }
    // What fits a long keeps its lower bits, anything else becomes the nearest int.
    let zeros = usize::try_from(exponent).ok().filter(|n| *n < LONG_DIGITS);
    let long = zeros.and_then(|n| format!("{mantissa}{}", "0".repeat(n)).parse::<i64>().ok());
    let value = match long {
        Some(long) => i64::from(if negative { long.wrapping_neg() } else { long } as i32),
        None => int(format!("{mantissa}e{exponent}").parse().unwrap_or(f64::INFINITY)),
    };
    Some((value, at))
}
