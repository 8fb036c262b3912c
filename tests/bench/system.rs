//! The systems under comparison, behind one face: register a connector, delete it, tell its process and its log.

use std::time::Duration;

use millrace_tests::{Connect, Worker, eventually};
use serde_json::{Value, json};

/// Someone who runs connectors over a log.
#[derive(Clone, Copy)]
pub struct System<'a> {
    pub name: &'static str,
    pub bootstrap: &'a str,
    pub pid: u32,
    api: Api<'a>,
    /// Settings that each of its connectors gets besides.
    set: &'a [(String, String)],
}

#[derive(Clone, Copy)]
enum Api<'a> {
    Millrace(&'a Worker),
    Connect(&'a Connect),
}

impl<'a> System<'a> {
    pub fn millrace(name: &'static str, worker: &'a Worker, set: &'a [(String, String)]) -> Self {
        System { name, bootstrap: &worker.bootstrap, pid: worker.process().id(), api: Api::Millrace(worker), set }
    }

    pub fn connect(name: &'static str, connect: &'a Connect, bootstrap: &'a str) -> Self {
        System { name, bootstrap, pid: connect.process.id(), api: Api::Connect(connect), set: &[] }
    }

    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        match self.api {
            Api::Millrace(w) => w.request(method, path, body).await,
            Api::Connect(c) => c.request(method, path, body).await,
        }
    }

    pub async fn create(&self, name: &str, mut config: Value) -> anyhow::Result<()> {
        for (key, value) in self.set {
            config[key] = json!(value);
        }
        let (status, body) = self.request("POST", "/connectors", Some(&json!({"name": name, "config": config}))).await?;
        anyhow::ensure!(status == 201, "{}: POST {name}: {status} {body}", self.name);
        Ok(())
    }

    /// Deletes a connector and waits until it is gone.
    pub async fn delete(&self, name: &str) -> anyhow::Result<()> {
        self.request("DELETE", &format!("/connectors/{name}"), None).await?;
        let path = format!("/connectors/{name}");
        eventually("the connector is gone", Duration::from_secs(60), || async {
            let (status, _) = self.request("GET", &path, None).await?;
            anyhow::ensure!(status == 404, "{status}");
            Ok(())
        })
        .await
    }

    /// Fails with the trace when a task of the connector has failed.
    pub async fn healthy(&self, name: &str) -> anyhow::Result<()> {
        let status = self.status(name).await?;
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        match tasks.iter().chain([&status["connector"]]).find(|t| t["state"] == "FAILED") {
            Some(failed) => anyhow::bail!("{}: {name} FAILED: {}", self.name, failed["trace"].as_str().unwrap_or_default()),
            None => Ok(()),
        }
    }

    pub async fn status(&self, name: &str) -> anyhow::Result<Value> {
        Ok(self.request("GET", &format!("/connectors/{name}/status"), None).await?.1)
    }
}
