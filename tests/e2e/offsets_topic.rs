//! `offsets.storage.topic`: a source's offsets in a topic of its own, and behind it the worker's.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Kafka, Log, Worker, eventually, read_topics, report};
use rand::Rng;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const WITHIN: Duration = Duration::from_secs(90);
const ONCE: &str = "exactly.once.source.support=enabled";
const OWN: &str = "positions.of.lines";
/// How often the worker is killed, and the lines between two kills.
const KILLS: usize = 6;
const LINES: usize = 60_000;

/// A worker with a source of a file whose lines are numbered.
struct Stage {
    worker: Worker,
    from: PathBuf,
    written: usize,
}

impl Stage {
    async fn start(log: Log<'_>, settings: &str) -> anyhow::Result<Stage> {
        let worker = Worker::start_with(log, settings).await?;
        let from = worker.dir().join("in.txt");
        std::fs::write(&from, "")?;
        Ok(Stage { worker, from, written: 0 })
    }

    /// With this topic for its offsets, if any.
    fn source(&self, own: Option<&str>) -> Value {
        let mut config = json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": self.from, "topic": "lines",
            "key.converter": STRING, "value.converter": STRING,
        });
        if let Some(own) = own {
            config["offsets.storage.topic"] = json!(own);
        }
        config
    }

    fn write(&mut self, lines: usize) -> anyhow::Result<()> {
        let text: String = (self.written..self.written + lines).map(|n| format!("line {n}\n")).collect();
        std::fs::File::options().append(true).open(&self.from)?.write_all(text.as_bytes())?;
        self.written += lines;
        Ok(())
    }

    async fn put(&self, own: Option<&str>) -> anyhow::Result<()> {
        let (status, body) = self.worker.request("PUT", "/connectors/lines/config", Some(&self.source(own))).await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    }

    /// The numbers of the lines in the log, in its order.
    async fn seen(&self) -> anyhow::Result<Vec<usize>> {
        let number = |m: &rdkafka::message::OwnedMessage| {
            String::from_utf8_lossy(m.payload()?).strip_prefix("line ").and_then(|n| n.parse().ok())
        };
        Ok(read_topics(&self.worker.bootstrap, |t| t == "lines").await?.iter().filter_map(number).collect())
    }

    /// Waits for the last line, and answers how many there are more than were written.
    async fn doubled(&self) -> anyhow::Result<usize> {
        let seen = eventually("all lines are in the log", WITHIN, || async {
            let seen = self.seen().await?;
            ensure!(seen.len() >= self.written, "{} of {}: {}", seen.len(), self.written, self.worker.log_tail());
            ensure!(seen.iter().max() == Some(&(self.written - 1)), "{:?} of {}", seen.last(), self.written);
            Ok(seen)
        })
        .await?;
        let mut distinct = seen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        ensure!(distinct.len() == self.written, "{} of {} lines", distinct.len(), self.written);
        Ok(seen.len() - self.written)
    }

    /// What a topic of offsets says of the source in the end. None: it never said anything, or it is forgotten.
    async fn kept(&self, topic: impl Fn(&str) -> bool + Send + 'static) -> anyhow::Result<Option<Value>> {
        let mut last = HashMap::new();
        for m in read_topics(&self.worker.bootstrap, topic).await? {
            let key: Value = serde_json::from_slice(m.key().unwrap_or_default())?;
            ensure!(key[0] == "lines" && key[1]["filename"] == json!(self.from), "{key}");
            last.insert(key.to_string(), m.payload().map(serde_json::from_slice::<Value>).transpose()?);
        }
        ensure!(last.len() <= 1, "{last:?}");
        Ok(last.into_values().next().flatten())
    }

    /// Waits until both topics have this position, and REST shows it.
    async fn at(&self, position: Option<u64>) -> anyhow::Result<()> {
        let offset = position.map(|p| json!({"position": p}));
        eventually(&format!("both topics have {offset:?}"), WITHIN, || async {
            let own = self.kept(|t| t == OWN).await?;
            let workers = self.kept(|t| t.ends_with("-offsets")).await?;
            let (_, shown) = self.worker.get("/connectors/lines/offsets").await?;
            ensure!(own == offset && workers == offset, "own {own:?}, worker's {workers:?}");
            ensure!(shown["offsets"][0]["offset"] == json!(offset), "{shown}");
            Ok(())
        })
        .await
    }

    fn end(&self) -> anyhow::Result<Option<u64>> {
        Ok(Some(std::fs::metadata(&self.from)?.len()))
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<()> {
        let (status, answer) = self.worker.request(method, &format!("/connectors/lines{path}"), body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(())
    }

    async fn stopped(&self) -> anyhow::Result<()> {
        self.ask("PUT", "/stop", None).await?;
        eventually("it is stopped", WITHIN, || async {
            let (_, status) = self.worker.get("/connectors/lines/status").await?;
            ensure!(status["connector"]["state"] == "STOPPED", "{status}");
            Ok(())
        })
        .await
    }
}

/// How the log cleans a topic up.
async fn cleanup(bootstrap: &str, topic: &str) -> anyhow::Result<Option<String>> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let described = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await?;
    let resource = described.into_iter().next().expect("one was asked for").map_err(|e| anyhow::anyhow!("{topic}: {e}"))?;
    Ok(resource.get("cleanup.policy").and_then(|policy| policy.value.clone()))
}

async fn kills(log: Log<'_>, name: &str, settings: &str) -> anyhow::Result<usize> {
    let mut stage = Stage::start(log, settings).await?;
    stage.worker.create("lines", stage.source(Some(OWN))).await?;
    for _ in 0..KILLS {
        stage.worker.running("lines").await?;
        stage.write(LINES)?;
        // Somewhere while these lines flow.
        let ms = rand::rng().random_range(20..1_200);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        stage.worker.kill();
        stage.worker.up().await?;
    }
    stage.write(LINES)?;
    let doubled = stage.doubled().await?;
    stage.at(stage.end()?).await?;
    let policy = cleanup(&stage.worker.bootstrap, OWN).await?;
    ensure!(policy.as_deref() == Some("compact"), "{policy:?}");
    report(format!("offsets in a topic of their own, {name}: {KILLS} kills, {} lines, {doubled} came again", stage.written));
    ensure!(stage.worker.stop().await, "the worker did not stop by itself:\n{}", stage.worker.log_tail());
    Ok(doubled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_through_kills_on_the_embedded_broker() -> anyhow::Result<()> {
    let doubled = kills(Log::Embedded, "embedded broker, exactly once", ONCE).await?;
    ensure!(doubled == 0, "{doubled} lines came again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_through_kills_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let doubled = kills(Log::Kafka(&kafka.address()), "Kafka, exactly once", ONCE).await?;
    ensure!(doubled == 0, "{doubled} lines came again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_is_lost_without_transactions() -> anyhow::Result<()> {
    kills(Log::Embedded, "embedded broker, at least once", "").await.map(drop)
}

/// Whoever is given a topic, is moved or is made anew goes on where he was; and what REST changes is changed in both.
async fn a_life(log: Log<'_>, settings: &str) -> anyhow::Result<()> {
    let mut stage = Stage::start(log, settings).await?;
    stage.worker.create("lines", stage.source(None)).await?;
    stage.write(100)?;
    ensure!(stage.doubled().await? == 0);
    ensure!(stage.kept(|t| t == OWN).await?.is_none());

    // A topic later on.
    stage.put(Some(OWN)).await?;
    stage.write(100)?;
    ensure!(stage.doubled().await? == 0, "lines came again with a topic of its own");
    stage.at(stage.end()?).await?;
    ensure!(stage.worker.stop().await, "the worker did not stop by itself:\n{}", stage.worker.log_tail());
    stage.worker.up().await?;
    stage.write(100)?;
    ensure!(stage.doubled().await? == 0, "lines came again after a start");
    stage.at(stage.end()?).await?;

    // Deleted and made anew.
    stage.worker.delete("lines").await?;
    stage.write(100)?;
    stage.worker.create("lines", stage.source(Some(OWN))).await?;
    ensure!(stage.doubled().await? == 0, "lines came again after a deletion");
    stage.at(stage.end()?).await?;

    // Altered and forgotten.
    stage.stopped().await?;
    let back = stage.end()?.map(|end| end - "line 399\n".len() as u64);
    let altered = json!({"offsets": [{"partition": {"filename": stage.from}, "offset": {"position": back}}]});
    stage.ask("PATCH", "/offsets", Some(&altered)).await?;
    stage.at(back).await?;
    stage.ask("PUT", "/resume", None).await?;
    eventually("the last line comes again", WITHIN, || async {
        let seen = stage.seen().await?;
        ensure!(seen.len() == 401 && seen.last() == Some(&399), "{} lines, the last is {:?}", seen.len(), seen.last());
        Ok(())
    })
    .await?;
    stage.at(stage.end()?).await?;
    stage.stopped().await?;
    stage.ask("DELETE", "/offsets", None).await?;
    stage.at(None).await?;
    stage.ask("PUT", "/resume", None).await?;
    eventually("all come again", WITHIN, || async {
        let seen = stage.seen().await?.len();
        ensure!(seen == 801, "{seen}");
        Ok(())
    })
    .await?;

    // The worker's topic again, by its absence and by its name.
    stage.put(None).await?;
    stage.write(100)?;
    ensure!(stage.doubled().await? == 401, "lines came again without a topic of its own");
    let workers = read_topics(&stage.worker.bootstrap, |t| t.ends_with("-offsets")).await?[0].topic().to_owned();
    stage.put(Some(&workers)).await?;
    stage.write(100)?;
    ensure!(stage.doubled().await? == 401, "lines came again in the worker's topic");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_a_topic_goes_on_with_transactions() -> anyhow::Result<()> {
    a_life(Log::Embedded, ONCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_a_topic_goes_on_without_transactions() -> anyhow::Result<()> {
    a_life(Log::Embedded, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_a_topic_goes_on_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    a_life(Log::Kafka(&kafka.address()), ONCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_hold_offsets_is_refused() -> anyhow::Result<()> {
    let mut stage = Stage::start(Log::Embedded, "").await?;
    let long = "x".repeat(250);
    for (name, said) in [
        ("my offsets", "\" \" is not allowed in a topic's name; use letters"),
        (long.as_str(), "up to 249 characters"),
        ("..", "neither \".\" nor \"..\""),
        ("connect-configs", "the worker keeps something else in this topic; name one for offsets alone"),
        ("dead", "the dead letters go to this topic; name one for offsets alone"),
    ] {
        let mut config = stage.source(Some(name));
        config["errors.deadletterqueue.topic.name"] = json!("dead");
        let (status, body) =
            stage.worker.request("POST", "/connectors", Some(&json!({"name": "lines", "config": config}))).await?;
        let message = body["message"].as_str().unwrap_or_default();
        let start = format!("Invalid value {name} for configuration offsets.storage.topic: ");
        ensure!(status == 400 && message.contains(&start) && message.contains(said), "{status} {message}");
    }
    // One that is there and would lose them.
    stage.worker.create("lines", stage.source(None)).await?;
    stage.write(10)?;
    stage.doubled().await?;
    stage.put(Some("lines")).await?;
    let trace = stage.worker.failed("lines").await?;
    for part in ["\"lines\" of \"offsets.storage.topic\"", "cleanup.policy=delete", "name another topic"] {
        ensure!(trace.contains(part), "no {part} in {trace}");
    }
    stage.put(Some(OWN)).await?;
    stage.write(10)?;
    ensure!(stage.doubled().await? == 0, "lines came again");
    Ok(())
}
