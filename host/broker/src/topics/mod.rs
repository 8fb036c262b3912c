//! The topics: which there are, their partitions and settings.
//!
//! Promises that the journal knows a topic before a client does, and that the files of a deleted topic never come back
//! under a new one of the same name: every topic has a directory of its own, named by its id.

mod config;

pub use config::{SETTINGS, TopicConfig, find as find_setting};

use crate::config::BrokerConfig;
use crate::error::{JournalError, StartError};
use crate::journal::{Entry, Journal, TopicState};
use crate::log::{Partition, boot_id};
use kafka_protocol::ResponseError;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// Topics are opened by so many threads at start.
const OPENERS: usize = 4;
const NAME_BYTES_MAX: usize = 249;

/// What was written, and what was understood.
type Settings = (Arc<BTreeMap<String, String>>, Arc<TopicConfig>);

pub struct Topic {
    pub name: Arc<str>,
    pub id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
    settings: RwLock<Settings>,
}

impl Topic {
    pub fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        self.partitions.read().get(usize::try_from(index).ok()?).cloned()
    }

    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().clone()
    }

    pub fn partition_count(&self) -> i32 {
        self.partitions.read().len() as i32
    }

    pub fn config(&self) -> Arc<TopicConfig> {
        self.settings.read().1.clone()
    }

    /// What was written, without defaults.
    pub fn settings(&self) -> Arc<BTreeMap<String, String>> {
        self.settings.read().0.clone()
    }
}

/// Why an admin request fails: the code for the client and a message for the person.
#[derive(Debug)]
pub struct Refusal {
    pub error: ResponseError,
    pub message: String,
}

impl Refusal {
    pub fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::new(ResponseError::KafkaStorageError, error.to_string())
    }
}

pub struct Topics {
    dir: PathBuf,
    boot_id: Arc<str>,
    journal: Arc<Journal>,
    by_name: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    /// Changes take turns.
    changing: Mutex<()>,
    default_partitions: i32,
    topic_partitions_max: i32,
    partitions_max: usize,
}

fn topic_dir(dir: &Path, id: Uuid) -> PathBuf {
    dir.join(id.simple().to_string())
}

/// Checks a topic's name.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || matches!(name, "." | "..") || !name.bytes().all(legal) {
        let message = format!("invalid topic name {name:?}; use 1 to {NAME_BYTES_MAX} letters, digits, '.', '_' and '-'");
        return Err(Refusal::new(ResponseError::InvalidTopicException, message));
    }
    Ok(())
}

impl Topics {
    /// Opens every topic the journal knows, and removes the files of those it does not.
    pub fn open(config: &BrokerConfig, journal: Arc<Journal>) -> Result<Self, StartError> {
        let dir = config.data_dir.join("topics");
        let topics = Self {
            boot_id: boot_id().into(),
            journal,
            by_name: RwLock::default(),
            changing: Mutex::default(),
            default_partitions: config.default_partitions,
            topic_partitions_max: config.limits.topic_partitions_max,
            partitions_max: config.limits.partitions_max,
            dir,
        };
        std::fs::create_dir_all(&topics.dir).map_err(|source| StartError::Io { path: topics.dir.clone(), source })?;
        let known: Vec<(String, TopicState)> =
            topics.journal.read(|state| state.topics.iter().map(|(name, topic)| (name.clone(), topic.clone())).collect());
        let per_thread = known.len().div_ceil(OPENERS).max(1);
        std::thread::scope(|scope| {
            let open = |(name, state): &(String, TopicState)| topics.open_topic(name, state);
            let threads: Vec<_> =
                known.chunks(per_thread).map(|chunk| scope.spawn(move || chunk.iter().try_for_each(open))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("opening a topic does not panic"))
        })?;
        topics.remove_strays(known.iter().map(|(_, state)| topic_dir(&topics.dir, state.id)).collect());
        Ok(topics)
    }

    fn remove_strays(&self, known: HashSet<PathBuf>) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for stray in entries.map(|entry| entry.path()).filter(|path| !known.contains(path)) {
            if let Err(error) = std::fs::remove_dir_all(&stray) {
                tracing::warn!(%error, directory = %stray.display(), "cannot remove the files of a deleted topic");
            }
        }
    }

    fn open_topic(&self, name: &str, state: &TopicState) -> Result<(), StartError> {
        let name: Arc<str> = name.into();
        let start = |index| state.log_starts.get(&index).copied().unwrap_or(0);
        let partitions = (0..state.partitions).map(|index| {
            self.open_partition(&name, state.id, index, start(index))
                .map_err(|source| StartError::Io { path: topic_dir(&self.dir, state.id).join(index.to_string()), source })
        });
        let partitions = partitions.collect::<Result<_, _>>()?;
        let config = TopicConfig::new(&state.settings).unwrap_or_else(|error| {
            tracing::error!(topic = %name, %error, "the settings of a topic are not understood; the defaults hold");
            TopicConfig::new(&BTreeMap::new()).expect("the defaults are valid")
        });
        let settings = RwLock::new((Arc::new(state.settings.clone()), Arc::new(config)));
        let topic = Topic { name: name.clone(), id: state.id, partitions: RwLock::new(partitions), settings };
        self.by_name.write().insert(name, Arc::new(topic));
        Ok(())
    }

    fn open_partition(&self, name: &Arc<str>, id: Uuid, index: i32, start: i64) -> std::io::Result<Arc<Partition>> {
        let dir = topic_dir(&self.dir, id).join(index.to_string());
        Partition::open(name.clone(), index, dir, self.boot_id.clone(), start).map(Arc::new)
    }

    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.read().get(name).cloned()
    }

    pub fn partition(&self, name: &str, index: i32) -> Option<Arc<Partition>> {
        self.get(name)?.partition(index)
    }

    /// All topics, by name.
    pub fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.by_name.read().values().cloned().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    pub fn partition_total(&self) -> usize {
        self.by_name.read().values().map(|topic| topic.partition_count() as usize).sum()
    }

    /// Creates a topic; `partitions` -1 takes the default. With `only_check` nothing is changed.
    pub fn create(
        &self,
        name: &str,
        partitions: i32,
        settings: BTreeMap<String, String>,
        only_check: bool,
    ) -> Result<(Uuid, i32), Refusal> {
        check_name(name)?;
        let partitions = if partitions == -1 { self.default_partitions } else { partitions };
        if !(1..=self.topic_partitions_max).contains(&partitions) {
            let message = format!("topic {name:?} cannot have {partitions} partitions; use 1 to {}", self.topic_partitions_max);
            return Err(Refusal::new(ResponseError::InvalidPartitions, message));
        }
        TopicConfig::new(&settings).map_err(|message| Refusal::new(ResponseError::InvalidConfig, message))?;
        let _turn = self.changing.lock();
        if self.get(name).is_some() {
            let message = format!("topic {name:?} already exists");
            return Err(Refusal::new(ResponseError::TopicAlreadyExists, message));
        }
        self.check_total(partitions)?;
        let id = Uuid::new_v4();
        if only_check {
            return Ok((id, partitions));
        }
        let entry = Entry::Topic { name: name.to_owned(), id, partitions, settings: settings.clone() };
        // The files come first: a topic in the journal has its directories.
        let state = TopicState { id, partitions, settings, log_starts: BTreeMap::new() };
        let opened = self.open_topic(name, &state);
        let journaled = match opened {
            Ok(()) => self.journal.write(vec![entry]).map_err(Refusal::from),
            Err(error) => Err(Refusal::new(ResponseError::KafkaStorageError, error.to_string())),
        };
        if let Err(refusal) = journaled {
            self.by_name.write().remove(name);
            let _ = std::fs::remove_dir_all(topic_dir(&self.dir, id));
            return Err(refusal);
        }
        tracing::info!(topic = name, partitions, "created a topic");
        Ok((id, partitions))
    }

    fn check_total(&self, more: i32) -> Result<(), Refusal> {
        if self.partition_total() + more as usize > self.partitions_max {
            let message = format!("the embedded broker holds at most {} partitions; delete topics first", self.partitions_max);
            return Err(Refusal::new(ResponseError::PolicyViolation, message));
        }
        Ok(())
    }

    pub fn delete(&self, name: &str) -> Result<(), Refusal> {
        let _turn = self.changing.lock();
        let topic = self.get(name).ok_or_else(|| unknown(name))?;
        self.journal.write(vec![Entry::TopicDeleted { name: name.to_owned() }])?;
        self.by_name.write().remove(name);
        topic.partitions().iter().for_each(|partition| partition.close());
        let dir = topic_dir(&self.dir, topic.id);
        if let Err(error) = std::fs::remove_dir_all(&dir) {
            tracing::warn!(%error, directory = %dir.display(), "cannot remove the files of a deleted topic yet");
        }
        tracing::info!(topic = name, "deleted a topic");
        Ok(())
    }

    /// Grows a topic to `partitions`.
    pub fn grow(&self, name: &str, partitions: i32, only_check: bool) -> Result<(), Refusal> {
        let _turn = self.changing.lock();
        let topic = self.get(name).ok_or_else(|| unknown(name))?;
        let before = topic.partition_count();
        if partitions <= before || partitions > self.topic_partitions_max {
            let message = format!(
                "topic {name:?} has {before} partitions and cannot have {partitions}; use {} to {}",
                before + 1,
                self.topic_partitions_max
            );
            return Err(Refusal::new(ResponseError::InvalidPartitions, message));
        }
        self.check_total(partitions - before)?;
        if only_check {
            return Ok(());
        }
        let io = |error: std::io::Error| Refusal::new(ResponseError::KafkaStorageError, error.to_string());
        let opened = (before..partitions).map(|index| self.open_partition(&topic.name, topic.id, index, 0));
        let opened: Vec<_> = opened.collect::<Result<_, _>>().map_err(io)?;
        let settings = topic.settings().as_ref().clone();
        self.journal.write(vec![Entry::Topic { name: name.to_owned(), id: topic.id, partitions, settings }])?;
        topic.partitions.write().extend(opened);
        Ok(())
    }

    /// Replaces a topic's settings by what `change` makes of them.
    pub fn configure(
        &self,
        name: &str,
        only_check: bool,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let _turn = self.changing.lock();
        let topic = self.get(name).ok_or_else(|| unknown(name))?;
        let mut settings = topic.settings().as_ref().clone();
        change(&mut settings)?;
        let config = TopicConfig::new(&settings).map_err(|message| Refusal::new(ResponseError::InvalidConfig, message))?;
        if only_check {
            return Ok(());
        }
        let partitions = topic.partition_count();
        self.journal.write(vec![Entry::Topic { name: name.to_owned(), id: topic.id, partitions, settings: settings.clone() }])?;
        *topic.settings.write() = (Arc::new(settings), Arc::new(config));
        Ok(())
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(ResponseError::UnknownTopicOrPartition, format!("topic {name:?} does not exist"))
}
