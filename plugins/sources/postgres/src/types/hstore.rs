//! `hstore` in PostgreSQL's text form: `"a"=>"1", "b"=>NULL`.

use millrace_plugin::{RowBuf, RowMark};

pub type Pair = (String, Option<String>);

/// Its pairs, in order.
pub fn pairs(text: &[u8]) -> Option<Vec<Pair>> {
    let mut rest = std::str::from_utf8(text).ok()?.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (key, tail) = quoted(rest)?;
        let tail = tail.strip_prefix("=>")?;
        let (value, tail) = match tail.strip_prefix("NULL") {
            Some(tail) => (None, tail),
            None => {
                let (value, tail) = quoted(tail)?;
                (Some(value), tail)
            }
        };
        found.push((key, value));
        rest = match tail.strip_prefix(", ") {
            Some(tail) => tail,
            None if tail.is_empty() => tail,
            None => return None,
        };
    }
    Some(found)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    loop {
        match chars.next()? {
            (_, '\\') => value.push(chars.next()?.1),
            (at, '"') => return Some((value, &text[at + 2..])),
            (_, c) => value.push(c),
        }
    }
}

/// As a JSON object.
pub fn json(pairs: &[Pair]) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(k, v)| (k.clone(), v.clone().map_or(serde_json::Value::Null, Into::into))).collect();
    serde_json::Value::Object(object).to_string()
}

/// As a map: a row of two lists, the keys and the values.
pub fn write_map(rows: &mut RowBuf, row: RowMark, slot: usize, pairs: &[Pair]) {
    let map = rows.begin(2);
    let keys = rows.begin(pairs.len());
    for (i, (key, _)) in pairs.iter().enumerate() {
        rows.text(keys, i, key);
    }
    rows.end_nested(map, 0, keys);
    let values = rows.begin(pairs.len());
    for (i, (_, value)) in pairs.iter().enumerate() {
        if let Some(value) = value {
            rows.text(values, i, value);
        }
    }
    rows.end_nested(map, 1, values);
    rows.end_nested(row, slot, map);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_written() {
        let read = pairs(br#""a"=>"1", "b c"=>NULL, "d"=>"x\"y\\""#).unwrap();
        assert_eq!(json(&read), r#"{"a":"1","b c":null,"d":"x\"y\\"}"#);
        assert_eq!(pairs(b""), Some(vec![]));
        for wrong in ["a=>1", "\"a\"", "\"a\"=>", "\"a\"=>\"1\" \"b\"=>\"2\"", "\"a"] {
            assert_eq!(pairs(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
