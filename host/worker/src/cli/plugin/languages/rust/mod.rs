//! Rust: a crate whose library is a `cdylib`, or a workspace of such crates.

mod cargo;
mod toolchain;

use std::fmt;
use std::path::Path;

use super::super::new::{Kind, Starter, VENDOR};
use super::{Artifact, Builder, Job, Language, Project};

pub struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn recognises(&self, dir: &Path) -> bool {
        dir.join("Cargo.toml").is_file()
    }

    fn builder(&self, dir: &Path) -> anyhow::Result<Box<dyn Builder>> {
        Ok(Box::new(toolchain::find(dir)?))
    }

    fn starter(&self, kind: Kind) -> Option<Starter> {
        let dir = match kind {
            Kind::Transform => "sdk/rust/templates/transform",
            Kind::Source => "sdk/rust/templates/source",
            Kind::Sink => "sdk/rust/templates/sink",
        };
        let rewrite = &[("path = \"../..\"", "path = \"vendor/millrace/sdk/rust\"")];
        Some(Starter { dir, needs: &["sdk/rust", "wit"], vendor: VENDOR, rewrite })
    }

    fn hint(&self) -> &'static str {
        "a Rust plugin is a library with \"crate-type = [\\\"cdylib\\\"]\" under [lib] in its Cargo.toml"
    }
}

impl Builder for toolchain::Toolchain {
    fn tools(&self) -> &dyn fmt::Display {
        self
    }

    fn build(&self, project: &Project, job: &Job<'_>) -> anyhow::Result<Vec<Artifact>> {
        cargo::build(self, &project.dir.join("Cargo.toml"), job.shared)
    }
}
