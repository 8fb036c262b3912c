//! The real Kafka Connect, with Debezium's connectors when `scripts/fetch-peers.sh debezium` has fetched them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::kafka::{cache, jars, java};
use crate::{Process, free_port};

/// One distributed worker over a Kafka.
pub struct Connect {
    pub rest: String,
    pub process: Process,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

/// The folder of Debezium's connectors, if it was fetched.
pub fn debezium() -> Option<PathBuf> {
    let found = std::fs::read_dir(cache()).ok()?.filter_map(|d| Some(d.ok()?.path()));
    found.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("debezium-"))).max()
}

impl Connect {
    pub async fn start(kafka: &str) -> anyhow::Result<Connect> {
        Self::start_with(kafka, &[]).await
    }

    /// With Debezium, a group of its own and further lines of settings.
    pub async fn start_with_debezium(kafka: &str, group: &str, settings: &str) -> anyhow::Result<Connect> {
        let folder = debezium().context("Debezium is not there: scripts/fetch-peers.sh debezium fetches it")?;
        Self::start_as(kafka, group, &format!("plugin.path={}\n{settings}", folder.display())).await
    }

    /// With further folders of plugins.
    pub async fn start_with(kafka: &str, folders: &[PathBuf]) -> anyhow::Result<Connect> {
        let folders: Vec<_> = debezium().iter().chain(folders).map(|d| d.display().to_string()).collect();
        let plugins = if folders.is_empty() { String::new() } else { format!("plugin.path={}\n", folders.join(",")) };
        Self::start_as(kafka, "connect", &plugins).await
    }

    /// With a group of its own and further lines of settings; without plugins beyond those of Kafka's jars.
    pub async fn start_as(kafka: &str, group: &str, settings: &str) -> anyhow::Result<Connect> {
        let dir = tempfile::Builder::new().prefix("millrace-connect").tempdir()?;
        let rest = format!("http://127.0.0.1:{}", free_port());
        let conf = dir.path().join("connect.properties");
        let topics: String = ["config", "offset", "status"]
            .map(|t| format!("{t}.storage.topic={group}-{t}s\n{t}.storage.replication.factor=1\n"))
            .concat();
        std::fs::write(
            &conf,
            format!(
                "bootstrap.servers={kafka}\ngroup.id={group}\nlisteners={}\nrest.advertised.host.name=127.0.0.1\n{topics}\
                 offset.storage.partitions=1\nstatus.storage.partitions=1\nplugin.discovery=service_load\n\
                 connector.client.config.override.policy=All\noffset.flush.interval.ms=10000\n\
                 key.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter=org.apache.kafka.connect.json.JsonConverter\n\
                 {settings}",
                rest.replace("http", "HTTP")
            ),
        )?;
        let mut command = java(&jars()?, "2g", "org.apache.kafka.connect.cli.ConnectDistributed");
        command.arg(&conf);
        let mut process = Process::start(command, &dir.path().join("log"))?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(95)).build()?;
        let started = Instant::now();
        while !http.get(format!("{rest}/health")).send().await.is_ok_and(|r| r.status().is_success()) {
            let well = process.alive() && started.elapsed() < Duration::from_secs(120);
            anyhow::ensure!(well, "Kafka Connect does not answer:\n{}", process.tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Connect { rest, process, http, _dir: dir })
    }

    /// One request: the status and the body (null when it is empty or not JSON).
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        crate::worker::request(&self.http, &self.rest, method, path, body).await
    }
}
