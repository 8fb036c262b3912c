//! A consumer group's committed offsets: read, set and forgotten from outside, while the group has no members. All of
//! this module's unsafe code is one admin call that the Kafka library's safe half does not offer.

use std::ffi::CString;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::client::Quiet;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Consumers are still in the group.
    #[error("consumer group \"{0}\" has members")]
    Members(String),
    #[error("Kafka refused to {what} of consumer group \"{group}\": {why}")]
    Refused { what: &'static str, group: String, why: KafkaError },
}

/// One committed offset; none: forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Committed {
    pub topic: String,
    pub partition: i32,
    pub offset: Option<i64>,
}

fn refused(what: &'static str, group: &str) -> impl Fn(KafkaError) -> GroupError {
    move |why| match why.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::NonEmptyGroup
            | RDKafkaErrorCode::GroupSubscribedToTopic
            | RDKafkaErrorCode::IllegalGeneration,
        ) => GroupError::Members(group.to_owned()),
        _ => GroupError::Refused { what, group: group.to_owned(), why },
    }
}

/// The offsets of a group in the topics that `wanted` picks. Blocks.
pub fn committed(config: &ClientConfig, group: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Committed>, GroupError> {
    let refused = refused("read offsets", group);
    let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet).map_err(&refused)?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(&refused)?;
    let mut partitions = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|t| wanted(t.name())) {
        for partition in topic.partitions() {
            partitions.add_partition(topic.name(), partition.id());
        }
    }
    if partitions.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(partitions, TIMEOUT).map_err(&refused)?;
    let mut offsets: Vec<_> = committed
        .elements()
        .into_iter()
        .filter_map(|e| match e.offset() {
            Offset::Offset(at) => Some(Committed { topic: e.topic().to_owned(), partition: e.partition(), offset: Some(at) }),
            _ => None,
        })
        .collect();
    offsets.sort();
    Ok(offsets)
}

/// Sets offsets, and forgets those that are none. Blocks.
pub fn alter(config: &ClientConfig, group: &str, offsets: &[Committed]) -> Result<(), GroupError> {
    let refused = refused("alter offsets", group);
    let mut set = TopicPartitionList::new();
    let mut forget = TopicPartitionList::new();
    for Committed { topic, partition, offset } in offsets {
        match offset {
            Some(at) => set.add_partition_offset(topic, *partition, Offset::Offset(*at)).map_err(&refused)?,
            None => drop(forget.add_partition(topic, *partition)),
        }
    }
    if set.count() > 0 {
        let consumer: BaseConsumer<Quiet> = config.create_with_context(Quiet).map_err(&refused)?;
        consumer.commit(&set, CommitMode::Sync).map_err(&refused)?;
    }
    if forget.count() > 0 {
        let admin: AdminClient<Quiet> = config.create_with_context(Quiet).map_err(&refused)?;
        forget_partitions(&admin, group, &forget).map_err(&refused)?;
    }
    Ok(())
}

/// Forgets the whole group. One that is not there is forgotten already.
pub async fn forget(config: &ClientConfig, group: &str) -> Result<(), GroupError> {
    let refused = refused("delete the offsets", group);
    let admin: AdminClient<Quiet> = config.create_with_context(Quiet).map_err(&refused)?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let answers = admin.delete_groups(&[group], &options).await.map_err(&refused)?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
            Err((_, code)) => return Err(refused(KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

fn forget_partitions(admin: &AdminClient<Quiet>, group: &str, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
    let name = CString::new(group).map_err(|_| KafkaError::AdminOp(RDKafkaErrorCode::InvalidGroupId))?;
    let started = Instant::now();
    // SAFETY: every pointer is checked or comes from a constructor that aborts when memory is out; what is made here is
    // destroyed here, once, and the event is read before it is destroyed. The client outlives the call.
    unsafe {
        let client = admin.inner().native_ptr();
        let mut request = rd::rd_kafka_DeleteConsumerGroupOffsets_new(name.as_ptr(), partitions.ptr());
        let queue = rd::rd_kafka_queue_new(client);
        rd::rd_kafka_DeleteConsumerGroupOffsets(client, &mut request, 1, std::ptr::null(), queue);
        let event = loop {
            let event = rd::rd_kafka_queue_poll(queue, 1_000);
            if event.is_null() && started.elapsed() < TIMEOUT {
                continue;
            }
            break event;
        };
        let outcome = outcome(event);
        if !event.is_null() {
            rd::rd_kafka_event_destroy(event);
        }
        rd::rd_kafka_queue_destroy(queue);
        rd::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
        outcome
    }
}

/// The first error of an answer.
///
/// # Safety
/// `event` is null, or an event of a `DeleteConsumerGroupOffsets` that nobody has destroyed.
unsafe fn outcome(event: *mut rd::rd_kafka_event_t) -> Result<(), KafkaError> {
    let failed = |code: rd::rd_kafka_resp_err_t| match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(KafkaError::AdminOp(code)),
    };
    if event.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: the event is alive, and so is what it points into.
    unsafe {
        failed(rd::rd_kafka_event_error(event))?;
        let answer = rd::rd_kafka_event_DeleteConsumerGroupOffsets_result(event);
        if answer.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::Fail));
        }
        let mut count = 0;
        let groups = rd::rd_kafka_DeleteConsumerGroupOffsets_result_groups(answer, &mut count);
        for i in 0..count {
            let group = *groups.add(i);
            let error = rd::rd_kafka_group_result_error(group);
            if !error.is_null() {
                failed(rd::rd_kafka_error_code(error))?;
            }
            let partitions = rd::rd_kafka_group_result_partitions(group);
            for p in 0..if partitions.is_null() { 0 } else { (*partitions).cnt } {
                match failed((*(*partitions).elems.add(p as usize)).err) {
                    // What is forgotten already.
                    Err(KafkaError::AdminOp(RDKafkaErrorCode::GroupIdNotFound)) | Ok(()) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
