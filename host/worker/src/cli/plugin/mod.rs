//! `millrace plugin build`: from a crate, or a directory of them, to components that a worker finds on its `plugin.path`.
//!
//! It finds a compiler ([`toolchain`]), lets cargo build ([`cargo`]), makes each module a component, loads it the way a
//! worker would, and only then puts it where workers look ([`install`]). It names no plugin. Cargo decides what has to
//! be compiled again, and a component that came out as it was is left alone.

mod cargo;
mod install;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Builds a plugin crate, every member of a workspace, or every crate of a directory, into components.
    Build(Build),
}

#[derive(Debug, Args)]
pub struct Build {
    /// A crate, a workspace, or a directory of crates.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where NAME.wasm goes [default: `plugins` beside this program, which is the worker's default `plugin.path`].
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Plugin {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Plugin::Build(build) => build.run().map(|()| ExitCode::SUCCESS),
        }
    }
}

impl Build {
    fn run(self) -> anyhow::Result<()> {
        let dir = self.dir.canonicalize().with_context(|| format!("cannot find {}", self.dir.display()))?;
        let manifests = manifests(&dir)?;
        let toolchain = toolchain::find(&dir)?;
        eprintln!("building plugins with {toolchain}");

        let beside = beside_program()?;
        let out = self.out.clone().unwrap_or_else(|| beside.join("plugins"));
        std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}; name a directory with --out", out.display()))?;
        // Plugins built for the worker beside this program share one target directory, so that the standard library is
        // built once; an author's crate keeps cargo's own.
        let shared = self.out.is_none().then(|| beside.join("plugins-build"));

        let mut installer = install::Installer::new(out)?;
        let mut built = 0;
        for manifest in &manifests {
            for artifact in cargo::build(&toolchain, manifest, shared.as_deref())? {
                installer.install(&artifact)?;
                built += 1;
            }
        }
        if built == 0 {
            bail!(
                "{} holds no plugin: a plugin is a library with \"crate-type = [\\\"cdylib\\\"]\" under [lib] in its Cargo.toml",
                dir.display()
            );
        }
        Ok(())
    }
}

/// The directory of this program.
fn beside_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is; name a directory with --out")?;
    Ok(program.parent().context("this program is in no directory; name one with --out")?.to_owned())
}

/// The manifest of a directory, else those one level below it.
fn manifests(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let own = dir.join("Cargo.toml");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut found: Vec<_> = entries.flatten().map(|e| e.path().join("Cargo.toml")).filter(|p| p.is_file()).collect();
    found.sort();
    if found.is_empty() {
        bail!("neither {} nor a directory in it has a Cargo.toml; give the directory of a plugin crate", dir.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_crates_gives_each_of_them() {
        let dir = tempfile::tempdir().unwrap();
        assert!(manifests(dir.path()).unwrap_err().to_string().contains("give the directory of a plugin crate"));
        for name in ["b", "a"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("Cargo.toml"), "").unwrap();
        }
        assert_eq!(manifests(dir.path()).unwrap(), [dir.path().join("a/Cargo.toml"), dir.path().join("b/Cargo.toml")]);
        std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(manifests(dir.path()).unwrap(), [dir.path().join("Cargo.toml")]);
    }
}
