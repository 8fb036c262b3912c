//! What differs between two JSON values, path by path.

use serde_json::Value;

/// More differences than these in one record help nobody.
const SHOWN_MAX: usize = 20;

/// A place where two values differ; none: it is missing there.
#[derive(Debug, PartialEq)]
pub struct Difference {
    pub path: String,
    pub expected: Option<Value>,
    pub actual: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |v: &Option<Value>| v.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{}: expected {}, found {}", self.path, show(&self.expected), show(&self.actual))
    }
}

/// Adds what differs between two values at `path`.
pub fn differences(path: &str, expected: &Value, actual: &Value, out: &mut Vec<Difference>) {
    if out.len() >= SHOWN_MAX || expected == actual {
        return;
    }
    let mut missing = |path: String, expected: Option<&Value>, actual: Option<&Value>| {
        out.push(Difference { path, expected: expected.cloned(), actual: actual.cloned() });
    };
    match (expected, actual) {
        (Value::Object(e), Value::Object(a)) => {
            for (name, value) in a.iter().filter(|(name, _)| !e.contains_key(*name)) {
                missing(format!("{path}.{name}"), None, Some(value));
            }
            for (name, value) in e {
                let path = format!("{path}.{name}");
                match a.get(name) {
                    None => out.push(Difference { path, expected: Some(value.clone()), actual: None }),
                    Some(actual) => differences(&path, value, actual, out),
                }
            }
        }
        (Value::Array(e), Value::Array(a)) => {
            for i in 0..e.len().max(a.len()) {
                let path = format!("{path}[{i}]");
                match (e.get(i), a.get(i)) {
                    (Some(e), Some(a)) => differences(&path, e, a, out),
                    (e, a) => out.push(Difference { path, expected: e.cloned(), actual: a.cloned() }),
                }
            }
        }
        _ => missing(path.to_owned(), Some(expected), Some(actual)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_place_is_named() {
        let check = |expected: Value, actual: Value, said: &[&str]| {
            let mut out = Vec::new();
            differences("value", &expected, &actual, &mut out);
            assert_eq!(out.iter().map(ToString::to_string).collect::<Vec<_>>(), said);
        };
        check(json!({"a": 1, "b": {"c": "x"}}), json!({"b": {"c": "x"}, "a": 1}), &[]);
        check(json!({"a": 1, "b": {"c": "x"}}), json!({"a": 1, "b": {"c": "y"}}), &["value.b.c: expected \"x\", found \"y\""]);
        check(json!({"a": 1}), json!({"b": 2}), &["value.b: expected nothing, found 2", "value.a: expected 1, found nothing"]);
        check(json!([1, 2]), json!([1]), &["value[1]: expected 2, found nothing"]);
        check(json!(null), json!({}), &["value: expected null, found {}"]);
    }
}
