//! A replication stream: a task of its own owns the socket, so that status updates go out and keepalives are answered
//! however long the guest does not ask. What has come waits in packed chunks up to a limit; past it the socket is left
//! alone, and the server waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millrace_record::Wake;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::failure;
use super::pace::Pace;
use super::wire::{Wire, message};
use crate::bindings::types::Error;

/// Messages that wait for the guest, in bytes.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// A chunk is handed over as it is, and closed when it has this many bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// How often the server is told where we are.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
/// How often while the socket is left alone: what the server asks is then not read, and its time-out may be short.
const FULL_STATUS_INTERVAL: Duration = Duration::from_millis(500);
/// A server that is silent for so long, though asked to answer, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long the good-bye may take.
const CLOSE: Duration = Duration::from_secs(1);
/// Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// A started stream. Dropping it ends it, after a last status update.
pub struct Stream {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something came, or the stream ended.
    came: Notify,
    /// Something was taken, acknowledged, or the stream is to end.
    asked: Notify,
    acked: AtomicU64,
    ack_due: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    ended: Option<Error>,
}

impl Stream {
    pub(super) fn start(wire: Wire) -> Stream {
        let (shared, now) = (Arc::new(Shared::default()), Instant::now());
        let pump =
            Pump { wire, shared: shared.clone(), received: 0, heard: now, told: now, reply_due: false, pace: Pace::default() };
        tokio::spawn(pump.run());
        Stream { shared }
    }

    /// What has come, waiting for the first message at most `wait`; empty when nothing did or the host has a call due.
    pub async fn next(&self, max_bytes: usize, wait: Duration, wake: &Wake) -> Result<Vec<u8>, Error> {
        let late = tokio::time::sleep(wait);
        tokio::pin!(late);
        loop {
            if let Some(taken) = self.shared.take(max_bytes) {
                return taken;
            }
            tokio::select! {
                biased;
                () = self.shared.came.notified() => {}
                () = wake.raised() => return Ok(Vec::new()),
                () = &mut late => return Ok(Vec::new()),
            }
        }
    }

    /// All up to `lsn` is durable; the server is told at once.
    pub fn ack(&self, lsn: u64) -> Result<(), Error> {
        if let Some(ended) = &self.shared.waiting.lock().ended {
            return Err(ended.clone());
        }
        // Invariant durable-before-commit: the guest names only what the log has acknowledged; it never goes back.
        self.shared.acked.fetch_max(lsn, Ordering::SeqCst);
        self.shared.ack_due.store(true, Ordering::SeqCst);
        self.shared.asked.notify_one();
        Ok(())
    }
}

#[cfg(test)]
impl Stream {
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting.lock().bytes
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.asked.notify_one();
    }
}

impl Shared {
    /// A chunk, or how the stream ended; none: nothing yet.
    fn take(&self, max_bytes: usize) -> Option<Result<Vec<u8>, Error>> {
        let mut waiting = self.waiting.lock();
        let Some(mut chunk) = waiting.chunks.pop_front() else {
            return waiting.ended.clone().map(Err);
        };
        if chunk.len() > max_bytes {
            let rest = chunk.split_off(whole_messages(&chunk, max_bytes));
            if !rest.is_empty() {
                waiting.chunks.push_front(rest);
            }
        }
        let was_full = waiting.bytes >= WAITING_BYTES_MAX;
        waiting.bytes -= chunk.len();
        if was_full {
            self.asked.notify_one();
        }
        Some(Ok(chunk))
    }

    fn end(&self, error: Error) {
        self.waiting.lock().ended = Some(error);
        self.came.notify_one();
    }
}

/// Where the messages end that fit into `max` bytes; the first always does.
fn whole_messages(chunk: &[u8], max: usize) -> usize {
    let mut at = 0;
    while let Some(len) = chunk.get(at..at + 4) {
        let end = at + 4 + u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        if end > max && at > 0 {
            break;
        }
        at = end;
    }
    at.min(chunk.len())
}

/// Owns the socket.
struct Pump {
    wire: Wire,
    shared: Arc<Shared>,
    /// The end of what the server said it sent.
    received: u64,
    heard: Instant,
    told: Instant,
    /// The server asked where we are.
    reply_due: bool,
    pace: Pace,
}

impl Pump {
    async fn run(mut self) {
        if let Err(error) = self.stream().await {
            self.shared.end(error);
            return;
        }
        // Closed from our side: what was acknowledged last goes out before the good-bye.
        let bye = async {
            self.status(false).await?;
            self.wire.send(&message(b'c', |_| {})).await?;
            self.wire.close().await;
            Ok::<_, Error>(())
        };
        let _ = tokio::time::timeout(CLOSE, bye).await;
    }

    /// Until the stream breaks (an error) or is closed.
    async fn stream(&mut self) -> Result<(), Error> {
        let mut timer = tokio::time::interval(FULL_STATUS_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = self.absorb()?;
            if self.shared.closed.load(Ordering::SeqCst) {
                return Ok(());
            }
            if self.shared.ack_due.swap(false, Ordering::SeqCst) || std::mem::take(&mut self.reply_due) {
                self.status(false).await?;
            }
            tokio::select! {
                biased;
                () = self.shared.asked.notified() => {}
                _ = timer.tick() => self.tick(full).await?,
                read = self.pace.read(&mut self.wire), if !full => {
                    read?;
                    self.heard = Instant::now();
                }
            }
        }
    }

    /// Tells the server where we are when it is time, and asks whether it is there when it has been silent.
    async fn tick(&mut self, full: bool) -> Result<(), Error> {
        let silence = self.heard.elapsed();
        if full {
            // It is we who do not read.
            self.heard = Instant::now();
        } else if silence > SILENCE_MAX {
            let gone = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("nothing came for {} s", silence.as_secs()));
            return Err(failure::lost(&self.wire.target, &gone));
        } else if self.told.elapsed() < STATUS_INTERVAL {
            return Ok(());
        }
        self.status(silence > STATUS_INTERVAL / 2).await
    }

    /// Packs the messages that have been read. True: no more may wait.
    fn absorb(&mut self) -> Result<bool, Error> {
        let mut waiting = self.shared.waiting.lock();
        let before = waiting.bytes;
        let full = loop {
            if waiting.bytes >= WAITING_BYTES_MAX {
                break true;
            }
            let Some((tag, body)) = self.wire.peek()? else { break false };
            let len = body.len();
            match tag {
                b'd' => {
                    match body.first() {
                        Some(b'w') if len >= 25 => self.received = self.received.max(u64_at(body, 1)),
                        Some(b'k') if len >= 18 => {
                            self.received = self.received.max(u64_at(body, 1));
                            self.reply_due |= body[17] == 1;
                        }
                        _ => {}
                    }
                    if waiting.chunks.back().is_none_or(|c| c.len() >= CHUNK_BYTES) {
                        waiting.chunks.push_back(Vec::with_capacity(64 << 10));
                    }
                    let chunk = waiting.chunks.back_mut().expect("just made");
                    chunk.extend_from_slice(&(len as u32).to_le_bytes());
                    chunk.extend_from_slice(body);
                    waiting.bytes += 4 + len;
                }
                b'E' => return Err(failure::server(&self.wire.target, body)),
                b'c' => return Err(failure::protocol(&self.wire.target, "the end of the replication stream")),
                b'N' | b'S' | b'A' => {}
                other => {
                    let what = format!("an unexpected message \"{}\"", other.escape_ascii());
                    return Err(failure::protocol(&self.wire.target, what));
                }
            }
            self.wire.skip(len);
        };
        if waiting.bytes > before {
            self.shared.came.notify_one();
        }
        Ok(full)
    }

    async fn status(&mut self, reply: bool) -> Result<(), Error> {
        self.told = Instant::now();
        let acked = self.shared.acked.load(Ordering::SeqCst);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64 - POSTGRES_EPOCH_US;
        let update = message(b'd', |m| {
            m.push(b'r');
            for position in [self.received.max(acked), acked, acked] {
                m.extend_from_slice(&position.to_be_bytes());
            }
            m.extend_from_slice(&now.to_be_bytes());
            m.push(reply.into());
        });
        self.wire.send(&update).await
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn chunks_are_cut_between_messages() {
        let mut chunk = Vec::new();
        for len in [3u32, 5, 0] {
            chunk.extend_from_slice(&len.to_le_bytes());
            chunk.extend(std::iter::repeat_n(7, len as usize));
        }
        let check = |max: usize, expected: usize| assert_eq!(whole_messages(&chunk, max), expected, "{max}");
        check(0, 7);
        check(7, 7);
        check(15, 7);
        check(16, 16);
        check(20, 20);
        check(100, 20);
    }
}
