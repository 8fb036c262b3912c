//! References in values, `${provider:path:key}` and `${provider:key}`, found exactly as Kafka's `ConfigTransformer` finds
//! them: no part holds a `}`, the path ends at the first colon behind it, and what a reference resolves to is not searched
//! again.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").expect("the expression is right"));

/// One reference, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    pub at: Range<usize>,
    /// As written, with `${` and `}`.
    pub text: &'a str,
    pub provider: &'a str,
    /// Empty when none is written.
    pub path: &'a str,
    pub key: &'a str,
}

/// All references of a value, in order. `${topic}` and its like, without a colon, are none.
pub fn references(value: &str) -> impl Iterator<Item = Reference<'_>> {
    // Most values hold none, and the expression need not be asked.
    let searched = if value.contains("${") { value } else { "" };
    REFERENCE.captures_iter(searched).map(|found| {
        let group = |n: usize| found.get(n).map_or("", |m| m.as_str());
        let whole = found.get(0).expect("a match has a whole");
        Reference { at: whole.range(), text: whole.as_str(), provider: group(1), path: group(3), key: group(4) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[(&str, &str, &str)]) {
        let found: Vec<_> = references(value).map(|r| (r.provider, r.path, r.key)).collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn references_are_told_from_placeholders() {
        check("${file:/secrets:password}", &[("file", "/secrets", "password")]);
        check("x-${env:HOME}-y", &[("env", "", "HOME")]);
        check("${topic}-${timestamp}", &[]);
        check("${topic}-${dir:/a:b}", &[("dir", "/a", "b")]);
        check("$1 ${ open", &[]);
        check("${a:b", &[]);
        check("", &[]);
    }

    #[test]
    fn several_stand_in_one_value() {
        check("${env:A}${env:B}", &[("env", "", "A"), ("env", "", "B")]);
        check("${file:/a:x}:${dir:/b:y}@h", &[("file", "/a", "x"), ("dir", "/b", "y")]);
    }

    #[test]
    fn the_path_ends_at_the_first_colon() {
        check("${file:/a:b:c}", &[("file", "/a", "b:c")]);
        check("${file::k}", &[("file", "", "k")]);
        check("${file:/a:}", &[("file", "/a", "")]);
        check("${:k}", &[("", "", "k")]);
        check("${${env:A}}", &[("${env", "", "A")]);
    }
}
