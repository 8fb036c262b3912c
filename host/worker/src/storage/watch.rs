//! Whether the log answers and takes writes: looked at all the time, so that the health of every task can say so at once.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// How long the log may take to answer.
pub const ANSWER: Duration = Duration::from_millis(2_500);
/// How long after an answer it is asked again.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is said of a log that has not answered for this long.
pub fn away(within: Duration) -> String {
    format!(
        "Kafka does not answer within {} s: nothing is written or committed until it does. Check \"bootstrap.servers\" and that \
         Kafka runs.",
        within.as_secs_f32()
    )
}

/// What is wrong with the log, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub since: SystemTime,
    pub cause: String,
}

/// The last that was seen of the log.
#[derive(Debug, Default)]
pub struct LogWatch(Mutex<Option<Trouble>>);

impl LogWatch {
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.lock().clone()
    }

    /// What was seen now.
    fn saw(&self, cause: Option<String>) {
        let mut seen = self.0.lock();
        *seen = match (cause, seen.take()) {
            (None, None) => None,
            (None, Some(_)) => {
                tracing::info!("the log is well again");
                None
            }
            (Some(cause), Some(before)) => Some(Trouble { cause, ..before }),
            (Some(cause), None) => {
                tracing::error!(cause, "the log is not well");
                Some(Trouble { since: SystemTime::now(), cause })
            }
        };
    }

    /// Asks again and again, for as long as the worker lives. `look` answers what is wrong.
    pub async fn run<F: Future<Output = Option<String>>>(self: Arc<Self>, look: impl Fn() -> F) {
        loop {
            self.saw(look().await);
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_shows_since_it_began_until_it_is_over() {
        let watch = LogWatch::default();
        watch.saw(Some("away".into()));
        let first = watch.trouble().expect("it is seen");
        watch.saw(Some("full".into()));
        assert_eq!(watch.trouble(), Some(Trouble { cause: "full".into(), ..first }));
        watch.saw(None);
        assert_eq!(watch.trouble(), None);
    }
}
