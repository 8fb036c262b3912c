//! Uploaded plugins on disk: `plugins/` in the data directory, a file for each version.
//!
//! A file gets its name when it is whole, checked and on disk; what a killed worker leaves behind has no plugin's name and
//! is removed at the next start. Grants beside a file are of that file alone: they go when its content does.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_record::Schemas;
use millrace_sandbox::{Loaded, Refused, Sandbox};
use sha2::{Digest, Sha256};

use super::set::Id;

const WITHDRAWN: &str = "withdrawn.json";
const TEMPORARY: &str = "tmp";

#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}; check that \"data.dir\" can be written to and has room", file.display())]
pub struct StoreError {
    what: &'static str,
    file: PathBuf,
    source: io::Error,
}

fn failed(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let file = file.to_owned();
    move |source| StoreError { what, file, source }
}

/// The directory, and what is needed to load from it.
pub struct Store {
    dir: PathBuf,
    pub sandbox: Sandbox,
    pub schemas: Arc<Schemas>,
    /// One change of what is installed at a time.
    pub one: tokio::sync::Mutex<()>,
}

impl Store {
    /// Makes the directory, and removes what uploads that were cut off have left.
    pub fn open(dir: PathBuf, sandbox: Sandbox, schemas: Arc<Schemas>) -> Result<Self, StoreError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed("make", &dir))?;
        for entry in fs::read_dir(&dir).map_err(failed("read", &dir))?.flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|e| e == TEMPORARY) {
                fs::remove_file(&file).map_err(failed("remove", &file))?;
            }
        }
        Ok(Store { dir, sandbox, schemas, one: Default::default() })
    }

    /// All of them.
    pub async fn load(&self) -> (Vec<Loaded>, Vec<Refused>) {
        self.sandbox.scan_files(std::slice::from_ref(&self.dir), &self.schemas).await
    }

    /// The file of a version. A name and a version have no `@`.
    pub fn file(&self, id: &Id) -> PathBuf {
        self.dir.join(format!("{}.{}@{}.wasm", id.kind, id.name, id.version))
    }

    /// A place for what is about to come. Blocks.
    pub fn incoming(&self) -> Result<Incoming, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("upload-{n}.{TEMPORARY}"));
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(failed("write", &path))?;
        Ok(Incoming { file, path, digest: Sha256::new(), bytes: 0, grants: Vec::new() })
    }

    /// Gives a whole file its name. Blocks.
    pub fn keep(&self, incoming: &Incoming, id: &Id) -> Result<PathBuf, StoreError> {
        let file = self.file(id);
        incoming.file.sync_all().map_err(failed("write", &incoming.path))?;
        self.forget_grants(&file)?;
        if !incoming.grants.is_empty() {
            let beside = file.with_extension("grants");
            fs::write(&beside, incoming.grants.join("\n") + "\n").map_err(failed("write", &beside))?;
        }
        fs::rename(&incoming.path, &file).map_err(failed("write", &file))?;
        self.sync()?;
        Ok(file)
    }

    /// Removes a version. Blocks.
    pub fn remove(&self, file: &Path) -> Result<(), StoreError> {
        self.forget_grants(file)?;
        fs::remove_file(file).map_err(failed("remove", file))?;
        self.sync()
    }

    fn forget_grants(&self, component: &Path) -> Result<(), StoreError> {
        let grants = component.with_extension("grants");
        match fs::remove_file(&grants) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &grants)(e)),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed("write", &self.dir))
    }

    /// The versions that rollbacks have left. Blocks.
    pub fn withdrawn(&self) -> Result<BTreeSet<Id>, StoreError> {
        let file = self.dir.join(WITHDRAWN);
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| failed("understand", &file)(e.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(e) => Err(failed("read", &file)(e)),
        }
    }

    /// Notes them. Blocks.
    pub fn note_withdrawn(&self, all: &BTreeSet<Id>) -> Result<(), StoreError> {
        let (file, temporary) = (self.dir.join(WITHDRAWN), self.dir.join(format!("{WITHDRAWN}.{TEMPORARY}")));
        let text = serde_json::to_vec(all).map_err(|e| failed("write", &file)(e.into()))?;
        let write = || {
            let mut out = File::create(&temporary)?;
            out.write_all(&text)?;
            out.sync_all()?;
            fs::rename(&temporary, &file)
        };
        write().map_err(failed("write", &file))?;
        self.sync()
    }
}

/// An upload on its way in; its file is gone with it, unless it was kept.
pub struct Incoming {
    file: File,
    pub path: PathBuf,
    digest: Sha256,
    pub bytes: u64,
    /// Capabilities that it is granted wherever it is used.
    pub grants: Vec<String>,
}

impl Incoming {
    /// Blocks for as long as the disk does.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    /// Makes sure that it is on disk. Blocks.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(failed("write", &self.path))
    }

    /// All that came, from disk. Blocks.
    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        fs::read(&self.path).map_err(failed("read", &self.path))
    }

    /// Of all that came.
    pub fn sha256(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already where it was kept.
        let _ = fs::remove_file(&self.path);
    }
}
