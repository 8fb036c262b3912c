//! References in configurations, `${provider:path:key}`.
//!
//! No provider is offered yet, so every reference is refused where it stands: passed on as it is written, a plugin would
//! take `${file:/secrets:password}` for the password.

/// The provider that a value refers to. `${topic}` and its like, without a colon, are no references.
pub fn provider(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        rest = &rest[at + 2..];
        let end = rest.find('}')?;
        if let Some((provider, _)) = rest[..end].split_once(':') {
            return Some(provider);
        }
        rest = &rest[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::provider;

    #[test]
    fn references_are_told_from_placeholders() {
        let check = |value: &str, expected: Option<&str>| assert_eq!(provider(value), expected, "{value}");
        check("${file:/secrets:password}", Some("file"));
        check("x-${env:HOME}-y", Some("env"));
        check("${topic}-${timestamp}", None);
        check("${topic}-${dir:/a:b}", Some("dir"));
        check("$1 ${ open", None);
        check("", None);
    }
}
