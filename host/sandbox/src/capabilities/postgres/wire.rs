//! A socket with the protocol's frames on it: one byte of tag, four of length, the body.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failure;
use super::target::Target;
use crate::bindings::types::Error;

/// How much is read from a socket at once.
const READ_BYTES: usize = 256 << 10;
/// The longest message taken from a server; PostgreSQL's own limit.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
const HEAD: usize = 5;

/// TCP, TLS over it, or a Unix socket.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection to a server, past or before its start-up.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    input: BytesMut,
    pub target: Arc<Target>,
    /// Process and key with which a statement can be cancelled.
    pub cancel: Option<(i32, i32)>,
    /// The TCP socket under it all, as long as `socket` lives, and how many bytes wake its reader.
    tcp: Option<RawFd>,
    wake_at: usize,
}

impl Wire {
    pub fn new(socket: Box<dyn Socket>, target: Arc<Target>) -> Self {
        Wire { socket, input: BytesMut::new(), target, cancel: None, tcp: None, wake_at: 1 }
    }

    /// Over TCP, perhaps with TLS between.
    pub fn over_tcp(mut self, tcp: Option<RawFd>) -> Self {
        self.tcp = tcp;
        self
    }

    /// Lets the socket gather so many bytes before it wakes its reader. Where that cannot be set, every byte does.
    pub fn wake_at(&mut self, bytes: usize) {
        let Some(tcp) = self.tcp.filter(|_| self.wake_at != bytes) else { return };
        self.wake_at = bytes;
        let low_water = bytes as libc::c_int;
        // SAFETY: the descriptor is that of the socket we own; the option's value is a `c_int` that lives through the call.
        unsafe {
            let (value, len) = ((&raw const low_water).cast(), size_of::<libc::c_int>() as libc::socklen_t);
            libc::setsockopt(tcp, libc::SOL_SOCKET, libc::SO_RCVLOWAT, value, len);
        }
    }

    /// Sends whole messages.
    pub async fn send(&mut self, messages: &[u8]) -> Result<(), Error> {
        let sent = async {
            self.socket.write_all(messages).await?;
            self.socket.flush().await
        };
        sent.await.map_err(|e| failure::lost(&self.target, &e))
    }

    /// Sends `data` as one CopyData message, without copying it.
    pub async fn send_copy_data(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut head = [b'd', 0, 0, 0, 0];
        head[1..].copy_from_slice(&(data.len() as u32 + 4).to_be_bytes());
        let mut message = Buf::chain(&head[..], data);
        self.socket.write_all_buf(&mut message).await.map_err(|e| failure::lost(&self.target, &e))
    }

    /// The tag and body of the next message if all of it has been read. A length that cannot be is an error.
    pub fn peek(&self) -> Result<Option<(u8, &[u8])>, Error> {
        let Some(head) = self.input.get(..HEAD) else { return Ok(None) };
        let len = self.next_len(head)?;
        Ok(self.input.get(HEAD..HEAD + len).map(|body| (head[0], body)))
    }

    fn next_len(&self, head: &[u8]) -> Result<usize, Error> {
        let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=MESSAGE_BYTES_MAX).contains(&len) {
            return Err(failure::protocol(&self.target, format_args!("a message of {len} bytes")));
        }
        Ok(len - 4)
    }

    /// Forgets the message that was peeked at, whose body has `len` bytes.
    pub fn skip(&mut self, len: usize) {
        self.input.advance(HEAD + len);
    }

    /// Reads more; cancelling it loses nothing. Answers how many bytes came.
    pub async fn fill(&mut self) -> Result<usize, Error> {
        let wanted = match self.input.get(..HEAD) {
            Some(head) => (HEAD + self.next_len(head)?).saturating_sub(self.input.len()),
            None => 0,
        };
        if self.input.capacity() - self.input.len() < wanted.max(READ_BYTES / 4) {
            self.input.reserve(wanted.max(READ_BYTES));
        }
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) => Err(failure::lost(&self.target, &io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"))),
            Ok(n) => Ok(n),
            Err(e) => Err(failure::lost(&self.target, &e)),
        }
    }

    /// The next message that is not a notice, a notification or a parameter's status.
    pub async fn message(&mut self) -> Result<(u8, Bytes), Error> {
        loop {
            let Some((tag, len)) = self.peek()?.map(|(tag, body)| (tag, body.len())) else {
                self.fill().await?;
                continue;
            };
            let mut message = self.input.split_to(HEAD + len);
            if !matches!(tag, b'N' | b'A' | b'S') {
                message.advance(HEAD);
                return Ok((tag, message.freeze()));
            }
        }
    }

    /// One byte that is no message: the answer to the request for TLS.
    pub async fn byte(&mut self) -> io::Result<u8> {
        self.socket.read_u8().await
    }

    /// Nothing has been read that was not asked for, so the socket may be given to TLS.
    pub fn into_socket(self) -> Box<dyn Socket> {
        self.socket
    }

    /// Says good-bye and closes.
    pub async fn close(mut self) {
        if self.send(&message(b'X', |_| {})).await.is_ok() {
            let _ = self.socket.shutdown().await;
        }
    }
}

/// A message for the server.
pub(super) fn message(tag: u8, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    append(&mut out, tag, body);
    out
}

/// Appends a message for the server.
pub(super) fn append(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

/// Appends a text with its closing zero; what a zero inside would cut off is not sent.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|b| *b != 0));
    out.push(0);
}
