//! Clients written by others, where `scripts/clients.sh` puts them.

use std::path::PathBuf;

use crate::kafka::cache;

/// A program of the environment with the Python clients: `kc`, `python`, `schemathesis`.
pub fn python_bin(program: &str) -> PathBuf {
    cache().join("clients/venv/bin").join(program)
}

/// `tests/clients/go`, built.
pub fn go_client() -> PathBuf {
    cache().join("clients/connectclient")
}
