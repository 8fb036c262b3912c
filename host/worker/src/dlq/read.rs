//! Dead letters read from their topic again, by their positions.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::Position;
use crate::kafka::client::Quiet;

/// How long the log may give nothing.
const STALL_MAX: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_millis(100);
/// Offsets up to which it is cheaper to read on than to go there.
const SKIP_MAX: i64 = 2_000;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read dead letter queue \"{queue}\": {source}; check that Kafka runs")]
    Kafka { queue: String, source: KafkaError },
    #[error("dead letter queue \"{queue}\" gives nothing for {} s; check that Kafka runs", STALL_MAX.as_secs())]
    Stalled { queue: String },
}

/// Settings of a reader's consumer beyond the worker's.
pub(super) const DEFAULTS: [(&str, &str); 7] = [
    // Never joined: librdkafka wants a name.
    ("group.id", "millrace-dead-letters-read"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("queued.max.messages.kbytes", "4096"),
    ("reconnect.backoff.ms", "20"),
];

/// Reads one queue, forwards.
pub struct Reader {
    queue: String,
    consumer: BaseConsumer<Quiet>,
    /// What comes next; none: nothing was asked for yet.
    next: Option<Position>,
}

impl Reader {
    pub fn new(queue: &str, config: &ClientConfig) -> Result<Reader, ReadError> {
        let made = config.create_with_context(Quiet);
        let consumer = made.map_err(|source| ReadError::Kafka { queue: queue.to_owned(), source })?;
        Ok(Reader { queue: queue.to_owned(), consumer, next: None })
    }

    /// Gives the records at these positions, in log order; those that the log has not any more are left out. False from `each`
    /// ends it. Blocks.
    pub fn read(&mut self, of: &[Position], mut each: impl FnMut(&BorrowedMessage<'_>) -> bool) -> Result<(), ReadError> {
        let mut left = of.iter().copied().peekable();
        let mut heard = Instant::now();
        while let Some(wanted) = left.peek().copied() {
            if !self.next.is_some_and(|n| n.partition == wanted.partition && (0..=SKIP_MAX).contains(&(wanted.offset - n.offset)))
            {
                self.go_to(wanted)?;
            }
            match self.consumer.poll(WAIT) {
                None => {}
                Some(Ok(message)) => {
                    let found = Position { partition: message.partition(), offset: message.offset() };
                    if found.partition != wanted.partition {
                        continue;
                    }
                    self.next = Some(Position { offset: found.offset + 1, ..found });
                    while left.next_if(|p| p.partition == found.partition && p.offset < found.offset).is_some() {}
                    if left.next_if_eq(&found).is_some() && !each(&message) {
                        return Ok(());
                    }
                    // Who takes them may be slow.
                    heard = Instant::now();
                    continue;
                }
                // What is wanted of it was a mark of a transaction, or is not there any more.
                Some(Err(KafkaError::PartitionEOF(partition))) if partition == wanted.partition => {
                    while left.next_if(|p| p.partition == partition).is_some() {}
                    self.next = None;
                }
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    let (start, end) = self.ends(wanted.partition)?;
                    let gone = |p: &Position| p.partition == wanted.partition && !(start..end).contains(&p.offset);
                    while left.next_if(gone).is_some() {}
                    self.next = None;
                }
                Some(Err(error)) => tracing::debug!(%error, queue = self.queue, "cannot read dead letters for now"),
            }
            if heard.elapsed() > STALL_MAX {
                return Err(ReadError::Stalled { queue: self.queue.clone() });
            }
        }
        Ok(())
    }

    fn failed(&self, source: KafkaError) -> ReadError {
        ReadError::Kafka { queue: self.queue.clone(), source }
    }

    fn go_to(&mut self, wanted: Position) -> Result<(), ReadError> {
        let mut at = TopicPartitionList::new();
        let offset = Offset::Offset(wanted.offset);
        at.add_partition_offset(&self.queue, wanted.partition, offset).map_err(|e| self.failed(e))?;
        self.consumer.assign(&at).map_err(|e| self.failed(e))?;
        self.next = Some(wanted);
        Ok(())
    }

    fn ends(&self, partition: i32) -> Result<(i64, i64), ReadError> {
        self.consumer.fetch_watermarks(&self.queue, partition, STALL_MAX).map_err(|e| self.failed(e))
    }
}
