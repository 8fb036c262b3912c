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
    /// The most that all entries have on disk, unless it is one.
    bytes_max: u64,
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
    pub fn open(dir: &Path, engine: u64, bytes_max: u64) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Cache { dir: dir.to_owned(), engine, bytes_max })
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
            Ok(component) => {
                self.used(key);
                Some(Cached { component, info: entry.info })
            }
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
        self.write(&self.path(key, "json"), &serde_json::to_vec(&entry)?)?;
        self.make_room(key)
    }

    /// Notes what a kept component says of itself.
    pub fn note(&self, key: &Key, info: &types::PluginInfo) -> io::Result<()> {
        let path = self.path(key, "json");
        let mut entry: Entry = serde_json::from_slice(&fs::read(&path)?)?;
        entry.info = Some(info.clone());
        self.write(&path, &serde_json::to_vec(&entry)?)
    }

    /// An entry that was not used for longest goes first. Where the time cannot be noted it is that of its making.
    fn used(&self, key: &Key) {
        if let Ok(file) = fs::File::options().append(true).open(self.path(key, "json")) {
            let _ = file.set_modified(std::time::SystemTime::now());
        }
    }

    /// Removes entries until all have room beside `newest`. Code that is in use stays mapped; only its file goes.
    fn make_room(&self, newest: &Key) -> io::Result<()> {
        // By stem: when it was last used, and how large it is.
        let mut entries: std::collections::HashMap<String, (std::time::SystemTime, u64)> = Default::default();
        for file in fs::read_dir(&self.dir)?.flatten() {
            let (path, Ok(meta)) = (file.path(), file.metadata()) else { continue };
            let Some(extension) = path.extension().and_then(|e| e.to_str()).filter(|e| ["cwasm", "json"].contains(e)) else {
                continue;
            };
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let entry = entries.entry(stem).or_insert((std::time::SystemTime::UNIX_EPOCH, 0));
            entry.1 += meta.len();
            if extension == "json" {
                entry.0 = meta.modified()?;
            }
        }
        let mut bytes: u64 = entries.values().map(|(_, bytes)| bytes).sum();
        let mut oldest: Vec<_> = entries.into_iter().filter(|(stem, _)| *stem != newest.0).collect();
        oldest.sort_by_key(|(_, (used, _))| *used);
        for (stem, (_, size)) in oldest {
            if bytes <= self.bytes_max {
                break;
            }
            let stem = Key(stem);
            // The note first: code without one is not loaded.
            for extension in ["json", "cwasm"] {
                match fs::remove_file(self.path(&stem, extension)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
            bytes -= size;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn what_is_unused_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1, 1_000).unwrap();
        let key = |name: &str| Key(format!("{name}-0000000000000001-1"));
        let entry = |name: &str, bytes: usize, age: u64| {
            cache.write(&cache.path(&key(name), "cwasm"), &vec![0; bytes]).unwrap();
            cache.write(&cache.path(&key(name), "json"), b"{}").unwrap();
            let note = fs::File::options().append(true).open(cache.path(&key(name), "json")).unwrap();
            note.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        let there = |name: &str| (cache.path(&key(name), "cwasm").exists(), cache.path(&key(name), "json").exists());
        entry("a", 400, 30);
        entry("b", 400, 20);
        fs::write(dir.path().join("other.txt"), vec![0; 5_000]).unwrap();
        cache.make_room(&key("b")).unwrap();
        assert_eq!((there("a"), there("b")), ((true, true), (true, true)));
        cache.used(&key("a"));
        entry("c", 400, 0);
        cache.make_room(&key("c")).unwrap();
        assert_eq!((there("a"), there("b"), there("c")), ((true, true), (false, false), (true, true)));
        entry("d", 5_000, 0);
        cache.make_room(&key("d")).unwrap();
        assert_eq!((there("a"), there("c"), there("d")), ((false, false), (false, false), (true, true)));
        assert!(dir.path().join("other.txt").exists());
    }
}
