//! A worker from start to stop: wires the log, the plugins, the state, the herder and the REST API together.
//!
//! The REST listener is bound first, so that a client waits instead of being refused. A signal during the start is
//! obeyed at once. The stop goes backwards: tasks, statuses, REST, and the embedded broker last.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use millrace_broker::Broker;
use millrace_record::{RawConfig, Schemas};
use millrace_sandbox::{Sandbox, SandboxConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::config::http::AdminListeners;
use crate::dlq::DeadLetterQueues;
use crate::dlq::redrive::{Ledger, Redrives};
use crate::herder::{Events, Herder, Versions};
use crate::kafka::admin::{Admin, TopicError};
use crate::kafka::client::{ClientKind, ClientSettings};
use crate::loggers::{self, Loggers};
use crate::metrics::Metrics;
use crate::plugins::{Installed, Plugins, Store as PluginStore};
use crate::registry::clients::Registries;
use crate::registry::monitor::SchemaMonitor;
use crate::registry::monitor::connectors::OfHerder;
use crate::registry::monitor::http_reader::HttpReaders;
use crate::registry::monitor::store::{Store, StoreLog};
use crate::registry::{Bound, Embedded};
use crate::rest::entry::Entry;
use crate::rest::{self, Rest, Stage};
use crate::storage::configs::ConfigStore;
use crate::storage::offsets::OffsetTopics;
use crate::storage::plugin_state::StateTopic;
use crate::storage::status::StatusStore;
use crate::storage::watch::{ANSWER, LogWatch, away};
use crate::storage::{DataDir, StateLog, StorageError};
use crate::task::TaskRuntime;
use crate::task::schema_gate::SchemaGates;

/// Waits between two tries to reach Kafka at start.
const KAFKA_RETRY: Duration = Duration::from_secs(2);
/// How long Kafka may take to answer before the log says that the worker waits for it.
const KAFKA_WAIT: Duration = Duration::from_secs(10);
/// How long a stopping worker waits for its last statuses.
const STATUS_FLUSH: Duration = Duration::from_secs(5);
/// How long a stopping worker waits for open REST requests.
const REST_DRAIN: Duration = Duration::from_secs(2);

pub struct Worker;

impl Worker {
    /// Runs until `stopping` is true.
    pub async fn run(config: WorkerConfig, loggers: Arc<Loggers>, mut stopping: watch::Receiver<bool>) -> anyhow::Result<()> {
        let data = DataDir::open(&config.data_dir)?;
        let mut listeners = bind("listeners", &config.listeners).await?;
        let admin_listeners = match &config.admin_listeners {
            AdminListeners::Own(addresses) => bind("admin.listeners", addresses).await?,
            _ => Vec::new(),
        };
        let registry = Bound::bind(config.registry.as_ref()).await?;
        let bound = listeners[0].local_addr()?;
        let host = config.advertised_host.clone().unwrap_or_else(|| match bound.ip() {
            ip if ip.is_unspecified() => "localhost".to_owned(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        });
        let worker_id = format!("{host}:{}", config.advertised_port.unwrap_or(bound.port()));
        let (stage, staged) = watch::channel(Stage::starting("starting"));
        let (close, closing) = watch::channel(false);
        let rest = Rest { stage: staged, loggers: loggers.clone(), url: format!("http://{worker_id}").into() };
        let shared = if config.admin_listeners == AdminListeners::Shared { rest::admin() } else { Router::new() };
        let entry = Entry {
            routes: rest::serve(rest::resources().merge(shared), rest.clone()),
            cross_origin: config.cross_origin.clone().map(Arc::new),
            headers: config.response_headers.clone().into(),
        };
        let admin = Entry { routes: rest::serve(rest::admin(), rest), cross_origin: None, headers: Arc::new([]) };
        let served: Vec<_> = listeners
            .drain(..)
            .map(|l| (l, entry.clone()))
            .chain(admin_listeners.into_iter().map(|l| (l, admin.clone())))
            .map(|(listener, entry)| {
                let mut closing = closing.clone();
                let serving = axum::serve(listener, entry.router()).with_graceful_shutdown(async move {
                    let _ = closing.wait_for(|c| *c).await;
                });
                tokio::spawn(serving.into_future())
            })
            .collect();
        tracing::info!(listener = %bound, listeners = served.len(), "REST listens");

        let started = tokio::select! {
            started = start(Arc::new(config), &data, &worker_id, &stage, registry) => Some(started?),
            _ = told(&mut stopping) => None,
        };
        if let Some(running) = started {
            for (name, level) in running.herder.configs.loggers() {
                loggers::level(&level).map(|level| loggers.set(&name, level));
            }
            stage.send_replace(Stage::Ready(running.herder.clone()));
            tracing::info!(worker_id, "worker is ready");
            told(&mut stopping).await;
            stage.send_replace(Stage::Stopping);
            running.stop().await;
        }
        close.send_replace(true);
        let _ = tokio::time::timeout(REST_DRAIN, futures::future::join_all(served)).await;
        tracing::info!("worker has stopped");
        Ok(())
    }
}

async fn bind(setting: &str, addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.with_context(|| {
            format!("cannot listen on {address}; set another port in \"{setting}\", or stop what listens there")
        })?);
    }
    anyhow::ensure!(!listeners.is_empty(), "\"{setting}\" names no listener");
    Ok(listeners)
}

async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|s| *s).await;
}

struct Running {
    herder: Arc<Herder>,
    broker: Option<Arc<Broker>>,
    registry: Option<Embedded>,
    writer: tokio::task::JoinHandle<()>,
    monitoring: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    async fn stop(self) {
        self.herder.stop(self.herder.worker.graceful).await;
        if !matches!(tokio::time::timeout(STATUS_FLUSH, self.herder.offsets.settle()).await, Ok(Ok(()))) {
            tracing::warn!(
                "the last offsets of connectors with a topic of their own are not copied to the worker's; theirs count"
            );
        }
        if !self.herder.statuses.flushed(STATUS_FLUSH).await {
            tracing::warn!("the last statuses could not be written; they are stale until the worker starts again");
        }
        for task in self.monitoring.into_iter().chain([self.writer]) {
            task.abort();
            let _ = task.await;
        }
        if let Some(monitor) = &self.herder.monitor {
            monitor.stop(STATUS_FLUSH).await;
        }
        let dead_letters = self.herder.dead_letters.clone();
        let _ = tokio::task::spawn_blocking(move || dead_letters.stop()).await;
        if let Some(registry) = self.registry {
            registry.stop().await;
        }
        // The last of the worker's own clients goes before the broker does, or it would complain.
        drop(self.herder);
        if let Some(broker) = self.broker.and_then(Arc::into_inner) {
            broker.stop().await;
        }
    }
}

async fn start(
    config: Arc<WorkerConfig>,
    data: &DataDir,
    worker_id: &str,
    stage: &watch::Sender<Stage>,
    registry: Option<Bound>,
) -> anyhow::Result<Running> {
    let doing = |what: &str, cluster_id: Option<&str>| {
        stage.send_replace(Stage::Starting { what: what.to_owned(), cluster_id: cluster_id.map(str::to_owned) });
        tracing::debug!("{what}");
    };
    doing("starting the log and loading plugins", None);
    let schemas = Schemas::new();
    // Compiling takes seconds the first time: it goes on beside everything else.
    let loading =
        load_plugins(sandbox_config(&config, data.plugin_cache()), data.plugins(), config.plugin_path.clone(), schemas.clone());
    let plugins = tokio::spawn(loading);
    let broker = match config.embedded() {
        true => Some(Arc::new(embedded(&config, data).await?)),
        false => None,
    };
    let bootstrap = match &broker {
        Some(broker) => broker.address().to_string(),
        None => config.bootstrap.clone().unwrap_or_default(),
    };
    let clients = ClientSettings::new(bootstrap, config.raw.clone());
    let mut said = std::collections::HashSet::new();
    for kind in ClientKind::ALL {
        for (key, why) in clients.unmapped(kind, &RawConfig::new()) {
            if said.insert(key.clone()) {
                tracing::warn!("setting \"{key}\" has no effect on a {}: {why}", kind.name());
            }
        }
    }
    let client_id = if config.client_id.is_empty() { config.group_id.clone() } else { config.client_id.clone() };
    let log = Arc::new(StateLog::new(clients.clone(), &format!("{client_id}-state"))?);
    let configs = Arc::new(ConfigStore::new(log.clone(), &config.configs.topic));
    let once = config.exactly_once_sources;
    let offsets = OffsetTopics::new(log.clone(), clients.clone(), &client_id, config.offsets.clone(), once);
    let statuses = StatusStore::new(log.clone(), &config.statuses.topic, worker_id);
    let ledger = Ledger::new(log.clone(), clients.clone(), &client_id, &config.group_id, config.redrive.clone());
    let states = Arc::new(StateTopic::new(log.clone(), clients.clone(), &client_id, config.plugin_state.clone()));

    doing("waiting for Kafka", None);
    let cluster_id = cluster_id(&log).await;
    doing("making sure of the internal topics", Some(&cluster_id));
    until_kafka(|| ensure_topics(&config, &clients, &client_id)).await?;
    let registry = registry.map(|bound| bound.start(&clients, &client_id, &cluster_id));
    doing("reading the internal topics", Some(&cluster_id));
    until_kafka(|| {
        let (log, config, client_id) = (log.clone(), config.clone(), client_id.clone());
        let (configs, offsets, statuses, states) = (configs.clone(), offsets.clone(), statuses.clone(), states.clone());
        async move {
            // Where no plugin has kept a state there is no topic of them.
            let any = log.has(states.topic(), KAFKA_WAIT).await?;
            let read = tokio::task::spawn_blocking(move || {
                let mut topics = vec![config.configs.topic.clone(), config.offsets.topic.clone(), config.statuses.topic.clone()];
                topics.extend(any.then(|| states.topic().to_owned()));
                log.read(&format!("{client_id}-state"), &topics, |topic, key, value| {
                    if topic == topics[0] {
                        configs.take(key, value)
                    } else if topic == topics[1] {
                        offsets.take(key, value)
                    } else if topic == topics[2] {
                        statuses.take(key, value)
                    } else {
                        states.take(key, value)
                    }
                })
            });
            read.await?.map_err(anyhow::Error::from)
        }
    })
    .await?;
    statuses.begin();

    doing("loading plugins", Some(&cluster_id));
    let (plugins, sandbox) = plugins.await??;
    let plugins = Arc::new(plugins);
    let (versions, metrics) = (Arc::<Versions>::default(), Arc::new(Metrics::new(sandbox.metrics().clone())));
    let of_herder = Arc::<OfHerder>::default();
    let registries = Registries::new(&config.raw, registry.as_ref().map(|r| r.url.clone()));
    let monitor = match config.schema_monitor.enabled {
        true => {
            let storage = config.schema_monitor.storage.clone();
            let store = Store::new(Some(StoreLog::new(log.clone(), clients.clone(), client_id.clone(), storage)));
            let readers = Arc::new(HttpReaders::new(registries.clone()));
            let settings = config.schema_monitor.clone();
            Some(SchemaMonitor::new(settings, config.raw.clone(), of_herder.clone(), readers, store)?)
        }
        false => None,
    };
    let events = Events {
        statuses: statuses.clone(),
        topic_tracking: config.topic_tracking,
        versions: versions.clone(),
        metrics: metrics.clone(),
        monitor: monitor.clone(),
    };
    let runtime = Arc::new(TaskRuntime {
        worker: config.raw.clone(),
        schemas,
        offsets: Arc::new(offsets.of(&RawConfig::new())),
        transactions_of: config.exactly_once_sources.then(|| config.group_id.clone()),
        states: states.clone(),
        events: Arc::new(events),
        clients: Arc::new(clients.clone()),
        plugins: plugins.clone(),
        converters: registries.factory(),
        gates: monitor.clone().map(|m| Arc::new(m) as Arc<dyn SchemaGates>),
        holders: Arc::default(),
    });
    let writer = tokio::spawn(statuses.clone().write_behind());
    let watch = Arc::<LogWatch>::default();
    let watching = tokio::spawn(watch_log(watch.clone(), statuses.clone(), broker.clone()));
    let dead_letters = DeadLetterQueues::start(data.dead_letters(), clients, configs.clone(), config.providers.clone());
    let redrives = Redrives::new(ledger, dead_letters.clone());
    let herder = Herder::new(
        config,
        cluster_id,
        plugins,
        configs,
        statuses,
        offsets,
        states,
        runtime,
        versions,
        metrics,
        monitor.clone(),
        watch,
        dead_letters,
        redrives,
    );
    of_herder.set(Arc::downgrade(&herder));
    let mut monitoring = vec![watching];
    if let Some(monitor) = monitor {
        monitoring.push(tokio::spawn(monitor.store.clone().write_behind()));
        monitoring.extend(sandbox.alerts().take().map(|alerts| tokio::spawn(monitor.clone().hear(alerts))));
        monitoring.push(tokio::spawn(monitor.run()));
    }
    herder.begin().await;
    Ok(Running { herder, broker, registry, writer, monitoring })
}

/// Looks at the log for as long as the worker lives.
async fn watch_log(watch: Arc<LogWatch>, statuses: Arc<StatusStore>, broker: Option<Arc<Broker>>) {
    let look = || async {
        let refuses =
            || Some(format!("the embedded log refuses records: {}; make room under \"data.dir\"", broker.as_ref()?.refuses()?));
        if statuses.log_answers(ANSWER).await {
            return refuses();
        }
        Some(away(ANSWER))
    };
    watch.run(look).await
}

async fn embedded(config: &WorkerConfig, data: &DataDir) -> anyhow::Result<Broker> {
    use millrace_broker::{BrokerConfig, Flush};
    let mut broker = BrokerConfig::new(data.broker());
    broker.listener = config.embedded_listener;
    broker.flush = match config.embedded_flush.as_str() {
        "never" => Flush::Never,
        "always" => Flush::Always,
        _ => broker.flush,
    };
    let broker = Broker::start(broker).await?;
    tracing::info!(listener = %broker.address(), "embedded broker runs; it serves this machine alone");
    Ok(broker)
}

/// Waits for Kafka, for as long as it takes.
async fn cluster_id(log: &StateLog) -> String {
    loop {
        if let Some(id) = log.cluster_id(KAFKA_WAIT).await {
            return id;
        }
        tracing::warn!("Kafka does not answer; still trying. Check \"bootstrap.servers\" and the client's security settings");
    }
}

async fn ensure_topics(config: &WorkerConfig, clients: &ClientSettings, client_id: &str) -> anyhow::Result<()> {
    let defaults = [("reconnect.backoff.ms", "20")];
    let admin = Admin::new(&clients.client(ClientKind::Admin, &format!("{client_id}-admin"), &RawConfig::new(), &defaults))?;
    futures::try_join!(
        admin.compacted(&config.configs, "config.storage.topic"),
        admin.compacted(&config.offsets, "offset.storage.topic"),
        admin.compacted(&config.statuses, "status.storage.topic"),
    )?;
    Ok(())
}

/// Tries again while it is Kafka that does not answer; any other error is one to act on.
async fn until_kafka<F: Future<Output = anyhow::Result<()>>>(attempt: impl Fn() -> F) -> anyhow::Result<()> {
    loop {
        let Err(error) = attempt().await else { return Ok(()) };
        let unreachable = matches!(error.downcast_ref::<TopicError>(), Some(TopicError::Request { what: "reach", .. }))
            || matches!(error.downcast_ref::<StorageError>(), Some(StorageError::Read { .. }));
        if !unreachable {
            return Err(error);
        }
        tracing::warn!(%error, "the worker cannot start yet; trying again in {} s", KAFKA_RETRY.as_secs());
        tokio::time::sleep(KAFKA_RETRY).await;
    }
}

fn sandbox_config(config: &WorkerConfig, cache: PathBuf) -> SandboxConfig {
    SandboxConfig {
        grants_allowed: config.grants_allowed.clone(),
        http_hosts_allowed: config.http_hosts_allowed.clone(),
        kafka_topics_allowed: config.kafka_topics_allowed.clone(),
        kafka_topics_reserved: config.internal_topics(),
        cache_bytes_max: config.plugin_cache_bytes,
        ..SandboxConfig::new(cache)
    }
}

async fn load_plugins(
    config: SandboxConfig,
    uploads: PathBuf,
    paths: Vec<PathBuf>,
    schemas: Arc<Schemas>,
) -> anyhow::Result<(Plugins, Sandbox)> {
    let sandbox = Sandbox::new(config)?;
    let store = PluginStore::open(uploads, sandbox.clone(), schemas.clone())?;
    let (found, refused) = sandbox.scan_files(&paths, &schemas).await;
    for file in refused {
        tracing::error!("{} is not a plugin: {}", file.file.display(), file.reason);
    }
    let found = found.into_iter().map(Installed::on_path);
    let native = crate::plugins::native_transforms(sandbox.metrics()).into_iter().map(Installed::built_in);
    let plugins = Plugins::open(found.chain(native).collect(), store).await?;
    let now = plugins.now();
    let components = now.all().iter().filter(|i| i.origin.component().is_some());
    for id in components.clone().map(Installed::id) {
        tracing::info!(plugin = id.name, kind = id.kind, version = id.version, "plugin loaded");
    }
    if components.count() == 0 {
        let paths: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        tracing::warn!("no plugins in {}; set \"plugin.path\" to the folder that holds their *.wasm", paths.join(", "));
    }
    Ok((plugins, sandbox))
}
