//! Keys beyond Connect's.

use super::{NULL, Row};
use millrace_record::config::{ConfigType, Importance, Width};

use ConfigType::{Boolean, Int, List, Long, String as Text};
use Importance::Low;
use Width::{Long as Wide, Medium as Mid, Short as Narrow};

/// Group of our own keys.
const PLUGIN: &str = "Plugin";

/// Of every connector.
pub(super) const EXTENSIONS: &[Row] = &[
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
    (
        "plugin.http.hosts",
        List,
        "",
        Low,
        PLUGIN,
        11,
        Wide,
        "HTTP hosts",
        "Hosts that the plugin may reach by the capability http: names, *.name, addresses or networks such as 10.0.0.0/8, with :port where only that is meant. Addresses that are not of the internet must be listed as such.",
    ),
    (
        "plugin.state.max.bytes",
        Long,
        "16777216",
        Low,
        PLUGIN,
        12,
        Narrow,
        "State bytes",
        "The most bytes that the plugin may keep as its state, in each task.",
    ),
    (
        "plugin.state.max.entries",
        Long,
        "100000",
        Low,
        PLUGIN,
        13,
        Narrow,
        "State entries",
        "The most entries that the plugin may keep as its state, in each task.",
    ),
];

/// Of sinks alone.
pub(super) const SINK_EXTENSIONS: &[Row] = &[
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

/// The least value of each of our own numbers.
pub(super) const AT_LEAST: &[(&str, i64)] = &[
    ("plugin.memory.limit.bytes", 65_536),
    ("plugin.call.deadline.ms", 1),
    ("plugin.state.max.bytes", 1_024),
    ("plugin.state.max.entries", 1),
    ("batch.max.records", 1),
    ("batch.max.bytes", 1_024),
    ("retry.max.attempts", 1),
    ("retry.backoff.ms", 1),
    ("retry.backoff.max.ms", 1),
    ("offset.flush.interval.ms", 1),
    ("offset.flush.timeout.ms", 1),
];
