//! Keys that every connector has, whatever its plugin: the definitions behind validation and the plugin listing.

use millrace_record::PluginKind;
use millrace_record::config::{ConfigKey, ConfigType, Default, Importance};

use super::infos::Definition;

use ConfigType::{Boolean, Class, Int, List, Long, Short, String as Text};
use Importance::{High, Low, Medium};

/// (name, type, default, importance, group, order, width, display name, documentation). A default of `REQUIRED` is none.
type Row = (&'static str, ConfigType, &'static str, Importance, &'static str, u32, &'static str, &'static str, &'static str);

const REQUIRED: &str = "\0required";
const NULL: &str = "\0null";
/// Group of our own keys.
const PLUGIN: &str = "Plugin";

const SHARED: &[Row] = &[
    ("name", Text, REQUIRED, High, "Common", 1, "MEDIUM", "Connector name", "Name of the connector, unique in the cluster."),
    (
        "connector.class",
        Text,
        REQUIRED,
        High,
        "Common",
        2,
        "LONG",
        "Connector class",
        "The plugin to run: a full class name, its simple name, its alias without \"Connector\", or the plugin's short name.",
    ),
    ("connector.plugin.version", Text, NULL, Medium, "Common", 3, "MEDIUM", "Connector version", "Version of the plugin."),
    ("tasks.max", Int, "1", High, "Common", 4, "SHORT", "Tasks max", "The most tasks that the connector is split into."),
    (
        "tasks.max.enforce",
        Boolean,
        "true",
        Low,
        "Common",
        5,
        "SHORT",
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
        "SHORT",
        "Key converter class",
        "Converter between a record's key and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "value.converter",
        Class,
        NULL,
        Low,
        "Common",
        8,
        "SHORT",
        "Value converter class",
        "Converter between a record's value and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "header.converter",
        Class,
        NULL,
        Low,
        "Common",
        10,
        "SHORT",
        "Header converter class",
        "Converter between a record's headers and the bytes in the log; the worker's when it is not given.",
    ),
    (
        "transforms",
        List,
        "",
        Low,
        "Transforms",
        12,
        "LONG",
        "Transforms",
        "Aliases of the transforms, in the order in which they are applied.",
    ),
    ("predicates", List, "", Low, "Predicates", 13, "LONG", "Predicates", "Aliases of the predicates that transforms refer to."),
    (
        "config.action.reload",
        Text,
        "restart",
        Low,
        "Common",
        14,
        "MEDIUM",
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
        "MEDIUM",
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
        "MEDIUM",
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
        "SHORT",
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
        "SHORT",
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
        "SHORT",
        "Log Error Details",
        "Whether the log names the topic, partition and offset of a record that failed.",
    ),
    (
        "plugin.grants",
        List,
        "",
        Low,
        PLUGIN,
        1,
        "LONG",
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
        "SHORT",
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
        "SHORT",
        "Call deadline",
        "The most computing time of one call into the plugin, in milliseconds.",
    ),
    ("batch.max.records", Int, "4096", Low, PLUGIN, 4, "SHORT", "Records a batch", "The most records of one poll or put."),
    ("batch.max.bytes", Int, "4194304", Low, PLUGIN, 5, "SHORT", "Bytes a batch", "About the most bytes of one poll or put."),
    (
        "retry.max.attempts",
        Int,
        "5",
        Low,
        PLUGIN,
        6,
        "SHORT",
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
        "SHORT",
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
        "SHORT",
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
        "SHORT",
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
        "SHORT",
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
        "LONG",
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
        "SHORT",
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
        "SHORT",
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
        "SHORT",
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
        "LONG",
        "Offsets topic",
        "A topic of the connector's own for its offsets.",
    ),
];

const SINK: &[Row] = &[
    ("topics", List, "", High, "Common", 4, "LONG", "Topics", "Topics to consume, separated by commas."),
    (
        "topics.regex",
        Text,
        "",
        High,
        "Common",
        4,
        "LONG",
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
        "MEDIUM",
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
        "MEDIUM",
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
        "MEDIUM",
        "Enable Error Context Headers",
        "Whether dead letters carry headers that say what failed where.",
    ),
    (
        "errors.deadletterqueue.context.headers.family",
        Text,
        "",
        Low,
        "Error Handling",
        9,
        "MEDIUM",
        "Error Context Headers",
        "Which headers dead letters carry: connect for __connect.errors.*, dlq for dlq.*, or both; empty: both where the topic's name holds {source_topic}, else connect.",
    ),
];

/// Allowed values of the keys that have a closed list.
const ALLOWED: &[(&str, &[&str])] = &[
    ("errors.tolerance", &["none", "all"]),
    ("errors.deadletterqueue.context.headers.family", &["", "connect", "dlq", "both"]),
    ("config.action.reload", &["none", "restart"]),
    ("exactly.once.support", &["requested", "required"]),
    ("transaction.boundary", &["poll", "interval", "connector"]),
];

/// The least value of the keys that have one.
pub const AT_LEAST: &[(&str, i64)] = &[
    ("tasks.max", 1),
    ("errors.retry.timeout", -1),
    ("errors.retry.delay.max.ms", 0),
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

/// Prefixes of keys that parts of the worker understand without a definition of their own.
pub const PREFIXES: &[&str] = &[
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "producer.override.",
    "consumer.override.",
    "admin.override.",
    "topic.creation.",
    "transforms.",
    "predicates.",
];

pub fn definitions(kind: PluginKind) -> Vec<Definition> {
    let own = if kind == PluginKind::Source { SOURCE } else { SINK };
    SHARED.iter().chain(own).map(definition).collect()
}

pub fn groups(kind: PluginKind) -> Vec<String> {
    let own: &[&str] =
        if kind == PluginKind::Source { &["Topic Creation", "Exactly Once Support", "offsets.topic"] } else { &[] };
    let shared = ["Common", "Transforms", "Predicates", "Error Handling"];
    shared.iter().chain(own).chain(&[PLUGIN]).map(|g| g.to_string()).collect()
}

fn definition(row: &Row) -> Definition {
    let (name, kind, default, importance, group, order, width, display, documentation) = *row;
    let allowed = ALLOWED.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, a)| a);
    Definition {
        width,
        key: ConfigKey {
            name: name.into(),
            kind,
            default: match default {
                REQUIRED => Default::Required,
                NULL => Default::Null,
                value => Default::Value(value.into()),
            },
            importance,
            documentation: documentation.into(),
            group: Some(group.into()),
            order,
            display_name: display.into(),
            dependents: Vec::new(),
            allowed: allowed.iter().map(|a| a.to_string()).collect(),
        },
    }
}

/// The keys of one alias in `transforms` or `predicates`.
pub fn of_alias(family: &str, alias: &str) -> Vec<Definition> {
    let (noun, group) = if family == "transforms" {
        ("Transformation", format!("Transforms: {alias}"))
    } else {
        ("Predicate", format!("Predicates: {alias}"))
    };
    let key = |name: &str, kind, default, order, display: String, documentation: &str| {
        let key = ConfigKey {
            name: format!("{family}.{alias}.{name}"),
            kind,
            default,
            importance: if order == 0 { High } else { Low },
            documentation: documentation.into(),
            group: Some(group.clone()),
            order,
            display_name: display,
            dependents: Vec::new(),
            allowed: Vec::new(),
        };
        Definition { key, width: "LONG" }
    };
    let mut keys =
        vec![key("type", Class, Default::Required, 0, format!("{noun} type for {alias}"), "The plugin, by its class or name.")];
    if family == "transforms" {
        let empty = || Default::Value(String::new());
        keys.push(key(
            "predicate",
            Text,
            empty(),
            1,
            format!("Predicate for {alias}"),
            "Alias of the predicate that a record must meet.",
        ));
        let negate = Default::Value("false".into());
        keys.push(key("negate", Boolean, negate, 2, format!("Negate for {alias}"), "Whether the predicate must not be met."));
        keys.push(key(
            "grants",
            List,
            empty(),
            3,
            format!("Grants for {alias}"),
            "Capabilities that the transform may use beyond the base.",
        ));
    }
    keys
}
