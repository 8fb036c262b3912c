//! Arrays in PostgreSQL's text form: `{1,NULL,"a \"quoted\" one"}`. Those of several dimensions become one list, as Debezium
//! has it.

use millrace_plugin::{RowBuf, RowMark};

use super::{Value, ValueError};

/// An element: null, or its text without quotes and escapes.
pub type Element = Option<Vec<u8>>;

/// Writes an array as a list.
pub fn write(
    element: &Value,
    delimiter: u8,
    rows: &mut RowBuf,
    row: RowMark,
    slot: usize,
    text: &[u8],
) -> Result<(), ValueError> {
    let elements = elements(text, delimiter).ok_or_else(|| ValueError::new("an array", text))?;
    let list = rows.begin(elements.len());
    for (i, value) in elements.iter().enumerate() {
        if let Some(value) = value
            && let Err(e) = element.write(rows, list, i, value)
        {
            rows.undo(list);
            return Err(e);
        }
    }
    rows.end_nested(row, slot, list);
    Ok(())
}

/// The elements of all dimensions, in order.
pub fn elements(text: &[u8], delimiter: u8) -> Option<Vec<Element>> {
    // `[0:2]={...}` says that it does not start at 1.
    let mut rest = match text {
        [b'[', ..] => &text[text.iter().position(|b| *b == b'=')? + 1..],
        _ => text,
    };
    let (mut found, mut depth) = (Vec::new(), 0u32);
    loop {
        match rest {
            [b'{', tail @ ..] => {
                depth += 1;
                rest = tail;
            }
            [b'}', tail @ ..] => {
                depth = depth.checked_sub(1)?;
                rest = tail;
                if depth == 0 {
                    return rest.is_empty().then_some(found);
                }
            }
            [b'"', tail @ ..] => {
                let mut value = Vec::new();
                rest = tail;
                loop {
                    match rest {
                        [b'\\', b, tail @ ..] => {
                            value.push(*b);
                            rest = tail;
                        }
                        [b'"', tail @ ..] => {
                            rest = tail;
                            break;
                        }
                        [b, tail @ ..] => {
                            value.push(*b);
                            rest = tail;
                        }
                        [] => return None,
                    }
                }
                found.push(Some(value));
            }
            [b, tail @ ..] if *b == delimiter => rest = tail,
            [] => return None,
            _ if depth == 0 => return None,
            _ => {
                let end = rest.iter().position(|b| *b == delimiter || *b == b'}')?;
                let (value, tail) = rest.split_at(end);
                found.push((!value.eq_ignore_ascii_case(b"null")).then(|| value.to_vec()));
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<Option<String>>> {
        Some(elements(text.as_bytes(), b',')?.into_iter().map(|e| e.map(|e| String::from_utf8(e).unwrap())).collect())
    }

    #[test]
    fn arrays_are_taken_apart() {
        let some = |v: &[&str]| Some(v.iter().map(|s| Some((*s).to_owned())).collect::<Vec<_>>());
        assert_eq!(read("{}"), some(&[]));
        assert_eq!(read("{1,2}"), some(&["1", "2"]));
        assert_eq!(read("{{1,2},{3,4}}"), some(&["1", "2", "3", "4"]));
        assert_eq!(read("[0:1]={a,b}"), some(&["a", "b"]));
        assert_eq!(read(r#"{"b c","x\"y\\z","","NULL"}"#), some(&["b c", "x\"y\\z", "", "NULL"]));
        assert_eq!(read("{a,NULL}"), Some(vec![Some("a".to_owned()), None]));
    }

    #[test]
    fn what_is_not_an_array_is_refused() {
        for text in ["", "{", "1", "{1", "{\"a}", "{1}x", "}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
