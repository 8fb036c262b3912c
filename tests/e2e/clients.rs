//! Clients written by others, as they come: the Python package `kafka-connect-py` with its command `kc`, and the Go client
//! `cloudhut/connect-client`. Each takes a connector through its life; what it prints is held against what Connect means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use millrace_tests::{Log, Worker, clients, eventually};
use serde_json::{Value, json};

fn settings(file: &Path) -> Value {
    json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines"})
}

/// Runs a program to its end: what it printed, without the last line break. It must end well.
async fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let out = tokio::process::Command::new(program).args(arguments).output().await;
    let out = out.with_context(|| format!("{} is missing: run scripts/clients.sh", program.display()))?;
    let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    anyhow::ensure!(out.status.success(), "{} {arguments:?}: {}\n{printed}{errors}", program.display(), out.status);
    Ok(format!("{}{}", printed.trim_end(), errors.trim_end()))
}

/// `kc` against a worker.
struct Kc<'a> {
    bin: PathBuf,
    url: &'a str,
}

impl Kc<'_> {
    async fn says(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(&self.bin, &[&["--url", self.url], arguments].concat()).await
    }

    async fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let said = self.says(arguments).await?;
        serde_json::from_str(&said).with_context(|| format!("kc {arguments:?} said {said}"))
    }

    /// Waits until `kc status` says so of connector and tasks.
    async fn reaches(&self, name: &str, state: &str, tasks: usize) -> anyhow::Result<Value> {
        eventually(&format!("{name} is {state}"), Duration::from_secs(60), || async {
            let s = self.json(&["status", name]).await?;
            let states: Vec<_> = s["tasks"].as_array().into_iter().flatten().map(|t| t["state"].clone()).collect();
            anyhow::ensure!(s["connector"]["state"] == state && states == vec![json!(state); tasks], "{s}");
            Ok::<_, anyhow::Error>(s)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_takes_a_connector_through_its_life() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let kc = Kc { bin: clients::python_bin("kc"), url: &worker.rest };
    let config = settings(&file).to_string();

    let info = kc.json(&["info"]).await?;
    anyhow::ensure!(info["version"].is_string() && info["kafka_cluster_id"].is_string(), "info: {info}");
    let plugins = kc.json(&["list-plugins"]).await?;
    let source = json!("org.apache.kafka.connect.file.FileStreamSourceConnector");
    anyhow::ensure!(
        plugins.as_array().is_some_and(|p| p.iter().any(|p| p["class"] == source && p["type"] == "source")),
        "{plugins}"
    );

    // The same package's class, for what its command cannot.
    let drive = millrace_tests::root().join("tests/clients/python/drive.py");
    let drive = drive.to_str().context("a path of text")?;
    let python = clients::python_bin("python");
    let mut named = settings(&file);
    named["name"] = "lines".into();
    let valid = run(&python, &[drive, &worker.rest, "validate", "FileStreamSource", &named.to_string()]).await?;
    let valid: Value = serde_json::from_str(&valid)?;
    anyhow::ensure!(valid["error_count"] == 0 && valid["configs"].as_array().is_some_and(|c| c.len() > 20), "{valid}");
    named["tasks.max"] = "many".into();
    let wrong = run(&python, &[drive, &worker.rest, "validate", "FileStreamSource", &named.to_string()]).await?;
    let wrong: Value = serde_json::from_str(&wrong)?;
    let errors = wrong["configs"].as_array().into_iter().flatten().find(|c| c["value"]["name"] == "tasks.max");
    anyhow::ensure!(errors.is_some_and(|c| c["value"]["errors"].to_string().contains("many")), "{wrong}");

    let request = json!({"name": "lines", "config": settings(&file)}).to_string();
    let created = kc.json(&["create", "-d", &request]).await?;
    anyhow::ensure!(created["name"] == "lines" && created["type"] == "source", "create: {created}");
    anyhow::ensure!(created["config"]["file"] == json!(file) && created["config"]["name"] == "lines", "create: {created}");
    let again = kc.says(&["create", "-d", &request]).await?;
    anyhow::ensure!(again.starts_with("409 Client Error: Conflict"), "create again: {again}");
    kc.reaches("lines", "RUNNING", 1).await?;
    anyhow::ensure!(kc.json(&["list"]).await? == json!(["lines"]));
    let expanded = kc.json(&["list", "--expand", "status"]).await?;
    anyhow::ensure!(expanded["lines"]["status"]["connector"]["state"] == "RUNNING", "list: {expanded}");
    anyhow::ensure!(kc.json(&["list", "--state", "running"]).await? == json!(["lines"]));
    let got = kc.json(&["get", "lines"]).await?;
    anyhow::ensure!(got["tasks"] == json!([{"connector": "lines", "task": 0}]), "get: {got}");

    let mut other = settings(&file);
    other["batch.size"] = "500".into();
    let updated = kc.json(&["update", "lines", "-d", &other.to_string()]).await?;
    anyhow::ensure!(updated["config"]["batch.size"] == "500", "update: {updated}");
    let now = kc.json(&["config", "lines"]).await?;
    anyhow::ensure!(now["batch.size"] == "500" && now["topic"] == "lines", "config: {now}");
    let fresh = kc.json(&["update", "more", "-d", &config]).await?;
    anyhow::ensure!(fresh["name"] == "more", "update makes: {fresh}");
    kc.reaches("more", "RUNNING", 1).await?;

    kc.reaches("lines", "RUNNING", 1).await?;
    let said = kc.says(&["pause", "lines"]).await?;
    anyhow::ensure!(!said.contains("Error"), "pause: {said}");
    kc.reaches("lines", "PAUSED", 1).await?;
    anyhow::ensure!(kc.json(&["list", "--state", "paused"]).await? == json!(["lines"]));
    let said = kc.says(&["resume", "lines"]).await?;
    anyhow::ensure!(!said.contains("Error"), "resume: {said}");
    kc.reaches("lines", "RUNNING", 1).await?;

    let tasks = kc.json(&["list-tasks", "lines"]).await?;
    anyhow::ensure!(tasks[0]["id"] == json!({"connector": "lines", "task": 0}) && tasks[0]["config"].is_object(), "{tasks}");
    let task = kc.json(&["task-status", "lines", "0"]).await?;
    anyhow::ensure!(task["id"] == 0 && task["state"] == "RUNNING" && task["worker_id"].is_string(), "{task}");
    let said = kc.says(&["restart", "lines"]).await?;
    anyhow::ensure!(!said.contains("Error"), "restart: {said}");
    let restarted = kc.json(&["restart", "lines", "--include-tasks"]).await?;
    anyhow::ensure!(restarted["name"] == "lines" && restarted["tasks"][0]["id"] == 0, "restart: {restarted}");
    let said = kc.says(&["restart-task", "lines", "0"]).await?;
    anyhow::ensure!(!said.contains("Error"), "restart-task: {said}");
    kc.reaches("lines", "RUNNING", 1).await?;

    let topics = kc.json(&["list-topics", "lines"]).await?;
    anyhow::ensure!(topics == json!({"lines": {"topics": ["lines"]}}), "{topics}");
    let said = kc.says(&["reset-topics", "lines"]).await?;
    anyhow::ensure!(!said.contains("Error"), "reset-topics: {said}");
    anyhow::ensure!(kc.json(&["list-topics", "lines"]).await? == json!({"lines": {"topics": []}}));

    let said = run(&python, &[drive, &worker.rest, "stop", "lines"]).await?;
    anyhow::ensure!(!said.contains("Error"), "stop: {said}");
    kc.reaches("lines", "STOPPED", 0).await?;
    // No client of Python's knows offsets; those that do send what curl does.
    let (status, offsets) = worker.get("/connectors/lines/offsets").await?;
    anyhow::ensure!(status == 200 && offsets["offsets"][0]["offset"]["position"] == 4, "{status} {offsets}");

    kc.says(&["delete", "lines"]).await?;
    kc.says(&["delete", "--all", "--pattern", "mor.*"]).await?;
    anyhow::ensure!(kc.json(&["list"]).await? == json!([]));
    let gone = kc.says(&["get", "lines"]).await?;
    anyhow::ensure!(gone.starts_with("404 Client Error: Not Found"), "get: {gone}");
    Ok(())
}

/// What the Go client printed, step by step.
struct Steps(Vec<Value>);

impl Steps {
    fn find(&self, step: &str) -> anyhow::Result<&Value> {
        self.0.iter().find(|l| l["step"] == step).with_context(|| format!("the Go client printed no step \"{step}\""))
    }

    /// The answer of a step that went well.
    fn answer(&self, step: &str) -> anyhow::Result<&Value> {
        let line = self.find(step)?;
        anyhow::ensure!(line["error"] == "", "{step}: {line}");
        Ok(&line["answer"])
    }

    /// The error of one that did not.
    fn error(&self, step: &str) -> anyhow::Result<&str> {
        let line = self.find(step)?;
        line["error"].as_str().filter(|e| !e.is_empty()).with_context(|| format!("{step} went well: {line}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_client_takes_a_connector_through_its_life() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let mut config = settings(&file);
    config["name"] = "orders".into();
    let (mut changed, mut wrong) = (config.clone(), config.clone());
    changed["batch.size"] = "500".into();
    wrong["tasks.max"] = "many".into();
    let arguments = [worker.rest.as_str(), "orders", &config.to_string(), &changed.to_string(), &wrong.to_string()];
    let printed = run(&clients::go_client(), &arguments).await?;
    let steps = Steps(printed.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(printed.clone())?);

    let root = steps.answer("root")?;
    anyhow::ensure!(root["version"].is_string() && root["kafka_cluster_id"].is_string(), "{root}");
    let plugins = steps.answer("plugins")?.to_string();
    anyhow::ensure!(plugins.contains("FileStreamSource") && plugins.contains("FileStreamSink"), "{plugins}");
    anyhow::ensure!(steps.answer("validate")?["error_count"] == 0, "{}", steps.answer("validate")?);
    let wrong = steps.answer("validate wrong")?;
    let at = wrong["configs"].as_array().into_iter().flatten().find(|c| c["value"]["name"] == "tasks.max");
    anyhow::ensure!(at.is_some_and(|c| c["value"]["errors"].to_string().contains("many")), "{wrong}");
    anyhow::ensure!(steps.answer("create")?["type"] == "source" && steps.answer("create")?["config"] == config);
    anyhow::ensure!(steps.error("create again")? == "Connector orders already exists (409)", "{}", steps.error("create again")?);
    anyhow::ensure!(steps.answer("list")? == &json!(["orders"]));
    let expanded = &steps.answer("list expanded")?["orders"];
    anyhow::ensure!(expanded["status"]["connector"]["state"] == "RUNNING" && expanded["info"]["config"] == config, "{expanded}");
    anyhow::ensure!(steps.answer("get")?["tasks"] == json!([{"connector": "orders", "task": 0}]));
    anyhow::ensure!(steps.answer("update")?["config"]["batch.size"] == "500" && steps.answer("config")? == &changed);
    let silent = [
        "runs",
        "runs after update",
        "pause",
        "paused",
        "resume",
        "resumed",
        "restart",
        "restart with tasks",
        "restart task",
        "runs after restarts",
        "reset topics",
        "stop",
        "stopped",
        "delete",
    ];
    for step in silent {
        steps.answer(step)?;
    }
    anyhow::ensure!(steps.answer("topics")? == &json!({"orders": {"topics": ["lines"]}}), "{}", steps.answer("topics")?);
    let offsets = steps.answer("offsets")?;
    anyhow::ensure!(offsets["offsets"][0]["offset"]["position"] == 4, "{offsets}");
    let refused = steps.error("reset offsets of what runs")?;
    anyhow::ensure!(refused.starts_with("400 ") && refused.contains("STOPPED"), "{refused}");
    let reset = steps.answer("reset offsets")?;
    anyhow::ensure!(reset["message"].as_str().is_some_and(|m| m.contains("have been reset")), "{reset}");
    anyhow::ensure!(steps.answer("offsets after reset")? == &json!({"offsets": []}));
    anyhow::ensure!(steps.error("delete again")? == "Connector orders not found (404)", "{}", steps.error("delete again")?);
    anyhow::ensure!(steps.answer("list after delete")? == &json!([]));
    Ok(())
}
