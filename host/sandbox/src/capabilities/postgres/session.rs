//! Statements on one connection, one at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::connect::connect;
use super::failure;
use super::target::Target;
use super::wire::{Wire, append, message, text};

use tokio::sync::OwnedSemaphorePermit;

use crate::bindings::postgres::{ColumnName, Param, Rowset, Statement};
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// Statements kept prepared on a connection; the oldest goes first.
const STATEMENTS_MAX: usize = 256;
/// The most bytes of a result in text form: those are for catalogs and control.
const ROWSET_BYTES_MAX: usize = 16 << 20;
/// What PostgreSQL takes as parameters of one statement.
const PARAMS_MAX: usize = 65_535;
/// A message of `COPY ... FROM STDIN`.
const COPY_BYTES: usize = 1 << 20;

/// What a prepared statement is known by: its text, and the types of its parameters.
type StatementKey = (String, Vec<u32>);

/// A connection and what is prepared on it.
pub struct Session {
    pub(super) wire: Wire,
    statements: HashMap<StatementKey, String>,
    oldest: VecDeque<StatementKey>,
    prepared: u64,
    /// A `COPY ... TO STDOUT` has the connection.
    pub(super) copying: bool,
    /// Kept for as long as it is open.
    pub(super) open: Option<OwnedSemaphorePermit>,
    /// The connection is lost: how.
    pub(super) lost: Option<Error>,
}

impl Session {
    pub async fn open(target: Arc<Target>, replication: bool) -> Result<Session, Error> {
        Ok(Session {
            wire: connect(target, replication).await?,
            statements: HashMap::new(),
            oldest: VecDeque::new(),
            prepared: 0,
            copying: false,
            open: None,
            lost: None,
        })
    }

    pub async fn close(self) {
        if self.lost.is_none() && !self.copying {
            self.wire.close().await;
        }
    }

    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// Whether the connection can take a statement.
    fn free(&self) -> Result<(), Error> {
        match &self.lost {
            Some(lost) => Err(lost.clone()),
            None if self.copying => {
                Err(error::new(ErrorKind::Fatal, "postgres.busy", "a copy-reader has the connection: drain or drop it first"))
            }
            None => Ok(()),
        }
    }

    /// Notes that the connection is lost, if that is what the error says.
    fn noted<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result
            && (e.code == "postgres.connection"
                || e.attributes.iter().any(|(k, v)| k == "severity" && (v == "FATAL" || v == "PANIC")))
        {
            self.lost = Some(e.clone());
        }
        result
    }

    /// The simple query protocol; the rows of the last statement that has any.
    pub async fn query(&mut self, sql: &str) -> Result<Rowset, Error> {
        self.free()?;
        let mut rowset = Rowset { columns: Vec::new(), rows: Vec::new() };
        let (mut bytes, target) = (0, self.wire.target.clone());
        let answered = async {
            self.wire.send(&message(b'Q', |m| text(m, sql))).await?;
            until_ready(&mut self.wire, false, |tag, body| {
                match tag {
                    b'T' => (rowset.columns, rowset.rows, bytes) = (columns(&target, body)?, Vec::new(), 0),
                    b'D' => {
                        bytes += body.len();
                        if bytes > ROWSET_BYTES_MAX {
                            let message = format!("a result of more than {ROWSET_BYTES_MAX} bytes: read data with `copy-out`");
                            return Err(error::new(ErrorKind::Fatal, "postgres.result-too-large", message));
                        }
                        rowset.rows.push(row(&target, body)?);
                    }
                    _ => {}
                }
                Ok(())
            })
            .await
        };
        let answered = answered.await;
        self.noted(answered)?;
        Ok(rowset)
    }

    /// One statement with parameters, prepared once.
    pub async fn execute(&mut self, sql: String, params: Vec<Param>) -> Result<u64, Error> {
        let counts = self.execute_all(vec![Statement { sql, params }]).await?;
        Ok(counts.into_iter().sum())
    }

    /// Statements in one transaction, each prepared once; how many rows each touched. All go out behind each other with a
    /// single Sync: the server runs what precedes it as one transaction, and skips the rest after an error.
    pub async fn execute_all(&mut self, statements: Vec<Statement>) -> Result<Vec<u64>, Error> {
        self.free()?;
        if let Some(s) = statements.iter().find(|s| s.params.len() > PARAMS_MAX) {
            let message = format!("{} parameters: PostgreSQL takes {PARAMS_MAX}; bind columns as arrays", s.params.len());
            return Err(error::new(ErrorKind::Fatal, "postgres.too-many-parameters", message));
        }
        let mut out = Vec::with_capacity(256 + statements.iter().map(size).sum::<usize>());
        self.make_room(statements.len(), &mut out);
        // Prepared from here on, in the order in which the server answers for them.
        let mut new: Vec<(StatementKey, String)> = Vec::new();
        for Statement { sql, params } in statements {
            let oids = params.iter().map(|p| if let Param::Binary(b) = p { b.oid } else { 0 }).collect();
            let key = (sql, oids);
            let known = self.statements.get(&key).or_else(|| new.iter().find(|(k, _)| *k == key).map(|(_, name)| name));
            let name = match known {
                Some(name) => name.clone(),
                None => {
                    self.prepared += 1;
                    let name = format!("s{}", self.prepared);
                    append(&mut out, b'P', |m| {
                        text(m, &name);
                        text(m, &key.0);
                        m.extend_from_slice(&(key.1.len() as u16).to_be_bytes());
                        key.1.iter().for_each(|oid| m.extend_from_slice(&oid.to_be_bytes()));
                    });
                    new.push((key, name.clone()));
                    name
                }
            };
            append(&mut out, b'B', |m| bind(m, &name, &params));
            append(&mut out, b'E', |m| m.extend_from_slice(&[0; 5]));
        }
        append(&mut out, b'S', |_| {});
        let (mut counts, mut parsed) = (Vec::new(), 0);
        let answered = async {
            self.wire.send(&out).await?;
            until_ready(&mut self.wire, true, |tag, body| {
                match tag {
                    b'1' => parsed += 1,
                    b'C' => counts.push(rows_of(body)),
                    // An empty statement.
                    b'I' => counts.push(0),
                    _ => {}
                }
                Ok(())
            })
            .await
        };
        let answered = answered.await;
        for (key, name) in new.into_iter().take(parsed) {
            self.statements.insert(key.clone(), name);
            self.oldest.push_back(key);
        }
        if let Err(e) = &answered
            && e.code == "postgres.26000"
        {
            // Something discarded what was prepared (DISCARD ALL, a pooler): the next try prepares it again.
            self.statements.clear();
            self.oldest.clear();
        }
        self.noted(answered)?;
        Ok(counts)
    }

    /// Closes the oldest prepared statements, before any is used, until `more` fit.
    fn make_room(&mut self, more: usize, out: &mut Vec<u8>) {
        while self.statements.len() + more > STATEMENTS_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            let Some(name) = self.statements.remove(&oldest) else { continue };
            append(out, b'C', |m| {
                m.push(b'S');
                text(m, &name);
            });
        }
    }

    /// `COPY ... FROM STDIN` with all of `data`.
    pub async fn copy_in(&mut self, sql: &str, data: &[u8]) -> Result<u64, Error> {
        self.free()?;
        let mut count = 0;
        let copied = async {
            self.begin(sql, b'G', "COPY ... FROM STDIN").await?;
            for chunk in data.chunks(COPY_BYTES) {
                self.wire.send_copy_data(chunk).await?;
            }
            self.wire.send(&message(b'c', |_| {})).await?;
            until_ready(&mut self.wire, false, |tag, body| {
                if tag == b'C' {
                    count = rows_of(body);
                }
                Ok(())
            })
            .await
        };
        let copied = copied.await;
        self.noted(copied)?;
        Ok(count)
    }

    /// Starts a `COPY ... TO STDOUT`; a [`super::copy::Copying`] takes its data.
    pub async fn copy_out(&mut self, sql: &str) -> Result<(), Error> {
        self.free()?;
        let begun = self.begin(sql, b'H', "COPY ... TO STDOUT").await;
        self.noted(begun)?;
        self.copying = true;
        Ok(())
    }

    /// Starts a replication stream, which then has the connection to itself.
    pub async fn start_replication(&mut self, command: &str) -> Result<(), Error> {
        self.free()?;
        let begun = self.begin(command, b'W', "START_REPLICATION").await;
        self.noted(begun)
    }

    /// Sends a statement whose answer is to begin with `wanted`.
    async fn begin(&mut self, sql: &str, wanted: u8, what: &str) -> Result<(), Error> {
        self.wire.send(&message(b'Q', |m| text(m, sql))).await?;
        let mut failed = None;
        loop {
            match self.wire.message().await {
                Ok((tag, _)) if tag == wanted && failed.is_none() => return Ok(()),
                Ok((b'E', body)) => failed = Some(failure::server(&self.wire.target, &body)),
                Ok((b'Z', _)) => return Err(failed.unwrap_or_else(|| not_a(what))),
                Ok((tag, _)) => refuse_copy(&mut self.wire, tag, false).await?,
                Err(lost) => return Err(failed.unwrap_or(lost)),
            }
        }
    }
}

fn not_a(what: &str) -> Error {
    error::new(ErrorKind::Fatal, "postgres.wrong-statement", format!("the statement is not a {what}"))
}

/// Reads to the end of an answer. The first error counts, the rest of the answer is read all the same.
async fn until_ready(wire: &mut Wire, extended: bool, mut on: impl FnMut(u8, &Bytes) -> Result<(), Error>) -> Result<(), Error> {
    let mut failed = None;
    loop {
        match wire.message().await {
            Ok((b'Z', _)) => return failed.map_or(Ok(()), Err),
            Ok((b'E', body)) => failed = failed.or_else(|| Some(failure::server(&wire.target, &body))),
            Ok((tag, body)) => {
                refuse_copy(wire, tag, extended).await?;
                if failed.is_none() {
                    failed = on(tag, &body).err();
                }
            }
            Err(lost) => return Err(failed.unwrap_or(lost)),
        }
    }
}

/// A COPY where none was asked for is ended.
async fn refuse_copy(wire: &mut Wire, tag: u8, extended: bool) -> Result<(), Error> {
    match tag {
        b'G' => {
            let mut out = message(b'f', |m| text(m, "COPY FROM STDIN needs `copy-in`"));
            if extended {
                append(&mut out, b'S', |_| {});
            }
            wire.send(&out).await
        }
        b'W' => wire.send(&message(b'c', |_| {})).await,
        _ => Ok(()),
    }
}

/// About what a statement takes in messages.
fn size(statement: &Statement) -> usize {
    let of = |p: &Param| match p {
        Param::Null => 8,
        Param::Text(t) => t.len() + 8,
        Param::Binary(b) => b.data.len() + 8,
    };
    64 + statement.sql.len() + statement.params.iter().map(of).sum::<usize>()
}

fn bind(m: &mut Vec<u8>, statement: &str, params: &[Param]) {
    m.push(0);
    text(m, statement);
    let count = (params.len() as u16).to_be_bytes();
    m.extend_from_slice(&count);
    for p in params {
        m.extend_from_slice(&u16::from(matches!(p, Param::Binary(_))).to_be_bytes());
    }
    m.extend_from_slice(&count);
    for p in params {
        let value = match p {
            Param::Null => {
                m.extend_from_slice(&u32::MAX.to_be_bytes());
                continue;
            }
            Param::Text(t) => t.as_bytes(),
            Param::Binary(b) => &b.data,
        };
        m.extend_from_slice(&(value.len() as u32).to_be_bytes());
        m.extend_from_slice(value);
    }
    m.extend_from_slice(&0u16.to_be_bytes());
}

fn columns(target: &Target, body: &[u8]) -> Result<Vec<ColumnName>, Error> {
    let mut rest = Parts(body);
    let parse = |rest: &mut Parts<'_>| {
        let n = rest.u16()?;
        let column = |rest: &mut Parts<'_>| {
            let name = rest.text()?;
            rest.take(6)?;
            let oid = rest.u32()?;
            rest.take(8)?;
            Some(ColumnName { name, oid })
        };
        (0..n).map(|_| column(rest)).collect::<Option<Vec<_>>>()
    };
    parse(&mut rest).ok_or_else(|| failure::protocol(target, "a row description that is cut short"))
}

fn row(target: &Target, body: &[u8]) -> Result<Vec<Option<String>>, Error> {
    let mut rest = Parts(body);
    let parse = |rest: &mut Parts<'_>| {
        let n = rest.u16()?;
        let value = |rest: &mut Parts<'_>| {
            let len = rest.u32()?;
            if len == u32::MAX {
                return Some(None);
            }
            Some(Some(String::from_utf8_lossy(rest.take(len as usize)?).into_owned()))
        };
        (0..n).map(|_| value(rest)).collect::<Option<Vec<_>>>()
    };
    parse(&mut rest).ok_or_else(|| failure::protocol(target, "a row that is cut short"))
}

/// The number that ends `INSERT 0 5`, `UPDATE 5`, `COPY 5`.
fn rows_of(command: &[u8]) -> u64 {
    let command = command.split(|b| *b == 0).next().unwrap_or_default();
    let last = command.rsplit(|b| *b == b' ').next().unwrap_or_default();
    std::str::from_utf8(last).ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Reads a message's fields; none when it is cut short.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }
    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
    fn text(&mut self) -> Option<String> {
        let text = self.take(self.0.iter().position(|b| *b == 0)?)?;
        self.take(1)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}
