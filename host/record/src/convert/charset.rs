//! Character sets of `StringConverter`, by their Java names and aliases.
//!
//! As in Java, what a set cannot hold is written as `?`, and what is not of the set is read as U+FFFD.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// Big endian with a mark when written, either when read.
    Utf16,
    Utf16Be,
    Utf16Le,
    /// Big endian without a mark when written, either when read.
    Utf32,
    Utf32Be,
    Utf32Le,
    Latin1,
    Ascii,
}

use Charset::*;

/// Canonical names first.
const NAMES: &[(Charset, &[&str])] = &[
    (Utf8, &["UTF-8", "UTF8", "unicode-1-1-utf-8"]),
    (Utf16, &["UTF-16", "UTF_16", "utf16", "unicode", "UnicodeBig"]),
    (Utf16Be, &["UTF-16BE", "UTF_16BE", "ISO-10646-UCS-2", "X-UTF-16BE", "UnicodeBigUnmarked"]),
    (Utf16Le, &["UTF-16LE", "UTF_16LE", "X-UTF-16LE", "UnicodeLittleUnmarked"]),
    (Utf32, &["UTF-32", "UTF_32", "UTF32", "ISO-10646-UCS-4"]),
    (Utf32Be, &["UTF-32BE", "UTF_32BE", "X-UTF-32BE"]),
    (Utf32Le, &["UTF-32LE", "UTF_32LE", "X-UTF-32LE"]),
    (
        Latin1,
        &[
            "ISO-8859-1",
            "ISO8859_1",
            "ISO8859-1",
            "ISO_8859-1",
            "ISO_8859_1",
            "ISO_8859-1:1987",
            "8859_1",
            "latin1",
            "l1",
            "iso-ir-100",
            "IBM819",
            "IBM-819",
            "cp819",
            "819",
            "csISOLatin1",
        ],
    ),
    (
        Ascii,
        &[
            "US-ASCII",
            "ASCII",
            "ascii7",
            "ISO646-US",
            "iso_646.irv:1991",
            "ISO_646.irv:1983",
            "iso-ir-6",
            "ANSI_X3.4-1968",
            "ANSI_X3.4-1986",
            "cp367",
            "IBM367",
            "csASCII",
            "default",
            "646",
            "us",
        ],
    ),
];

impl Charset {
    /// None: not one of those that are supported; [`Charset::supported`] names them.
    pub fn named(name: &str) -> Option<Charset> {
        NAMES.iter().find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(name))).map(|(charset, _)| *charset)
    }

    pub fn supported() -> String {
        NAMES.iter().map(|(_, names)| names[0]).collect::<Vec<_>>().join(", ")
    }

    /// Appends `text` in this set.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) {
        let narrow = |out: &mut Vec<u8>, limit: u32| {
            out.extend(text.chars().map(|c| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' }));
        };
        match self {
            Utf8 => out.extend_from_slice(text.as_bytes()),
            Utf16 => {
                if !text.is_empty() {
                    out.extend_from_slice(&[0xFE, 0xFF]);
                }
                Utf16Be.encode(text, out);
            }
            Utf16Be => text.encode_utf16().for_each(|u| out.extend_from_slice(&u.to_be_bytes())),
            Utf16Le => text.encode_utf16().for_each(|u| out.extend_from_slice(&u.to_le_bytes())),
            Utf32 | Utf32Be => text.chars().for_each(|c| out.extend_from_slice(&u32::from(c).to_be_bytes())),
            Utf32Le => text.chars().for_each(|c| out.extend_from_slice(&u32::from(c).to_le_bytes())),
            Latin1 => narrow(out, 256),
            Ascii => narrow(out, 128),
        }
    }

    /// Appends what `bytes` say in this set, as UTF-8.
    pub fn decode(self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        match self {
            Utf8 => match simdutf8::basic::from_utf8(bytes) {
                Ok(text) => out.extend_from_slice(text.as_bytes()),
                Err(_) => utf8(bytes, out),
            },
            Utf16 => match bytes {
                [0xFE, 0xFF, rest @ ..] => Utf16Be.decode(rest, out),
                [0xFF, 0xFE, rest @ ..] => Utf16Le.decode(rest, out),
                _ => Utf16Be.decode(bytes, out),
            },
            Utf16Be | Utf16Le => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                let units = pairs.iter().map(|p| if self == Utf16Be { u16::from_be_bytes(*p) } else { u16::from_le_bytes(*p) });
                char::decode_utf16(units).for_each(|c| push(c.unwrap_or(char::REPLACEMENT_CHARACTER)));
                if !rest.is_empty() {
                    push(char::REPLACEMENT_CHARACTER);
                }
            }
            Utf32 => match bytes {
                [0, 0, 0xFE, 0xFF, rest @ ..] => Utf32Be.decode(rest, out),
                [0xFF, 0xFE, 0, 0, rest @ ..] => Utf32Le.decode(rest, out),
                _ => Utf32Be.decode(bytes, out),
            },
            Utf32Be | Utf32Le => {
                // Java passes over a mark here, though the name says the order.
                let mark = if self == Utf32Be { [0, 0, 0xFE, 0xFF] } else { [0xFF, 0xFE, 0, 0] };
                let (words, rest) = bytes.strip_prefix(&mark).unwrap_or(bytes).as_chunks::<4>();
                for w in words {
                    let c = if self == Utf32Be { u32::from_be_bytes(*w) } else { u32::from_le_bytes(*w) };
                    push(char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if !rest.is_empty() {
                    push(char::REPLACEMENT_CHARACTER);
                }
            }
            Latin1 => bytes.iter().for_each(|b| push(char::from(*b))),
            Ascii => bytes.iter().for_each(|b| push(if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER })),
        }
    }
}

/// UTF-8 with its faults replaced where Java does: half of a surrogate pair in three bytes is one fault, not three.
fn utf8(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (text, fault) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(e) => {
                let text = std::str::from_utf8(&rest[..e.valid_up_to()]).expect("valid up to here");
                let surrogate = matches!(rest[text.len()..], [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
                (text, if surrogate { 3 } else { e.error_len().unwrap_or(rest.len() - text.len()) })
            }
        };
        out.extend_from_slice(text.as_bytes());
        if fault > 0 {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
        rest = &rest[text.len() + fault..];
    }
}
