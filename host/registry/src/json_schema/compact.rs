//! The two texts of a schema that registries tell schemas apart by.

use serde_json::Value;

/// Lists of names and values whose order says nothing.
const UNORDERED: [&str; 3] = ["enum", "required", "type"];

/// The tokens of a JSON text without the blanks between them. Numbers stay as they were written, as does the order of members;
/// strings are written in one way.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.find(['"', ' ', '\t', '\n', '\r']) {
        out.push_str(&rest[..next]);
        rest = &rest[next..];
        if !rest.starts_with('"') {
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
            continue;
        }
        let (string, after) = rest.split_at(string_end(rest));
        match serde_json::from_str::<String>(string) {
            Ok(read) => out.push_str(&Value::from(read).to_string()),
            Err(_) => out.push_str(string),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the string ends that a text begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// Members sorted by name, and lists sorted where their order says nothing.
pub(super) fn normalized(schema: &Value) -> String {
    let mut out = String::new();
    write(schema, "", &mut out);
    out
}

fn write(value: &Value, keyword: &str, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (i, (name, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                // A list of names may stand under the name of a property, too.
                let within = if ["dependencies", "dependentRequired"].contains(&keyword) { "required" } else { name };
                write(value, within, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            let mut texts: Vec<String> = Vec::with_capacity(list.len());
            for value in list {
                let mut text = String::new();
                write(value, "", &mut text);
                texts.push(text);
            }
            if UNORDERED.contains(&keyword) {
                texts.sort();
            }
            out.push('[');
            out.push_str(&texts.join(","));
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
