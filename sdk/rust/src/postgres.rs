//! The capability `postgres`: connections by the name of a binding. Sockets, TLS, passwords and time-outs are the
//! host's; SQL is yours. These calls exist only inside the host: keep logic apart from them to test it natively.

use crate::Error;
pub use crate::bindings::host::millrace::plugin::postgres::{
    Binary, ColumnName, Connection, CopyReader, Param, Replication, Rowset, Statement,
};

impl Rowset {
    /// The position of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
    /// The first row's value in a column.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.rows.first()?.get(self.column(name)?)?.as_deref()
    }
}

impl Error {
    /// The SQLSTATE, when the error is one of a PostgreSQL server.
    pub fn sqlstate(&self) -> Option<&str> {
        self.code
            .strip_prefix("postgres.")
            .filter(|s| s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()))
    }
}

/// An identifier as SQL text: `"we""ird"`.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."table"`, or the table alone.
pub fn quote_qualified(schema: Option<&str>, table: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(table)),
        None => quote_ident(table),
    }
}

/// A string constant as SQL text, whatever `standard_conforming_strings` says.
pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The messages of a buffer that `Replication::next` or `CopyReader::next` gave. What is cut short is left out.
pub fn messages(buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let message = tail.get(..u32::from_le_bytes(*len) as usize)?;
        rest = &tail[message.len()..];
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(quote_ident("we\"ird"), "\"we\"\"ird\"");
        assert_eq!(quote_qualified(Some("public"), "a.b"), "\"public\".\"a.b\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'b"), " E'a\\\\''b'");
    }

    #[test]
    fn messages_are_split() {
        let buffer = [3, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 1, 0, 0, 0, b'd', 9, 0, 0, 0, b'x'];
        assert_eq!(messages(&buffer).collect::<Vec<_>>(), [&b"abc"[..], b"", b"d"]);
    }

    #[test]
    fn sqlstate_is_part_of_the_code() {
        assert_eq!(Error::fatal("postgres.42P01", "").sqlstate(), Some("42P01"));
        assert_eq!(Error::retriable("postgres.connection", "").sqlstate(), None);
    }
}
