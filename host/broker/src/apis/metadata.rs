//! What there is: the broker, its topics and their partitions, who coordinates.

use super::{Context, NODE_ID, text};
use crate::topics::{Refusal, Topic, check_name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterResponse, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::sync::Arc;

fn host(context: &Context) -> StrBytes {
    StrBytes::from_string(context.shared.address.ip().to_string())
}

fn port(context: &Context) -> i32 {
    i32::from(context.shared.address.port())
}

pub async fn metadata(context: &Context<'_>, request: MetadataRequest) -> MetadataResponse {
    let version = context.version;
    // In version 0 an empty list stands for all topics, later null does.
    let wanted = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let may_create = version < 4 || request.allow_auto_topic_creation;
    let topics = match wanted {
        None => context.shared.topics.all().iter().map(|topic| describe(version, topic)).collect(),
        Some(wanted) => {
            let mut topics = Vec::with_capacity(wanted.len());
            for wanted in wanted {
                topics.push(match wanted.name {
                    Some(name) => by_name(context, name, may_create).await,
                    None => by_id(context, wanted.topic_id),
                });
            }
            topics
        }
    };
    let broker =
        MetadataResponseBroker::default().with_node_id(BrokerId(NODE_ID)).with_host(host(context)).with_port(port(context));
    let mut response = MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics);
    if version >= 1 {
        response.controller_id = BrokerId(NODE_ID);
    }
    if version >= 2 {
        response.cluster_id = Some(text(&context.shared.cluster_id));
    }
    response
}

async fn by_name(context: &Context<'_>, name: TopicName, may_create: bool) -> MetadataResponseTopic {
    let mut found = context.shared.topics.get(&name);
    let mut error = ResponseError::UnknownTopicOrPartition;
    if found.is_none() && may_create && context.shared.config.auto_create_topics {
        let (shared, wanted) = (context.shared.clone(), name.to_string());
        let create = move || shared.topics.create(&wanted, -1, BTreeMap::new(), false);
        match tokio::task::spawn_blocking(create).await {
            Ok(Err(Refusal { error: refused, message })) if refused != ResponseError::TopicAlreadyExists => {
                tracing::warn!(topic = %name.as_str(), reason = %message, "cannot create a topic that a client asked for");
                error = refused;
            }
            _ => found = context.shared.topics.get(&name),
        }
    } else if found.is_none() && check_name(&name).is_err() {
        error = ResponseError::InvalidTopicException;
    }
    match found {
        Some(topic) => describe(context.version, &topic),
        None => MetadataResponseTopic::default().with_error_code(error.code()).with_name(Some(name)),
    }
}

fn by_id(context: &Context, id: uuid::Uuid) -> MetadataResponseTopic {
    match context.shared.topics.all().iter().find(|topic| topic.id == id) {
        Some(topic) => describe(context.version, topic),
        None => MetadataResponseTopic::default()
            .with_error_code(ResponseError::UnknownTopicId.code())
            .with_name(if context.version >= 12 { None } else { Some(TopicName(text(""))) })
            .with_topic_id(id),
    }
}

fn describe(version: i16, topic: &Arc<Topic>) -> MetadataResponseTopic {
    let partition = |index| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_replica_nodes(vec![BrokerId(NODE_ID)])
            .with_isr_nodes(vec![BrokerId(NODE_ID)]);
        if version >= 7 { partition.with_leader_epoch(0) } else { partition }
    };
    let described = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(&topic.name))))
        .with_partitions((0..topic.partition_count()).map(partition).collect());
    if version >= 10 { described.with_topic_id(topic.id) } else { described }
}

pub fn describe_cluster(context: &Context) -> DescribeClusterResponse {
    let broker =
        DescribeClusterBroker::default().with_broker_id(BrokerId(NODE_ID)).with_host(host(context)).with_port(port(context));
    DescribeClusterResponse::default()
        .with_cluster_id(text(&context.shared.cluster_id))
        .with_controller_id(BrokerId(NODE_ID))
        .with_brokers(vec![broker])
}

/// Groups and transactions are all coordinated here.
pub fn find_coordinator(context: &Context) -> FindCoordinatorResponse {
    FindCoordinatorResponse::default().with_node_id(BrokerId(NODE_ID)).with_host(host(context)).with_port(port(context))
}
