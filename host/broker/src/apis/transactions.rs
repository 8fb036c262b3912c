//! Transactions on the wire.

use super::{Context, code};
use crate::groups::Identity;
use crate::transactions::Producer;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// Older versions know a fenced producer by its epoch only.
fn for_version(error: ResponseError, version: i16, knows_fenced_from: i16) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if version < knows_fenced_from => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}

pub async fn init_producer(context: &Context<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let transactions = &context.shared.transactions;
    let given = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let current = (context.version >= 3 && given.id >= 0).then_some(given);
    let result = match request.transactional_id.as_ref().map(|id| id.as_str()) {
        None => transactions.new_producer().await,
        Some("") => Err(ResponseError::InvalidRequest),
        Some(id) => transactions.init(id, request.transaction_timeout_ms, current, &context.shared.topics).await,
    };
    let response = InitProducerIdResponse::default();
    match result {
        Ok(producer) => response.with_producer_id(ProducerId(producer.id)).with_producer_epoch(producer.epoch),
        Err(error) => response
            .with_error_code(for_version(error, context.version, 4).code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}

pub fn add_partitions(context: &Context, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let asked = &request.v3_and_below_topics;
    let each = || asked.iter().flat_map(|topic| topic.partitions.iter().map(|index| (topic.name.to_string(), *index)));
    let is_known = |topic: &str, index: i32| context.shared.topics.partition(topic, index).is_some();
    let all_known = each().all(|(topic, index)| is_known(&topic, index));
    let added = if all_known {
        let producer = Producer { id: request.v3_and_below_producer_id.0, epoch: request.v3_and_below_producer_epoch };
        context.shared.transactions.add_partitions(&request.v3_and_below_transactional_id, producer, each())
    } else {
        // All or none: those that exist are told that they were not tried.
        Err(ResponseError::OperationNotAttempted)
    };
    let added = added.map_err(|error| for_version(error, context.version, 2));
    let results = asked.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            let result = if is_known(&topic.name, *index) { added } else { Err(ResponseError::UnknownTopicOrPartition) };
            AddPartitionsToTxnPartitionResult::default().with_partition_index(*index).with_partition_error_code(code(result))
        });
        AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub fn add_offsets(context: &Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let added = context.shared.transactions.add_offsets(&request.transactional_id, producer);
    AddOffsetsToTxnResponse::default().with_error_code(code(added.map_err(|error| for_version(error, context.version, 2))))
}

pub fn commit_offsets(context: &Context, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let group = request.group_id.as_str();
    let identity = Identity {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    // A producer that names no member of the group commits for itself alone.
    let speaks_for_member = context.version >= 3 && (!request.member_id.is_empty() || request.generation_id >= 0);
    let allowed = if speaks_for_member { context.shared.groups.check_commit(group, identity) } else { Ok(()) };
    let mut offsets = Vec::new();
    let mut failed = None;
    for (topic, asked) in request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (&topic.name, p))) {
        let metadata = asked.committed_metadata.as_deref();
        let checked = super::offsets::committed(
            context,
            topic,
            asked.partition_index,
            asked.committed_offset,
            asked.committed_leader_epoch,
            metadata,
        );
        match checked {
            Ok(offset) => offsets.push(offset),
            Err(error) => failed = Some(error),
        }
    }
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let result = allowed.and_then(|()| failed.map_or(Ok(()), Err)).and_then(|()| {
        let held = context.shared.transactions.commit_offsets(&request.transactional_id, producer, group, offsets);
        held.map_err(|error| for_version(error, 0, 1))
    });
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            TxnOffsetCommitResponsePartition::default().with_partition_index(asked.partition_index).with_error_code(code(result))
        });
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

pub async fn end(context: &Context<'_>, request: EndTxnRequest) -> EndTxnResponse {
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let shared = context.shared;
    let ended = shared.transactions.end(&request.transactional_id, producer, request.committed, &shared.topics).await;
    EndTxnResponse::default().with_error_code(code(ended.map_err(|error| for_version(error, context.version, 2))))
}
