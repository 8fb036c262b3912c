//! Which failures are the same: the error's name and its message without what differs from record to record.
//!
//! A message is cut, and split into a template and the parts that vary: numbers, ids, quoted values. Records of one template and
//! error have one cause, so that a queue of millions has a handful of them; the parts are kept with the record, and the message
//! is whole again when it is shown.

use sha2::{Digest, Sha256};

/// The most bytes that are kept of a message.
pub const MESSAGE_BYTES_MAX: usize = 400;
/// Stands in a template for a part that varies, and between these parts. No message has it: control characters become spaces.
const GAP: char = '\u{1}';
/// What is shown of a gap.
const GAP_SHOWN: &str = "…";
/// Letters with no more digits than this at their end are a name: int32, utf8, sha256.
const NAME_DIGITS_MAX: usize = 3;
/// The least length of hexadecimal digits that are an id.
const HEX_MIN: usize = 8;

/// How much of a message is taken for the same. Messages that vary more than their form tells would make a cause of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Quoted names, such as those of columns, differ.
    Fine,
    /// Quoted texts are all the same, and so is every word with a digit.
    Coarse,
    /// Messages are all the same.
    None,
}

/// A message taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub template: String,
    /// What stands in the gaps; none: there are none.
    pub varying: Option<String>,
}

/// The id of a cause: the same wherever the error and the template are.
pub fn id(error: Option<&str>, template: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(error.unwrap_or_default());
    hash.update([0]);
    hash.update(template);
    hash.finalize()[..6].iter().map(|b| format!("{b:02x}")).collect()
}

/// The message that parts were taken from.
pub fn whole(template: &str, varying: Option<&str>) -> String {
    let mut parts = varying.unwrap_or_default().split(GAP);
    let mut out = String::with_capacity(template.len() + varying.map_or(0, str::len));
    for (i, text) in template.split(GAP).enumerate() {
        if i > 0 {
            out.push_str(parts.next().unwrap_or_default());
        }
        out.push_str(text);
    }
    out
}

/// A template as it is shown.
pub fn shown(template: &str) -> String {
    template.replace(GAP, GAP_SHOWN)
}

/// Whether messages of this template differ.
pub fn varies(template: &str) -> bool {
    template.contains(GAP)
}

/// Cut to what is kept, on one line.
pub fn cut(message: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(message.len().min(bytes_max));
    for c in message.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > bytes_max {
            break;
        }
        out.push(c);
    }
    out
}

/// Takes a message apart that was cut.
pub fn parts(message: &str, grain: Grain) -> Parts {
    let mut split = Split { template: String::with_capacity(message.len()), varying: String::new(), gaps: 0 };
    if grain == Grain::None {
        split.gap(message);
        return split.done();
    }
    let mut rest = message;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        if matches!(c, '"' | '\'')
            && !before.is_alphanumeric()
            && let Some(length) = rest[1..].find(c)
        {
            let quoted = &rest[1..1 + length];
            split.template.push(c);
            if grain == Grain::Fine && (quoted.is_empty() || is_name(quoted)) {
                split.template.push_str(quoted);
            } else {
                split.gap(quoted);
            }
            split.template.push(c);
            rest = &rest[length + 2..];
            before = c;
        } else if in_word(c) {
            let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            let word = rest[..length].trim_end_matches(['.', ':', '-']);
            let word = if word.is_empty() { &rest[..length] } else { word };
            split.word(word, grain);
            rest = &rest[word.len()..];
            before = word.chars().next_back().unwrap_or(' ');
        } else {
            split.template.push(c);
            rest = &rest[c.len_utf8()..];
            before = c;
        }
    }
    split.done()
}

struct Split {
    template: String,
    varying: String,
    gaps: usize,
}

impl Split {
    fn gap(&mut self, part: &str) {
        if self.gaps > 0 {
            self.varying.push(GAP);
        }
        self.gaps += 1;
        self.template.push(GAP);
        self.varying.push_str(part);
    }

    fn word(&mut self, word: &str, grain: Grain) {
        if !word.bytes().any(|b| b.is_ascii_digit()) || is_numbered_name(word) {
            return self.template.push_str(word);
        }
        let hex = word.len() >= HEX_MIN && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let number = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        if hex || number || grain == Grain::Coarse {
            return self.gap(word);
        }
        let mut rest = word;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let length = rest[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - at);
            self.template.push_str(&rest[..at]);
            self.gap(&rest[at..at + length]);
            rest = &rest[at + length..];
        }
        self.template.push_str(rest);
    }

    fn done(self) -> Parts {
        Parts { varying: (self.gaps > 0).then_some(self.varying), template: self.template }
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "_.:+-@".contains(c)
}

/// Of a column, a field, a class.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphabetic() || b"_.-$".contains(&b))
}

fn is_numbered_name(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() >= 2 && letters.bytes().all(|b| b.is_ascii_alphabetic()) && word.len() - letters.len() <= NAME_DIGITS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, template: &str) {
        let parts = parts(message, Grain::Fine);
        assert_eq!(shown(&parts.template), template);
        assert_eq!(whole(&parts.template, parts.varying.as_deref()), message, "nothing is lost");
    }

    #[test]
    fn what_varies_is_left_out() {
        check("row 17 of batch 3 is refused", "row … of batch … is refused");
        check("null value in column \"age\" of relation \"users\"", "null value in column \"age\" of relation \"users\"");
        check("invalid input syntax for type int32: \"12x\"", "invalid input syntax for type int32: \"…\"");
        check("at line 1 column 12.", "at line … column ….");
        check("id 2f1b7c3e-0d4f-4d59-9a57-000000000001: gone", "id …: gone");
        check("2026-11-22T05:00:00Z is not t-0@17", "… is not t-…@…");
        check("it doesn't fit 'x y' and 'é'", "it doesn't fit '…' and '…'");
        check("an open \" stays", "an open \" stays");
        check("", "");
        check("…", "…");
        check("a: 5, b: -6.5e3", "a: …, b: …");
    }

    #[test]
    fn coarser_grains_tell_less_apart() {
        let of = |m: &str, grain| shown(&parts(m, grain).template);
        assert_eq!(of("no column \"a\" in t-0@17", Grain::Coarse), "no column \"…\" in …");
        assert_eq!(of("no column \"a\"", Grain::None), "…");
        let none = parts("no column \"a\"", Grain::None);
        assert_eq!(whole(&none.template, none.varying.as_deref()), "no column \"a\"");
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut(" a\nb\u{1}c ", 100), "a b c");
        assert_eq!(cut("ééé", 5), "éé");
        let id = id(Some("x"), "y");
        assert!(id.len() == 12 && id != super::id(Some("xy"), ""), "{id}");
    }
}
