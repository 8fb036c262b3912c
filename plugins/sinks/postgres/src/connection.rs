//! The seam to a server: what the sink needs of a connection, so that the same logic runs in the host and in native tests.

use millrace_plugin::Error;
use millrace_plugin::postgres::{Param, Statement};

/// Rows in text form.
pub type Rows = Vec<Vec<Option<String>>>;

/// One session.
pub trait Connection {
    /// Simple protocol, one or more statements; the rows of the last that has any.
    fn query(&mut self, sql: &str) -> Result<Rows, Error>;
    /// One statement with parameters; how many rows it touched.
    fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, Error>;
    /// Statements as one transaction, or inside the open one, without waiting for the server.
    fn submit(&mut self, statements: Vec<Statement>) -> Result<(), Error>;
    /// Waits for what was submitted: how many rows each statement touched, or why none has had an effect.
    fn outcome(&mut self) -> Result<Vec<u64>, Error>;
}

/// Makes sessions.
pub trait Database {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Error>;
}

/// Whether the server blames the data of a statement: one of its records is poison. Everything else is the fault of the
/// connection, the configuration or the moment.
pub fn is_data_error(error: &Error) -> bool {
    error.sqlstate().is_some_and(|s| matches!(&s[..2], "22" | "23" | "44" | "54") || s == "P0001")
}

/// Whether the server contradicts what the sink remembers of a table: somebody changed it meanwhile.
pub fn is_stale(error: &Error) -> bool {
    // 42P10: the index over the key is gone. 0A000: a cached plan would give another type than before.
    let stale = ["42P01", "42703", "42804", "42846", "42883", "42704", "42P10", "0A000", "26000"];
    error.sqlstate().is_some_and(|s| stale.contains(&s))
}

/// Whether a change of a table failed because another made the same or a like one at the same time.
pub fn is_concurrent(error: &Error) -> bool {
    // Columns, tables and types that exist or are gone by now; XX000, "tuple concurrently updated" in the catalogs; a lock
    // that was not had in time.
    let concurrent = ["42701", "42P07", "42710", "23505", "42P01", "42703", "XX000", "40001", "40P01", "55P03", "57014"];
    error.sqlstate().is_some_and(|s| concurrent.contains(&s))
}
