//! JavaScript and TypeScript: esbuild makes one file of a transform and what it imports, componentize-qjs a component of
//! that, with QuickJS in it. npm installs both in `.millrace`, in the versions of the SDK's lock file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::super::new::{Kind, Starter};
use super::tools::{self, Tool};
use super::{Artifact, Builder, Job, Language, MANIFEST, Project, kit};

/// The oldest major version of Node.js that the tools run on.
const NODE_MIN: u32 = 20;
const NODE: Tool = Tool { programs: &["node", "nodejs"], install: "apt-get install nodejs npm" };
const NPM: Tool = Tool { programs: &["npm"], install: "apt-get install npm" };

pub struct JavaScript;
pub struct TypeScript;

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        "javascript"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["js"]
    }

    fn builder(&self, dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        Ok(Box::new(Bundler::find(self.name(), dir)?))
    }

    fn starter(&self, kind: Kind) -> Option<Starter> {
        starter(kind, "sdk/javascript/starter")
    }

    fn hint(&self) -> &'static str {
        "a plugin in JavaScript is a module whose default export is a transform, named in millrace.toml"
    }
}

impl Language for TypeScript {
    fn name(&self) -> &'static str {
        "typescript"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ts"]
    }

    fn builder(&self, dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        Ok(Box::new(Bundler::find(self.name(), dir)?))
    }

    fn starter(&self, kind: Kind) -> Option<Starter> {
        starter(kind, "sdk/typescript/starter")
    }

    fn hint(&self) -> &'static str {
        "a plugin in TypeScript is a module whose default export is a transform, named in millrace.toml"
    }
}

/// The first build brings the SDK, so that a project needs no copy.
fn starter(kind: Kind, dir: &'static str) -> Option<Starter> {
    (kind == Kind::Transform).then_some(Starter { dir, needs: &[], vendor: "", rewrite: &[] })
}

struct Bundler {
    /// For the contract and the SDK.
    home: PathBuf,
    node: PathBuf,
    version: String,
    /// Where the tools are installed.
    tools: PathBuf,
}

impl fmt::Display for Bundler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "componentize-qjs and esbuild ({}) on Node.js {}", self.tools.display(), self.version)
    }
}

impl Bundler {
    fn find(language: &str, dir: &Path) -> anyhow::Result<Self> {
        let home = dir.join(kit::DIR);
        let node = NODE.find(language)?;
        let mut ask = Command::new(&node);
        ask.arg("--version");
        let version = tools::answer(ask).with_context(|| format!("{} does not say its version", node.display()))?;
        check_node(&version)?;
        let tools = kit::javascript_tools(&home)?;
        install(language, &tools)?;
        Ok(Bundler { home, node, version, tools })
    }
}

/// npm's packages of the lock file, unless they are there.
fn install(language: &str, dir: &Path) -> anyhow::Result<()> {
    let lock = dir.join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let mark = dir.join("node_modules/.installed");
    if std::fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let npm = NPM.find(language)?;
    eprintln!("installing componentize-qjs and esbuild with npm into {}", dir.display());
    let mut install = Command::new(npm);
    // Not `npm ci`: it refuses a lock file for the optional packages of platforms that have none.
    install.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev", "--loglevel=error"]);
    install.current_dir(dir);
    tools::run(install, "install the tools that build JavaScript")?;
    std::fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
}

fn check_node(version: &str) -> anyhow::Result<()> {
    let major = version.trim_start_matches('v').split('.').next().and_then(|v| v.parse::<u32>().ok());
    if major.is_none_or(|m| m < NODE_MIN) {
        bail!("Node.js {version} is too old to build plugins: install version {NODE_MIN} or newer, and put it on the path");
    }
    Ok(())
}

/// `[build]` of the manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    /// The module whose default export is the transform.
    entry: String,
    /// Left out: that of package.json.
    version: Option<String>,
}

impl Builder for Bundler {
    fn tools(&self) -> &dyn fmt::Display {
        self
    }

    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>> {
        let manifest = project.manifest()?;
        let build: Build = manifest.build()?;
        let entry = project.dir.join(&build.entry);
        if !entry.is_file() {
            bail!("\"entry = {:?}\" in {MANIFEST}: there is no file {}", build.entry, entry.display());
        }
        let version = match build.version {
            Some(version) => version,
            None => package_version(&project.dir)?,
        };
        let out = job.scratch.join(format!("javascript-{}.wasm", manifest.name));
        let contract = job.scratch.join(format!("javascript-{}", manifest.name));
        let mut bundle = Command::new(&self.node);
        bundle.arg(self.tools.join("build.mjs")).arg(kit::javascript(&self.home)?);
        bundle.arg(&entry).arg(&out).arg(&manifest.name).arg(version);
        bundle.arg(kit::contract(&contract, Kind::Transform, &manifest.grants)?).arg(kit::WORLD).args(&manifest.grants);
        bundle.current_dir(&project.dir);
        tools::run(bundle, &format!("build {}", entry.display()))?;
        Ok(vec![project.artifact(out)?])
    }
}

/// The version in the project's package.json.
fn package_version(dir: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Package {
        version: Option<String>,
    }
    let file = dir.join("package.json");
    let text = std::fs::read(&file).with_context(|| {
        format!("cannot read {}; give the plugin's \"version\" there, or under [build] in {MANIFEST}", file.display())
    })?;
    let package: Package = serde_json::from_slice(&text).with_context(|| format!("{} is wrong", file.display()))?;
    package.version.with_context(|| format!("{} has no \"version\"; give the plugin's", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_refused() {
        check_node("v20.1.0").unwrap();
        check_node("v100.0.0").unwrap();
        for old in ["v18.20.2", "", "x"] {
            assert!(check_node(old).unwrap_err().to_string().contains("too old"), "{old}");
        }
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        let dir = tempfile::tempdir().unwrap();
        assert!(package_version(dir.path()).unwrap_err().to_string().contains("give the plugin's \"version\""));
        std::fs::write(dir.path().join("package.json"), "{}").unwrap();
        assert!(package_version(dir.path()).unwrap_err().to_string().contains("has no \"version\""));
        std::fs::write(dir.path().join("package.json"), "{\"version\":\"1.2.3\"}").unwrap();
        assert_eq!(package_version(dir.path()).unwrap(), "1.2.3");
    }
}
