//! Topics on the wire: create, delete, grow, and delete records.

use super::{Context, refusal, text};
use crate::journal::Entry;
use crate::topics::Refusal;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Runs work on files where it may wait for the disk.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("admin work does not panic")
}

pub async fn create_topics(context: &Context<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.clone();
        let settings: BTreeMap<String, String> = topic
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
            .collect();
        let created = match partitions_of(&topic) {
            Ok(partitions) => {
                let (shared, name, settings) = (context.shared.clone(), name.to_string(), settings.clone());
                off_thread(move || shared.topics.create(&name, partitions, settings, request.validate_only)).await
            }
            Err(refusal) => Err(refusal),
        };
        let result = CreatableTopicResult::default().with_name(name);
        results.push(match created {
            Ok((id, partitions)) => described(context.version, result, id, partitions, &settings),
            Err(refused) => {
                let (error, message) = refusal(Err(refused));
                result.with_error_code(error).with_error_message(message)
            }
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn described(
    version: i16,
    mut result: CreatableTopicResult,
    id: Uuid,
    partitions: i32,
    settings: &BTreeMap<String, String>,
) -> CreatableTopicResult {
    if version >= 7 {
        result.topic_id = id;
    }
    if version >= 5 {
        let config = |(name, value): (&String, &String)| {
            CreatableTopicConfigs::default().with_name(text(name)).with_value(Some(text(value))).with_config_source(1)
        };
        result.num_partitions = partitions;
        result.replication_factor = 1;
        result.configs = Some(settings.iter().map(config).collect());
    }
    result
}

/// How many partitions a topic asks for, in one way or the other.
fn partitions_of(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let count = topic.assignments.len() as i32;
    if count == 0 {
        if !matches!(topic.replication_factor, -1 | 1) {
            let message = format!(
                "topic {:?} asks for {} replicas and the embedded broker is one machine; use 1, or -1 for the default",
                topic.name.as_str(),
                topic.replication_factor
            );
            return Err(Refusal::new(ResponseError::InvalidReplicationFactor, message));
        }
        return Ok(topic.num_partitions);
    }
    let mut indexes: Vec<i32> = topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let here = |broker_ids: &[kafka_protocol::messages::BrokerId]| matches!(broker_ids, [id] if id.0 == super::NODE_ID);
    if indexes != (0..count).collect::<Vec<_>>() || !topic.assignments.iter().all(|a| here(&a.broker_ids)) {
        let message =
            format!("topic {:?}: assign partitions 0 to {} to broker {}", topic.name.as_str(), count - 1, super::NODE_ID);
        return Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    }
    Ok(count)
}

pub async fn delete_topics(context: &Context<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut responses = Vec::with_capacity(request.topic_names.len());
    for name in request.topic_names {
        let (shared, wanted) = (context.shared.clone(), name.to_string());
        let (error, message) = refusal(off_thread(move || shared.topics.delete(&wanted)).await);
        let result = DeletableTopicResult::default().with_name(Some(name)).with_error_code(error);
        responses.push(if context.version >= 5 { result.with_error_message(message) } else { result });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

pub async fn create_partitions(context: &Context<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let (shared, name) = (context.shared.clone(), topic.name.to_string());
        let (error, message) = refusal(off_thread(move || shared.topics.grow(&name, topic.count, request.validate_only)).await);
        let result = CreatePartitionsTopicResult::default().with_name(topic.name).with_error_code(error);
        results.push(result.with_error_message(message));
    }
    CreatePartitionsResponse::default().with_results(results)
}

pub async fn delete_records(context: &Context<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let (shared, name, asked) = (context.shared.clone(), topic.name.to_string(), asked.clone());
            let index = asked.partition_index;
            let deleted = off_thread(move || {
                let topic = shared.topics.get(&name).ok_or(ResponseError::UnknownTopicOrPartition)?;
                let partition = topic.partition(index).ok_or(ResponseError::UnknownTopicOrPartition)?;
                let config = topic.config();
                if config.compact && !config.delete {
                    return Err(ResponseError::PolicyViolation);
                }
                let offset = partition.check_start(asked.offset)?;
                let entry = Entry::LogStart { topic: name, partition: index, offset };
                shared.journal.write(vec![entry]).map_err(|_| ResponseError::KafkaStorageError)?;
                partition.set_start(offset);
                Ok(offset)
            });
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            partitions.push(match deleted.await {
                Ok(offset) => result.with_low_watermark(offset),
                Err(error) => result.with_error_code(error.code()).with_low_watermark(-1),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}
