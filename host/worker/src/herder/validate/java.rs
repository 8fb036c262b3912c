//! The order in which Java's hash maps give their keys, where Connect's answers have it.

/// As `String.hashCode`.
fn hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |h, unit| h.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Sorts as a `HashMap` does that was filled in the given order.
pub(super) fn sort<T>(items: &mut [T], name: impl Fn(&T) -> &str) {
    // It starts with 16 buckets and doubles past three quarters.
    let mut buckets = 16usize;
    while items.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    by_bucket(items, buckets, name);
}

/// As a `HashMap` does that was made of another map at once.
pub(super) fn sort_copied<T>(items: &mut [T], name: impl Fn(&T) -> &str) {
    let buckets = (items.len() * 4 / 3 + 1).next_power_of_two();
    by_bucket(items, buckets, name);
}

fn by_bucket<T>(items: &mut [T], buckets: usize, name: impl Fn(&T) -> &str) {
    let bucket = |text: &str| {
        let h = hash(text) as u32;
        (h ^ (h >> 16)) as usize & (buckets - 1)
    };
    items.sort_by_key(|item| bucket(name(item)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_is_javas() {
        let mut keys = [
            "converter.type",
            "schemas.enable",
            "schemas.cache.size",
            "schema.content",
            "decimal.format",
            "replace.null.with.default",
        ];
        super::sort(&mut keys, |k| k);
        let java = [
            "decimal.format",
            "converter.type",
            "schemas.cache.size",
            "replace.null.with.default",
            "schemas.enable",
            "schema.content",
        ];
        assert_eq!(keys, java);
        let mut keys = ["file", "name", "tasks.max", "topic"];
        super::sort_copied(&mut keys, |k| k);
        assert_eq!(keys, ["name", "topic", "file", "tasks.max"]);
    }
}
