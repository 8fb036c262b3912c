//! The paths of fields: `field.syntax.version` V1 names a field of the root; V2 is dotted, with backticks around a name that
//! holds a dot.

use millrace_record::config::{ConfigKey, ConfigType, Default, Importance, Validator};

use super::{Settings, Wrong, key};

const VERSION: &str = "field.syntax.version";

pub(super) fn version_key() -> ConfigKey {
    key(
        VERSION,
        ConfigType::String,
        Default::Value("V1".into()),
        Importance::High,
        "V1: the name of a field of the root. V2: a path, its names between dots; a name that has dots stands in backticks.",
    )
    .must(Validator::OneOfIgnoringCase(&["V1", "V2"]))
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

/// Backticks are matched as Connect does: one ends a name before a dot or the end, and one behind a backslash does not, which
/// leaves the backslash where no dot follows.
pub(super) fn dotted(path: &str) -> Result<Vec<String>, String> {
    let (bytes, mut steps, mut at) = (path.as_bytes(), Vec::new(), 0);
    while at < path.len() {
        if bytes[at] != b'`' {
            let end = path[at..].find('.').map_or(path.len(), |dot| at + dot);
            steps.push(path[at..end].to_owned());
            at = end + 1;
            continue;
        }
        let incomplete = format!(
            "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position {at} to escape it"
        );
        at += 1;
        let (mut step, mut from) = (String::new(), at);
        loop {
            let Some(tick) = path.get(at..).and_then(|rest| rest.find('`')).map(|found| at + found) else {
                return Err(incomplete);
            };
            let escaped = bytes[tick - 1] == b'\\';
            match bytes.get(tick + 1) {
                None if escaped => return Err(incomplete),
                Some(b'.') if escaped => {
                    step.push_str(&path[from..tick - 1]);
                    step.push('`');
                    (at, from) = (tick + 1, tick + 1);
                }
                None | Some(b'.') => {
                    step.push_str(&path[from..tick]);
                    steps.push(step);
                    at = tick + 2;
                    break;
                }
                Some(_) => at = tick + 1,
            }
        }
    }
    if path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
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
        assert_eq!(steps("`a\\`b`"), "a\\`b");
        assert_eq!(steps("``.b."), "|b|");
        assert!(dotted("").unwrap().is_empty());
        assert!(dotted("`a.b").unwrap_err().starts_with("Incomplete backtick pair in path: [`a.b]"));
    }
}
