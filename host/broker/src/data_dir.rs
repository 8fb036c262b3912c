//! The data directory: one process at a time, and a format that says who may read it.

use crate::error::StartError;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

/// The format this program writes.
const FORMAT: u32 = 1;

/// An open data directory; locked until it is dropped.
pub struct DataDir {
    pub cluster_id: String,
    _lock: File,
}

impl DataDir {
    pub fn open(directory: &Path) -> Result<Self, StartError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| StartError::Io { path, source }
        };
        std::fs::create_dir_all(directory).map_err(at(directory))?;
        let lock_path = directory.join("lock");
        let mut lock =
            File::options().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                let _ = lock.read_to_string(&mut process);
                let process = process.trim();
                let holder = if process.is_empty() { String::new() } else { format!(" (process {process})") };
                return Err(StartError::InUse { directory: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(at(&lock_path)(source)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(at(&lock_path))?;
        let cluster_id = format_of(directory)?;
        Ok(Self { cluster_id, _lock: lock })
    }
}

/// Reads the format file, or writes it into a fresh directory; gives the cluster id.
fn format_of(directory: &Path) -> Result<String, StartError> {
    let path = directory.join("format");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let cluster_id = uuid::Uuid::new_v4().simple().to_string();
            let text = format!("version={FORMAT}\ncluster.id={cluster_id}\n");
            crate::log::write_whole(&path, text.as_bytes(), true).map_err(|source| StartError::Io { path, source })?;
            return Ok(cluster_id);
        }
        Err(source) => return Err(StartError::Io { path, source }),
    };
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim);
    let foreign = || StartError::Foreign { path: path.clone(), directory: directory.to_owned() };
    let found = value("version").and_then(|version| version.parse::<u32>().ok()).ok_or_else(foreign)?;
    if found > FORMAT {
        return Err(StartError::Newer { directory: directory.to_owned(), found, known: FORMAT });
    }
    value("cluster.id").map(str::to_owned).ok_or_else(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let Err(error) = DataDir::open(dir.path()) else { panic!("the directory is locked") };
        assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        let id = first.cluster_id.clone();
        drop(first);
        assert_eq!(DataDir::open(dir.path()).unwrap().cluster_id, id);
    }

    #[test]
    fn a_newer_or_foreign_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("format"), "version=2\ncluster.id=x\n").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(StartError::Newer { found: 2, .. })));
        std::fs::write(dir.path().join("format"), "hello").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(StartError::Foreign { .. })));
    }
}
