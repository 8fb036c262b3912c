//! Dead letters against those of the real Kafka Connect: the same sink, the same records that fail, the same keys, values,
//! headers, order of headers and time stamps.
//!
//! Left out of the comparison, because it is Java's: the stack trace, and of a put the exception, which is the sink's own.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use millrace_tests::{Connect, Kafka, Log, Postgres, Worker, eventually, jars, read_topics, root};
use rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
/// Of every record: a while ago, and within the retention of its topic, which the log's cleaner goes by.
static TIMESTAMP: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_millis() as i64 - 60_000
});
const QUEUE: &str = "dead";

/// Key, value, headers.
type Record = (Option<&'static str>, Option<&'static str>, &'static [(&'static str, &'static str)]);

/// Each fails at another stage, but for the first, the null and the last. `a` is what the transform extracts.
const RECORDS: &[Record] = &[
    (Some("1"), Some(r#"{"a":"fine"}"#), &[]),
    (Some("{bad"), Some(r#"{"a":"the key"}"#), &[("kept", "1")]),
    (Some("2"), Some("{bad"), &[]),
    (None, Some(r#"{"a":"a header"}"#), &[("good", "1"), ("bad", "{bad")]),
    (Some("4"), Some(r#""text""#), &[("twice", "1"), ("twice", "2")]),
    (Some("5"), None, &[]),
    (Some("{bad"), Some("{bad"), &[("__connect.errors.topic", "from before"), ("bad", "{bad")]),
    (Some("7"), Some("[1,2]"), &[]),
    (Some("8"), Some(r#"{"a":"fine too"}"#), &[]),
];

/// What is compared of a dead letter.
#[derive(Debug, PartialEq)]
struct Letter {
    key: Option<String>,
    value: Option<String>,
    timestamp: Option<i64>,
    headers: Vec<(String, String)>,
}

impl Letter {
    fn of(m: &OwnedMessage) -> Letter {
        let text = |b: Option<&[u8]>| b.map(|b| String::from_utf8_lossy(b).into_owned());
        let headers = m.headers().into_iter().flat_map(|h| h.iter());
        Letter {
            key: text(m.key()),
            value: text(m.payload()),
            timestamp: m.timestamp().to_millis(),
            headers: headers.map(|h| (h.key.to_owned(), text(h.value).unwrap_or_default())).collect(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().rev().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Empties the headers whose content is not compared.
    fn without(mut self, headers: &[&str]) -> Letter {
        for (name, value) in &mut self.headers {
            if headers.iter().any(|h| *name == format!("__connect.errors.{h}")) {
                value.clear();
            }
        }
        self
    }
}

async fn produce(bootstrap: &str, topic: &str, records: &[Record]) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    for (key, value, headers) in records {
        let headers =
            headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let mut record: FutureRecord<'_, str, str> = FutureRecord::to(topic).timestamp(*TIMESTAMP).headers(headers);
        (record.key, record.payload) = (*key, *value);
        producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    }
    Ok(())
}

/// The dead letters, once there are `n` of them.
async fn letters(bootstrap: &str, queue: &'static str, n: usize) -> anyhow::Result<Vec<Letter>> {
    eventually(&format!("{n} letters in {queue}"), WITHIN, || async {
        let found: Vec<_> = read_topics(bootstrap, move |topic| topic == queue).await?.iter().map(Letter::of).collect();
        ensure!(found.len() >= n, "{bootstrap}: {} of {n}: {found:?}", found.len());
        Ok::<_, anyhow::Error>(found)
    })
    .await
}

fn config(class: &str, topic: &str, more: Value) -> Value {
    let mut config = json!({
        "connector.class": class, "tasks.max": "1", "topics": topic,
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "header.converter": "org.apache.kafka.connect.json.JsonConverter", "header.converter.schemas.enable": "false",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": QUEUE,
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// The file sink behind a transform that takes one field out of a map.
fn file(dir: &Path, more: Value) -> Value {
    let mut all = json!({
        "file": dir.join("out.txt"), "transforms": "x", "transforms.x.field": "a",
        "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Value",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    config("org.apache.kafka.connect.file.FileStreamSinkConnector", "t", all)
}

async fn create(connect: &Connect, config: &Value) -> anyhow::Result<()> {
    let (status, body) = connect.request("PUT", "/connectors/sink/config", Some(config)).await?;
    ensure!(status == 201, "{status} {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_connects_at_every_stage() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let poison = poison_sink()?;
    let connect = Connect::start_with(&kafka.address(), &[poison.path().to_owned()]).await?;
    let worker = Worker::start(Log::Embedded).await?;
    for bootstrap in [&kafka.address(), &worker.bootstrap] {
        produce(bootstrap, "t", RECORDS).await?;
    }
    create(&connect, &file(worker.dir().join("connect").as_path(), json!({"file": worker.dir().join("connect.txt")}))).await?;
    worker.create("sink", file(worker.dir(), json!({}))).await?;
    let theirs = letters(&kafka.address(), QUEUE, 6).await.context("Connect's")?;
    let ours = letters(&worker.bootstrap, QUEUE, 6).await.context("ours")?;
    let stages: Vec<_> = ours.iter().map(|l| l.header("__connect.errors.stage").to_owned()).collect();
    let expected = ["KEY_CONVERTER", "VALUE_CONVERTER", "HEADER_CONVERTER", "TRANSFORMATION", "KEY_CONVERTER", "TRANSFORMATION"];
    assert_eq!(stages, expected);
    let comparable =
        |letters: Vec<Letter>| -> Vec<_> { letters.into_iter().map(|l| l.without(&["exception.stacktrace"])).collect() };
    assert_eq!(comparable(ours), comparable(theirs));
    // The others have passed.
    for file in ["out.txt", "connect.txt"] {
        eventually("lines", WITHIN, || async {
            let text = std::fs::read_to_string(worker.dir().join(file)).unwrap_or_default();
            if text.lines().count() == 3 { Ok(()) } else { Err(format!("{file}: {text:?}")) }
        })
        .await?;
    }
    // A put: the sinks are different ones, what is told of their failures is the same.
    let postgres = Postgres::start().await?;
    postgres.execute("postgres", "CREATE TABLE t2 (id int PRIMARY KEY, n int CHECK (n > 0))").await?;
    let schema = r#"{"type":"struct","fields":[{"field":"id","type":"int32"},{"field":"n","type":"int32"}]}"#;
    let value: &'static str = format!(r#"{{"schema":{schema},"payload":{{"id":1,"n":-1}}}}"#).leak();
    let put: &[Record] = &[(Some("9"), Some(value), &[("h", "1")])];
    for bootstrap in [&kafka.address(), &worker.bootstrap] {
        produce(bootstrap, "t2", put).await?;
    }
    let more = json!({"value.converter.schemas.enable": "true", "errors.deadletterqueue.topic.name": "dead2"});
    let (status, body) =
        connect.request("PUT", "/connectors/put/config", Some(&config("millrace.PoisonSink", "t2", more.clone()))).await?;
    ensure!(status == 201, "{status} {body}");
    let mut jdbc = config("io.debezium.connector.jdbc.JdbcSinkConnector", "t2", more);
    for (key, value) in [
        ("connection.url", format!("jdbc:postgresql://127.0.0.1:{}/postgres", postgres.port)),
        ("connection.username", "postgres".to_owned()),
        ("connection.password", "postgres".to_owned()),
        ("primary.key.mode", "record_value".to_owned()),
        ("primary.key.fields", "id".to_owned()),
        ("insert.mode", "upsert".to_owned()),
    ] {
        jdbc[key] = json!(value);
    }
    worker.create("put", jdbc).await?;
    let of_put = |mut letters: Vec<Letter>| {
        letters.pop().map(|l| l.without(&["exception.stacktrace", "exception.message", "exception.class.name"]))
    };
    let theirs = of_put(letters(&kafka.address(), "dead2", 1).await?);
    let ours = of_put(letters(&worker.bootstrap, "dead2", 1).await?);
    assert_eq!(ours.as_ref().map(|l| l.header("__connect.errors.stage")), Some("TASK_PUT"));
    assert_eq!(ours, theirs);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tolerance_the_first_one_fails_the_task_and_is_queued() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let connect = Connect::start_with(&kafka.address(), &[]).await?;
    let worker = Worker::start(Log::Embedded).await?;
    for bootstrap in [&kafka.address(), &worker.bootstrap] {
        produce(bootstrap, "t", RECORDS).await?;
    }
    let none = json!({"errors.tolerance": "none"});
    let mut theirs = file(worker.dir(), none.clone());
    theirs["file"] = json!(worker.dir().join("connect.txt"));
    create(&connect, &theirs).await?;
    worker.create("sink", file(worker.dir(), none)).await?;
    let trace = worker.failed("sink").await?;
    for part in ["Tolerance exceeded in error handler", "t-0@1", "KEY_CONVERTER", "errors.tolerance=all"] {
        ensure!(trace.contains(part), "no {part} in {trace}");
    }
    let comparable =
        |letters: Vec<Letter>| -> Vec<_> { letters.into_iter().map(|l| l.without(&["exception.stacktrace"])).collect() };
    let theirs = comparable(letters(&kafka.address(), QUEUE, 1).await?);
    assert_eq!(comparable(letters(&worker.bootstrap, QUEUE, 1).await?), theirs);
    assert_eq!(theirs.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_topic_can_have_a_queue_of_its_own() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let sink = |more: Value| file(worker.dir(), more);
    let name = "errors.deadletterqueue.topic.name";
    // What is wrong is said at its key, before anything runs.
    for (more, said) in [
        (json!({name: "{topic}.dlq"}), "there are {source_topic} and {connector}"),
        (json!({name: "{source_topic}"}), "such as {source_topic}.dlq"),
        (json!({name: "{source_topic}.dlq", "topics": "t,t.dlq"}), "The DLQ topic 't.dlq' may not be included"),
        (json!({"errors.deadletterqueue.context.headers.family": "all"}), "connect, dlq, both"),
    ] {
        let body = json!({"name": "wrong", "config": sink(more)});
        let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await?;
        ensure!(status == 400 && answer["message"].as_str().is_some_and(|m| m.contains(said)), "{said}: {status} {answer}");
    }
    for topic in ["t", "u"] {
        produce(&worker.bootstrap, topic, &RECORDS[..3]).await?;
    }
    worker.create("sink", sink(json!({"topics": "t,u", name: "{source_topic}.dlq"}))).await?;
    let dlq = json!({"topics": "u", name: "{connector}.dead", "errors.deadletterqueue.context.headers.family": "dlq"});
    worker.create("other", sink(dlq)).await?;
    // With a regular expression it is only known when a record fails.
    let circle = json!({"topics": "", "topics.regex": "[tu].*", name: "{source_topic}.queue"});
    worker.create("circle", sink(circle)).await?;
    let trace = worker.failed("circle").await?;
    ensure!(trace.contains(".queue\" matches \"topics.regex\""), "{trace}");
    for (queue, topic) in [("t.dlq", "t"), ("u.dlq", "u")] {
        let letters = letters(&worker.bootstrap, queue, 2).await?;
        assert_eq!(letters.len(), 2, "{queue}: {letters:?}");
        let letter = &letters[0];
        assert_eq!((letter.key.as_deref(), letter.header("kept"), letter.timestamp), (Some("{bad"), "1", Some(*TIMESTAMP)));
        for (header, expected) in [
            ("dlq.source_topic", topic),
            ("dlq.source_partition", "0"),
            ("dlq.source_offset", "1"),
            ("dlq.error_type", "convert"),
            ("dlq.sink_id", "sink"),
            ("__connect.errors.topic", topic),
            ("__connect.errors.stage", "KEY_CONVERTER"),
        ] {
            assert_eq!(letter.header(header), expected, "{header}");
        }
        let message = letter.header("dlq.error_message");
        ensure!(message.starts_with("Converting byte[] to Kafka Connect data failed"), "{message}");
        let trace = letter.header("dlq.stacktrace");
        ensure!(trace.contains("DataException: Converting") && trace.contains("Caused by: "), "{trace}");
        ensure!(letter.header("dlq.timestamp").parse::<u64>().context("a time")? > 1_700_000_000_000);
    }
    let only = letters(&worker.bootstrap, "other.dead", 2).await?;
    let names: Vec<_> = only[1].headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "dlq.source_topic",
        "dlq.source_partition",
        "dlq.source_offset",
        "dlq.error_type",
        "dlq.error_message",
        "dlq.stacktrace",
        "dlq.timestamp",
        "dlq.sink_id",
        "dlq.stage",
        "dlq.plugin_version",
    ];
    assert_eq!(names, expected);
    Ok(())
}

/// A folder with the sink for the real Kafka Connect that refuses every record, compiled.
fn poison_sink() -> anyhow::Result<tempfile::TempDir> {
    let plugin = tempfile::Builder::new().prefix("millrace-poison").tempdir()?;
    let classes = plugin.path().join("classes");
    let run = |command: &mut Command| {
        let done = command.output().with_context(|| format!("{command:?}: a JDK is needed"))?;
        ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    };
    run(Command::new("javac")
        .arg("-cp")
        .arg(format!("{}/*", jars()?.display()))
        .arg("-d")
        .arg(&classes)
        .arg(root().join("tests/peers/PoisonSink.java")))?;
    let services = classes.join("META-INF/services");
    std::fs::create_dir_all(&services)?;
    std::fs::write(services.join("org.apache.kafka.connect.sink.SinkConnector"), "millrace.PoisonSink\n")?;
    std::fs::create_dir(plugin.path().join("poison"))?;
    run(Command::new("jar").arg("cf").arg(plugin.path().join("poison/poison.jar")).arg("-C").arg(&classes).arg("."))?;
    std::fs::remove_dir_all(&classes)?;
    Ok(plugin)
}
