//! The contract and the SDK of Python, as this program has them: an author needs no copy of the repository. They are written into the directory `.millrace` of what is built, where editors and tests find them too.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where a build keeps its tools and what they need, in the directory that was given to it.
pub const DIR: &str = ".millrace";
/// The world of `sdk/transform.wit`.
pub const TRANSFORM_WORLD: &str = "plain-transform";

type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($root:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../../", $root, "/", $path)))),*]
    };
}

const WIT: Files = files!("wit":
    "alerts.wit", "clock.wit", "config.wit", "files.wit", "logging.wit", "metrics.wit", "offsets.wit", "plugin.wit",
    "postgres.wit", "records.wit", "sink.wit", "source.wit", "transform.wit", "types.wit", "world.wit",
);

const WORLD: &str = include_str!("../../../../../../sdk/transform.wit");

const PYTHON: Files = files!("sdk/python":
    "millrace_plugin/__init__.py", "millrace_plugin/batch.py", "millrace_plugin/column.py", "millrace_plugin/config.py",
    "millrace_plugin/errors.py", "millrace_plugin/guest.py", "millrace_plugin/host.py", "millrace_plugin/record.py",
    "millrace_plugin/testing.py", "millrace_plugin/transform.py",
);

/// The contract, with the world that Python builds for; where it is.
pub fn wit(home: &Path) -> anyhow::Result<PathBuf> {
    let dir = write(home, "wit", WIT)?;
    write_file(&dir.join("plain-transform.wit"), WORLD)?;
    Ok(dir)
}

pub fn python(home: &Path) -> anyhow::Result<PathBuf> {
    write(home, "python", PYTHON)
}

fn write(home: &Path, name: &str, files: Files) -> anyhow::Result<PathBuf> {
    let dir = home.join(name);
    for (path, text) in files {
        write_file(&dir.join(path), text)?;
    }
    Ok(dir)
}

/// Leaves alone what is there already, so that nothing looks newer than it is.
fn write_file(file: &Path, text: &str) -> anyhow::Result<()> {
    if std::fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let cannot = || format!("cannot write {}", file.display());
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).with_context(cannot)?;
    std::fs::write(file, text).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files below a directory, by their paths from it.
    fn below(dir: &Path, within: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir.join(within)).unwrap().flatten() {
            let path = if within.is_empty() { String::new() } else { format!("{within}/") };
            let path = path + &entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true if path.ends_with("__pycache__") || path.ends_with("node_modules") => {}
                true => found.extend(below(dir, &path)),
                false => found.push(path),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn nothing_of_an_sdk_is_left_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let check = |files: Files, dir: &str, within: &str, is: fn(&str) -> bool| {
            let mut had: Vec<_> = files.iter().map(|(path, _)| (*path).to_owned()).filter(|p| p.starts_with(within)).collect();
            had.sort();
            let there: Vec<_> = below(&root.join(dir), within).into_iter().filter(|p| is(p)).collect();
            assert_eq!(had, there, "of {dir}: name it in kit.rs");
        };
        check(WIT, "wit", "", |p| p.ends_with(".wit"));
        check(PYTHON, "sdk/python", "millrace_plugin", |_| true);
    }

    #[test]
    fn what_is_written_is_what_is_here() {
        let home = tempfile::tempdir().unwrap();
        let dir = wit(home.path()).unwrap();
        assert!(dir.join("types.wit").is_file() && dir.join("plain-transform.wit").is_file());
        assert!(python(home.path()).unwrap().join("millrace_plugin/guest.py").is_file());
        let guest = home.path().join("python/millrace_plugin/guest.py");
        std::fs::write(&guest, "changed").unwrap();
        python(home.path()).unwrap();
        assert_ne!(std::fs::read_to_string(&guest).unwrap(), "changed");
    }
}
