//! References to schemas as URIs: as much of RFC 3986 as names of schemas need.

/// `reference` as it stands seen from `base`, both without fragment.
pub(super) fn join(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if scheme(reference).is_some() || base.is_empty() {
        return reference.to_owned();
    }
    let (authority, path) = split(base);
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{}//{rest}", scheme(base).map_or(String::new(), |s| format!("{s}:")));
    }
    if reference.starts_with('/') {
        return format!("{authority}{}", without_dots(reference));
    }
    let folder = path.rfind('/').map_or("", |end| &path[..=end]);
    // After an authority a path begins with a slash.
    let folder = if folder.is_empty() && authority.contains("//") { "/" } else { folder };
    format!("{authority}{}", without_dots(&format!("{folder}{reference}")))
}

/// A reference without its fragment, and the fragment.
pub(super) fn parts(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// A fragment with its escapes undone; as it stands where they are broken.
pub(super) fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| fragment.to_owned())
}

fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (starts && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))).then_some(scheme)
}

/// What stands before the path, and the path.
fn split(uri: &str) -> (&str, &str) {
    let after_scheme = scheme(uri).map_or(0, |s| s.len() + 1);
    let path = match uri[after_scheme..].strip_prefix("//") {
        Some(rest) => rest.find('/').map_or(uri.len(), |i| uri.len() - rest.len() + i),
        None => after_scheme,
    };
    uri.split_at(path)
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.split('/').collect();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        match *part {
            "." | ".." => {
                if *part == ".." && kept.last().is_some_and(|k| !k.is_empty() && *k != "..") {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_joined_to_their_base() {
        for (base, reference, joined) in [
            ("", "a.json", "a.json"),
            ("http://x.org/dir/root.json", "a.json", "http://x.org/dir/a.json"),
            ("http://x.org/dir/root.json", "../a.json", "http://x.org/a.json"),
            ("http://x.org/dir/root.json", "/a.json", "http://x.org/a.json"),
            ("http://x.org", "a.json", "http://x.org/a.json"),
            ("http://x.org/dir/", "./b/./a.json", "http://x.org/dir/b/a.json"),
            ("http://x.org/a", "urn:b", "urn:b"),
            ("https://x.org/a", "//y.org/b", "https://y.org/b"),
            ("dir/root.json", "a.json", "dir/a.json"),
            ("http://x.org/dir/root.json", "", "http://x.org/dir/root.json"),
        ] {
            assert_eq!(join(base, reference), joined, "{base} + {reference}");
        }
        assert_eq!(parts("a.json#/x"), ("a.json", "/x"));
        assert_eq!(unescaped("/a%20b%zz%"), "/a b%zz%");
    }
}
