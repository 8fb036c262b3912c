//! Keys that every connector has, whatever its plugin: the definitions behind validation and the plugin listing.

use std::sync::LazyLock;

use millrace_record::PluginKind;
use millrace_record::config::{ConfigKey, ConfigType, Default, Importance, Validator, Width};

use super::infos::Definition;

use ConfigType::{Boolean, Class, Int, List, Long, Short, String as Text};
use Importance::{High, Low, Medium};
use Width::{Long as Wide, Medium as Mid, Short as Narrow};

/// (name, type, default, importance, group, order, width, display name, documentation). A default of `REQUIRED` is none.
type Row = (&'static str, ConfigType, &'static str, Importance, &'static str, u32, Width, &'static str, &'static str);

const REQUIRED: &str = "\0required";
const NULL: &str = "\0null";
/// Group of our own keys.
const PLUGIN: &str = "Plugin";

const SHARED: &[Row] = &[
    ("name", Text, REQUIRED, High, "Common", 1, Mid, "Connector name", "Name of the connector, unique in the cluster."),
    (
        "connector.class",
        Text,
        REQUIRED,
        High,
        "Common",
        2,
        Wide,
        "Connector class",
        "The plugin to run: a full class name, its simple name, its alias without \"Connector\", or the plugin's short name.",
    ),
    (
        "connector.plugin.version",
        Text,
        NULL,
        Medium,
        "Common",
        3,
        Mid,
        "Connector version",
        "Version of the plugin: one, or a range as Maven writes it.",
    ),
    ("tasks.max", Int, "1", High, "Common", 4, Narrow, "Tasks max", "The most tasks that the connector is split into."),
    (
        "tasks.max.enforce",
        Boolean,
        "true",
        Low,
        "Common",
        5,
        Narrow,
        "Enforce tasks max",
        "Whether the connector fails when its plugin makes more tasks than \"tasks.max\".",
    ),
    (
        "key.converter",
        Class,
        NULL,
        Low,
        "Common",
        6,
        Narrow,
        "Key converter class",
        "Converter between a record's key and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "key.converter.plugin.version",
        Text,
        NULL,
        Low,
        "Common",
        7,
        Narrow,
        "Key converter version",
        "Version of the converter: one, or a range as Maven writes it.",
    ),
    (
        "value.converter",
        Class,
        NULL,
        Low,
        "Common",
        8,
        Narrow,
        "Value converter class",
        "Converter between a record's value and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "value.converter.plugin.version",
        Text,
        NULL,
        Low,
        "Common",
        9,
        Narrow,
        "Value converter version",
        "Version of the converter: one, or a range as Maven writes it.",
    ),
    (
        "header.converter",
        Class,
        NULL,
        Low,
        "Common",
        10,
        Narrow,
        "Header converter class",
        "Converter between a record's headers and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "header.converter.plugin.version",
        Text,
        NULL,
        Low,
        "Common",
        11,
        Narrow,
        "Header converter version",
        "Version of the converter: one, or a range as Maven writes it.",
    ),
    (
        "transforms",
        List,
        "",
        Low,
        "Transforms",
        12,
        Wide,
        "Transforms",
        "Aliases of the transforms, in the order in which they are applied.",
    ),
    ("predicates", List, "", Low, "Predicates", 13, Wide, "Predicates", "Aliases of the predicates that transforms refer to."),
    (
        "config.action.reload",
        Text,
        "restart",
        Low,
        "Common",
        14,
        Mid,
        "Reload Action",
        "What to do when a config provider says that a value it gave has changed: restart or none. Kafka's own providers never say so; what changed takes effect when the task is restarted.",
    ),
    (
        "errors.retry.timeout",
        Long,
        "0",
        Medium,
        "Error Handling",
        1,
        Mid,
        "Retry Timeout for Errors",
        "How long, in milliseconds, a failed record is tried again; 0: not at all, -1: for ever.",
    ),
    (
        "errors.retry.delay.max.ms",
        Long,
        "60000",
        Medium,
        "Error Handling",
        2,
        Mid,
        "Maximum Delay Between Retries for Errors",
        "The longest wait between two tries of a record, in milliseconds.",
    ),
    (
        "errors.tolerance",
        Text,
        "none",
        Medium,
        "Error Handling",
        3,
        Narrow,
        "Error Tolerance",
        "none: a record that fails stops the task. all: it is skipped, or goes to the dead letter queue.",
    ),
    (
        "errors.log.enable",
        Boolean,
        "false",
        Medium,
        "Error Handling",
        4,
        Narrow,
        "Log Errors",
        "Whether tolerated errors are logged too.",
    ),
    (
        "errors.log.include.messages",
        Boolean,
        "false",
        Medium,
        "Error Handling",
        5,
        Narrow,
        "Log Error Details",
        "Whether the log names the topic, partition and offset of a record that failed.",
    ),
];

/// Keys beyond Connect's.
const EXTENSIONS: &[Row] = &[
    (
        "plugin.grants",
        List,
        "",
        Low,
        PLUGIN,
        1,
        Wide,
        "Grants",
        "Capabilities that the plugin may use beyond the base, such as files or postgres.",
    ),
    (
        "plugin.memory.limit.bytes",
        Long,
        NULL,
        Low,
        PLUGIN,
        2,
        Narrow,
        "Memory limit",
        "The most memory of one instance of the plugin, in bytes.",
    ),
    (
        "plugin.call.deadline.ms",
        Long,
        NULL,
        Low,
        PLUGIN,
        3,
        Narrow,
        "Call deadline",
        "The most computing time of one call into the plugin, in milliseconds.",
    ),
    ("batch.max.records", Int, "4096", Low, PLUGIN, 4, Narrow, "Records a batch", "The most records of one poll or put."),
    ("batch.max.bytes", Int, "4194304", Low, PLUGIN, 5, Narrow, "Bytes a batch", "About the most bytes of one poll or put."),
    (
        "retry.max.attempts",
        Int,
        "5",
        Low,
        PLUGIN,
        6,
        Narrow,
        "Attempts",
        "How often a call into the plugin is tried before the task shows FAILED and starts afresh.",
    ),
    (
        "retry.backoff.ms",
        Long,
        "1000",
        Low,
        PLUGIN,
        7,
        Narrow,
        "First back-off",
        "The wait before the second try, in milliseconds; it doubles with each.",
    ),
    (
        "retry.backoff.max.ms",
        Long,
        "60000",
        Low,
        PLUGIN,
        8,
        Narrow,
        "Longest back-off",
        "The longest wait between two tries, in milliseconds.",
    ),
    (
        "offset.flush.interval.ms",
        Long,
        NULL,
        Low,
        PLUGIN,
        9,
        Narrow,
        "Flush interval",
        "How often offsets are committed, in milliseconds; the worker's when it is not given, else 1000.",
    ),
    (
        "offset.flush.timeout.ms",
        Long,
        NULL,
        Low,
        PLUGIN,
        10,
        Narrow,
        "Flush time-out",
        "How long a stopping task waits for the log, in milliseconds; the worker's when it is not given, else 5000.",
    ),
];

const SOURCE: &[Row] = &[
    (
        "topic.creation.groups",
        List,
        "",
        Low,
        "Topic Creation",
        1,
        Wide,
        "Topic Creation Groups",
        "Groups of topics that the worker makes with settings of their own.",
    ),
    (
        "exactly.once.support",
        Text,
        "requested",
        Medium,
        "Exactly Once Support",
        2,
        Narrow,
        "Exactly once support",
        "requested: exactly once where it can be had. required: refused, sources deliver at least once.",
    ),
    (
        "transaction.boundary",
        Text,
        "poll",
        Medium,
        "Exactly Once Support",
        3,
        Narrow,
        "Transaction Boundary",
        "Where transactions end with exactly-once delivery; without it, it has no effect.",
    ),
    (
        "transaction.boundary.interval.ms",
        Long,
        NULL,
        Low,
        "Exactly Once Support",
        4,
        Narrow,
        "Transaction boundary interval",
        "How long a transaction lasts with the boundary \"interval\"; without exactly-once delivery it has no effect.",
    ),
    (
        "offsets.storage.topic",
        Text,
        NULL,
        Low,
        "offsets.topic",
        1,
        Wide,
        "Offsets topic",
        "A topic of the connector's own for its offsets.",
    ),
];

const SINK: &[Row] = &[
    ("topics", List, "", High, "Common", 4, Wide, "Topics", "Topics to consume, separated by commas."),
    (
        "topics.regex",
        Text,
        "",
        High,
        "Common",
        4,
        Wide,
        "Topics regex",
        "A regular expression for the names of the topics to consume; either this or \"topics\".",
    ),
    (
        "errors.deadletterqueue.topic.name",
        Text,
        "",
        Medium,
        "Error Handling",
        6,
        Mid,
        "Dead Letter Queue Topic Name",
        "Topic that takes records that failed; {source_topic} and {connector} stand for those; empty: none.",
    ),
    (
        "errors.deadletterqueue.topic.replication.factor",
        Short,
        "3",
        Medium,
        "Error Handling",
        7,
        Mid,
        "Dead Letter Queue Topic Replication Factor",
        "Replicas of the dead letter queue's topic when it is made.",
    ),
    (
        "errors.deadletterqueue.context.headers.enable",
        Boolean,
        "false",
        Medium,
        "Error Handling",
        8,
        Mid,
        "Enable Error Context Headers",
        "Whether dead letters carry headers that say what failed where.",
    ),
];

/// Of sinks alone.
const SINK_EXTENSIONS: &[Row] = &[
    (
        "errors.deadletterqueue.context.headers.family",
        Text,
        "",
        Low,
        "Error Handling",
        9,
        Mid,
        "Error Context Headers",
        "Which headers dead letters carry: connect for __connect.errors.*, dlq for dlq.*, or both; empty: both where the topic's name holds {source_topic}, else connect.",
    ),
    (
        crate::registry::monitor::STOP,
        Boolean,
        NULL,
        Low,
        "Error Handling",
        10,
        Narrow,
        "Stop on incompatible schema",
        "Whether the connector stops, with its tasks FAILED, before it puts a record of a schema that is not compatible with those accepted so far. Where it is not set, the rules of the schema monitor say.",
    ),
];

/// What values must be.
fn rules(mut key: ConfigKey) -> ConfigKey {
    let validator = match key.name.as_str() {
        "name" => Validator::Name,
        "tasks.max" => Validator::AtLeast(1),
        "transforms" | "predicates" | "topic.creation.groups" => Validator::Aliases,
        "exactly.once.support" => Validator::OneOfIgnoringCase(&["REQUIRED", "REQUESTED"]),
        "transaction.boundary" => Validator::OneOfIgnoringCase(&["INTERVAL", "POLL", "CONNECTOR"]),
        "offsets.storage.topic" => Validator::NonEmpty,
        "topics" => Validator::Distinct { empty: true },
        "topics.regex" => crate::pattern::REGEX,
        "errors.deadletterqueue.context.headers.family" => return key.allowed(["", "connect", "dlq", "both"]),
        "config.action.reload" => return key.allowed(["none", "restart"]),
        "errors.tolerance" => return key.allowed(["none", "all"]),
        _ => return key,
    };
    key.validators.push(validator);
    key
}

/// The least value of each of our own numbers.
const AT_LEAST: &[(&str, i64)] = &[
    ("plugin.memory.limit.bytes", 65_536),
    ("plugin.call.deadline.ms", 1),
    ("batch.max.records", 1),
    ("batch.max.bytes", 1_024),
    ("retry.max.attempts", 1),
    ("retry.backoff.ms", 1),
    ("retry.backoff.max.ms", 1),
    ("offset.flush.interval.ms", 1),
    ("offset.flush.timeout.ms", 1),
];

/// Connect's groups, in its order; keys of later ones come with their owner.
pub fn groups(kind: PluginKind) -> Vec<String> {
    let own: &[&str] =
        if kind == PluginKind::Source { &["Topic Creation", "Exactly Once Support", "offsets.topic"] } else { &[] };
    SHARED_GROUPS.iter().chain(own).map(|g| g.to_string()).collect()
}

pub const SHARED_GROUPS: &[&str] = &["Common", "Transforms", "Predicates", "Error Handling"];

/// Keys of any connector.
pub fn shared() -> &'static [Definition] {
    static KEYS: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SHARED));
    &KEYS
}

/// Keys of sources or of sinks.
pub fn of_kind(kind: PluginKind) -> &'static [Definition] {
    static SOURCES: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SOURCE));
    static SINKS: LazyLock<Vec<Definition>> = LazyLock::new(|| definitions(SINK));
    match kind {
        PluginKind::Source => &SOURCES,
        PluginKind::Sink => &SINKS,
        PluginKind::Transform => &[],
    }
}

/// Keys beyond Connect's.
pub fn extensions(kind: PluginKind) -> impl Iterator<Item = &'static Definition> {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(|| EXTENSIONS.iter().map(extension).collect());
    static SINKS: LazyLock<Vec<Definition>> = LazyLock::new(|| SINK_EXTENSIONS.iter().map(extension).collect());
    let own: &[Definition] = if kind == PluginKind::Sink { &SINKS } else { &[] };
    own.iter().chain(ALL.iter())
}

fn extension(row: &Row) -> Definition {
    let mut key = rules(key(row));
    key.extension = true;
    if let Some((_, least)) = AT_LEAST.iter().find(|(name, _)| *name == key.name) {
        key = key.must(Validator::AtLeast(*least));
    }
    key.into()
}

fn definitions(rows: &[Row]) -> Vec<Definition> {
    rows.iter().map(|row| rules(key(row)).into()).collect()
}

fn key(row: &Row) -> ConfigKey {
    let (name, kind, default, importance, group, order, width, display, documentation) = *row;
    let default = match default {
        REQUIRED => Default::Required,
        NULL => Default::Null,
        value => Default::Value(value.into()),
    };
    ConfigKey::new(name, kind, default, importance, documentation).shown(Some(group), order, width, display)
}
