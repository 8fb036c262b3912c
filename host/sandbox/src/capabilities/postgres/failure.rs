//! Errors of servers and sockets, as the contract states them.

use std::io;

use super::target::Target;
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// The connection was lost.
pub(super) fn lost(target: &Target, cause: &io::Error) -> Error {
    error::new(ErrorKind::Retriable, "postgres.connection", format!("lost the connection to {target}: {cause}"))
}

/// The connection cannot be made.
pub(super) fn unreachable(target: &Target, cause: &io::Error) -> Error {
    error::new(
        ErrorKind::Retriable,
        "postgres.connection",
        format!(
            "cannot connect to {target}: {cause}; check that the server runs, and {} and {}",
            target.quoted("host"),
            target.quoted("port")
        ),
    )
}

/// The server does not speak as it should.
pub(super) fn protocol(target: &Target, what: impl std::fmt::Display) -> Error {
    error::new(ErrorKind::Retriable, "postgres.connection", format!("{target} answered with {what}"))
}

/// An `ErrorResponse`.
pub(super) fn server(target: &Target, body: &[u8]) -> Error {
    let fields = Fields::parse(body);
    let state = fields.get(b'C').unwrap_or("XX000").to_owned();
    let message = fields.get(b'M').unwrap_or("an error without a message");
    let hint = fields.get(b'H').map(|h| format!("; {}", h.trim_end_matches('.'))).unwrap_or_default();
    let mut failed =
        error::new(kind(&state), format!("postgres.{state}"), format!("{target}: {message} (SQLSTATE {state}){hint}"));
    let named = [
        ("severity", b'V'),
        ("detail", b'D'),
        ("hint", b'H'),
        ("where", b'W'),
        ("schema", b's'),
        ("table", b't'),
        ("column", b'c'),
        ("constraint", b'n'),
    ];
    for (name, tag) in named {
        if let Some(value) = fields.get(tag) {
            failed.attributes.push((name.to_owned(), value.to_owned()));
        }
    }
    failed
}

/// An `ErrorResponse` to the attempt to connect: what is at fault is a setting, where the server says so.
pub(super) fn refused(target: &Target, body: &[u8]) -> Error {
    let mut failed = server(target, body);
    let part = match failed.code.as_str() {
        "postgres.28P01" => Some(("password", "check the user and its password")),
        "postgres.28000" => Some(("user", "check the user, and the server's pg_hba.conf for this host, database and use of TLS")),
        "postgres.3D000" => Some(("database", "check the database's name")),
        "postgres.42501" => Some(("user", "the user lacks the right; for replication give it REPLICATION")),
        _ => None,
    };
    if let Some((part, remedy)) = part {
        failed.kind = ErrorKind::Config;
        failed.field = target.key(part).map(str::to_owned);
        failed.message = format!(
            "{}; {remedy}: {} and {}",
            failed.message,
            target.quoted("user"),
            target.quoted(if part == "user" { "password" } else { part })
        );
    }
    failed
}

/// What a SQLSTATE means for the task. What another try may pass is retriable; what the statement or its data are at fault
/// for is the guest's to judge, by the code.
fn kind(state: &str) -> ErrorKind {
    let retriable = match state {
        // Another holds the object: a slot whose last reader the server has not given up yet.
        "55006" | "55P03" => true,
        // Shut down, crashed, still starting; serialization failures and deadlocks.
        "57P01" | "57P02" | "57P03" | "40001" | "40P01" => true,
        // Connection exceptions, insufficient resources, system errors.
        _ => ["08", "53", "58"].iter().any(|class| state.starts_with(class)),
    };
    if retriable { ErrorKind::Retriable } else { ErrorKind::Fatal }
}

struct Fields<'a>(Vec<(u8, &'a str)>);

impl<'a> Fields<'a> {
    fn parse(mut body: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while let Some((tag, rest)) = body.split_first().filter(|(tag, _)| **tag != 0) {
            let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
            fields.push((*tag, std::str::from_utf8(&rest[..end]).unwrap_or("(not UTF-8)")));
            body = rest.get(end + 1..).unwrap_or_default();
        }
        Fields(fields)
    }
    fn get(&self, tag: u8) -> Option<&'a str> {
        self.0.iter().find(|(t, _)| *t == tag).map(|(_, v)| *v)
    }
}
