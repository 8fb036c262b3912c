//! Why a broker cannot start, and why its journal cannot be written.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "the embedded broker listens on this machine only and {0} is not a loopback address; set its listener to \
         127.0.0.1 or [::1], or point bootstrap.servers at a Kafka cluster"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}; choose another port for the embedded broker or stop what listens there")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(
        "the data directory {} is in use by another process{}; stop it, or give this one a data directory of its own", directory.display(), holder
    )]
    InUse { directory: PathBuf, holder: String },
    #[error(
        "the data directory {} has format {found}, and this program knows formats up to {known}; use the newer program that \
         wrote it", directory.display()
    )]
    Newer { directory: PathBuf, found: u32, known: u32 },
    #[error("{} is not a format file of an embedded broker; is {} the right data directory?", path.display(), directory.display())]
    Foreign { path: PathBuf, directory: PathBuf },
    #[error("cannot use {}: {source}; check that the directory exists, is writable and has room", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot write {}: {source}; make room under the data directory", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds an entry at byte {position} that this program does not know; use the newer program that wrote it", path.display())]
    Unknown { path: PathBuf, position: u64 },
}
