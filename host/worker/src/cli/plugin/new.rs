//! `millrace plugin new`: a project that builds and passes its tests as it is written.
//!
//! The starters are projects of the repository, under `sdk/LANGUAGE`, that its tests build; what changes is their name, and
//! where they find the SDK: a copy in the project, of the version that this program knows.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::embedded;
use super::languages::{self, Language, check_name};

/// The name that starters have, and those that their code makes of it.
const NAME: &str = "my-plugin";
const SNAKE: &str = "my_plugin";
const CAMEL: &str = "MyPlugin";
/// Where a project has its copy of the SDK and the contract, unless its language minds.
pub const VENDOR: &str = "vendor/millrace";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Transform,
    Source,
    Sink,
}

impl Kind {
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Transform => "transform",
            Kind::Source => "source",
            Kind::Sink => "sink",
        }
    }
}

/// A project of the repository from which new ones are made.
pub struct Starter {
    /// Its directory in the repository.
    pub dir: &'static str,
    /// Directories of the repository that it needs; a new project has them below `vendor`.
    pub needs: &'static [&'static str],
    /// A directory of the project.
    pub vendor: &'static str,
    /// What its files say of the repository, and what they say in a project.
    pub rewrite: &'static [(&'static str, &'static str)],
}

#[derive(Debug, clap::Args)]
pub struct New {
    /// The plugin's name, and that of its directory: small letters and digits, words joined by "-".
    name: String,
    /// The language to write it in.
    #[arg(long, default_value = "rust")]
    lang: String,
    #[arg(long, value_enum, default_value = "transform")]
    kind: Kind,
    /// The directory to make [default: the name].
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl New {
    pub fn run(self) -> anyhow::Result<()> {
        check_name(&self.name)?;
        let language = languages::find(&self.lang).context("--lang")?;
        let starter = starter(language, self.kind)?;
        let dir = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        if std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is there and not empty: take another name, or another directory with --dir", dir.display());
        }
        write(&starter, &self.name, &dir)?;
        println!("made {}, a {} in {}; next:", dir.display(), self.kind.noun(), language.name());
        println!("  cd {}", dir.display());
        println!("  millrace plugin {}", if self.kind == Kind::Transform { "test" } else { "build --out plugins" });
        Ok(())
    }
}

fn starter(language: &dyn Language, kind: Kind) -> anyhow::Result<Starter> {
    language.starter(kind).with_context(|| {
        let of = |l: &&&dyn Language| l.starter(kind).is_some();
        let others: Vec<_> = languages::LANGUAGES.iter().filter(of).map(|l| l.name()).collect();
        format!(
            "there is no starter of a {} in {}: use --lang {}, or look at the SDK of {0} in sdk/",
            kind.noun(),
            language.name(),
            others.join(" or ")
        )
    })
}

fn write(starter: &Starter, name: &str, dir: &Path) -> anyhow::Result<()> {
    for (path, bytes) in embedded::below(starter.dir) {
        let path = named(path, name);
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let text = starter.rewrite.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
                embedded::write(&dir.join(path), named(&text, name).as_bytes())?;
            }
            Err(_) => embedded::write(&dir.join(path), bytes)?,
        }
    }
    for need in starter.needs {
        // Starters that stand within an SDK's directory are no part of it.
        let own = |path: &str| !path.starts_with("templates/") && !path.starts_with("starter");
        for (path, bytes) in embedded::below(need).filter(|(path, _)| own(path)) {
            embedded::write(&dir.join(starter.vendor).join(need).join(path), bytes)?;
        }
    }
    Ok(())
}

/// The text with the starter's name replaced, in each form.
fn named(text: &str, name: &str) -> String {
    let camel: String = name.split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    text.replace(NAME, name).replace(SNAKE, &name.replace('-', "_")).replace(CAMEL, &camel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_in_every_form() {
        assert_eq!(named("my-plugin my_plugin MyPlugin", "mask-email-2"), "mask-email-2 mask_email_2 MaskEmail2");
    }

    #[test]
    fn every_starter_is_written_whole() {
        for language in languages::LANGUAGES {
            for kind in [Kind::Transform, Kind::Source, Kind::Sink] {
                let Some(starter) = language.starter(kind) else { continue };
                let at = tempfile::tempdir().unwrap();
                write(&starter, "some-name", at.path()).unwrap();
                let project = languages::Project::of(at.path()).unwrap().expect("a project");
                assert_eq!(project.language.name(), language.name(), "{}", starter.dir);
                for need in starter.needs {
                    assert!(at.path().join(starter.vendor).join(need).is_dir(), "{} lacks {need}", starter.dir);
                }
                // The name is gone from every file, and nothing points out of the project.
                for (path, _) in embedded::below(starter.dir) {
                    let file = at.path().join(named(path, "some-name"));
                    let text = std::fs::read_to_string(&file).unwrap();
                    for word in [NAME, SNAKE, CAMEL, "../.."] {
                        assert!(!text.contains(word), "{} says {word}", file.display());
                    }
                }
            }
        }
    }
}
