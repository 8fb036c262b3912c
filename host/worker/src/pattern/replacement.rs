//! What a match is replaced by: `$1`, `${name}`, and `\\` before what stands for itself.

use fancy_regex::{Captures, Regex};

/// A part of a replacement.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

pub(super) fn replace_first(regex: &Regex, text: &str, replacement: &str) -> Result<String, String> {
    let Some(found) = regex.captures(text).map_err(|e| e.to_string())? else { return Ok(text.to_owned()) };
    let pieces = pieces(replacement, regex.captures_len() - 1)?;
    let Some(all) = found.get(0) else { return Ok(text.to_owned()) };
    let mut out = text[..all.start()].to_owned();
    for piece in &pieces {
        append(regex, piece, &found, &mut out)?;
    }
    out.push_str(&text[all.end()..]);
    Ok(out)
}

fn append(regex: &Regex, piece: &Piece, found: &Captures<'_, str>, out: &mut String) -> Result<(), String> {
    let group = match piece {
        Piece::Text(text) => {
            out.push_str(text);
            return Ok(());
        }
        Piece::Group(n) if *n >= regex.captures_len() => return Err(format!("No group {n}")),
        Piece::Group(n) => found.get(*n),
        Piece::Named(name) if !regex.capture_names().flatten().any(|n| n == name) => {
            return Err(format!("No group with name {{{name}}}"));
        }
        Piece::Named(name) => found.name(name),
    };
    out.push_str(group.map_or("", |m| m.as_str()));
    Ok(())
}

/// A replacement as Java reads it: `$1` takes as many digits as make a group there is, `\` makes the next character plain.
fn pieces(replacement: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let (mut out, mut text) = (Vec::new(), String::new());
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().ok_or("character to be escaped is missing")?),
            '$' => {
                if !text.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut text)));
                }
                if chars.next_if_eq(&'{').is_some() {
                    let mut name = String::new();
                    while let Some(c) = chars.next_if(char::is_ascii_alphanumeric) {
                        name.push(c);
                    }
                    if name.is_empty() || chars.next() != Some('}') {
                        return Err("named capturing group is missing trailing '}'".into());
                    }
                    if name.starts_with(|c: char| c.is_ascii_digit()) {
                        return Err(format!("capturing group name {{{name}}} starts with digit character"));
                    }
                    out.push(Piece::Named(name));
                    continue;
                }
                let next = chars.next().ok_or("Illegal group reference: group index is missing")?;
                let mut group = next.to_digit(10).ok_or("Illegal group reference")? as usize;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer > groups {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                out.push(Piece::Group(group));
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_read_as_java_does() {
        let text = |t: &str| Piece::Text(t.into());
        assert_eq!(pieces("a$1b", 1).unwrap(), [text("a"), Piece::Group(1), text("b")]);
        assert_eq!(pieces("$12", 1).unwrap(), [Piece::Group(1), text("2")]);
        assert_eq!(pieces("$12", 12).unwrap(), [Piece::Group(12)]);
        assert_eq!(pieces("\\$1${x}", 1).unwrap(), [text("$1"), Piece::Named("x".into())]);
        assert_eq!(pieces("$", 1).unwrap_err(), "Illegal group reference: group index is missing");
        assert_eq!(pieces("${a", 1).unwrap_err(), "named capturing group is missing trailing '}'");
        assert!(pieces("a\\", 1).is_err() && pieces("$x", 1).is_err() && pieces("${1a}", 1).is_err());
    }
}
