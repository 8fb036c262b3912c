//! The connectors of one generation: a source of all tables, three sinks behind it that keep different promises, and lines of
//! a file on their way to another through a transform with a state.

use std::time::Duration;

use anyhow::Context;
use millrace_tests::eventually;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use serde_json::{Value, json};

use super::letters;
use super::stage::Stage;
use super::writer::{TABLES, table};

/// Of each table's topic.
const PARTITIONS: i32 = 2;

/// What sinks promise of the rows that they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The target equals the source.
    Upsert,
    /// Each record of the log is one row.
    Once,
    /// Each record of the log is a row, or several.
    AtLeastOnce,
}

impl Promise {
    pub const ALL: [Promise; 3] = [Promise::Upsert, Promise::Once, Promise::AtLeastOnce];

    fn name(self) -> &'static str {
        match self {
            Promise::Upsert => "upsert",
            Promise::Once => "once",
            Promise::AtLeastOnce => "least",
        }
    }

    /// The table at the target.
    pub fn table(self, generation: usize, i: usize) -> String {
        format!("{}_{}", self.name(), topic(generation, i).replace('.', "_"))
    }
}

pub fn topic(generation: usize, i: usize) -> String {
    format!("g{generation}.public.{}", table(i))
}

pub fn lines_topic(generation: usize) -> String {
    format!("g{generation}.lines")
}

pub fn letters_topic(generation: usize) -> String {
    format!("g{generation}.letters")
}

fn slot(generation: usize) -> String {
    format!("g{generation}")
}

pub fn with_patience(mut config: Value) -> Value {
    for (name, value) in [
        ("retry.backoff.ms", "40"),
        ("retry.backoff.max.ms", "250"),
        ("consumer.override.session.timeout.ms", "1500"),
        ("consumer.override.heartbeat.interval.ms", "300"),
    ] {
        config[name] = value.into();
    }
    config
}

fn source(stage: &Stage, generation: usize) -> Value {
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": stage.to_source.port.to_string(), "database.user": "postgres",
        "database.password": "x", "database.dbname": "src", "topic.prefix": slot(generation), "slot.name": slot(generation),
        "publication.name": slot(generation), "publication.autocreate.mode": "filtered", "table.include.list": "public[.]t[0-9]",
        "snapshot.mode": "initial", "status.update.interval.ms": "300",
        "retry.backoff.ms": "40", "retry.backoff.max.ms": "250",
    })
}

fn sink(stage: &Stage, generation: usize, promise: Promise) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "2",
        "topics": (0..TABLES).map(|i| topic(generation, i)).collect::<Vec<_>>().join(","),
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", stage.to_target.port), "connection.username": "postgres",
        "connection.password": "x", "schema.evolution": "basic", "collection.name.format": format!("{}_${{topic}}", promise.name()),
    });
    let of_promise: &[(&str, &str)] = match promise {
        Promise::Upsert => &[("insert.mode", "upsert"), ("delete.enabled", "true"), ("primary.key.mode", "record_key")],
        Promise::Once => &[("insert.mode", "insert"), ("exactly.once", "true")],
        Promise::AtLeastOnce => &[("insert.mode", "insert")],
    };
    for (name, value) in of_promise {
        config[name] = (*value).into();
    }
    with_patience(config)
}

/// Makes the topics and the connectors; returns once the source's slot is there, from which on the log has every change.
/// Their names are put where faults find them.
pub async fn create(stage: &mut Stage, generation: usize) -> anyhow::Result<()> {
    make_topics(&stage.bootstrap, generation).await?;
    let name = |what: &str| format!("{what}-{generation}");
    stage.worker.create(&name("source"), source(stage, generation)).await?;
    let made = format!(
        "select 1 from pg_replication_slots where slot_name = '{}' and confirmed_flush_lsn is not null",
        slot(generation)
    );
    eventually("the slot is made", Duration::from_secs(180), || async {
        anyhow::ensure!(!stage.source.query("src", &made).await?.is_empty(), "no slot yet");
        Ok(())
    })
    .await?;
    let mut sinks = Vec::new();
    for promise in Promise::ALL {
        let config = sink(stage, generation, promise);
        stage.worker.create(&name(promise.name()), config.clone()).await?;
        sinks.push((name(promise.name()), config));
    }
    stage.connectors = std::iter::once(name("source")).chain(sinks.iter().map(|(name, _)| name.clone())).collect();
    stage.sinks = sinks;
    let tables = (0..TABLES)
        .map(|i| format!("if to_regclass('{0}') is not null then delete from {0}; end if;", Promise::Once.table(generation, i)));
    stage.restore = Some(format!(
        "do $$ begin {} if to_regclass('millrace_offsets') is not null then
           update millrace_offsets set next_offset = 0 where connector = '{}'; end if; end $$",
        tables.collect::<Vec<_>>().join(" "),
        name(Promise::Once.name())
    ));
    Ok(())
}

async fn make_topics(bootstrap: &str, generation: usize) -> anyhow::Result<()> {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let names: Vec<(String, i32)> = (0..TABLES)
        .map(|i| (topic(generation, i), PARTITIONS))
        .chain([(lines_topic(generation), 1), (letters_topic(generation), PARTITIONS)])
        .collect();
    let topics: Vec<_> = names.iter().map(|(name, n)| NewTopic::new(name, *n, TopicReplication::Fixed(1))).collect();
    for made in admin.create_topics(&topics, &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| anyhow::anyhow!("cannot make {topic}: {code}"))?;
    }
    Ok(())
}

/// Deletes the connectors of a generation, and what they left at the source and the target.
pub async fn delete(stage: &mut Stage, generation: usize) -> anyhow::Result<()> {
    for name in std::mem::take(&mut stage.connectors) {
        stage.worker.delete(&name).await.with_context(|| name)?;
    }
    stage.sinks.clear();
    let drop = format!(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{0}'; drop publication if exists {0}",
        slot(generation)
    );
    eventually("the slot is dropped", Duration::from_secs(30), || stage.source.execute("src", &drop)).await?;
    let of_sinks = Promise::ALL.iter().flat_map(|p| (0..TABLES).map(|i| p.table(generation, i)));
    let tables: Vec<_> = of_sinks.chain([letters::table(generation)]).collect();
    stage.target.execute("dst", &format!("drop table if exists {}", tables.join(", "))).await
}
