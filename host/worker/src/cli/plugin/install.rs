//! What was built into components, tried the way a worker loads them, and put where workers look.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use millrace_record::Schemas;
use millrace_sandbox::componentize::{self, ComponentizeError};
use millrace_sandbox::{Sandbox, SandboxConfig};

use super::host::noun;
use super::languages::Artifact;

pub struct Installer {
    out: PathBuf,
    /// For what a component is tried with; gone at the end.
    scratch: Scratch,
    runtime: tokio::runtime::Runtime,
    sandbox: Option<Sandbox>,
    schemas: Arc<Schemas>,
}

/// A plugin that is where workers look.
pub struct Installed {
    pub file: PathBuf,
    /// What it is; none: it was there already.
    what: Option<String>,
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Some(what) => write!(f, "built     {} ({what})", self.file.display()),
            None => write!(f, "unchanged {}", self.file.display()),
        }
    }
}

impl Installer {
    pub fn new(out: PathBuf) -> anyhow::Result<Self> {
        let scratch = Scratch::new(&out)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Installer { out, scratch, runtime, sandbox: None, schemas: Schemas::new() })
    }

    /// For what a build leaves behind; gone at the end.
    pub fn scratch(&self) -> PathBuf {
        self.scratch.0.clone()
    }

    /// Puts a plugin and its grants into the output directory, unless they are there already.
    pub fn install(&mut self, artifact: &Artifact) -> anyhow::Result<Installed> {
        let built = std::fs::read(&artifact.file).with_context(|| format!("cannot read {}", artifact.file.display()))?;
        let component = match componentize::component(&built) {
            Err(ComponentizeError::AlreadyComponent) => built,
            made => made.with_context(|| format!("plugin \"{}\"", artifact.name))?,
        };
        self.install_grants(artifact)?;
        let file = self.out.join(format!("{}.wasm", artifact.name));
        if std::fs::read(&file).is_ok_and(|there| there == component) {
            return Ok(Installed { file, what: None });
        }
        let tried = self.scratch.0.join(format!("{}.wasm", artifact.name));
        std::fs::write(&tried, &component).with_context(|| format!("cannot write {}", tried.display()))?;
        let what = self
            .try_out(&tried)
            .with_context(|| format!("plugin \"{}\" was built but a worker would refuse it", artifact.name))?;
        // A worker that scans now sees the old file or the new one, never half of one.
        std::fs::rename(&tried, &file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Installed { file, what: Some(format!("{what}, {} KiB", component.len().div_ceil(1024))) })
    }

    fn install_grants(&self, artifact: &Artifact) -> anyhow::Result<()> {
        if artifact.grants.is_empty() {
            return Ok(());
        }
        let file = self.out.join(format!("{}.grants", artifact.name));
        let text = artifact.grants.iter().map(|g| format!("{g}\n")).collect::<String>();
        if std::fs::read_to_string(&file).is_ok_and(|there| there == text) {
            return Ok(());
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Loads a component and asks what it is.
    fn try_out(&mut self, file: &Path) -> anyhow::Result<String> {
        let sandbox = match &self.sandbox {
            Some(sandbox) => sandbox.clone(),
            None => self.sandbox.insert(Sandbox::new(SandboxConfig::new(&self.scratch.0))?).clone(),
        };
        let plugin = self.runtime.block_on(sandbox.load(file, &self.schemas))?;
        let info = plugin.info();
        Ok(format!("{} {} {}", noun(info.kind), info.name, info.version))
    }
}

/// A directory in the output, on the same file system, so that a finished file can be moved into place.
struct Scratch(PathBuf);

impl Scratch {
    fn new(out: &Path) -> anyhow::Result<Self> {
        let dir = out.join(format!(".build-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}; name a directory with --out", dir.display()))?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
