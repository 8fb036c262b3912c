//! WASI 0.2, for languages whose runtime asks for it whatever the plugin does (Go, Python, JavaScript): a world with clocks
//! and random numbers, and nothing else in it. There is no file, no directory, no environment, no argument and no socket, and
//! no name is looked up; what is printed goes to the log, line by line.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capabilities::logging::Lines as Flood;
use crate::state::{Owner, State};

/// What a component may import of it; `wasi:http` is not among them: the capability `http` is.
const PACKAGES: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
/// The most random bytes of one request.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// The longest line; the rest is cut off.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Whether an import is of WASI, in a version that this host has.
pub(crate) fn offers(import: &str) -> bool {
    let version = import.rsplit_once('@').map_or("", |(_, version)| version);
    version.starts_with("0.2.") && PACKAGES.iter().any(|p| import.starts_with(p))
}

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

pub(crate) fn context(owner: &Arc<Owner>) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    let printed = Printed { owner: owner.clone(), flood: Arc::default() };
    builder.stdout(printed.clone()).stderr(printed);
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    builder.max_random_size(RANDOM_BYTES_MAX);
    builder.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let owner = &self.owner;
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| context(owner)), table: &mut self.table }
    }
}

/// Where a guest prints to.
#[derive(Clone)]
struct Printed {
    owner: Arc<Owner>,
    /// One for both streams, however often they are opened.
    flood: Arc<Mutex<Flood>>,
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { printed: self.clone(), line: Vec::new() })
    }
}

struct Lines {
    printed: Printed,
    /// Without its end.
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.log();
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
    }

    fn log(&mut self) {
        let (owner, text) = (&self.printed.owner, String::from_utf8_lossy(&self.line));
        if !text.trim().is_empty() && self.printed.flood.lock().takes(owner) {
            tracing::info!(target: "plugin", plugin = %owner.plugin, connector = %owner.connector, task = owner.task, "{text}");
        }
        self.line.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.log();
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.log();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_other_lines_are_not_offered() {
        for (import, offered) in [
            ("wasi:cli/environment@0.2.0", true),
            ("wasi:io/poll@0.2.9", true),
            ("wasi:http/outgoing-handler@0.2.0", false),
            ("wasi:clocks/wall-clock@0.3.0", false),
            ("wasi:clocks/wall-clock", false),
        ] {
            assert_eq!(offers(import), offered, "{import}");
        }
    }
}
