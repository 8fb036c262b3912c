//! Standard output as a pipe whose reader may go away while there is nothing to write: `consume --follow | head -1`.

use std::fs::File;
use std::io::stdout;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tokio::runtime::{Builder, Runtime};

/// How long a look may take.
const LOOK: Duration = Duration::from_millis(1);

pub struct Pipe {
    runtime: Runtime,
    /// None: it is no pipe, socket or terminal, and nobody can leave it.
    end: Option<Sender>,
}

impl Pipe {
    pub fn of_stdout() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        // Only watched, never written to, so it need not be non-blocking.
        let end = Sender::from_file_unchecked(File::from(stdout().as_fd().try_clone_to_owned()?)).ok();
        drop(entered);
        Ok(Pipe { runtime, end })
    }

    /// Whether nobody reads any more.
    pub fn closed(&self) -> bool {
        let Some(end) = &self.end else { return false };
        self.runtime.block_on(async { tokio::time::timeout(LOOK, end.ready(Interest::ERROR)).await.is_ok() })
    }
}
