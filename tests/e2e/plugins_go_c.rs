//! Transforms in Go and C, built from their sources by `millrace plugin build`: every record compared, records that fail
//! alone, settings that are wrong, and a plugin that breaks beside one that does not.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker, eventually, read_topics, report, root};
use rdkafka::message::Headers;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

pub const WITHIN: Duration = Duration::from_secs(120);
const LANGUAGES: [&str; 2] = ["go", "c"];
/// Records of each language's chain.
const RECORDS: usize = 20_000;

/// Runs `millrace plugin`; what it said, when it ended well.
pub async fn plugin(arguments: &[&str], dir: &Path) -> anyhow::Result<String> {
    let mut command = tokio::process::Command::new(Worker::binary()?);
    command.arg("plugin").args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    let out = command.output().await?;
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "millrace plugin {}: {}\n{said}", arguments.join(" "), out.status);
    Ok(said)
}

/// Builds the projects below `sources` of the repository into a directory of their own.
pub async fn built(sources: &str) -> anyhow::Result<tempfile::TempDir> {
    let out = tempfile::Builder::new().prefix("millrace-plugins").tempdir()?;
    let to = out.path().to_str().context("a name in UTF-8")?;
    plugin(&["build", sources, "--out", to], &root()).await?;
    Ok(out)
}

/// A worker with the built plugins besides its own, once it has compiled and looked at them.
pub async fn worker_with(plugins: &Path, wanted: &[&str]) -> anyhow::Result<Worker> {
    let own = Worker::binary()?.with_file_name("plugins");
    let settings = format!("plugin.path={},{}\n", plugins.display(), own.display());
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    eventually("the plugins are there", 3 * WITHIN, || async {
        let (_, all) = worker.get("/connector-plugins?connectorsOnly=false").await?;
        let text = all.to_string();
        wanted.iter().try_for_each(|name| {
            ensure!(text.contains(&format!("\"{name}\"")), "no {name} in {text}");
            Ok(())
        })
    })
    .await?;
    Ok(worker)
}

/// The address of record `i`, and its phone numbers.
fn record(i: usize) -> (Option<String>, Option<String>) {
    match i % 10 {
        3 => (Some(format!("u{i}@SPAM.test")), None),
        5 => (Some(format!("nobody{i}")), None),
        7 => (Some(format!("ada{i}@example.com")), Some(format!("1{i}, 2{i}"))),
        9 => (None, None),
        _ => (Some(format!("użytkownik{i}@example.com")), Some(String::new())),
    }
}

/// What comes of it, as the file sink writes it.
fn expected(i: usize) -> Vec<String> {
    let masked = |name: &str| {
        let n = name.chars().count() + i.to_string().len();
        format!("{}{}@example.com", &name[..1], "*".repeat(n - 1))
    };
    let line = |email: &str, phones: &str| format!("Struct{{id={i},email={email},phones={phones}}}");
    match i % 10 {
        3 | 5 => Vec::new(),
        7 => vec![line(&masked("ada"), &format!("1{i}")), line(&masked("ada"), &format!("2{i}"))],
        9 => vec![format!("Struct{{id={i}}}")],
        _ => vec![line(&masked("użytkownik"), "")],
    }
}

async fn produce(bootstrap: &str, topic: &str, records: impl Iterator<Item = Value>) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "5").create()?;
    let mut sent = Vec::new();
    for payload in records {
        let field = |name: &str, kind: &str, optional: bool| json!({"field": name, "type": kind, "optional": optional});
        let fields = [field("id", "int64", false), field("email", "string", true), field("phones", "string", true)];
        let value = json!({"schema": {"type": "struct", "fields": fields}, "payload": payload}).to_string();
        let record: FutureRecord<'_, str, str> = FutureRecord::to(topic).payload(&value);
        sent.push(producer.send_result(record).map_err(|(e, _)| e)?);
    }
    for delivery in sent {
        delivery.await?.map_err(|(e, _)| e)?;
    }
    Ok(())
}

fn sink(language: &str, topic: &str, file: &Path) -> Value {
    json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": file, "topics": topic,
        "value.converter.schemas.enable": "true", "consumer.override.auto.offset.reset": "earliest",
        "transforms": "contacts", "transforms.contacts.type": format!("contacts-{language}"),
        "transforms.contacts.field": "email", "transforms.contacts.drop.domain": "spam.test",
        "transforms.contacts.split.field": "phones",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": format!("dead-{language}"),
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        "errors.deadletterqueue.context.headers.family": "both",
    })
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transforms_in_go_and_c_are_as_any_other() -> anyhow::Result<()> {
    let plugins = built("tests/guests/contacts").await?;
    let worker = worker_with(plugins.path(), &["contacts-go", "contacts-c"]).await?;
    each_record_is_as_it_should_be(&worker).await?;
    what_is_wrong_is_said(&worker).await?;
    what_breaks_breaks_alone(&worker).await
}

async fn each_record_is_as_it_should_be(worker: &Worker) -> anyhow::Result<()> {
    let payload = |i: usize| {
        let (email, phones) = record(i);
        json!({"id": i, "email": email, "phones": phones})
    };
    produce(&worker.bootstrap, "people", (0..RECORDS).map(payload)).await?;
    let wanted: Vec<String> = (0..RECORDS).flat_map(expected).collect();
    for language in LANGUAGES {
        let file = worker.dir().join(format!("{language}.txt"));
        let name = format!("{language}-sink");
        worker.create(&name, sink(language, "people", &file)).await?;
        worker.running(&name).await?;
        let what = format!("what {language} makes of them");
        let arrived = eventually(&what, WITHIN, || async {
            let n = lines(&file).len();
            ensure!(n >= wanted.len(), "{n} of {} lines", wanted.len());
            Ok(())
        });
        if let Err(e) = arrived.await {
            let (_, status) = worker.get(&format!("/connectors/{name}/status")).await?;
            anyhow::bail!("{e}\n{status:#}\n{}", worker.log_tail());
        }
        let got = lines(&file);
        let differs = got.iter().zip(&wanted).find(|(got, wanted)| got != wanted);
        ensure!(differs.is_none() && got.len() == wanted.len(), "{language}: {} lines; first difference {differs:?}", got.len());

        let queue = format!("dead-{language}");
        let letters = eventually(&format!("the dead letters of {language}"), WITHIN, || async {
            let queue = queue.clone();
            let letters = read_topics(&worker.bootstrap, move |topic| topic == queue).await?;
            ensure!(letters.len() >= RECORDS / 10, "{} letters", letters.len());
            Ok(letters)
        })
        .await?;
        ensure!(letters.len() == RECORDS / 10, "{language}: {} letters", letters.len());
        for letter in &letters {
            let header = |name: &str| {
                let found = letter.headers().into_iter().flat_map(|h| h.iter()).find(|h| h.key == name);
                found.and_then(|h| h.value).map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
            };
            let value = String::from_utf8_lossy(letter.payload().unwrap_or_default()).into_owned();
            ensure!(value.contains("\"nobody"), "{language}: {value}");
            let (code, why) = (header("dlq.error_type"), header("__connect.errors.exception.message"));
            ensure!(code == "contacts.no-address" && why.contains("no e-mail address"), "{language}: {code}: {why}");
            ensure!(header("__connect.errors.stage") == "TRANSFORMATION", "{language}: {}", header("__connect.errors.stage"));
        }
    }
    report(format!("{RECORDS} records through a transform in Go and one in C, each compared"));
    Ok(())
}

async fn what_is_wrong_is_said(worker: &Worker) -> anyhow::Result<()> {
    for language in LANGUAGES {
        for (setting, value, said) in [
            ("transforms.contacts.field", None, "transforms.contacts.field"),
            ("transforms.contacts.split.field", Some("email"), "as \"field\" is; name another field"),
        ] {
            let mut config = sink(language, "broken", &worker.dir().join("none.txt"));
            config["name"] = "none".into();
            match value {
                Some(value) => config[setting] = value.into(),
                None => drop(config.as_object_mut().and_then(|c| c.remove(setting))),
            }
            let (_, answer) = worker.request("PUT", "/connector-plugins/FileStreamSink/config/validate", Some(&config)).await?;
            let errors: Vec<_> = answer["configs"].as_array().into_iter().flatten().map(|c| &c["value"]).collect();
            let of = |name: &str| errors.iter().find(|v| v["name"] == name).map(|v| v["errors"].to_string()).unwrap_or_default();
            let shown = of(setting).replace("\\\"", "\"");
            ensure!(answer["error_count"] == 1 && shown.contains(said), "{language} {setting}: {shown} in {answer:#}");
        }
    }
    Ok(())
}

/// Of each language one task that breaks, with a neighbour that does not.
async fn what_breaks_breaks_alone(worker: &Worker) -> anyhow::Result<()> {
    let healthy = |i: usize| json!({"id": i, "email": "ada@example.com", "phones": null});
    for language in LANGUAGES {
        worker
            .create(&format!("{language}-well"), sink(language, "well", &worker.dir().join(format!("{language}-well.txt"))))
            .await?;
        let mut config = sink(language, "broken", &worker.dir().join(format!("{language}-broken.txt")));
        config["transforms.contacts.panic.domain"] = "panic.test".into();
        worker.create(&format!("{language}-broken"), config).await?;
    }
    let broken = json!({"id": 7, "email": "ada@panic.test", "phones": null});
    produce(&worker.bootstrap, "broken", [healthy(0), broken].into_iter()).await?;
    for language in LANGUAGES {
        let trace = worker.failed(&format!("{language}-broken")).await?;
        let named = trace.contains(&format!("contacts-{language}")) && trace.contains("an address of the domain panic.test");
        ensure!(named, "{language}: {trace}");
    }
    produce(&worker.bootstrap, "well", (0..1_000).map(healthy)).await?;
    for language in LANGUAGES {
        let file: PathBuf = worker.dir().join(format!("{language}-well.txt"));
        eventually(&format!("the neighbour in {language} goes on"), WITHIN, || async {
            let n = lines(&file).len();
            ensure!(n == 1_000, "{n} lines");
            Ok(())
        })
        .await?;
        worker.running(&format!("{language}-well")).await?;
    }
    Ok(())
}
