//! Values that must not be shown: what references resolve to, and what settings hold whose definition or name says password.
//!
//! They are hidden where text leaves the process for people: the log, traces of statuses, error messages, the headers of
//! dead letters. Whoever writes a message need not know what is secret, and a plugin cannot show what it was given. The
//! record is the process's, because the log is.
//!
//! A value that the same configuration also holds in the open, such as a password that is the user's name, is not hidden:
//! that would hide nothing, and garble every text that names the other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use millrace_record::RawConfig;
use parking_lot::RwLock;

use crate::config::secret;
use crate::providers::Resolved;

/// What stands for a value that was written in the open.
pub const HIDDEN: &str = "[hidden]";
/// A shorter value is part of too many words that have nothing to do with it.
const LENGTH_MIN: usize = 4;
/// What is remembered of one owner: values that were replaced may still be in the hands of a task that stops.
const PER_OWNER_MAX: usize = 256;

/// Replaces values in texts, the longest first.
#[derive(Debug, Clone)]
pub struct Concealer {
    matcher: AhoCorasick,
    shown: Vec<String>,
}

impl Concealer {
    /// Out of (value, what is shown instead). None: there is nothing to replace.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut patterns = BTreeMap::new();
        for (value, shown) in values {
            for form in forms(value) {
                patterns.entry(form).or_insert_with(|| shown.to_owned());
            }
        }
        if patterns.is_empty() {
            return None;
        }
        let (values, shown): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        let matcher = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values).ok()?;
        Some(Concealer { matcher, shown })
    }

    pub fn conceal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.matcher.is_match(text) { Cow::Owned(self.matcher.replace_all(text, &self.shown)) } else { Cow::Borrowed(text) }
    }
}

/// A value as it may stand in a text: as it is, without blanks around it, quoted, in a URL.
fn forms(value: &str) -> BTreeSet<String> {
    let json = serde_json::Value::from(value).to_string();
    let url: String = value
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (b as char).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let quoted = [value.escape_debug().to_string(), json.trim_matches('"').to_owned(), url];
    let forms = quoted.into_iter().chain([value.to_owned(), value.trim().to_owned()]);
    forms.filter(|form| form.trim().len() >= LENGTH_MIN).collect()
}

#[derive(Default)]
struct Record {
    /// By owner (a connector, the worker): values and what is shown instead.
    owners: BTreeMap<String, Vec<(String, String)>>,
    concealer: Option<Arc<Concealer>>,
}

static RECORD: RwLock<Record> = RwLock::new(Record { owners: BTreeMap::new(), concealer: None });

/// The worker's own name as an owner; no connector can have it.
pub const WORKER: &str = "\0worker";

/// Remembers the secrets of a configuration: what its references resolved to, and the values of settings that are secret by
/// their name or because `password` says so.
pub fn cover(owner: &str, written: &RawConfig, resolved: &Resolved, password: impl Fn(&str) -> bool) {
    let is_secret = |key: &str| secret(key) || password(key);
    let open: Vec<&str> = written.iter().filter(|(k, _)| !is_secret(k)).map(|(_, v)| v.as_str()).collect();
    let in_the_open = |value: &str| open.iter().any(|o| o.contains(value));
    let references = resolved.values().map(|(reference, value)| (value.to_owned(), reference.to_owned()));
    let literals = written.iter().filter(|(k, _)| is_secret(k) && resolved.written(k).is_none());
    let literals = literals.flat_map(|(_, v)| parts(v)).map(|value| (value, HIDDEN.to_owned()));
    let found: Vec<_> = references.chain(literals).filter(|(value, _)| !in_the_open(value.trim()) && !plain(value)).collect();
    let mut record = RECORD.write();
    let known = record.owners.get(owner).map(Vec::as_slice).unwrap_or_default();
    let new: Vec<_> = found.into_iter().filter(|f| !known.contains(f)).collect();
    if new.is_empty() {
        return;
    }
    let values = record.owners.entry(owner.to_owned()).or_default();
    values.extend(new);
    let surplus = values.len().saturating_sub(PER_OWNER_MAX);
    values.drain(..surplus);
    rebuild(&mut record);
}

/// Forgets an owner that is no more.
pub fn forget(owner: &str) {
    let mut record = RECORD.write();
    if record.owners.remove(owner).is_some() {
        rebuild(&mut record);
    }
}

fn rebuild(record: &mut Record) {
    let values = record.owners.values().flatten().map(|(value, shown)| (value.as_str(), shown.as_str()));
    record.concealer = Concealer::new(values).map(Arc::new);
}

/// A number or a truth value is no secret worth garbling every text that holds it.
fn plain(value: &str) -> bool {
    let value = value.trim();
    matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "none")
        || (value.len() < 8 && value.parse::<f64>().is_ok())
}

/// A secret setting's value, and what is secret within it: the password of a login module's line.
fn parts(value: &str) -> Vec<String> {
    let mut parts = vec![value.to_owned()];
    for option in ["password=", "clientSecret=", "Secret=", "secret="] {
        for (at, _) in value.match_indices(option) {
            let rest = &value[at + option.len()..];
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            let part = match quote {
                Some(quote) => rest[1..].split(quote).next(),
                None => rest.split([' ', ';', ',', '&']).next(),
            };
            parts.extend(part.map(str::to_owned));
        }
    }
    parts
}

/// The text without any secret of the process.
pub fn hide(text: &str) -> Cow<'_, str> {
    let concealer = RECORD.read().concealer.clone();
    match concealer {
        Some(concealer) => Cow::Owned(concealer.conceal(text).into_owned()),
        None => Cow::Borrowed(text),
    }
}

/// Standard error without secrets: for a logging subscriber, which writes a line at a time.
#[derive(Debug, Default)]
pub struct HidingStderr;

impl Write for HidingStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line)?;
        Ok(line.len())
    }
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(line) {
            Ok(text) => io::stderr().write_all(hide(text).as_bytes()),
            Err(_) => io::stderr().write_all(hide(&String::from_utf8_lossy(line)).as_bytes()),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> RawConfig {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn covered(owner: &str, pairs: &[(&str, &str)]) {
        cover(owner, &config(pairs), &Resolved::default(), |key| key == "pin");
    }

    #[test]
    fn secrets_are_hidden_until_their_owner_is_gone() {
        covered("a", &[("database.password", "Tr0ub4dor"), ("pin", "correct horse"), ("topic", "orders")]);
        assert_eq!(hide("user Tr0ub4dor, pin correct horse, topic orders"), "user [hidden], pin [hidden], topic orders");
        forget("a");
        assert_eq!(hide("Tr0ub4dor"), "Tr0ub4dor");
    }

    #[test]
    fn other_spellings_are_hidden_too() {
        covered("b", &[("database.password", "p/w \"x\"\n")]);
        let texts = ["p/w \"x\"", r#"p/w \"x\"\n"#, "postgres://u:p%2Fw%20%22x%22%0A@h"];
        for text in texts {
            assert!(hide(text).contains(HIDDEN), "{text}: {}", hide(text));
        }
        forget("b");
    }

    #[test]
    fn what_is_open_elsewhere_is_not_hidden() {
        covered("c", &[("database.user", "appuser"), ("database.password", "appuser")]);
        assert_eq!(hide("user appuser"), "user appuser");
        covered("c", &[("a.password", "true"), ("b.password", "12"), ("c.password", "abc")]);
        assert_eq!(hide("true 12 abc"), "true 12 abc");
        forget("c");
    }

    #[test]
    fn the_password_within_a_login_line_is_hidden() {
        let line = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"Zuckerl7\";";
        covered("d", &[("producer.override.sasl.jaas.config", line)]);
        assert_eq!(hide("SASL with Zuckerl7 failed"), "SASL with [hidden] failed");
        forget("d");
    }
}
