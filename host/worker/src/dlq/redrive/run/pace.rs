//! How fast a job goes.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::task::Target;

/// With a rate, a batch is what may be sent within this.
const RATE_STEP: Duration = Duration::from_millis(250);

/// So many records a second.
pub(super) struct Pace {
    rate: Option<u32>,
    begun: Instant,
    sent: u64,
}

impl Pace {
    pub(super) fn new(rate: Option<u32>) -> Self {
        Pace { rate, begun: Instant::now(), sent: 0 }
    }

    /// How many may go next.
    pub(super) fn records(&self) -> usize {
        self.rate.map_or(usize::MAX, |r| ((f64::from(r) * RATE_STEP.as_secs_f64()) as usize).max(1))
    }

    /// Waits until the records that have gone were due; less when the session is to end.
    pub(super) async fn wait(&mut self, records: usize, target: &watch::Receiver<Target>) {
        self.sent += records as u64;
        let Some(rate) = self.rate else { return };
        let due = self.begun + Duration::from_secs_f64(self.sent as f64 / f64::from(rate));
        let mut target = target.clone();
        tokio::select! {
            _ = tokio::time::sleep_until(due.into()) => {}
            _ = target.wait_for(|t| *t == Target::Stopped) => {}
        }
    }
}
