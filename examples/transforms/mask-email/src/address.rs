//! What an address looks like, masked.

/// Appends the address with all but the first character of its local part as `*`: never longer than it was. The error
/// says what is wrong with it, and nothing of what it holds.
pub fn mask(address: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (local, domain) = address.rsplit_once('@').ok_or("there is no \"@\" in it")?;
    if local.is_empty() || local.contains('@') {
        return Err("what is before the \"@\" is no name");
    }
    if domain.is_empty() || domain.contains(char::is_whitespace) {
        return Err("what is after the \"@\" is no domain");
    }
    let (first, rest) = local.split_at(local.chars().next().map_or(0, char::len_utf8));
    out.extend_from_slice(first.as_bytes());
    out.resize(out.len() + rest.chars().count(), b'*');
    out.push(b'@');
    out.extend_from_slice(domain.as_bytes());
    Ok(())
}
