//! The built worker, driven from outside: its process, and its REST API.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::{Process, eventually, free_port, root};

/// What carries the records.
pub enum Log<'a> {
    /// The broker in the worker, on a port of its own.
    Embedded,
    /// A Kafka at this address.
    Kafka(&'a str),
}

/// A worker with a data directory of its own. It can be killed and started again on the same state.
pub struct Worker {
    pub process: Option<Process>,
    pub rest: String,
    /// Where its embedded Schema Registry is, unless the settings name another.
    pub registry: String,
    /// Where a Kafka client finds the log.
    pub bootstrap: String,
    dir: tempfile::TempDir,
    http: reqwest::Client,
    /// Variables of the process's environment.
    pub environment: Vec<(String, String)>,
    /// From the start of the process to the first answer of `GET /`.
    pub ready_in: Duration,
}

/// Asks a worker beside its [`Worker`], which may be in other hands meanwhile.
#[derive(Clone)]
pub struct Caller {
    rest: String,
    http: reqwest::Client,
}

impl Caller {
    /// As [`Worker::request`].
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        request(&self.http, &self.rest, method, path, body).await
    }
}

impl Worker {
    pub async fn start(log: Log<'_>) -> anyhow::Result<Worker> {
        Self::start_with(log, "").await
    }

    /// With further lines for worker.properties.
    pub async fn start_with(log: Log<'_>, settings: &str) -> anyhow::Result<Worker> {
        let mut worker = Self::prepare(log, settings)?;
        worker.up().await?;
        Ok(worker)
    }

    /// Not started yet. Later lines of worker.properties win.
    pub fn prepare(log: Log<'_>, settings: &str) -> anyhow::Result<Worker> {
        let dir = tempfile::Builder::new().prefix("millrace-worker").tempdir()?;
        let rest = format!("http://127.0.0.1:{}", free_port());
        let registry = format!("http://127.0.0.1:{}", free_port());
        let own =
            if settings.contains("schema.registry.") { String::new() } else { format!("schema.registry.listener={registry}\n") };
        let (bootstrap, place) = match log {
            Log::Embedded => {
                let at = format!("127.0.0.1:{}", free_port());
                (at.clone(), format!("embedded.broker.listener={at}"))
            }
            Log::Kafka(at) => {
                let group = format!("worker-{}", dir.path().file_name().expect("has a name").to_string_lossy().replace('.', ""));
                let topics: String = ["config", "offset", "status"]
                    .iter()
                    .map(|t| format!("{t}.storage.topic={group}-{t}s\n{t}.storage.replication.factor=1\n"))
                    .collect();
                (at.to_owned(), format!("bootstrap.servers={at}\ngroup.id={group}\n{topics}"))
            }
        };
        let conf = format!(
            "{place}\nlisteners={rest}\ndata.dir={}\nkey.converter=org.apache.kafka.connect.json.JsonConverter\n\
             value.converter=org.apache.kafka.connect.json.JsonConverter\n{own}{settings}\n",
            dir.path().join("data").display()
        );
        std::fs::write(dir.path().join("worker.properties"), conf)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(95)).build()?;
        let environment = Vec::new();
        Ok(Worker { process: None, rest, registry, bootstrap, dir, http, environment, ready_in: Duration::ZERO })
    }

    /// The built binary.
    pub fn binary() -> anyhow::Result<PathBuf> {
        let bin = match std::env::var_os("MILLRACE_BIN") {
            Some(b) => PathBuf::from(b),
            None => std::env::var_os("CARGO_TARGET_DIR")
                .map(PathBuf::from)
                .unwrap_or_else(|| root().join("target"))
                .join("release/millrace"),
        };
        anyhow::ensure!(bin.exists(), "{} is not built: run scripts/test.sh, or cargo build --release", bin.display());
        Ok(bin)
    }

    pub fn caller(&self) -> Caller {
        Caller { rest: self.rest.clone(), http: self.http.clone() }
    }

    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Starts the process (again) and waits until `GET /` answers.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        self.launch()?;
        while !self.answers().await {
            anyhow::ensure!(
                self.alive() && started.elapsed() < Duration::from_secs(60),
                "the worker did not start:\n{}",
                self.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // It may have been another's answer, on a port that ours did not get.
        anyhow::ensure!(self.alive(), "the worker ended at once:\n{}", self.log_tail());
        self.ready_in = started.elapsed();
        Ok(())
    }

    /// Starts the process (again), and waits for nothing.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let mut c = Command::new(Self::binary()?);
        c.arg("run").arg(self.dir.path().join("worker.properties")).current_dir(self.dir.path());
        c.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(c, &self.dir.path().join("log"))?);
        Ok(())
    }

    /// Whether `GET /` answers now.
    pub async fn answers(&self) -> bool {
        self.http.get(&self.rest).timeout(Duration::from_secs(5)).send().await.is_ok_and(|r| r.status().is_success())
    }

    /// Whether its process runs.
    pub fn alive(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::alive)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut p) = self.process.take() {
            p.kill();
        }
    }

    /// SIGTERM; true when it ended by itself with code 0.
    pub async fn stop(&mut self) -> bool {
        match self.process.take() {
            Some(mut p) => p.terminate(Duration::from_secs(30)).await,
            None => true,
        }
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the worker runs")
    }

    /// The end of the worker's log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// One request: the status and the body (null when it is empty or not JSON).
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        request(&self.http, &self.rest, method, path, body).await
    }

    /// One request to the embedded Schema Registry.
    pub async fn ask_registry(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        request(&self.http, &self.registry, method, path, body).await
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        self.request("GET", path, None).await
    }

    /// Registers a connector; `config` is an object of strings.
    pub async fn create(&self, name: &str, config: Value) -> anyhow::Result<Value> {
        let (status, body) =
            self.request("POST", "/connectors", Some(&serde_json::json!({"name": name, "config": config}))).await?;
        anyhow::ensure!(status == 201, "POST /connectors {name}: {status} {body}");
        Ok(body)
    }

    pub async fn delete(&self, name: &str) -> anyhow::Result<()> {
        let (status, body) = self.request("DELETE", &format!("/connectors/{name}"), None).await?;
        anyhow::ensure!(status == 204, "DELETE /connectors/{name}: {status} {body}");
        Ok(())
    }

    /// Waits until the connector and at least one task of it are RUNNING; fails at once when one is FAILED.
    pub async fn running(&self, name: &str) -> anyhow::Result<()> {
        let failed = std::cell::Cell::new(false);
        let what = format!("{name} runs");
        let answer = eventually(&what, Duration::from_secs(60), || async {
            let (_, s) = self.get(&format!("/connectors/{name}/status")).await?;
            let tasks = s["tasks"].as_array().cloned().unwrap_or_default();
            let states: Vec<_> = tasks.iter().chain([&s["connector"]]).map(|t| t["state"].as_str().unwrap_or("")).collect();
            if states.contains(&"FAILED") {
                failed.set(true);
                return Ok(Err(anyhow::anyhow!("{name} FAILED: {s:#}")));
            }
            anyhow::ensure!(!tasks.is_empty() && states.iter().all(|s| *s == "RUNNING"), "{s}");
            Ok::<_, anyhow::Error>(Ok(()))
        });
        answer.await?
    }

    /// Waits until a task of the connector is FAILED and answers its trace.
    pub async fn failed(&self, name: &str) -> anyhow::Result<String> {
        eventually(&format!("{name} fails"), Duration::from_secs(60), || async {
            let (_, s) = self.get(&format!("/connectors/{name}/status")).await?;
            let all: Vec<_> = s["tasks"].as_array().into_iter().flatten().chain([&s["connector"]]).cloned().collect();
            let failed = all.iter().find(|t| t["state"] == "FAILED");
            failed.map(|t| t["trace"].as_str().unwrap_or("").to_owned()).ok_or_else(|| anyhow::anyhow!("{s}"))
        })
        .await
    }
}

/// One request to a REST API of Connect's: the status and the body (null when it is empty or not JSON). Asked again while
/// the answer is a 409 because of a rebalance, as every client of Connect does.
pub(crate) async fn request(
    http: &reqwest::Client,
    base: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<(u16, Value)> {
    let started = Instant::now();
    loop {
        let mut r = http.request(method.parse()?, format!("{base}{path}"));
        if let Some(b) = body {
            r = r.json(b);
        }
        let answer = r.send().await.with_context(|| format!("{method} {path}"))?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        if status == 409 && text.contains("rebalance") && started.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        return Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)));
    }
}
