//! What a sink consumes: topics by name, or all whose name matches Java's regular expression.
//!
//! The names behind an expression are found here, not by librdkafka, whose expressions are POSIX's. Every
//! `metadata.max.age.ms` the log is asked for its topics, and the subscription follows.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use millrace_record::{RawConfig, TaskError};
use rdkafka::consumer::{Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;

use crate::pattern::Pattern;

/// How long the log may take to name its topics.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// Kafka's own topics, which an expression never means.
const INTERNAL: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A sink's topics.
#[derive(Debug, Clone)]
pub enum Topics {
    Named(Vec<String>),
    Matching(Pattern),
}

impl Topics {
    /// Out of `topics` or `topics.regex`.
    pub fn new(config: &RawConfig) -> Result<Self, TaskError> {
        match config.get("topics.regex").filter(|r| !r.is_empty()) {
            None => Ok(Topics::Named(crate::transforms::list(config.get("topics")))),
            Some(regex) => Pattern::new(regex).map(Topics::Matching).map_err(|e| {
                let message = format!("\"topics.regex\" is \"{regex}\" but must be a regular expression: {e}");
                TaskError::config("topics.regex", message)
            }),
        }
    }

    /// Whether a topic of this name is consumed, if there is one.
    pub fn take(&self, topic: &str) -> bool {
        match self {
            Topics::Named(names) => names.iter().any(|n| n == topic),
            Topics::Matching(pattern) => !INTERNAL.contains(&topic) && pattern.matches(topic),
        }
    }
}

/// Keeps a consumer subscribed to the topics that there are, until the consumer is gone.
pub(super) async fn follow<C: ConsumerContext + 'static>(consumer: Weak<StreamConsumer<C>>, topics: Topics, every: Duration) {
    let mut subscribed = BTreeSet::new();
    let mut failing = false;
    loop {
        let Some(alive) = consumer.upgrade() else { return };
        let (wanted, before) = (topics.clone(), subscribed.clone());
        let done = tokio::task::spawn_blocking(move || refresh(&alive, &wanted, before)).await;
        match done {
            Ok(Ok(now)) => {
                if now != subscribed {
                    tracing::info!(topics = now.len(), "the topics that match topics.regex have changed");
                }
                subscribed = now;
                failing = false;
            }
            Ok(Err(error)) if !failing => {
                tracing::warn!(%error, "cannot look for topics that match topics.regex; still trying");
                failing = true;
            }
            Ok(Err(_)) => {}
            Err(_) => return,
        }
        // While nothing is known yet there is nothing to consume either.
        tokio::time::sleep(if failing { every.min(Duration::from_secs(1)) } else { every }).await;
    }
}

fn refresh<C: ConsumerContext>(
    consumer: &Arc<StreamConsumer<C>>,
    topics: &Topics,
    before: BTreeSet<String>,
) -> Result<BTreeSet<String>, KafkaError> {
    let metadata = consumer.fetch_metadata(None, METADATA_TIMEOUT)?;
    let now: BTreeSet<_> = metadata.topics().iter().map(|t| t.name()).filter(|t| topics.take(t)).map(str::to_owned).collect();
    if now != before {
        match now.is_empty() {
            // librdkafka takes no empty subscription.
            true => consumer.unsubscribe(),
            false => consumer.subscribe(&now.iter().map(String::as_str).collect::<Vec<_>>())?,
        }
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(key: &str, value: &str) -> Topics {
        Topics::new(&RawConfig::from([(key.to_owned(), value.to_owned())])).unwrap()
    }

    #[test]
    fn internal_topics_are_consumed_only_by_name() {
        let all = topics("topics.regex", ".*");
        assert!(all.take("orders") && all.take("__mine") && !all.take("__consumer_offsets"));
        let named = topics("topics", "orders, __consumer_offsets");
        assert!(named.take("orders") && named.take("__consumer_offsets") && !named.take("__mine"));
    }

    #[test]
    fn a_wrong_expression_is_named() {
        let wrong = RawConfig::from([("topics.regex".to_owned(), "(".to_owned())]);
        let error = Topics::new(&wrong).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("topics.regex"));
    }
}
