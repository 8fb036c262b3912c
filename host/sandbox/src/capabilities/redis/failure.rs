//! Errors of servers and sockets, as the contract states them.

use std::io;
use std::time::Duration;

use super::target::Target;
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

pub(super) fn lost(target: &Target, cause: &io::Error) -> Error {
    error::new(ErrorKind::Retriable, "redis.connection", format!("lost the connection to {target}: {cause}"))
}

pub(super) fn unreachable(target: &Target, cause: &io::Error) -> Error {
    let message = format!(
        "cannot connect to {target}: {cause}; check that the server runs, and \"{}\" and \"{}\"",
        target.key("host"),
        target.key("port")
    );
    error::new(ErrorKind::Retriable, "redis.connection", message)
}

pub(super) fn late(target: &Target, what: &str, within: Duration) -> Error {
    let message = format!("{target} has not {what} within {} s", within.as_secs());
    error::new(ErrorKind::Retriable, "redis.timeout", message)
}

/// What answers does not speak as it should.
pub(super) fn protocol(target: &Target, what: &str) -> Error {
    error::new(ErrorKind::Retriable, "redis.connection", format!("{target} answered with {what}: is it a Redis?"))
}

pub(super) fn large(what: String) -> Error {
    error::new(ErrorKind::Fatal, "redis.too-large", what)
}

/// What the server says of a command: its first word is a code.
pub(super) fn server(target: &Target, said: &str) -> Error {
    let code = said.split(' ').next().unwrap_or_default();
    let kind = match code {
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "NOREPLICAS" | "OOM" | "READONLY" | "MISCONF" => {
            ErrorKind::Retriable
        }
        "NOAUTH" | "NOPERM" | "WRONGPASS" => ErrorKind::Config,
        _ => ErrorKind::Fatal,
    };
    let known = !code.is_empty() && code.len() <= 32 && code.bytes().all(|b| b.is_ascii_uppercase());
    let code = if known { format!("redis.{}", code.to_ascii_lowercase()) } else { "redis.err".into() };
    error::new(kind, code, format!("{target}: {said}"))
}

/// The server let nobody in, or not to this database.
pub(super) fn refused(target: &Target, said: Error) -> Error {
    if said.kind == ErrorKind::Retriable {
        return said;
    }
    let message = format!(
        "{}; check \"{}\", \"{}\" and \"{}\"",
        said.message,
        target.key("user"),
        target.key("password"),
        target.key("database")
    );
    error::config("redis.refused", Some(target.key("password")), message)
}

pub(super) fn tls(target: &Target, part: &str, what: impl std::fmt::Display) -> Error {
    let key = target.key(part);
    error::config("redis.tls", Some(key), format!("cannot agree on TLS with {target}: {what}; check \"{key}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_has_a_class() {
        let target = Target::for_tests("localhost", 1);
        let check = |said: &str, kind, code: &str| {
            let error = server(&target, said);
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{said}");
        };
        check("WRONGTYPE Operation against a key", ErrorKind::Fatal, "redis.wrongtype");
        check("ERR unknown command", ErrorKind::Fatal, "redis.err");
        check("LOADING Redis is loading", ErrorKind::Retriable, "redis.loading");
        check("OOM command not allowed", ErrorKind::Retriable, "redis.oom");
        check("NOPERM no", ErrorKind::Config, "redis.noperm");
        check("weird", ErrorKind::Fatal, "redis.err");
        check("", ErrorKind::Fatal, "redis.err");
    }
}
