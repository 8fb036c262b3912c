//! The running broker: start, what every request shares, housekeeping, stop.

use crate::config::{BrokerConfig, Flush};
use crate::connection;
use crate::data_dir::DataDir;
use crate::error::StartError;
use crate::groups::Groups;
use crate::journal::Journal;
use crate::log::Partition;
use crate::topics::Topics;
use crate::transactions::Transactions;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How often time-outs of groups and transactions are looked at.
const TICK: Duration = Duration::from_millis(100);
/// With `flush = never`, sealed segments are still synced, this often.
const SEALED_SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// A client that was refused asks again before this is over.
const REFUSED_FRESH: Duration = Duration::from_secs(10);

/// What every connection shares.
pub(crate) struct Shared {
    pub config: BrokerConfig,
    pub address: SocketAddr,
    pub cluster_id: String,
    pub journal: Arc<Journal>,
    pub topics: Topics,
    pub groups: Groups,
    pub transactions: Transactions,
    /// Permits are kilobytes of requests in memory.
    pub request_memory: Semaphore,
    pub stopping: watch::Receiver<bool>,
}

/// A running broker. Dropping it without [`Broker::stop`] is like killing it: nothing acknowledged is lost.
pub struct Broker {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Held as long as the broker runs.
    _data_dir: DataDir,
}

impl Broker {
    /// Opens the data directory, recovers what a crash left, and listens.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let requested = config.listener;
        if !requested.ip().is_loopback() {
            return Err(StartError::NotLoopback(requested));
        }
        let listen = |source| StartError::Listen { address: requested, source };
        let listener = TcpListener::bind(requested).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopping) = watch::channel(false);
        let opening = tokio::task::spawn_blocking(move || open(config, address, stopping));
        let (shared, data_dir) = opening.await.expect("opening the data directory does not panic")?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection::accept(shared.clone(), listener));
        tasks.spawn(tick(shared.clone()));
        tasks.spawn(sync(shared.clone()));
        tasks.spawn(maintain(shared.clone()));
        tracing::info!(%address, directory = %shared.config.data_dir.display(), "the embedded broker listens");
        Ok(Self { shared, stop, tasks, _data_dir: data_dir })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Why records are refused that were sent of late, where they are: the disk is full, or fails.
    pub fn refuses(&self) -> Option<String> {
        let topics = self.shared.topics.all();
        let refused = |p: Arc<Partition>| Some(format!("cannot write {}-{}: {}", p.topic, p.index, p.refuses(REFUSED_FRESH)?));
        topics.iter().flat_map(|topic| topic.partitions()).find_map(refused)
    }

    /// Closes the connections and syncs everything, so that the next start reads nothing again.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        let shared = self.shared.clone();
        let synced = tokio::task::spawn_blocking(move || {
            for partition in shared.topics.all().iter().flat_map(|topic| topic.partitions()) {
                if let Err(error) = partition.sync_now(true, true) {
                    tracing::error!(%error, topic = %partition.topic, partition = partition.index, "cannot sync the log");
                }
            }
            if let Err(error) = shared.journal.sync_now() {
                tracing::error!(%error, "cannot sync the journal");
            }
        });
        let _ = synced.await;
    }
}

pub(crate) fn open(
    config: BrokerConfig,
    address: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> Result<(Arc<Shared>, DataDir), StartError> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let always = config.flush == Flush::Always;
    let journal = Arc::new(Journal::open(&config.data_dir.join("journal"), always)?);
    let topics = Topics::open(&config, journal.clone())?;
    let transactions = Transactions::recover(&config.limits, journal.clone(), &topics)?;
    let shared = Arc::new(Shared {
        address,
        cluster_id: data_dir.cluster_id.clone(),
        groups: Groups::new(&config),
        request_memory: Semaphore::new(config.limits.requests_bytes_max >> 10),
        journal,
        topics,
        transactions,
        stopping,
        config,
    });
    Ok((shared, data_dir))
}

async fn tick(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(TICK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        shared.groups.tick();
        shared.transactions.tick(&shared.topics).await;
    }
}

async fn sync(shared: Arc<Shared>) {
    let (interval, with_active) = match shared.config.flush {
        Flush::Interval(interval) => (interval, true),
        Flush::Never | Flush::Always => (SEALED_SYNC_INTERVAL, false),
    };
    let mut every = tokio::time::interval(interval.max(Duration::from_millis(1)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let shared = shared.clone();
        let synced = tokio::task::spawn_blocking(move || {
            for partition in shared.topics.all().iter().flat_map(|topic| topic.partitions()) {
                if let Err(error) = partition.sync_now(with_active, false)
                    && partition.dir().exists()
                {
                    tracing::error!(%error, topic = %partition.topic, partition = partition.index, "cannot sync the log");
                }
            }
            if with_active && let Err(error) = shared.journal.sync_now() {
                tracing::error!(%error, "cannot sync the journal");
            }
        });
        let _ = synced.await;
    }
}

async fn maintain(shared: Arc<Shared>) {
    let mut every = tokio::time::interval(shared.config.maintenance_interval.max(Duration::from_millis(10)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let shared = shared.clone();
        let done = tokio::task::spawn_blocking(move || {
            let limits = &shared.config.limits;
            for topic in shared.topics.all() {
                let config = topic.config();
                for partition in topic.partitions() {
                    if config.delete {
                        partition.retain(&config);
                    }
                    if config.compact {
                        partition.compact_if_due(&config, limits);
                    }
                    partition.tidy(limits.producer_expiry.as_millis() as i64);
                }
            }
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "maintenance of the log failed");
        }
    }
}
