//! Files of the repository that this program carries: the contract (`wit/`), and the SDKs with their starters (`sdk/`).

use std::path::Path;

use anyhow::Context;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The files below a directory of the repository, by their paths in it.
pub fn below(dir: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let dir = format!("{}/", dir.trim_end_matches('/'));
    FILES.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(&dir)?, *bytes)))
}

/// Writes a file, and the directories that it is in.
pub fn write(to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    std::fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}
