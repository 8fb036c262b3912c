//! Plugins in Python and JavaScript, from `plugin new` to records in a topic: built by the program with tools that it installs
//! itself, then run in a worker, on a source and on a sink.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::message::Headers;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
const LINES: usize = 2_000;

/// Over columns, in place of the starter's: hides every line but those that it refuses.
const PYTHON: &str = r#"
from millrace_plugin import Batch, Config, Key, Transform, log


class Hide(Transform):
    """Hides a text."""

    keys = [Key("field", importance="high"), Key("mask", default="***")]

    @classmethod
    def validate(cls, config: Config):
        if config["mask"] == "":
            yield "mask", "the mask is empty; give it a text, as in \"***\""

    def configure(self, config: Config) -> None:
        self.path = f"value.{config['field']}"
        self.mask = config["mask"]
        log.info("hiding", path=self.path)

    def apply(self, batch: Batch) -> None:
        texts = batch.column(self.path)
        for row, text in enumerate(texts):
            if text == "bad":
                batch.fail(row, "hide.bad", "this line is bad")
        batch.filter([text != "gone" for text in texts])
        batch.set(self.path, [None if text is None else f"{self.mask} {len(text)}" for text in texts])
"#;

/// A record at a time, in TypeScript.
const TYPESCRIPT: &str = r#"
import { Record, RecordError, transform } from "millrace-plugin";

type Value = { [name: string]: unknown };

export default transform(
  { doc: "Hides a text.", keys: [{ name: "field" }, { name: "mask", default: "***" }] },
  (record: Record, config) => {
    const [field, mask] = [config.text("field"), config.text("mask")];
    const value = record.value as Value | null;
    if (value === null) return record;
    const text = value[field];
    if (text === "bad") throw new RecordError("hide.bad", "this line is bad");
    if (text === "gone") return null;
    const made = (part: string) => new Record({ value: { ...value, [field]: `${mask} ${String(text).length}`, part } as never });
    return text === "twice" ? [made("first"), made("second")] : made("whole");
  },
);
"#;

pub fn millrace(args: &[&str]) -> anyhow::Result<String> {
    let out = Command::new(Worker::binary()?).args(args).output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "millrace {} ended with {}:\n{said}", args.join(" "), out.status);
    Ok(said)
}

/// A project as `plugin new` writes it; `module`: in place of its own.
pub fn project(at: &Path, name: &str, options: &[&str], module: Option<(&str, &str)>) -> anyhow::Result<()> {
    let dir = at.join(name);
    millrace(&[&["plugin", "new", name, "--dir", &dir.display().to_string()], options].concat())?;
    if let Some((file, text)) = module {
        std::fs::write(dir.join(file), text).with_context(|| format!("{name}: {file}"))?;
    }
    Ok(())
}

pub async fn produce(bootstrap: &str, topic: &str, values: &[Option<String>]) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    for (at, value) in values.iter().enumerate() {
        let key = at.to_string();
        let mut record: FutureRecord<'_, str, str> = FutureRecord::to(topic).key(&key);
        record.payload = value.as_deref();
        producer.send(record, WITHIN).await.map_err(|(e, _)| e)?;
    }
    Ok(())
}

const SCHEMALESS: &str = "org.apache.kafka.connect.json.JsonConverter";

fn source(file: &Path, plugin: &str) -> Value {
    json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": plugin,
        "value.converter": SCHEMALESS, "value.converter.schemas.enable": "false",
        "transforms": "wrap,hide", "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.wrap.field": "line", "transforms.hide.type": plugin, "transforms.hide.field": "line",
    })
}

fn sink(file: &Path, plugin: &str) -> Value {
    json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": file, "topics": format!("{plugin}-in"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": SCHEMALESS, "value.converter.schemas.enable": "false",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": format!("{plugin}-dead"),
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        "transforms": "hide", "transforms.hide.type": plugin, "transforms.hide.field": "line", "transforms.hide.mask": "#",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transforms_in_python_and_javascript_run_in_a_worker() -> anyhow::Result<()> {
    let at = tempfile::tempdir()?;
    let plugins = at.path().join("plugins");
    let projects = at.path().join("projects");
    project(&projects, "hide-py", &["--lang", "python"], Some(("hide_py.py", PYTHON)))?;
    project(&projects, "hide-ts", &["--lang", "typescript"], Some(("hide-ts.ts", TYPESCRIPT)))?;
    project(&projects, "hide-js", &["--lang", "javascript"], None)?;
    let [from, to] = [&projects, &plugins].map(|p| p.display().to_string());
    let said = millrace(&["plugin", "build", &from, "--out", &to])?;
    ensure!(said.matches("built  ").count() == 3, "{said}");
    for kind in ["source", "sink"] {
        for ending in ["wasm", "grants"] {
            let name = format!("file-stream-{kind}.{ending}");
            std::fs::copy(Worker::binary()?.with_file_name("plugins").join(&name), plugins.join(&name))?;
        }
    }

    let worker = Worker::start_with(Log::Embedded, &format!("plugin.path={to}")).await?;
    for plugin in ["hide-py", "hide-ts", "hide-js"] {
        lines_of_a_file_are_hidden(&worker, plugin).await.with_context(|| format!("{plugin} on a source"))?;
    }
    for plugin in ["hide-py", "hide-ts"] {
        what_fails_goes_to_the_dead_letters(&worker, plugin).await.with_context(|| format!("{plugin} on a sink"))?;
    }
    settings_are_checked(&worker).await
}

async fn lines_of_a_file_are_hidden(worker: &Worker, plugin: &str) -> anyhow::Result<()> {
    let file = worker.dir().join(format!("{plugin}.txt"));
    let text: String = (0..LINES).map(|n| format!("{}\n", "é".repeat(n % 7))).collect();
    std::fs::write(&file, text)?;
    worker.create(plugin, source(&file, plugin)).await?;
    let topic = plugin.to_owned();
    let records = eventually("every line", WITHIN, || async {
        let wanted = topic.clone();
        let records = read_topics(&worker.bootstrap, move |t| t == wanted).await?;
        ensure!(records.len() == LINES, "{} records: {}", records.len(), worker.log_tail());
        Ok(records)
    })
    .await?;
    for (n, record) in records.iter().enumerate() {
        let value: Value = serde_json::from_slice(record.payload().unwrap_or_default())?;
        let expected = match plugin {
            "hide-py" => json!({"line": format!("*** {}", n % 7)}),
            "hide-ts" => json!({"line": format!("*** {}", n % 7), "part": "whole"}),
            _ => json!({"line": "***"}),
        };
        ensure!(value == expected, "line {n}: {value} instead of {expected}");
    }
    worker.delete(plugin).await
}

async fn what_fails_goes_to_the_dead_letters(worker: &Worker, plugin: &str) -> anyhow::Result<()> {
    let values = ["a", "bad", "gone", "twice", "bad", "bcd"].map(|line| Some(json!({"line": line}).to_string()));
    produce(&worker.bootstrap, &format!("{plugin}-in"), &values).await?;
    let file = worker.dir().join(format!("{plugin}-out.txt"));
    let name = format!("{plugin}-sink");
    worker.create(&name, sink(&file, plugin)).await?;
    let expected: &[&str] = match plugin {
        "hide-py" => &[r##"{"line":"# 1"}"##, r##"{"line":"# 5"}"##, r##"{"line":"# 3"}"##],
        _ => &[
            r##"{"line":"# 1","part":"whole"}"##,
            r##"{"line":"# 5","part":"first"}"##,
            r##"{"line":"# 5","part":"second"}"##,
            r##"{"line":"# 3","part":"whole"}"##,
        ],
    };
    eventually("what is good in the file", WITHIN, || async {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        ensure!(written.lines().eq(expected.iter().copied()), "{written}\n{}", worker.log_tail());
        Ok(())
    })
    .await?;
    let queue = format!("{plugin}-dead");
    let letters = eventually("both dead letters", WITHIN, || async {
        let wanted = queue.clone();
        let letters = read_topics(&worker.bootstrap, move |t| t == wanted).await?;
        ensure!(letters.len() == 2, "{} letters: {}", letters.len(), worker.log_tail());
        Ok(letters)
    })
    .await?;
    for (letter, key) in letters.iter().zip(["1", "4"]) {
        ensure!(letter.key() == Some(key.as_bytes()) && letter.payload() == Some(br#"{"line":"bad"}"#), "{letter:?}");
        let text = |v: Option<&[u8]>| String::from_utf8_lossy(v.unwrap_or_default()).into_owned();
        let headers = letter.headers().into_iter().flat_map(|h| h.iter());
        let headers: Vec<_> = headers.map(|h| (h.key.to_owned(), text(h.value))).collect();
        let of = |name: &str| {
            let found = headers.iter().find(|(n, _)| *n == format!("__connect.errors.{name}"));
            found.map_or("", |(_, v)| v.as_str())
        };
        ensure!(of("stage") == "TRANSFORMATION" && of("exception.message").contains("this line is bad"), "{headers:?}");
    }
    worker.delete(&name).await
}

async fn settings_are_checked(worker: &Worker) -> anyhow::Result<()> {
    let file = worker.dir().join("none.txt");
    for (plugin, key, value, said) in [
        ("hide-py", "field", Value::Null, "Missing required configuration"),
        ("hide-js", "field", Value::Null, "Missing required configuration"),
        ("hide-py", "mask", json!(""), "the mask is empty"),
    ] {
        let mut config = source(&file, plugin);
        let key = format!("transforms.hide.{key}");
        config[&key] = value;
        config.as_object_mut().expect("an object").retain(|_, v| !v.is_null());
        let (status, body) = worker.request("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(&config)).await?;
        let of_key = body["configs"].as_array().into_iter().flatten().find(|c| c["value"]["name"] == key.as_str());
        let errors = of_key.map(|c| c["value"]["errors"].to_string()).unwrap_or_default();
        ensure!(status == 200 && errors.contains(said), "{plugin}: {key}: {errors} of {status} {body}");
    }
    Ok(())
}
