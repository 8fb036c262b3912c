//! Java's `.properties` format, as `java.util.Properties` reads it, except that a file that is valid UTF-8 is read as that;
//! any other is ISO 8859-1.

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    pub line: usize,
    pub what: String,
}

/// The settings in the order written; a key may come again, the last one counts.
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| *b as char).collect(),
    };
    logical_lines(&text).into_iter().map(|(number, line)| entry(number, &line)).collect()
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Joins continued lines, drops comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, natural) in text.split('\n').enumerate() {
        let natural = natural.trim_start_matches(blank);
        if open.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = natural.chars().rev().take_while(|c| *c == '\\').count();
        let continued = backslashes % 2 == 1;
        let (_, line) = open.get_or_insert_with(|| (i + 1, String::new()));
        line.push_str(if continued { &natural[..natural.len() - 1] } else { natural });
        if !continued {
            lines.extend(open.take());
        }
    }
    lines.extend(open.take());
    lines
}

fn entry(number: usize, line: &str) -> Result<(String, String), Malformed> {
    let mut end = line.len();
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if !escaped && (blank(c) || c == '=' || c == ':') {
            end = at;
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    let rest = line[end..].trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(blank);
    Ok((unescape(number, &line[..end])?, unescape(number, rest)?))
}

fn unescape(line: usize, text: &str) -> Result<String, Malformed> {
    // Java's escapes are UTF-16 units: two of them may make one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0u16; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                units.push(unit.ok_or_else(|| Malformed {
                    line,
                    what: format!(
                        "\"\\u{digits}\" is not a character: write four hexadecimal digits behind \\u, or \\\\ for a backslash"
                    ),
                })?);
            }
            Some(c) => {
                let c = match c {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    'f' => '\x0c',
                    c => c,
                };
                units.extend_from_slice(c.encode_utf16(&mut buffer));
            }
            None => {}
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn reads_what_java_reads() {
        check("a=1\nb: 2\nc 3\n d\t=\t4 \n", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4 ")]);
        check("# no\n! no\n\n  # no\na=#yes", &[("a", "#yes")]);
        check("a=x,\\\n   y,\\\r\n\tz\nb=1", &[("a", "x,y,z"), ("b", "1")]);
        check("a\\=b\\:c=d\\\\", &[("a=b:c", "d\\")]);
        check("a=\\t\\u00e4\\uD83D\\uDE00\\q", &[("a", "\tä😀q")]);
        check("empty\nalso=", &[("empty", ""), ("also", "")]);
        check("a=b=c", &[("a", "b=c")]);
        check("a=\\\n", &[("a", "")]);
    }

    #[test]
    fn a_file_that_is_not_utf8_is_latin1() {
        assert_eq!(parse(b"a=\xe4").unwrap(), [("a".into(), "ä".into())]);
        assert_eq!(parse("\u{feff}a=ä".as_bytes()).unwrap(), [("a".into(), "ä".into())]);
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        assert_eq!(parse(b"a=1\nb=\\u12").unwrap_err().line, 2);
    }
}
