//! Python: componentize-py, which brings CPython. The one on the path is used when it is of the version that the SDK was
//! written for; else pip installs that into a virtual environment in `.millrace`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::super::new::{Kind, Starter};
use super::tools::{self, Tool};
use super::{Artifact, Builder, Job, Language, MANIFEST, Project, kit};

/// Of componentize-py.
const VERSION: &str = "0.25.1";
const PYTHON: Tool = Tool { programs: &["python3", "python"], install: "apt-get install python3 python3-venv" };
/// What an author's own packages are listed in.
const REQUIREMENTS: &str = "requirements.txt";

pub struct Python;

impl Language for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["py"]
    }

    fn builder(&self, dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        let home = dir.join(kit::DIR);
        if let Some(program) = tools::on_path("componentize-py").filter(|p| is_wanted(p)) {
            return Ok(Box::new(Componentizer { home, program, venv: None }));
        }
        let python = PYTHON.find("python")?;
        let venv = home.join("python-tools");
        let program = venv.join("bin/componentize-py");
        if !is_wanted(&program) {
            eprintln!("installing componentize-py {VERSION} with pip into {}", venv.display());
            let mut make = Command::new(&python);
            make.args(["-m", "venv", "--clear"]).arg(&venv);
            tools::run(make, "make a virtual environment").context(
                "componentize-py is not on the path; run \"apt-get install python3-venv\" where Python came without venv",
            )?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip.arg(format!("componentize-py=={VERSION}"));
            tools::run(pip, "install componentize-py")
                .with_context(|| format!("or install it yourself: \"pip install componentize-py=={VERSION}\""))?;
        }
        Ok(Box::new(Componentizer { home, program, venv: Some(venv) }))
    }

    /// The first build brings the SDK, so that a project needs no copy.
    fn starter(&self, kind: Kind) -> Option<Starter> {
        let dir = match kind {
            Kind::Transform => "sdk/python/starter",
            Kind::Source => "sdk/python/starter-source",
            Kind::Sink => "sdk/python/starter-sink",
        };
        Some(Starter { dir, needs: &[], vendor: "", rewrite: &[] })
    }

    fn hint(&self) -> &'static str {
        "a plugin in Python is a module that declares one transform, source or sink, named in millrace.toml"
    }
}

fn is_wanted(program: &Path) -> bool {
    let mut version = Command::new(program);
    version.arg("--version");
    tools::answer(version).is_some_and(|said| said.split_whitespace().last() == Some(VERSION))
}

struct Componentizer {
    /// For the contract, the SDK and an author's packages.
    home: PathBuf,
    program: PathBuf,
    venv: Option<PathBuf>,
}

impl fmt::Display for Componentizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "componentize-py {VERSION} ({})", self.program.display())
    }
}

/// `[build]` of the manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    /// The module that declares the plugin.
    module: String,
    /// Left out: a transform.
    #[serde(default)]
    kind: Kind,
    #[serde(default = "first")]
    version: String,
}

fn first() -> String {
    "0.1.0".to_owned()
}

impl Builder for Componentizer {
    fn tools(&self) -> &dyn fmt::Display {
        self
    }

    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>> {
        let manifest = project.manifest()?;
        let build: Build = manifest.build()?;
        check_module(&project.dir, &build.module)?;
        let work = job.scratch.join(format!("python-{}", manifest.name));
        std::fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let (kind, export) = match build.kind {
            Kind::Transform => ("transform", "Transform"),
            Kind::Source => ("source", "Source"),
            Kind::Sink => ("sink", "Sink"),
        };
        let entry = format!(
            "from millrace_plugin.guest import load\n\nPlugin, {} = load({:?}, {:?}, {:?}, {:?})\n",
            export, kind, build.module, manifest.name, build.version
        );
        let entry_file = work.join("millrace_entry.py");
        std::fs::write(&entry_file, entry).with_context(|| format!("cannot write {}", entry_file.display()))?;

        let out = work.join("component.wasm");
        let mut componentize = Command::new(&self.program);
        componentize.arg("--quiet").arg("-d").arg(kit::contract(&work, build.kind, &manifest.grants)?);
        componentize.args(["-w", kit::WORLD, "componentize"]);
        componentize.arg("-p").arg(&work).arg("-p").arg(&project.dir).arg("-p").arg(kit::python(&self.home)?);
        if let Some(packages) = self.packages(project)? {
            componentize.arg("-p").arg(packages);
        }
        componentize.arg("millrace_entry").arg("-o").arg(&out).current_dir(&work);
        // Nothing of this machine's own packages.
        match &self.venv {
            Some(venv) => componentize.env("VIRTUAL_ENV", venv),
            None => componentize.env_remove("VIRTUAL_ENV"),
        };
        componentize.env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
        tools::run(componentize, &format!("build \"{}\" of {}", build.module, project.dir.display()))?;
        Ok(vec![project.artifact(out)?])
    }
}

impl Componentizer {
    /// Where the packages of the project's `requirements.txt` are; none: it has none.
    fn packages(&self, project: &Project) -> anyhow::Result<Option<PathBuf>> {
        let file = project.dir.join(REQUIREMENTS);
        let Ok(wanted) = std::fs::read_to_string(&file) else { return Ok(None) };
        let dir = project.dir.join(kit::DIR).join("python-packages");
        let installed = dir.join(REQUIREMENTS);
        if std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
            return Ok(Some(dir));
        }
        let python = match &self.venv {
            Some(venv) => venv.join("bin/python"),
            None => PYTHON.find("python")?,
        };
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target"]);
        pip.arg(&dir).arg("-r").arg(&file);
        tools::run(pip, &format!("install what {} names", file.display()))?;
        std::fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
        Ok(Some(dir))
    }
}

/// Whether the project has such a module.
fn check_module(dir: &Path, module: &str) -> anyhow::Result<()> {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !module.split('.').all(is_name) {
        bail!("\"module = {module:?}\" in {MANIFEST} is no name of a module; write \"mask_email\" for mask_email.py");
    }
    let path = dir.join(module.replace('.', "/"));
    if !path.with_extension("py").is_file() && !path.join("__init__.py").is_file() {
        bail!(
            "\"module = {module:?}\" in {MANIFEST}: there is neither {} nor a package {}",
            path.with_extension("py").display(),
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_one_of_the_project() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mask_email.py"), "").unwrap();
        std::fs::create_dir(dir.path().join("split")).unwrap();
        std::fs::write(dir.path().join("split/__init__.py"), "").unwrap();
        check_module(dir.path(), "mask_email").unwrap();
        check_module(dir.path(), "split").unwrap();
        let refused = |module: &str| check_module(dir.path(), module).unwrap_err().to_string();
        assert!(refused("mask-email").contains("no name of a module"));
        assert!(refused("../up").contains("no name of a module"));
        assert!(refused("other").contains("there is neither"));
    }
}
