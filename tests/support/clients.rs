//! Clients written by others, where `scripts/clients.sh` puts them.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::kafka::cache;
use crate::root;

/// A program of the environment with the Python clients: `kc`, `python`, `schemathesis`.
pub fn python_bin(program: &str) -> PathBuf {
    cache().join("clients/venv/bin").join(program)
}

/// `tests/clients/go`, built.
pub fn go_client() -> PathBuf {
    cache().join("clients/connectclient")
}

/// The records of topics as confluent-kafka's Avro deserializer reads them, each partition in its order: `topic`, `partition`,
/// `offset`, `key_id`, `key`, `value_id`, `value`.
pub async fn read_avro(bootstrap: &str, registry: &str, topics: &[&str]) -> anyhow::Result<Vec<Value>> {
    let mut command = tokio::process::Command::new(python_bin("python"));
    command.arg(root().join("tests/clients/python/avro_read.py")).args([bootstrap, registry]).args(topics);
    let out =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("Python is missing: run scripts/clients.sh")?;
    let (printed, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "{printed}{said}");
    Ok(printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
