//! The servers of a campaign: two PostgreSQLs, a worker, perhaps a Kafka, and proxies between them. They are kept for many
//! rounds. What breaks here is mended by [`Stage::heal`], whatever it was.

use std::time::{Duration, Instant};

use anyhow::Context;
use millrace_tests::{Kafka, Log, Postgres, Proxy, Trouble, Worker};

use super::clock::Clock;
use super::disk::Disk;
use super::fault::{Breakable, Fault, Link, Planned, Which, Whom};

/// How long all servers have to be well again.
const HEAL_WITHIN: Duration = Duration::from_secs(120);
/// How long a request to the worker may take while things break.
const ASK: Duration = Duration::from_millis(700);
/// Sized so that the campaign's own data fits well.
const LOG_DISK_MB: u32 = 512;
const TARGET_DISK_MB: u32 = 320;
/// What a full disk has left: a record or two still fit.
const FULL_LEAVES: u64 = 6_000;

/// Short times, so that a round is short.
const WORKER: &str = "offset.flush.interval.ms=40\nreconnect.backoff.ms=20\nreconnect.backoff.max.ms=200\n\
                      schema.registry.listener=\nschema.monitor.enabled=false\ntask.shutdown.graceful.timeout.ms=2000\n\
                      dlq.redrive.topic=redrives\n";
/// A killed broker is let in again only when its controller has counted its last life as over: soon, but a broker that is slow is
/// no broker that is gone.
const KAFKA: &str = "group.min.session.timeout.ms=500\nbroker.session.timeout.ms=6000\nbroker.heartbeat.interval.ms=500\n\
                     controller.quorum.fetch.timeout.ms=30000";
const POSTGRES: &str =
    "wal_sender_timeout = 2s\nshared_buffers = 32MB\nmax_wal_size = 64MB\nmin_wal_size = 32MB\nmax_connections = 60";

/// What a stage is made of.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub kafka: bool,
    pub exactly_once: bool,
    /// The worker's clock can jump, which makes it slower.
    pub clock: bool,
    pub disks: bool,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let log = if self.kafka { "Kafka" } else { "embedded log" };
        write!(f, "{log}, exactly once {}", if self.exactly_once { "on" } else { "off" })?;
        write!(f, "{}{}", if self.clock { ", clock" } else { "" }, if self.disks { ", small disks" } else { "" })
    }
}

impl std::fmt::Display for Stage {
    /// Where it is, for a person who looks at it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worker = self.worker.process.as_ref().map(|p| p.id());
        write!(f, "log {}, worker {worker:?} in {}", self.bootstrap, self.worker.dir().display())?;
        write!(f, ", source on port {}, target on port {}", self.source.port, self.target.port)
    }
}

/// Fields in the order in which they end.
pub struct Stage {
    pub kind: Kind,
    pub worker: Worker,
    /// Where the tests read the log, past all proxies.
    pub bootstrap: String,
    kafka: Option<Kafka>,
    pub source: Postgres,
    pub target: Postgres,
    pub to_source: Proxy,
    pub to_target: Proxy,
    to_kafka: Option<Proxy>,
    clock: Option<Clock>,
    log_disk: Option<Disk>,
    target_disk: Option<Disk>,
    /// The connectors of the present, for faults that are requests.
    pub connectors: Vec<String>,
    pub sinks: Vec<(String, serde_json::Value)>,
    /// SQL that takes the sink with offsets of its own back to where it began.
    pub restore: Option<String>,
    requests: usize,
}

impl Stage {
    pub async fn start(kind: Kind, environment: &[(&str, &str)]) -> anyhow::Result<Stage> {
        let log_disk = if kind.disks && !kind.kafka { Disk::mount(LOG_DISK_MB)? } else { None };
        let target_disk = if kind.disks { Disk::mount(TARGET_DISK_MB)? } else { None };
        let temporary = std::env::temp_dir();
        let target_place = target_disk.as_ref().map_or(&*temporary, Disk::path);
        let (source, target) = tokio::try_join!(Postgres::start_with(POSTGRES), Postgres::start_in(target_place, POSTGRES))?;
        let (kafka, to_kafka) = match kind.kafka {
            true => Some(Kafka::start_behind_proxy(KAFKA).await?).unzip(),
            false => (None, None),
        };
        let built = Worker::binary()?.parent().context("the program lies in a folder")?.to_owned();
        let plugins = format!("plugin.path={},{}\n", built.join("plugins").display(), built.join("test-plugins").display());
        let mut settings = format!("{WORKER}{plugins}");
        if let Some(disk) = &log_disk {
            settings += &format!("data.dir={}\n", disk.path().join("data").display());
        }
        if kind.exactly_once {
            settings += "exactly.once.source.support=enabled\n";
        }
        let at = to_kafka.as_ref().map(|p| format!("127.0.0.1:{}", p.port));
        let log = at.as_deref().map_or(Log::Embedded, Log::Kafka);
        let mut worker = Worker::prepare(log, &settings)?;
        let clock = if kind.clock { Clock::new(worker.dir())? } else { None };
        worker.environment.extend(clock.iter().flat_map(Clock::environment));
        worker.environment.extend(environment.iter().map(|(n, v)| (n.to_string(), v.to_string())));
        worker.up().await?;
        let bootstrap = kafka.as_ref().map_or_else(|| worker.bootstrap.clone(), Kafka::address);
        let (to_source, to_target) = (Proxy::start(source.port).await?, Proxy::start(target.port).await?);
        let (connectors, sinks, restore, requests) = Default::default();
        Ok(Stage {
            kind,
            worker,
            bootstrap,
            kafka,
            source,
            target,
            to_source,
            to_target,
            to_kafka,
            clock,
            log_disk,
            target_disk,
            connectors,
            sinks,
            restore,
            requests,
        })
    }

    pub fn breakable(&self) -> Breakable {
        Breakable {
            kafka: self.kafka.is_some(),
            clock: self.clock.is_some(),
            log_disk: self.log_disk.is_some(),
            target_disk: self.target_disk.is_some(),
        }
    }

    /// Breaks what is planned, each at its moment, and ends each after its while.
    pub async fn strike(&mut self, plan: &[Planned]) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut moments: Vec<(Duration, bool, &Planned)> =
            plan.iter().flat_map(|p| [(p.at, true, p), (p.at + p.lasts, false, p)]).collect();
        moments.sort_by_key(|(at, ..)| *at);
        for (at, begins, planned) in moments {
            tokio::time::sleep(at.saturating_sub(begun.elapsed())).await;
            if begins {
                self.begin(&planned.fault).await.with_context(|| format!("{planned}"))?;
            } else {
                self.end(&planned.fault).await;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Whom::Worker) => self.worker.kill(),
            Fault::Kill(Whom::Kafka) => self.kafka.iter_mut().for_each(|k| k.process.kill()),
            Fault::Kill(Whom::Source) => self.source.kill(),
            Fault::Kill(Whom::Target) => self.target.kill(),
            Fault::Restart => {
                // Whatever else is broken, it may end late or not by itself.
                if let Some(mut process) = self.worker.process.take() {
                    process.terminate(Duration::from_secs(4)).await;
                }
                self.worker.launch()?;
            }
            Fault::Freeze(whom) => self.signal(*whom, "STOP"),
            Fault::Net { link, trouble, which } => {
                if let Some(proxy) = self.proxy(*link) {
                    match which {
                        Which::All => proxy.set(*trouble),
                        Which::Busiest => proxy.set_busiest(*trouble),
                        Which::Of(client) => proxy.set_of(client, *trouble),
                    }
                }
            }
            Fault::Restore => {
                self.worker.kill();
                // One that is frozen would take it later, with a worker that has begun.
                self.signal(Whom::Target, "CONT");
                if let Some(restore) = &self.restore {
                    // In vain where the target is down: then it is only a kill.
                    let _ = self.target.execute("dst", restore).await;
                }
            }
            Fault::DiskFull(whom) => {
                let disk = if *whom == Whom::Target { &self.target_disk } else { &self.log_disk };
                if let Some(disk) = disk {
                    tokio::task::block_in_place(|| disk.fill(FULL_LEAVES))?;
                }
            }
            Fault::Clock(seconds) => {
                if let Some(clock) = &mut self.clock {
                    clock.jump(*seconds)?;
                }
            }
            Fault::Rebalance => {
                self.requests += 1;
                for (sink, config) in &self.sinks {
                    let mut config = config.clone();
                    config["tasks.max"] = (1 + self.requests % 3).to_string().into();
                    self.ask("PUT", &format!("/connectors/{sink}/config"), Some(&config)).await;
                }
            }
            Fault::RestartConnector => {
                self.requests += 1;
                let name = &self.connectors[self.requests % self.connectors.len()];
                self.ask("POST", &format!("/connectors/{name}/restart?includeTasks=true"), None).await;
            }
        }
        Ok(())
    }

    /// What cannot end now, because something else is broken still, does when all is healed.
    async fn end(&mut self, fault: &Fault) {
        match fault {
            Fault::Kill(Whom::Worker) | Fault::Restore => drop(self.worker.launch()),
            Fault::Kill(Whom::Kafka) => {
                if let Some(kafka) = &mut self.kafka {
                    drop(kafka.up().await);
                }
            }
            Fault::Kill(Whom::Source) => drop(self.source.up().await),
            Fault::Kill(Whom::Target) => drop(self.target.up().await),
            Fault::Freeze(whom) => self.signal(*whom, "CONT"),
            Fault::Net { link, .. } => self.proxy(*link).into_iter().for_each(|p| p.set(Trouble::None)),
            Fault::DiskFull(_) => self.log_disk.iter().chain(&self.target_disk).for_each(Disk::free),
            Fault::Restart | Fault::Clock(_) | Fault::Rebalance | Fault::RestartConnector => {}
        }
    }

    fn signal(&self, whom: Whom, signal: &str) {
        match whom {
            Whom::Worker => self.worker.process.iter().for_each(|p| p.signal(signal)),
            Whom::Kafka => self.kafka.iter().for_each(|k| k.process.signal(signal)),
            Whom::Source => self.source.signal(signal),
            Whom::Target => self.target.signal(signal),
        }
    }

    fn proxy(&self, link: Link) -> Option<&Proxy> {
        match link {
            Whom::Worker => None,
            Whom::Kafka => self.to_kafka.as_ref(),
            Whom::Source => Some(&self.to_source),
            Whom::Target => Some(&self.to_target),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&serde_json::Value>) {
        // It may come in vain: what it hits may be dead.
        let _ = tokio::time::timeout(ASK, self.worker.request(method, path, body)).await;
    }

    /// Ends all that is broken; returns once every server answers.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        self.log_disk.iter().chain(&self.target_disk).for_each(Disk::free);
        for whom in [Whom::Worker, Whom::Kafka, Whom::Source, Whom::Target] {
            self.signal(whom, "CONT");
            self.proxy(whom).into_iter().for_each(|p| p.set(Trouble::None));
        }
        for server in [&self.source, &self.target] {
            let begun = Instant::now();
            while server.client("postgres").await.is_err() {
                // It may be on its way up by itself, from a crash of one of its processes.
                if let Err(e) = server.up().await {
                    anyhow::ensure!(begun.elapsed() < HEAL_WITHIN, "PostgreSQL does not come back: {e:#}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        if let Some(kafka) = &mut self.kafka
            && !kafka.process.alive()
        {
            kafka.up().await?;
        }
        let begun = Instant::now();
        while !self.worker.answers().await {
            anyhow::ensure!(begun.elapsed() < HEAL_WITHIN, "the worker does not come back:\n{}", self.worker.log_tail());
            // One whose log was away when it started gives up, as Connect does; whoever runs it starts it again.
            if !self.worker.alive() {
                self.worker.launch()?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
