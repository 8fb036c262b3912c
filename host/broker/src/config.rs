//! Settings of the broker: where it listens, where it keeps its files, when it syncs, and every limit by name.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// When appended records are synced to the disk. A killed process loses nothing in any case: records are in the
/// system's page cache before they are acknowledged. This is about a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// The system decides, as with Kafka's defaults; sealed segments are synced.
    Never,
    /// Everything is synced this often.
    Interval(Duration),
    /// Before every acknowledgement; requests at the same time share a sync.
    Always,
}

/// What the broker allows. Each bound answers with an error that a client understands.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections_max: usize,
    /// Bytes of one request.
    pub request_bytes_max: usize,
    /// Bytes of all requests being read or handled; connections wait beyond it.
    pub requests_bytes_max: usize,
    /// Array elements of one request.
    pub request_elements_max: usize,
    /// How long the rest of a request may take to arrive, and a response to be taken.
    pub transfer_timeout: Duration,
    /// Partitions of one topic.
    pub topic_partitions_max: i32,
    /// Partitions of all topics.
    pub partitions_max: usize,
    /// Bytes of one fetch response, whatever the client asks.
    pub fetch_bytes_max: u64,
    /// Bytes that the records of one batch may unfold to where the broker must read them.
    pub unfolded_bytes_max: usize,
    /// Members of one consumer group.
    pub group_members_max: usize,
    /// Consumer groups with members.
    pub groups_max: usize,
    pub session_timeout_min: Duration,
    pub session_timeout_max: Duration,
    pub transaction_timeout_max: Duration,
    /// Transactional ids that are remembered.
    pub transactional_ids_max: usize,
    /// A producer silent for so long is forgotten.
    pub producer_expiry: Duration,
    /// Keys that one run of compaction keeps in memory.
    pub compaction_keys_max: usize,
    /// Bytes of the metadata that a client may store with a committed offset.
    pub offset_metadata_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            request_bytes_max: 100 << 20,
            requests_bytes_max: 256 << 20,
            request_elements_max: 200_000,
            transfer_timeout: Duration::from_secs(60),
            topic_partitions_max: 1_000,
            partitions_max: 10_000,
            fetch_bytes_max: 55 << 20,
            unfolded_bytes_max: 128 << 20,
            group_members_max: 1_000,
            groups_max: 10_000,
            session_timeout_min: Duration::from_secs(1),
            session_timeout_max: Duration::from_secs(1_800),
            transaction_timeout_max: Duration::from_secs(900),
            transactional_ids_max: 100_000,
            producer_expiry: Duration::from_secs(86_400),
            compaction_keys_max: 1_000_000,
            offset_metadata_bytes_max: 4_096,
        }
    }
}

/// Settings of one broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Holds everything the broker keeps; one process at a time.
    pub data_dir: PathBuf,
    /// A loopback address; port 0 takes a free one.
    pub listener: SocketAddr,
    pub flush: Flush,
    /// Whether a topic that a client names is created, unless the client says not to.
    pub auto_create_topics: bool,
    /// Partitions of topics that are created without a number.
    pub default_partitions: i32,
    /// How often retention and compaction look at the topics.
    pub maintenance_interval: Duration,
    /// How long the first rebalance of an empty group waits for more members.
    pub group_initial_delay: Duration,
    pub limits: Limits,
}

impl BrokerConfig {
    /// The defaults, with everything kept in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listener: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            flush: Flush::Interval(Duration::from_secs(1)),
            auto_create_topics: true,
            default_partitions: 1,
            maintenance_interval: Duration::from_secs(15),
            group_initial_delay: Duration::ZERO,
            limits: Limits::default(),
        }
    }
}
