//! `millrace.toml`: what a plugin's project says of itself where the language's own files have no place for it.
//!
//! ```toml
//! language = "python"
//! name = "mask-email"     # the component's file: mask-email.wasm
//! grants = ["http"]       # capabilities it asks for
//!
//! [build]                 # what its language's builder reads
//! entry = "app.py"
//! ```

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

/// The manifest's name, in the project's directory.
pub const FILE: &str = "millrace.toml";
/// The longest name of a plugin's file.
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub language: String,
    pub name: String,
    #[serde(default)]
    pub grants: Vec<String>,
    /// What the language's builder reads.
    #[serde(default)]
    build: toml::Table,
}

impl Manifest {
    /// None: the directory has none.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Manifest>> {
        let file = dir.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", file.display())),
        };
        let manifest: Manifest = toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))?;
        check_name(&manifest.name).with_context(|| format!("\"name\" in {}", file.display()))?;
        Ok(Some(manifest))
    }

    /// The `[build]` settings, as the language's builder declares them; unknown ones are its to refuse.
    pub fn build<T: serde::de::DeserializeOwned>(&self) -> anyhow::Result<T> {
        let table = toml::Value::Table(self.build.clone());
        table.try_into().with_context(|| format!("[build] in {FILE} of \"{}\" is wrong", self.name))
    }
}

/// What may be the name of a plugin and of its file, in every language.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts || name.ends_with('-') || name.contains("--") || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
        bail!(
            "\"{name}\" cannot be a plugin's name: take up to {NAME_CHARS_MAX} small letters and digits, words joined by \"-\", \
             beginning with a letter, as in \"mask-email\""
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_form() {
        for good in ["a", "mask-email", "v2", "a-1-b"] {
            check_name(good).unwrap();
        }
        for bad in ["", "-a", "a-", "a--b", "2a", "Mask", "a_b", "a/b", "..", "ä", &"a".repeat(65)] {
            let error = check_name(bad).unwrap_err().to_string();
            assert!(error.contains("cannot be a plugin's name"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_manifest_is_read_whole_or_refused() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Build {
            entry: String,
        }
        let dir = tempfile::tempdir().unwrap();
        let with = |text: &str| {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            Manifest::read(dir.path())
        };
        assert!(Manifest::read(dir.path()).unwrap().is_none());
        let manifest = with("language = \"go\"\nname = \"a\"\ngrants = [\"http\"]\n[build]\nentry = \"x\"\n").unwrap().unwrap();
        assert_eq!((manifest.language.as_str(), manifest.name.as_str(), manifest.grants), ("go", "a", vec!["http".to_owned()]));
        let manifest = with("language = \"go\"\nname = \"a\"\n[build]\nentry = \"x\"\n").unwrap().unwrap();
        assert_eq!(manifest.build::<Build>().unwrap().entry, "x");
        let manifest = with("language = \"go\"\nname = \"a\"\n[build]\nentri = \"x\"\n").unwrap().unwrap();
        assert!(format!("{:#}", manifest.build::<Build>().unwrap_err()).contains("entri"));
        for (text, expected) in
            [("language = \"go\"", "name"), ("x = 1", "x"), ("language = \"go\"\nname = \"A\"", "plugin's name")]
        {
            let error = format!("{:#}", with(text).unwrap_err());
            assert!(error.contains(expected) && error.contains(FILE), "{error}");
        }
    }
}
