//! What the plugin says of itself: its names and its settings.

use millrace_plugin::{ConfigKey, PluginInfo};

use crate::options::known::ACCEPTED;

/// The database that is captured.
pub const BINDING: &str = "source";
/// Debezium's class name.
pub const DEBEZIUM: &str = "io.debezium.connector.postgresql.PostgresConnector";

/// Settings with something of one's own in their name: how they begin stands for all of them.
pub const FAMILIES: [(&str, &str, &str); 3] = [
    ("column.mask.with.N.chars", "column.mask.with.", "Columns whose values become N asterisks."),
    ("column.truncate.to.N.chars", "column.truncate.to.", "Columns of whose values N characters stay."),
    (
        "snapshot.select.statement.overrides.SCHEMA.TABLE",
        "snapshot.select.statement.overrides.",
        "The statement that reads the table in a snapshot.",
    ),
];
/// Of those that are accepted: they are read.
const READ: [(&str, &str); 4] = [
    ("database.sslpassword", "Refused: encrypted keys are not offered."),
    ("flush.lsn.source", "The older name of lsn.flush.mode: true is connector, false is manual."),
    ("logical.decoding.message.prefix.include.list", "The longer name of message.prefix.include.list."),
    ("logical.decoding.message.prefix.exclude.list", "The longer name of message.prefix.exclude.list."),
];
const NO_EFFECT: &str = "Warning: this setting of Debezium's is accepted and has no effect: what it is about goes by itself here, or is the worker's.";

/// A key: its name, its default (`-`: none, `!`: required), what it does.
type Row = (&'static str, &'static str, &'static str);

const CONNECTION: &[Row] = &[
    ("database.hostname", "!", "The host of the server."),
    ("database.port", "5432", "Its port."),
    ("database.user", "!", "The user; needs the attribute REPLICATION and SELECT on the tables."),
    ("database.dbname", "!", "The database to capture."),
    ("database.sslmode", "prefer", "disable, allow, prefer, require, verify-ca or verify-full."),
    ("database.sslrootcert", "-", "A file with the certificates to trust."),
    ("database.sslcert", "-", "A file with the client's certificate."),
    ("database.sslkey", "-", "A file with the client's key."),
];

const STREAM: &[Row] = &[
    ("topic.prefix", "!", "What topics start with, and the name of the source: letters, digits, dot, hyphen and underscore."),
    ("plugin.name", "pgoutput", "The logical decoding plugin: pgoutput."),
    ("slot.name", "debezium", "The replication slot; made when it is not there."),
    ("slot.drop.on.stop", "false", "Drop the slot when the connector stops: what changes meanwhile is lost."),
    ("slot.failover", "false", "Make the slot with FAILOVER (PostgreSQL 17 and later)."),
    ("slot.stream.params", "-", "Further options of the stream: name=value;name=value."),
    ("publication.name", "dbz_publication", "The publication; made when it is not there, unless its mode says otherwise."),
    ("publication.autocreate.mode", "all_tables", "all_tables, disabled, filtered or no_tables."),
    ("publish.via.partition.root", "false", "Changes of partitions come as changes of the partitioned table."),
    (
        "lsn.flush.mode",
        "connector",
        "connector or connector_and_driver: the slot is confirmed up to what is durable. manual: never.",
    ),
    ("offset.mismatch.strategy", "fail", "fail, or trust_slot: begin where the slot is, when it is past the stored offset."),
    ("status.update.interval.ms", "10000", "How often progress without records is stored, at the least."),
    ("heartbeat.interval.ms", "0", "The time between two heartbeat records; 0: none."),
    ("heartbeat.action.query", "-", "A statement to run with each heartbeat."),
    ("topic.heartbeat.prefix", "__debezium-heartbeat", "What the heartbeat topic starts with."),
];

const SNAPSHOT: &[Row] = &[
    ("snapshot.mode", "initial", "initial, always, initial_only, no_data or when_needed."),
    ("snapshot.include.collection.list", "-", "The tables to read, of those captured; default all."),
    (
        "snapshot.select.statement.overrides",
        "-",
        "Tables that are read by a statement of their own, which the key snapshot.select.statement.overrides.SCHEMA.TABLE gives.",
    ),
    ("snapshot.delay.ms", "0", "How long to wait before the snapshot."),
    ("streaming.delay.ms", "0", "How long to wait between the snapshot and the stream."),
];

const SHAPE: &[Row] = &[
    ("schema.include.list", "-", "The schemas to capture; default all."),
    ("schema.exclude.list", "-", "The schemas not to capture."),
    ("table.include.list", "-", "The tables to capture, as schema.table; default all."),
    ("table.exclude.list", "-", "The tables not to capture."),
    ("column.include.list", "-", "The columns to keep, as schema.table.column; default all."),
    ("column.exclude.list", "-", "The columns to leave out."),
    ("message.key.columns", "-", "What keys are made of where it is not the primary key: schema.table:column,column;..."),
    ("message.prefix.include.list", "-", "The messages to capture, by their prefix; default all."),
    ("message.prefix.exclude.list", "-", "The messages not to capture."),
    ("skipped.operations", "t", "Of c, u, d, t and m those that are left out; none: nothing is."),
    ("tombstones.on.delete", "true", "A delete is followed by a record without a value, so that compaction forgets the key."),
    (
        "provide.transaction.metadata",
        "false",
        "Events say their place in their transaction, and a topic says where each begins and ends.",
    ),
    ("topic.transaction", "transaction", "The last part of that topic's name."),
    (
        "include.schema.changes",
        "false",
        "Changes of tables are records too, in the topic named topic.prefix. Debezium has this for other databases.",
    ),
    (
        "schema.changes.ddl.enabled",
        "false",
        "Event triggers write the statements into the log, so that those records have them; PostgreSQL 14 and later.",
    ),
    (
        "schema.refresh.mode",
        "columns_diff",
        "columns_diff or columns_diff_exclude_unchanged_toast; alike here: the log announces each shape of a table.",
    ),
    ("topic.delimiter", ".", "What stands between the parts of a topic's name."),
    ("event.processing.failure.handling.mode", "fail", "fail, warn or skip: what to do about an event that cannot be converted."),
    (
        "unavailable.value.placeholder",
        "__debezium_unavailable_value",
        "Stands for a large value that did not change and is not in the log.",
    ),
];

const TYPES: &[Row] = &[
    ("decimal.handling.mode", "precise", "precise, double or string."),
    ("time.precision.mode", "adaptive", "adaptive, adaptive_time_microseconds, connect, isostring, microseconds or nanoseconds."),
    ("binary.handling.mode", "bytes", "bytes, base64, base64-url-safe or hex."),
    ("hstore.handling.mode", "json", "json or map."),
    ("interval.handling.mode", "numeric", "numeric or string."),
    ("money.fraction.digits", "2", "Digits after the point of a money value."),
    ("include.unknown.datatypes", "false", "Keep columns of types that have no mapping, as bytes."),
];

pub fn info() -> PluginInfo {
    let groups = [("Connection", CONNECTION), ("Stream", STREAM), ("Snapshot", SNAPSHOT), ("Events", SHAPE), ("Types", TYPES)];
    let mut info = PluginInfo::source("postgres", env!("CARGO_PKG_VERSION"))
        .doc("Brings the changes of PostgreSQL tables in: a consistent snapshot, then the write-ahead log.")
        .class(DEBEZIUM)
        .capability("exactly-once")
        .capability("transaction-boundaries")
        .capability("single-task")
        .binding(
            BINDING,
            "postgres",
            [
                ("host", "database.hostname"),
                ("port", "database.port"),
                ("user", "database.user"),
                ("password", "database.password"),
                ("database", "database.dbname"),
                ("sslmode", "database.sslmode"),
                ("sslrootcert", "database.sslrootcert"),
                ("sslcert", "database.sslcert"),
                ("sslkey", "database.sslkey"),
            ],
        )
        .key(ConfigKey::password("database.password").high().group("Connection").doc("The user's password."));
    for (group, rows) in groups {
        for (name, default, doc) in rows {
            info = info.key(key(name, default).group(group).doc(doc));
        }
    }
    // Shown where they are given, so that who gives them sees it.
    let key = |name: &str| match name {
        "database.sslpassword" => ConfigKey::password(name),
        name => ConfigKey::text(name),
    };
    let doc = |name: &str| READ.iter().find(|(read, _)| *read == name).map_or(NO_EFFECT, |(_, doc)| doc);
    for (name, begins, doc) in FAMILIES {
        info = info.key(ConfigKey::text(name).low().doc(doc).extension().begins(begins));
    }
    info.keys(ACCEPTED.iter().map(|name| key(name).low().doc(doc(name)).extension()))
}

fn key(name: &str, default: &str) -> ConfigKey {
    let key = match default {
        "true" | "false" => ConfigKey::boolean(name),
        d if name != "topic.delimiter" && !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()) => {
            if name.ends_with(".ms") {
                ConfigKey::long(name)
            } else {
                ConfigKey::int(name)
            }
        }
        _ => ConfigKey::text(name),
    };
    match default {
        "!" => key.required().high(),
        "-" => key,
        default => key.default(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_setting_with_its_default() {
        let readme = include_str!("../README.md");
        let own = |k: &ConfigKey| !ACCEPTED.contains(&k.name.as_str()) && !FAMILIES.iter().any(|(name, ..)| *name == k.name);
        for key in info().keys.into_iter().filter(own) {
            let default = match (&key.default_value, key.nullable) {
                (Some(value), _) => format!("`{value}`"),
                (None, true) => String::new(),
                (None, false) => "required".to_owned(),
            };
            let row = format!("| `{}` | {default} |", key.name);
            assert!(readme.contains(&row), "README.md lacks: {row}");
        }
    }
}
