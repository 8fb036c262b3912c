//! Follows the topics of all queues with one consumer, and writes what they get into their indices, batch by batch.
//!
//! It belongs to no group and commits nothing: how far a partition is stands in its index. What it finds there it goes on from,
//! once the record before that is the one that it has seen: else the topic was made anew, and so is the index. There is no
//! consumer where no queue is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::RawConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::index::{IndexError, Mark, Seen};
use super::letter::Letter;
use super::queues::{Progress, Queue, Shared};
use super::topics::{self, Named};
use crate::kafka::client::{ClientKind, Quiet};

/// How often the log is looked at for queues that came and went, and for records that it has deleted.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a look is put off after an error.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long the thread waits for a record.
const WAIT: Duration = Duration::from_millis(100);
/// Records that are written in one transaction, and how long they may be gathered.
const BATCH_MAX: usize = 8_192;
const GATHER_MAX: Duration = Duration::from_millis(500);
/// How long the log may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Runs until the worker stops.
pub(super) fn run(shared: &Shared) {
    let (followed, due) = (BTreeMap::new(), Instant::now());
    let mut follower = Follower { shared, consumer: None, admin: None, followed, remembered: None, lost: false, due };
    while !shared.stopping() {
        let asked = shared.asked();
        if Instant::now() >= follower.due || shared.looks() < asked {
            follower.due = Instant::now() + LOOK_EVERY;
            follower.look();
            shared.looked(asked);
        }
        follower.take();
    }
}

struct Follower<'a> {
    shared: &'a Shared,
    consumer: Option<BaseConsumer<Quiet>>,
    admin: Option<AdminClient<Quiet>>,
    /// By topic.
    followed: BTreeMap<String, Followed>,
    /// What has an index although nobody names it; none: the folder was not read yet.
    remembered: Option<HashSet<String>>,
    /// A partition could not be read from where it was.
    lost: bool,
    due: Instant,
}

struct Followed {
    queue: Arc<Queue>,
    partitions: HashMap<i32, Track>,
}

/// A partition being read.
#[derive(Debug, Clone, Copy)]
struct Track {
    mark: Mark,
    /// The next record is to be the one that was seen last.
    verify: bool,
    /// It was not.
    another: bool,
}

impl Follower<'_> {
    /// Which queues there are, and what the log has of them.
    fn look(&mut self) {
        let remembered = self.remembered.get_or_insert_with(|| self.shared.remembered().into_iter().collect());
        if self.consumer.is_none() {
            if remembered.is_empty() && !topics::any(&self.shared.configs) {
                return;
            }
            self.consumer = self.connect();
        }
        let Some(topics) = self.topics() else { return };
        let names: HashSet<String> = topics.keys().cloned().collect();
        let named = topics::queues(&self.shared.configs, &self.shared.providers, &names);
        let remembered = self.remembered.take().unwrap_or_default();
        let known: HashSet<String> = self.followed.keys().cloned().chain(remembered).collect();
        let mut assign = std::mem::take(&mut self.lost);
        for name in known.iter().filter(|name| !names.contains(*name)) {
            tracing::info!(queue = name, "the topic of a dead letter queue is gone, and its index with it");
            assign |= self.followed.remove(name).is_some();
            self.shared.forget(name);
        }
        self.remembered = Some(HashSet::new());
        let known = known.iter().filter(|name| names.contains(*name) && !named.contains_key(*name));
        let all = known.map(|name| (name.as_str(), Named::default())).chain(named.iter().map(|(n, of)| (n.as_str(), of.clone())));
        for (name, of) in all.collect::<Vec<_>>() {
            match self.look_at(name, &topics[name], of) {
                Ok(changed) => assign |= changed,
                Err(error) => self.failed(name, &error),
            }
        }
        if assign {
            self.assign();
        }
    }

    fn connect(&self) -> Option<BaseConsumer<Quiet>> {
        let defaults = [
            // Never joined: librdkafka wants a name.
            ("group.id", "millrace-dead-letters"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("queued.max.messages.kbytes", "8192"),
            ("reconnect.backoff.ms", "20"),
        ];
        let config = self.shared.clients.client(ClientKind::Consumer, "millrace-dead-letters", &RawConfig::new(), &defaults);
        let made = config.create_with_context(Quiet);
        made.inspect_err(|error| tracing::error!(%error, "cannot make a Kafka client to read dead letter queues; check the worker's client settings")).ok()
    }

    /// The topics with their partitions. None: the log does not answer.
    fn topics(&self) -> Option<HashMap<String, Vec<i32>>> {
        let metadata = self.consumer.as_ref()?.fetch_metadata(None, ANSWER);
        let metadata =
            metadata.inspect_err(|error| tracing::debug!(%error, "the log does not say which topics there are")).ok()?;
        let topics = metadata.topics().iter();
        Some(topics.map(|t| (t.name().to_owned(), t.partitions().iter().map(|p| p.id()).collect())).collect())
    }

    /// Takes a queue up, or sees what has become of its log. True: partitions are to be read from another place.
    fn look_at(&mut self, name: &str, partitions: &[i32], named: Named) -> Result<bool, IndexError> {
        let mut changed = false;
        if !self.followed.contains_key(name) {
            let queue = self.shared.open(name)?;
            tracing::info!(queue = name, "following a dead letter queue");
            self.followed.insert(name.to_owned(), Followed { queue, partitions: HashMap::new() });
        }
        let Some(followed) = self.followed.get_mut(name) else { return Ok(changed) };
        let index = &followed.queue.index;
        let marks: HashMap<i32, Mark> = match partitions.iter().all(|p| followed.partitions.contains_key(p)) {
            true => HashMap::new(),
            false => index.marks()?.into_iter().map(|m| (m.partition, m)).collect(),
        };
        let Some(consumer) = &self.consumer else { return Ok(changed) };
        let mut ends = Vec::new();
        for partition in partitions {
            // One that does not answer now is looked at again.
            let Ok((low, high)) = consumer.fetch_watermarks(name, *partition, ANSWER) else { continue };
            ends.push((*partition, low, high));
            let known = followed.partitions.get(partition).copied();
            let fresh = || {
                let empty = Mark { partition: *partition, start: low, next: low, seen: None };
                let mark = marks.get(partition).copied().unwrap_or(empty);
                Track { mark, verify: mark.seen.is_some(), another: false }
            };
            let mut track = known.unwrap_or_else(fresh);
            changed |= known.is_none();
            if track.another || track.mark.next > high {
                tracing::warn!(queue = name, partition, "the topic of a dead letter queue was made anew: its index is, too");
                index.delete_below(*partition, i64::MAX)?;
                track = Track {
                    mark: Mark { partition: *partition, start: low, next: low, seen: None },
                    verify: false,
                    another: false,
                };
                changed = true;
            } else if low > track.mark.start {
                index.delete_below(*partition, low)?;
                track.mark.start = low;
                if track.mark.next < low {
                    (track.mark.next, changed) = (low, true);
                }
                track.verify &= track.mark.seen.is_some_and(|s| s.offset >= low);
            }
            if known.is_none_or(|k| k.mark != track.mark) {
                index.apply(Vec::new(), &[track.mark])?;
            }
            followed.partitions.insert(*partition, track);
        }
        followed.publish(named.connectors, &ends);
        if let Some(records) = named.records_max {
            self.shorten(name, &ends, records);
        }
        Ok(changed)
    }

    /// Has the log delete what a queue has beyond its `errors.deadletterqueue.retention.records`, of each partition its share.
    fn shorten(&mut self, name: &str, ends: &[(i32, i64, i64)], records: u64) {
        let share = records.div_ceil(ends.len().max(1) as u64) as i64;
        let mut below = TopicPartitionList::new();
        for (partition, low, high) in ends {
            if high - low > share {
                let _ = below.add_partition_offset(name, *partition, Offset::Offset(high - share));
            }
        }
        if below.count() == 0 {
            return;
        }
        if self.admin.is_none() {
            let config = self.shared.clients.client(ClientKind::Admin, "millrace-dead-letters-admin", &RawConfig::new(), &[]);
            self.admin = config.create_with_context(Quiet).ok();
        }
        let Some(admin) = &self.admin else { return };
        let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
        match futures::executor::block_on(admin.delete_records(&below, &options)) {
            Ok(_) => tracing::debug!(queue = name, records, "deleted the oldest dead letters beyond the most that are kept"),
            Err(error) => {
                tracing::warn!(queue = name, records, %error, "cannot delete the oldest dead letters; the worker's user must be allowed to delete records")
            }
        }
    }

    /// Reads every partition from where its index is.
    fn assign(&self) {
        let Some(consumer) = &self.consumer else { return };
        let mut all = TopicPartitionList::new();
        for (topic, followed) in &self.followed {
            for (partition, track) in &followed.partitions {
                let from = track.mark.seen.filter(|_| track.verify).map_or(track.mark.next, |seen| seen.offset);
                let _ = all.add_partition_offset(topic, *partition, Offset::Offset(from));
            }
        }
        if let Err(error) = consumer.assign(&all) {
            tracing::warn!(%error, "cannot follow dead letter queues");
        }
    }

    /// Reads what has come, and writes it into the indices.
    fn take(&mut self) {
        let Some(consumer) = &self.consumer else { return self.shared.wait(LOOK_EVERY) };
        let mut letters: HashMap<String, Vec<Letter>> = HashMap::new();
        let (mut taken, began) = (0, Instant::now());
        let (mut wait, mut idle) = (WAIT, false);
        while taken < BATCH_MAX && began.elapsed() < GATHER_MAX {
            match consumer.poll(wait) {
                None => {
                    idle = true;
                    break;
                }
                Some(Ok(message)) => {
                    let track = self.followed.get_mut(message.topic()).and_then(|f| f.partitions.get_mut(&message.partition()));
                    if track.is_some_and(|track| track.takes(&message)) {
                        match letters.get_mut(message.topic()) {
                            Some(of) => of.push(Letter::of(&message)),
                            None => drop(letters.insert(message.topic().to_owned(), vec![Letter::of(&message)])),
                        }
                        taken += 1;
                    }
                }
                Some(Err(error)) => {
                    self.due = self.due.min(Instant::now() + LOOK_AGAIN);
                    if matches!(error, KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) {
                        // The log does not have the offset: a look tells why.
                        self.lost = true;
                    }
                    tracing::debug!(%error, "reading dead letter queues");
                }
            }
            wait = Duration::ZERO;
        }
        if self.followed.values().any(|f| f.partitions.values().any(|t| t.another)) {
            self.due = Instant::now();
        }
        for (name, letters) in letters {
            if let Err(error) = self.write(&name, letters) {
                self.failed(&name, &error);
            }
        }
        if idle {
            self.pass();
        }
    }

    /// Goes past offsets that no record has, such as that of a transaction's end: what was read before them is written.
    fn pass(&mut self) {
        let Some(Ok(positions)) = self.consumer.as_ref().map(|consumer| consumer.position()) else { return };
        let mut failed = Vec::new();
        for at in positions.elements() {
            let (Offset::Offset(next), Some(followed)) = (at.offset(), self.followed.get_mut(at.topic())) else { continue };
            let Some(track) = followed.partitions.get_mut(&at.partition()).filter(|t| !t.another && t.mark.next < next) else {
                continue;
            };
            track.mark.next = next;
            let mark = [track.mark];
            match followed.queue.index.apply(Vec::new(), &mark) {
                Ok(()) => followed.read_to(&mark),
                Err(error) => failed.push((at.topic().to_owned(), error)),
            }
        }
        for (name, error) in failed {
            self.failed(&name, &error);
        }
    }

    fn write(&mut self, name: &str, letters: Vec<Letter>) -> Result<(), IndexError> {
        let Some(followed) = self.followed.get(name) else { return Ok(()) };
        let touched: HashSet<i32> = letters.iter().map(|l| l.position.partition).collect();
        let marks: Vec<Mark> = touched.iter().filter_map(|p| Some(followed.partitions.get(p)?.mark)).collect();
        followed.queue.index.apply(letters, &marks)?;
        followed.read_to(&marks);
        Ok(())
    }

    /// An index that cannot be written is taken up again from where it is; one that is damaged, from nothing.
    fn failed(&mut self, name: &str, error: &IndexError) {
        tracing::warn!(queue = name, %error, "the index of a dead letter queue is behind; trying again");
        self.followed.remove(name);
        if error.is_corrupt() {
            self.shared.forget(name);
        }
        self.remembered.get_or_insert_default().insert(name.to_owned());
        self.due = Instant::now() + LOOK_AGAIN;
    }
}

impl Followed {
    fn publish(&self, connectors: std::collections::BTreeSet<String>, ends: &[(i32, i64, i64)]) {
        let mut state = self.queue.state.lock();
        state.connectors = connectors;
        for (partition, start, end) in ends {
            let Some(track) = self.partitions.get(partition) else { continue };
            state.partitions.insert(*partition, Progress { start: *start, next: track.mark.next, end: *end });
        }
    }

    fn read_to(&self, marks: &[Mark]) {
        let mut state = self.queue.state.lock();
        for mark in marks {
            let progress = state.partitions.entry(mark.partition).or_default();
            progress.next = mark.next;
            progress.end = progress.end.max(mark.next);
        }
    }
}

impl Track {
    /// Whether a record is to be indexed.
    fn takes(&mut self, message: &impl Message) -> bool {
        let offset = message.offset();
        if self.another {
            return false;
        }
        if let Some(seen) = self.mark.seen.filter(|_| self.verify) {
            // One that the log has not any more tells nothing.
            self.verify = offset < seen.offset;
            self.another = offset == seen.offset && hash(message) != seen.hash;
        }
        if self.another || offset < self.mark.next {
            return false;
        }
        self.mark.next = offset + 1;
        self.mark.seen = Some(Seen { offset, hash: hash(message) });
        true
    }
}

/// What tells a record from one that came to its place. Another version of this costs no more than a new index.
fn hash(message: &impl Message) -> i64 {
    let mut hasher = DefaultHasher::new();
    (message.timestamp().to_millis(), message.key(), message.payload()).hash(&mut hasher);
    hasher.finish() as i64
}
