//! Java's `SimpleDateFormat` in UTC and in English: patterns, formatting, and parsing that is as lenient.

mod calendar;
mod parse;
mod zones;

use std::fmt::Write;

use calendar::Fields;
pub use calendar::{DAY_MS, civil};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct DateFormat {
    pattern: String,
    pieces: Vec<Piece>,
    /// Years of two digits are in the hundred years from here.
    century_start: i64,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Characters that stand for themselves.
    Text(Vec<char>),
    /// A letter, so many times.
    Letter(char, usize),
}

/// The letters that mean something.
const LETTERS: &str = "GyMdkHmsSEDFwWahKzZYuXL";

const ERAS: [&str; 2] = ["BC", "AD"];
const HALVES: [&str; 2] = ["AM", "PM"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How many years before it was made a format's hundred years begin.
const YEARS_BACK: i64 = 80;

impl DateFormat {
    /// The error is Java's. `now` (milliseconds since the epoch) says what a year of two digits means.
    pub fn new(pattern: &str, now: i64) -> Result<DateFormat, String> {
        let (year, month, day) = civil(now.div_euclid(DAY_MS));
        let mut start = calendar::Builder::default();
        start.set(calendar::Field::Year, year - YEARS_BACK);
        start.set(calendar::Field::Month, month - 1);
        // On the last day of a February the year may have none.
        let longest = if month == 2 && (year - YEARS_BACK) % 4 != 0 { day.min(28) } else { day };
        start.set(calendar::Field::Day, longest);
        start.set(calendar::Field::Millisecond, now.rem_euclid(DAY_MS));
        let century_start = start.time().unwrap_or(now);
        Ok(DateFormat { pattern: pattern.to_owned(), pieces: pieces(pattern)?, century_start })
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// A time in milliseconds since the epoch, as a text.
    pub fn format(&self, ms: i64) -> String {
        let fields = Fields::of(ms);
        let mut out = String::with_capacity(self.pattern.len() + 8);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend(text),
                Piece::Letter(letter, count) => letters(&fields, *letter, *count, &mut out),
            }
        }
        out
    }
}

fn pieces(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<Piece>, c: char| match out.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => out.push(Piece::Text(vec![c])),
    };
    let (mut chars, mut quoted) = (pattern.chars().peekable(), false);
    // A quote ends a run of letters, even an empty one.
    let mut joins = false;
    while let Some(c) = chars.next() {
        if c == '\'' {
            joins = false;
            if chars.next_if_eq(&'\'').is_some() {
                text(&mut out, '\'');
            } else {
                quoted = !quoted;
            }
        } else if quoted || !c.is_ascii_alphabetic() {
            joins = false;
            text(&mut out, c);
        } else if !LETTERS.contains(c) {
            return Err(format!("Illegal pattern character '{c}'"));
        } else {
            match out.last_mut() {
                Some(Piece::Letter(letter, count)) if joins && *letter == c => *count += 1,
                _ => out.push(Piece::Letter(c, 1)),
            }
            joins = true;
            if let Some(Piece::Letter('X', count @ 4..)) = out.last()
                && chars.peek() != Some(&'X')
            {
                return Err(format!("invalid ISO 8601 format: length={count}"));
            }
        }
    }
    if quoted { Err("Unterminated quote".into()) } else { Ok(out) }
}

/// The first three letters, or all of them.
fn name(long: &'static str, count: usize) -> &'static str {
    if count >= 4 { long } else { &long[..3] }
}

fn letters(f: &Fields, letter: char, count: usize, out: &mut String) {
    let of_era = |year: i64| if year > 0 { year } else { 1 - year };
    let last_two = |year: i64| if count == 2 { year % 100 } else { year };
    let twelve = f.hour % 12;
    let number = match letter {
        'G' => return out.push_str(ERAS[usize::from(f.year > 0)]),
        'M' | 'L' if count >= 3 => return out.push_str(name(MONTHS[f.month as usize - 1], count)),
        'E' => return out.push_str(name(DAYS[f.day_of_week as usize - 1], count)),
        'a' => return out.push_str(HALVES[usize::from(f.hour >= 12)]),
        'z' => return out.push_str(if count >= 4 { "Coordinated Universal Time" } else { "UTC" }),
        'Z' => return out.push_str("+0000"),
        'X' => return out.push('Z'),
        'y' => last_two(of_era(f.year)),
        'Y' => last_two(f.week_year),
        'M' | 'L' => f.month,
        'd' => f.day,
        'D' => f.day_of_year,
        'F' => f.day_of_week_in_month,
        'w' => f.week_of_year,
        'W' => f.week_of_month,
        'u' => (f.day_of_week + 5) % 7 + 1,
        'H' => f.hour,
        'k' => {
            if f.hour == 0 {
                24
            } else {
                f.hour
            }
        }
        'K' => twelve,
        'h' => {
            if twelve == 0 {
                12
            } else {
                twelve
            }
        }
        'm' => f.minute,
        's' => f.second,
        _ => f.millisecond,
    };
    if number < 0 {
        out.push('-');
    }
    let _ = write!(out, "{:0count$}", number.unsigned_abs());
}

#[cfg(test)]
mod tests;
