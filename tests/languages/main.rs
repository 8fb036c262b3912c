//! The transforms of `README.md` beside this, in every language that `millrace plugin build` builds: each meets the same cases and
//! the same generated records, and a pipeline goes through all of them.

mod build;
mod conformance;
mod enrich;
mod guide;
mod pipeline;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use millrace_tests::{Worker, root};

use crate::build::{LANGUAGES, plugin};

/// Generated cases of each language, and the records of one.
const CASES: u64 = 20;
const RECORDS: usize = 60;

/// Runs `millrace plugin test` with the cases in `dir/tests`.
fn check(dir: &Path, plugin: &Path) -> anyhow::Result<()> {
    let mut millrace = Command::new(Worker::binary()?);
    let output = millrace.args(["plugin", "test"]).arg(dir).arg("--plugin").arg(plugin).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let shown: String = said.lines().filter(|l| !l.starts_with("ok ")).take(30).map(|l| format!("{l:.300}\n")).collect();
    ensure!(output.status.success(), "{}:\n{shown}{}", plugin.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn every_language_meets_the_cases() -> anyhow::Result<()> {
    for language in LANGUAGES {
        for transform in ["mask-hash", "split", "conform"] {
            check(&root().join("tests/languages/cases").join(transform), &plugin(transform, language)?)?;
        }
    }
    Ok(())
}

#[test]
fn every_language_conforms_on_generated_records() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("tests"))?;
    for seed in 0..CASES {
        let case = conformance::case(seed, RECORDS).to_string();
        std::fs::write(dir.path().join(format!("tests/{seed}.json")), case)?;
    }
    for language in LANGUAGES {
        check(dir.path(), &plugin("conform", language)?).with_context(|| format!("{language} does not conform"))?;
    }
    Ok(())
}
