//! A task that the group no longer counts among its members writes nothing for the partitions that it had: while it tries to flush,
//! the log is away for longer than its session, another task gets its partitions and goes past it, and only then would its flush
//! go through.

use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Trouble, eventually, report};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use crate::campaign::connectors::with_patience;
use crate::campaign::fault::{Fault, Planned, Which, Whom};
use crate::campaign::stage::{Kind, Stage};

const WITHIN: Duration = Duration::from_secs(60);
/// Longer than a session.
const AWAY: Duration = Duration::from_secs(3);
/// In which a task that still tried would have been through.
const TRIED_AGAIN: Duration = Duration::from_secs(2);
const KIND: Kind = Kind { kafka: true, exactly_once: false, clock: false, disks: false };

/// Rows say which task wrote them. One that is behind the gate cannot commit the second version of a row, for now.
const TABLE: &str = "create table held (id bigint primary key, v bigint not null, writer text);
    create table gate (name text);
    create sequence tries;
    create function sign() returns trigger language plpgsql as
        'begin new.writer := current_setting(''application_name''); return new; end';
    create trigger sign before insert or update on held for each row execute function sign();
    create function gate() returns trigger language plpgsql as 'begin
        if new.v = 2 and new.writer in (select name from gate) then
            perform nextval(''tries'');
            raise exception ''the gate is closed'' using errcode = ''57P03'';
        end if;
        return null;
    end';
    create constraint trigger gate after insert or update on held deferrable initially deferred
        for each row execute function gate()";

/// Of row `id`, in partition `id`. None: it is deleted.
async fn send(producer: &FutureProducer, id: i32, v: Option<i64>) -> anyhow::Result<()> {
    let of = |fields: serde_json::Value, payload: serde_json::Value| {
        json!({"schema": {"type": "struct", "fields": fields}, "payload": payload}).to_string()
    };
    let field = |name: &str| json!({"field": name, "type": "int64"});
    let key = of(json!([field("id")]), json!({"id": id}));
    let value = v.map(|v| of(json!([field("id"), field("v")]), json!({"id": id, "v": v})));
    let mut record: FutureRecord<'_, str, str> = FutureRecord::to("held").partition(id).key(key.as_str());
    record.payload = value.as_deref();
    producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    Ok(())
}

/// The rows in the end.
async fn overtaken(environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let mut stage = Stage::start(KIND, environment).await?;
    stage.target.execute("dst", TABLE).await?;
    let client = ClientConfig::new().set("bootstrap.servers", &stage.bootstrap).clone();
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    for made in admin.create_topics(&[NewTopic::new("held", 2, TopicReplication::Fixed(1))], &AdminOptions::new()).await? {
        made.map_err(|(topic, e)| anyhow::anyhow!("{topic}: {e}"))?;
    }
    let producer: FutureProducer = client.create()?;
    let sink = with_patience(json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "2", "topics": "held",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", stage.to_target.port),
        "connection.username": "postgres", "connection.password": "x",
        "insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key",
    }));
    stage.worker.create("held", sink).await?;
    let both = eventually("each task has a partition", WITHIN, || async {
        for id in [0, 1] {
            send(&producer, id, Some(1)).await?;
        }
        let by = stage.target.query("dst", "select writer from held order by id").await?;
        ensure!(by.len() == 2 && by[0] != by[1], "{by:?}\n{}", stage.worker.log_tail());
        Ok(by)
    })
    .await?;
    stage.target.execute("dst", &format!("insert into gate values ('{}')", both[1])).await?;
    send(&producer, 1, Some(2)).await?;
    let tries = || async {
        let tries = stage.target.query("dst", "select last_value from tries").await?;
        anyhow::Ok(tries.first().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default())
    };
    eventually("its task tries to flush", WITHIN, || async {
        let tries = tries().await?;
        ensure!(tries > 2, "{tries} tries\n{}", stage.worker.log_tail());
        Ok(())
    })
    .await?;
    let away = Fault::Net { link: Whom::Kafka, trouble: Trouble::Away, which: Which::All };
    stage.strike(&[Planned { at: Duration::ZERO, fault: away, lasts: AWAY }]).await?;
    send(&producer, 1, None).await?;
    eventually("another task has gone past it", WITHIN, || async {
        let rows = stage.target.query("dst", "select id from held").await?;
        ensure!(rows == ["0"], "{rows:?}\n{}", stage.worker.log_tail());
        Ok(())
    })
    .await?;
    stage.target.execute("dst", "delete from gate").await?;
    tokio::time::sleep(TRIED_AGAIN).await;
    stage.target.query("dst", "select id, v from held order by id").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_its_partitions_writes_nothing_more() -> anyhow::Result<()> {
    let rows = overtaken(&[]).await?;
    ensure!(rows == ["0|1"], "a row that was deleted is back: {rows:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_writer_reversed_is_caught() -> anyhow::Result<()> {
    let rows = overtaken(&[("MILLRACE_BREAK_INVARIANT", "one-writer")]).await?;
    ensure!(rows == ["0|1", "1|2"], "one-writer is reversed, and nothing is wrong: {rows:?}");
    report(format_args!("one-writer reversed: caught: the target has {rows:?}, and row 1 was deleted"));
    Ok(())
}
