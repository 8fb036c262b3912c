//! Cutting bytes into lines. Only whole lines leave; what follows the last line's end is read again later.

/// What a look at a piece of the file found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A line without its end, and how many bytes it takes with its end.
    Line(&'a [u8], usize),
    /// No line ends in these bytes.
    Partial,
}

/// The first line of `bytes`, which start where a line starts. A line ends with `\n`, `\r\n` or `\r`, as Java's reader has
/// it; a `\r` that is the last byte may be half of `\r\n`, so that the line is not whole yet.
pub fn next(bytes: &[u8]) -> Next<'_> {
    let Some(at) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
        return Next::Partial;
    };
    match (bytes[at], bytes.get(at + 1)) {
        (b'\n', _) => Next::Line(&bytes[..at], at + 1),
        (_, Some(b'\n')) => Next::Line(&bytes[..at], at + 2),
        (_, Some(_)) => Next::Line(&bytes[..at], at + 1),
        (_, None) => Next::Partial,
    }
}

/// The next line, or the next piece of one that is over the limit: its bytes, and how many it takes in the file. A piece
/// takes as many as it has. None: no line is whole yet.
pub fn cut(bytes: &[u8], limit: usize) -> Option<(&[u8], usize)> {
    match next(bytes) {
        Next::Line(line, taken) if line.len() <= limit => Some((line, taken)),
        // A `\r` may follow the last byte that a line may have.
        Next::Partial if bytes.len() <= limit + 1 => None,
        Next::Line(..) | Next::Partial => {
            let end = char_end(bytes, limit);
            Some((&bytes[..end], end))
        }
    }
}

/// The last end of a character at or before `limit`; `limit` itself where the bytes are not text.
fn char_end(bytes: &[u8], limit: usize) -> usize {
    (limit.saturating_sub(3).max(1)..=limit).rev().find(|&at| bytes.get(at).is_none_or(|b| b & 0xC0 != 0x80)).unwrap_or(limit)
}
