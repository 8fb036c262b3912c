//! Whether a file of a project has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(300);
/// What builds write, and what nobody edits.
const LEFT_OUT: [&str; 7] = ["target", "node_modules", "__pycache__", "dist", "build", "vendor", "venv"];

/// The files of a project, and when each was written.
#[derive(Debug, PartialEq)]
pub struct Files {
    dir: PathBuf,
    besides: Option<PathBuf>,
    written: BTreeMap<PathBuf, Option<SystemTime>>,
}

impl Files {
    pub fn of(dir: &Path, besides: Option<&Path>) -> Files {
        let mut written = BTreeMap::new();
        list(dir, &mut written);
        if let Some(file) = besides {
            written.insert(file.to_owned(), file.metadata().and_then(|m| m.modified()).ok());
        }
        Files { dir: dir.to_owned(), besides: besides.map(Path::to_owned), written }
    }

    /// Returns once they are not what they were.
    pub fn changed(&mut self) {
        loop {
            std::thread::sleep(EVERY);
            let now = Files::of(&self.dir, self.besides.as_deref());
            if now != *self {
                *self = now;
                return;
            }
        }
    }
}

fn list(dir: &Path, written: &mut BTreeMap<PathBuf, Option<SystemTime>>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || LEFT_OUT.contains(&&*name) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            list(&entry.path(), written);
        } else {
            written.insert(entry.path(), metadata.modified().ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_write_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let before = Files::of(dir.path(), None);
        std::fs::create_dir_all(dir.path().join("target/x")).unwrap();
        std::fs::write(dir.path().join("target/x/y"), "").unwrap();
        assert_eq!(before, Files::of(dir.path(), None));
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/lib.rs"), "").unwrap();
        assert_ne!(before, Files::of(dir.path(), None));
    }
}
