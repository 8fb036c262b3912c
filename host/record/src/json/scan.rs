//! A scanner over JSON text whose UTF-8 has been checked: it validates as it goes and builds nothing.

use std::borrow::Cow;

use super::write::clean;

/// Nesting allowed, as Jackson's default.
const DEPTH_MAX: usize = 1000;
/// Length of a number, as Jackson's default.
const NUMBER_MAX: usize = 1000;

/// What is wrong with a text, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    pub what: &'static str,
    pub at: usize,
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// Jackson's names for the kinds of a JSON value, as they stand in Connect's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeType {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl std::fmt::Display for NodeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NodeType::Object => "OBJECT",
            NodeType::Array => "ARRAY",
            NodeType::String => "STRING",
            NodeType::Number => "NUMBER",
            NodeType::Boolean => "BOOLEAN",
            NodeType::Null => "NULL",
        })
    }
}

/// A place in a text.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Scanner { text, bytes: text.as_bytes(), at: 0 }
    }
    /// At byte `at` of a text whose first bytes are known already.
    pub fn from(text: &'a str, at: usize) -> Self {
        Scanner { text, bytes: text.as_bytes(), at }
    }
    /// The text from byte `start` to here.
    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }
    pub fn bad<T>(&self, what: &'static str) -> Result<T, Bad> {
        Err(Bad { what, at: self.at })
    }

    #[inline]
    pub fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }
    /// The next byte after white space, not consumed; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        match self.bytes.get(self.at) {
            Some(b) if *b > b' ' => *b,
            _ => {
                self.space();
                self.bytes.get(self.at).copied().unwrap_or(0)
            }
        }
    }
    /// Consumes `byte` if it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        // A branch, not an addition of the comparison: rustc 1.95 loses that one when it is inlined at opt-level 3.
        if self.peek() == byte {
            self.at += 1;
            true
        } else {
            false
        }
    }
    #[inline]
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Bad> {
        if self.eat(byte) { Ok(()) } else { self.bad(what) }
    }
    /// Consumes these very bytes if they are next, with no white space allowed.
    #[inline]
    pub fn literal(&mut self, bytes: &[u8]) -> bool {
        let hit = self.bytes[self.at..].starts_with(bytes);
        if hit {
            self.at += bytes.len();
        }
        hit
    }
    pub fn end(&mut self) -> Result<(), Bad> {
        if self.peek() == 0 && self.at == self.bytes.len() { Ok(()) } else { self.bad("more text after the value") }
    }
    /// Goes through the object that is next: `each` is given the key of every member, the scanner standing at its value, which
    /// `each` reads.
    pub fn members<E: From<Bad>>(&mut self, mut each: impl FnMut(Cow<'a, str>, &mut Self) -> Result<(), E>) -> Result<(), E> {
        self.expect(b'{', "no object")?;
        let mut first = true;
        while !self.eat(b'}') {
            if !first {
                self.expect(b',', "no comma or } in an object")?;
            }
            first = false;
            let key = self.string()?;
            self.expect(b':', "no colon after a key")?;
            each(key, self)?;
        }
        Ok(())
    }

    /// Goes through the array that is next: `each` reads every element.
    pub fn elements<E: From<Bad>>(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.expect(b'[', "no array")?;
        let mut first = true;
        while !self.eat(b']') {
            if !first {
                self.expect(b',', "no comma in an array")?;
            }
            first = false;
            each(self)?;
        }
        Ok(())
    }

    /// What kind of value is next.
    pub fn node_type(&mut self) -> Result<NodeType, Bad> {
        Ok(match self.peek() {
            b'{' => NodeType::Object,
            b'[' => NodeType::Array,
            b'"' => NodeType::String,
            b't' | b'f' => NodeType::Boolean,
            b'n' => NodeType::Null,
            b'-' | b'0'..=b'9' => NodeType::Number,
            _ => return self.bad("no JSON value"),
        })
    }
    pub fn null(&mut self) -> Result<(), Bad> {
        self.peek();
        if self.literal(b"null") { Ok(()) } else { self.bad("no JSON value") }
    }
    pub fn bool(&mut self) -> Result<bool, Bad> {
        self.peek();
        if self.literal(b"true") {
            Ok(true)
        } else if self.literal(b"false") {
            Ok(false)
        } else {
            self.bad("no JSON value")
        }
    }

    /// A string: the text between its quotes, and whether it holds escapes, which are checked by [`unescape`](Self::unescape)
    /// or by [`skip`](Self::skip).
    #[inline]
    pub fn raw_string(&mut self) -> Result<(&'a str, bool), Bad> {
        if self.peek() != b'"' {
            return self.bad("no string");
        }
        self.at += 1;
        let start = self.at;
        let mut escapes = false;
        loop {
            self.at += clean(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let s = &self.text[start..self.at];
                    self.at += 1;
                    return Ok((s, escapes));
                }
                Some(b'\\') => {
                    if self.at + 1 >= self.bytes.len() {
                        return self.bad("string without an end");
                    }
                    escapes = true;
                    // A character after a backslash that is not ASCII is refused when it is unescaped; step over its first
                    // byte only, the rest passes as text.
                    self.at += 2;
                    if self.bytes[self.at - 1] < 0x20 {
                        return self.bad("control character in a string");
                    }
                }
                Some(_) => return self.bad("control character in a string"),
                None => return self.bad("string without an end"),
            }
        }
    }

    /// Hands the runs of a raw string with its escapes resolved to `write`.
    pub fn unescape(raw: &str, at: usize, mut write: impl FnMut(&[u8])) -> Result<(), Bad> {
        let bytes = raw.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            let run = memchr::memchr(b'\\', &bytes[i..]).unwrap_or(bytes.len() - i);
            write(&bytes[i..i + run]);
            i += run;
            if i >= bytes.len() {
                break;
            }
            let simple = match bytes.get(i + 1) {
                Some(b'"') => b'"',
                Some(b'\\') => b'\\',
                Some(b'/') => b'/',
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'u') => {
                    let unit = hex4(bytes, i + 2).ok_or(Bad { what: "bad \\u escape", at: at + i })?;
                    i += 6;
                    let mut c = unit as u32;
                    if (0xD800..0xE000).contains(&c) {
                        let low = (c < 0xDC00 && bytes[i..].starts_with(b"\\u")).then(|| hex4(bytes, i + 2)).flatten();
                        let Some(low) = low.filter(|l| (0xDC00..0xE000).contains(l)) else {
                            return Err(Bad { what: "half of a surrogate pair", at: at + i - 6 });
                        };
                        c = 0x10000 + ((c - 0xD800) << 10) + (low as u32 - 0xDC00);
                        i += 6;
                    }
                    let c = char::from_u32(c).ok_or(Bad { what: "bad \\u escape", at: at + i })?;
                    write(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return Err(Bad { what: "unknown escape", at: at + i }),
            };
            write(&[simple]);
            i += 2;
        }
        Ok(())
    }

    /// A string with its escapes resolved.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Bad> {
        let at = self.at;
        let (raw, escapes) = self.raw_string()?;
        if !escapes {
            return Ok(raw.into());
        }
        let mut out = Vec::with_capacity(raw.len());
        Self::unescape(raw, at, |b| out.extend_from_slice(b))?;
        Ok(String::from_utf8(out).map_err(|_| Bad { what: "bad escape", at })?.into())
    }

    /// A number: its text, and whether it is an integer (no fraction, no exponent).
    #[inline]
    pub fn number(&mut self) -> Result<(&'a str, bool), Bad> {
        self.peek();
        let start = self.at;
        let b = self.bytes;
        let mut i = start + (b.get(start) == Some(&b'-')) as usize;
        let digits = |mut i: usize| {
            while b.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let whole = i;
        i = digits(i);
        if i == whole || (b[whole] == b'0' && i > whole + 1) {
            return self.bad("no number");
        }
        let mut integer = true;
        if b.get(i) == Some(&b'.') {
            let from = i + 1;
            i = digits(from);
            if i == from {
                return self.bad("no digit after the decimal point");
            }
            integer = false;
        }
        if let Some(b'e' | b'E') = b.get(i) {
            i += 1;
            i += matches!(b.get(i), Some(b'+' | b'-')) as usize;
            let from = i;
            i = digits(from);
            if i == from {
                return self.bad("no digit in the exponent");
            }
            integer = false;
        }
        if i - start > NUMBER_MAX {
            return self.bad("number longer than 1000 characters");
        }
        self.at = i;
        Ok((&self.text[start..i], integer))
    }

    /// An integer that fits 64 bits; none when it is another number, which is then not consumed.
    #[inline]
    pub fn integer(&mut self) -> Option<i64> {
        self.peek();
        let b = self.bytes;
        let negative = b.get(self.at) == Some(&b'-');
        let start = self.at + negative as usize;
        let (mut i, mut v) = (start, 0i64);
        // Eighteen digits cannot overflow.
        while i - start < 18 {
            match b.get(i) {
                Some(d) if d.is_ascii_digit() => v = v * 10 + (d - b'0') as i64,
                _ => break,
            }
            i += 1;
        }
        let more = matches!(b.get(i), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if i == start || (b[start] == b'0' && i > start + 1) {
            return None;
        }
        if more {
            let mut ahead = self.clone();
            let (text, integer) = ahead.number().ok()?;
            let v = if integer { text.parse().ok()? } else { whole(text)? };
            self.at = ahead.at;
            return Some(v);
        }
        self.at = i;
        Some(if negative { -v } else { v })
    }

    /// A number, or the text that Jackson writes for what JSON has no number for; none when it is something else, which is then
    /// not consumed. `single`: the nearest of a float32's precision.
    #[inline]
    pub fn float(&mut self, single: bool) -> Result<Option<f64>, Bad> {
        match self.peek() {
            b'"' => {
                let special = match self.clone().raw_string()?.0 {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return Ok(None),
                };
                self.raw_string()?;
                Ok(Some(special))
            }
            b'-' | b'0'..=b'9' => {
                let text = self.number()?.0;
                Ok(if single { text.parse().ok().map(f32::into) } else { text.parse().ok() })
            }
            _ => Ok(None),
        }
    }

    /// How many elements the array has that is next; nothing is consumed.
    pub fn count(&self) -> Result<usize, Bad> {
        let mut ahead = self.clone();
        ahead.expect(b'[', "no array")?;
        if ahead.eat(b']') {
            return Ok(0);
        }
        let mut n = 0;
        loop {
            ahead.skip()?;
            n += 1;
            if ahead.eat(b']') {
                return Ok(n);
            }
            ahead.expect(b',', "no comma between elements")?;
        }
    }

    /// Validates one value and answers its text.
    pub fn skip(&mut self) -> Result<&'a str, Bad> {
        self.peek();
        let start = self.at;
        // One bit a level: set in an object.
        let mut kinds = [0u64; DEPTH_MAX.div_ceil(64)];
        let mut depth = 0usize;
        'value: loop {
            match self.peek() {
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    if depth == DEPTH_MAX {
                        return self.bad("nested more than 1000 deep");
                    }
                    let (word, bit) = (depth / 64, 1u64 << (depth % 64));
                    depth += 1;
                    let object = open == b'{';
                    kinds[word] = if object { kinds[word] | bit } else { kinds[word] & !bit };
                    if !self.eat(if object { b'}' } else { b']' }) {
                        if object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    depth -= 1;
                }
                b'"' => self.skip_string()?,
                b't' | b'f' => {
                    self.bool()?;
                }
                b'n' => self.null()?,
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                _ => return self.bad("no JSON value"),
            }
            // After a value: on to the next of the enclosing object or array, or out of it.
            while depth > 0 {
                let object = kinds[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                if self.eat(b',') {
                    if object {
                        self.key()?;
                    }
                    continue 'value;
                }
                if object {
                    self.expect(b'}', "no comma or } in an object")?;
                } else {
                    self.expect(b']', "no comma or ] in an array")?;
                }
                depth -= 1;
            }
            return Ok(&self.text[start..self.at]);
        }
    }

    fn key(&mut self) -> Result<(), Bad> {
        if self.peek() != b'"' {
            return self.bad("no key in an object");
        }
        self.skip_string()?;
        self.expect(b':', "no colon after a key")
    }

    fn skip_string(&mut self) -> Result<(), Bad> {
        let at = self.at;
        let (raw, escapes) = self.raw_string()?;
        if escapes { Self::unescape(raw, at, |_| ()) } else { Ok(()) }
    }
}

/// An integer written with a fraction or an exponent (`1.0`, `2e3`); none when it is not one or not exact as a double.
fn whole(text: &str) -> Option<i64> {
    let v: f64 = text.parse().ok()?;
    (v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0).then_some(v as i64)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0u16, |v, d| Some(v << 4 | (*d as char).to_digit(16)? as u16))
}
