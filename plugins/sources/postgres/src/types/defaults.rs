//! Defaults of columns, where they are constants: `42`, `'abc'::character varying`, `(-1)`, `true`.

use millrace_plugin::{Kind, RowBuf, row};
use serde_json::{Value as Json, json};

use super::Value;

/// The text that PostgreSQL would print of a constant. None: the expression is computed, or null.
pub fn default_text(expression: &str) -> Option<String> {
    let mut text = expression.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        text = inner.trim();
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let (mut value, mut chars) = (String::new(), quoted.char_indices());
        let rest = loop {
            match chars.next()? {
                (at, '\'') if quoted[at + 1..].starts_with('\'') => {
                    chars.next();
                    value.push('\'');
                }
                (at, '\'') => break &quoted[at + 1..],
                (_, c) => value.push(c),
            }
        };
        return (rest.is_empty() || is_cast(rest)).then_some(value);
    }
    let (bare, cast) = text.split_once("::").unwrap_or((text, ""));
    if !cast.is_empty() && !is_cast(&format!("::{cast}")) {
        return None;
    }
    let bare = bare.trim_matches(['(', ')']);
    match bare {
        "true" => Some("t".to_owned()),
        "false" => Some("f".to_owned()),
        number if number.parse::<f64>().is_ok_and(f64::is_finite) && !number.contains(['e', 'E', 'n']) => Some(number.to_owned()),
        _ => None,
    }
}

fn is_null(expression: &str) -> bool {
    expression.split("::").next().is_some_and(|e| e.trim().eq_ignore_ascii_case("null"))
}

/// What stands for a default that is computed. None: nothing does.
fn computed(value: &Value) -> Option<&'static str> {
    let zero = match (value.schema.kind, value.schema.name.as_deref()) {
        (Kind::Int64, Some(name)) if name.ends_with("Timestamp") => "1970-01-01 00:00:00",
        (Kind::Text, Some("io.debezium.time.ZonedTimestamp")) => "1970-01-01 00:00:00+00",
        (Kind::Text, Some("io.debezium.data.Uuid")) => "00000000-0000-0000-0000-000000000000",
        (Kind::Text, None) => "",
        (Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Float32 | Kind::Float64, None) => "0",
        _ => return None,
    };
    Some(zero)
}

/// `::character varying(10)`, `::"schema"."type"[]`, and no more.
fn is_cast(text: &str) -> bool {
    let Some(cast) = text.strip_prefix("::") else { return false };
    let (name, modifier) = cast.split_once('(').unwrap_or((cast, ")"));
    let Some((digits, tail)) = modifier.split_once(')') else { return false };
    name.chars().all(|c| c.is_alphanumeric() || " _.,\"[]".contains(c))
        && digits.chars().all(|c| c.is_ascii_digit() || c == ',')
        && tail.chars().all(|c| c.is_alphanumeric() || " []".contains(c))
}

/// A default as JSON, as Connect's JSON converter would write the value.
pub fn json(value: &Value, expression: &str, required: bool) -> Option<String> {
    let text = match default_text(expression) {
        Some(text) => text,
        None if required && !is_null(expression) => computed(value)?.to_owned(),
        None => return None,
    };
    let mut rows = RowBuf::new();
    let root = rows.begin(1);
    value.write(&mut rows, root, 0, text.as_bytes()).ok()?;
    let root = row::Row::new(rows.as_bytes())?;
    let json = match value.schema.kind {
        Kind::Boolean => json!(root.bool(0)),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => json!(root.i64(0)),
        Kind::Float32 => json!(root.f64(0) as f32),
        Kind::Float64 => json!(root.f64(0)),
        Kind::Text => json!(root.text(0)),
        Kind::Bytes => Json::String(data_encoding::BASE64.encode(root.get_bytes(0))),
        // A variable scale's, a list's: not offered.
        _ => return None,
    };
    Some(json.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_read() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(default_text("42"), some("42"));
        assert_eq!(default_text("'-1'::integer"), some("-1"));
        assert_eq!(default_text("(-1)"), some("-1"));
        assert_eq!(default_text("'it''s'::text"), some("it's"));
        assert_eq!(default_text("'abc'::character varying(10)"), some("abc"));
        assert_eq!(default_text("'1.50'::numeric(5,2)"), some("1.50"));
        assert_eq!(default_text("'ok'::public.mood"), some("ok"));
        assert_eq!(default_text("true"), some("t"));
        assert_eq!(default_text("3.5"), some("3.5"));
    }

    #[test]
    fn what_is_computed_has_no_constant() {
        for e in [
            "nextval('s'::regclass)",
            "now()",
            "CURRENT_TIMESTAMP",
            "NULL::text",
            "(1 + 2)",
            "'a'::text || 'b'::text",
            "gen_random_uuid()",
        ] {
            assert_eq!(default_text(e), None, "{e}");
        }
    }
}
