//! Compatibility levels, and what each asks of a new schema.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::schema::{READER, WRITER};
use crate::{Incompatibility, ParsedSchema};

/// `compatibility` of a subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    None,
    /// The new schema reads what the last one wrote.
    #[default]
    Backward,
    BackwardTransitive,
    /// The last schema reads what the new one writes.
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

pub const LEVELS: [(Level, &str); 7] = [
    (Level::None, "NONE"),
    (Level::Backward, "BACKWARD"),
    (Level::BackwardTransitive, "BACKWARD_TRANSITIVE"),
    (Level::Forward, "FORWARD"),
    (Level::ForwardTransitive, "FORWARD_TRANSITIVE"),
    (Level::Full, "FULL"),
    (Level::FullTransitive, "FULL_TRANSITIVE"),
];

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LEVELS.iter().find(|(l, _)| l == self).expect("all are listed").1)
    }
}

impl FromStr for Level {
    type Err = ();
    /// In any case, as Confluent's registry reads it.
    fn from_str(text: &str) -> Result<Self, ()> {
        LEVELS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(l, _)| *l).ok_or(())
    }
}

impl Level {
    pub fn is_transitive(self) -> bool {
        matches!(self, Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive)
    }

    /// Why `new` may not follow `versions` (oldest first) at this level. Stops at the first version that is not met, the
    /// newest first; the number is its place in `versions`.
    pub fn violations(self, new: &ParsedSchema, versions: &[&ParsedSchema]) -> Option<(usize, Vec<Incompatibility>)> {
        let asked = if self.is_transitive() { versions.len() } else { 1 };
        for (i, old) in versions.iter().enumerate().rev().take(asked) {
            let mut found = Vec::new();
            // Of both directions the old schema's is told first, as Confluent's registry does.
            if !matches!(self, Level::None | Level::Backward | Level::BackwardTransitive) {
                found.extend(old.cannot_read(new).into_iter().map(|i| worded(i, "old", "new")));
            }
            if !matches!(self, Level::None | Level::Forward | Level::ForwardTransitive) {
                found.extend(new.cannot_read(old).into_iter().map(|i| worded(i, "new", "old")));
            }
            if !found.is_empty() {
                return Some((i, found));
            }
        }
        None
    }
}

/// Says of each schema in a description which of the two it is.
fn worded(mut incompatibility: Incompatibility, reader: &str, writer: &str) -> Incompatibility {
    incompatibility.description = incompatibility.description.replace(READER, reader).replace(WRITER, writer);
    incompatibility
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SchemaType;

    fn told(level: Level, new: &str, versions: &[&str]) -> Option<(usize, Vec<String>)> {
        let parse = |text: &&str| ParsedSchema::parse(SchemaType::Avro, text, &[]).expect("parses");
        let versions: Vec<_> = versions.iter().map(parse).collect();
        let found = level.violations(&parse(&new), &versions.iter().collect::<Vec<_>>());
        found.map(|(at, why)| (at, why.into_iter().map(|i| i.description).collect()))
    }

    const ONE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
    const TWO: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":"int"}]}"#;
    const GONE: &str =
        "The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema";

    #[test]
    fn reasons_say_which_schema_is_the_new_one() {
        let old = GONE.replace("new", "was").replace("old", "new").replace("was", "old");
        assert_eq!(told(Level::Backward, TWO, &[ONE]), Some((0, vec![GONE.to_owned()])));
        assert_eq!(told(Level::Forward, ONE, &[TWO]), Some((0, vec![old.clone()])));
        assert_eq!(told(Level::Forward, TWO, &[ONE]), None);
        let type_changed = |a, b| format!("The type (path '/') of a field in the {a} schema does not match with the {b} schema");
        assert_eq!(
            told(Level::Full, "\"int\"", &["\"boolean\""]),
            Some((0, vec![type_changed("old", "new"), type_changed("new", "old")]))
        );
    }

    #[test]
    fn only_transitive_levels_look_past_the_last_version() {
        assert_eq!(told(Level::Backward, TWO, &[ONE, TWO]), None);
        assert_eq!(told(Level::BackwardTransitive, TWO, &[ONE, TWO]), Some((0, vec![GONE.to_owned()])));
        assert_eq!(told(Level::None, "\"int\"", &["\"string\""]), None);
        for (level, name) in LEVELS {
            assert_eq!(told(level, ONE, &[]), None);
            assert_eq!((name.to_lowercase().parse(), level.to_string()), (Ok(level), name.to_owned()));
        }
    }
}
