//! Apicurio's schema registry, which speaks Confluent's API, from what `scripts/fetch-peers.sh apicurio` has put into the
//! cache. Its schemas are in a file: they survive when it is killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::kafka::cache;
use crate::{Process, eventually, free_port};

pub struct Registry {
    pub port: u16,
    process: Option<Process>,
    dir: tempfile::TempDir,
}

/// Starting a Java program takes a while where many run.
const WITHIN: Duration = Duration::from_secs(180);

fn jar() -> anyhow::Result<PathBuf> {
    let folders =
        |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().filter_map(|d| Some(d.ok()?.path())).collect::<Vec<_>>();
    let own =
        folders(&cache()).into_iter().filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("apicurio-")));
    let is_app =
        |p: &PathBuf| p.file_name().is_some_and(|n| n == "quarkus-run.jar" || n.to_string_lossy().ends_with("-runner.jar"));
    let found =
        own.flat_map(|dir| folders(&dir).into_iter().chain([dir])).flat_map(|p| folders(&p).into_iter().chain([p])).find(is_app);
    found.ok_or_else(|| anyhow::anyhow!("no Apicurio Registry under {}: run scripts/fetch-peers.sh apicurio", cache().display()))
}

impl Registry {
    pub async fn start() -> anyhow::Result<Registry> {
        let dir = tempfile::Builder::new().prefix("millrace-registry").tempdir()?;
        let mut registry = Registry { port: free_port(), process: None, dir };
        registry.up().await?;
        Ok(registry)
    }

    /// Starts it, or starts it again with what it had.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        let jar = jar()?;
        let mut java = Command::new("java");
        java.arg("-Xmx384m")
            .args(["-Dquarkus.http.host=127.0.0.1", "-Dquarkus.management.enabled=false"])
            .args(["-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2"])
            .arg(format!("-Dquarkus.http.port={}", self.port))
            .arg(format!("-Dapicurio.datasource.url=jdbc:h2:file:{}", self.dir.path().join("db").display()))
            .arg("-jar")
            .arg(&jar)
            .current_dir(jar.parent().expect("a file lies in a folder"));
        let process = self.process.insert(Process::start(java, &self.dir.path().join("log"))?);
        let url = format!("http://127.0.0.1:{}/apis/ccompat/v7/subjects", self.port);
        eventually("Apicurio Registry answers", WITHIN, || async {
            Ok::<_, reqwest::Error>(reqwest::get(&url).await?.error_for_status()?)
        })
        .await
        .map_err(|e| e.context(process.tail()))?;
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// None once it was killed.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// What converters are given.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(reqwest::get(format!("{}{path}", self.url())).await?.error_for_status()?.json().await?)
    }
}
