//! Finding and changing members of a JSON text: what is not touched stays byte for byte, numbers of any precision included.

use std::borrow::Cow;

use super::write::quoted;
use super::{Bad, NodeType, Scanner};

/// A name and the text of its value.
pub type Member<'a> = (Cow<'a, str>, &'a str);

/// The members of an object, each key with its value's text; none for another value.
pub fn members(text: &str) -> Result<Option<Vec<Member<'_>>>, Bad> {
    let mut json = Scanner::new(text);
    if json.node_type()? != NodeType::Object {
        return Ok(None);
    }
    json.at += 1;
    let mut out = Vec::new();
    if json.eat(b'}') {
        return Ok(Some(out));
    }
    loop {
        let key = json.string()?;
        json.expect(b':', "no colon after a key")?;
        out.push((key, json.skip()?));
        if json.eat(b'}') {
            return Ok(Some(out));
        }
        json.expect(b',', "no comma or } in an object")?;
    }
}

/// The text of the value at a path of member names; the empty path is the whole.
pub(crate) fn find<'a>(text: &'a str, path: &[impl AsRef<str>]) -> Result<Option<&'a str>, Bad> {
    let Some((name, rest)) = path.split_first() else { return Ok(Some(text.trim())) };
    // The last of several of one name counts, as in any reader that builds a map.
    let found = members(text)?.and_then(|m| m.into_iter().rev().find(|(n, _)| *n == name.as_ref()));
    found.map_or(Ok(None), |(_, value)| find(value, rest))
}

/// Appends `text` with the value at `path` set to the JSON `value`, or removed where that is none. A member that is missing
/// is appended to its object; where the object itself is missing, nothing changes.
pub(crate) fn edit(text: &str, path: &[impl AsRef<str>], value: Option<&str>, out: &mut Vec<u8>) -> Result<(), Bad> {
    let (Some((name, rest)), Some(members)) = (path.split_first(), members(text)?) else {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    };
    let name = name.as_ref();
    let target = members.iter().rposition(|(n, _)| n == name);
    let mut separator = b'{';
    let mut open = |name: &str, out: &mut Vec<u8>| {
        out.push(separator);
        separator = b',';
        quoted(name.as_bytes(), out);
        out.push(b':');
    };
    for (i, (key, old)) in members.iter().enumerate() {
        if rest.is_empty() && *key == name {
            // Of several of one name only the last stays, changed.
            if let (true, Some(value)) = (Some(i) == target, value) {
                open(key, out);
                out.extend_from_slice(value.as_bytes());
            }
            continue;
        }
        open(key, out);
        if Some(i) == target {
            edit(old, rest, value, out)?;
        } else {
            out.extend_from_slice(old.as_bytes());
        }
    }
    if let (None, true, Some(value)) = (target, rest.is_empty(), value) {
        open(name, out);
        out.extend_from_slice(value.as_bytes());
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_touch_nothing_else() {
        let text = r#" {"a": {"n":1.10,"big":123456789012345678901234567890,"x\u0041":1}, "b":[1, 2] ,"c":null} "#;
        let check = |path: &[&str], value: Option<&str>, expected: &str| {
            let mut out = Vec::new();
            edit(text, path, value, &mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        };
        let a = r#"{"n":1.10,"big":123456789012345678901234567890,"x\u0041":1}"#;
        check(&["b"], None, &format!(r#"{{"a":{a},"c":null}}"#));
        check(&["b"], Some("7"), &format!(r#"{{"a":{a},"b":7,"c":null}}"#));
        check(&["d"], Some("\"x\""), &format!(r#"{{"a":{a},"b":[1, 2],"c":null,"d":"x"}}"#));
        check(&["a", "xA"], Some("2"), r#"{"a":{"n":1.10,"big":123456789012345678901234567890,"xA":2},"b":[1, 2],"c":null}"#);
        check(&["c", "d"], Some("1"), &format!(r#"{{"a":{a},"b":[1, 2],"c":null}}"#));
        check(&["e", "d"], Some("1"), &format!(r#"{{"a":{a},"b":[1, 2],"c":null}}"#));
        assert_eq!(find(text, &["a", "big"]).unwrap(), Some("123456789012345678901234567890"));
        assert_eq!(find(text, &["c", "d"]).unwrap(), None);
        let mut out = Vec::new();
        edit("{\"a\":1}", &["a"], None, &mut out).unwrap();
        assert_eq!(out, b"{}");
    }
}
