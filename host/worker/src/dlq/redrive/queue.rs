//! A queue read from a position on: the dead letters that a job may select, in their order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::dlq::Position;
use crate::kafka::client::Quiet;

/// How long the log may be silent before reading is given up for now.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_millis(100);
/// Positions that are asked for one by one are read in one go where no more than this lies between them.
const GAP_MAX: i64 = 500;

pub const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("group.id", "millrace-redrive"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    ("auto.offset.reset", "earliest"),
    ("allow.auto.create.topics", "false"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.wait.max.ms", "100"),
];

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("cannot read the queue \"{0}\": {1}")]
    Kafka(String, KafkaError),
    #[error("cannot read the queue \"{0}\": nothing came within {SILENCE_MAX:?}")]
    Silent(String),
}

/// Some of a queue.
#[derive(Debug, Default)]
pub struct Chunk {
    pub messages: Vec<OwnedMessage>,
    /// Where the next chunk begins; none: there is no more.
    pub next: Option<Position>,
    /// Positions that were asked for and are no longer there.
    pub missing: Vec<Position>,
}

/// See the module. All calls block.
pub struct QueueReader {
    queue: String,
    consumer: BaseConsumer<Quiet>,
    until: Vec<i64>,
    /// None: all.
    wanted: Option<BTreeSet<Position>>,
    /// What the consumer gives next.
    assigned: Option<Position>,
}

/// The first and the next offset of each partition of a topic; none: there is no such topic. Blocks.
pub fn bounds(config: &ClientConfig, topic: &str) -> Result<Option<Vec<(i64, i64)>>, KafkaError> {
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet)?;
    // Asked by its name, a broker may make it.
    let metadata = consumer.fetch_metadata(None, SILENCE_MAX)?;
    let Some(found) = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none()) else { return Ok(None) };
    let mut partitions: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
    partitions.sort_unstable();
    partitions.into_iter().map(|p| consumer.fetch_watermarks(topic, p, SILENCE_MAX)).collect::<Result<_, _>>().map(Some)
}

impl QueueReader {
    pub fn new(
        config: &ClientConfig,
        queue: &str,
        until: &[i64],
        wanted: Option<BTreeSet<Position>>,
    ) -> Result<Self, QueueError> {
        let failed = |e| QueueError::Kafka(queue.to_owned(), e);
        let consumer = config.create_with_context(Quiet).map_err(failed)?;
        Ok(QueueReader { queue: queue.to_owned(), consumer, until: until.to_vec(), wanted, assigned: None })
    }

    /// The first position from `from` on that may be wanted.
    fn seek(&self, from: Position) -> Option<Position> {
        let wanted = match &self.wanted {
            Some(wanted) => *wanted.range(from..).next()?,
            None => from,
        };
        let ends = self.until.iter().enumerate().skip(wanted.partition as usize);
        // Past the end of its partition it goes on with the next that has anything.
        ends.map(|(p, end)| (p as i32, *end))
            .find(|(p, end)| *end > if *p == wanted.partition { wanted.offset } else { 0 })
            .map(|(p, _)| if p == wanted.partition { wanted } else { Position { partition: p, offset: 0 } })
            .filter(|at| self.wanted.as_ref().is_none_or(|w| w.contains(at)))
    }

    /// At most `records`, about `bytes`, of one partition.
    pub fn read(&mut self, from: Position, records: usize, bytes: usize) -> Result<Chunk, QueueError> {
        let mut chunk = Chunk::default();
        let Some(mut at) = self.seek(from) else { return Ok(chunk) };
        let failed = |e| QueueError::Kafka(self.queue.clone(), e);
        let end = self.until[at.partition as usize];
        let (mut weight, mut heard) = (0, Instant::now());
        while at.offset < end && chunk.messages.len() < records && weight < bytes {
            let near = |a: &Position| a.partition == at.partition && (a.offset..=a.offset + GAP_MAX).contains(&at.offset);
            if !self.assigned.as_ref().is_some_and(near) {
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(&self.queue, at.partition, Offset::Offset(at.offset)).map_err(failed)?;
                self.consumer.assign(&list).map_err(failed)?;
                self.assigned = Some(at);
            }
            let reached = match self.consumer.poll(WAIT) {
                Some(Ok(m)) if m.partition() != at.partition || m.offset() < at.offset => {
                    heard = Instant::now();
                    continue;
                }
                Some(Ok(m)) => {
                    heard = Instant::now();
                    self.assigned = Some(Position { partition: at.partition, offset: m.offset() + 1 });
                    let found = Position { partition: at.partition, offset: m.offset() };
                    let take = found.offset < end && self.wanted.as_ref().is_none_or(|w| w.contains(&found));
                    // Those between are gone.
                    if let Some(wanted) = &self.wanted {
                        chunk.missing.extend(wanted.range(at..found));
                    }
                    if take {
                        weight += m.payload_len() + m.key_len();
                        chunk.messages.push(m.detach());
                    }
                    found.offset + 1
                }
                Some(Err(KafkaError::PartitionEOF(p))) if p == at.partition => {
                    // What was cut off, or ends with a transaction's marker.
                    let position = self.consumer.position().map_err(failed)?;
                    let here = position.find_partition(&self.queue, p).map(|e| e.offset());
                    let past = !matches!(here, Some(Offset::Offset(o)) if o < end);
                    if !past && heard.elapsed() < SILENCE_MAX {
                        continue;
                    }
                    if let Some(wanted) = &self.wanted {
                        let end = Position { partition: p, offset: end };
                        chunk.missing.extend(wanted.range(at..end));
                    }
                    end
                }
                Some(Err(KafkaError::PartitionEOF(_))) => continue,
                Some(Err(e)) if heard.elapsed() > SILENCE_MAX => return Err(failed(e)),
                None if heard.elapsed() > SILENCE_MAX => return Err(QueueError::Silent(self.queue.clone())),
                Some(Err(_)) | None => continue,
            };
            let next = Position { partition: at.partition, offset: reached };
            match self.seek(next) {
                Some(next) if next.partition == at.partition => at = next,
                further => {
                    chunk.next = further;
                    return Ok(chunk);
                }
            }
        }
        chunk.next = self.seek(at);
        Ok(chunk)
    }
}
