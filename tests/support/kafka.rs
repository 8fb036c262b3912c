//! The real Kafka (one KRaft broker), from the jars that `scripts/fetch-peers.sh kafka` has put into the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Process, Proxy, free_port};

pub struct Kafka {
    pub port: u16,
    pub process: Process,
    jars: PathBuf,
    dir: tempfile::TempDir,
}

/// Where `scripts/fetch-peers.sh` puts what it fetches.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("MILLRACE_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/millrace"))
}

/// The folder of Kafka's jars.
pub fn jars() -> anyhow::Result<PathBuf> {
    let found = std::fs::read_dir(cache())
        .into_iter()
        .flatten()
        .filter_map(|d| Some(d.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("kafka-")) && p.join(".complete").exists())
        .max();
    found.ok_or_else(|| anyhow::anyhow!("no Kafka under {}: run scripts/fetch-peers.sh kafka", cache().display()))
}

/// A Java program of Kafka's, with a heap limit such as `512m`.
pub fn java(jars: &Path, heap: &str, class: &str) -> Command {
    let mut c = Command::new("java");
    c.arg(format!("-Xmx{heap}"))
        .args(["-XX:+UseG1GC", "-Djava.awt.headless=true", "-cp"])
        .arg(format!("{}/*", jars.display()))
        .arg(class);
    c
}

fn run(jars: &Path, dir: &Path) -> anyhow::Result<Process> {
    let mut broker = java(jars, "768m", "kafka.Kafka");
    broker.arg(dir.join("kafka.properties"));
    Process::start(broker, &dir.join("log"))
}

impl Kafka {
    pub async fn start() -> anyhow::Result<Kafka> {
        Self::start_with(None, "").await
    }

    /// With a second listener, whose clients all go through the proxy that is answered. Further lines are for its settings;
    /// later ones win.
    pub async fn start_behind_proxy(settings: &str) -> anyhow::Result<(Kafka, Proxy)> {
        let port = free_port();
        let proxy = Proxy::start(port).await?;
        Ok((Self::start_with(Some((port, proxy.port)), settings).await?, proxy))
    }

    async fn start_with(proxied: Option<(u16, u16)>, settings: &str) -> anyhow::Result<Kafka> {
        let jars = jars()?;
        let dir = tempfile::Builder::new().prefix("millrace-kafka").tempdir()?;
        let (port, controller) = (free_port(), free_port());
        let (behind, advertised) = match proxied {
            Some((port, proxy)) => (format!(",PROXIED://127.0.0.1:{port}"), format!(",PROXIED://127.0.0.1:{proxy}")),
            None => Default::default(),
        };
        std::fs::write(
            dir.path().join("kafka.properties"),
            format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{behind}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT\n\
                 controller.listener.names=CONTROLLER\n\
                 inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\nnum.partitions=1\noffsets.topic.replication.factor=1\n\
                 offsets.topic.num.partitions=5\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
                 transaction.state.log.num.partitions=5\nshare.coordinator.state.topic.replication.factor=1\n\
                 share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\nmessage.max.bytes=8388608\n{settings}\n",
                dir.path().join("data").display()
            ),
        )?;
        let mut format = java(&jars, "256m", "kafka.tools.StorageTool");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(dir.path().join("kafka.properties"));
        anyhow::ensure!(
            format.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success(),
            "kafka.tools.StorageTool format failed: {format:?}"
        );
        let process = run(&jars, dir.path())?;
        let mut kafka = Kafka { port, process, jars, dir };
        kafka.listens().await?;
        Ok(kafka)
    }

    /// Starts it again on its data, after its process was killed.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        self.process = run(&self.jars, self.dir.path())?;
        self.listens().await
    }

    async fn listens(&mut self) -> anyhow::Result<()> {
        let started = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let well = self.process.alive() && started.elapsed() < Duration::from_secs(90);
            anyhow::ensure!(well, "Kafka does not listen on port {}:\n{}", self.port, self.process.tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
