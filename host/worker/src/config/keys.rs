//! Every worker setting by Connect's name: type, default, and whether this worker acts on it.

use millrace_record::config::ConfigType;

use super::security_keys::SECURITY_KEYS;

/// What the worker does with a setting of Connect's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Honoured,
    /// Accepted, because a Connect worker file may hold it, and without effect; the text says what holds instead.
    NoEffect(&'static str),
}

pub struct WorkerKey {
    pub name: &'static str,
    pub kind: ConfigType,
    /// None: no value unless given.
    pub default: Option<&'static str>,
    pub support: Support,
}

use ConfigType::{Boolean as Bool, Int, List, Long, Short, String as Text};
use Support::{Honoured, NoEffect};

const fn key(name: &'static str, kind: ConfigType, default: Option<&'static str>, support: Support) -> WorkerKey {
    WorkerKey { name, kind, default, support }
}

const ONE_WORKER: Support = NoEffect("one worker runs all connectors of a group");
const ONE_VERSION: Support = NoEffect("converters are part of the worker, in one version");

/// All of them, ours behind Connect's.
pub const WORKER_KEYS: &[WorkerKey] = &[
    key("bootstrap.servers", List, None, Honoured),
    key("group.id", Text, None, Honoured),
    key("client.id", Text, Some(""), Honoured),
    key("key.converter", Text, Some("org.apache.kafka.connect.json.JsonConverter"), Honoured),
    key("value.converter", Text, Some("org.apache.kafka.connect.json.JsonConverter"), Honoured),
    key("header.converter", Text, Some("org.apache.kafka.connect.storage.SimpleHeaderConverter"), Honoured),
    key("key.converter.plugin.version", Text, None, ONE_VERSION),
    key("value.converter.plugin.version", Text, None, ONE_VERSION),
    key("header.converter.plugin.version", Text, None, ONE_VERSION),
    key("offset.flush.interval.ms", Long, None, Honoured),
    key("offset.flush.timeout.ms", Long, Some("5000"), Honoured),
    key("task.shutdown.graceful.timeout.ms", Long, Some("5000"), Honoured),
    key("plugin.path", List, None, Honoured),
    key("listeners", List, Some("http://127.0.0.1:8083"), Honoured),
    key("rest.advertised.host.name", Text, None, Honoured),
    key("rest.advertised.port", Int, None, Honoured),
    key("rest.advertised.listener", Text, None, Honoured),
    key("config.storage.topic", Text, None, Honoured),
    key("config.storage.replication.factor", Short, Some("3"), Honoured),
    key("offset.storage.topic", Text, None, Honoured),
    key("offset.storage.partitions", Int, Some("25"), Honoured),
    key("offset.storage.replication.factor", Short, Some("3"), Honoured),
    key("status.storage.topic", Text, None, Honoured),
    key("status.storage.partitions", Int, Some("5"), Honoured),
    key("status.storage.replication.factor", Short, Some("3"), Honoured),
    key("topic.tracking.enable", Bool, Some("true"), Honoured),
    key("topic.tracking.allow.reset", Bool, Some("true"), Honoured),
    key("topic.creation.enable", Bool, Some("true"), Honoured),
    key("connector.client.config.override.policy", Text, Some("All"), Honoured),
    key("connector.client.config.override.allowlist", List, Some(""), Honoured),
    key("exactly.once.source.support", Text, Some("disabled"), Honoured),
    key("plugin.discovery", Text, None, NoEffect("plugins are components, found by reading plugin.path")),
    key("config.providers", List, Some(""), Honoured),
    key("rest.extension.classes", List, None, NoEffect("REST extensions are Java classes")),
    key("access.control.allow.origin", Text, None, Honoured),
    key("access.control.allow.methods", Text, None, Honoured),
    key("response.http.headers.config", Text, None, Honoured),
    key("admin.listeners", List, None, Honoured),
    key("metric.reporters", List, None, NoEffect("reporters are Java classes")),
    key("metrics.num.samples", Int, None, NoEffect("reporters are Java classes")),
    key("metrics.recording.level", Text, None, NoEffect("reporters are Java classes")),
    key("metrics.sample.window.ms", Long, None, NoEffect("reporters are Java classes")),
    key("auto.include.jmx.reporter", Bool, None, NoEffect("there is no JMX")),
    key("connect.protocol", Text, None, ONE_WORKER),
    key("heartbeat.interval.ms", Int, None, ONE_WORKER),
    key("session.timeout.ms", Int, None, ONE_WORKER),
    key("rebalance.timeout.ms", Int, None, ONE_WORKER),
    key("scheduled.rebalance.max.delay.ms", Int, None, ONE_WORKER),
    key("worker.sync.timeout.ms", Int, None, ONE_WORKER),
    key("worker.unsync.backoff.ms", Int, None, ONE_WORKER),
    key("inter.worker.key.generation.algorithm", Text, None, ONE_WORKER),
    key("inter.worker.key.size", Int, None, ONE_WORKER),
    key("inter.worker.key.ttl.ms", Int, None, ONE_WORKER),
    key("inter.worker.signature.algorithm", Text, None, ONE_WORKER),
    key("inter.worker.verification.algorithms", List, None, ONE_WORKER),
    key("offset.storage.file.filename", Text, None, NoEffect("offsets are kept in offset.storage.topic")),
    key("rest.host.name", Text, None, NoEffect("Kafka Connect 3 removed it: set \"listeners\"")),
    key("rest.port", Int, None, NoEffect("Kafka Connect 3 removed it: set \"listeners\"")),
    key("internal.key.converter", Text, None, NoEffect("internal topics are JSON without schemas")),
    key("internal.value.converter", Text, None, NoEffect("internal topics are JSON without schemas")),
    key("schema.registry.url", List, None, Honoured),
    // Of the embedded Schema Registry; the names are Confluent's where it has them.
    key("schema.registry.listener", Text, Some("http://127.0.0.1:8081"), Honoured),
    key("kafkastore.topic", Text, Some("_schemas"), Honoured),
    key("kafkastore.topic.replication.factor", Short, Some("3"), Honoured),
    // Of every Kafka client.
    key("security.protocol", Text, None, Honoured),
    key("security.providers", Text, None, NoEffect("security providers are Java classes")),
    key("client.dns.lookup", Text, None, Honoured),
    key("metadata.max.age.ms", Long, None, Honoured),
    key("metadata.recovery.strategy", Text, None, Honoured),
    key("metadata.recovery.rebootstrap.trigger.ms", Long, None, Honoured),
    key("connections.max.idle.ms", Long, None, Honoured),
    key("receive.buffer.bytes", Int, None, Honoured),
    key("send.buffer.bytes", Int, None, Honoured),
    key("reconnect.backoff.ms", Long, None, Honoured),
    key("reconnect.backoff.max.ms", Long, None, Honoured),
    key("request.timeout.ms", Int, None, Honoured),
    key("socket.connection.setup.timeout.ms", Long, None, Honoured),
    key("socket.connection.setup.timeout.max.ms", Long, None, NoEffect("the set-up time-out does not grow")),
    // Ours.
    key("data.dir", Text, Some("./millrace-data"), Honoured),
    key("plugin.grants.allowed", List, None, Honoured),
    key("plugin.http.hosts.allowed", List, None, Honoured),
    key("plugin.state.topic", Text, None, Honoured),
    key("dlq.redrive.topic", Text, None, Honoured),
    key("plugin.kafka.topics.allowed", List, None, Honoured),
    key("plugin.cache.max.bytes", Long, Some("2147483648"), Honoured),
    key("embedded.broker.listener", Text, Some("127.0.0.1:9092"), Honoured),
    key("embedded.broker.flush", Text, Some("interval"), Honoured),
    key("listeners.allow.unauthenticated", Bool, Some("false"), Honoured),
    key("plugin.upload.enabled", Bool, None, Honoured),
    key("plugin.upload.max.bytes", Long, Some("134217728"), Honoured),
    key("plugin.upload.require.digest", Bool, Some("false"), Honoured),
    key("plugin.upload.require.signature", Bool, Some("false"), Honoured),
    key("plugin.upload.keys", List, None, Honoured),
    key("log.level", Text, Some("info"), Honoured),
    key("schema.monitor.enabled", Bool, Some("true"), Honoured),
    key("schema.monitor.interval.ms", Long, Some("30000"), Honoured),
    key("schema.monitor.topic", Text, Some("_millrace_schema_changes"), Honoured),
    key("schema.monitor.webhook.urls", List, None, Honoured),
    key("schema.monitor.webhook.format", Text, Some("generic"), Honoured),
    key("schema.monitor.webhook.secret", Text, None, Honoured),
    // Defaults of every connector, see its own settings of these names.
    key("batch.max.records", Int, None, Honoured),
    key("batch.max.bytes", Int, None, Honoured),
    key("retry.max.attempts", Int, None, Honoured),
    key("retry.backoff.ms", Long, None, Honoured),
    key("retry.backoff.max.ms", Long, None, Honoured),
    key("task.restart.max.attempts", Int, None, Honoured),
    key("task.restart.fatal.max.attempts", Int, None, Honoured),
    key("task.stuck.after.ms", Long, None, Honoured),
    key("errors.tolerance", Text, None, Honoured),
    key("errors.retry.timeout", Long, None, Honoured),
    key("errors.retry.delay.max.ms", Long, None, Honoured),
    key("errors.log.enable", Bool, None, Honoured),
    key("errors.log.include.messages", Bool, None, Honoured),
];

/// Families of settings that somebody else understands: converters, Kafka clients, topics, providers.
pub const WORKER_PREFIXES: &[&str] = &[
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "producer.",
    "consumer.",
    "admin.",
    "sasl.",
    "ssl.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "config.providers.",
    "admin.listeners.",
    "listeners.https.",
    "metrics.context.",
    "internal.key.converter.",
    "internal.value.converter.",
    "socket.",
    "topic.creation.",
];

pub fn all() -> impl Iterator<Item = &'static WorkerKey> {
    WORKER_KEYS.iter().chain(SECURITY_KEYS)
}

pub fn find(name: &str) -> Option<&'static WorkerKey> {
    all().find(|k| k.name == name)
}

/// The known setting that differs least from a misspelt one.
pub fn nearest(name: &str) -> Option<&'static str> {
    let (distance, key) = all().map(|k| (distance(name, k.name), k.name)).min()?;
    (distance <= 1 + name.len() / 8).then_some(key)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
