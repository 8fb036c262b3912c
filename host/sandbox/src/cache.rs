//! Compiled components on disk, so that a plugin is compiled once and not at every start.
//!
//! An entry is native code: only files that this worker has written itself are ever loaded, from a directory that nobody
//! else may enter, and only when their digest is the one that was noted when they were written. Whatever does not fit is
//! compiled again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bindings::types;

/// Changes when what is kept beside the code does.
const ENTRY_VERSION: u32 = 1;

pub(crate) struct Cache {
    dir: PathBuf,
    /// Of the engine: its version, settings and processor.
    engine: u64,
}

/// What is known of a compiled component.
#[derive(Serialize, Deserialize)]
struct Entry {
    code_sha256: String,
    /// What the plugin says of itself; none: it was not asked yet.
    info: Option<types::PluginInfo>,
}

/// The name of a component's entry, which begins with the component's digest.
pub(crate) struct Key(String);

impl Key {
    /// Of the component, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

/// A component out of the cache.
pub(crate) struct Cached {
    pub component: Component,
    pub info: Option<types::PluginInfo>,
}

impl Cache {
    pub fn open(dir: &Path, engine: u64) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Cache { dir: dir.to_owned(), engine })
    }

    pub fn key(&self, wasm: &[u8]) -> Key {
        Key(format!("{}-{:016x}-{ENTRY_VERSION}", hex(&Sha256::digest(wasm)), self.engine))
    }

    /// The compiled component, if it is there and whole.
    pub fn get(&self, engine: &Engine, key: &Key) -> Option<Cached> {
        let entry: Entry = serde_json::from_slice(&fs::read(self.path(key, "json")).ok()?).ok()?;
        let path = self.path(key, "cwasm");
        let code = fs::read(&path).ok()?;
        if hex(&Sha256::digest(&code)) != entry.code_sha256 {
            tracing::warn!(file = %path.display(), "compiled plugin is damaged; compiling it again");
            return None;
        }
        // SAFETY: the file is one that `put` wrote, in a directory that only this user may enter, and it still has the
        // digest that was noted then.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Some(Cached { component, info: entry.info }),
            Err(error) => {
                tracing::warn!(file = %path.display(), error = %error, "compiled plugin does not load; compiling it again");
                None
            }
        }
    }

    /// Keeps a compiled component.
    pub fn put(&self, key: &Key, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(|e| io::Error::other(e.to_string()))?;
        self.write(&self.path(key, "cwasm"), &code)?;
        let entry = Entry { code_sha256: hex(&Sha256::digest(&code)), info: None };
        self.write(&self.path(key, "json"), &serde_json::to_vec(&entry)?)
    }

    /// Notes what a kept component says of itself.
    pub fn note(&self, key: &Key, info: &types::PluginInfo) -> io::Result<()> {
        let path = self.path(key, "json");
        let mut entry: Entry = serde_json::from_slice(&fs::read(&path)?)?;
        entry.info = Some(info.clone());
        self.write(&path, &serde_json::to_vec(&entry)?)
    }

    fn path(&self, key: &Key, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", key.0))
    }

    /// Whole or not at all, also beside another worker that writes the same entry.
    fn write(&self, to: &Path, bytes: &[u8]) -> io::Result<()> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}-{n}.tmp", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, to)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
