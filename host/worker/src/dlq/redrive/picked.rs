//! The dead letters that a filter picks, in a bit each: millions of them cost little memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::dlq::filter::Filter;
use crate::dlq::index::{Cursor, IndexError, Order};
use crate::dlq::{DeadLetterQueues, Position, Queue};

/// Records of a page of the index.
const PAGE: usize = 10_000;
/// How long the index may take to have read the queue as far as the job goes.
const BEHIND_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// Positions side by side in memory.
const CHUNK: i64 = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Picked(HashMap<(i32, i64), Box<[u64; CHUNK as usize / 64]>>);

impl Picked {
    fn add(&mut self, at: Position) {
        let chunk = self.0.entry((at.partition, at.offset / CHUNK)).or_insert_with(|| Box::new([0; CHUNK as usize / 64]));
        let bit = (at.offset % CHUNK) as usize;
        chunk[bit / 64] |= 1 << (bit % 64);
    }

    pub fn has(&self, at: Position) -> bool {
        let bit = (at.offset % CHUNK) as usize;
        self.0.get(&(at.partition, at.offset / CHUNK)).is_some_and(|chunk| chunk[bit / 64] & (1 << (bit % 64)) != 0)
    }

    /// Asks the index of a queue. An error says why it cannot be asked for now.
    pub async fn by(filter: &Map<String, Value>, queues: &DeadLetterQueues, name: &str, until: &[i64]) -> Result<Self, String> {
        let filter = Filter::from_json(filter).map_err(|e| e.to_string())?;
        let queue = queues.get(name).await.ok_or_else(|| format!("the queue \"{name}\" has no index"))?;
        let begun = Instant::now();
        while behind(&queue, until) {
            if begun.elapsed() > BEHIND_MAX {
                return Err(format!("the index of the queue \"{name}\" has not read as far as the job goes"));
            }
            queues.refresh().await;
            tokio::time::sleep(LOOK).await;
        }
        let read = tokio::task::spawn_blocking(move || walk(&queue, &filter)).await.map_err(|e| e.to_string())?;
        read.map_err(|e| e.to_string())
    }
}

/// Whether the index has yet to read records that the job may select.
fn behind(queue: &Queue, until: &[i64]) -> bool {
    let progress = queue.progress();
    until.iter().zip(0..).any(|(end, partition)| *end > 0 && progress.get(&partition).is_none_or(|read| read.next < *end))
}

fn walk(queue: &Queue, filter: &Filter) -> Result<Picked, IndexError> {
    let (mut picked, mut cursor) = (Picked::default(), Some(Cursor::start(Order::Oldest)));
    while let Some(at) = cursor {
        let page = queue.index.page(filter, &at, PAGE)?;
        page.rows.iter().for_each(|row| picked.add(row.position));
        cursor = page.next;
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        let mut picked = Picked::default();
        let at = |offset| Position { partition: 1, offset };
        for offset in [0, 63, 64, 4095, 4096, 1 << 40] {
            picked.add(at(offset));
            assert!(picked.has(at(offset)));
        }
        assert!(!picked.has(at(1)) && !picked.has(at(4097)) && !picked.has(Position { partition: 0, offset: 0 }));
    }
}
