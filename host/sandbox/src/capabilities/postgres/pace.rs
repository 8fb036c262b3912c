//! When to read from a server that sends much in small pieces.

use std::time::{Duration, Instant};

use super::wire::Wire;
use crate::bindings::types::Error;

/// On a busy stream the server flushes every message, and a wake-up for each would cost many times its decoding. So once
/// [`QUICK_READS`] reads in a row followed each other within [`QUICK`], the socket is asked to wake us only when
/// [`GATHER_BYTES`] are there, or [`GATHER`] has passed; it is left at that until a read brings less than [`TRICKLE_BYTES`].
const QUICK: Duration = Duration::from_micros(500);
const QUICK_READS: u32 = 8;
const GATHER: Duration = Duration::from_millis(2);
const GATHER_BYTES: usize = 64 << 10;
const TRICKLE_BYTES: usize = 2 << 10;

/// When to read: at once on a quiet stream, in gathered portions on a busy one.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    quick: u32,
    /// Busy: until when the socket may gather. Kept while a read is cancelled and begun again.
    gather_until: Option<tokio::time::Instant>,
}

impl Pace {
    /// Reads; cancelling it loses nothing.
    pub async fn read(&mut self, wire: &mut Wire) -> Result<(), Error> {
        if self.quick < QUICK_READS {
            wire.wake_at(1);
            wire.fill().await?;
            let now = Instant::now();
            let quick = self.last.replace(now).is_some_and(|last| now - last < QUICK);
            self.quick = if quick { self.quick + 1 } else { 0 };
            return Ok(());
        }
        let until = *self.gather_until.get_or_insert_with(|| tokio::time::Instant::now() + GATHER);
        wire.wake_at(GATHER_BYTES);
        let read = match tokio::time::timeout_at(until, wire.fill()).await {
            Ok(read) => read?,
            Err(_) => {
                // Time is up: what is there is told of now, or the next to come.
                wire.wake_at(1);
                wire.fill().await?
            }
        };
        self.gather_until = None;
        if read < TRICKLE_BYTES {
            (self.quick, self.last) = (0, None);
        }
        Ok(())
    }
}
