//! Dead letter queues read by REST: from real failures, from garbage, while records arrive, after a kill, and from nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Kafka, Log, Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);

fn producer(bootstrap: &str) -> anyhow::Result<FutureProducer> {
    Ok(ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "5").create()?)
}

/// A sink that refuses what is no JSON; its queue is `queue`.
fn sink(worker: &Worker, queue: &str, more: Value) -> Value {
    let mut config = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "orders", "file": worker.dir().join("out.txt"),
        "value.converter": "JsonConverter", "value.converter.schemas.enable": "false", "key.converter": "StringConverter",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": queue,
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        "errors.deadletterqueue.context.headers.family": "both",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// Dead letters as a sink would write them: `n` from offset `from`, every tenth of a stage of its own.
async fn letters(bootstrap: &str, queue: &str, from: i64, n: i64) -> anyhow::Result<()> {
    let producer = producer(bootstrap)?;
    let mut sent = Vec::new();
    for i in from..from + n {
        let (offset, stage) = (i.to_string(), if i % 10 == 0 { "TASK_PUT" } else { "VALUE_CONVERTER" });
        let message = format!("row {i} is refused");
        let headers = [
            ("__connect.errors.topic", "orders"),
            ("__connect.errors.partition", "0"),
            ("__connect.errors.offset", &offset),
            ("__connect.errors.connector.name", "sink"),
            ("__connect.errors.stage", stage),
            ("__connect.errors.exception.class.name", "a.RefusedException"),
            ("__connect.errors.exception.message", &message),
        ];
        let headers =
            headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let record = FutureRecord::to(queue).key(&offset).payload("{bad").headers(headers);
        sent.push(producer.send_result(record).map_err(|(e, _)| e)?);
        if sent.len() >= 5_000 {
            for delivery in sent.drain(..) {
                delivery.await?.map_err(|(e, _)| e)?;
            }
        }
    }
    for delivery in sent {
        delivery.await?.map_err(|(e, _)| e)?;
    }
    Ok(())
}

async fn get(worker: &Worker, path: &str) -> anyhow::Result<Value> {
    let (status, body) = worker.get(path).await?;
    ensure!(status == 200, "{path}: {status} {body}");
    Ok(body)
}

/// The summary of a queue once it has so many records.
async fn counted(worker: &Worker, queue: &str, records: i64) -> anyhow::Result<Value> {
    eventually(&format!("{records} records of {queue}"), WITHIN, || async {
        let summary = get(worker, &format!("/dlq/{queue}/summary")).await?;
        ensure!(summary["records"] == records, "{summary}");
        Ok::<_, anyhow::Error>(summary)
    })
    .await
}

/// The offsets of a walk through all pages.
async fn walk(worker: &Worker, queue: &str, query: &str) -> anyhow::Result<Vec<i64>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(worker, &format!("/dlq/{queue}/records?{query}{cursor}")).await?;
        found.extend(page["records"].as_array().context("records")?.iter().filter_map(|r| r["offset"].as_i64()));
        let Some(next) = page["next"].as_str() else { return Ok(found) };
        cursor = format!("&cursor={next}");
    }
}

async fn read_by_filters(log: Log<'_>) -> anyhow::Result<()> {
    let worker = Worker::start(log).await?;
    let producer = producer(&worker.bootstrap)?;
    for i in 0..30 {
        let value = if i % 3 == 0 { format!("{{\"id\": {i}}}") } else { format!("{{bad {i}") };
        let record = FutureRecord::to("orders").key("k").payload(&value);
        producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    }
    let (_, before) = worker.get("/dlq").await?;
    assert_eq!(before, json!({"queues": []}));
    worker.create("sink", sink(&worker, "{source_topic}.dlq", json!({}))).await?;
    let summary = counted(&worker, "orders.dlq", 20).await?;
    assert_eq!(summary["stages"], json!([{"stage": "VALUE_CONVERTER", "records": 20}]), "{summary}");
    assert_eq!(summary["outcomes"], json!([{"outcome": "waiting", "records": 20}]));
    assert_eq!(summary["source_topics"], json!([{"source_topic": "orders", "records": 20}]));
    ensure!(summary["plugins"][0]["connector"] == "sink", "{summary}");
    let queues = get(&worker, "/dlq").await?;
    let queue = &queues["queues"][0];
    assert_eq!(
        (&queue["name"], &queue["connectors"], &queue["lag"]),
        (&json!("orders.dlq"), &json!(["sink"]), &json!(0)),
        "{queues}"
    );
    assert_eq!(queue["partitions"], json!([{"partition": 0, "start": 0, "end": 20, "indexed": 20, "lag": 0}]));
    ensure!(queue["oldest"].as_i64() > Some(1_700_000_000_000), "{queue}");
    let cause = summary["causes"][0]["cause"].as_str().context("a cause")?;
    for (query, n) in [
        (format!("cause={cause}"), summary["causes"][0]["records"].as_i64().context("a count")?),
        ("stage=VALUE_CONVERTER&connector=sink&source_topic=orders&source_partition=0".into(), 20),
        ("stage=TASK_PUT".into(), 0),
        ("connector=other".into(), 0),
        ("error=convert&outcome=waiting".into(), 20),
        ("outcome=discarded".into(), 0),
        ("from=2020-01-01T00:00:00Z&to=2020-02-01".into(), 0),
        ("from=1700000000000".into(), 20),
        ("text=FAILED".into(), 20),
        ("text=no+such+text".into(), 0),
    ] {
        let found = walk(&worker, "orders.dlq", &format!("limit=7&{query}")).await.context(query.clone())?;
        assert_eq!(found.len() as i64, n, "{query}");
    }
    assert_eq!(walk(&worker, "orders.dlq", "order=oldest&limit=3").await?, (0..20).collect::<Vec<_>>());
    assert_eq!(walk(&worker, "orders.dlq", "limit=3").await?, (0..20).rev().collect::<Vec<_>>());
    for (path, status, said) in [
        ("/dlq/none/summary", 404, "Dead letter queue none not found"),
        ("/dlq/none/records", 404, "GET /dlq"),
        ("/dlq/orders.dlq/records?limit=0", 400, "Invalid value 0 for parameter limit: set 1 to 1000"),
        ("/dlq/orders.dlq/records?cursor=x", 400, "Invalid value x for parameter cursor"),
        ("/dlq/orders.dlq/records?order=up", 400, "newest or oldest"),
        ("/dlq/orders.dlq/records?order=newest&cursor=bywwOjQx", 400, "do not agree"),
        ("/dlq/orders.dlq/records?from=noon", 400, "Invalid value noon for parameter from: set a time such as"),
        ("/dlq/orders.dlq/records?outcome=gone", 400, "failed again"),
        ("/dlq/orders.dlq/records?what=1", 400, "Unknown query parameter what"),
        ("/dlq/orders.dlq/summary?text=x", 400, "parameter text"),
    ] {
        let (code, body) = worker.get(path).await?;
        ensure!(code == status && body["message"].as_str().is_some_and(|m| m.contains(said)), "{path}: {code} {body}");
    }
    in_full(&worker).await?;
    // Without its connector the queue stays, until its topic goes.
    worker.delete("sink").await?;
    eventually("no connector", WITHIN, || async {
        let queues = get(&worker, "/dlq").await?;
        ensure!(queues["queues"][0]["connectors"] == json!([]), "{queues}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    counted(&worker, "orders.dlq", 20).await?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    admin.delete_topics(&["orders.dlq"], &AdminOptions::new()).await?;
    eventually("no queue", WITHIN, || async {
        let queues = get(&worker, "/dlq").await?;
        ensure!(queues == json!({"queues": []}), "{queues}");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sinks_failures_are_found_by_filters() -> anyhow::Result<()> {
    read_by_filters(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sinks_failures_on_kafka_are_found_by_filters() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    read_by_filters(Log::Kafka(&kafka.address())).await
}

/// One record, an export, and the same by command.
async fn in_full(worker: &Worker) -> anyhow::Result<()> {
    let one = get(worker, "/dlq/orders.dlq/records/0-3").await?;
    assert_eq!((&one["key"], &one["value"]), (&json!({"text": "k"}), &json!({"text": "{bad 5"})), "{one}");
    assert_eq!(
        (&one["source_offset"], &one["source_topic"], &one["outcome"]),
        (&json!(5), &json!("orders"), &json!("waiting")),
        "{one}"
    );
    assert_eq!(
        (&one["decoded"]["key"], &one["decoded"]["errors"][0]["stage"]),
        (&json!("k"), &json!("VALUE_CONVERTER")),
        "{one}"
    );
    let failure = &one["failures"][0];
    assert_eq!((one["failures"].as_array().map(Vec::len), &failure["stage"]), (Some(1), &json!("VALUE_CONVERTER")), "{one}");
    ensure!(failure["stacktrace"].as_str().is_some_and(|t| t.contains("Caused by")), "{failure}");
    ensure!(failure["plugin_version"].as_str().is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit())), "{failure}");
    ensure!(one["headers"].as_array().is_some_and(|h| h.len() == 20), "{one}");
    for (position, status) in [("0-99", 404), ("7-0", 404), ("3", 400), ("0--1", 400), ("0-99999999999999999999", 400)] {
        let (code, body) = worker.get(&format!("/dlq/orders.dlq/records/{position}")).await?;
        ensure!(code == status && body["message"].as_str().is_some_and(|m| m.contains(position)), "{position}: {code} {body}");
    }
    let export = |query: &'static str| async move {
        let answer = reqwest::get(format!("{}/dlq/orders.dlq/export{query}", worker.rest)).await?;
        ensure!(answer.headers()["content-type"] == "application/x-ndjson", "{answer:?}");
        let text = answer.text().await?;
        text.lines().map(|line| serde_json::from_str(line).context(line.to_owned())).collect::<anyhow::Result<Vec<Value>>>()
    };
    let all = export("").await?;
    assert_eq!(all.iter().filter_map(|l| l["offset"].as_i64()).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!((&all[3]["key"], &all[3]["value"], &all[3]["message"]), (&json!("aw=="), &json!("e2JhZCA1"), &one["message"]));
    assert_eq!(all[3]["headers"].as_array().map(Vec::len), Some(20));
    ensure!(export("?stage=TASK_PUT").await?.is_empty(), "nothing passes");
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(Worker::binary()?);
        let done = command.arg("dlq").args(arguments).args(["--url", &worker.rest]).output()?;
        Ok::<_, anyhow::Error>((done.status.success(), String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?))
    };
    for (arguments, shown) in [
        (&["list"][..], "orders.dlq       20  "),
        (&["summary", "orders.dlq"], "orders.dlq: 20 records\n"),
        (&["records", "orders.dlq", "--limit", "2", "--oldest"], "0-1     "),
        (&["show", "orders.dlq", "0-3"], "value           {bad 5\n"),
        (&["export", "orders.dlq", "--source-partition", "0"], "\"offset\":19"),
        (&["list", "--json"], "\"name\": \"orders.dlq\""),
    ] {
        let (well, out, error) = command(arguments)?;
        ensure!(well && out.contains(shown), "{arguments:?}: {out} {error}");
    }
    let (well, _, error) = command(&["summary", "none"])?;
    ensure!(!well && error.contains("Dead letter queue none not found"), "{error}");
    let (well, _, error) = command(&["records", "orders.dlq", "--from", "noon"])?;
    ensure!(!well && error.contains("a time such as"), "{error}");
    Ok(())
}

async fn make(worker: &Worker, topic: &str, partitions: i32) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    eventually(&format!("topic {topic}"), WITHIN, || async {
        let made =
            admin.create_topics(&[NewTopic::new(topic, partitions, TopicReplication::Fixed(1))], &AdminOptions::new()).await?;
        made.into_iter().next().context("an answer")?.map_err(|(_, e)| anyhow::anyhow!("{e}"))?;
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    Ok(admin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_a_queue_is_shown_as_what_it_is() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    make(&worker, "dead", 3).await?;
    let producer = producer(&worker.bootstrap)?;
    let bad = |key: &'static str, value: &'static [u8]| Header { key, value: Some(value) };
    let headers: Vec<OwnedHeaders> = vec![
        OwnedHeaders::new(),
        OwnedHeaders::new().insert(bad("dlq.timestamp", b"\xff\xff")).insert(bad("dlq.error_message", b"\xfe\x00\x01 7")),
        OwnedHeaders::new().insert(bad("__connect.errors.partition", b"many")).insert(bad("__connect.errors.stage", b"")),
        OwnedHeaders::new().insert(bad("traceparent", b"00-1")).insert(Header { key: "dlq.sink_id", value: None::<&[u8]> }),
        OwnedHeaders::new().insert(bad("__connect.errors.offset", b"99999999999999999999999")),
    ];
    for (i, headers) in headers.into_iter().enumerate() {
        let (key, value): (&[u8], &[u8]) = (b"\xff\x00", b"\x00\xff");
        let record = FutureRecord::to("dead").partition(i as i32 % 3).key(key).payload(value).headers(headers);
        producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    }
    let tombstone: FutureRecord<'_, str, str> = FutureRecord::to("dead").partition(2);
    producer.send(tombstone, WITHIN).await.map_err(|(e, _)| e)?;
    worker.create("sink", sink(&worker, "dead", json!({}))).await?;
    let summary = counted(&worker, "dead", 6).await?;
    assert_eq!(summary["stages"], json!([{"stage": null, "records": 6}]));
    assert_eq!(walk(&worker, "dead", "limit=1").await?.len(), 6);
    let found = get(&worker, "/dlq/dead/records?text=%EF%BF%BD").await?;
    assert_eq!(found["records"][0]["message"], "\u{fffd}   7", "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_every_record_once_while_others_arrive() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    make(&worker, "dead", 1).await?;
    letters(&worker.bootstrap, "dead", 0, 2_000).await?;
    worker.create("sink", sink(&worker, "dead", json!({}))).await?;
    counted(&worker, "dead", 2_000).await?;
    let bootstrap = worker.bootstrap.clone();
    let more = tokio::spawn(async move { letters(&bootstrap, "dead", 2_000, 8_000).await });
    let newest = walk(&worker, "dead", "limit=50").await?;
    let once: BTreeSet<i64> = newest.iter().copied().collect();
    assert_eq!(once.len(), newest.len(), "no record twice");
    ensure!((0..2_000).all(|o| once.contains(&o)), "every record that was there");
    let tenth = walk(&worker, "dead", "limit=50&stage=TASK_PUT&order=oldest&to=4000000000000").await?;
    ensure!(tenth.iter().zip(0..).all(|(offset, i)| *offset == i * 10) && tenth.len() >= 200, "{} of a tenth", tenth.len());
    more.await??;
    counted(&worker, "dead", 10_000).await?;
    assert_eq!(walk(&worker, "dead", "limit=1000&order=oldest").await?, (0..10_000).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_goes_on_after_a_kill_and_comes_back_from_nothing() -> anyhow::Result<()> {
    const RECORDS: i64 = 60_000;
    let mut worker = Worker::start(Log::Embedded).await?;
    let admin = make(&worker, "dead", 1).await?;
    letters(&worker.bootstrap, "dead", 0, RECORDS).await?;
    worker.create("sink", sink(&worker, "dead", json!({}))).await?;
    // In the midst of it, wherever that is.
    for _ in 0..3 {
        let _ = get(&worker, "/dlq").await?;
        worker.kill();
        worker.up().await?;
    }
    let before = counted(&worker, "dead", RECORDS).await?;
    assert_eq!(before["stages"][1], json!({"stage": "TASK_PUT", "records": RECORDS / 10}), "{before}");
    assert_eq!(walk(&worker, "dead", "limit=1000&order=oldest").await?, (0..RECORDS).collect::<Vec<_>>());
    // Without the index nothing is lost.
    worker.kill();
    std::fs::remove_dir_all(worker.dir().join("data/dead-letters/dead"))?;
    worker.up().await?;
    let mut after = counted(&worker, "dead", RECORDS).await?;
    after["lag"] = before["lag"].clone();
    assert_eq!(after, before, "the same causes have the same ids");
    // What the log deletes goes.
    let mut below = rdkafka::TopicPartitionList::new();
    below.add_partition_offset("dead", 0, rdkafka::Offset::Offset(RECORDS - 10))?;
    admin.delete_records(&below, &AdminOptions::new()).await?;
    counted(&worker, "dead", 10).await?;
    assert_eq!(walk(&worker, "dead", "order=oldest").await?, (RECORDS - 10..RECORDS).collect::<Vec<_>>());
    // A topic that was made anew.
    admin.delete_topics(&["dead"], &AdminOptions::new()).await?;
    make(&worker, "dead", 1).await?;
    letters(&worker.bootstrap, "dead", 7, 5).await?;
    let anew = counted(&worker, "dead", 5).await?;
    assert_eq!(anew["stages"][1], json!({"stage": "TASK_PUT", "records": 1}));
    assert_eq!(walk(&worker, "dead", "order=oldest").await?, (0..5).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_anew_while_nobody_looked_is_indexed_anew() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let mut worker = Worker::start(Log::Kafka(&kafka.address())).await?;
    let admin = make(&worker, "dead", 1).await?;
    letters(&worker.bootstrap, "dead", 0, 50).await?;
    worker.create("sink", sink(&worker, "dead", json!({}))).await?;
    counted(&worker, "dead", 50).await?;
    ensure!(worker.stop().await, "{}", worker.log_tail());
    admin.delete_topics(&["dead"], &AdminOptions::new()).await?;
    make(&worker, "dead", 1).await?;
    letters(&worker.bootstrap, "dead", 1_000, 80).await?;
    worker.up().await?;
    counted(&worker, "dead", 80).await?;
    let oldest = get(&worker, "/dlq/dead/records?order=oldest&limit=1").await?;
    assert_eq!((&oldest["records"][0]["offset"], &oldest["records"][0]["source_offset"]), (&json!(0), &json!(1_000)), "{oldest}");
    // And one that was not goes on from where it was.
    ensure!(worker.stop().await, "{}", worker.log_tail());
    letters(&worker.bootstrap, "dead", 1_080, 20).await?;
    worker.up().await?;
    counted(&worker, "dead", 100).await?;
    assert_eq!(walk(&worker, "dead", "order=oldest&limit=7").await?, (0..100).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_keeps_as_many_and_as_long_as_is_set() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let count = "errors.deadletterqueue.retention.records";
    let age = "errors.deadletterqueue.retention.ms";
    for (more, said) in [(json!({count: "0"}), count), (json!({age: "soon"}), age), (json!({age: "-2"}), age)] {
        let body = json!({"name": "wrong", "config": sink(&worker, "dead", more)});
        let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await?;
        ensure!(status == 400 && answer["message"].as_str().is_some_and(|m| m.contains(said)), "{said}: {status} {answer}");
    }
    worker.create("sink", sink(&worker, "dead", json!({count: "500", age: "86400000"}))).await?;
    let queue = eventually("the queue", WITHIN, || async {
        let queues = get(&worker, "/dlq").await?;
        ensure!(queues["queues"][0]["name"] == "dead", "{queues}");
        Ok::<_, anyhow::Error>(queues)
    });
    queue.await?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &worker.bootstrap).create()?;
    let topic = rdkafka::admin::ResourceSpecifier::Topic("dead");
    let described = admin.describe_configs([&topic], &AdminOptions::new()).await?;
    let settings = described.into_iter().next().context("an answer")?.map_err(|e| anyhow::anyhow!("{e}"))?;
    assert_eq!(settings.get("retention.ms").and_then(|e| e.value.as_deref()), Some("86400000"));
    letters(&worker.bootstrap, "dead", 0, 2_000).await?;
    counted(&worker, "dead", 500).await?;
    assert_eq!(walk(&worker, "dead", "order=oldest&limit=1000").await?, (1_500..2_000).collect::<Vec<_>>());
    let (status, _) = worker.get("/dlq/dead/records/0-1499").await?;
    ensure!(status == 404, "{status}");
    Ok(())
}
