//! Regular expressions as Java reads them, for settings that hold some: `topics.regex`, `topic.creation.*.include`, ...
//!
//! Look-around, back references and possessive quantifiers work. What Java spells otherwise is translated: `\Q...\E`, `\d`,
//! `\w` and `\s`, which are ASCII's there, POSIX classes such as `\p{Alpha}`. Matching is of the whole text, as Java's
//! `matches`; one that takes too long to decide (nested repetitions over a back reference) is no match.

use fancy_regex::Regex;

/// An expression that Java or we cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid regex: {why}")]
pub struct WrongPattern {
    why: String,
}

#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    pub fn new(java: &str) -> Result<Self, WrongPattern> {
        let wrong = |e: fancy_regex::Error| WrongPattern { why: e.to_string() };
        if let Some(range) = descending(java) {
            return Err(WrongPattern { why: format!("Illegal repetition range {range}") });
        }
        // By itself first: a stray parenthesis must not close ours.
        Regex::new(&translated(java)).map_err(wrong)?;
        Regex::new(&format!(r"\A(?:{})\z", translated(java))).map(Pattern).map_err(wrong)
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Java's classes whose meaning or name differs, for use within brackets.
const CLASSES: &[(&str, &str)] = &[
    ("d", "0-9"),
    ("w", "a-zA-Z_0-9"),
    ("s", r" \t\n\x0B\f\r"),
    ("h", r" \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"),
    ("p{Lower}", "a-z"),
    ("p{Upper}", "A-Z"),
    ("p{ASCII}", r"\x00-\x7F"),
    ("p{Alpha}", "a-zA-Z"),
    ("p{Digit}", "0-9"),
    ("p{Alnum}", "a-zA-Z0-9"),
    ("p{Punct}", r"!-/:-@\[-`{-~"),
    ("p{Graph}", "!-~"),
    ("p{Print}", r"\x20-~"),
    ("p{Blank}", r" \t"),
    ("p{Cntrl}", r"\x00-\x1F\x7F"),
    ("p{XDigit}", "0-9a-fA-F"),
    ("p{Space}", r" \t\n\x0B\f\r"),
    ("p{IsAlphabetic}", r"\p{Alphabetic}"),
    ("p{IsDigit}", r"\p{Nd}"),
    ("p{IsLetter}", r"\p{L}"),
    ("p{javaLowerCase}", r"\p{Lowercase}"),
    ("p{javaUpperCase}", r"\p{Uppercase}"),
];

/// A repetition of at least more than at most, which the engine would take for a text.
fn descending(java: &str) -> Option<&str> {
    java.match_indices('{').find_map(|(at, _)| {
        let range = &java[at..=at + java[at..].find('}')?];
        let (least, most) = range[1..range.len() - 1].split_once(',')?;
        (least.parse::<u32>().ok()? > most.parse::<u32>().ok()?).then_some(range)
    })
}

fn translated(java: &str) -> String {
    let mut out = String::with_capacity(java.len() + 8);
    let mut rest = java;
    // Depth of character classes: within one, a class is written without brackets of its own.
    let mut depth = 0usize;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' if rest.starts_with('Q') => {
                let (quoted, after) = rest[1..].split_once(r"\E").unwrap_or((&rest[1..], ""));
                quoted.chars().for_each(|c| literal(c, &mut out));
                rest = after;
            }
            '\\' => {
                let class = CLASSES.iter().find_map(|(name, class)| {
                    let negated = name.strip_prefix('p').map_or_else(|| name.to_ascii_uppercase(), |n| format!("P{n}"));
                    let named = |name: &str| rest.starts_with(name).then(|| name.len());
                    named(name).map(|n| (n, *class, false)).or_else(|| named(&negated).map(|n| (n, *class, true)))
                });
                match class {
                    Some((length, class, negated)) => {
                        let class = match (negated, depth) {
                            (true, _) => format!("[^{class}]"),
                            (false, 0) => format!("[{class}]"),
                            (false, _) => class.to_owned(),
                        };
                        out.push_str(&class);
                        rest = &rest[length..];
                    }
                    None => {
                        let next = rest.chars().next();
                        match next {
                            // A sign behind a backslash is itself in Java, whatever it may mean elsewhere.
                            Some(sign) if sign.is_ascii_punctuation() => literal(sign, &mut out),
                            other => {
                                out.push('\\');
                                out.extend(other);
                            }
                        }
                        rest = &rest[next.map_or(0, char::len_utf8)..];
                    }
                }
            }
            '[' => {
                depth += 1;
                out.push('[');
                if rest.starts_with('^') {
                    out.push('^');
                    rest = &rest[1..];
                }
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            c => out.push(c),
        }
    }
    out
}

fn literal(c: char, out: &mut String) {
    if r"\.+*?()|[]{}^$#&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        for text in matching {
            assert!(compiled.matches(text), "{pattern} {text:?}");
        }
        for text in other {
            assert!(!compiled.matches(text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn the_whole_text_matches() {
        check("a|ab", &["a", "ab"], &["b", "xa", "ax", "abx"]);
        check("orders.*", &["orders", "orders-eu"], &["my-orders"]);
        check("^orders$", &["orders"], &["orders2"]);
        check("", &[""], &["a"]);
        // Java's `$` also stands before a last line end, which `matches` then does not take.
        check("a$", &["a"], &["a\n"]);
    }

    #[test]
    fn what_only_java_has() {
        check("(?!__).*", &["orders"], &["__consumer_offsets"]);
        check("(?<!x)a", &["a"], &["xa"]);
        check(r"(\w+)-\1", &["eu-eu"], &["eu-us"]);
        check("a*+b", &["aab"], &["aa"]);
        check(r"\Qa.b\E.*", &["a.bc"], &["axbc"]);
        check("(?i)ORDERS", &["orders"], &["order"]);
        check("(?<zone>eu|us)-.*", &["eu-1"], &["asia-1"]);
        check("[a-z&&[^m-p]]+", &["abc"], &["mno"]);
    }

    #[test]
    fn classes_are_ascii() {
        check(r"\d+", &["42"], &["٤٢"]);
        check(r"[\d_]+", &["4_2"], &["٤٢", "a"]);
        check(r"\w+", &["aZ_9"], &["ä"]);
        check(r"[\W]", &["ä", "-"], &["a"]);
        check(r"\D\S", &["ax"], &["1x", "a "]);
        check(r"\p{Alpha}\p{Punct}", &["a!", "Z~"], &["1!", "ab"]);
        check(r"[\p{Upper}-]+", &["A-B"], &["a-b"]);
        check(r"\P{Alpha}", &["1"], &["a"]);
        check(r"\<a\/\-[\]\-]", &["<a/-]", "<a/--"], &["a/-]"]);
        check(r"a\.b\\c", &[r"a.b\c"], &["axb"]);
    }

    #[test]
    fn wrong_expressions_are_refused() {
        for wrong in ["(", "a)(", "[", "*", "a{2,1}", r"\"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(java in "\\PC{0,30}", text in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::new(&java) {
                let _ = pattern.matches(&text);
            }
        }

        #[test]
        fn quoted_text_matches_itself(text in "[^\\\\]{0,30}") {
            let pattern = Pattern::new(&format!(r"\Q{text}\E")).unwrap();
            proptest::prop_assert!(pattern.matches(&text));
        }
    }
}
