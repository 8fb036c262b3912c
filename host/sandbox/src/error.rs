//! What can go wrong before a plugin runs.

use std::path::PathBuf;

/// The sandbox itself cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    #[error("cannot use {dir} for compiled plugins: {source}; give the worker a directory of its own that it may write to")]
    CacheDir { dir: PathBuf, source: std::io::Error },
    #[error("cannot start the thread that measures computing time: {0}")]
    Ticker(std::io::Error),
}

/// Why a file is not taken for a plugin. The file's name is said by whoever reports it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    #[error("it is not WebAssembly: build it with \"millrace plugin build\"")]
    NotWasm,
    #[error("it is a core module, not a component: make it one with \"millrace plugin build\"")]
    CoreModule,
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    #[error(
        "it is of another version of the contract: it has {found}, this worker runs millrace:plugin@{offered}; build it against that version"
    )]
    Version { found: String, offered: &'static str },
    #[error(
        "it is not a plugin: it exports {found}, but one of source, sink and transform of millrace:plugin@{offered} is wanted beside plugin"
    )]
    World { found: String, offered: &'static str },
    #[error("it lacks the export {missing} of the contract millrace:plugin@{offered}")]
    Export { missing: String, offered: &'static str },
    #[error("it imports {import}, which this worker does not offer to any plugin")]
    UnknownImport { import: String },
    #[error("it does not fit the contract: {0}")]
    Mismatch(String),
    #[error("it failed when asked to describe itself: {0}")]
    Describe(String),
    #[error("what it says of itself cannot be: {0}")]
    Description(String),
}
