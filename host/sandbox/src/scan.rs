//! Finds plugins on `plugin.path`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_record::{Plugin, Schemas};

use crate::engine::Sandbox;
use crate::load::Loaded;

/// A file that is not taken for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub file: PathBuf,
    /// For a person: what is wrong with it, and what to do.
    pub reason: String,
}

impl Sandbox {
    /// Loads every `*.wasm` of the paths, each a component or a directory that holds some. Of two plugins of one kind, name
    /// and version the first on the path is taken.
    pub async fn scan(&self, paths: &[PathBuf], schemas: &Arc<Schemas>) -> (Vec<Arc<dyn Plugin>>, Vec<Refused>) {
        let (loaded, refused) = self.scan_files(paths, schemas).await;
        (loaded.into_iter().map(|l| l.plugin).collect(), refused)
    }

    /// The same, with the file of each.
    pub async fn scan_files(&self, paths: &[PathBuf], schemas: &Arc<Schemas>) -> (Vec<Loaded>, Vec<Refused>) {
        let (files, mut refused) = files(paths);
        let loads = files.iter().map(|file| self.load_file(file, schemas));
        let all = futures::future::join_all(loads).await;
        let mut taken: Vec<Loaded> = Vec::new();
        for (file, loaded) in files.into_iter().zip(all) {
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    refused.push(Refused { file, reason: error.to_string() });
                    continue;
                }
            };
            let info = loaded.plugin.info();
            let same = |other: &&Loaded| {
                let other = other.plugin.info();
                (other.kind, &other.name, &other.version) == (info.kind, &info.name, &info.version)
            };
            match taken.iter().find(same) {
                Some(first) => {
                    let first = first.file.display();
                    let reason = format!(
                        "its name \"{}\" and version \"{}\" are taken by {first}; remove one of them from \"plugin.path\"",
                        info.name, info.version
                    );
                    refused.push(Refused { file, reason });
                }
                None => taken.push(loaded),
            }
        }
        (taken, refused)
    }
}

/// The components on the paths, by name within a directory.
fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Refused>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for path in paths {
        let refuse = |error: std::io::Error| Refused {
            file: path.clone(),
            reason: format!("cannot read it: {error}; check \"plugin.path\""),
        };
        if path.is_file() {
            found.push(path.clone());
            continue;
        }
        match std::fs::read_dir(path) {
            Err(error) => refused.push(refuse(error)),
            Ok(entries) => {
                let mut inside: Vec<_> = entries.flatten().map(|e| e.path()).filter(|p| is_wasm(p)).collect();
                inside.sort();
                found.append(&mut inside);
            }
        }
    }
    (found, refused)
}

fn is_wasm(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "wasm") && path.is_file()
}
