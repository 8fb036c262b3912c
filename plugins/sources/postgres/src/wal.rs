//! What a replication stream carries: its messages, and pgoutput's inside them, read in place. Formats: PostgreSQL's
//! manual, "Streaming Replication Protocol" and "Logical Replication Message Formats" (protocol version 1).

use std::fmt;

/// A position in the write-ahead log, printed as PostgreSQL prints it: `16/B374D848`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

impl std::str::FromStr for Lsn {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        let (high, low) = s.split_once('/').ok_or(())?;
        let part = |p| u32::from_str_radix(p, 16).map_err(|_| ());
        Ok(Lsn(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;

/// A message of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message of the plugin, and where in the log it comes from.
    Data { at: Lsn, message: &'a [u8] },
    /// The server has sent all up to here.
    Keepalive { end: Lsn },
}

/// A message of pgoutput. Times are microseconds since the Unix epoch.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Begin {
        /// Where the transaction's commit record starts.
        commit: Lsn,
        time_us: i64,
        xid: u32,
    },
    Commit {
        /// Where the log goes on after the commit record: the place to resume from.
        end: Lsn,
    },
    Relation(Relation<'a>),
    /// A type that the columns of the relation after it have: of a domain, the name of the type below it.
    Type {
        oid: u32,
        schema: &'a str,
        name: &'a str,
    },
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<Old<'a>>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        old: Old<'a>,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// `pg_logical_emit_message`.
    Emitted {
        transactional: bool,
        prefix: &'a str,
        content: &'a [u8],
    },
    /// Origins, which nothing here needs.
    Other,
}

impl Message<'_> {
    /// The table whose row changed.
    #[inline]
    pub fn relation(&self) -> Option<u32> {
        match self {
            Message::Insert { relation, .. } | Message::Update { relation, .. } | Message::Delete { relation, .. } => {
                Some(*relation)
            }
            _ => None,
        }
    }
}

impl Message<'_> {
    /// How many columns a change of a row has.
    #[inline]
    pub fn width(&self) -> Option<usize> {
        match self {
            Message::Insert { new, .. } | Message::Update { new, .. } => Some(new.len.into()),
            Message::Delete { old, .. } => Some(old.tuple.len.into()),
            _ => None,
        }
    }
}

/// A row as it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Old<'a> {
    /// All columns are there (`REPLICA IDENTITY FULL`), not those of the identity alone.
    pub full: bool,
    pub tuple: Tuple<'a>,
}

/// A table as the messages that follow see it.
#[derive(Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    pub oid: u32,
    pub schema: &'a str,
    pub name: &'a str,
    /// The replica identity: `d` the primary key, `f` all columns, `i` an index, `n` nothing.
    pub identity: u8,
    pub columns: Vec<RelationColumn<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    pub name: &'a str,
    pub type_oid: u32,
    pub modifier: i32,
    /// It is part of the replica identity.
    pub identity: bool,
}

/// The values of a row, still as they came: read with [`Tuple::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    pub len: u16,
    bytes: &'a [u8],
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datum<'a> {
    Null,
    /// Stored out of line and not changed: the log does not have it.
    Unchanged,
    Text(&'a [u8]),
}

/// A message that is not as the protocol has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replication stream has a message that is cut short or unknown: {}", self.0)
    }
}

type Read<T> = Result<T, Malformed>;

/// Takes values off the front of a message.
struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Malformed(self.what))?;
        self.rest = rest;
        Ok(head)
    }
    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed(self.what))?;
        self.rest = rest;
        Ok(*head)
    }
    fn u8(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }
    fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    fn lsn(&mut self) -> Read<Lsn> {
        Ok(Lsn(u64::from_be_bytes(self.array()?)))
    }
    fn time_us(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.array()?).saturating_add(EPOCH_US))
    }
    /// Up to a zero byte.
    fn text(&mut self) -> Read<&'a str> {
        let end = self.rest.iter().position(|b| *b == 0).ok_or(Malformed(self.what))?;
        let text = std::str::from_utf8(&self.rest[..end]).map_err(|_| Malformed(self.what))?;
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }
    fn tuple(&mut self) -> Read<Tuple<'a>> {
        let len = self.u16()?;
        let bytes = self.rest;
        let mut values = Tuple { len, bytes }.values();
        for _ in 0..len {
            values.next().ok_or(Malformed(self.what))?;
        }
        self.rest = values.rest;
        Ok(Tuple { len, bytes: &bytes[..bytes.len() - self.rest.len()] })
    }
    fn old(&mut self, tag: u8) -> Read<Old<'a>> {
        Ok(Old { full: tag == b'O', tuple: self.tuple()? })
    }
}

/// A message of the stream as [`millrace_plugin::postgres::messages`] gives it.
pub fn frame(message: &[u8]) -> Read<Frame<'_>> {
    let mut c = Cursor { rest: message, what: "frame" };
    match c.u8()? {
        b'w' => {
            let at = c.lsn()?;
            c.take(16)?;
            Ok(Frame::Data { at, message: c.rest })
        }
        b'k' => Ok(Frame::Keepalive { end: c.lsn()? }),
        _ => Err(Malformed("frame")),
    }
}

/// How many records may come of a frame, without reading it as a whole: a change of the key is three, a truncation one a
/// table.
#[inline]
pub fn records_max(frame: &[u8]) -> usize {
    match frame.get(25..30) {
        Some([b'T', n @ ..]) => u32::from_be_bytes([n[0], n[1], n[2], n[3]]) as usize,
        _ => 3,
    }
}

/// A message of pgoutput.
#[inline]
pub fn message(bytes: &[u8]) -> Read<Message<'_>> {
    let mut c = Cursor { rest: bytes, what: "pgoutput" };
    Ok(match c.u8()? {
        b'I' => {
            c.what = "insert";
            let relation = c.u32()?;
            match c.u8()? {
                b'N' => Message::Insert { relation, new: c.tuple()? },
                _ => return Err(Malformed("insert")),
            }
        }
        b'U' => {
            c.what = "update";
            let relation = c.u32()?;
            let (old, tag) = match c.u8()? {
                tag @ (b'K' | b'O') => (Some(c.old(tag)?), c.u8()?),
                tag => (None, tag),
            };
            match tag {
                b'N' => Message::Update { relation, old, new: c.tuple()? },
                _ => return Err(Malformed("update")),
            }
        }
        b'D' => {
            c.what = "delete";
            let relation = c.u32()?;
            match c.u8()? {
                tag @ (b'K' | b'O') => Message::Delete { relation, old: c.old(tag)? },
                _ => return Err(Malformed("delete")),
            }
        }
        b'B' => {
            c.what = "begin";
            Message::Begin { commit: c.lsn()?, time_us: c.time_us()?, xid: c.u32()? }
        }
        b'C' => {
            c.what = "commit";
            c.take(1 + 8)?;
            Message::Commit { end: c.lsn()? }
        }
        b'R' => {
            c.what = "relation";
            Message::Relation(relation(&mut c)?)
        }
        b'T' => {
            c.what = "truncate";
            let n = c.u32()?;
            c.take(1)?;
            // Four bytes each: a count that the message cannot hold never reaches an allocation.
            let relations = c.take((n as usize).saturating_mul(4))?;
            Message::Truncate {
                relations: relations.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect(),
            }
        }
        b'M' => {
            c.what = "message";
            let transactional = c.u8()? & 1 == 1;
            c.take(8)?;
            let prefix = c.text()?;
            let len = c.u32()? as usize;
            Message::Emitted { transactional, prefix, content: c.take(len)? }
        }
        b'Y' => {
            c.what = "type";
            Message::Type { oid: c.u32()?, schema: catalog_or(c.text()?), name: c.text()? }
        }
        b'O' => Message::Other,
        _ => return Err(Malformed("pgoutput")),
    })
}

fn relation<'a>(c: &mut Cursor<'a>) -> Read<Relation<'a>> {
    let (oid, schema, name) = (c.u32()?, c.text()?, c.text()?);
    let identity = c.u8()?;
    let n = c.u16()? as usize;
    let mut columns = Vec::with_capacity(n);
    for _ in 0..n {
        let identity = c.u8()? & 1 == 1;
        columns.push(RelationColumn { name: c.text()?, type_oid: c.u32()?, modifier: c.u32()? as i32, identity });
    }
    Ok(Relation { oid, schema: catalog_or(schema), name, identity, columns })
}

/// The system catalog's own schema is sent as nothing.
fn catalog_or(schema: &str) -> &str {
    if schema.is_empty() { "pg_catalog" } else { schema }
}

impl<'a> Tuple<'a> {
    #[inline]
    pub fn values(self) -> Values<'a> {
        Values { rest: self.bytes }
    }
}

/// The values of a row, one after the other.
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = Datum<'a>;
    #[inline]
    fn next(&mut self) -> Option<Datum<'a>> {
        let (tag, rest) = self.rest.split_first()?;
        match tag {
            b't' => {
                let (len, rest) = rest.split_first_chunk::<4>()?;
                let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
                self.rest = rest;
                Some(Datum::Text(text))
            }
            b'n' => {
                self.rest = rest;
                Some(Datum::Null)
            }
            b'u' => {
                self.rest = rest;
                Some(Datum::Unchanged)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "wal_tests.rs"]
mod tests;
