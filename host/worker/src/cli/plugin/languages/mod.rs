//! The frame in which languages plug in: how a project of one is recognised, what it needs to be built, and what comes out.
//!
//! A language is a file (or folder) beside this one, with a line in [`LANGUAGES`]. It ends where a component's file, or that
//! of a core module with the contract's metadata in it, is written; trying it, its grants and installing are the same for
//! all ([`super::install`]). A missing tool is an error that names the command that installs it; where a
//! language has a package manager, that may install tools of pinned versions in the directory `.millrace` of what is built.

mod c;
mod go;
mod javascript;
mod kit;
mod manifest;
mod python;
mod rust;
pub mod tools;
mod wasi;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::new::{Kind, Starter};
pub use manifest::{FILE as MANIFEST, Manifest, check_name};

/// Every language, in the order in which a directory is asked whether it is one's.
pub static LANGUAGES: &[&dyn Language] = &[
    &rust::Rust, //
    &python::Python,
    &javascript::JavaScript,
    &javascript::TypeScript,
    &go::Go,
    &c::C,
];

/// A language that plugins are written in.
pub trait Language: Sync {
    /// `python`: as in `language = "python"` of a manifest, and `--lang python`.
    fn name(&self) -> &'static str;

    /// What people call it besides: `js`.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a directory without a [`MANIFEST`] holds a project of it.
    fn recognises(&self, _dir: &Path) -> bool {
        false
    }

    /// Finds the tools of this machine, as seen from `dir`. The error names what is missing and the command that installs it.
    fn builder(&self, dir: &Path) -> anyhow::Result<Box<dyn Builder>>;

    /// The project from which `plugin new` makes one of a kind; none: there is none of that kind.
    fn starter(&self, _kind: Kind) -> Option<Starter> {
        None
    }

    /// What to look at when a project gave no plugin.
    fn hint(&self) -> &'static str;
}

/// A language's tools, found.
pub trait Builder {
    /// What they are, for people.
    fn tools(&self) -> &dyn fmt::Display;

    /// Builds the plugins of a project; only Rust's workspaces have more than one.
    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>>;
}

/// What a build may use besides the project's own directory.
pub struct Job<'a> {
    /// Where projects that are built together may share what they compile; none: each keeps its own.
    pub shared: Option<&'a Path>,
    /// Gone after the build: for what no one looks at later.
    pub scratch: &'a Path,
}

/// What came of a build.
#[derive(Debug)]
pub struct Artifact {
    /// The plugin's file: `NAME.wasm`.
    pub name: String,
    /// A component, or a core module from which one can be made.
    pub file: PathBuf,
    /// Capabilities that the author asks for.
    pub grants: Vec<String>,
}

/// A directory that one language builds.
#[derive(Clone)]
pub struct Project {
    pub dir: PathBuf,
    pub language: &'static dyn Language,
    /// What the project says of itself; none where the language's own files say it (a crate).
    pub manifest: Option<Manifest>,
}

impl Project {
    /// The project that a directory is; none: it is none.
    pub fn of(dir: &Path) -> anyhow::Result<Option<Project>> {
        let manifest = Manifest::read(dir)?;
        let language = match &manifest {
            Some(manifest) => {
                let at = dir.join(MANIFEST);
                Some(find(&manifest.language).with_context(|| format!("\"language\" in {}", at.display()))?)
            }
            None => LANGUAGES.iter().copied().find(|l| l.recognises(dir)),
        };
        Ok(language.map(|language| Project { dir: dir.to_owned(), language, manifest }))
    }

    /// The manifest of a language that cannot do without.
    pub fn manifest(&self) -> anyhow::Result<&Manifest> {
        self.manifest
            .as_ref()
            .with_context(|| format!("{} lacks a {MANIFEST} with \"language\" and \"name\"", self.dir.display()))
    }

    /// The artifact that a file is, by the manifest's name and grants.
    pub fn artifact(&self, file: PathBuf) -> anyhow::Result<Artifact> {
        let manifest = self.manifest()?;
        Ok(Artifact { name: manifest.name.clone(), file, grants: manifest.grants.clone() })
    }
}

/// The project that a directory is, else those one level below it.
pub fn projects(dir: &Path) -> anyhow::Result<Vec<Project>> {
    if let Some(project) = Project::of(dir)? {
        return Ok(vec![project]);
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut below: Vec<_> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    below.sort();
    let mut found = Vec::new();
    for dir in below {
        found.extend(Project::of(&dir)?);
    }
    if found.is_empty() {
        bail!(
            "neither {} nor a directory in it is a plugin's project: it would have a Cargo.toml (Rust) or a {MANIFEST} (any \
             other language); \"millrace plugin new\" makes one",
            dir.display()
        );
    }
    Ok(found)
}

/// The language of a name or alias.
pub fn find(name: &str) -> anyhow::Result<&'static dyn Language> {
    let is = |l: &&&dyn Language| l.name() == name || l.aliases().contains(&name);
    let found = LANGUAGES.iter().find(is).copied();
    found.with_context(|| {
        let known: Vec<_> = LANGUAGES.iter().map(|l| l.name()).collect();
        format!("plugins are not built from \"{name}\" here: use one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_projects_gives_each_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let found = |dir: &Path| projects(dir).unwrap().into_iter().map(|p| p.dir).collect::<Vec<_>>();
        let none = projects(dir.path()).err().unwrap().to_string();
        assert!(none.contains("is a plugin's project"), "{none}");
        for name in ["b", "a"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("Cargo.toml"), "").unwrap();
        }
        assert_eq!(found(dir.path()), [dir.path().join("a"), dir.path().join("b")]);
        std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(found(dir.path()), [dir.path().to_owned()]);
    }

    #[test]
    fn a_manifest_says_the_language() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), "language = \"cobol\"\nname = \"x\"\n").unwrap();
        let error = format!("{:#}", Project::of(dir.path()).err().unwrap());
        assert!(error.contains("are not built from \"cobol\" here: use one of rust"), "{error}");
        std::fs::write(dir.path().join(MANIFEST), "language = \"rust\"\nname = \"x\"\n").unwrap();
        assert_eq!(Project::of(dir.path()).unwrap().unwrap().language.name(), "rust");
    }
}
