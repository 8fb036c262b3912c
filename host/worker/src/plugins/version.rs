//! Version requirements, `connector.plugin.version` and its like: a version, or ranges as Maven writes them, and Maven's
//! order of versions.

use std::cmp::Ordering;

/// The ranges of one requirement; a version is well when one of them has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement(Vec<Range>);

#[derive(Debug, Clone, PartialEq)]
struct Range {
    least: String,
    least_in: bool,
    most: String,
    most_in: bool,
}

/// Why a requirement cannot be read, as Connect says it.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum WrongRange {
    #[error("Unbounded range: {0}")]
    Unbounded(String),
    #[error("Range defies version ordering: {0}")]
    Order(String),
    #[error("Only fully-qualified sets allowed in multiple set scenario: {0}")]
    Sets(String),
    #[error("Ranges overlap: {0}")]
    Overlap(String),
}

impl Requirement {
    /// None: any version will do.
    pub fn parse(text: &str) -> Result<Option<Requirement>, WrongRange> {
        if text == "latest" {
            return Ok(None);
        }
        let text = text.trim();
        let exact = !text.starts_with(['[', '(']);
        let spec = if exact { format!("[{text}]") } else { text.to_owned() };
        let mut ranges: Vec<Range> = Vec::new();
        let mut rest = spec.as_str();
        while rest.starts_with(['[', '(']) {
            let end = rest.find([']', ')']).ok_or_else(|| WrongRange::Unbounded(spec.clone()))?;
            let range = Range::parse(&rest[..=end])?;
            if ranges.last().is_some_and(|before| before.most.is_empty() || order(&before.most, &range.least).is_gt()) {
                return Err(WrongRange::Overlap(spec));
            }
            ranges.push(range);
            rest = rest[end + 1..].trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        if rest.is_empty() { Ok(Some(Requirement(ranges))) } else { Err(WrongRange::Sets(spec)) }
    }

    pub fn has(&self, version: &str) -> bool {
        self.0.iter().any(|r| r.has(version))
    }
}

impl Range {
    /// With its brackets.
    fn parse(text: &str) -> Result<Range, WrongRange> {
        let within = text[1..text.len() - 1].trim();
        let (least, most) = within.split_once(',').map_or((within, within), |(l, m)| (l.trim(), m.trim()));
        let range = Range {
            least: least.to_owned(),
            least_in: text.starts_with('['),
            most: most.to_owned(),
            most_in: text.ends_with(']'),
        };
        if !least.is_empty() && !most.is_empty() && order(least, most).is_gt() {
            return Err(WrongRange::Order(text.to_owned()));
        }
        Ok(range)
    }

    fn has(&self, version: &str) -> bool {
        let above = match order(version, &self.least) {
            Ordering::Less => self.least.is_empty() && !self.exact(),
            Ordering::Equal => self.least_in,
            Ordering::Greater => true,
        };
        let below = match order(version, &self.most) {
            Ordering::Less => true,
            Ordering::Equal => self.most_in,
            Ordering::Greater => self.most.is_empty() && !self.exact(),
        };
        above && below
    }

    /// `[]`, which no version is in.
    fn exact(&self) -> bool {
        self.least.is_empty() && self.most.is_empty() && self.least_in && self.most_in
    }
}

/// Connect's text for a version that is not installed.
pub fn no_version(class: &str, required: &str, have: &[String]) -> String {
    let have = have.join(", ");
    format!("Plugin {class} not found that matches the version range {required}, available versions: [{have}]")
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, r) in self.0.iter().enumerate() {
            let (open, close) = (if r.least_in { '[' } else { '(' }, if r.most_in { ']' } else { ')' });
            write!(f, "{}{open}{},{}{close}", if i > 0 { "," } else { "" }, r.least, r.most)?;
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Number(u64),
    Word(String),
}

fn parts(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut of = String::new();
    let close = |of: &mut String, parts: &mut Vec<Part>| {
        if !of.is_empty() {
            let part = std::mem::take(of);
            parts.push(part.parse().map_or_else(|_| Part::Word(part.to_ascii_lowercase()), Part::Number));
        }
    };
    for c in version.chars() {
        if matches!(c, '.' | '-' | '_') {
            close(&mut of, &mut parts);
            continue;
        }
        if of.chars().last().is_some_and(|l| l.is_ascii_digit() != c.is_ascii_digit()) {
            close(&mut of, &mut parts);
        }
        of.push(c);
    }
    close(&mut of, &mut parts);
    let none = |p: &Part| match p {
        Part::Number(n) => *n == 0,
        Part::Word(w) => matches!(w.as_str(), "final" | "ga" | "release"),
    };
    while parts.last().is_some_and(none) {
        parts.pop();
    }
    parts
}

/// Where a word stands; a release without one is between the snapshot and the service pack.
fn rank(word: &str) -> (usize, &str) {
    const BEFORE: [&[&str]; 7] =
        [&["alpha", "a"], &["beta", "b"], &["milestone", "m"], &["rc", "cr"], &["snapshot"], &[""], &["sp"]];
    match BEFORE.iter().position(|words| words.contains(&word)) {
        Some(place) => (place, ""),
        None => (BEFORE.len(), word),
    }
}

/// Maven's order of versions.
pub fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    (0..a.len().max(b.len()))
        .map(|i| match (a.get(i), b.get(i)) {
            (Some(Part::Number(a)), Some(Part::Number(b))) => a.cmp(b),
            (Some(Part::Number(_)), Some(Part::Word(_))) => Ordering::Greater,
            (Some(Part::Word(_)), Some(Part::Number(_))) => Ordering::Less,
            (Some(Part::Word(a)), Some(Part::Word(b))) => rank(a).cmp(&rank(b)),
            (Some(Part::Number(a)), None) => a.cmp(&0),
            (None, Some(Part::Number(b))) => 0.cmp(b),
            (Some(Part::Word(a)), None) => rank(a).cmp(&rank("")),
            (None, Some(Part::Word(b))) => rank("").cmp(&rank(b)),
            (None, None) => Ordering::Equal,
        })
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_mavens() {
        for (requirement, shown, has) in [
            ("4.3.1", "[4.3.1,4.3.1]", true),
            (" 4.3.1 ", "[4.3.1,4.3.1]", true),
            ("4.3.1.0", "[4.3.1.0,4.3.1.0]", true),
            ("4.3.1.Final", "[4.3.1.Final,4.3.1.Final]", true),
            ("4.3.1-SNAPSHOT", "[4.3.1-SNAPSHOT,4.3.1-SNAPSHOT]", false),
            ("9", "[9,9]", false),
            ("4", "[4,4]", false),
            ("abc", "[abc,abc]", false),
            ("", "[,]", false),
            ("[4,)", "[4,)", true),
            ("[9,)", "[9,)", false),
            ("(4.3.1,)", "(4.3.1,)", false),
            ("(,5)", "(,5)", true),
            ("(,4)", "(,4)", false),
            ("[,4.3.1]", "[,4.3.1]", true),
            ("[4,5),[6,7)", "[4,5),[6,7)", true),
            ("[4.3,4.4)", "[4.3,4.4)", true),
        ] {
            let read = Requirement::parse(requirement).expect(requirement).expect(requirement);
            assert_eq!((read.to_string().as_str(), read.has("4.3.1")), (shown, has), "{requirement}");
        }
        assert_eq!(Requirement::parse("latest"), Ok(None));
    }

    #[test]
    fn what_is_no_range_is_told_as_connect_does() {
        for (requirement, said) in [
            ("[9", "Unbounded range: [9"),
            ("(,", "Unbounded range: (,"),
            ("[5,4]", "Range defies version ordering: [5,4]"),
            ("]", "Only fully-qualified sets allowed in multiple set scenario: []]"),
        ] {
            assert_eq!(Requirement::parse(requirement).expect_err(requirement).to_string(), said);
        }
    }

    #[test]
    fn versions_are_in_mavens_order() {
        let sorted = ["1.0-alpha", "1.0-rc1", "1.0-SNAPSHOT", "1.0", "1.0-sp1", "1.0.1", "1.9", "1.10", "3.6.0.Final", "3.6.1"];
        for pair in sorted.windows(2) {
            assert_eq!(order(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}
