//! What librdkafka says again and again while a broker is away, several times a second: said once, then now and then.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;

/// How long the same is not said again.
const PAUSE: Duration = Duration::from_secs(30);

/// Of one client.
#[derive(Debug, Default)]
pub struct Repeats {
    /// When something was last said, and how often it came since. As many as librdkafka has names for what happens.
    said: Mutex<HashMap<String, (Instant, u64)>>,
}

impl Repeats {
    /// Whether it is to be said now: how often it was passed over since the last time.
    fn due(&self, what: &str) -> Option<u64> {
        let mut said = self.said.lock();
        match said.get_mut(what) {
            Some((at, passed)) if at.elapsed() < PAUSE => {
                *passed += 1;
                None
            }
            Some(last) => Some(std::mem::replace(last, (Instant::now(), 0)).1),
            None => {
                said.insert(what.to_owned(), (Instant::now(), 0));
                Some(0)
            }
        }
    }

    /// A client's error, by its code.
    pub fn error(&self, client: &str, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().map_or_else(|| error.to_string(), |c| format!("{c:?}"));
        match self.due(&code) {
            Some(before) => tracing::warn!(%error, reason, before, "{client}"),
            None => tracing::debug!(%error, reason, "{client}"),
        }
    }

    /// A line of librdkafka's own log, by its facility.
    pub fn log(&self, level: Level, facility: &str, message: &str) {
        match level {
            Level::Debug | Level::Info => tracing::debug!(facility, "{message}"),
            _ => match self.due(facility) {
                Some(before) => tracing::warn!(facility, before, "{message}"),
                None => tracing::debug!(facility, "{message}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_and_counted() {
        let repeats = Repeats::default();
        assert_eq!(repeats.due("AllBrokersDown"), Some(0));
        assert_eq!(repeats.due("AllBrokersDown"), None);
        assert_eq!(repeats.due("FAIL"), Some(0), "something else is no repeat");
        assert_eq!(repeats.due("AllBrokersDown"), None);
        repeats.said.lock().get_mut("AllBrokersDown").unwrap().0 -= PAUSE;
        assert_eq!(repeats.due("AllBrokersDown"), Some(2));
    }
}
