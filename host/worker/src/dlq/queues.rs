//! The queues that there are, and the thread that follows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use millrace_record::RawConfig;
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;

use super::follow;
use super::index::{Index, IndexError};
use crate::kafka::client::{ClientKind, ClientSettings};
use crate::providers::Providers;
use crate::storage::configs::ConfigStore;

/// How long whoever asks waits for a look at the log.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How far a partition of a queue is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The first offset that the log has.
    pub start: i64,
    /// The first one that the index has not.
    pub next: i64,
    /// The first one that the log has not, as of the last look.
    pub end: i64,
}

impl Progress {
    pub fn lag(&self) -> i64 {
        (self.end - self.next).max(0)
    }
}

/// A queue: its topic's index, and how far that is.
pub struct Queue {
    pub name: String,
    pub index: Index,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub partitions: BTreeMap<i32, Progress>,
    pub connectors: BTreeSet<String>,
}

impl Queue {
    /// By partition.
    pub fn progress(&self) -> BTreeMap<i32, Progress> {
        self.state.lock().partitions.clone()
    }

    /// The connectors that send their dead letters here now.
    pub fn connectors(&self) -> Vec<String> {
        self.state.lock().connectors.iter().cloned().collect()
    }
}

/// All queues of a worker.
pub struct DeadLetterQueues {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread and everybody else have in common.
pub(super) struct Shared {
    /// A folder for each queue.
    pub dir: PathBuf,
    pub clients: ClientSettings,
    pub configs: Arc<ConfigStore>,
    pub providers: Arc<Providers>,
    pub queues: RwLock<BTreeMap<String, Arc<Queue>>>,
    asked: Mutex<Asked>,
    wake: Condvar,
    looked: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Asked {
    looks: u64,
    stop: bool,
}

impl DeadLetterQueues {
    /// Begins to follow the queues of the connectors that there are.
    pub fn start(dir: PathBuf, clients: ClientSettings, configs: Arc<ConfigStore>, providers: Arc<Providers>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            dir,
            clients,
            configs,
            providers,
            queues: RwLock::default(),
            asked: Mutex::default(),
            wake: Condvar::new(),
            looked: watch::channel(0).0,
        });
        let follower = shared.clone();
        let thread = std::thread::Builder::new().name("dead-letters".into()).spawn(move || follow::run(&follower));
        if let Err(error) = &thread {
            tracing::error!(%error, "dead letter queues cannot be read: no thread for them; restart the worker");
        }
        Arc::new(DeadLetterQueues { shared, thread: Mutex::new(thread.ok()) })
    }

    /// Ends the thread and its client; the log may go once this has returned. Blocks.
    pub fn stop(&self) {
        self.shared.asked.lock().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }

    /// Looks at the log: which queues there are now, and how far they go. Gives up after a while, with what was known before.
    pub async fn refresh(&self) {
        let wanted = {
            let mut asked = self.shared.asked.lock();
            asked.looks += 1;
            asked.looks
        };
        self.shared.wake.notify_all();
        let mut looked = self.shared.looked.subscribe();
        let _ = tokio::time::timeout(LOOK_MAX, looked.wait_for(|done| *done >= wanted)).await;
    }

    /// What a [`super::read::Reader`] is made with.
    pub fn reader_config(&self) -> rdkafka::ClientConfig {
        let id = "millrace-dead-letters-read";
        self.shared.clients.client(ClientKind::Consumer, id, &RawConfig::new(), &super::read::DEFAULTS)
    }

    /// The queues by their names.
    pub fn all(&self) -> Vec<Arc<Queue>> {
        self.shared.queues.read().values().cloned().collect()
    }

    /// A queue that is known, or that has come to be since.
    pub async fn get(&self, name: &str) -> Option<Arc<Queue>> {
        let known = || self.shared.queues.read().get(name).cloned();
        match known() {
            Some(queue) => Some(queue),
            None => {
                self.refresh().await;
                known()
            }
        }
    }
}

impl Shared {
    pub fn stopping(&self) -> bool {
        self.asked.lock().stop
    }

    /// The number of the last look that was asked for.
    pub fn asked(&self) -> u64 {
        self.asked.lock().looks
    }

    /// The number of the last look that is done.
    pub fn looks(&self) -> u64 {
        *self.looked.borrow()
    }

    /// Looks up to this one are done.
    pub fn looked(&self, number: u64) {
        self.looked.send_replace(number);
    }

    /// Waits until somebody asks for a look, or the time is over.
    pub fn wait(&self, time: Duration) {
        let mut asked = self.asked.lock();
        if !asked.stop && asked.looks <= self.looks() {
            self.wake.wait_for(&mut asked, time);
        }
    }

    /// The queue's index, opened or begun.
    pub fn open(&self, name: &str) -> Result<Arc<Queue>, IndexError> {
        if let Some(queue) = self.queues.read().get(name) {
            return Ok(queue.clone());
        }
        let index = Index::open(&self.dir.join(name))?;
        let queue = Arc::new(Queue { name: name.to_owned(), index, state: Mutex::default() });
        self.queues.write().insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// Forgets a queue, and deletes its index.
    pub fn forget(&self, name: &str) {
        self.queues.write().remove(name);
        if let Err(error) = Index::delete(&self.dir.join(name)) {
            tracing::warn!(queue = name, %error, "cannot delete the index of a dead letter queue");
        }
    }

    /// Queues that had an index before: their connectors may be gone, their topics may not.
    pub fn remembered(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()).collect()
    }
}
