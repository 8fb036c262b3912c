//! `millrace run`: settings, logging, signals; [`millrace_worker::worker`] does the rest.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

use millrace_worker::config::{self, WorkerConfig};
use millrace_worker::loggers::Loggers;
use millrace_worker::secrets::HidingStderr;
use millrace_worker::worker::Worker;

#[derive(Debug, clap::Args)]
pub struct Run {
    /// The worker's settings, a Kafka Connect worker file; without one, defaults and the embedded broker.
    properties: Option<PathBuf>,
    /// A setting that overrides the file and the environment (CONNECT_GROUP_ID is group.id).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// What ends a worker that was told twice, as a shell shows it for SIGINT.
const IMPATIENT: i32 = 130;

impl Run {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let raw = config::read(self.properties.as_deref(), std::env::vars(), &self.sets)?;
        let program = std::env::current_exe()?;
        let beside = program.parent().unwrap_or_else(|| std::path::Path::new("."));
        let understood = WorkerConfig::understand(&raw, beside)?;
        let loggers = logging(&understood.config.log_level);
        for warning in understood.warnings {
            tracing::warn!("{warning}");
        }
        raise_open_files();
        let threads = std::thread::available_parallelism().map_or(4, |n| n.get()).clamp(2, 16);
        let runtime = super::runtime(threads)?;
        runtime.block_on(run(understood.config, loggers))?;
        // All is flushed and closed. Taking the rest apart, thread by thread and mapping by mapping, would only take time.
        std::process::exit(0)
    }
}

/// Every task has a client with connections and pipes of its own, some seven files; the soft limit that shells hand down is
/// meant for programs that cannot take more, and ends at about 150 tasks. Java's virtual machine raises it likewise.
fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write the one structure that they are given.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
        }
    };
    if !raised {
        tracing::warn!(error = %std::io::Error::last_os_error(), "cannot raise the limit of open files; raise it with \"ulimit -n\" for many tasks");
    }
}

async fn run(config: WorkerConfig, loggers: Arc<Loggers>) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopping) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        for told in 0.. {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told > 0 {
                tracing::warn!("told twice to stop: ending at once; nothing acknowledged is lost");
                std::process::exit(IMPATIENT);
            }
            tracing::info!("stopping: tasks drain, flush and commit; a second signal ends at once");
            stop.send_replace(true);
        }
    });
    Worker::run(config, loggers, stopping).await
}

/// Text on standard error, without secrets; `RUST_LOG` goes before `log.level`. Answers the loggers, whose levels may change later.
fn logging(level: &str) -> Arc<Loggers> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let base = filter.to_string();
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| HidingStderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Arc::new(Loggers::new(&base, move |filter| {
        if let Err(error) = handle.reload(filter) {
            tracing::warn!(%error, "levels of loggers stay as they are");
        }
    }))
}
