//! COPY's text format: one row as its values (PostgreSQL's manual, "COPY", "Text Format").

use crate::wal::Datum;

/// Takes rows apart, in buffers that are used again.
#[derive(Default)]
pub struct CopyRow {
    /// The values one after the other, without their escapes.
    bytes: Vec<u8>,
    /// Where each ends, and whether it is null.
    ends: Vec<(u32, bool)>,
}

impl CopyRow {
    /// Reads a row, with or without its line feed.
    pub fn read(&mut self, line: &[u8]) {
        self.bytes.clear();
        self.ends.clear();
        let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
        loop {
            let stop = rest.iter().position(|b| matches!(b, b'\t' | b'\\')).unwrap_or(rest.len());
            self.bytes.extend_from_slice(&rest[..stop]);
            rest = &rest[stop..];
            match rest {
                [] => {
                    self.end(false);
                    return;
                }
                [b'\t', tail @ ..] => {
                    self.end(false);
                    rest = tail;
                }
                // A value that is `\N` and no more is null; inside a value the server never writes it.
                [b'\\', b'N', tail @ ..] => {
                    self.end(true);
                    match tail {
                        [b'\t', tail @ ..] => rest = tail,
                        _ => return,
                    }
                }
                [b'\\', escaped, tail @ ..] => {
                    self.bytes.push(match escaped {
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'v' => 11,
                        other => *other,
                    });
                    rest = tail;
                }
                [other, tail @ ..] => {
                    self.bytes.push(*other);
                    rest = tail;
                }
            }
        }
    }

    fn end(&mut self, null: bool) {
        self.ends.push((self.bytes.len() as u32, null));
    }

    /// The values of the row read last.
    pub fn values(&self) -> impl Iterator<Item = Datum<'_>> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |(end, null)| {
            let text = &self.bytes[start..*end as usize];
            start = *end as usize;
            if *null { Datum::Null } else { Datum::Text(text) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Option<String>> {
        let mut row = CopyRow::default();
        row.read(line.as_bytes());
        let text = |d| match d {
            Datum::Text(t) => Some(String::from_utf8(t.to_vec()).unwrap()),
            _ => None,
        };
        row.values().map(text).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|v| Some((*v).to_owned())).collect()
    }

    #[test]
    fn rows_are_taken_apart() {
        assert_eq!(read("1\tab\t\n"), some(&["1", "ab", ""]));
        assert_eq!(read("a\\tb\\\\\\n\tc\\N\n").len(), 2);
        assert_eq!(read("a\\tb\\\\\\nc\n"), some(&["a\tb\\\nc"]));
        assert_eq!(read("\\N\tx\t\\N\n"), [None, Some("x".to_owned()), None]);
        assert_eq!(read("\n"), some(&[""]));
    }
}
