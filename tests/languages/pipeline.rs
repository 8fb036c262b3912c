//! One pipeline through every language, and what each costs by itself.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker, eventually, report, root};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::build::{LANGUAGES, plugin};

/// How many go through; `MILLRACE_PIPELINE_RECORDS` says another number.
const RECORDS: usize = 1_000_000;
const WITHIN: Duration = Duration::from_secs(900);

fn records() -> usize {
    std::env::var("MILLRACE_PIPELINE_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(RECORDS)
}

/// Each language masks the address in a field of its own, so that the sink sees whether each did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_goes_through_every_language() -> anyhow::Result<()> {
    // These and no others: compiling one that has a whole interpreter in it takes a while.
    let path = tempfile::tempdir()?;
    let mut files = vec![Worker::binary()?.with_file_name("plugins").join("file-stream-sink.wasm")];
    for language in LANGUAGES {
        files.push(tokio::task::spawn_blocking(move || plugin("mask-hash", language)).await??);
    }
    for file in files {
        for file in [file.with_extension("grants"), file] {
            if file.is_file() {
                std::fs::copy(&file, path.path().join(file.file_name().context("a file has a name")?))?;
            }
        }
    }
    let settings = format!("plugin.path={}\n", path.path().display());
    let mut worker = Worker::start_with(Log::Embedded, &settings).await?;
    eventually("the worker has loaded its plugins", WITHIN, || async {
        let (status, said) = worker.get("/connectors").await?;
        ensure!(status == 200, "{status} {said}");
        anyhow::Ok(())
    })
    .await?;
    let n = records();
    let address = |language: &str, i: usize| format!("{language}{i}@example.com");
    let bootstrap = worker.bootstrap.clone();
    tokio::task::spawn_blocking(move || produce(&bootstrap, n, address)).await??;

    let mut fields = vec![json!({"field": "id", "type": "int64", "optional": false})];
    fields.extend(LANGUAGES.map(|l| json!({"field": l, "type": "string", "optional": true})));
    let schema = json!({"type": "struct", "optional": false, "fields": fields}).to_string();
    let file = worker.dir().join("out.txt");
    let mut config = json!({
        "connector.class": "FileStreamSink", "topics": "customers", "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schema.content": schema,
        "transforms": LANGUAGES.join(","),
    });
    for language in LANGUAGES {
        config[format!("transforms.{language}.type")] = json!(format!("mask-hash-{language}"));
        config[format!("transforms.{language}.field")] = json!(language);
    }
    let begun = Instant::now();
    worker.create("all", config).await?;
    let mut lines = Lines::default();
    eventually("every record has arrived", WITHIN, || {
        let read = lines.read(&file);
        let state = worker.request("GET", "/connectors/all/status", None);
        async move {
            let (_, status) = state.await?;
            let read = read.map_err(anyhow::Error::msg)?;
            ensure!(read >= n, "{read} of {n}: {}", status["tasks"][0]);
            anyhow::Ok(())
        }
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(worker.stop().await, "the worker did not stop");

    let mut seen = vec![false; n];
    for line in BufReader::new(File::open(&file)?).lines() {
        let line = line?;
        let id: usize = line.trim_start_matches("Struct{id=").split(',').next().unwrap_or_default().parse()?;
        ensure!(id < n && !std::mem::replace(&mut seen[id], true), "{id} came twice: {line}");
        let mut expected = format!("Struct{{id={id}");
        for language in LANGUAGES {
            write!(expected, ",{language}={}***@example.com", &language[..1])?;
        }
        for language in LANGUAGES {
            write!(expected, ",{language}_hash=")?;
            Sha256::digest(address(language, id)).iter().try_for_each(|byte| write!(expected, "{byte:02x}"))?;
        }
        expected.push('}');
        ensure!(line == expected, "{line}\ninstead of\n{expected}");
    }
    ensure!(seen.iter().all(|s| *s), "records are missing");
    report(format!("{n} records through {}: {:.0} a second", LANGUAGES.join(", "), n as f64 / seconds));
    tokio::task::spawn_blocking(costs).await?
}

/// Counts the lines that a file has by now.
#[derive(Default)]
struct Lines {
    file: Option<BufReader<File>>,
    read: usize,
}

impl Lines {
    fn read(&mut self, file: &Path) -> Result<usize, String> {
        let open = |e: std::io::Error| format!("{}: {e}", file.display());
        if self.file.is_none() {
            self.file = Some(BufReader::with_capacity(1 << 20, File::open(file).map_err(open)?));
        }
        let Some(reader) = &mut self.file else { return Ok(0) };
        loop {
            let bytes = reader.fill_buf().map_err(open)?;
            let (n, lines) = (bytes.len(), bytes.iter().filter(|b| **b == b'\n').count());
            if n == 0 {
                return Ok(self.read);
            }
            self.read += lines;
            reader.consume(n);
        }
    }
}

fn produce(bootstrap: &str, n: usize, address: impl Fn(&str, usize) -> String) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("linger.ms", "20").set("queue.buffering.max.messages", "200000");
    let producer: ThreadedProducer<_> = config.create()?;
    for i in 0..n {
        let mut value = format!("{{\"id\":{i}");
        for language in LANGUAGES {
            write!(value, ",\"{language}\":\"{}\"", address(language, i))?;
        }
        value.push('}');
        let mut record = BaseRecord::<str, str>::to("customers").payload(&value);
        while let Err((error, back)) = producer.send(record) {
            ensure!(error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull), "{error}");
            std::thread::sleep(Duration::from_millis(10));
            record = back;
        }
    }
    Ok(producer.flush(Duration::from_secs(120))?)
}

/// Prints what `plugin bench` finds for each transform in each language.
fn costs() -> anyhow::Result<()> {
    report(format!("{:<12}{:>24}{:>24}", "language", "mask-hash, records/s", "split, records/s"));
    for language in LANGUAGES {
        let mut line = format!("{language:<12}");
        for transform in ["mask-hash", "split"] {
            let input = root().join("tests/languages/cases").join(transform).join("bench.json");
            let mut millrace = Command::new(Worker::binary()?);
            millrace.args(["plugin", "bench", "--seconds", "1", "--input"]).arg(input).arg(plugin(transform, language)?);
            let output = millrace.output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            let rate = said.lines().find_map(|l| l.strip_prefix("records a second")).map(str::trim);
            let rate = rate.with_context(|| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))?;
            write!(line, "{rate:>24}")?;
        }
        report(line);
    }
    Ok(())
}
