//! Connections: frames in, frames out, in order.
//!
//! Requests of one connection are handled one after the other, as Kafka does. Responses are gathered while more requests
//! are at hand. Records go out in chunks of bounded size, straight from the log files, so that what a connection costs in
//! memory does not depend on what it asks for.

use crate::apis::{self, Context, Reply};
use crate::broker::Shared;
use crate::guard::{self, GuardError};
use crate::log::Slice;
use bytes::{BufMut, BytesMut};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Records are read and sent in chunks of this size.
const CHUNK_BYTES: usize = 256 << 10;
/// Slices up to this size are sent together with what is around them.
const SMALL_SLICE_BYTES: u64 = 64 << 10;
/// Responses are gathered up to this size while more requests are at hand.
const GATHER_BYTES: usize = 64 << 10;
/// The buffer of an idle connection.
const READ_BYTES: usize = 16 << 10;
/// A frame's buffer grows by this much at a time at most, however long the frame claims to be.
const GROW_BYTES: usize = 4 << 20;
/// Buffers larger than this are not kept between requests.
const KEEP_BYTES: usize = 256 << 10;
/// How long to wait after a failure to accept, which is a lack of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("a request of {bytes} bytes; the limit is {max}")]
    Size { bytes: i32, max: usize },
    #[error("API {key} version {version} is not offered")]
    NotOffered { key: i16, version: i16 },
    #[error("a malformed request of API {key} version {version}: {source}")]
    Malformed { key: i16, version: i16, source: GuardError },
    #[error("cannot decode a request of API {key} version {version}: {reason}")]
    Codec { key: i16, version: i16, reason: String },
    #[error("the client neither sent nor took anything in time")]
    Stalled,
}

/// Accepts connections until it is aborted, which closes them all.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(shared.config.limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            let max = shared.config.limits.connections_max;
            tracing::warn!(max, "closed a connection: there are too many");
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            if let Err(error) = serve(&shared, socket).await {
                match error {
                    ConnectionError::Io(error) => tracing::debug!(%error, "a connection ended"),
                    error => tracing::warn!(%error, "closed a connection"),
                }
            }
            drop(slot);
        });
    }
}

struct Connection<'a> {
    shared: &'a Arc<Shared>,
    socket: TcpStream,
    input: BytesMut,
    output: BytesMut,
}

async fn serve(shared: &Arc<Shared>, socket: TcpStream) -> Result<(), ConnectionError> {
    socket.set_nodelay(true)?;
    let host = format!("/{}", socket.peer_addr()?.ip());
    let mut connection = Connection { shared, socket, input: BytesMut::new(), output: BytesMut::new() };
    loop {
        let Some(bytes) = connection.next_frame_bytes().await? else { return Ok(()) };
        // Requests beyond the smallest count against a limit of all connections together.
        let permits = (bytes >> 10).min(shared.config.limits.requests_bytes_max >> 10) as u32;
        let memory = shared.request_memory.acquire_many(permits).await.map_err(|_| ConnectionError::Stalled)?;
        connection.fill_frame(bytes).await?;
        let frame = connection.input.split_to(4 + bytes).freeze().slice(4..);
        connection.handle(frame, &host).await?;
        drop(memory);
        if connection.output.len() >= GATHER_BYTES || !connection.has_whole_frame() {
            connection.flush().await?;
        }
    }
}

impl Connection<'_> {
    fn announced(&self) -> Option<i32> {
        self.input.first_chunk::<4>().map(|length| i32::from_be_bytes(*length))
    }

    fn has_whole_frame(&self) -> bool {
        self.announced().is_some_and(|bytes| self.input.len() as i64 >= 4 + i64::from(bytes))
    }

    /// Waits for the next frame and gives its length; `None` when the client is gone.
    async fn next_frame_bytes(&mut self) -> Result<Option<usize>, ConnectionError> {
        let limits = &self.shared.config.limits;
        while self.input.len() < 4 {
            self.input.reserve(READ_BYTES);
            let idle = self.input.is_empty();
            let read = self.socket.read_buf(&mut self.input);
            let count = if idle {
                read.await?
            } else {
                tokio::time::timeout(limits.transfer_timeout, read).await.map_err(|_| ConnectionError::Stalled)??
            };
            if count == 0 {
                return Ok(None);
            }
        }
        let bytes = self.announced().unwrap_or(-1);
        match usize::try_from(bytes) {
            Ok(length @ 8..) if length <= limits.request_bytes_max => Ok(Some(length)),
            _ => Err(ConnectionError::Size { bytes, max: limits.request_bytes_max }),
        }
    }

    /// Reads until the frame is whole. The buffer grows as bytes come, not as they are announced.
    async fn fill_frame(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        while self.input.len() < 4 + bytes {
            let missing = 4 + bytes - self.input.len();
            self.input.reserve(missing.min(GROW_BYTES));
            let read = self.socket.read_buf(&mut self.input);
            let timeout = self.shared.config.limits.transfer_timeout;
            if tokio::time::timeout(timeout, read).await.map_err(|_| ConnectionError::Stalled)?? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    async fn handle(&mut self, frame: bytes::Bytes, host: &str) -> Result<(), ConnectionError> {
        let (key, version) = (i16::from_be_bytes([frame[0], frame[1]]), i16::from_be_bytes([frame[2], frame[3]]));
        let correlation_id = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let shape = guard::shape(key).ok_or(ConnectionError::NotOffered { key, version })?;
        if !(shape.min..=shape.max).contains(&version) {
            if key != apis::API_VERSIONS {
                return Err(ConnectionError::NotOffered { key, version });
            }
            // A newer client asks what is offered in a version it does not know yet: it is answered in the oldest.
            let start = self.begin(correlation_id);
            apis::encode_unsupported_version(&mut self.output);
            self.end(start, 0);
            return Ok(());
        }
        guard::check(shape, version, &frame[8..], self.shared.config.limits.request_elements_max)
            .map_err(|source| ConnectionError::Malformed { key, version, source })?;
        let codec = |reason: String| ConnectionError::Codec { key, version, reason };
        let (client_id, request) = apis::decode(key, version, frame).map_err(codec)?;
        if apis::may_wait(&request) {
            self.flush().await?;
        }
        let context = Context { shared: self.shared, version, client_id: &client_id, host };
        match apis::handle(&context, request).await {
            Reply::None => {}
            Reply::Message(response) => {
                let start = self.begin(correlation_id);
                apis::encode(key, version, &response, &mut self.output).map_err(codec)?;
                self.end(start, 0);
            }
            Reply::Records(parts) => {
                let start = self.begin(correlation_id);
                let slices: u64 = parts.iter().filter_map(|part| part.slice.as_ref()).map(|slice| slice.bytes).sum();
                let heads: usize = parts.iter().map(|part| part.head.len()).sum();
                self.end(start, heads as u64 + slices);
                for part in parts {
                    self.output.extend_from_slice(&part.head);
                    if let Some(slice) = part.slice {
                        self.send_slice(&slice).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves room for the length and writes the correlation id.
    fn begin(&mut self, correlation_id: i32) -> usize {
        let start = self.output.len();
        self.output.put_i32(0);
        self.output.put_i32(correlation_id);
        start
    }

    /// Fills in the length: what was written since, and `more` to come.
    fn end(&mut self, start: usize, more: u64) {
        let length = (self.output.len() - start - 4) as u64 + more;
        self.output[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
    }

    async fn flush(&mut self) -> Result<(), ConnectionError> {
        if !self.output.is_empty() {
            let write = self.socket.write_all(&self.output);
            let timeout = self.shared.config.limits.transfer_timeout;
            tokio::time::timeout(timeout, write).await.map_err(|_| ConnectionError::Stalled)??;
            self.output.clear();
            if self.output.capacity() > KEEP_BYTES {
                self.output = BytesMut::new();
            }
        }
        if self.input.is_empty() && self.input.capacity() > KEEP_BYTES {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    async fn send_slice(&mut self, slice: &Slice) -> Result<(), ConnectionError> {
        if slice.bytes > SMALL_SLICE_BYTES {
            self.flush().await?;
        }
        let end = slice.position + slice.bytes;
        let mut position = slice.position;
        while position < end {
            let from = self.output.len();
            let chunk = CHUNK_BYTES.min((end - position) as usize);
            self.output.resize(from + chunk, 0);
            read_chunk(slice, position, &mut self.output[from..]).await?;
            position += chunk as u64;
            if self.output.len() >= GATHER_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }
}

/// Reads from the page cache at once; what is not there is read on a thread that may wait for the disk.
async fn read_chunk(slice: &Slice, position: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    let mut position = position;
    while !buffer.is_empty() {
        let cached = rustix::io::preadv2(&slice.file, &mut [IoSliceMut::new(buffer)], position, ReadWriteFlags::NOWAIT);
        match cached {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                position += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let (file, bytes) = (slice.file.clone(), buffer.len());
                let read = move || {
                    let mut cold = vec![0; bytes];
                    file.read_exact_at(&mut cold, position).map(|()| cold)
                };
                buffer.copy_from_slice(&tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??);
                return Ok(());
            }
            // The file system cannot tell what is cached.
            Err(_) => return slice.file.read_exact_at(buffer, position),
        }
    }
    Ok(())
}
