//! Offsets: of partitions by time, and of groups as they commit them.

use super::{Context, code};
use crate::groups::Identity;
use crate::journal::{CommittedOffset, Entry, TopicPartition};
use crate::log::Partition;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;

pub async fn list(context: &Context<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let response = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            let found = match context.shared.topics.partition(&topic.name, asked.partition_index) {
                Some(partition) => find(context, partition, asked.timestamp, committed).await,
                None => Err(ResponseError::UnknownTopicOrPartition),
            };
            let response = match found {
                Ok((timestamp, offset)) => response.with_timestamp(timestamp).with_offset(offset),
                Err(error) => response.with_error_code(error.code()).with_timestamp(-1).with_offset(-1),
            };
            let known = response.error_code == 0 && response.offset >= 0 && context.version >= 4;
            partitions.push(if known { response.with_leader_epoch(0) } else { response });
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// The timestamp and offset that answer one look-up; -1 and -1 when there is no such record.
async fn find(
    context: &Context<'_>,
    partition: Arc<Partition>,
    timestamp: i64,
    committed: bool,
) -> Result<(i64, i64), ResponseError> {
    let bounds = partition.bounds();
    let limit = if committed { bounds.last_stable } else { bounds.next };
    let unfolded_max = context.shared.config.limits.unfolded_bytes_max;
    match timestamp {
        LATEST => return Ok((-1, limit)),
        EARLIEST => return Ok((-1, bounds.start)),
        MAX_TIMESTAMP | 0.. => {}
        _ => return Err(ResponseError::UnsupportedVersion),
    }
    let look = move || -> io::Result<Option<(i64, i64)>> {
        if timestamp == MAX_TIMESTAMP {
            partition.offset_of_max_timestamp(unfolded_max)
        } else {
            partition.offset_at(timestamp, unfolded_max)
        }
    };
    match tokio::task::spawn_blocking(look).await.map_err(io::Error::other).flatten() {
        Ok(found) => Ok(found.filter(|(_, offset)| *offset < limit).unwrap_or((-1, -1))),
        Err(error) => {
            tracing::error!(%error, "cannot look up an offset by time");
            Err(ResponseError::KafkaStorageError)
        }
    }
}

/// Checks one offset to commit, and gives what is kept of it.
pub fn committed(
    context: &Context,
    topic: &str,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&str>,
) -> Result<(TopicPartition, CommittedOffset), ResponseError> {
    let metadata = metadata.unwrap_or_default();
    if context.shared.topics.partition(topic, partition).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    if metadata.len() > context.shared.config.limits.offset_metadata_bytes_max {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(((topic.to_owned(), partition), CommittedOffset { offset, leader_epoch, metadata: metadata.to_owned() }))
}

pub async fn commit(context: &Context<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let identity = Identity {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let allowed = if request.group_id.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        context.shared.groups.check_commit(&request.group_id, identity)
    };
    let mut offsets = Vec::new();
    let mut check = |topic: &str, asked: &OffsetCommitRequestPartition| {
        allowed?;
        let OffsetCommitRequestPartition { partition_index, committed_offset, committed_leader_epoch, .. } = *asked;
        let metadata = asked.committed_metadata.as_deref();
        offsets.push(committed(context, topic, partition_index, committed_offset, committed_leader_epoch, metadata)?);
        Ok(())
    };
    let mut topics: Vec<OffsetCommitResponseTopic> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|asked| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code(check(&topic.name, asked)))
        });
        let partitions = partitions.collect();
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions));
    }
    if !offsets.is_empty() {
        let journal = &context.shared.journal;
        let mut written = journal.write(vec![Entry::Offsets { group: request.group_id.to_string(), offsets }]);
        if written.is_ok() {
            written = journal.settle().await;
        }
        if written.is_err() {
            for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions).filter(|p| p.error_code == 0) {
                partition.error_code = ResponseError::CoordinatorNotAvailable.code();
            }
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

pub fn fetch(context: &Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let unstable =
        if request.require_stable { context.shared.transactions.unstable(&request.group_id) } else { Default::default() };
    let found: Vec<(TopicPartition, Option<CommittedOffset>)> = context.shared.journal.read(|state| {
        let known = state.offsets.get(request.group_id.as_str());
        match &request.topics {
            Some(topics) => {
                let one = |name: &TopicName, index: &i32| {
                    let at = (name.to_string(), *index);
                    let offset = known.and_then(|known| known.get(&at)).cloned();
                    (at, offset)
                };
                let each = topics.iter().flat_map(|topic| topic.partition_indexes.iter().map(|p| one(&topic.name, p)));
                each.collect()
            }
            None => known.into_iter().flatten().map(|(at, offset)| (at.clone(), Some(offset.clone()))).collect(),
        }
    });
    let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartition>> = BTreeMap::new();
    for (at, committed) in found {
        let response = OffsetFetchResponsePartition::default().with_partition_index(at.1);
        let response = if unstable.contains(&at) {
            response
                .with_error_code(ResponseError::UnstableOffsetCommit.code())
                .with_committed_offset(-1)
                .with_metadata(Some("".into()))
        } else {
            let offset = committed.as_ref().map_or(-1, |committed| committed.offset);
            let metadata = committed.as_ref().map_or("", |committed| &committed.metadata);
            response.with_committed_offset(offset).with_metadata(Some(super::text(metadata)))
        };
        let epoch = committed.map_or(-1, |committed| committed.leader_epoch);
        let response = if context.version >= 5 { response.with_committed_leader_epoch(epoch) } else { response };
        topics.entry(at.0).or_default().push(response);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetFetchResponseTopic::default().with_name(TopicName(super::text(&name))).with_partitions(partitions)
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

pub fn delete(context: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let group = request.group_id.to_string();
    let known = context.shared.journal.read(|state| state.offsets.contains_key(&group));
    if !known && context.shared.groups.view(&group).is_none() {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::GroupIdNotFound.code());
    }
    let mut partitions = Vec::new();
    let mut topics: Vec<OffsetDeleteResponseTopic> = Vec::new();
    for topic in &request.topics {
        let subscribed = context.shared.groups.is_subscribed(&group, &topic.name);
        let answers = topic.partitions.iter().map(|asked| {
            let error = if subscribed {
                ResponseError::GroupSubscribedToTopic.code()
            } else {
                partitions.push((topic.name.to_string(), asked.partition_index));
                0
            };
            OffsetDeleteResponsePartition::default().with_partition_index(asked.partition_index).with_error_code(error)
        });
        let answers = answers.collect();
        topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(answers));
    }
    let response = OffsetDeleteResponse::default();
    match context.shared.journal.write(vec![Entry::OffsetsDeleted { group, partitions }]) {
        Ok(()) => response.with_topics(topics),
        Err(_) => response.with_error_code(ResponseError::CoordinatorNotAvailable.code()),
    }
}
