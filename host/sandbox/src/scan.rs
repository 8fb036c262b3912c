//! Finds plugins on `plugin.path`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_record::{Plugin, Schemas};

use crate::engine::Sandbox;

/// A file that is not taken for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub file: PathBuf,
    /// For a person: what is wrong with it, and what to do.
    pub reason: String,
}

impl Sandbox {
    /// Loads every `*.wasm` of the paths, each a component or a directory that holds some. Of two plugins of one kind and
    /// name the first on the path is taken.
    pub async fn scan(&self, paths: &[PathBuf], schemas: &Arc<Schemas>) -> (Vec<Arc<dyn Plugin>>, Vec<Refused>) {
        let (files, mut refused) = files(paths);
        let loads = files.iter().map(|file| self.load(file, schemas));
        let loaded = futures::future::join_all(loads).await;
        let mut plugins: Vec<(Arc<dyn Plugin>, &Path)> = Vec::new();
        for (file, loaded) in files.iter().zip(loaded) {
            let plugin = match loaded {
                Ok(plugin) => plugin,
                Err(error) => {
                    refused.push(Refused { file: file.clone(), reason: error.to_string() });
                    continue;
                }
            };
            let same = |(other, _): &&(Arc<dyn Plugin>, &Path)| {
                (other.info().kind, &other.info().name) == (plugin.info().kind, &plugin.info().name)
            };
            match plugins.iter().find(same) {
                Some((_, first)) => refused.push(Refused {
                    file: file.clone(),
                    reason: format!(
                        "its name \"{}\" is taken by {}; remove one of them from \"plugin.path\"",
                        plugin.info().name,
                        first.display()
                    ),
                }),
                None => plugins.push((plugin, file)),
            }
        }
        (plugins.into_iter().map(|(p, _)| p).collect(), refused)
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
