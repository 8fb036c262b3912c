//! What the plugin says of itself: its names and its settings.

use millrace_plugin::{ConfigKey, PluginInfo};

use crate::options::{AIVEN, CONFLUENT, DEBEZIUM};

/// Settings of Debezium's connector about what goes by itself here, or about other databases.
const ACCEPTED: [&str; 9] = [
    "connection.pool.min_size",
    "connection.pool.max_size",
    "connection.pool.timeout",
    "connection.restart.on.errors",
    "flush.max.retries",
    "flush.retry.delay.ms",
    "dialect.postgres.unnest.insert.enabled",
    "dialect.sqlserver.identity.insert",
    "cloud.events.schema.name.pattern",
];
const NO_EFFECT: &str = "Warning: this setting of Debezium's is accepted and has no effect: what it is about goes by itself here, or is the worker's.";

pub fn info() -> PluginInfo {
    let t = ConfigKey::text;
    let b = ConfigKey::boolean;
    PluginInfo::sink("postgres-sink", env!("CARGO_PKG_VERSION"))
        .doc("Writes records into PostgreSQL tables: insert, upsert, update, delete and truncate, in batches.")
        .class(DEBEZIUM)
        .class(CONFLUENT)
        .class(AIVEN)
        .capability("names-failures")
        .binding(
            "target",
            "postgres",
            [("url", "connection.url"), ("user", "connection.username"), ("password", "connection.password")],
        )
        .binding(
            "target-confluent",
            "postgres",
            [("url", "connection.url"), ("user", "connection.user"), ("password", "connection.password")],
        )
        .capability("exactly-once")
        .key(t("connection.url").required().group("Connection").doc("jdbc:postgresql://host:port/database, or postgresql://..."))
        .key(t("connection.username").high().group("Connection").doc("The user (Debezium's name)."))
        .key(t("connection.user").high().group("Connection").doc("The user (Confluent's name)."))
        .key(ConfigKey::password("connection.password").high().group("Connection").doc("The user's password."))
        .key(t("insert.mode").default("insert").high().group("Writes").doc("insert, upsert or update."))
        .key(
            b("delete.enabled")
                .default(false)
                .group("Writes")
                .doc("Delete the row on a tombstone or an event with op=d; needs the key mode record_key."),
        )
        .key(b("truncate.enabled").default(false).group("Writes").doc("Truncate the table on an event with op=t."))
        .key(t("primary.key.mode").default("none").high().group("Keys").doc("none, kafka, record_key or record_value."))
        .key(
            ConfigKey::list("primary.key.fields")
                .group("Keys")
                .doc("The fields that make the key; empty: all of the record's key."),
        )
        .key(t("pk.mode").default("none").high().group("Keys").doc("Confluent's name of primary.key.mode."))
        .key(ConfigKey::list("pk.fields").group("Keys").doc("Confluent's name of primary.key.fields."))
        .key(
            t("schema.evolution")
                .default("none")
                .group("Schema")
                .doc("basic: create missing tables, add missing columns, widen columns, let nulls in. none: what is missing is an error of its records."),
        )
        .key(b("auto.create").default(false).group("Schema").doc("Confluent's setting: create missing tables."))
        .key(b("auto.evolve").default(false).group("Schema").doc("Confluent's setting: add missing columns, widen columns, let nulls in."))
        .key(
            t("collection.name.format")
                .default("${topic}")
                .group("Schema")
                .doc("The table of a topic; its dots become underscores."),
        )
        .key(
            t("table.name.format")
                .default("${topic}")
                .group("Schema")
                .doc("Confluent's setting: the table of a topic; dots part schema and table."),
        )
        .key(
            b("quote.identifiers")
                .default(false)
                .group("Schema")
                .doc("Keep the case of names; else they are folded to lower case."),
        )
        .key(
            ConfigKey::list("field.include.list")
                .group("Schema")
                .doc("Only these fields of the value are written: field or topic:field."),
        )
        .key(
            ConfigKey::list("field.exclude.list")
                .group("Schema")
                .doc("These fields of the value are not written: field or topic:field."),
        )
        .key(ConfigKey::list("fields.whitelist").group("Schema").doc("Confluent's name of field.include.list."))
        .key(
            t("unavailable.value.placeholder")
                .default("__debezium_unavailable_value")
                .low()
                .group("Schema")
                .doc("A value that stands for one the source could not see: the column keeps what it has."),
        )
        .key(
            t("use.time.zone")
                .default("UTC")
                .low()
                .group("Writes")
                .doc("Times without a zone are in UTC; no other value is accepted."),
        )
        .key(
            ConfigKey::int("batch.size")
                .default(500)
                .low()
                .group("Writes")
                .doc("Accepted; a batch is what the worker hands over, in one transaction."),
        )
        .key(
            b("use.reduction.buffer")
                .default(false)
                .low()
                .group("Writes")
                .doc("Accepted; changes of one row in one batch are always reduced to the last."),
        )
        .key(
            b("exactly.once")
                .default(false)
                .group("Delivery")
                .doc("Store the offsets in the target database, in the transaction of the rows."),
        )
        .key(
            t("offsets.table")
                .default("millrace_offsets")
                .low()
                .group("Delivery")
                .doc("Where exactly.once stores them: table or schema.table."),
        )
        .keys(ACCEPTED.map(|name| t(name).low().doc(NO_EFFECT).extension()))
}
