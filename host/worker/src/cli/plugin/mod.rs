//! `millrace plugin`: what the author of a plugin types, from a new project to a tested component.
//!
//! [`new`] writes a project from the starters that this program carries ([`embedded`]). [`build`] lets the project's language
//! find its tools and build ([`languages`]), makes what came out a component, loads it the way a worker would, and only then
//! puts it where workers look ([`install`]). [`test`] and [`bench`] run a transform in the sandbox that a worker has
//! ([`host`]), [`inspect`] shows what a component is. [`deploy`] takes it to a worker, [`registry`] to others. It names no plugin. The language's tools decide what has to be compiled
//! again, and a component that came out as it was is left alone.

mod bench;
mod build;
mod deploy;
mod embedded;
mod host;
mod inspect;
mod install;
mod languages;
mod new;
mod records;
mod registry;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Starts a plugin's project from a working example.
    New(new::New),
    /// Builds a plugin's project, every member of a Rust workspace, or every project of a directory, into components.
    Build(build::Build),
    /// Runs a transform's cases, tests/*.json, in the sandbox, without a cluster.
    Test(test::Test),
    /// Measures a transform in the sandbox.
    Bench(bench::Bench),
    /// Shows what a component is, what it needs, and why a worker would refuse it.
    Inspect(inspect::Inspect),
    /// Uploads a component to a running worker.
    Deploy(deploy::Deploy),
    /// Puts a component into an OCI registry.
    Push(registry::Push),
    /// Gets a component from an OCI registry.
    Pull(registry::Pull),
}

impl Plugin {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Plugin::New(new) => new.run().map(|()| ExitCode::SUCCESS),
            Plugin::Build(build) => build.run().map(|()| ExitCode::SUCCESS),
            Plugin::Test(test) => test.run(),
            Plugin::Bench(bench) => bench.run().map(|()| ExitCode::SUCCESS),
            Plugin::Inspect(inspect) => inspect.run(),
            Plugin::Deploy(deploy) => deploy.run().map(|()| ExitCode::SUCCESS),
            Plugin::Push(push) => push.run().map(|()| ExitCode::SUCCESS),
            Plugin::Pull(pull) => pull.run().map(|()| ExitCode::SUCCESS),
        }
    }
}
