//! `RegexRouter`: a topic that a regular expression matches as a whole gets another name.

use std::collections::HashMap;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::BatchWriter;
use regex::{Captures, Regex};

use super::{Definition, Each, Incoming, Make, key};
use crate::transforms::whole;

struct RegexRouter {
    regex: Regex,
    replacement: Vec<Piece>,
    known: HashMap<String, String>,
}

/// Names of topics that are remembered.
const KNOWN_MAX: usize = 1_000;

/// A part of a Java replacement.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

pub(super) fn definition() -> Definition {
    Definition {
        name: "RegexRouter",
        documentation: "Update the record topic using the configured regular expression and replacement string.",
        keys: vec![
            key("regex", ConfigType::String, Default::Required, Importance::High, "Regular expression to use for matching."),
            key("replacement", ConfigType::String, Default::Required, Importance::High, "Replacement string."),
        ],
        make: Make::Whole(|settings, _| {
            let given = settings.required("regex");
            let regex = whole(given).map_err(|e| {
                let why = e.to_string();
                let why = why.lines().last().unwrap_or_default();
                ("regex", format!("Invalid value {given} for configuration regex: Invalid regex: {why}"))
            })?;
            let replacement =
                pieces(settings.required("replacement"), regex.captures_len() - 1).map_err(|e| ("replacement", e))?;
            Ok(Box::new(RegexRouter { regex, replacement, known: HashMap::new() }))
        }),
    }
}

/// A replacement as Java reads it: `$1` takes as many digits as make a group there is, `\` makes the next character plain.
fn pieces(replacement: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let (mut out, mut text) = (Vec::new(), String::new());
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().ok_or("character to be escaped is missing")?),
            '$' => {
                if !text.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut text)));
                }
                if chars.next_if_eq(&'{').is_some() {
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    out.push(Piece::Named(name));
                    continue;
                }
                let digit = chars.next().and_then(|c| c.to_digit(10)).ok_or("Illegal group reference")?;
                let mut group = digit as usize;
                while let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                    if group * 10 + next as usize > groups {
                        break;
                    }
                    group = group * 10 + next as usize;
                    chars.next();
                }
                out.push(Piece::Group(group));
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    Ok(out)
}

fn replaced(replacement: &[Piece], found: &Captures<'_>) -> Result<String, String> {
    let mut out = String::new();
    for piece in replacement {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Group(n) if *n >= found.len() => return Err(format!("No group {n}")),
            Piece::Group(n) => out.push_str(found.get(*n).map_or("", |m| m.as_str())),
            Piece::Named(name) => out.push_str(found.name(name).map_or("", |m| m.as_str())),
        }
    }
    Ok(out)
}

impl Each for RegexRouter {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        if !self.known.contains_key(record.topic) {
            let topic = match self.regex.captures(record.topic) {
                Some(found) => replaced(&self.replacement, &found)?,
                None => record.topic.to_owned(),
            };
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(record.topic.to_owned(), topic);
        }
        Incoming { topic: &self.known[record.topic], ..record }.pass(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_read_as_java_does() {
        let text = |t: &str| Piece::Text(t.into());
        assert_eq!(pieces("a$1b", 1).unwrap(), [text("a"), Piece::Group(1), text("b")]);
        assert_eq!(pieces("$12", 1).unwrap(), [Piece::Group(1), text("2")]);
        assert_eq!(pieces("$12", 12).unwrap(), [Piece::Group(12)]);
        assert_eq!(pieces("\\$1${x}", 1).unwrap(), [text("$1"), Piece::Named("x".into())]);
        assert!(pieces("$", 1).is_err() && pieces("a\\", 1).is_err());
    }
}
