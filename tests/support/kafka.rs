//! The real Kafka (one KRaft broker), from the jars that `scripts/fetch-peers.sh kafka` has put into the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Process, free_port};

pub struct Kafka {
    pub port: u16,
    pub process: Process,
    _dir: tempfile::TempDir,
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

impl Kafka {
    pub async fn start() -> anyhow::Result<Kafka> {
        let jars = jars()?;
        let dir = tempfile::Builder::new().prefix("millrace-kafka").tempdir()?;
        let (port, controller) = (free_port(), free_port());
        let conf = dir.path().join("kafka.properties");
        std::fs::write(
            &conf,
            format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\ncontroller.listener.names=CONTROLLER\n\
                 inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\nnum.partitions=1\noffsets.topic.replication.factor=1\n\
                 offsets.topic.num.partitions=5\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
                 transaction.state.log.num.partitions=5\nshare.coordinator.state.topic.replication.factor=1\n\
                 share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\nmessage.max.bytes=8388608\n",
                dir.path().join("data").display()
            ),
        )?;
        let mut format = java(&jars, "256m", "kafka.tools.StorageTool");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
        anyhow::ensure!(format.status()?.success(), "kafka.tools.StorageTool format failed: {format:?}");
        let mut broker = java(&jars, "768m", "kafka.Kafka");
        broker.arg(&conf);
        let mut process = Process::start(broker, &dir.path().join("log"))?;
        let started = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let well = process.alive() && started.elapsed() < Duration::from_secs(90);
            anyhow::ensure!(well, "Kafka does not listen on port {port}:\n{}", process.tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Kafka { port, process, _dir: dir })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
