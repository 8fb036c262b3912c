//! What users type.

mod consume;
mod demo;
mod dlq;
mod health;
mod plugin;
mod run;
mod transform;

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
    /// Run a worker until SIGTERM or Ctrl-C; a second one ends it at once.
    Run(run::Run),
    /// Say whether a worker, its log and its connectors are well: exit code 0, else 1 and what is not.
    Health(health::Health),
    /// Show the records of topics, and of dead letter queues.
    Consume(consume::Consume),
    /// Work with dead letters: what failed, where and why; redrive it, or discard it.
    Dlq(dlq::Dlq),
    /// Show the main job end to end, PostgreSQL to PostgreSQL, on servers of its own.
    Demo(demo::Demo),
    /// Build plugins: components that a worker finds on its plugin.path.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Try transforms on records.
    #[command(subcommand)]
    Transform(transform::Transform),
}

impl Cli {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(command) => command.run(),
            Command::Health(command) => command.run(),
            Command::Consume(command) => command.run(),
            Command::Dlq(command) => command.run(),
            Command::Demo(command) => command.run(),
            Command::Plugin(command) => command.run(),
            Command::Transform(command) => command.run(),
        }
    }
}

/// A runtime with few threads: guests and Kafka clients have their own.
fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).max_blocking_threads(BLOCKING_THREADS_MAX).enable_all();
    Ok(builder.build()?)
}

/// For files, compiling, and clients that block.
const BLOCKING_THREADS_MAX: usize = 64;
