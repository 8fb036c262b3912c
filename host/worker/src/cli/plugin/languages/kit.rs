//! The contract and the SDKs of Python and JavaScript, as this program has them: an author needs no copy of the repository.
//! They are written into the directory `.millrace` of what is built, where editors and tests find them too.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::plugin::embedded;

/// Where a build keeps its tools and what they need, in the directory that was given to it.
pub const DIR: &str = ".millrace";
/// The world of `sdk/transform.wit`.
pub const TRANSFORM_WORLD: &str = "plain-transform";

/// The contract, with the world that Python and JavaScript build for; where it is.
pub fn wit(home: &Path) -> anyhow::Result<PathBuf> {
    let dir = write(home, "wit", "wit", |path| path.ends_with(".wit"))?;
    let world =
        embedded::below("sdk").find(|(path, _)| *path == "transform.wit").context("sdk/transform.wit is not in this program")?;
    write_file(&dir.join("plain-transform.wit"), world.1)?;
    Ok(dir)
}

pub fn python(home: &Path) -> anyhow::Result<PathBuf> {
    write(home, "python", "sdk/python", |path| path.starts_with("millrace_plugin/"))
}

/// The package that authors import; it depends on no other.
pub fn javascript(home: &Path) -> anyhow::Result<PathBuf> {
    write(home, "javascript", "sdk/javascript", |path| path == "package.json" || path.starts_with("src/"))
}

/// The package whose dependencies are the tools of JavaScript, with what calls them.
pub fn javascript_tools(home: &Path) -> anyhow::Result<PathBuf> {
    write(home, "javascript-tools", "sdk/javascript/tools", |_| true)
}

/// Writes the files below a directory of the repository that are wanted; where they are.
fn write(home: &Path, name: &str, of: &str, wanted: fn(&str) -> bool) -> anyhow::Result<PathBuf> {
    let dir = home.join(name);
    for (path, bytes) in embedded::below(of).filter(|(path, _)| wanted(path)) {
        write_file(&dir.join(path), bytes)?;
    }
    Ok(dir)
}

/// Leaves alone what is there already, so that nothing looks newer than it is.
fn write_file(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(file).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    embedded::write(file, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(javascript(home.path()).unwrap().join("src/guest.js").is_file());
        assert!(javascript_tools(home.path()).unwrap().join("package-lock.json").is_file());
    }
}
