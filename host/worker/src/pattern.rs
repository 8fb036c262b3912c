//! Regular expressions as Java reads them, for settings that hold some: `topics.regex`, `topic.creation.*.include`, ...
//!
//! Look-around, back references and possessive quantifiers work. What Java spells otherwise is translated: `\Q...\E`, `\d`,
//! `\w` and `\s`, which are ASCII's there, POSIX classes such as `\p{Alpha}`. What is no expression is refused in Java's
//! words. Matching is of the whole text, as Java's `matches`; one that takes too long to decide (nested repetitions over a
//! back reference) is no match. Unicode blocks (`\p{InGreek}`) are not known.

use fancy_regex::Regex;
use millrace_record::config::{Parsed, Validator};

mod replacement;
mod syntax;

/// An expression that Java or we cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid regex: {why}")]
pub struct WrongPattern {
    why: String,
}

impl WrongPattern {
    /// Without the words that say of what it is.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// What a setting that holds an expression must be. Of null it says what the Java machine does, which clients may know.
pub const REGEX: Validator = Validator::Custom(|name, value| {
    let wrong = match value {
        Some(Parsed::Text(pattern)) => match Pattern::new(pattern) {
            Ok(_) => return Ok(()),
            Err(wrong) => format!("Invalid value {pattern} for configuration {name}: {wrong}"),
        },
        _ => format!(
            "Invalid value null for configuration {name}: Invalid regex: Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null"
        ),
    };
    Err(wrong)
});

/// An expression, and itself as what has to match a whole text.
#[derive(Debug, Clone)]
pub struct Pattern {
    found: Regex,
    whole: Regex,
}

impl Pattern {
    /// The error is what Java's `PatternSyntaxException` says, where we know that.
    pub fn new(java: &str) -> Result<Self, WrongPattern> {
        let wrong = |e: fancy_regex::Error| WrongPattern { why: e.to_string() };
        let ours = syntax::translated(java).map_err(|why| WrongPattern { why })?;
        let found = Regex::new(&ours).map_err(wrong)?;
        Ok(Pattern { found, whole: Regex::new(&format!(r"\A(?:{ours})\z")).map_err(wrong)? })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text).unwrap_or(false)
    }

    /// `Matcher.replaceFirst`: what is found first becomes the replacement, the rest of the text stays. The error is Java's,
    /// of a replacement that is none.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String, String> {
        replacement::replace_first(&self.found, text, replacement)
    }
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

    #[test]
    fn javas_syntax_is_understood() {
        for (pattern, text, matches) in [
            ("(?!db).*", "orders", true),
            ("(?!db).*", "db1", false),
            ("a*+b", "aab", true),
            ("(\\w)\\1", "aa", true),
            ("\\Qa.b\\E-\\d+", "a.b-12", true),
            ("\\Qa.b\\E", "axb", false),
            ("\\d", "٣", false),
            ("[\\w&&[^b]]+", "ac", true),
            ("[\\w&&[^b]]+", "abc", false),
            ("\\p{Alpha}+\\p{Punct}", "ab!", true),
            ("\\p{IsLatin}+\\_\\-", "ab_-", true),
            ("[[:alpha:]]+", "alph:", true),
            ("[]a]+", "a]", true),
            ("(?iu)ORDERS", "orders", true),
            ("\\u0061\\x62\\x{63}\\0144", "abcd", true),
            ("a|ab", "ab", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_in_javas_words() {
        for (pattern, why) in [
            ("(", "Unclosed group near index 1\n("),
            (")", "Unmatched closing ')'\n)"),
            ("a(b))", "Unmatched closing ')' near index 3\na(b))\n   ^"),
            ("[a", "Unclosed character class near index 1\n[a\n ^"),
            ("[]", "Unclosed character class near index 1\n[]\n ^"),
            ("a|*", "Dangling meta character '*' near index 2\na|*\n  ^"),
            ("a**", "Dangling meta character '*' near index 2\na**\n  ^"),
            ("ab*+?", "Dangling meta character '?' near index 4\nab*+?\n    ^"),
            ("a{", "Illegal repetition near index 2\na{"),
            ("a{x}", "Illegal repetition near index 2\na{x}\n  ^"),
            ("a{2", "Unclosed counted closure near index 3\na{2"),
            ("a{3,2}", "Illegal repetition range near index 5\na{3,2}\n     ^"),
            ("a\\", "Unexpected internal error near index 2\na\\"),
            ("\\q", "Illegal/unsupported escape sequence near index 1\n\\q\n ^"),
            ("\\p{Nope}", "Unknown character property name {Nope} near index 7\n\\p{Nope}\n       ^"),
            ("(?z)", "Unknown inline modifier near index 2\n(?z)\n  ^"),
            ("[z-a]", "Illegal character range near index 3\n[z-a]\n   ^"),
            ("(?<1a>x)", "capturing group name does not start with a Latin letter near index 3\n(?<1a>x)\n   ^"),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap_err().why, why, "{pattern}");
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
