//! Avro, JSON Schema and Protobuf with a client written by others: `confluent-kafka`'s serializers write generated data of many
//! schemas into topics, a sink is given what Millrace's converters read of it, a source gives the same again, and what
//! Millrace's converters write of that is read by `confluent-kafka`'s deserializers and compared.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use millrace_tests::{Log, Registry, Worker, clients, free_port, report, root};
use serde_json::{Value, json};

/// Groups of schemas, as `tests/clients/python/registry_schemas.py` names them, and the converter that each is for.
const GROUPS: [(&str, &str, &[(&str, &str)]); 4] = [
    ("avro", "io.confluent.connect.avro.AvroConverter", &[("enhanced.avro.schema.support", "true")]),
    ("json", "io.confluent.connect.json.JsonSchemaConverter", &[("use.optional.for.nonrequired", "true")]),
    ("protobuf", "io.confluent.connect.protobuf.ProtobufConverter", &[("optional.for.nullables", "true")]),
    ("wrapped", "io.confluent.connect.protobuf.ProtobufConverter", &[("wrapper.for.nullables", "true")]),
];

/// The folder with the relay plugins.
pub(crate) fn relays() -> anyhow::Result<PathBuf> {
    let beside = Worker::binary()?.parent().context("the program lies in a folder")?.join("test-plugins");
    anyhow::ensure!(
        beside.join("relay-sink.wasm").exists() || beside.join("relay_sink.wasm").exists(),
        "the relay plugins are not in {}: run scripts/test.sh, or millrace plugin build tests/guests/relay --out {0}",
        beside.display()
    );
    Ok(beside)
}

/// Runs the Python program to its end: what it printed, and whether it ended well.
async fn python(arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let program = root().join("tests/clients/python/registry_round_trips.py");
    let mut command = tokio::process::Command::new(clients::python_bin("python"));
    command.arg("-W").arg("ignore").arg(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let out = command.output().await.context("Python is missing: run scripts/clients.sh")?;
    let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Ok((out.status.success(), format!("{}\n{}", printed.trim_end(), errors.trim_end())))
}

/// The configuration of a relay with the converter of a group.
fn relay(kind: &str, file: &Path, class: &str, registry: &str, options: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": format!("test.Relay{kind}Connector"), "tasks.max": "1", "file": file,
        "key.converter": "String", "value.converter": class, "value.converter.schema.registry.url": registry,
    });
    for (key, value) in options {
        config[format!("value.converter.{key}")] = (*value).into();
    }
    config
}

/// All groups through a worker and a registry.
async fn round_trips(worker: &Worker, registry: &str, left_out: &str) -> anyhow::Result<()> {
    let mut equal = Vec::new();
    let mut failed = Vec::new();
    for (group, class, options) in GROUPS.into_iter().filter(|(group, ..)| *group != left_out) {
        let (well, said) = python(&["produce", &worker.bootstrap, registry, group]).await?;
        anyhow::ensure!(well, "{group}: {said}");
        let file = worker.dir().join(group);
        let mut sink = relay("Sink", &file, class, registry, options);
        sink["topics.regex"] = format!(r"in\.{group}\..*").into();
        sink["consumer.override.auto.offset.reset"] = "earliest".into();
        worker.create(&format!("{group}-sink"), sink).await?;
        let mut source = relay("Source", &file, class, registry, options);
        (source["from"], source["to"]) = (json!("in."), json!("out."));
        worker.create(&format!("{group}-source"), source).await?;
        let (well, said) = python(&["verify", &worker.bootstrap, registry, group, "out"]).await?;
        equal.push(format!("{group}: {}", said.lines().next().unwrap_or_default()));
        if !well {
            let (_, sink) = worker.get(&format!("/connectors/{group}-sink/status")).await?;
            let (_, source) = worker.get(&format!("/connectors/{group}-source/status")).await?;
            failed.push(format!("{group}: {said}\n{sink:#}\n{source:#}"));
        }
    }
    report(format!("round trips through {registry}: {}", equal.join(", ")));
    anyhow::ensure!(failed.is_empty(), "{}\n{}", failed.join("\n"), worker.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluents_client_reads_and_writes_what_the_converters_do() -> anyhow::Result<()> {
    let registry = format!("http://127.0.0.1:{}", free_port());
    let settings = format!("plugin.path={}\nschema.registry.listener={registry}\n", relays()?.display());
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    round_trips(&worker, &registry, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluents_client_and_a_registry_by_others() -> anyhow::Result<()> {
    let registry = Registry::start().await?;
    let settings = format!("plugin.path={}\nschema.registry.url={}\n", relays()?.display(), registry.url());
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    // Apicurio takes a text for a JSON Schema only if it names its "$schema", which Confluent's converters leave out.
    round_trips(&worker, &registry.url(), "json").await
}
