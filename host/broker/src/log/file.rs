//! A file of the log that is opened when it is needed and closed again when it was idle.
//!
//! A reader keeps the handle it was given: the file may be replaced or removed meanwhile and the reader still sees what
//! it planned to read.

use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Mutex<Option<(Arc<File>, Instant)>>,
}

impl LogFile {
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file; creates it when it is not there.
    pub fn get(&self) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some((file, used)) = open.as_mut() {
            *used = Instant::now();
            return Ok(file.clone());
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&self.path)?;
        let file = Arc::new(file);
        *open = Some((file.clone(), Instant::now()));
        Ok(file)
    }

    /// Closes the file when nobody asked for it since `idle`.
    pub fn close_if_idle(&self, idle: Duration) {
        let mut open = self.open.lock();
        if open.as_ref().is_some_and(|(_, used)| used.elapsed() >= idle) {
            *open = None;
        }
    }
}

/// Writes a small file whole or not at all: beside, then renamed. `sync` makes it survive a loss of power.
pub fn write_whole(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        io::Write::write_all(&mut file, bytes)?;
        if sync {
            file.sync_all()?;
        }
        std::fs::rename(&beside, path)
    };
    let result = write();
    if result.is_err() {
        let _ = std::fs::remove_file(&beside);
    } else if sync && let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    result
}
