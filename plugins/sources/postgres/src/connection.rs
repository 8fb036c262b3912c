//! The seam to a server: what the source needs of connections, so that its logic can be run without the host.

use millrace_plugin::Error;
use millrace_plugin::postgres::Rowset;

/// Makes connections.
pub trait Server {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Error>;
    /// A connection in replication mode.
    fn replicate(&mut self) -> Result<Box<dyn Wal>, Error>;
}

/// A session for statements.
pub trait Connection {
    /// Simple protocol, one or more statements; the rows of the last that has any.
    fn query(&mut self, sql: &str) -> Result<Rowset, Error>;
    /// `COPY ... TO STDOUT`; nothing else until it is read to its end or dropped.
    fn copy_out(&mut self, sql: &str) -> Result<Box<dyn CopyRows>, Error>;
}

/// A running COPY.
pub trait CopyRows {
    /// Some rows, packed as [`millrace_plugin::postgres::messages`] reads them. None: the end.
    fn next(&mut self, max_bytes: u32) -> Result<Option<Vec<u8>>, Error>;
}

/// A session in replication mode.
pub trait Wal {
    /// A replication command, or a statement.
    fn query(&mut self, command: &str) -> Result<Rowset, Error>;
    /// `START_REPLICATION ...`: from here on only `next` and `ack`.
    fn start(&mut self, command: &str) -> Result<(), Error>;
    /// What has come, packed; empty when nothing did in time.
    fn next(&mut self, max_bytes: u32, wait_ms: u32) -> Result<Vec<u8>, Error>;
    /// All up to here is durable: the server may forget it.
    fn ack(&mut self, lsn: u64) -> Result<(), Error>;
}
