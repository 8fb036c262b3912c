//! Names of Connect as Protobuf can have them, and those of maps and their entries.

use std::borrow::Cow;

/// What the name of a map's entry ends in.
const ENTRY: &str = "Entry";

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// A name with nothing that Protobuf does not allow: percent-encoded as in a form, every other sign an underscore.
pub(super) fn scrubbed(name: &str) -> Cow<'_, str> {
    let starts_well = |name: &[u8]| name.first().is_none_or(|c| !c.is_ascii_digit() && *c != b'_');
    if name.bytes().all(is_word) && starts_well(name.as_bytes()) {
        return name.into();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            // Java's URLEncoder leaves these as they are, or makes a plus of them; none may stay.
            b'.' | b'-' | b'*' | b' ' => out.push('_'),
            _ if is_word(byte) => out.push(char::from(byte)),
            _ => out.push_str(&format!("_{byte:02X}")),
        }
    }
    if !starts_well(name.as_bytes()) {
        out.insert(0, 'x');
    }
    out.into()
}

/// `item_counts` for `ItemCountsEntry`, which may have a package before it.
pub(super) fn map_field(entry: &str) -> String {
    let (package, last) = entry.rsplit_once('.').map_or(("", entry), |(p, l)| (p, l));
    let last = match last.strip_suffix(ENTRY) {
        None => last.to_owned(),
        Some(camel) => {
            let mut words = String::with_capacity(camel.len() + 4);
            for (i, c) in camel.chars().enumerate() {
                if c.is_ascii_uppercase() && i > 0 {
                    words.push('_');
                }
                words.push(c.to_ascii_lowercase());
            }
            words
        }
    };
    if package.is_empty() { last } else { format!("{package}.{last}") }
}

/// `ItemCountsEntry` for `item_counts`; a name without underscores stays as it is.
pub(super) fn map_entry(field: &str) -> String {
    if !field.contains('_') {
        return format!("{field}{ENTRY}");
    }
    let words = field.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect::<String>()
    });
    words.chain([ENTRY.to_owned()]).collect()
}

/// Whether a message of this name is one of a map's entries, which has `key` and `value`.
pub(super) fn is_entry(name: &str) -> bool {
    name.ends_with(ENTRY)
}

/// Whether a message is one of those that Protobuf has for JSON.
pub(super) fn is_json(full_name: &str) -> bool {
    matches!(full_name, "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_scrubbed_as_confluent_does() {
        for (name, expected) in [
            ("plain_1", "plain_1"),
            ("1st", "x1st"),
            ("_x", "x_x"),
            ("a b", "a_b"),
            ("a.b-c", "a_b_c"),
            ("größe", "gr_C3_B6_C3_9Fe"),
            ("ä", "_C3_A4"),
            ("a$b", "a_24b"),
            ("", ""),
        ] {
            assert_eq!(scrubbed(name), expected);
        }
    }

    #[test]
    fn names_of_entries_come_and_go() {
        assert_eq!(map_field("ItemCountsEntry"), "item_counts");
        assert_eq!(map_field("a.b.TagsEntry"), "a.b.tags");
        assert_eq!(map_field("Tags"), "Tags");
        assert_eq!(map_entry("item_counts"), "ItemCountsEntry");
        assert_eq!(map_entry("tags"), "tagsEntry");
        assert!(is_entry("tagsEntry"));
    }
}
