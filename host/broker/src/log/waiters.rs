//! Fetch requests that wait for a partition to grow.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Those who wait for one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    waiting: Mutex<HashMap<u64, Arc<Notify>>>,
    next: AtomicU64,
}

impl Waiters {
    /// Wakes all. Cheap when nobody waits.
    pub fn wake(&self) {
        let mut waiting = self.waiting.lock();
        for (_, waiter) in waiting.drain() {
            waiter.notify_one();
        }
    }

    /// Has `waiter` woken at the next growth; give the ticket back to [`Self::leave`].
    pub fn join(&self, waiter: &Arc<Notify>) -> u64 {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(ticket, waiter.clone());
        ticket
    }

    pub fn leave(&self, ticket: u64) {
        self.waiting.lock().remove(&ticket);
    }
}
