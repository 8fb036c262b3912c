//! Columns as wide as what is in them; numbers stand at the right, the last column is not filled up.

use std::fmt;

use millrace_worker::dlq::time::iso;
use serde_json::Value;

/// The widest column but the last.
const WIDTH_MAX: usize = 60;

pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(head: &[&str; N]) -> Self {
        Table { rows: vec![head.map(str::to_owned)] }
    }

    pub fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |i: usize| self.rows.iter().map(|r| r[i].chars().count().min(WIDTH_MAX)).max().unwrap_or(0);
        let number = |i: usize| self.rows.iter().skip(1).all(|r| r[i].bytes().all(|b| b.is_ascii_digit() || b == b','));
        let columns: Vec<(usize, bool)> = (0..N).map(|i| (width(i), number(i))).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, (width, number))) in row.iter().zip(&columns).enumerate() {
                if i > 0 {
                    line.push_str("  ");
                }
                match (i + 1 == N, *number) {
                    (_, true) => line.push_str(&format!("{cell:>width$}")),
                    (true, false) => line.push_str(cell),
                    (false, false) => {
                        let cell: String = cell.chars().take(WIDTH_MAX).collect();
                        line.push_str(&format!("{cell:<width$}"));
                    }
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What is in a field; `-`: nothing.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // A terminal is not to obey what a record says.
        Value::String(text) => text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}

/// A number with its thousands apart.
pub fn count(value: &Value) -> String {
    let digits = value.as_u64().unwrap_or_default().to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or_default()).collect();
    groups.join(",")
}

/// Milliseconds since the epoch as a time to the second.
pub fn time(value: &Value) -> String {
    match value.as_i64() {
        Some(ms) => format!("{}Z", iso(ms).split('.').next().unwrap_or_default()),
        None => "-".to_owned(),
    }
}
