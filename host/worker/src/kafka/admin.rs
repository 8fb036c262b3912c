//! Topics: made when they are missing, checked when they are there.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::client::Quiet;
use crate::config::Storage;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("cannot make a Kafka client: {0}; check the worker's client settings")]
    Client(rdkafka::error::KafkaError),
    #[error("cannot {what} topic \"{topic}\": {why}; {remedy}")]
    Request { what: &'static str, topic: String, why: String, remedy: &'static str },
    #[error(
        "topic \"{topic}\" of \"{setting}\" has cleanup.policy={found}, so its oldest records, the worker's state, would be deleted: set cleanup.policy=compact on it, or name another topic"
    )]
    NotCompacted { topic: String, setting: &'static str, found: String },
    #[error(
        "topic \"{topic}\" of \"{setting}\" has {found} partitions but must have one, so that its records keep their order: name another topic"
    )]
    Partitions { topic: String, setting: &'static str, found: usize },
}

/// Makes and checks topics, with a client of its own that lives as long as this does.
pub struct Admin {
    client: AdminClient<Quiet>,
    options: AdminOptions,
}

impl Admin {
    pub fn new(config: &ClientConfig) -> Result<Self, TopicError> {
        let client = config.create_with_context(Quiet).map_err(TopicError::Client)?;
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT));
        Ok(Admin { client, options })
    }

    /// An internal topic: compacted, as many partitions as set when it is made. `setting` is the key that names it.
    pub async fn compacted(&self, storage: &Storage, setting: &'static str) -> Result<(), TopicError> {
        let topic = &storage.topic;
        let mut new = NewTopic::new(topic, storage.partitions, TopicReplication::Fixed(storage.replication))
            .set("cleanup.policy", "compact");
        for (name, value) in storage.settings.iter().filter(|(n, _)| n != "cleanup.policy") {
            new = new.set(name, value);
        }
        let request = |what, why: String, remedy| TopicError::Request { what, topic: topic.clone(), why, remedy };
        let answer = self.client.create_topics([&new], &self.options).await;
        let answer = answer.map_err(|e| request("reach", e.to_string(), "check \"bootstrap.servers\" and that Kafka runs"))?;
        match answer.into_iter().next() {
            Some(Ok(_)) => {
                tracing::info!(topic, partitions = storage.partitions, "internal topic created");
                return Ok(());
            }
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                let why = format!("the cluster has fewer than {} brokers", storage.replication);
                return Err(request("create", why, "set its \"*.replication.factor\" to at most the number of brokers"));
            }
            Some(Err((_, code @ RDKafkaErrorCode::TopicAuthorizationFailed)))
            | Some(Err((_, code @ RDKafkaErrorCode::ClusterAuthorizationFailed))) => {
                // The topic may be there although we may not make it; reading it will tell.
                tracing::warn!(topic, %code, "not allowed to create the internal topic; using it as it is");
            }
            Some(Err((
                _,
                code
                @ (RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut | RDKafkaErrorCode::NotController),
            ))) => {
                return Err(request("reach", code.to_string(), "check \"bootstrap.servers\" and that Kafka runs"));
            }
            Some(Err((_, code))) => return Err(request("create", code.to_string(), "create it by hand, compacted")),
            None => return Err(request("create", "no answer".into(), "try again")),
        }
        self.check(storage, setting).await
    }

    /// How many brokers there are, if one answers.
    pub fn brokers(&self) -> Option<i32> {
        let metadata = self.client.inner().fetch_metadata(None, REQUEST_TIMEOUT).ok()?;
        i32::try_from(metadata.brokers().len()).ok().filter(|n| *n > 0)
    }

    async fn check(&self, storage: &Storage, setting: &'static str) -> Result<(), TopicError> {
        let topic = storage.topic.clone();
        if ["config.storage.topic", "kafkastore.topic"].contains(&setting) {
            let metadata = self.client.inner().fetch_metadata(Some(&topic), REQUEST_TIMEOUT);
            let found = metadata.ok().and_then(|m| m.topics().first().map(|t| t.partitions().len())).unwrap_or(1);
            if found > 1 {
                return Err(TopicError::Partitions { topic, setting, found });
            }
        }
        let described = self.client.describe_configs([&ResourceSpecifier::Topic(&topic)], &self.options).await;
        let policy = match described.map(|d| d.into_iter().next()) {
            Ok(Some(Ok(resource))) => resource.get("cleanup.policy").and_then(|e| e.value.clone()),
            Ok(Some(Err(error))) => {
                tracing::warn!(topic, %error, "cannot read the internal topic's settings; it must be compacted");
                None
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(topic, %error, "cannot read the internal topic's settings; it must be compacted");
                None
            }
        };
        match policy {
            Some(found) if found.trim() != "compact" => Err(TopicError::NotCompacted { topic, setting, found }),
            _ => Ok(()),
        }
    }
}
