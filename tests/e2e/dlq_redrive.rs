//! Redrive of dead letters, end to end: PostgreSQL refuses rows, what it refused for is mended, and they go in once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use millrace_tests::{Kafka, Log, Postgres, Worker, eventually, read_topics};
use rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

pub const WITHIN: Duration = Duration::from_secs(60);
const TOPIC: &str = "orders";
const QUEUE: &str = "dead";

fn sink(pg: &Postgres, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": TOPIC,
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", pg.port), "connection.username": "postgres",
        "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_value",
        "primary.key.fields": "id", "errors.tolerance": "all", "errors.deadletterqueue.topic.name": QUEUE,
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        "consumer.override.auto.offset.reset": "earliest",
    });
    for (key, value) in more {
        config[key] = json!(value);
    }
    config
}

/// A negative `n` is refused by the table.
fn value(id: usize, n: i64) -> String {
    let fields = json!([{"field": "id", "type": "int32"}, {"field": "n", "type": "int32"}]);
    json!({"schema": {"type": "struct", "fields": fields}, "payload": {"id": id, "n": n}}).to_string()
}

async fn produce(worker: &Worker, topic: &str, values: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64 - 60_000;
    for value in values {
        let headers = OwnedHeaders::new().insert(Header { key: "kept", value: Some("1") });
        let record: FutureRecord<'_, str, str> = FutureRecord::to(topic).payload(value.as_str()).headers(headers).timestamp(at);
        producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    }
    Ok(())
}

/// A table that takes no negative numbers, a sink into it, and so many records of which every second is refused.
pub async fn dead(log: Log<'_>, records: usize, more: &[(&str, &str)]) -> anyhow::Result<(Postgres, Worker)> {
    let pg = Postgres::start().await?;
    pg.execute("dst", "create table orders (id int primary key, n int check (n >= 0))").await?;
    let worker = Worker::start(log).await?;
    worker.create("sink", sink(&pg, more)).await?;
    produce(&worker, TOPIC, (0..records).map(|i| value(i, if i % 2 == 0 { i as i64 } else { -(i as i64) }))).await?;
    letters(&worker, records / 2).await?;
    Ok((pg, worker))
}

/// The dead letters, once there are `n`.
async fn letters(worker: &Worker, n: usize) -> anyhow::Result<Vec<OwnedMessage>> {
    eventually(&format!("{n} dead letters"), WITHIN, || async {
        let found = read_topics(&worker.bootstrap, |t| t == QUEUE).await?;
        ensure!(found.len() == n, "{} of {n}\n{}", found.len(), worker.log_tail());
        Ok::<_, anyhow::Error>(found)
    })
    .await
}

fn header(m: &OwnedMessage, name: &str) -> Option<String> {
    let found = m.headers()?.iter().filter(|h| h.key == name).last()?;
    Some(String::from_utf8_lossy(found.value?).into_owned())
}

pub async fn ask(worker: &Worker, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
    worker.request("POST", &format!("/dlq/{QUEUE}/{path}"), Some(&body)).await
}

/// Makes a job.
pub async fn job(worker: &Worker, path: &str, body: Value) -> anyhow::Result<String> {
    let (status, job) = ask(worker, path, body).await?;
    ensure!(status == 202, "{status} {job}");
    Ok(job["id"].as_str().expect("an id").to_owned())
}

/// The job, once it is in the state.
pub async fn reached(worker: &Worker, id: &str, state: &str) -> anyhow::Result<Value> {
    eventually(&format!("job {id} is {state}"), WITHIN, || async {
        let (_, job) = worker.get(&format!("/dlq/{QUEUE}/jobs/{id}")).await?;
        ensure!(job["state"] == state, "{job}\n{}", worker.log_tail());
        Ok::<_, anyhow::Error>(job)
    })
    .await
}

/// What became of each position, as the topic of redrives has it.
pub async fn outcomes(worker: &Worker) -> anyhow::Result<BTreeMap<i64, Vec<Value>>> {
    let mut found = BTreeMap::<i64, Vec<Value>>::new();
    for m in read_topics(&worker.bootstrap, |t| t.starts_with("_millrace_redrive")).await? {
        let key: Value = serde_json::from_slice(m.key().unwrap_or_default())?;
        if key[0] == "outcome" {
            let value = serde_json::from_slice(m.payload().unwrap_or_default())?;
            found.entry(key[3].as_i64().expect("an offset")).or_default().push(value);
        }
    }
    Ok(found)
}

pub async fn rows(pg: &Postgres) -> anyhow::Result<Vec<String>> {
    pg.query("dst", "select id, n from orders order by id").await
}

pub async fn mended(pg: &Postgres) -> anyhow::Result<()> {
    pg.execute("dst", "alter table orders drop constraint orders_n_check").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_redriven_on_the_embedded_broker() -> anyhow::Result<()> {
    positions(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_redriven_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    positions(Log::Kafka(&kafka.address())).await
}

/// First in vain, then mended: by position, then all that is left.
async fn positions(log: Log<'_>) -> anyhow::Result<()> {
    let (pg, mut worker) = dead(log, 20, &[]).await?;
    // In vain: a dead letter again, at the end of the queue.
    let id = job(&worker, "redrive", json!({"positions": ["0-3"], "by": "ada"})).await?;
    let done = reached(&worker, &id, "DONE").await?;
    assert_eq!((&done["selected"], &done["failed_again"], &done["redriven"]), (&json!(1), &json!(1), &json!(0)), "{done}");
    assert_eq!(done["by"], "ada");
    let all = letters(&worker, 11).await?;
    let (before, after) = (&all[3], &all[10]);
    assert_eq!((before.payload(), before.key(), before.timestamp()), (after.payload(), after.key(), after.timestamp()));
    for same in
        ["kept", "__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset", "__connect.errors.stage"]
    {
        assert!(header(after, same).is_some(), "{same}");
        assert_eq!(header(before, same), header(after, same), "{same}");
    }
    let count = |name: &str| after.headers().map_or(0, |h| h.iter().filter(|h| h.key == name).count());
    assert_eq!(count("__connect.errors.topic"), 1, "the headers of its first death are gone");
    let redrive = ["queue", "position", "job"].map(|n| header(after, &format!("dlq.redrive.{n}")));
    assert_eq!(redrive, [Some(QUEUE.to_owned()), Some("0-3".to_owned()), Some(id.clone())]);
    let of = outcomes(&worker).await?;
    let at = after.offset();
    assert_eq!(of[&3][0]["outcome"], "failed again");
    assert_eq!(of[&3][0]["to"], format!("0-{at}"));

    mended(&pg).await?;
    // What has its outcome is not redriven again, and nothing of the request is done.
    let (status, refused) = ask(&worker, "redrive", json!({"positions": ["0-3", "0-4"]})).await?;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["message"].as_str().unwrap_or_default().contains("0-3 (failed again)"), "{refused}");
    let id = job(&worker, "redrive", json!({"positions": ["0-4", format!("0-{at}")]})).await?;
    let done = reached(&worker, &id, "DONE").await?;
    assert_eq!((&done["redriven"], &done["failed_again"]), (&json!(2), &json!(0)), "{done}");
    let got: BTreeSet<String> = rows(&pg).await?.into_iter().collect();
    assert!(got.contains("7|-7") && got.contains("9|-9") && got.len() == 12, "{got:?}");

    // All that is left, by a worker that was started anew.
    assert!(worker.stop().await, "{}", worker.log_tail());
    worker.up().await?;
    let id = job(&worker, "redrive", json!({"all": true})).await?;
    let done = reached(&worker, &id, "DONE").await?;
    assert_eq!((&done["redriven"], &done["skipped"], &done["missing"]), (&json!(8), &json!(0), &json!(0)), "{done}");
    assert_eq!(rows(&pg).await?.len(), 20);
    let of = outcomes(&worker).await?;
    assert_eq!(of.len(), 11);
    assert!(of.values().all(|o| o.len() == 1), "{of:?}");
    let redriven = of.values().filter(|o| o[0]["outcome"] == "redriven").count();
    assert_eq!(redriven, 10);
    // Nobody else has seen them: they are not in the topic once more, and the sink's offsets are where they were.
    assert_eq!(read_topics(&worker.bootstrap, |t| t == TOPIC).await?.len(), 20);
    let id = job(&worker, "redrive", json!({"all": true})).await?;
    let done = reached(&worker, &id, "DONE").await?;
    assert_eq!((&done["selected"], &done["redriven"]), (&json!(0), &json!(0)), "{done}");
    let (_, jobs) = worker.get(&format!("/dlq/{QUEUE}/jobs")).await?;
    let ids: Vec<_> = jobs["jobs"].as_array().into_iter().flatten().map(|j| j["id"].as_str().unwrap_or("")).collect();
    assert_eq!(ids, ["4", "3", "2", "1"]);
    Ok(())
}

/// A sink that keeps its offsets in the database takes a record with an old offset for one that it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_keeps_its_offsets_takes_old_records() -> anyhow::Result<()> {
    let own = [("exactly.once", "true"), ("insert.mode", "insert")];
    let (pg, worker) = dead(Log::Embedded, 20, &own).await?;
    let id = job(&worker, "redrive", json!({"positions": ["0-1"]})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["failed_again"], 1);
    let all = letters(&worker, 11).await?;
    for same in ["__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset"] {
        assert_eq!(header(&all[1], same), header(&all[10], same), "{same}");
    }
    mended(&pg).await?;
    for _ in 0..2 {
        let id = job(&worker, "redrive", json!({"all": true})).await?;
        reached(&worker, &id, "DONE").await?;
    }
    assert_eq!(rows(&pg).await?.len(), 20, "{}", worker.log_tail());
    produce(&worker, TOPIC, [value(100, 100)].into_iter()).await?;
    eventually("the sink goes on", WITHIN, || async {
        let rows = rows(&pg).await?;
        ensure!(rows.len() == 21, "{rows:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_a_stopped_connector_and_ends_with_a_deleted_one() -> anyhow::Result<()> {
    let (pg, worker) = dead(Log::Embedded, 20, &[]).await?;
    mended(&pg).await?;
    let (status, body) = worker.request("PUT", "/connectors/sink/stop", None).await?;
    ensure!(status == 204, "{status} {body}");
    let id = job(&worker, "redrive", json!({"positions": ["0-0", "0-1"]})).await?;
    let waiting = reached(&worker, &id, "WAITING").await?;
    assert!(waiting["waits_for"].as_str().unwrap_or_default().contains("connector sink is stopped: resume it"), "{waiting}");
    // One behind it waits for it.
    let second = job(&worker, "redrive", json!({"all": true, "rate": 1})).await?;
    let waiting = reached(&worker, &second, "WAITING").await?;
    assert!(waiting["waits_for"].as_str().unwrap_or_default().contains(&format!("job {id}")), "{waiting}");
    let (status, _) = worker.request("PUT", "/connectors/sink/resume", None).await?;
    ensure!(status == 202, "{status}");
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 2);
    reached(&worker, &second, "RUNNING").await?;
    worker.delete("sink").await?;
    let failed = reached(&worker, &second, "FAILED").await?;
    assert!(failed["error"].as_str().unwrap_or_default().contains("was deleted"), "{failed}");
    // What it had no outcome for is there for another job.
    let left = 8 - failed["redriven"].as_u64().expect("a number");
    worker.create("sink", sink(&pg, &[])).await?;
    worker.running("sink").await?;
    let id = job(&worker, "redrive", json!({"all": true})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], left);
    assert_eq!(rows(&pg).await?.len(), 20);
    Ok(())
}

/// What fails again is written in a transaction, whose end is an offset of the queue that no record has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_sees_past_the_end_of_a_transaction() -> anyhow::Result<()> {
    let (pg, worker) = dead(Log::Embedded, 20, &[]).await?;
    let id = job(&worker, "redrive", json!({"positions": ["0-0"]})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["failed_again"], 1);
    mended(&pg).await?;
    // The index looks at the log's end every few seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let id = job(&worker, "redrive", json!({"filter": {"stage": "TASK_PUT"}})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 10);
    Ok(())
}

/// A worker that was killed at a bad moment has written a dead letter twice: both are letters, and each is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_letters_of_one_record_are_counted_each() -> anyhow::Result<()> {
    let (pg, worker) = dead(Log::Embedded, 20, &[]).await?;
    mended(&pg).await?;
    let twice = &letters(&worker, 10).await?[1];
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(QUEUE).headers(twice.headers().expect("some").clone());
    producer.send(record.payload(twice.payload().expect("a value")), WITHIN).await.map_err(|(e, _)| e)?;
    letters(&worker, 11).await?;
    // Made before the first has run: what it has redriven by then is skipped.
    worker.request("PUT", "/connectors/sink/stop", None).await?;
    let first = job(&worker, "redrive", json!({"positions": ["0-0"]})).await?;
    let second = job(&worker, "redrive", json!({"positions": ["0-0", "0-1", "0-10"]})).await?;
    worker.request("PUT", "/connectors/sink/resume", None).await?;
    assert_eq!(reached(&worker, &first, "DONE").await?["redriven"], 1);
    let done = reached(&worker, &second, "DONE").await?;
    assert_eq!((&done["selected"], &done["redriven"], &done["skipped"]), (&json!(3), &json!(2), &json!(1)), "{done}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_slowed_and_cancelled_and_letters_are_discarded() -> anyhow::Result<()> {
    let (pg, worker) = dead(Log::Embedded, 200, &[]).await?;
    mended(&pg).await?;
    let id = job(&worker, "redrive", json!({"all": true, "rate": 4})).await?;
    eventually("some are redriven", WITHIN, || async {
        let (_, job) = worker.get(&format!("/dlq/{QUEUE}/jobs/{id}")).await?;
        ensure!(job["redriven"].as_u64() >= Some(2), "{job}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    let (status, body) = ask(&worker, &format!("jobs/{id}/cancel"), json!({})).await?;
    ensure!(status == 202, "{status} {body}");
    let cancelled = reached(&worker, &id, "CANCELLED").await?;
    let redriven = cancelled["redriven"].as_u64().expect("a number");
    assert!(redriven < 90, "{cancelled}");
    assert_eq!(rows(&pg).await?.len() as u64, 100 + redriven);
    let (status, body) = ask(&worker, &format!("jobs/{id}/cancel"), json!({})).await?;
    assert_eq!(status, 409, "{body}");

    let id = job(&worker, "discard", json!({"positions": ["0-99"], "reason": "a test order", "by": "ada"})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["discarded"], 1);
    let of = outcomes(&worker).await?;
    assert_eq!(
        (&of[&99][0]["outcome"], &of[&99][0]["reason"], &of[&99][0]["by"]),
        (&json!("discarded"), &json!("a test order"), &json!("ada"))
    );
    let id = job(&worker, "redrive", json!({"all": true})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 99 - redriven);
    assert_eq!(rows(&pg).await?.len(), 199);
    let of = outcomes(&worker).await?;
    assert!(of.len() == 100 && of.values().all(|o| o.len() == 1), "{of:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_and_transforms_mend_what_a_dry_run_has_shown() -> anyhow::Result<()> {
    let (pg, worker) = dead(Log::Embedded, 20, &[]).await?;
    let patch = json!([{"op": "replace", "path": "/n", "value": 1000}]);
    let wanted = json!({"positions": ["0-0", "0-1"], "patch": patch});
    let mut dry = wanted.clone();
    dry["dry_run"] = json!(true);
    let (status, tried) = ask(&worker, "redrive", dry).await?;
    assert_eq!(status, 200, "{tried}");
    let records = tried["records"].as_array().cloned().unwrap_or_default();
    assert_eq!(records.len(), 2, "{tried}");
    assert_eq!((&records[1]["position"], &records[1]["after"][0]["value"]), (&json!("0-1"), &json!({"id": 3, "n": 1000})));
    assert_eq!(records[1]["after"][0]["topic"], TOPIC);
    assert!(outcomes(&worker).await?.is_empty() && rows(&pg).await?.len() == 10, "nothing is written");
    let (_, jobs) = worker.get(&format!("/dlq/{QUEUE}/jobs")).await?;
    assert_eq!(jobs["jobs"], json!([]));
    let id = job(&worker, "redrive", wanted).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 2);
    assert!(rows(&pg).await?.contains(&"3|1000".to_owned()));

    // A patch that does not fit is the record's failure; its bytes are what they were.
    let nowhere = json!([{"op": "replace", "path": "/nowhere", "value": 1}]);
    let id = job(&worker, "redrive", json!({"positions": ["0-2"], "patch": nowhere})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["failed_again"], 1);
    let all = letters(&worker, 11).await?;
    assert_eq!(
        (all[10].payload(), header(&all[10], "__connect.errors.stage")),
        (all[2].payload(), Some("TRANSFORMATION".into()))
    );
    assert!(header(&all[10], "__connect.errors.exception.message").is_some_and(|m| m.contains("patch")));

    // A transform in front of those that the connector has, for one record, and one that drops.
    let replaced = json!({
        "transforms": "r", "transforms.r.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "transforms.r.exclude": "n",
    });
    let id = job(&worker, "redrive", json!({"positions": ["0-3"], "transforms": replaced})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 1);
    assert!(rows(&pg).await?.contains(&"7|NULL".to_owned()));
    let dropped = json!({"transforms": "f", "transforms.f.type": "org.apache.kafka.connect.transforms.Filter"});
    let id = job(&worker, "redrive", json!({"positions": ["0-4"], "transforms": dropped})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["filtered"], 1);
    let of = outcomes(&worker).await?;
    assert_eq!((&of[&4][0]["outcome"], &of[&4][0]["filtered"]), (&json!("redriven"), &json!(true)));
    assert_eq!(rows(&pg).await?.len(), 13);

    // By a filter, which the index answers; it is told what became of them.
    let none = json!({"source_partition": 5});
    let id = job(&worker, "redrive", json!({"filter": none, "patch": patch})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["selected"], 0);
    let id = job(&worker, "redrive", json!({"filter": {"stage": "TRANSFORMATION"}, "patch": patch})).await?;
    assert_eq!(reached(&worker, &id, "DONE").await?["redriven"], 1);
    let (_, records) = worker.get(&format!("/dlq/{QUEUE}/records?outcome=redriven")).await?;
    assert_eq!(records["records"].as_array().map(Vec::len), Some(5), "{records}");

    // The same by the command line.
    let file = worker.dir().join("mend.json");
    std::fs::write(&file, patch.to_string())?;
    let file = file.to_string_lossy().into_owned();
    let (done, out) = cli(&worker, &["redrive", QUEUE, "--all", "--patch", &file, "--dry-run", "--limit", "1"]).await?;
    assert!(done && out.contains("0-5") && out.contains("\"n\":1000"), "{out}");
    let (done, out) = cli(&worker, &["discard", QUEUE, "0-5", "--reason", "no", "--by", "ada", "--wait"]).await?;
    assert!(done && out.contains("DONE, 1 selected, 1 discarded (by ada)"), "{out}");
    let (done, out) = cli(&worker, &["redrive", QUEUE, "--all", "--patch", &file, "--wait"]).await?;
    assert!(done && out.contains("DONE, 4 selected, 4 redriven"), "{out}");
    let (done, out) = cli(&worker, &["jobs", QUEUE]).await?;
    assert!(done && out.lines().count() == 8 && out.starts_with("job 8 redrive dead: DONE"), "{out}");
    let (done, out) = cli(&worker, &["cancel", QUEUE, "8"]).await?;
    assert!(!done && out.contains("Job 8 has ended"), "{out}");
    assert_eq!(rows(&pg).await?.len(), 18);
    Ok(())
}

/// Whether it went well, and what it said.
async fn cli(worker: &Worker, args: &[&str]) -> anyhow::Result<(bool, String)> {
    let mut command = std::process::Command::new(Worker::binary()?);
    command.arg("dlq").args(args).args(["--url", &worker.rest]);
    let out = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = [out.stdout, out.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    Ok((out.status.success(), text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_refused_in_words() -> anyhow::Result<()> {
    let (_pg, worker) = dead(Log::Embedded, 4, &[]).await?;
    for (path, body, says) in [
        ("redrive", json!({}), "nothing is selected: give one of positions"),
        ("redrive", json!({"all": false}), "\"all\" is false: it can only be true"),
        ("redrive", json!({"all": true, "positions": ["0-0"]}), "give one of them"),
        ("redrive", json!({"positions": []}), "has 0 entries: give 1 to 10000"),
        ("redrive", json!({"positions": "0-1"}), "give a list such as"),
        ("redrive", json!({"positions": ["17"]}), "\"positions\" has \"17\": write partition and offset, such as"),
        ("redrive", json!({"positions": ["0-7"]}), "0-7, which is not in the queue \"dead\": it has 0-0 to 0-1"),
        ("redrive", json!({"all": true, "rate": 0}), "\"rate\" is 0: give records a second"),
        (
            "redrive",
            json!({"all": true, "connector": "other"}),
            "not the dead letter queue of a sink of that name; it is that of: sink",
        ),
        ("redrive", json!({"all": true, "speed": 1}), "\"speed\" is not known here: there are positions, filter, all"),
        ("discard", json!({"all": true}), "\"reason\" is missing: say why"),
        ("discard", json!({"all": true, "reason": 7}), "\"reason\" is 7: give a text"),
    ] {
        let (status, answer) = ask(&worker, path, body.clone()).await?;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["message"].as_str().unwrap_or_default().contains(says), "{body}: {answer}");
    }
    let (status, answer) = worker.request("POST", "/dlq/nothing/redrive", Some(&json!({"all": true}))).await?;
    assert_eq!((status, &answer["message"]), (404, &json!("There is no queue nothing")));
    let (status, answer) = worker.request("POST", "/dlq/orders/redrive", Some(&json!({"all": true}))).await?;
    assert!(status == 400 && answer["message"].as_str().unwrap_or_default().contains("of no sink"), "{status} {answer}");
    for path in ["jobs/1", "jobs/x"] {
        assert_eq!(worker.get(&format!("/dlq/{QUEUE}/{path}")).await?.0, 404);
    }
    assert!(outcomes(&worker).await?.is_empty(), "nothing was done");
    Ok(())
}
