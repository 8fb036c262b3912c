//! A TCP proxy that breaks what goes through it, to the byte: what a network between two processes does at its worst.
//!
//! What it holds back is not lost by itself: once the trouble is over it arrives, also after whoever sent it has died, as
//! bytes that were on their way do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The most that is passed on in one go.
const PIECE: usize = 64 << 10;

/// How much of what a client sends first is kept: a request for TLS may come before its name.
const GREETING: usize = 512;

/// From the client to the server, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    There,
    Back,
}

/// What the proxy does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// All passes.
    None,
    /// A connection is reset once so many further bytes have passed it in one way.
    Cut { way: Way, after: u64 },
    /// Each piece waits.
    Delay(Duration),
    /// Each byte goes alone.
    Drip,
    /// Nothing passes in one way, or in both, and nobody is told.
    Silence(Option<Way>),
    /// Connections are reset, new ones at once.
    Away,
}

/// Its connections end when it is dropped.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// For connections that are made from now on.
    trouble: Mutex<Trouble>,
    open: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    trouble: watch::Sender<Trouble>,
    /// Bytes that the client has sent, and the first of them.
    there: AtomicU64,
    greeting: Mutex<Vec<u8>>,
}

impl Proxy {
    /// Listens on a port of its own and passes on to a port of loopback, which need not be there yet.
    pub async fn start(to: u16) -> anyhow::Result<Proxy> {
        let port = crate::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let shared = Arc::new(Shared { trouble: Mutex::new(Trouble::None), open: Mutex::default() });
        let all = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let trouble = watch::channel(*all.trouble.lock()).0;
                let connection = Arc::new(Connection { trouble, there: AtomicU64::new(0), greeting: Mutex::default() });
                all.open.lock().push(connection.clone());
                let all = all.clone();
                tokio::spawn(async move {
                    // An error ends the connection; both ends see that.
                    let _ = pass(client, SocketAddr::from(([127, 0, 0, 1], to)), &connection).await;
                    all.open.lock().retain(|c| !Arc::ptr_eq(c, &connection));
                });
            }
        });
        Ok(Proxy { port, shared, accepting })
    }

    /// From now on, for all connections.
    pub fn set(&self, trouble: Trouble) {
        *self.shared.trouble.lock() = trouble;
        for connection in self.shared.open.lock().iter() {
            connection.trouble.send_replace(trouble);
        }
    }

    /// For the one connection alone through which most has gone to the server, if there is one.
    pub fn set_busiest(&self, trouble: Trouble) {
        let open = self.shared.open.lock();
        if let Some(busiest) = open.iter().max_by_key(|c| c.there.load(Ordering::Relaxed)) {
            busiest.trouble.send_replace(trouble);
        }
    }

    /// For the connections alone whose first bytes hold a text, such as a Kafka client's id.
    pub fn set_of(&self, text: &str, trouble: Trouble) {
        for connection in self.shared.open.lock().iter() {
            if connection.greeting.lock().windows(text.len()).any(|w| w == text.as_bytes()) {
                connection.trouble.send_replace(trouble);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Trouble::Away);
    }
}

async fn pass(client: TcpStream, to: SocketAddr, connection: &Connection) -> std::io::Result<()> {
    let server = TcpStream::connect(to).await?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
        // What ends here ends by a reset: nothing that is still on its way arrives.
        socket.set_zero_linger()?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut trouble = connection.trouble.subscribe();
    tokio::select! {
        done = pump(from_client, to_server, Way::There, connection) => done,
        done = pump(from_server, to_client, Way::Back, connection) => done,
        _ = trouble.wait_for(|t| *t == Trouble::Away) => Ok(()),
    }
}

/// Returns when the connection is to end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, connection: &Connection) -> std::io::Result<()> {
    let mut trouble = connection.trouble.subscribe();
    let mut buffer = vec![0; PIECE];
    // Since the trouble began.
    let mut passed = 0;
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        if way == Way::There {
            let before = connection.there.fetch_add(n as u64, Ordering::Relaxed) as usize;
            connection.greeting.lock().extend_from_slice(&buffer[..n.min(GREETING.saturating_sub(before))]);
        }
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            if trouble.has_changed().unwrap_or(false) {
                passed = 0;
            }
            let now = *trouble.borrow_and_update();
            let piece = match now {
                Trouble::Cut { way: w, after } if w == way => match after.saturating_sub(passed) {
                    0 => return Ok(()),
                    left => rest.len().min(left as usize),
                },
                Trouble::Silence(w) if w.is_none_or(|w| w == way) => {
                    if trouble.changed().await.is_err() {
                        return Ok(());
                    }
                    passed = 0;
                    continue;
                }
                Trouble::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    rest.len()
                }
                Trouble::Drip => 1,
                Trouble::Away => return Ok(()),
                Trouble::None | Trouble::Cut { .. } | Trouble::Silence(_) => rest.len(),
            };
            to.write_all(&rest[..piece]).await?;
            passed += piece as u64;
            rest = &rest[piece..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> anyhow::Result<u16> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = socket.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Ok(port)
    }

    #[tokio::test]
    async fn a_connection_is_cut_at_the_byte_and_silence_holds_back() -> anyhow::Result<()> {
        let proxy = Proxy::start(echo().await?).await?;
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await?;
        let mut got = [0; 5];
        client.write_all(b"hello").await?;
        client.read_exact(&mut got).await?;
        proxy.set(Trouble::Silence(Some(Way::Back)));
        client.write_all(b"quiet").await?;
        let waited = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut got)).await;
        assert!(waited.is_err(), "nothing comes");
        proxy.set(Trouble::Drip);
        client.read_exact(&mut got).await?;
        assert_eq!(&got, b"quiet");
        proxy.set(Trouble::Cut { way: Way::Back, after: 3 });
        client.write_all(b"reset").await?;
        let mut all = Vec::new();
        let ended = client.read_to_end(&mut all).await;
        assert!(ended.is_err() || all.len() == 3, "{ended:?} {all:?}");
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await?;
        proxy.set(Trouble::Away);
        assert!(client.write_all(b"x").await.is_err() || client.read_exact(&mut got).await.is_err());
        Ok(())
    }
}
