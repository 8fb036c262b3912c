//! Which task of a connector has which partitions in hand.
//!
//! Invariant one-writer: the group gives the partitions of a member away that it has not heard of for the session's time, such as
//! while Kafka could not be reached. That member may be in the midst of a put, which ends when its destination answers: after it the
//! next owner's later records could be overwritten by earlier ones. So within a worker, whoever is given a partition opens it only
//! once nobody else has it in hand. Between workers nobody can know; a sink that keeps its offsets does without.

use std::collections::HashSet;
use std::sync::Arc;

use millrace_record::TopicPartition;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Of all tasks of a worker.
#[derive(Debug, Default)]
pub struct Holders {
    /// By connector.
    held: Mutex<HashSet<(String, TopicPartition)>>,
    freed: Notify,
}

impl Holders {
    /// All of them, or none.
    fn try_take(&self, connector: &str, partitions: &[TopicPartition]) -> bool {
        let mut held = self.held.lock();
        let of = |tp: &TopicPartition| (connector.to_owned(), tp.clone());
        let free = !partitions.iter().any(|tp| held.contains(&of(tp)));
        if free {
            held.extend(partitions.iter().map(of));
        }
        free
    }
}

/// What one session has in hand; all of it is let go of when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    holders: Arc<Holders>,
    connector: String,
    partitions: HashSet<TopicPartition>,
}

impl Held {
    pub(super) fn new(holders: Arc<Holders>, connector: &str) -> Self {
        Held { holders, connector: connector.to_owned(), partitions: HashSet::new() }
    }

    /// Returns once nobody else has them. May be dropped while it waits: then none is taken.
    pub(super) async fn take(&mut self, partitions: &[TopicPartition]) {
        let new: Vec<_> = partitions.iter().filter(|tp| !self.partitions.contains(tp)).cloned().collect();
        loop {
            let freed = self.holders.freed.notified();
            tokio::pin!(freed);
            // From here on no word is missed.
            freed.as_mut().enable();
            if self.holders.try_take(&self.connector, &new) {
                break;
            }
            freed.await;
        }
        self.partitions.extend(new);
    }

    pub(super) fn free(&mut self, gone: &[TopicPartition]) {
        let mut held = self.holders.held.lock();
        for tp in gone.iter().filter_map(|tp| self.partitions.take(tp)) {
            held.remove(&(self.connector.clone(), tp));
        }
        drop(held);
        self.holders.freed.notify_waiters();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let all: Vec<_> = self.partitions.iter().cloned().collect();
        self.free(&all);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(partitions: &[i32]) -> Vec<TopicPartition> {
        partitions.iter().map(|p| TopicPartition { topic: "t".into(), partition: *p }).collect()
    }

    async fn waits(held: &mut Held, partitions: &[i32]) -> bool {
        tokio::time::timeout(Duration::from_millis(50), held.take(&of(partitions))).await.is_err()
    }

    #[tokio::test]
    async fn a_partition_is_in_one_hand() {
        let holders = Arc::<Holders>::default();
        let [mut a, mut b] = [(); 2].map(|()| Held::new(holders.clone(), "c"));
        let mut other = Held::new(holders.clone(), "another connector");
        a.take(&of(&[0, 1])).await;
        other.take(&of(&[0, 1])).await;
        assert!(!waits(&mut a, &[1]).await, "it has it");
        assert!(waits(&mut b, &[1, 2]).await);
        assert!(!waits(&mut a, &[2]).await, "who gave up waiting has nothing");
        a.free(&of(&[1]));
        assert!(!waits(&mut b, &[1]).await);
        assert!(waits(&mut b, &[0, 3]).await);
        let left = of(&[0, 2]);
        let (_, _) = tokio::join!(b.take(&left), async { drop(a) });
        assert_eq!(holders.held.lock().len(), 5, "three of b, two of the other connector");
        drop((b, other));
        assert!(holders.held.lock().is_empty());
    }
}
