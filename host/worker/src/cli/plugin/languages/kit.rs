//! The contract and the SDKs of Python and JavaScript, as this program has them: an author needs no copy of the repository.
//! They are written into the directory `.millrace` of what is built, where editors and tests find them too.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::MANIFEST;
use crate::cli::plugin::embedded;
use crate::cli::plugin::new::Kind;

/// Where a build keeps its tools and what they need, in the directory that was given to it.
pub const DIR: &str = ".millrace";
/// The world that [`contract`] adds.
pub const WORLD: &str = "of-this-plugin";
/// What the SDKs use that needs no grant.
const FREE: [&str; 8] = ["logging", "metrics", "config", "clock", "random", "cache", "state", "records"];

/// The contract, and the world of one plugin: tools that import all that a world names, used or not, are given one that names
/// what needs no grant, what the plugin asks for, and nothing else. Written below `dir`; answers where.
pub fn contract(dir: &Path, kind: Kind, grants: &[String]) -> anyhow::Result<PathBuf> {
    let known: Vec<_> = millrace_sandbox::grantable().collect();
    if let Some(unknown) = grants.iter().find(|grant| !known.contains(&grant.as_str())) {
        bail!("\"grants\" in {MANIFEST}: there is no capability \"{unknown}\"; there are {}", known.join(", "));
    }
    let dir = write(dir, "wit", "wit", |path| path.ends_with(".wit"))?;
    let package =
        embedded::below("wit").find(|(path, _)| *path == "types.wit").context("wit/types.wit is not in this program")?;
    let package = std::str::from_utf8(package.1)?.lines().find(|line| line.starts_with("package ")).context("a package")?;
    let imports = FREE.into_iter().chain(grants.iter().map(String::as_str));
    let imports: String = imports.map(|interface| format!("  import {interface};\n")).collect();
    let world = format!("{package}\nworld {WORLD} {{\n{imports}  export plugin;\n  export {};\n}}\n", kind.noun());
    write_file(&dir.join("of-this-plugin.wit"), world.as_bytes())?;
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
        let dir = contract(home.path(), Kind::Sink, &["files".to_owned()]).unwrap();
        let world = std::fs::read_to_string(dir.join("of-this-plugin.wit")).unwrap();
        assert!(dir.join("types.wit").is_file() && world.contains("import files;") && world.contains("export sink;"), "{world}");
        let unknown = contract(home.path(), Kind::Sink, &["moon".to_owned()]).unwrap_err().to_string();
        assert!(unknown.contains("no capability \"moon\"; there are"), "{unknown}");
        assert!(python(home.path()).unwrap().join("millrace_plugin/guest.py").is_file());
        let guest = home.path().join("python/millrace_plugin/guest.py");
        std::fs::write(&guest, "changed").unwrap();
        python(home.path()).unwrap();
        assert_ne!(std::fs::read_to_string(&guest).unwrap(), "changed");
        assert!(javascript(home.path()).unwrap().join("src/guest.js").is_file());
        assert!(javascript_tools(home.path()).unwrap().join("package-lock.json").is_file());
    }
}
