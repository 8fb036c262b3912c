//! `files`: the files that a connector's configuration names, and no others.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::Resource;

use crate::bindings::files::{Host, HostAppender, HostReader};
use crate::bindings::types::{Error, ErrorKind};
use crate::state::State;
use crate::wit::error;

/// The most bytes of one read.
const READ_BYTES_MAX: u32 = 16 << 20;

/// A file open for reading.
pub struct Reader(Named);
/// A file open for appending.
pub struct Appender(Named);

#[derive(Clone)]
struct Named {
    file: Arc<File>,
    path: Arc<PathBuf>,
    _open: Arc<OwnedSemaphorePermit>,
}

impl Host for State {}

impl State {
    /// The path of a binding, and the key that names it.
    fn path(&self, binding: &str) -> Result<(PathBuf, String), Error> {
        let Some(binding) = self.owner.binding(binding, "files") else {
            return Err(error::new(
                ErrorKind::Fatal,
                "files.no-such-binding",
                format!("plugin \"{}\" declares no binding \"{binding}\" of the capability \"files\"", self.owner.plugin),
            ));
        };
        let key = binding.parts.iter().find(|(part, _)| part == "path").map(|(_, key)| key.clone()).unwrap_or_default();
        match self.owner.settings.real(&key).or_else(|| self.owner.keys.value(self.owner.settings.shown(), &key)) {
            Some(path) if !path.is_empty() => Ok((path.into(), key)),
            _ => Err(error::config("files.no-path", Some(&key), format!("\"{key}\" is not set: give the path of a file"))),
        }
    }

    async fn opened(&mut self, binding: String, options: OpenOptions) -> Result<Named, Error> {
        let (path, key) = self.path(&binding)?;
        let open = self.one_more_open("files.too-many-open")?;
        let at = path.clone();
        let waits = self.waits.clone();
        let file = waits.on(blocking(move || options.open(at))).await.map_err(|e| failed("open", &path, Some(&key), &e))?;
        Ok(Named { file: Arc::new(file), path: Arc::new(path), _open: Arc::new(open) })
    }
}

impl HostReader for State {
    async fn open(&mut self, binding: String) -> wasmtime::Result<Result<Resource<Reader>, Error>> {
        let mut options = OpenOptions::new();
        options.read(true);
        Ok(match self.opened(binding, options).await {
            Ok(named) => Ok(self.table.push(Reader(named))?),
            Err(error) => Err(error),
        })
    }

    async fn read(&mut self, reader: Resource<Reader>, position: u64, max: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let Named { file, path, .. } = self.table.get(&reader)?.0.clone();
        let read = blocking(move || {
            let mut bytes = vec![0; max.min(READ_BYTES_MAX) as usize];
            let n = file.read_at(&mut bytes, position)?;
            bytes.truncate(n);
            Ok(bytes)
        });
        Ok(self.waits.clone().on(read).await.map_err(|e| failed("read", &path, None, &e)))
    }

    async fn len(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Result<u64, Error>> {
        let Named { file, path, .. } = self.table.get(&reader)?.0.clone();
        let len = self.waits.clone().on(blocking(move || Ok(file.metadata()?.len()))).await;
        Ok(len.map_err(|e| failed("read the length of", &path, None, &e)))
    }

    async fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

impl HostAppender for State {
    async fn open(&mut self, binding: String) -> wasmtime::Result<Result<Resource<Appender>, Error>> {
        if self.owner.services.dry_run {
            return Ok(Err(error::dry_run("files", "appending")));
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        Ok(match self.opened(binding, options).await {
            Ok(named) => Ok(self.table.push(Appender(named))?),
            Err(error) => Err(error),
        })
    }

    async fn append(&mut self, appender: Resource<Appender>, data: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        let Named { file, path, .. } = self.table.get(&appender)?.0.clone();
        let append = blocking(move || {
            let before = file.metadata()?.len();
            let written = (&*file).write_all(&data);
            if written.is_err() {
                // All or nothing, so that the plugin may try again: a half-written tail is cut off.
                let _ = file.set_len(before);
            }
            written
        });
        Ok(self.waits.clone().on(append).await.map_err(|e| failed("append to", &path, None, &e)))
    }

    async fn sync(&mut self, appender: Resource<Appender>) -> wasmtime::Result<Result<(), Error>> {
        let Named { file, path, .. } = self.table.get(&appender)?.0.clone();
        let synced = self.waits.clone().on(blocking(move || file.sync_data())).await;
        Ok(synced.map_err(|e| failed("sync", &path, None, &e)))
    }

    async fn drop(&mut self, appender: Resource<Appender>) -> wasmtime::Result<()> {
        self.table.delete(appender)?;
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

fn failed(what: &str, path: &std::path::Path, key: Option<&str>, e: &io::Error) -> Error {
    let check = key.map(|k| format!("; check \"{k}\"")).unwrap_or_default();
    let message = format!("cannot {what} {}: {e}{check}", path.display());
    match e.kind() {
        io::ErrorKind::NotFound => error::new(ErrorKind::Retriable, "files.not-found", message),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            error::config("files.refused", key, message)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => error::new(ErrorKind::Retriable, "files.full", message),
        _ => error::new(ErrorKind::Fatal, "files.io", message),
    }
}
