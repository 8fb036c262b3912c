//! What an address looks like, masked.

/// Appends the address with all but the first character of its local part as `*`: never longer than it was. The error
/// says what is wrong with it, and nothing of what it holds.
pub fn mask(address: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    // Bytes, not characters: `@` and blanks are one byte each in UTF-8, and never part of another character.
    let bytes = address.as_bytes();
    let at = bytes.iter().position(|b| *b == b'@').ok_or("there is no \"@\" in it")?;
    let (local, domain) = (&bytes[..at], &bytes[at + 1..]);
    if local.is_empty() {
        return Err("there is no name before the \"@\"");
    }
    if domain.is_empty() || domain.iter().any(|b| *b == b'@' || b.is_ascii_whitespace()) {
        return Err("what is after the \"@\" is no domain");
    }
    let mut kept = 0;
    for &b in local {
        let starts_character = b & 0xC0 != 0x80;
        kept += usize::from(starts_character);
        match (kept, starts_character) {
            (1, _) => out.push(b),
            (_, true) => out.push(b'*'),
            (_, false) => {}
        }
    }
    out.extend_from_slice(&bytes[at..]);
    Ok(())
}
