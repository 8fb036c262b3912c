//! What plugins tell people. The worker passes it on; the sandbox bounds it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use crate::bindings::alerts::{ColumnChange, Difference};

/// How many alerts one task may give within [`WINDOW`]: a plugin gone wild must not drown those of others.
const ALERTS_MAX: u32 = 200;
const WINDOW: Duration = Duration::from_secs(60);
/// How many wait for the worker.
const QUEUE_MAX: usize = 1_000;
/// The most bytes of one text.
const TEXT_MAX: usize = 64 << 10;
/// The most bytes of one change; columns beyond are left out. What waits for the worker is bounded with it.
const CHANGE_BYTES_MAX: usize = 256 << 10;
/// The most columns of one change: a table of PostgreSQL has no more.
const COLUMNS_MAX: usize = 1_600;

/// What a source reads has another shape.
#[derive(Debug, Clone)]
pub struct TableChange {
    pub connector: String,
    /// `schema.table`
    pub table: String,
    pub topic: Option<String>,
    /// Where in the source's log.
    pub position: Option<String>,
    pub statement: Option<String>,
    pub changes: Vec<ColumnChange>,
}

/// Alerts of all plugins of a sandbox.
#[derive(Debug)]
pub struct Alerts {
    sender: mpsc::Sender<TableChange>,
    receiver: Mutex<Option<mpsc::Receiver<TableChange>>>,
    /// By connector and task: since when, and how many.
    told: Mutex<HashMap<(String, u32), (Instant, u32)>>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        Alerts { sender, receiver: Mutex::new(Some(receiver)), told: Mutex::default() }
    }
}

impl Alerts {
    /// All alerts from now on; whoever asks first has them.
    pub fn take(&self) -> Option<mpsc::Receiver<TableChange>> {
        self.receiver.lock().take()
    }

    /// False: it is left out.
    pub(crate) fn tell(&self, task: u32, mut change: TableChange) -> bool {
        let now = Instant::now();
        {
            let mut told = self.told.lock();
            told.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            let (_, n) = told.entry((change.connector.clone(), task)).or_insert((now, 0));
            *n += 1;
            if *n > ALERTS_MAX {
                return false;
            }
        }
        cut(&mut change.table);
        [&mut change.topic, &mut change.position, &mut change.statement].into_iter().flatten().for_each(cut);
        change.changes.truncate(COLUMNS_MAX);
        for column in &mut change.changes {
            cut(&mut column.column);
            [&mut column.before, &mut column.after].into_iter().flatten().for_each(cut);
        }
        let mut bytes = 0;
        change.changes.retain(|c| {
            bytes += c.column.len() + [&c.before, &c.after].into_iter().flatten().map(String::len).sum::<usize>();
            bytes <= CHANGE_BYTES_MAX
        });
        change.changes.shrink_to_fit();
        self.sender.try_send(change).is_ok()
    }
}

fn cut(text: &mut String) {
    if text.len() > TEXT_MAX {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_bounded_and_others_are_heard() {
        let alerts = Alerts::default();
        let change = |connector: &str| TableChange {
            connector: connector.into(),
            table: "é".repeat(TEXT_MAX),
            topic: None,
            position: None,
            statement: None,
            changes: Vec::new(),
        };
        let taken = (0..ALERTS_MAX * 2).filter(|_| alerts.tell(0, change("wild"))).count();
        assert_eq!(taken, ALERTS_MAX as usize);
        assert!(alerts.tell(1, change("wild")) && alerts.tell(0, change("calm")));
        let mut all = alerts.take().expect("nobody has asked before");
        assert!(alerts.take().is_none());
        assert!(all.try_recv().is_ok_and(|first| first.table.len() == TEXT_MAX));
    }
}
