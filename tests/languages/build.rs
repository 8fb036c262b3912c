//! Builds the plugins, each language once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use millrace_tests::{Worker, root};
use parking_lot::Mutex;

pub const LANGUAGES: [&str; 5] = ["rust", "python", "javascript", "go", "c"];

/// Why a language could not be built; none: it was.
static BUILT: Mutex<Option<HashMap<&'static str, Option<String>>>> = Mutex::new(None);

/// Where they are.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(Worker::binary()?.parent().context("the program lies in a folder")?.join("languages"))
}

/// A transform in a language.
pub fn plugin(transform: &str, language: &'static str) -> anyhow::Result<PathBuf> {
    let out = folder()?;
    let mut built = BUILT.lock();
    let built = built.get_or_insert_default();
    if !built.contains_key(language) {
        built.insert(language, build(language, &out).err().map(|e| format!("{e:#}")));
    }
    if let Some(Some(error)) = built.get(language) {
        anyhow::bail!("{language} was not built: {error}");
    }
    let file = out.join(format!("{transform}-{language}.wasm"));
    ensure!(file.is_file(), "{} was not built", file.display());
    Ok(file)
}

fn build(language: &str, out: &PathBuf) -> anyhow::Result<()> {
    let mut millrace = Command::new(Worker::binary()?);
    let output =
        millrace.args(["plugin", "build"]).arg(root().join("tests/languages").join(language)).arg("--out").arg(out).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
