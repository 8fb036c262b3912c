//! Which schemas, tables, columns and messages are captured: Debezium's lists of regular expressions, each to match a whole
//! name, upper and lower case alike.

use regex_lite::{Regex, RegexBuilder};

/// Schemas of the server's own, never captured.
fn is_system(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema") || schema.starts_with("pg_toast") || schema.starts_with("pg_temp_")
}

/// A list of regular expressions.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Regex>);

impl Patterns {
    /// Reads a list separated by commas; `\,` is a comma within an expression. The error names the expression.
    pub fn parse(list: &str) -> Result<Self, String> {
        split(list).iter().map(|p| pattern(p)).collect::<Result<_, _>>().map(Patterns)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|p| p.is_match(name))
    }
}

/// One expression that is to match a whole name.
pub fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .case_insensitive(true)
        .build()
        .map_err(|e| format!("\"{text}\" is not a regular expression: {e}"))
}

/// The entries of a list, without the space around them.
pub fn split(list: &str) -> Vec<String> {
    let (mut entries, mut entry, mut chars) = (Vec::new(), String::new(), list.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => entry.extend(chars.next()),
            ',' => entries.push(std::mem::take(&mut entry)),
            c => entry.push(c),
        }
    }
    entries.push(entry);
    entries.into_iter().map(|e| e.trim().to_owned()).filter(|e| !e.is_empty()).collect()
}

/// A list that names what is in, or what is out.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub include: Patterns,
    pub exclude: Patterns,
}

impl Choice {
    fn has(&self, name: &str) -> bool {
        (self.include.is_empty() || self.include.matches(name)) && !self.exclude.matches(name)
    }
}

/// All lists of a connector.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub schemas: Choice,
    pub tables: Choice,
    pub columns: Choice,
    /// Prefixes of `pg_logical_emit_message`.
    pub messages: Choice,
}

impl Filter {
    pub fn table(&self, schema: &str, table: &str) -> bool {
        !is_system(schema) && self.schemas.has(schema) && self.tables.has(&format!("{schema}.{table}"))
    }
    pub fn column(&self, schema: &str, table: &str, column: &str) -> bool {
        (self.columns.include.is_empty() && self.columns.exclude.is_empty())
            || self.columns.has(&format!("{schema}.{table}.{column}"))
    }
    pub fn message(&self, prefix: &str) -> bool {
        self.messages.has(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_that_are_not_escaped() {
        assert_eq!(split("a, b\\,c ,,d"), ["a", "b,c", "d"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn a_pattern_matches_a_whole_name_in_any_case() {
        let filter = Filter {
            tables: Choice { include: Patterns::parse(r"public\.order.*,inventory.Customers").unwrap(), ..Choice::default() },
            columns: Choice { exclude: Patterns::parse(r".*\.secret").unwrap(), ..Choice::default() },
            ..Filter::default()
        };
        assert!(filter.table("public", "orders") && filter.table("Inventory", "customers"));
        assert!(!filter.table("public", "my_orders") && !filter.table("x_public", "orders"));
        assert!(filter.column("public", "orders", "id") && !filter.column("public", "orders", "Secret"));
    }

    #[test]
    fn the_server_s_own_schemas_are_left_out() {
        let all = Filter::default();
        assert!(all.table("public", "t") && all.message("p"));
        for schema in ["pg_catalog", "information_schema", "pg_toast", "pg_temp_3"] {
            assert!(!all.table(schema, "t"), "{schema}");
        }
    }

    #[test]
    fn a_wrong_expression_is_named() {
        assert!(Patterns::parse("a,(b").unwrap_err().contains("\"(b\""));
    }
}
