//! The data directory: one process at a time, and the version of the state format noted in it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// What this worker writes. 1: Connect's topics, the embedded broker's segments.
pub const STATE_FORMAT: u32 = 1;
const FILE: &str = "format-version";

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("cannot read or write {file}: {source}; check \"data.dir\" and who owns it")]
    Io { file: PathBuf, source: std::io::Error },
    #[error(
        "the state in {dir} has format {found}, which is newer than {STATE_FORMAT}, the newest that this worker knows: run the newer worker, or set another \"data.dir\""
    )]
    Newer { dir: PathBuf, found: u32 },
    #[error(
        "the data directory {dir} is in use by another worker: stop it, or give this one a directory of its own with \"data.dir\""
    )]
    InUse { dir: PathBuf },
    #[error("{file} holds \"{text}\" and not the number of a state format: restore it, or set another \"data.dir\"")]
    Unreadable { file: PathBuf, text: String },
}

/// The worker's directory; others are kept out for as long as this lives.
pub struct DataDir {
    dir: PathBuf,
    _lock: File,
}

impl DataDir {
    pub fn open(dir: &Path) -> Result<Self, FormatError> {
        std::fs::create_dir_all(dir).map_err(|source| FormatError::Io { file: dir.to_owned(), source })?;
        let file = dir.join("worker.lock");
        let io = |source| FormatError::Io { file: file.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FormatError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        check_format(dir)?;
        Ok(DataDir { dir: dir.to_owned(), _lock: lock })
    }

    /// Where the embedded broker keeps its files.
    pub fn broker(&self) -> PathBuf {
        self.dir.join("broker")
    }

    /// Where uploaded plugins are kept.
    pub fn plugins(&self) -> PathBuf {
        self.dir.join("plugins")
    }

    /// Where the indices of dead letter queues are kept.
    pub fn dead_letters(&self) -> PathBuf {
        self.dir.join("dead-letters")
    }

    /// Where compiled plugins are kept.
    pub fn plugin_cache(&self) -> PathBuf {
        self.dir.join("plugin-cache")
    }
}

/// Refuses state that is newer than we know; notes our format in a directory that has none.
fn check_format(dir: &Path) -> Result<(), FormatError> {
    let file = dir.join(FILE);
    let io = |source| FormatError::Io { file: file.clone(), source };
    match std::fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found > STATE_FORMAT => Err(FormatError::Newer { dir: dir.to_owned(), found }),
            Ok(_) => Ok(()),
            Err(_) => Err(FormatError::Unreadable { file, text: text.trim().chars().take(40).collect() }),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(dir).map_err(io)?;
            std::fs::write(&file, format!("{STATE_FORMAT}\n")).map_err(io)
        }
        Err(e) => Err(io(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(FormatError::InUse { .. })));
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn newer_state_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        check_format(dir.path()).unwrap();
        check_format(dir.path()).unwrap();
        std::fs::write(dir.path().join(FILE), "2").unwrap();
        assert!(matches!(check_format(dir.path()), Err(FormatError::Newer { found: 2, .. })));
        std::fs::write(dir.path().join(FILE), "x").unwrap();
        assert!(matches!(check_format(dir.path()), Err(FormatError::Unreadable { .. })));
    }
}
