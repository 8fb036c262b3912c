//! `COPY ... TO STDOUT`: rows packed straight from the socket's buffer.

use std::time::Duration;

use futures::FutureExt;

use super::connect::cancel;
use super::failure;
use super::pace::Pace;
use super::session::Session;
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// The most bytes given to a guest at once, whatever it asks for.
const NEXT_BYTES_MAX: usize = 16 << 20;
/// How long a copy that nobody reads any more may take to end.
const ABANDON: Duration = Duration::from_secs(5);

/// How far a copy has come.
#[derive(Default)]
pub struct Copying {
    /// The server's answer is read to its end.
    done: bool,
    /// An error that is still to be said.
    failed: Option<Error>,
    pace: Pace,
}

impl Copying {
    /// Rows, each behind its length; none at the end.
    pub async fn next(&mut self, session: &mut Session, max_bytes: usize) -> Result<Option<Vec<u8>>, Error> {
        let max = max_bytes.clamp(1, NEXT_BYTES_MAX);
        let mut packed = Vec::new();
        loop {
            if self.done {
                break;
            }
            match self.take(session, max, &mut packed) {
                Ok(true) => break,
                Ok(false) if self.done => break,
                Ok(false) => {}
                Err(error) => {
                    self.end(session, Some(error));
                    break;
                }
            }
            // What is at hand is taken along; once there is something, nothing is waited for.
            let filled = if packed.is_empty() {
                self.pace.read(&mut session.wire).await
            } else {
                match session.wire.fill().now_or_never() {
                    Some(filled) => filled.map(drop),
                    None => break,
                }
            };
            if let Err(lost) = filled {
                session.lost = Some(lost.clone());
                self.end(session, Some(lost));
            }
        }
        if !packed.is_empty() {
            return Ok(Some(packed));
        }
        self.failed.take().map_or(Ok(None), Err)
    }

    fn end(&mut self, session: &mut Session, error: Option<Error>) {
        session.copying = false;
        session.wire.wake_at(1);
        self.done = true;
        self.failed = self.failed.take().or(error);
    }

    /// Packs what has been read. True: the buffer is full.
    fn take(&mut self, session: &mut Session, max: usize, packed: &mut Vec<u8>) -> Result<bool, Error> {
        while let Some((tag, body)) = session.wire.peek()? {
            let len = body.len();
            match tag {
                b'd' => {
                    if !packed.is_empty() && packed.len() + 4 + len > max {
                        return Ok(true);
                    }
                    packed.extend_from_slice(&(len as u32).to_le_bytes());
                    packed.extend_from_slice(body);
                }
                b'E' => {
                    self.failed = Some(failure::server(&session.wire.target, body));
                }
                b'Z' => {
                    session.wire.skip(len);
                    self.end(session, None);
                    return Ok(false);
                }
                b'c' | b'C' | b'N' | b'S' | b'A' => {}
                other => {
                    let error = failure::protocol(
                        &session.wire.target,
                        format_args!("an unexpected message \"{}\"", other.escape_ascii()),
                    );
                    session.lost = Some(error.clone());
                    return Err(error);
                }
            }
            session.wire.skip(len);
        }
        Ok(false)
    }

    /// Nobody reads it any more: it is cancelled, and what comes of it is thrown away, so that the connection is free.
    pub async fn abandon(&mut self, session: &mut Session) {
        if self.done || session.lost.is_some() {
            return;
        }
        let drain = async {
            if let Some(key) = session.wire.cancel {
                let _ = cancel(&session.wire.target.clone(), key).await;
            }
            while !self.done {
                let _ = self.next(session, NEXT_BYTES_MAX).await;
            }
        };
        if tokio::time::timeout(ABANDON, drain).await.is_err() {
            session.lost = Some(error::new(
                ErrorKind::Retriable,
                "postgres.connection",
                "a copy could not be cancelled; the connection is given up",
            ));
        }
    }
}
