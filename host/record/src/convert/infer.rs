//! The type of a text, as Connect's `Values.parseString` finds it: null, booleans, numbers of the least type, dates, times and
//! timestamps, lists and maps of these.
//!
//! Where Connect would take a part of the text for the whole (`12:34:56` as the number 12), or a number that has other digits,
//! the text stays what it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::logical::{Logical, days};
use crate::json::{java_f32, java_f64, quoted};
use crate::{Kind, Schema, decimal};

/// How deep lists and maps may lie in each other.
const DEPTH_MAX: usize = 100;
/// A decimal of a scale beyond this stays text: each scale makes a schema of its own, and schemas are never forgotten.
const SCALE_MAX: i64 = 1000;

pub(super) enum Inferred {
    Null,
    /// The text itself.
    Text,
    /// The value fits the schema, whose open types are [`Kind::Any`].
    Value(Schema, Value),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A date, time or timestamp: its number, and as it was written.
    Moment(i64, String),
    Single(f32),
    Double(f64),
    Text(String),
    Decimal {
        unscaled: Vec<u8>,
        scale: i32,
    },
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

/// The text, or this part of it, is no value of another type.
struct NotOne;

type Typed = Option<(Schema, Value)>;

pub(super) fn infer(text: &str) -> Inferred {
    let trimmed = blank(text);
    match trimmed.as_bytes().first() {
        Some(b'n' | b't' | b'f' | b'0'..=b'9' | b'+' | b'-' | b'[' | b'{') => {}
        _ => return Inferred::Text,
    }
    let mut tokens = Tokens { text: trimmed, at: 0, depth: 0 };
    let value = match tokens.value() {
        Ok(value) if blank(tokens.rest()).is_empty() => value,
        _ => return Inferred::Text,
    };
    match value {
        None => Inferred::Null,
        Some((schema, value)) => Inferred::Value(schema, value),
    }
}

/// Without white space and control characters around it, as Java trims.
fn blank(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

fn delimiter(c: u8) -> bool {
    matches!(c, b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"')
}

/// A text as words between delimiters that no backslash escapes.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Tokens<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(|c| c <= ' ').len();
    }

    /// Consumes a delimiter, with the white space before it.
    fn eat(&mut self, c: u8) -> bool {
        self.space();
        let hit = self.text.as_bytes().get(self.at) == Some(&c);
        self.at += usize::from(hit);
        hit
    }

    /// The end of the word that starts at `from`.
    fn word_end(&self, from: usize) -> usize {
        let mut escaped = false;
        for (i, b) in self.text.as_bytes().iter().enumerate().skip(from) {
            if delimiter(*b) && !escaped {
                return i;
            }
            escaped = *b == b'\\' && !escaped;
        }
        self.text.len()
    }

    /// None: null.
    fn value(&mut self) -> Result<Typed, NotOne> {
        if self.depth > 0 && self.eat(b'"') {
            return self.quoted();
        }
        if self.depth < DEPTH_MAX {
            if self.eat(b'[') {
                return self.nested(Self::list);
            }
            if self.eat(b'{') {
                return self.nested(Self::map);
            }
        }
        self.space();
        let start = self.at;
        if let Some((value, length)) = instant(self.rest()) {
            self.at += length;
            return Ok(Some(value));
        }
        self.at = self.word_end(start);
        let word = blank(&self.text[start..self.at]);
        Ok(match word {
            "null" => None,
            "true" | "false" => Some((Schema::new(Kind::Boolean), Value::Boolean(word == "true"))),
            _ => Some(temporal(word).or_else(|| number(word)).ok_or(NotOne)?),
        })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Typed, NotOne>) -> Result<Typed, NotOne> {
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Up to the next quote that is not escaped. Escapes stay as they are.
    fn quoted(&mut self) -> Result<Typed, NotOne> {
        let start = self.at;
        loop {
            let end = self.word_end(self.at);
            match self.text.as_bytes().get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    let content = &self.text[start..end];
                    let text = || (Schema::new(Kind::Text), Value::Text(content.to_owned()));
                    return Ok(Some(temporal(content).unwrap_or_else(text)));
                }
                Some(_) => self.at = end + 1,
                None => return Err(NotOne),
            }
        }
    }

    fn list(&mut self) -> Result<Typed, NotOne> {
        let (mut common, mut items) = (Common::default(), Vec::new());
        while !self.eat(b']') {
            if self.eat(b',') {
                return Err(NotOne);
            }
            let item = self.value()?;
            items.push(common.take(item));
            let end = self.at;
            if self.eat(b']') {
                self.at = end;
            } else if !self.eat(b',') {
                return Err(NotOne);
            }
        }
        let element = common.align(items.iter())?;
        Ok(Some((Schema::list(element), Value::List(items))))
    }

    fn map(&mut self) -> Result<Typed, NotOne> {
        let (mut keys, mut values) = (Common::default(), Common::default());
        let mut entries: Vec<(Value, Value)> = Vec::new();
        // By the JSON of their keys, which tells types apart.
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        while !self.eat(b'}') {
            if self.eat(b',') {
                return Err(NotOne);
            }
            let key = self.value()?.ok_or(NotOne)?;
            if !self.eat(b':') {
                return Err(NotOne);
            }
            let (key, value) = (keys.take(Some(key)), self.value()?);
            let value = values.take(value);
            let mut text = Vec::new();
            key.json(&mut text);
            match places.entry(text) {
                Entry::Occupied(place) => entries[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(entries.len());
                    entries.push((key, value));
                }
            }
            self.eat(b',');
        }
        let key = keys.align(entries.iter().map(|e| &e.0))?;
        // Where the keys have no type in common, the values have none either.
        let values = if key.kind == Kind::Any { Common { open: true, ..values } } else { values };
        let value = values.align(entries.iter().map(|e| &e.1))?;
        Ok(Some((Schema::map(key, value), Value::Map(entries))))
    }
}

/// The type that all of several values have.
#[derive(Default)]
struct Common {
    schema: Option<Schema>,
    /// There is none.
    open: bool,
}

impl Common {
    fn take(&mut self, value: Typed) -> Value {
        let Some((schema, value)) = value else { return Value::Null };
        if !self.open {
            self.schema = match self.schema.take() {
                None => Some(schema),
                Some(before) => merged(before, schema),
            };
            self.open = self.schema.is_none();
        }
        value
    }

    /// The type, when all values fit it without loss; else an open one.
    fn align<'a>(self, values: impl Iterator<Item = &'a Value>) -> Result<Schema, NotOne> {
        let any = Schema::new(Kind::Any).optional();
        let Some(schema) = self.schema.filter(|_| !self.open) else { return Ok(any) };
        let doubles = if schema.kind == Kind::Float32 { Some(Schema::new(Kind::Float64)) } else { None };
        let (mut all, mut all_doubles) = (true, true);
        for value in values {
            // A type that allows no null does not take one: the whole is text then.
            if *value == Value::Null {
                return Err(NotOne);
            }
            all &= fits(&schema, value);
            all_doubles &= doubles.as_ref().is_some_and(|d| fits(d, value));
        }
        Ok(match doubles {
            _ if all => schema,
            Some(doubles) if all_doubles => doubles,
            _ => any,
        })
    }
}

/// Of the same type the later; of two numbers the wider.
fn merged(before: Schema, after: Schema) -> Option<Schema> {
    const WIDTH: [Kind; 6] = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64, Kind::Float32, Kind::Float64];
    if before.kind == after.kind {
        return Some(after);
    }
    let width = |s: &Schema| WIDTH.iter().position(|k| *k == s.kind);
    Some(if width(&before)? > width(&after)? { before } else { after })
}

/// Whether a value is one of this type without loss. Integers are floats where those are due.
fn fits(schema: &Schema, value: &Value) -> bool {
    match (schema.kind, value) {
        (Kind::Any, _) | (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::Text(_)) => true,
        (Kind::Int32 | Kind::Int64, Value::Moment(..)) => schema.name.is_some(),
        (Kind::Int8, Value::Integer(v)) => i8::try_from(*v).is_ok(),
        (Kind::Int16, Value::Integer(v)) => i16::try_from(*v).is_ok(),
        (Kind::Int32, Value::Integer(v)) => i32::try_from(*v).is_ok(),
        (Kind::Int64, Value::Integer(_)) | (Kind::Float32 | Kind::Float64, Value::Single(_)) => true,
        (Kind::Float64, Value::Double(_)) => true,
        (Kind::Float32, Value::Integer(v)) => (*v as f32) as i128 == i128::from(*v),
        (Kind::Float64, Value::Integer(v)) => (*v as f64) as i128 == i128::from(*v),
        (Kind::Bytes, Value::Decimal { scale, .. }) => schema.scale() == Some(*scale),
        (Kind::List, Value::List(items)) => schema.element.as_ref().is_some_and(|e| items.iter().all(|v| fits(e, v))),
        (Kind::Map, Value::Map(entries)) => match (&schema.key, &schema.element) {
            (Some(key), Some(element)) => entries.iter().all(|(k, v)| fits(key, k) && fits(element, v)),
            _ => false,
        },
        _ => false,
    }
}

/// A time or a timestamp at the start of a text, with its length: their colons make them several words.
fn instant(text: &str) -> Option<((Schema, Value), usize)> {
    [24, 13].into_iter().find_map(|length| {
        let word = text.get(..length)?;
        let ends = text.as_bytes().get(length).is_none_or(|b| delimiter(*b) || *b <= b' ');
        temporal(word).filter(|_| ends).map(|value| (value, length))
    })
}

/// `2020-01-02`, `03:04:05.678Z` or `2020-01-02T03:04:05.678Z`; colons may be escaped.
fn temporal(word: &str) -> Typed {
    let word = if word.contains("\\:") { Cow::from(word.replace("\\:", ":")) } else { word.into() };
    let number = |at: usize, digits: usize| -> Option<u32> {
        let text = word.get(at..at + digits)?;
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let marks =
        |at: usize, pattern: &str| pattern.bytes().enumerate().all(|(i, b)| b == b'0' || word.as_bytes().get(at + i) == Some(&b));
    let date = || -> Option<i64> {
        let (y, m, d) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        marks(0, "0000-00-00").then(|| days(y.into(), m, d)).flatten()
    };
    let time = |at: usize| -> Option<i64> {
        let (h, m, s, ms) = (number(at, 2)?, number(at + 3, 2)?, number(at + 6, 2)?, number(at + 9, 3)?);
        let good = marks(at, "00:00:00.000Z") && h < 24 && m < 60 && s < 60;
        good.then(|| i64::from(((h * 60 + m) * 60 + s) * 1000 + ms))
    };
    let (logical, value) = match word.len() {
        10 => (Logical::Date, date()?),
        13 => (Logical::Time, time(0)?),
        24 if word.as_bytes()[10] == b'T' => (Logical::Timestamp, date()? * super::logical::DAY_MS + time(11)?),
        _ => return None,
    };
    Some((logical.schema()?, Value::Moment(value, word.into_owned())))
}

/// A number of the least type that holds it.
fn number(word: &str) -> Typed {
    if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) {
        return None;
    }
    let (mantissa, exponent) = match word.find(['e', 'E']) {
        Some(at) => (&word[..at], word[at + 1..].parse::<i32>().ok()?),
        None => (word, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.len() + fraction.len();
    if digits == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = fraction.len() as i64 - i64::from(exponent);
    if let Some(v) = integer(mantissa.starts_with('-'), whole, fraction, exponent) {
        let kind = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64];
        let fits = [i8::try_from(v).is_ok(), i16::try_from(v).is_ok(), i32::try_from(v).is_ok(), true];
        let kind = kind[fits.iter().position(|f| *f).unwrap_or(3)];
        return Some((Schema::new(kind), Value::Integer(v)));
    }
    let double: f64 = word.parse().ok()?;
    if scale != 0 && double.is_finite() {
        let float: f32 = word.parse().ok()?;
        // The float is taken where it has the digits of the text, as it does for what people write.
        let same = float.is_finite() && shortest(float).is_some_and(|v| v == double);
        let (kind, v) = if same { (Kind::Float32, Value::Single(float)) } else { (Kind::Float64, Value::Double(double)) };
        return Some((Schema::new(kind), v));
    }
    let scale = i32::try_from(scale).ok().filter(|s| i64::from(*s).abs() <= SCALE_MAX)?;
    let unscaled = decimal::from_text(word.strip_prefix('+').unwrap_or(word), scale)?;
    Some((Logical::Decimal { scale }.schema()?, Value::Decimal { unscaled, scale }))
}

/// The double that has the fewest digits which say this float.
pub(super) fn shortest(v: f32) -> Option<f64> {
    ryu::Buffer::new().format_finite(v).parse().ok()
}

/// The number as an integer of 64 bits, when it is one.
fn integer(negative: bool, whole: &str, fraction: &str, exponent: i32) -> Option<i64> {
    let all: String = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // The place of the point, counted from the left of all digits.
    let point = whole.len() as i64 + i64::from(exponent) - (all.len() - digits.len()) as i64;
    if !(1..=19).contains(&point) {
        return None;
    }
    let mut v: i128 = 0;
    for i in 0..(point as usize).max(digits.len()) {
        match digits.as_bytes().get(i).map_or(0, |d| d - b'0') {
            d if i < point as usize => v = v * 10 + i128::from(d),
            0 => {}
            _ => return None,
        }
    }
    i64::try_from(if negative { -v } else { v }).ok()
}

impl Value {
    /// Appends the value as JSON, for a place without a type.
    pub fn json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Boolean(v) => out.extend_from_slice(if *v { b"true" } else { b"false" }),
            Value::Integer(v) => out.extend_from_slice(itoa::Buffer::new().format(*v).as_bytes()),
            Value::Single(v) => java_f32(*v, out),
            Value::Double(v) => java_f64(*v, out),
            Value::Text(v) | Value::Moment(_, v) => quoted(v.as_bytes(), out),
            Value::Decimal { unscaled, scale } => out.extend_from_slice(decimal::to_text(unscaled, *scale).as_bytes()),
            Value::List(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b"," } else { b"" });
                    item.json(out);
                }
                out.push(b']');
            }
            Value::Map(entries) => {
                out.push(b'{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b"," } else { b"" });
                    match key {
                        Value::Text(key) | Value::Moment(_, key) => quoted(key.as_bytes(), out),
                        key => {
                            let mut text = Vec::new();
                            key.json(&mut text);
                            quoted(&text, out);
                        }
                    }
                    out.push(b':');
                    value.json(out);
                }
                out.push(b'}');
            }
        }
    }
}
