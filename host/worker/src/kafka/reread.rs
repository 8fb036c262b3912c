//! Single records read again from the log, by their offsets.

use std::time::{Duration, Instant};

use millrace_record::TaskError;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::Quiet;

/// How long all of them may take.
const TIME_MAX: Duration = Duration::from_secs(30);
/// How long one wait is.
const WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// The records at `places`, in their order. Blocks. One that is no longer there is an error: nobody can keep it any more.
pub fn reread(config: &ClientConfig, places: &[Place]) -> Result<Vec<OwnedMessage>, TaskError> {
    let failed = |e: KafkaError| TaskError::retriable("kafka.consume", format!("cannot read records again: {e}"));
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet).map_err(failed)?;
    let until = Instant::now() + TIME_MAX;
    let mut found = Vec::with_capacity(places.len());
    for place in places {
        let Place { topic, partition, offset } = place;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(failed)?;
        consumer.assign(&list).map_err(failed)?;
        let gone = || {
            let message = format!(
                "record {topic}-{partition}@{offset} failed at the flush and is no longer in the log, so the dead letter queue cannot have it; keep the topic's records longer (\"retention.ms\")"
            );
            TaskError::fatal("kafka.gone", message)
        };
        loop {
            match consumer.poll(WAIT) {
                // Of the assignment before this one.
                Some(Ok(m)) if m.topic() != topic || m.partition() != *partition || m.offset() < *offset => {}
                Some(Ok(m)) if m.offset() == *offset => {
                    found.push(m.detach());
                    break;
                }
                Some(Ok(_)) | Some(Err(KafkaError::PartitionEOF(_))) => return Err(gone()),
                Some(Err(e)) => tracing::debug!(error = %e, "cannot read a record again for now"),
                None => {}
            }
            if Instant::now() > until {
                let message = format!("record {topic}-{partition}@{offset} could not be read again within {TIME_MAX:?}");
                return Err(TaskError::retriable("kafka.consume", message));
            }
        }
    }
    Ok(found)
}
