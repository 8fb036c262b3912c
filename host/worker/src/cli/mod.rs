//! What users type.

mod plugin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Kafka Connect-style worker whose plugins are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plugins: build them.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
}

impl Cli {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Plugin(command) => command.run(),
        }
    }
}
