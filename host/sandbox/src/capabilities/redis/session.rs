//! One connection: made when it is first needed and again after it was lost, its pipelines bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::resp::{self, Room, Unread};
use super::target::Target;
use super::{failure, tls};
use crate::bindings::redis::Reply;
use crate::bindings::types::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a pipeline and its replies.
const TIMEOUT: Duration = Duration::from_secs(30);
const BUFFER_BYTES: usize = 64 << 10;

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A socket that is past its start-up and has no answer outstanding.
struct Wire {
    input: BufReader<ReadHalf<Box<dyn Socket>>>,
    output: WriteHalf<Box<dyn Socket>>,
}

/// A connection to a binding's server.
pub(crate) struct Session {
    target: Arc<Target>,
    /// None: it was lost, or broken off in the midst of its answers.
    wire: Option<Wire>,
}

impl Session {
    pub(super) fn new(target: Target) -> Self {
        Session { target: Arc::new(target), wire: None }
    }

    /// Connects where it is not connected.
    pub(super) async fn ready(&mut self) -> Result<(), Error> {
        if self.wire.is_none() {
            let target = &self.target;
            let wire = tokio::time::timeout(CONNECT_TIMEOUT, connect(target)).await;
            self.wire = Some(wire.map_err(|_| failure::late(target, "let itself be connected to", CONNECT_TIMEOUT))??);
        }
        Ok(())
    }

    /// Sends commands as they are encoded; `n` replies with their elements.
    pub(super) async fn pipeline(&mut self, commands: &[u8], n: usize, room: Room) -> Result<Vec<Reply>, Error> {
        self.ready().await?;
        let target = self.target.clone();
        // It comes back once all answers are read: a call that is given up halfway leaves no answer for the next one.
        let Some(mut wire) = self.wire.take() else {
            return Err(failure::lost(&target, &std::io::ErrorKind::NotConnected.into()));
        };
        let done = tokio::time::timeout(TIMEOUT, exchange(&mut wire, &target, commands, n, room)).await;
        let replies = done.map_err(|_| failure::late(&target, "answered all commands", TIMEOUT))?.map_err(|e| match e {
            Unread::Io(e) => failure::lost(&target, &e),
            Unread::Large(what) => failure::large(format!("the answer of {target} is not taken: {}", Unread::Large(what))),
            Unread::Protocol(what) => failure::protocol(&target, &what),
        })?;
        self.wire = Some(wire);
        Ok(replies)
    }
}

/// Writes and reads at the same time: a server that is not read from stops reading.
async fn exchange(wire: &mut Wire, target: &Target, commands: &[u8], n: usize, mut room: Room) -> Result<Vec<Reply>, Unread> {
    let Wire { input, output } = wire;
    let send = async {
        output.write_all(commands).await?;
        output.flush().await.map_err(Unread::from)
    };
    let receive = async {
        let mut replies = Vec::with_capacity(n);
        for _ in 0..n {
            resp::read(input, &mut room, &mut replies, &|said| failure::server(target, said)).await?;
        }
        Ok(replies)
    };
    Ok(tokio::try_join!(send, receive)?.1)
}

async fn connect(target: &Target) -> Result<Wire, Error> {
    let failed = |e: std::io::Error| failure::unreachable(target, &e);
    let plain = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(failed)?;
    plain.set_nodelay(true).map_err(failed)?;
    let socket: Box<dyn Socket> = match target.tls {
        false => Box::new(plain),
        true => Box::new(tls::handshake(target, plain).await?),
    };
    let (input, output) = tokio::io::split(socket);
    let mut wire = Wire { input: BufReader::with_capacity(BUFFER_BYTES, input), output };
    let mut hello = Vec::new();
    let mut n = 0;
    let mut add = |command: &[&str]| {
        resp::write(command, &mut hello);
        n += 1;
    };
    match (&target.user, &target.password) {
        (Some(user), password) => add(&["AUTH", user, password.as_deref().unwrap_or_default()]),
        (None, Some(password)) => add(&["AUTH", password]),
        (None, None) => {}
    }
    if target.database != 0 {
        add(&["SELECT", &target.database.to_string()]);
    }
    // Also tells whether it is Redis at all, and whether it wants a password.
    add(&["PING"]);
    let replies = exchange(&mut wire, target, &hello, n, Room { replies: 16, bytes: 1 << 16 }).await.map_err(|e| match e {
        Unread::Io(e) => failure::unreachable(target, &e),
        other => failure::protocol(target, &other.to_string()),
    })?;
    match replies.into_iter().find_map(|r| if let Reply::Failed(e) = r { Some(e) } else { None }) {
        None => Ok(wire),
        Some(refused) => Err(failure::refused(target, refused)),
    }
}
