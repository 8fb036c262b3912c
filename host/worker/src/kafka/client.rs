//! Builds librdkafka configurations out of Connect's settings.
//!
//! Precedence, lowest first: what the caller needs by default, the worker's own client settings (`security.protocol`,
//! ...), its `producer.*`, `consumer.*` or `admin.*`, and the connector's `producer.override.*` and so on. The Java
//! client's names are translated; one without a counterpart is reported once by [`ClientSettings::unmapped`].

use millrace_record::RawConfig;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use super::java::{Translated, is_number, translate};
use super::native;
use crate::task::KafkaClients;

/// The context of the worker's own clients. Whoever waits for one of them says what is wrong, once and in our words;
/// librdkafka would repeat it several times a second for as long as Kafka is down.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "{message}");
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
    }
}

impl ConsumerContext for Quiet {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKind {
    Producer,
    Consumer,
    Admin,
}

impl ClientKind {
    pub const ALL: [ClientKind; 3] = [ClientKind::Producer, ClientKind::Consumer, ClientKind::Admin];

    pub fn name(self) -> &'static str {
        match self {
            ClientKind::Producer => "producer",
            ClientKind::Consumer => "consumer",
            ClientKind::Admin => "admin",
        }
    }
}

/// Settings of the worker itself that are those of every Kafka client.
const COMMON: &[&str] = &[
    "security.protocol",
    "client.dns.lookup",
    "metadata.max.age.ms",
    "metadata.recovery.strategy",
    "metadata.recovery.rebootstrap.trigger.ms",
    "connections.max.idle.ms",
    "receive.buffer.bytes",
    "send.buffer.bytes",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "request.timeout.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "socket.connection.setup.timeout.ms",
];

/// The worker's client settings; makes the configuration of any client of the worker or of a task.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    bootstrap: String,
    worker: RawConfig,
}

impl ClientSettings {
    /// `worker` is the worker's settings as written.
    pub fn new(bootstrap: impl Into<String>, worker: RawConfig) -> Self {
        ClientSettings { bootstrap: bootstrap.into(), worker }
    }

    /// `connector` is the connector's configuration, or empty for the worker's own clients.
    pub fn client(&self, kind: ClientKind, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", client_id);
        for (_, name, value) in self.written(kind, connector) {
            if let Translated::As(pairs) = translate(kind, name, value) {
                for (name, value) in pairs {
                    config.set(name, value);
                }
            }
        }
        config
    }

    /// Settings of a client that librdkafka has no counterpart for, with the reason: a full key, a text.
    pub fn unmapped(&self, kind: ClientKind, connector: &RawConfig) -> Vec<(String, String)> {
        let written = self.written(kind, connector);
        let unmapped = written.filter_map(|(key, name, value)| match translate(kind, name, value) {
            Translated::As(_) => None,
            Translated::Dropped(why) => Some((key.to_owned(), why)),
        });
        unmapped.collect()
    }

    /// Settings of a client whose value librdkafka does not take: a full key, why.
    pub fn refused(&self, kind: ClientKind, connector: &RawConfig) -> Vec<(String, String)> {
        let written = self.written(kind, connector);
        let refused = written.filter_map(|(key, name, value)| match translate(kind, name, value) {
            Translated::As(pairs) => Some((key.to_owned(), pairs.iter().find_map(|(n, v)| refused(n, v))?)),
            Translated::Dropped(_) => None,
        });
        refused.collect()
    }

    /// (full key, the client's name for it, value), lowest precedence first.
    fn written<'a>(
        &'a self,
        kind: ClientKind,
        connector: &'a RawConfig,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> + use<'a> {
        let common = self.worker.iter().filter(|(k, _)| {
            COMMON.contains(&k.as_str()) || k.starts_with("sasl.") || k.starts_with("ssl.") || k.starts_with("socket.")
        });
        let common = common.map(|(k, v)| (k.as_str(), k.as_str(), v.as_str()));
        let own = prefixed(&self.worker, kind.name(), ".");
        let overrides = prefixed(connector, kind.name(), ".override.");
        common.chain(own).chain(overrides)
    }
}

/// librdkafka reads as much of a number as there is.
fn refused(name: &str, value: &str) -> Option<String> {
    if is_number(name) && value.parse::<i64>().is_err() {
        return Some(format!("\"{value}\" is not a whole number"));
    }
    native::refused(name, value)
}

fn prefixed<'a>(
    config: &'a RawConfig,
    kind: &'static str,
    infix: &'static str,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> + use<'a> {
    config.iter().filter_map(move |(k, v)| {
        let name = k.strip_prefix(kind)?.strip_prefix(infix)?;
        (infix != "." || !name.starts_with("override.")).then_some((k.as_str(), name, v.as_str()))
    })
}

impl KafkaClients for ClientSettings {
    fn producer(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig {
        self.client(ClientKind::Producer, client_id, connector, defaults)
    }
    fn consumer(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig {
        self.client(ClientKind::Consumer, client_id, connector, defaults)
    }
    fn admin(&self, client_id: &str, connector: &RawConfig, defaults: &[(&str, &str)]) -> ClientConfig {
        self.client(ClientKind::Admin, client_id, connector, defaults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> RawConfig {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn the_connectors_word_counts_last() {
        let worker = map(&[
            ("security.protocol", "SASL_SSL"),
            ("producer.linger.ms", "5"),
            ("producer.override.linger.ms", "6"),
            ("consumer.max.poll.records", "10"),
            ("group.id", "connect"),
        ]);
        let settings = ClientSettings::new("localhost:9092", worker);
        let connector = map(&[("producer.override.linger.ms", "7")]);
        let c = settings.producer("x", &connector, &[("linger.ms", "1"), ("acks", "all")]);
        let get = |k| c.get(k);
        assert_eq!(
            [get("linger.ms"), get("acks"), get("security.protocol"), get("group.id"), get("bootstrap.servers")],
            [Some("7"), Some("all"), Some("SASL_SSL"), None, Some("localhost:9092")]
        );
        assert_eq!(settings.producer("x", &RawConfig::new(), &[]).get("linger.ms"), Some("5"));
        assert_eq!(settings.unmapped(ClientKind::Consumer, &connector).len(), 1);
    }
}
