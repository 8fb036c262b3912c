//! What the real Kafka Connect answers about plugins and configurations, asked of this worker: `validate_vectors/cases.json`
//! has the requests, `answers.json` Connect's answers, and `differences.json` where ours differ, and why.

mod recorded;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Connect, Kafka, Log, Worker, eventually, report};
use serde_json::{Value, json};

use recorded::{Answer, Answers, Case, Differences, cases};

/// Connect's version in the recording; here it stands for ours.
const CONNECT_VERSION: &str = "4.3.1";

/// The workers that are asked, by name, with their settings.
const WORKERS: [(&str, &str); 4] = [
    ("all", "connector.client.config.override.policy=All\n"),
    ("none", "connector.client.config.override.policy=None\n"),
    ("principal", "connector.client.config.override.policy=Principal\n"),
    (
        "allow",
        "connector.client.config.override.policy=Allowlist\nconnector.client.config.override.allowlist=max.poll.records,linger.ms\n",
    ),
];

async fn ask(http: &reqwest::Client, rest: &str, case: &Case, version: &str) -> anyhow::Result<Answer> {
    let here = |text: &str| text.replace(CONNECT_VERSION, version);
    let method: reqwest::Method = case.method.parse()?;
    let mut request = http.request(method.clone(), format!("{rest}{}", here(&case.path))).header("Accept", "application/json");
    let with_body = [reqwest::Method::PUT, reqwest::Method::POST, reqwest::Method::PATCH].contains(&method);
    let content = case.content.as_deref().unwrap_or("application/json");
    if with_body && !content.is_empty() {
        request = request.header("Content-Type", content);
    }
    if let Some(body) = &case.body {
        request = request.body(here(body));
    }
    let answer = request.send().await?;
    let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (status, content, allow) = (answer.status().as_u16(), header("content-type"), header("allow"));
    let text = answer.text().await?;
    let text = if version == CONNECT_VERSION { text } else { text.replace(version, CONNECT_VERSION) };
    let mut body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    recorded::without_documentation(&mut body);
    without_others(&mut body);
    Ok(Answer { status, content, allow, body })
}

/// Converters of a Schema Registry, which Kafka Connect gets from others, and transforms of our own are not what is compared.
fn without_others(body: &mut Value) {
    let others = |class: &str| class.starts_with("io.confluent.") || class.starts_with("io.millrace.");
    let is_one = |v: &Value| v.as_str().or_else(|| v["class"].as_str()).is_some_and(others);
    match body {
        Value::Array(all) => {
            all.retain(|v| !is_one(v));
            all.iter_mut().for_each(without_others);
        }
        Value::Object(members) => members.values_mut().for_each(without_others),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_and_this_worker_answer_alike() -> anyhow::Result<()> {
    let (cases, answers, differences) = (cases()?, Answers::read()?, Differences::read()?);
    let http = reqwest::Client::new();
    let mut wrong = Vec::new();
    let mut met = BTreeMap::<String, usize>::new();
    for (name, settings) in WORKERS {
        let worker = Worker::start_with(Log::Embedded, &format!("group.id=all\n{settings}")).await?;
        let (_, root) = worker.get("/").await?;
        let version = root["version"].as_str().context("no version")?.to_owned();
        for case in cases.iter().filter(|c| c.worker == name) {
            let ours = ask(&http, &worker.rest, case, &version).await?;
            let theirs = answers.get(&case.name)?;
            for (what, reason) in recorded::differences(&theirs, &ours) {
                match differences.reason(&case.name, &what) {
                    Some(known) => *met.entry(known).or_default() += 1,
                    None => wrong.push(format!("{}: {what}: {reason}", case.name)),
                }
            }
        }
    }
    if let Ok(path) = std::env::var("MILLRACE_DIFFERENCES") {
        std::fs::write(path, wrong.join("\n"))?;
    }
    let unmet: Vec<_> = differences.reasons().filter(|r| !met.contains_key(*r)).collect();
    ensure!(wrong.is_empty(), "{} differences that are not listed:\n{}", wrong.len(), wrong.join("\n"));
    println!("listed, and met no more: {unmet:#?}");
    println!("differences, by reason: {met:#?}");
    report(format!("{} recorded validations compared; {} listed reasons of differences met", cases.len(), met.len()));
    Ok(())
}

/// Writes the answers anew: `validate_vectors/record.sh`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "records the real Kafka Connect; run by validate_vectors/record.sh"]
async fn record_kafka_connect() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let http = reqwest::Client::new();
    let mut answers = Answers::default();
    let cases = cases()?;
    for (name, settings) in WORKERS {
        let connect = Connect::start_as(&kafka.address(), name, settings).await?;
        for case in cases.iter().filter(|c| c.worker == name) {
            answers.add(&case.name, ask(&http, &connect.rest, case, CONNECT_VERSION).await?);
        }
    }
    answers.write()
}

/// Many clients at once: no request waits for long, and none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_validate_at_once() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    eventually("the worker is ready", Duration::from_secs(60), || async {
        let (status, answer) = worker.get("/health").await?;
        ensure!(status == 200, "{answer}");
        Ok(())
    })
    .await?;
    let http = reqwest::Client::new();
    let body = json!({
        "name": "a", "connector.class": "FileStreamSource", "topic": "t", "file": "/tmp/in", "tasks.max": "1",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "transforms": "x,y", "transforms.x.type": "RegexRouter", "transforms.x.regex": "a", "transforms.x.replacement": "b",
        "transforms.y.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.y.field": "line",
        "producer.override.linger.ms": "5",
    });
    let url = format!("{}/connector-plugins/FileStreamSource/config/validate", worker.rest);
    let client = |first: usize| {
        let (http, url, body) = (http.clone(), url.clone(), body.clone());
        async move {
            let mut took = Vec::new();
            for n in (first..1_000).step_by(32) {
                let mut body = body.clone();
                body["name"] = json!(format!("c{n}"));
                let started = Instant::now();
                let answer: Value =
                    http.put(&url).body(body.to_string()).header("Content-Type", "application/json").send().await?.json().await?;
                took.push(started.elapsed());
                ensure!(answer["error_count"] == 0, "{answer}");
            }
            Ok(took)
        }
    };
    let mut took: Vec<_> = futures::future::try_join_all((0..32).map(client)).await?.into_iter().flatten().collect();
    took.sort();
    let (half, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    report(format!("{} validations from 32 clients: half within {half:?}, 99 of 100 within {p99:?}", took.len()));
    ensure!(took.len() == 1_000 && p99.as_millis() < 1_000, "99 of 100 within {p99:?}");
    Ok(())
}
