//! The embedded Schema Registry in the worker: its listener, its topic, and when both are there.
//!
//! The listener is bound first, so that a client waits instead of being refused; requests wait until the topic has been
//! read. A registry that cannot have its topic says so and goes on trying; it never keeps the worker from its work.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use millrace_registry::server::{Identity, Registry, Writer, router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::storage::{KafkaLog, follow};
use crate::config::Storage;
use crate::kafka::admin::Admin;
use crate::kafka::client::{ClientKind, ClientSettings};
use millrace_record::RawConfig;

/// Waits between two tries to have the topic.
const TOPIC_RETRY: Duration = Duration::from_secs(5);

/// `schema.registry.listener` and `kafkastore.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    pub listener: SocketAddr,
    /// Whether somebody wrote it: a default that cannot be had is no error.
    pub written: bool,
    pub topic: Storage,
}

/// A registry that listens, and answers once it is started.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    topic: Storage,
}

impl Bound {
    /// None: there is to be none, or its default port is another program's.
    pub async fn bind(settings: Option<&RegistrySettings>) -> anyhow::Result<Option<Bound>> {
        let Some(RegistrySettings { listener, written, topic }) = settings else { return Ok(None) };
        match TcpListener::bind(listener).await {
            Ok(bound) => {
                let address = bound.local_addr()?;
                Ok(Some(Bound { listener: bound, address, topic: topic.clone() }))
            }
            Err(error) if *written => Err(error).with_context(|| {
                format!(
                    "cannot listen on {listener}; set another port in \"schema.registry.listener\", or stop what listens there"
                )
            }),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "the embedded Schema Registry is off: {listener} is taken. If that is a registry, name it in \"schema.registry.url\"; else set \"schema.registry.listener\" to another port, or to nothing"
                );
                Ok(None)
            }
        }
    }

    /// What clients of this machine reach it by.
    pub fn url(&self) -> String {
        match self.address.ip() {
            ip if ip.is_unspecified() => format!("http://127.0.0.1:{}", self.address.port()),
            _ => format!("http://{}", self.address),
        }
    }

    /// Answers from now on; what the topic holds is read meanwhile.
    pub fn start(self, clients: &ClientSettings, client_id: &str, cluster_id: &str) -> Embedded {
        let identity = Identity { kafka_cluster: cluster_id.to_owned(), version: env!("CARGO_PKG_VERSION") };
        let url = self.url();
        let (registry, writer) = Registry::new(identity);
        tracing::info!(url, topic = self.topic.topic, "embedded Schema Registry listens");
        let serving = tokio::spawn(axum::serve(self.listener, router(registry.clone())).into_future());
        let stopping = Arc::new(AtomicBool::new(false));
        let client_id = format!("{client_id}-registry");
        let working = tokio::spawn(work(self.topic, clients.clone(), client_id, registry, writer, stopping.clone()));
        Embedded { url, serving, working: Some(working), stopping }
    }
}

/// A registry that runs.
pub struct Embedded {
    /// Where clients of this machine reach it.
    pub url: String,
    serving: JoinHandle<std::io::Result<()>>,
    working: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl Embedded {
    /// What is not answered by now is not answered any more; what was, is durable.
    pub async fn stop(mut self) {
        self.tell();
        if let Some(working) = self.working.take() {
            let _ = working.await;
        }
    }

    fn tell(&self) {
        self.serving.abort();
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// A worker that cannot start ends without stopping what it has started: no thread may be left that waits for ever.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.tell();
    }
}

async fn work(
    topic: Storage,
    clients: ClientSettings,
    client_id: String,
    registry: Arc<Registry>,
    writer: Writer,
    stopping: Arc<AtomicBool>,
) {
    while let Err(error) = ensure(&topic, &clients, &client_id).await {
        tracing::warn!(error = format!("{error:#}"), "the embedded Schema Registry cannot have its topic; trying again");
        let waited = tokio::time::Instant::now();
        while waited.elapsed() < TOPIC_RETRY {
            if stopping.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let log = Arc::new(KafkaLog::new(clients.clone(), &client_id, &topic.topic));
    let writing = tokio::spawn(writer.run(log));
    let (name, read) = (topic.topic.clone(), registry.clone());
    let following = tokio::task::spawn_blocking(move || follow(&clients, &client_id, &name, &read, &stopping));
    let _ = following.await;
    writing.abort();
    let _ = writing.await;
}

async fn ensure(topic: &Storage, clients: &ClientSettings, client_id: &str) -> anyhow::Result<()> {
    let defaults = [("reconnect.backoff.ms", "20")];
    let config = clients.client(ClientKind::Admin, &format!("{client_id}-admin"), &RawConfig::new(), &defaults);
    let mut topic = topic.clone();
    let admin = tokio::task::spawn_blocking(move || {
        let admin = Admin::new(&config)?;
        // As many replicas as are wanted, or as there are brokers.
        if let Some(brokers) = admin.brokers() {
            topic.replication = topic.replication.min(brokers);
        }
        Ok::<_, anyhow::Error>((admin, topic))
    });
    let (admin, topic) = admin.await??;
    admin.compacted(&topic, "kafkastore.topic").await?;
    Ok(())
}
