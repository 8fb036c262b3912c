//! Starts and stops what the suites need: the built worker, PostgreSQL, the real Kafka. Everything listens on loopback on
//! ports of its own, lives in a folder of its own, and is gone when the value is dropped.

mod changes;
pub mod clients;
mod connect;
mod kafka;
mod metrics;
mod oci;
mod postgres;
mod process;
mod proxy;
mod redis;
mod registry;
mod topics;
mod worker;

use std::fs::File;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use changes::{Changes, Delivery, Hook};
pub use connect::{Connect, debezium};
pub use kafka::{Kafka, jars};
pub use metrics::Page as MetricsPage;
pub use oci::OciRegistry;
pub use postgres::{Postgres, client as postgres_client};
pub use process::Process;
pub use proxy::{Proxy, Trouble, Way};
pub use redis::Redis;
pub use registry::Registry;
pub use topics::{LogReader, read_topics};
pub use worker::{Caller, Log, Worker};

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// Says what a test measured or counted, also where it passes: past the runner, which shows what a test prints only where it
/// fails.
pub fn report(line: impl std::fmt::Display) {
    // A closed standard output is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Below the ports that systems give to outgoing connections, which would take one between our look and its use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ports that this process has given out, by files that say so to other processes for as long as it lives.
static GIVEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of loopback that nothing has now, and that is given to nobody else: a server that a test stops for a while finds
/// its port free when it comes back.
pub fn free_port() -> u16 {
    let dir = std::env::temp_dir().join("millrace-ports");
    std::fs::create_dir_all(&dir).expect("a directory for ports that are given out");
    let given = |port: u16| {
        let file = File::create(dir.join(port.to_string())).ok()?;
        file.try_lock().ok()?;
        std::net::TcpListener::bind(("127.0.0.1", port)).ok()?;
        Some(file)
    };
    let mut tries = std::iter::repeat_with(|| rand::random_range(PORTS)).take(PORTS.len());
    let (port, file) = tries.find_map(|port| Some((port, given(port)?))).expect("a free port on loopback");
    GIVEN.lock().push(file);
    port
}

/// Asks `check` again and again until it answers `Ok`; fails with its last error once `within` is over.
pub async fn eventually<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    within: Duration,
    mut check: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        match check().await {
            Ok(v) => return Ok(v),
            Err(e) if start.elapsed() > within => anyhow::bail!("{what}: not within {within:?}: {e}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
