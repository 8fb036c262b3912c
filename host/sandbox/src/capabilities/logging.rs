//! `logging`: lines in the worker's log.

use tracing::Level as Traced;

use crate::bindings::logging::{Host, Level};
use crate::state::State;

/// The longest message of a guest; the rest is cut off.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

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
        let owner = &self.owner;
        let fields = fields.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    target: "plugin", $level,
                    plugin = %owner.plugin, connector = %owner.connector, task = owner.task, fields = %fields, "{message}"
                )
            };
        }
        at_level!(level, log);
        if matches!(level, Level::Error) {
            self.last_words = Some(message);
        }
        Ok(())
    }
}
