//! An OCI registry, Debian's docker-registry, from what `scripts/fetch-peers.sh oci` has put into the cache.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::kafka::cache;
use crate::{Process, eventually, free_port};

pub struct OciRegistry {
    /// `127.0.0.1:PORT`
    pub address: String,
    _process: Process,
    _dir: tempfile::TempDir,
}

fn program() -> anyhow::Result<PathBuf> {
    let own = cache().join("docker-registry/usr/bin/docker-registry");
    let installed = PathBuf::from("/usr/bin/docker-registry");
    let found = [own, installed].into_iter().find(|p| p.is_file());
    found.ok_or_else(|| anyhow::anyhow!("no docker-registry under {}: run scripts/fetch-peers.sh oci", cache().display()))
}

impl OciRegistry {
    pub async fn start() -> anyhow::Result<OciRegistry> {
        let dir = tempfile::Builder::new().prefix("millrace-oci").tempdir()?;
        let address = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            dir.path().join("blobs").display()
        );
        std::fs::write(dir.path().join("config.yml"), config)?;
        let mut registry = Command::new(program()?);
        registry.arg("serve").arg(dir.path().join("config.yml"));
        let process = Process::start(registry, &dir.path().join("log"))?;
        let url = format!("http://{address}/v2/");
        eventually("the OCI registry answers", Duration::from_secs(60), || async {
            Ok::<_, reqwest::Error>(reqwest::get(&url).await?.error_for_status()?)
        })
        .await
        .map_err(|e| e.context(process.tail()))?;
        Ok(OciRegistry { address, _process: process, _dir: dir })
    }
}
