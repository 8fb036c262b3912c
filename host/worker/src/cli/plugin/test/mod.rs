//! `millrace plugin test`: a transform's cases, run in the sandbox, without a cluster.
//!
//! A project is built as `plugin build` builds it, into its own `.millrace`, where compiled code is kept too, so that a
//! second run starts at once.

mod case;
mod diff;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use self::case::{Case, updated};
use super::build;
use super::host::{self, Host};
use super::records::Codec;

/// Where a project keeps what is made of it for its tests.
const KEPT: &str = ".millrace";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A case is a file tests/NAME.json of the project:
  {\"config\": {\"field\": \"email\"},
   \"input\": [{\"topic\": \"users\", \"key\": 1, \"value\": {\"email\": \"ada@example.com\"}, \"headers\": {\"trace\": \"x\"}}],
   \"expected\": [{\"value\": {\"email\": \"***\"}}],
   \"expected_failures\": [{\"record\": 1, \"code\": \"mask.refused\"}]}
Values are JSON without a schema, or {\"schema\": ..., \"payload\": ...} as JsonConverter has them. What is left out of an
expected record is not compared. \"expected_error\" holds words of the error with which settings are refused.")]
pub struct Test {
    /// The plugin's project.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Test this component instead of building the project.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Run only cases whose file's name has this in it.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write what comes out into the cases as what is expected.
    #[arg(long)]
    update: bool,
    /// Run again whenever a file of the project changes, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

impl Test {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let dir = self.dir.canonicalize().with_context(|| format!("cannot find {}", self.dir.display()))?;
        if !self.watch {
            return Ok(if self.once(&dir)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let mut files = watch::Files::of(&dir, self.plugin.as_deref());
        loop {
            if let Err(error) = self.once(&dir) {
                eprintln!("error: {error:#}");
            }
            // What the run itself wrote is no change.
            if self.update {
                files = watch::Files::of(&dir, self.plugin.as_deref());
            }
            eprintln!("waiting for a change of {}", dir.display());
            files.changed();
        }
    }

    /// Whether every case is as expected.
    fn once(&self, dir: &Path) -> anyhow::Result<bool> {
        let cases = cases(dir, self.only.as_deref())?;
        let kept = kept(dir)?;
        let file = match &self.plugin {
            Some(file) => file.clone(),
            None => built(dir, &kept)?,
        };
        let host = Host::new(&kept.join("compiled"))?;
        let plugin = host::transform(&host, &file)?;
        let mut codec = Codec::new(&host.schemas)?;
        let (mut passed, mut failed) = (0, 0);
        for path in &cases {
            let name = path.strip_prefix(dir).unwrap_or(path).display();
            let case = Case::read(path)?;
            let ran = case.run(&host, &*plugin, &mut codec).with_context(|| format!("{name}"))?;
            let wrong = case.judge(&ran);
            if wrong.is_empty() {
                println!("ok       {name}");
                passed += 1;
            } else if self.update {
                let text = std::fs::read_to_string(path)?;
                let text = updated(&text, &ran).with_context(|| format!("cannot update {name}"))?;
                std::fs::write(path, text).with_context(|| format!("cannot write {name}"))?;
                println!("updated  {name}");
                passed += 1;
            } else {
                println!("FAILED   {name}");
                wrong.iter().for_each(|line| println!("         {line}"));
                failed += 1;
            }
        }
        let info = plugin.info();
        println!("{} {}: {passed} passed, {failed} failed", info.name, info.version);
        Ok(failed == 0)
    }
}

/// The cases of a project, in the order of their names.
fn cases(dir: &Path, only: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let tests = dir.join("tests");
    let entries = std::fs::read_dir(&tests)
        .with_context(|| format!("cannot list {}: a project's cases are its files tests/*.json", tests.display()))?;
    let is_case = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && only.is_none_or(|only| name.contains(only))
    };
    let mut cases: Vec<_> = entries.flatten().map(|e| e.path()).filter(is_case).collect();
    cases.sort();
    if cases.is_empty() {
        let which = only.map_or_else(String::new, |only| format!(" with \"{only}\" in its name"));
        bail!("{} holds no case: write a file NAME.json{which} into it (see \"millrace plugin test --help\")", tests.display());
    }
    Ok(cases)
}

/// The directory for what is made of a project, which no version control should see.
fn kept(dir: &Path) -> anyhow::Result<PathBuf> {
    let kept = dir.join(KEPT);
    std::fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    let ignore = kept.join(".gitignore");
    if !ignore.is_file() {
        std::fs::write(&ignore, "*\n").with_context(|| format!("cannot write {}", ignore.display()))?;
    }
    Ok(kept)
}

/// Builds the project's one plugin.
fn built(dir: &Path, kept: &Path) -> anyhow::Result<PathBuf> {
    let out = kept.join("plugins");
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut files = build::build(dir, out, None, |line| eprintln!("{line}"))?;
    match files.len() {
        1 => Ok(files.remove(0)),
        n => bail!("{} holds {n} plugins: build them, and name the one to test with --plugin", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(cases(dir.path(), None).unwrap_err().to_string().contains("its files tests/*.json"));
        std::fs::create_dir(dir.path().join("tests")).unwrap();
        assert!(cases(dir.path(), None).unwrap_err().to_string().contains("holds no case"));
        for name in ["b.json", "a.json", "c.rs"] {
            std::fs::write(dir.path().join("tests").join(name), "{}").unwrap();
        }
        let names = |only| cases(dir.path(), only).unwrap().iter().map(|p| p.file_name().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(None), ["a.json", "b.json"]);
        assert_eq!(names(Some("b")), ["b.json"]);
    }
}
