//! Which topics are dead letter queues: those that connectors name and that are there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use millrace_record::RawConfig;

use crate::errors::queue_name::QueueName;
use crate::errors::retention;
use crate::pattern::Pattern;
use crate::providers::Providers;
use crate::storage::configs::ConfigStore;

const TOPIC: &str = "errors.deadletterqueue.topic.name";
/// What says which queues a connector has, and how long it keeps them.
const KEYS: [&str; 5] = [TOPIC, "topics", "topics.regex", retention::RECORDS, "name"];

/// A queue as connectors name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub connectors: BTreeSet<String>,
    /// The most records that it keeps; where connectors differ, the most of all. None: one of them keeps all.
    pub records_max: Option<u64>,
}

/// Whether any connector names a queue.
pub fn any(configs: &ConfigStore) -> bool {
    configs.names().iter().any(|name| configs.get(name).is_some_and(|s| named(&s.config)))
}

fn named(config: &RawConfig) -> bool {
    config.get(TOPIC).is_some_and(|t| !t.trim().is_empty())
}

/// The queues that connectors name among the topics that there are.
pub fn queues(configs: &ConfigStore, providers: &Providers, topics: &HashSet<String>) -> BTreeMap<String, Named> {
    let mut all: BTreeMap<String, Named> = BTreeMap::new();
    for connector in configs.names() {
        let Some(state) = configs.get(&connector).filter(|s| named(&s.config)) else { continue };
        let mut config: RawConfig = KEYS.iter().filter_map(|k| Some(((*k).to_owned(), state.config.get(*k)?.clone()))).collect();
        if config.values().any(|v| v.contains("${")) {
            match providers.resolve(&config) {
                Ok(resolved) => config = resolved.config,
                // The connector's task says so.
                Err(_) => continue,
            }
        }
        let records_max = config.get(retention::RECORDS).and_then(|v| v.trim().parse::<u64>().ok()).filter(|n| *n > 0);
        for queue in queues_of(&config, &connector, topics) {
            match all.get_mut(&queue) {
                None => drop(all.insert(queue, Named { connectors: BTreeSet::from([connector.clone()]), records_max })),
                Some(of) => {
                    of.connectors.insert(connector.clone());
                    of.records_max = of.records_max.zip(records_max).map(|(a, b)| a.max(b));
                }
            }
        }
    }
    all
}

fn queues_of(config: &RawConfig, connector: &str, topics: &HashSet<String>) -> Vec<String> {
    let text = |key: &str| config.get(key).map(|v| v.trim()).filter(|v| !v.is_empty());
    let Some(Ok(name)) = text(TOPIC).map(QueueName::parse) else { return Vec::new() };
    let queues: Vec<String> = match (name.by_source(), text("topics"), text("topics.regex")) {
        (false, ..) => name.known(&[], connector),
        (true, Some(list), _) => {
            let list: Vec<String> = list.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
            name.known(&list, connector)
        }
        (true, None, Some(regex)) => {
            let Ok(pattern) = Pattern::new(regex) else { return Vec::new() };
            topics.iter().filter(|t| pattern.matches(t)).map(|t| name.of(t, connector)).collect()
        }
        // A source's topics are its own affair.
        (true, None, None) => topics.iter().map(|t| name.of(t, connector)).collect(),
    };
    queues.into_iter().filter(|q| topics.contains(q)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &[(&str, &str)], expected: &[&str]) {
        let config: RawConfig = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let topics = ["a", "b", "a.dlq", "b.dlq", "dead-my_sink", "other"].map(str::to_owned).into();
        let mut found = queues_of(&config, "my sink", &topics);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn queues_are_topics_that_are_there() {
        check(&[(TOPIC, "other"), ("topics", "a")], &["other"]);
        check(&[(TOPIC, "missing"), ("topics", "a")], &[]);
        check(&[(TOPIC, "dead-{connector}"), ("topics", "a")], &["dead-my_sink"]);
        check(&[(TOPIC, "{source_topic}.dlq"), ("topics", "a, c")], &["a.dlq"]);
        check(&[(TOPIC, "{source_topic}.dlq"), ("topics.regex", "[ab]")], &["a.dlq", "b.dlq"]);
        check(&[(TOPIC, "{source_topic}.dlq")], &["a.dlq", "b.dlq"]);
        check(&[(TOPIC, "{wrong}")], &[]);
    }
}
