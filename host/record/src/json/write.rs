//! Strings as Jackson writes them: only what must be is escaped, and characters beyond U+FFFF as their two halves;
//! hexadecimal digits are upper case. Numbers and base64 likewise. To the letter, for a key's bytes decide its partition.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::number::{java_f32, java_f64};

/// What follows the backslash: 0 for bytes that stand as they are, `u` for those written as `\u00XX`.
const ESCAPE: [u8; 256] = {
    let mut t = [0u8; 256];
    let mut i = 0;
    while i < 32 {
        t[i] = b'u';
        i += 1;
    }
    t[8] = b'b';
    t[9] = b't';
    t[10] = b'n';
    t[12] = b'f';
    t[13] = b'r';
    t[b'"' as usize] = b'"';
    t[b'\\' as usize] = b'\\';
    t
};

/// Whether any of eight bytes is a quote, a backslash or below 0x20.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    ((word.wrapping_sub(ONES * 0x20) & !word) | zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))) & HIGH
}

/// Whether any of eight bytes begins a character beyond U+FFFF.
#[inline]
fn astral(word: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    word & (word << 1) & (word << 2) & (word << 3) & HIGH
}

/// The number of bytes at the start of `text` that stand in a string as they are.
#[inline]
pub(super) fn clean(text: &[u8]) -> usize {
    clean_of(text, special, |b| ESCAPE[b as usize] == 0)
}

/// The number of bytes at the start of `text` that Jackson writes as they are.
#[inline]
fn unescaped(text: &[u8]) -> usize {
    clean_of(text, |word| special(word) | astral(word), |b| ESCAPE[b as usize] == 0 && b < 0xF0)
}

#[inline(always)]
fn clean_of(text: &[u8], special: impl Fn(u64) -> u64, plain: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(chunk) = text.get(at..at + 8) {
        let hits = special(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        if hits != 0 {
            // A borrow may mark a byte above a true hit, never one below it, so the lowest is exact.
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // The rest once more with what lies before it, known to be clean: a short tail costs one step, not seven.
    if at > 0
        && let Some(last) = text.last_chunk::<8>()
    {
        let hits = special(u64::from_le_bytes(*last));
        return if hits == 0 { text.len() } else { text.len() - 8 + hits.trailing_zeros() as usize / 8 };
    }
    while at < text.len() && plain(text[at]) {
        at += 1;
    }
    at
}

/// Appends `text`, which is UTF-8, with its escapes and without quotes.
#[inline]
pub(crate) fn escaped(mut text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    loop {
        let n = unescaped(text);
        out.extend_from_slice(&text[..n]);
        let Some(&b) = text.get(n) else { return };
        if b >= 0xF0 {
            let Some(c) = text.get(n..n + 4).and_then(|c| std::str::from_utf8(c).ok()?.chars().next()) else {
                return out.extend_from_slice(&text[n..]);
            };
            for unit in c.encode_utf16(&mut [0; 2]) {
                let hex = |shift: u32| HEX[usize::from(*unit >> shift & 15)];
                out.extend_from_slice(&[b'\\', b'u', hex(12), hex(8), hex(4), hex(0)]);
            }
            text = &text[n + 4..];
            continue;
        }
        match ESCAPE[b as usize] {
            b'u' => {
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[b as usize >> 4], HEX[b as usize & 15]]);
            }
            e => out.extend_from_slice(&[b'\\', e]),
        }
        text = &text[n + 1..];
    }
}

/// Appends `text` as a JSON string.
#[inline]
pub fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escaped(text, out);
    out.push(b'"');
}

/// Appends bytes as base64 with padding, without quotes.
pub fn base64_into(bytes: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    let n = STANDARD.encode_slice(bytes, &mut out[at..]).expect("room for four bytes of every three");
    out.truncate(at + n);
}

/// Appends bytes as a JSON string of base64.
pub fn base64_quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    base64_into(bytes, out);
    out.push(b'"');
}

/// As Jackson reads it: padding is due, bits behind the last byte are not looked at.
const JACKSON: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Appends the bytes that a base64 text is of, as Jackson reads it.
pub fn base64_decoded(text: &str, out: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    JACKSON.decode_vec(text.as_bytes(), out)
}

/// Appends an integer.
#[inline]
pub fn integer(v: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// Appends a float32 or float64; Jackson quotes what JSON has no number for.
pub fn float(v: f64, single: bool, out: &mut Vec<u8>) {
    let quote = !v.is_finite();
    if quote {
        out.push(b'"');
    }
    if single {
        java_f32(v as f32, out)
    } else {
        java_f64(v, out)
    }
    if quote {
        out.push(b'"');
    }
}
