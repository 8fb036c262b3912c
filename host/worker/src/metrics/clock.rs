//! The time that averages are taken over: since a moment of its own, and in a test as the test says.

use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub struct Clock {
    born: Instant,
    #[cfg(test)]
    set: Option<std::sync::Arc<parking_lot::Mutex<Duration>>>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            born: Instant::now(),
            #[cfg(test)]
            set: None,
        }
    }
}

impl Clock {
    pub fn now(&self) -> Duration {
        #[cfg(test)]
        if let Some(set) = &self.set {
            return *set.lock();
        }
        self.born.elapsed()
    }

    pub fn now_ms(&self) -> u64 {
        self.now().as_millis() as u64
    }

    /// One that stands still until it is advanced.
    #[cfg(test)]
    pub fn still() -> Self {
        Clock { set: Some(Default::default()), ..Clock::default() }
    }

    #[cfg(test)]
    pub fn advance(&self, by: Duration) {
        *self.set.as_ref().expect("it stands still").lock() += by;
    }
}
