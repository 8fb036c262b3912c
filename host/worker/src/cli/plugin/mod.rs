//! `millrace plugin build`: from a project, or a directory of them, to components that a worker finds on its `plugin.path`.
//!
//! It lets the project's language find its tools and build ([`languages`]), makes what came out a component, loads it the
//! way a worker would, and only then puts it where workers look ([`install`]). It names no plugin. The language's tools
//! decide what has to be compiled again, and a component that came out as it was is left alone.

mod install;
mod languages;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use languages::Builder;

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Builds a plugin's project, every member of a Rust workspace, or every project of a directory, into components.
    Build(Build),
}

#[derive(Debug, Args)]
pub struct Build {
    /// A project (a Rust crate or workspace, or a directory with a millrace.toml), or a directory of projects.
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
        let projects = languages::projects(&dir)?;

        let beside = beside_program()?;
        let out = self.out.clone().unwrap_or_else(|| beside.join("plugins"));
        std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}; name a directory with --out", out.display()))?;
        let out = out.canonicalize().with_context(|| format!("cannot find {}", out.display()))?;
        // Plugins built for the worker beside this program share one target directory, so that the standard library is
        // built once; an author's crate keeps cargo's own.
        let shared = self.out.is_none().then(|| beside.join("plugins-build"));

        let mut installer = install::Installer::new(out)?;
        let scratch = installer.scratch();
        let job = languages::Job { shared: shared.as_deref(), scratch: &scratch };
        // A language's tools are looked for once.
        let mut builders: HashMap<&str, Box<dyn Builder>> = HashMap::new();
        let mut built = 0;
        for project in &projects {
            let language = project.language;
            let builder = match builders.entry(language.name()) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(wanted) => {
                    let builder = wanted.insert(language.builder(&dir)?);
                    eprintln!("building plugins with {}", builder.tools());
                    builder
                }
            };
            for artifact in builder.build(project, &job)? {
                installer.install(&artifact)?;
                built += 1;
            }
        }
        if built == 0 {
            let hints: BTreeSet<_> = projects.iter().map(|p| p.language.hint()).collect();
            bail!("{} holds no plugin: {}", dir.display(), hints.into_iter().collect::<Vec<_>>().join("; "));
        }
        Ok(())
    }
}

/// The directory of this program.
fn beside_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is; name a directory with --out")?;
    Ok(program.parent().context("this program is in no directory; name one with --out")?.to_owned())
}
