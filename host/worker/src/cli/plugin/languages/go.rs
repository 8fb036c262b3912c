//! Go: a directory with a `go.mod` and a program (`package main`) that exports a plugin, built by the stock toolchain.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::super::new::{Kind, Starter};
use super::tools::{self, Tool};
use super::{Artifact, Builder, Job, Language, Project, wasi};

pub struct Go;

const GO: Tool = Tool { programs: &["go"], install: "sudo apt-get install golang-go" };
/// The first version whose compiler exports functions from a WebAssembly module and has what the SDK uses.
const LEAST: (u32, u32) = (1, 25);
/// Exports functions and needs no main; `sbrk`, with which the bindings find memory before the runtime has started, is the
/// runtime's own, which its linker would refuse.
const FLAGS: [&str; 3] = ["-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0"];

impl Language for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["golang"]
    }

    fn builder(&self, _dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        let program = GO.find("Go")?;
        let mut asked = Command::new(&program);
        asked.args(["env", "GOVERSION"]);
        let version = tools::answer(asked).with_context(|| format!("{} does not say its version", program.display()))?;
        if !new_enough(&version) {
            let (major, minor) = LEAST;
            bail!(
                "{} is {version}, and plugins need Go {major}.{minor} or later: install that from Go's own site",
                program.display()
            );
        }
        Ok(Box::new(Toolchain { program, version }))
    }

    fn starter(&self, kind: Kind) -> Option<Starter> {
        let dir = match kind {
            Kind::Transform => "sdk/go/templates/transform",
            Kind::Source => "sdk/go/templates/source",
            Kind::Sink => "sdk/go/templates/sink",
        };
        // Go takes a directory "vendor" for its own.
        let rewrite = &[("=> ../..", "=> ./millrace/sdk/go")];
        Some(Starter { dir, needs: &["sdk/go"], vendor: "millrace", rewrite })
    }

    fn hint(&self) -> &'static str {
        "a Go plugin is a program (package main) with a go.mod, whose init calls Export of transform, source or sink"
    }
}

/// `go1.26.8`; a development version passes.
fn new_enough(version: &str) -> bool {
    let Some(numbers) = version.strip_prefix("go") else { return true };
    // Of a release candidate, "25rc1", what is before the letters.
    let mut numbers =
        numbers.split('.').map(|n| n.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("").parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= LEAST
}

/// What `[build]` may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The package to be built, seen from the project: `./cmd/plugin`.
    package: Option<String>,
}

#[derive(Debug)]
struct Toolchain {
    program: PathBuf,
    version: String,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.program.display(), self.version)
    }
}

impl Builder for Toolchain {
    fn tools(&self) -> &dyn fmt::Display {
        self
    }

    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>> {
        let manifest = project.manifest()?;
        let settings: Settings = manifest.build()?;
        if !project.dir.join("go.mod").is_file() {
            bail!("{} has no go.mod: run \"go mod init {}\" there", project.dir.display(), manifest.name);
        }
        let module = job.scratch.join(format!("{}.module.wasm", manifest.name));
        let mut go = Command::new(&self.program);
        go.current_dir(&project.dir).env("GOOS", "wasip1").env("GOARCH", "wasm");
        go.arg("build").args(FLAGS).arg("-o").arg(&module).arg(settings.package.as_deref().unwrap_or("."));
        tools::run(go, &format!("build the plugin \"{}\"", manifest.name))?;
        let built = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let component = wasi::component(built).with_context(|| format!("plugin \"{}\"", manifest.name))?;
        let file = job.scratch.join(format!("{}.component.wasm", manifest.name));
        std::fs::write(&file, component).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(vec![project.artifact(file)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (version, expected) in
            [("go1.25", true), ("go1.26.8", true), ("go1.25rc1", true), ("go1.24.9", false), ("go1.9", false), ("go2.0", true)]
        {
            assert_eq!(new_enough(version), expected, "{version}");
        }
        assert!(new_enough("devel go1.27-abcdef"));
    }
}
