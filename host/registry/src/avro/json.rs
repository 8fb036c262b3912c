//! JSON as Java Avro reads and writes it: comments are passed over, the last of two members of one name counts, and numbers
//! are printed as Java prints them.

use millrace_record::java::{java_f32, java_f64};
use serde_json::Value;

/// The text as a value, or why it is none.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Err("the schema is empty".into());
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("the schema is not JSON: {e}"));
    // Comments are so rare that the text is searched for them only where it cannot be read as it stands.
    read(text).or_else(|e| if text.contains("/*") || text.contains("//") { read(&without_comments(text)?) } else { Err(e) })
}

/// Comments become spaces, so that places in errors stay true.
fn without_comments(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = rest.next() {
        match (in_string, c, rest.peek()) {
            (true, '\\', Some(_)) => {
                out.push(c);
                out.extend(rest.next());
            }
            (_, '"', _) => {
                in_string = !in_string;
                out.push(c);
            }
            (false, '/', Some('/')) => {
                while rest.peek().is_some_and(|c| *c != '\n') {
                    rest.next();
                    out.push(' ');
                }
                out.push(' ');
            }
            (false, '/', Some('*')) => {
                rest.next();
                out.push_str("  ");
                let mut star = false;
                loop {
                    match rest.next() {
                        Some('/') if star => break out.push(' '),
                        Some(c) => {
                            star = c == '*';
                            out.push(if c == '\n' { c } else { ' ' });
                        }
                        None => return Err("the schema is not JSON: a comment is not closed".into()),
                    }
                }
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// A text of a schema as it grows.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn finish(self) -> String {
        self.0
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// `"name":`, behind a comma unless an object was just opened.
    pub(super) fn member(&mut self, name: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.string(name);
        self.0.push(':');
    }

    pub(super) fn string_member(&mut self, name: &str, value: &str) {
        self.member(name);
        self.string(value);
    }

    /// `[...]` of what `each` writes.
    pub(super) fn list<T>(&mut self, of: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.0.push('[');
        for (i, item) in of.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            each(self, item);
        }
        self.0.push(']');
    }

    pub(super) fn string(&mut self, value: &str) {
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\u{8}' => self.0.push_str("\\b"),
                '\u{c}' => self.0.push_str("\\f"),
                c if c < ' ' => self.0.push_str(&format!("\\u{:04X}", c as u32)),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// `sorted`: the members of objects by name.
    pub(super) fn value(&mut self, value: &Value, sorted: bool) {
        match value {
            Value::Null => self.raw("null"),
            Value::Bool(b) => self.raw(if *b { "true" } else { "false" }),
            Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
                Some(double) => self.double(double),
                None => self.raw(&n.to_string()),
            },
            Value::String(s) => self.string(s),
            Value::Array(a) => self.list(a, |out, v| out.value(v, sorted)),
            Value::Object(o) => {
                let mut members: Vec<_> = o.iter().collect();
                if sorted {
                    members.sort_by(|a, b| java_order(a.0, b.0));
                }
                self.0.push('{');
                for (name, value) in members {
                    self.member(name);
                    self.value(value, sorted);
                }
                self.0.push('}');
            }
        }
    }

    pub(super) fn double(&mut self, value: f64) {
        let mut digits = Vec::with_capacity(24);
        java_f64(value, &mut digits);
        self.0.extend(digits.into_iter().map(char::from));
    }

    /// Beyond its range it is infinite, for which JSON has text alone.
    pub(super) fn float(&mut self, value: f32) {
        let mut digits = Vec::with_capacity(16);
        java_f32(value, &mut digits);
        let quote = if value.is_finite() { "" } else { "\"" };
        self.raw(quote);
        self.0.extend(digits.into_iter().map(char::from));
        self.raw(quote);
    }
}

/// The order of Java's strings: by units of UTF-16.
pub(super) fn java_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}
