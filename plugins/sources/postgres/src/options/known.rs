//! Names of settings that are Debezium's: those that are refused here, those that have no effect, and what a name that is
//! none of them was probably meant to be.

use crate::info::{FAMILIES, info};

/// Refused with any value but these: to pass over them would change what is delivered, or leave undone what was asked for.
pub(super) const REFUSED: &[(&str, &[&str])] = &[
    ("signal.data.collection", &[]),
    ("signal.enabled.channels", &["source"]),
    ("notification.enabled.channels", &[]),
    ("incremental.snapshot.watermarking.strategy", &["insert_insert"]),
    ("converters", &[]),
    ("post.processors", &[]),
    ("custom.metric.tags", &[]),
    ("schema.name.adjustment.mode", &["none"]),
    ("field.name.adjustment.mode", &["none"]),
    ("column.propagate.source.type", &[]),
    ("datatype.propagate.source.type", &[]),
    ("skip.messages.without.change", &["false"]),
    ("snapshot.locking.mode", &["none"]),
    ("snapshot.query.mode", &["select_all"]),
    ("snapshot.isolation.mode", &["repeatable_read", "serializable"]),
    ("snapshot.max.threads", &["1"]),
    ("topic.naming.strategy", &["io.debezium.schema.SchemaTopicNamingStrategy"]),
    ("extended.headers.enabled", &["true", "false"]),
    ("guardrail.collections.max", &["0"]),
    ("xmin.fetch.interval.ms", &["0"]),
    ("replica.identity.autoset.values", &[]),
    ("database.initial.statements", &[]),
    ("database.sslfactory", &[]),
    ("table.ignore.builtin", &["true"]),
    ("sourceinfo.struct.maker", &["io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"]),
    ("include.schema.comments", &["false"]),
    ("errors.max.retries", &["-1"]),
    ("openlineage.integration.enabled", &["false"]),
    ("transaction.metadata.factory", &["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"]),
];

/// Read, or without effect: what they are about goes by itself here, or is the worker's.
pub(crate) const ACCEPTED: &[&str] = &[
    "advanced.metrics.enable",
    "connection.validation.timeout.ms",
    "create.slot.command.timeout",
    "database.query.timeout.ms",
    "database.sslpassword",
    "database.tcpKeepAlive",
    "event.converting.failure.handling.mode",
    "executor.shutdown.timeout.ms",
    "flush.lsn.source",
    "guardrail.collections.limit.action",
    "incremental.snapshot.allow.schema.changes",
    "incremental.snapshot.chunk.size",
    "legacy.snapshot.max.threads",
    "logical.decoding.message.prefix.exclude.list",
    "logical.decoding.message.prefix.include.list",
    "lsn.flush.timeout.action",
    "lsn.flush.timeout.ms",
    "max.batch.size",
    "max.queue.size",
    "max.queue.size.in.bytes",
    "poll.dispatch.interval.ms",
    "poll.interval.ms",
    "query.fetch.size",
    "read.only",
    "retriable.restart.connector.wait.ms",
    "signal.emit.failure.backoff.ms",
    "signal.emit.failure.max.retries",
    "signal.poll.interval.ms",
    "slot.max.retries",
    "slot.retry.delay.ms",
    "slot.seek.to.known.offset.on.start",
    "snapshot.fetch.size",
    "snapshot.lock.timeout.ms",
    "snapshot.locking.mode.custom.name",
    "snapshot.max.threads.multiplier",
    "snapshot.mode.custom.name",
    "snapshot.query.mode.custom.name",
    "snapshot.tables.order.by.row.count",
    "statistics.metrics.enabled",
    "topic.cache.size",
];

/// Names of early releases. Who still has them expects a filter, and would get every table.
const RENAMED: &[(&str, &str)] = &[
    ("schema.whitelist", "schema.include.list"),
    ("schema.blacklist", "schema.exclude.list"),
    ("table.whitelist", "table.include.list"),
    ("table.blacklist", "table.exclude.list"),
    ("column.whitelist", "column.include.list"),
    ("column.blacklist", "column.exclude.list"),
    ("database.server.name", "topic.prefix"),
    ("heartbeat.topics.prefix", "topic.heartbeat.prefix"),
];

/// More slips than this are another name.
const SLIPS_MAX: usize = 2;

/// Names that are only ours or Debezium's start with these; every other key may be a transform's, a converter's, the worker's.
const OURS: &[&str] =
    &["database.", "slot.", "publication.", "snapshot.", "schema.", "table.", "column.", "message.", "heartbeat."];

/// The setting that an unknown one was probably meant to be.
pub(super) fn meant(key: &str) -> Option<String> {
    if let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == key) {
        return Some((*now).to_owned());
    }
    let family = FAMILIES.iter().any(|(_, begins, _)| key.starts_with(begins));
    if family || !OURS.iter().any(|start| key.starts_with(start)) {
        return None;
    }
    // Those that are accepted are declared too.
    let declared = info().keys.into_iter().map(|k| k.name);
    let others = REFUSED.iter().map(|(k, _)| (*k).to_owned());
    let near = declared.chain(others).map(|name| (slips(key, &name), name)).min()?;
    (1..=SLIPS_MAX).contains(&near.0).then_some(near.1)
}

/// How many letters are to be put in, taken out or replaced to make one name of the other.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut above[0], i + 1);
        for j in 0..b.len() {
            let here = (diagonal + usize::from(letter != b[j])).min(above[j] + 1).min(above[j + 1] + 1);
            diagonal = std::mem::replace(&mut above[j + 1], here);
        }
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, n) in [("", "ab", 2), ("slot.name", "slot.name", 0), ("slot.nam", "slot.name", 1), ("abc", "axc", 1)] {
            assert_eq!((slips(a, b), slips(b, a)), (n, n), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_nearly_a_setting_is_taken_for_one() {
        let check = |key: &str, expected: Option<&str>| assert_eq!(meant(key).as_deref(), expected, "{key}");
        check("slot.nmae", Some("slot.name"));
        check("table.includes.list", Some("table.include.list"));
        check("table.whitelist", Some("table.include.list"));
        check("database.name", Some("database.dbname"));
        check("snapshot.select.statement.overrides.public.t", None);
        check("column.mask.with.5.chars", None);
        check("column.truncate.to.3.chars", None);
        check("database.history.kafka.topic", None);
        check("transforms.t.type", None);
        for key in info().keys.iter().map(|k| k.name.as_str()).chain(ACCEPTED.iter().copied()) {
            check(key, None);
        }
    }
}
