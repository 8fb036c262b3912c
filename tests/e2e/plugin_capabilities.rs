//! What plugins reach by grant: Redis, topics, secrets that they use and never see.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use hmac::{Hmac, KeyInit, Mac};
use millrace_tests::{Kafka, Log, Redis, Worker, eventually, read_topics, report};
use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::{Value, json};
use sha2::Sha256;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const SECRET: &str = "what signs copies";
const KILLS: usize = 4;
const LINES: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_in_the_log_before_offsets_are_on_the_embedded_broker() -> anyhow::Result<()> {
    outside(Log::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_in_the_log_before_offsets_are_on_kafka() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    outside(Log::Kafka(&kafka.address())).await
}

async fn outside(log: Log<'_>) -> anyhow::Result<()> {
    let beside = Worker::binary()?.parent().context("the program lies in a folder")?.to_owned();
    let path = format!("plugin.path={0}/plugins,{0}/test-plugins\n", beside.display());
    let redis = Redis::start().await?;
    let mut worker = Worker::start_with(log, &path).await?;
    let from = worker.dir().join("in.txt");
    std::fs::write(&from, "")?;
    let config = |grants: &str, topics: &str| {
        json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines",
            "key.converter": STRING, "value.converter": STRING,
            "transforms": "out", "transforms.out.type": "test.Outside", "transforms.out.topic": "audit-lines",
            "transforms.out.redis.url": redis.url(), "transforms.out.redis.password": redis.password,
            "transforms.out.sign.key": SECRET, "transforms.out.grants": grants, "transforms.out.kafka.topics": topics,
        })
    };

    // Who grants nothing hears what to set; so does who lists what is no topic.
    for (grants, topics, says) in [
        ("", "audit-*", "transforms.<alias>.grants="),
        ("redis", "audit-*", "transforms.<alias>.grants=kafka"),
        ("redis,kafka", "a b", "\"kafka.topics\" is wrong"),
    ] {
        let body = json!({"name": "refused", "config": config(grants, topics)});
        let (status, said) = worker.request("POST", "/connectors", Some(&body)).await?;
        anyhow::ensure!(status == 400 && said["message"].as_str().is_some_and(|m| m.contains(says)), "{says}: {status} {said}");
    }

    worker.create("lines", config("redis,kafka", "audit-*")).await?;
    worker.running("lines").await?;
    let mut input = std::fs::File::options().append(true).open(&from)?;
    let mut written = 0;
    for kill in 0..=KILLS {
        let text: String = (written..written + LINES).map(|n| format!("line {n}\n")).collect();
        input.write_all(text.as_bytes())?;
        if kill < KILLS {
            eventually("lines flow", Duration::from_secs(60), || async {
                let lines = read_topics(&worker.bootstrap, |t| t == "lines").await?.len();
                anyhow::ensure!(lines > written, "{lines} of more than {written}");
                Ok::<_, anyhow::Error>(())
            })
            .await?;
            worker.kill();
            worker.up().await?;
        }
        written += LINES;
    }
    let lines = eventually("all lines are there", Duration::from_secs(90), || async {
        let lines = values(&worker, "lines").await?;
        anyhow::ensure!(lines.len() >= written, "{} of {written}", lines.len());
        Ok::<_, anyhow::Error>(lines)
    })
    .await?;
    // A line whose offset is stored has its copy in the log, so none is missing once all lines are there.
    let copies = eventually("all copies are there", Duration::from_secs(30), || async {
        let copies = values(&worker, "audit-lines").await?;
        anyhow::ensure!(copies.len() >= written, "{} of {written}", copies.len());
        Ok::<_, anyhow::Error>(copies)
    })
    .await?;
    for (line, _) in lines {
        anyhow::ensure!(copies.contains_key(&format!("\"{line}\"")), "{line} has no copy");
    }
    for (copy, signature) in &copies {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes())?;
        mac.update(copy.as_bytes());
        anyhow::ensure!(mac.verify_slice(signature).is_ok(), "{copy} is signed wrong");
    }
    let seen: usize = redis.run("GET seen").await?.parse()?;
    anyhow::ensure!(seen >= written, "Redis counted {seen} of {written}");
    report(format_args!("{KILLS} kills, {written} lines: {} copies, Redis counted {seen}", copies.len()));

    // What was granted is shown, and no secret with it.
    let (_, grants) = worker.get("/connectors/lines/grants").await?;
    let out = &grants["plugins"][1];
    anyhow::ensure!(grants["plugins"][0]["capabilities"][0]["by"] == "the file beside the component", "{grants:#}");
    anyhow::ensure!(out["transform"] == "out" && out["plugin"] == "relay-outside", "{grants:#}");
    let by = |name: &str| {
        let all = out["capabilities"].as_array()?;
        all.iter().find(|c| c["name"] == name && c["granted"] == true).cloned()
    };
    let (kafka, store) = (by("kafka").context("kafka")?, by("redis").context("redis")?);
    anyhow::ensure!(kafka["settings"] == json!({"transforms.out.kafka.topics": "audit-*"}), "{kafka:#}");
    anyhow::ensure!(kafka["by"] == "transforms.out.grants", "{kafka:#}");
    anyhow::ensure!(store["bindings"][0]["keys"][1] == "transforms.out.redis.password", "{store:#}");
    anyhow::ensure!(!grants.to_string().contains(&redis.password), "{grants:#}");

    // A dry run writes nothing outside.
    let body = json!({"config": config("redis,kafka", "audit-*"), "records": [{"topic": "lines", "value": "tried"}]});
    let (_, tried) = worker.request("POST", "/transforms/try", Some(&body)).await?;
    anyhow::ensure!(tried["error"]["code"] == "redis.dry-run", "{tried:#}");
    anyhow::ensure!(redis.run("GET seen").await?.parse::<usize>()? == seen, "a dry run has counted");

    // The worker's own topics, and a server that does not let in.
    let failing = |change: &[(&str, &str)]| {
        let mut config = config("redis,kafka", "*");
        for (key, value) in change {
            config[*key] = Value::from(*value);
        }
        config
    };
    worker.create("beyond", failing(&[("transforms.out.topic", "_schemas")])).await?;
    let trace = worker.failed("beyond").await?;
    anyhow::ensure!(trace.contains("kafka.forbidden-topic") && trace.contains("the worker's own"), "{trace}");
    worker.create("locked-out", failing(&[("transforms.out.redis.password", "wrong")])).await?;
    let trace = worker.failed("locked-out").await?;
    anyhow::ensure!(trace.contains("redis.refused") && trace.contains("redis.password"), "{trace}");
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

/// The values of a topic, and the signature of each.
async fn values(worker: &Worker, topic: &'static str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut values = BTreeMap::new();
    for m in read_topics(&worker.bootstrap, move |t| t == topic).await? {
        let value = String::from_utf8(m.payload().unwrap_or_default().to_vec())?;
        let signature = m.headers().and_then(|h| h.iter().find(|h| h.key == "signature")?.value.map(<[u8]>::to_vec));
        values.insert(value, signature.unwrap_or_default());
    }
    Ok(values)
}
