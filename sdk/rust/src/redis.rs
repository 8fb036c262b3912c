//! The capability `redis`: commands, in pipelines, to the server that a binding names. Sockets, TLS and passwords are the
//! host's. These calls exist only inside the host: keep logic apart from them to test it natively.
//!
//! ```no_run
//! # use millrace_plugin::{Error, redis::{Connection, Reply, command}};
//! # fn f() -> Result<(), Error> {
//! let redis = Connection::open("store")?;
//! let replies = redis.pipeline(&[command(["INCR", "seen"]), command(["GET", "name"])])?;
//! if let [Reply::Integer(seen), Reply::Bytes(name)] = &replies[..] {
//!     // ...
//! #   let _ = (seen, name);
//! }
//! # Ok(()) }
//! ```

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::redis as host;
pub use crate::bindings::host::millrace::plugin::redis::Reply;

/// A command of its name and arguments.
pub fn command<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<Vec<u8>> {
    parts.into_iter().map(|part| part.as_ref().to_vec()).collect()
}

/// A connection, which is made again after it was lost.
#[derive(Debug)]
pub struct Connection {
    #[cfg(target_arch = "wasm32")]
    inner: host::Connection,
}

#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
impl Connection {
    /// Opens a binding of the capability `redis`.
    pub fn open(binding: &str) -> Result<Self, Error> {
        #[cfg(target_arch = "wasm32")]
        return host::Connection::open(binding).map(|inner| Connection { inner });
        #[cfg(not(target_arch = "wasm32"))]
        Err(outside())
    }

    /// Sends commands in one go; their replies in order, the elements of an array behind it.
    pub fn pipeline(&self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Reply>, Error> {
        #[cfg(target_arch = "wasm32")]
        return self.inner.pipeline(commands);
        #[cfg(not(target_arch = "wasm32"))]
        Err(outside())
    }

    /// One command. What the server refuses is an error here; an array is answered with its elements behind it.
    pub fn run<P: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = P>) -> Result<Vec<Reply>, Error> {
        let mut replies = self.pipeline(&[command(parts)])?;
        match replies.first_mut() {
            Some(Reply::Failed(_)) => match replies.swap_remove(0) {
                Reply::Failed(error) => Err(error),
                other => Ok(vec![other]),
            },
            _ => Ok(replies),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn outside() -> Error {
    Error::fatal("redis.unavailable", "there is no host to connect: redis works inside the host only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_bytes() {
        assert_eq!(command(["SET", "k"]), [b"SET".to_vec(), b"k".to_vec()]);
        assert_eq!(Connection::open("store").unwrap_err().code, "redis.unavailable");
    }
}
