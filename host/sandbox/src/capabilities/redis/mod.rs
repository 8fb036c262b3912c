//! `redis`: commands in pipelines to the server that a binding names. Sockets, TLS, passwords and time-outs are here; it speaks
//! the protocol itself, so that a reply is bounded before it takes any memory.

use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::component::Resource;

use crate::bindings::redis::{Host, HostConnection, Reply};
use crate::bindings::types::{Error, ErrorKind};
use crate::state::State;
use crate::wit::error;

mod failure;
mod resp;
mod session;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use resp::Room;
use session::Session;
use target::Target;

/// The most of one call.
const COMMANDS_MAX: usize = 10_000;
const COMMAND_BYTES_MAX: usize = 16 << 20;
const REPLIES_MAX: usize = 1_000_000;
const REPLY_BYTES_MAX: u64 = 64 << 20;

/// A connection of an instance; opened twice, a binding has the same.
pub struct Connection(Arc<Mutex<Session>>);
/// An instance's connections, by binding.
pub(crate) type Sessions = std::collections::HashMap<String, Arc<Mutex<Session>>>;

/// Commands that change the connection, so that the next answers would be another's or none.
const REFUSED: [&str; 14] = [
    "AUTH",
    "HELLO",
    "SELECT",
    "QUIT",
    "RESET",
    "MONITOR",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "PSYNC",
];

/// Commands that change nothing, for a dry run.
const READING: [&str; 49] = [
    "BITCOUNT",
    "BITPOS",
    "DBSIZE",
    "ECHO",
    "EXISTS",
    "EXPIRETIME",
    "GEODIST",
    "GEOPOS",
    "GEOSEARCH",
    "GET",
    "GETBIT",
    "GETRANGE",
    "HEXISTS",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HSCAN",
    "HSTRLEN",
    "HVALS",
    "KEYS",
    "LINDEX",
    "LLEN",
    "LRANGE",
    "MGET",
    "PING",
    "PTTL",
    "SCAN",
    "SCARD",
    "SDIFF",
    "SINTER",
    "SISMEMBER",
    "SMEMBERS",
    "SMISMEMBER",
    "SRANDMEMBER",
    "SSCAN",
    "STRLEN",
    "SUNION",
    "TIME",
    "TTL",
    "TYPE",
    "XLEN",
    "XRANGE",
    "ZCARD",
    "ZCOUNT",
    "ZRANGE",
    "ZRANK",
    "ZSCORE",
];

fn wrong(what: String) -> Error {
    error::new(ErrorKind::Fatal, "redis.invalid-command", format!("cannot send the commands: {what}"))
}

/// The commands as they are sent.
fn encoded(commands: &[Vec<Vec<u8>>], dry_run: bool) -> Result<Vec<u8>, Error> {
    if commands.len() > COMMANDS_MAX {
        return Err(failure::large(format!("there are {} commands at once: send at most {COMMANDS_MAX}", commands.len())));
    }
    let bytes: usize = commands.iter().flatten().map(Vec::len).sum();
    if bytes > COMMAND_BYTES_MAX {
        return Err(failure::large(format!("the commands have {bytes} bytes together: send at most {COMMAND_BYTES_MAX}")));
    }
    let mut out = Vec::with_capacity(bytes + bytes / 2);
    for (i, command) in commands.iter().enumerate() {
        let Some(name) = command.first().filter(|n| !n.is_empty()) else {
            return Err(wrong(format!("number {i} has no name")));
        };
        let is = |word: &str, name: &[u8]| word.as_bytes().eq_ignore_ascii_case(name);
        let shown = || String::from_utf8_lossy(&name[..name.len().min(40)]).into_owned();
        let client = is("CLIENT", name) && !command.get(1).is_some_and(|sub| is("ID", sub));
        if client || REFUSED.iter().any(|word| is(word, name)) {
            return Err(wrong(format!("number {i} is {:?}, which changes the connection itself; that is the worker's", shown())));
        }
        if dry_run && !READING.iter().any(|word| is(word, name)) {
            return Err(error::dry_run("redis", format_args!("the command {:?}", shown())));
        }
        resp::write(command, &mut out);
    }
    Ok(out)
}

impl Host for State {}

impl HostConnection for State {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let session = match self.redis.get(&name) {
            Some(session) => session.clone(),
            None => match Target::of(&self.owner, &name) {
                Ok(target) => Arc::new(Mutex::new(Session::new(target))),
                Err(error) => return Ok(Err(error)),
            },
        };
        let waits = self.waits.clone();
        if let Err(error) = waits.on(async { session.lock().await.ready().await }).await {
            return Ok(Err(error));
        }
        self.redis.insert(name, session.clone());
        Ok(Ok(self.table.push(Connection(session))?))
    }

    async fn pipeline(
        &mut self,
        connection: Resource<Connection>,
        commands: Vec<Vec<Vec<u8>>>,
    ) -> wasmtime::Result<Result<Vec<Reply>, Error>> {
        let session = self.table.get(&connection)?.0.clone();
        let out = match encoded(&commands, self.owner.services.dry_run) {
            Ok(out) => out,
            Err(error) => return Ok(Err(error)),
        };
        if commands.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let bytes = REPLY_BYTES_MAX.min(self.limits.memory_bytes_max) as usize;
        let room = Room { replies: REPLIES_MAX, bytes };
        let waits = self.waits.clone();
        Ok(waits.on(async { session.lock().await.pipeline(&out, commands.len(), room).await }).await)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
