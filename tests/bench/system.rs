//! The systems under comparison, behind one face: register a connector, count a topic, read CPU and memory.

use std::time::Duration;

use millrace_tests::{Connect, Process, Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

/// Someone who runs connectors over a log.
#[derive(Clone, Copy)]
pub struct System<'a> {
    pub name: &'static str,
    pub bootstrap: &'a str,
    pub process: &'a Process,
    api: Api<'a>,
}

#[derive(Clone, Copy)]
enum Api<'a> {
    Millrace(&'a Worker),
    Connect(&'a Connect),
}

impl<'a> System<'a> {
    pub fn millrace(name: &'static str, worker: &'a Worker) -> Self {
        System { name, bootstrap: &worker.bootstrap, process: worker.process(), api: Api::Millrace(worker) }
    }
    pub fn connect(name: &'static str, connect: &'a Connect, bootstrap: &'a str) -> Self {
        System { name, bootstrap, process: &connect.process, api: Api::Connect(connect) }
    }
    pub fn is_millrace(&self) -> bool {
        matches!(self.api, Api::Millrace(_))
    }

    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        match self.api {
            Api::Millrace(w) => w.request(method, path, body).await,
            Api::Connect(c) => c.request(method, path, body).await,
        }
    }

    pub async fn create(&self, name: &str, config: Value) -> anyhow::Result<()> {
        let (status, body) = self.request("POST", "/connectors", Some(&json!({"name": name, "config": config}))).await?;
        anyhow::ensure!(status == 201, "{}: POST {name}: {status} {body}", self.name);
        Ok(())
    }

    /// Deletes a connector and waits until it is gone.
    pub async fn delete(&self, name: &str) -> anyhow::Result<()> {
        self.request("DELETE", &format!("/connectors/{name}"), None).await?;
        let path = format!("/connectors/{name}");
        eventually("the connector is gone", Duration::from_secs(30), || async {
            let (status, _) = self.request("GET", &path, None).await?;
            anyhow::ensure!(status == 404, "{status}");
            Ok(())
        })
        .await
    }

    pub async fn status(&self, name: &str) -> anyhow::Result<Value> {
        Ok(self.request("GET", &format!("/connectors/{name}/status"), None).await?.1)
    }
}

/// Records in partition 0 of a topic, by its high watermark.
pub struct Counter(BaseConsumer);

impl Counter {
    pub fn new(bootstrap: &str) -> anyhow::Result<Counter> {
        Ok(Counter(ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", "bench-count").create()?))
    }
    pub fn count(&self, topic: &str) -> i64 {
        self.0.fetch_watermarks(topic, 0, Duration::from_secs(5)).map_or(0, |(_, high)| high)
    }
}
