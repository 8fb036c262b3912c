//! `millrace plugin build`: projects into components that a worker would load.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::install::Installer;
use super::languages::{self, Builder, Job};

#[derive(Debug, clap::Args)]
pub struct Build {
    /// A project (a Rust crate or workspace, or a directory with a millrace.toml), or a directory of projects.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where NAME.wasm goes [default: `plugins` beside this program, which is the worker's default `plugin.path`].
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Build {
    pub fn run(self) -> anyhow::Result<()> {
        let dir = self.dir.canonicalize().with_context(|| format!("cannot find {}", self.dir.display()))?;
        let beside = beside_program()?;
        // Plugins built for the worker beside this program share one target directory, so that the standard library is
        // built once; an author's crate keeps cargo's own.
        let shared = self.out.is_none().then(|| beside.join("plugins-build"));
        let out = self.out.unwrap_or_else(|| beside.join("plugins"));
        build(&dir, out, shared.as_deref(), |line| println!("{line}"))?;
        Ok(())
    }
}

/// Builds the projects of a directory into `out`, and tells `say` of each; answers the components' files.
pub fn build(dir: &Path, out: PathBuf, shared: Option<&Path>, say: impl Fn(&str)) -> anyhow::Result<Vec<PathBuf>> {
    let projects = languages::projects(dir)?;
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}; name a directory with --out", out.display()))?;
    let out = out.canonicalize().with_context(|| format!("cannot find {}", out.display()))?;
    let mut installer = Installer::new(out)?;
    let scratch = installer.scratch();
    let job = Job { shared, scratch: &scratch };
    // A language's tools are looked for once.
    let mut builders: HashMap<&str, Box<dyn Builder>> = HashMap::new();
    let mut built = Vec::new();
    for project in &projects {
        let language = project.language;
        let builder = match builders.entry(language.name()) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(wanted) => {
                let builder = wanted.insert(language.builder(dir)?);
                eprintln!("building plugins with {}", builder.tools());
                builder
            }
        };
        for artifact in builder.build(project, &job)? {
            let installed = installer.install(&artifact)?;
            say(&installed.to_string());
            built.push(installed.file);
        }
    }
    if built.is_empty() {
        let hints: BTreeSet<_> = projects.iter().map(|p| p.language.hint()).collect();
        bail!("{} holds no plugin: {}", dir.display(), hints.into_iter().collect::<Vec<_>>().join("; "));
    }
    Ok(built)
}

/// The directory of this program.
fn beside_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is; name a directory with --out")?;
    Ok(program.parent().context("this program is in no directory; name one with --out")?.to_owned())
}
