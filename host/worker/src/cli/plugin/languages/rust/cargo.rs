//! Cargo: what a manifest holds, and the modules that come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::Artifact;
use super::toolchain::Toolchain;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        package_id: String,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

/// Builds every plugin of a crate or workspace, each named as its crate.
pub fn build(toolchain: &Toolchain, manifest: &Path, target_dir: Option<&Path>) -> anyhow::Result<Vec<Artifact>> {
    let metadata = metadata(toolchain, manifest)?;
    let mut plugins = BTreeMap::new();
    for package in metadata.packages {
        if package.targets.iter().any(|t| t.crate_types.iter().any(|c| c == "cdylib")) {
            let grants = grants(&package)?;
            plugins.insert(package.id, (package.name, grants));
        }
    }
    if plugins.is_empty() {
        return Ok(Vec::new());
    }

    let mut cargo = toolchain.build();
    cargo.args(["--release", "--message-format=json-render-diagnostics", "--manifest-path"]).arg(manifest);
    for (name, _) in plugins.values() {
        cargo.args(["--package", name]);
    }
    if let Some(dir) = target_dir.filter(|_| std::env::var_os("CARGO_TARGET_DIR").is_none()) {
        cargo.arg("--target-dir").arg(dir);
    }
    default_profile(&mut cargo, &metadata.workspace_root);
    let out = run(cargo, manifest)?;

    let mut built = Vec::new();
    for line in out.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let Ok(Message::CompilerArtifact { package_id, filenames }) = serde_json::from_slice(line) else { continue };
        let module = filenames.into_iter().find(|f| f.extension().is_some_and(|e| e == "wasm"));
        if let (Some(module), Some((name, grants))) = (module, plugins.remove(&package_id)) {
            built.push(Artifact { name, file: module, grants });
        }
    }
    built.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(built)
}

fn metadata(toolchain: &Toolchain, manifest: &Path) -> anyhow::Result<Metadata> {
    let mut cargo = toolchain.cargo("metadata");
    cargo.args(["--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    serde_json::from_slice(&run(cargo, manifest)?)
        .with_context(|| format!("cannot read what cargo says of {}", manifest.display()))
}

/// Cargo's answer; its own messages go to the terminal.
fn run(mut cargo: Command, manifest: &Path) -> anyhow::Result<Vec<u8>> {
    // From the crate's own directory, so that its .cargo/config.toml counts.
    cargo.current_dir(manifest.parent().unwrap_or(Path::new(".")));
    let out = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let out = out.with_context(|| format!("cannot start {}", cargo.get_program().display()))?;
    if !out.status.success() {
        bail!("cargo could not build {}: see its messages above", manifest.display());
    }
    Ok(out.stdout)
}

/// Small and fast code, unless the author has a release profile.
fn default_profile(cargo: &mut Command, root: &Path) {
    let own = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    if !own.contains("[profile.release") {
        for (key, value) in [("OPT_LEVEL", "3"), ("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort"), ("STRIP", "true")] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
    }
}

/// `[package.metadata.millrace] grants = [...]`, or the lines of a file `grants` beside the manifest.
fn grants(package: &Package) -> anyhow::Result<Vec<String>> {
    let at = &package.manifest_path;
    if let Some(grants) = package.metadata.as_ref().and_then(|m| m.pointer("/millrace/grants")) {
        return serde_json::from_value(grants.clone())
            .with_context(|| format!("\"grants\" under [package.metadata.millrace] in {} is not a list of names", at.display()));
    }
    let file = at.with_file_name("grants");
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(dir: &Path, metadata: serde_json::Value) -> Package {
        Package {
            id: "p".into(),
            name: "p".into(),
            manifest_path: dir.join("Cargo.toml"),
            targets: Vec::new(),
            metadata: Some(metadata),
        }
    }

    #[test]
    fn grants_come_from_the_manifest_else_from_the_file_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(grants(&package(dir.path(), serde_json::json!(null))).unwrap(), Vec::<String>::new());
        std::fs::write(dir.path().join("grants"), "# why\nfiles\n\n postgres \n").unwrap();
        assert_eq!(grants(&package(dir.path(), serde_json::json!(null))).unwrap(), ["files", "postgres"]);
        let declared = serde_json::json!({"millrace": {"grants": ["postgres"]}});
        assert_eq!(grants(&package(dir.path(), declared)).unwrap(), ["postgres"]);
        let wrong = serde_json::json!({"millrace": {"grants": "postgres"}});
        assert!(grants(&package(dir.path(), wrong)).unwrap_err().to_string().contains("is not a list of names"));
    }
}
