//! `logging`: lines in the worker's log.

use std::time::{Duration, Instant};

use tracing::Level as Traced;

use crate::bindings::logging::{Host, Level};
use crate::state::{Owner, State};

/// The longest message of a guest; the rest is cut off.
const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// How many lines one instance may log within [`WINDOW`]: one that floods the log hides the lines of all others.
const LINES_MAX: u32 = 500;
const WINDOW: Duration = Duration::from_secs(10);

/// Lines of one instance.
#[derive(Debug)]
pub(crate) struct Lines {
    since: Instant,
    logged: u32,
    left_out: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Lines::new()
    }
}

impl Lines {
    pub fn new() -> Self {
        Lines { since: Instant::now(), logged: 0, left_out: 0 }
    }

    /// Whether one more is taken; where some were left out before, that is said.
    pub fn takes(&mut self, owner: &Owner) -> bool {
        let (taken, left_out) = self.take(Instant::now());
        if left_out > 0 {
            tracing::warn!(
                plugin = %owner.plugin, connector = %owner.connector, task = owner.task,
                "{left_out} lines of the plugin were left out: it logged more than {LINES_MAX} within {} s", WINDOW.as_secs()
            );
        }
        taken
    }

    /// Whether one more is taken; the number with it: so many were left out before.
    fn take(&mut self, now: Instant) -> (bool, u64) {
        let mut left_out = 0;
        if now.duration_since(self.since) >= WINDOW {
            left_out = self.left_out;
            *self = Lines { since: now, logged: 0, left_out: 0 };
        }
        self.logged = self.logged.saturating_add(1);
        let taken = self.logged <= LINES_MAX;
        self.left_out += u64::from(!taken);
        (taken, left_out)
    }
}

macro_rules! at_level {
    ($level:expr, $do:ident) => {
        match $level {
            Level::Trace => $do!(Traced::TRACE),
            Level::Debug => $do!(Traced::DEBUG),
            Level::Info => $do!(Traced::INFO),
            Level::Warn => $do!(Traced::WARN),
            Level::Error => $do!(Traced::ERROR),
        }
    };
}

impl Host for State {
    fn enabled(&mut self, level: Level) -> wasmtime::Result<bool> {
        macro_rules! enabled {
            ($level:expr) => {
                tracing::enabled!(target: "plugin", $level)
            };
        }
        Ok(at_level!(level, enabled))
    }

    fn log(&mut self, level: Level, mut message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        if matches!(level, Level::Error) {
            self.last_words = Some(message.clone());
        }
        let owner = &self.owner;
        if !self.lines.takes(owner) {
            return Ok(());
        }
        let mut text = String::new();
        for (name, value) in &fields {
            if text.len() + name.len() + value.len() > MESSAGE_BYTES_MAX {
                text.push_str(" ...");
                break;
            }
            let space = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{space}{name}={value}"));
        }
        let fields = text;
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    target: "plugin", $level,
                    plugin = %owner.plugin, connector = %owner.connector, task = owner.task, fields = %fields, "{message}"
                )
            };
        }
        at_level!(level, log);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_told() {
        let mut lines = Lines::new();
        let now = Instant::now();
        let taken = (0..LINES_MAX + 7).filter(|_| lines.take(now).0).count();
        assert_eq!(taken, LINES_MAX as usize);
        assert_eq!(lines.take(now + WINDOW), (true, 7));
        assert_eq!(lines.take(now + WINDOW), (true, 0));
    }
}
