//! The paths of fields: `field.syntax.version` V1 names a field of the root; V2 is dotted, with backticks around a name that
//! holds a dot.

use millrace_record::config::{ConfigKey, ConfigType, Default, Importance};

use super::{Settings, Wrong, key};

const VERSION: &str = "field.syntax.version";

pub(super) fn version_key() -> ConfigKey {
    key(
        VERSION,
        ConfigType::String,
        Default::Value("V1".into()),
        Importance::High,
        "Defines the version of the syntax to access fields. If set to `V1`, then the field paths are limited to access the elements at the root level of the struct or map. If set to `V2`, the syntax will support accessing nested elements. To access nested elements, dotted notation is used. If dots are already included in the field name, then backtick pairs can be used to wrap field names containing dots.",
    )
}

/// The names on the way to a field, from the root.
pub(super) fn steps(settings: &Settings<'_>, path: &str) -> Result<Vec<String>, Wrong> {
    match settings.required(VERSION) {
        v if v.eq_ignore_ascii_case("V1") => Ok(vec![path.to_owned()]),
        v if v.eq_ignore_ascii_case("V2") => dotted(path).map_err(|why| ("field", why)),
        v => {
            let message =
                format!("Invalid value {v} for configuration {VERSION}: String must be one of (case insensitive): V1, V2");
            Err((VERSION, message))
        }
    }
}

fn dotted(path: &str) -> Result<Vec<String>, String> {
    let (mut steps, mut rest) = (Vec::new(), path);
    loop {
        let (step, behind) = match rest.strip_prefix('`') {
            None => {
                let (step, behind) = rest.split_once('.').map_or((rest, None), |(s, b)| (s, Some(b)));
                (step.to_owned(), behind)
            }
            Some(quoted) => closed(quoted).ok_or_else(|| format!("Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position {} to escape it", path.len() - rest.len()))?,
        };
        steps.push(step);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(steps),
        }
    }
}

/// A name up to the backtick that ends it (before a dot or the end, and not behind a backslash), and what follows the dot.
fn closed(quoted: &str) -> Option<(String, Option<&str>)> {
    let ends = |at: usize| matches!(quoted[at + 1..].chars().next(), None | Some('.'));
    let (at, _) = quoted.match_indices('`').find(|(at, _)| ends(*at) && !quoted[..*at].ends_with('\\'))?;
    Some((quoted[..at].replace("\\`", "`"), quoted.get(at + 2..)))
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn paths_are_taken_apart() {
        let steps = |path: &str| dotted(path).unwrap().join("|");
        assert_eq!(steps("a"), "a");
        assert_eq!(steps("a.b.c"), "a|b|c");
        assert_eq!(steps("`a.b`.c"), "a.b|c");
        assert_eq!(steps("a.`b.c`"), "a|b.c");
        assert_eq!(steps("a.`b\\`.c`.d"), "a|b`.c|d");
        assert_eq!(steps("a`b.c"), "a`b|c");
        assert!(dotted("`a.b").unwrap_err().starts_with("Incomplete backtick pair in path: [`a.b]"));
    }
}
