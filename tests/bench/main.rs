//! One command that measures Millrace beside the real Debezium, JDBC sink and PostgreSQL's own limit, in one run, on the
//! same data, alternating, counting at the far end. Prints ratios, CPU-seconds a million records and memory.
//!
//! `scripts/bench.sh [drain] [latency] [sink] [transform]`; rows by `BENCH_ROWS`, repetitions by `BENCH_RUNS`.

mod drain;
mod latency;
mod load;
mod report;
mod sink;
mod system;

use millrace_tests::{Connect, Kafka, Log, Postgres, Worker};

/// The servers that every side of a comparison shares, and the two workers under comparison.
pub struct Bench {
    pub pg: Postgres,
    pub kafka: Kafka,
    pub connect: Connect,
    /// On the same Kafka as the peer.
    pub millrace: Worker,
    /// On its embedded broker.
    pub embedded: Worker,
    /// Rows a run.
    pub rows: i64,
    pub runs: usize,
}

fn number(name: &str, default: i64) -> i64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut what: Vec<String> = std::env::args().skip(1).collect();
    if what.is_empty() {
        what = ["drain", "latency", "sink", "transform"].map(String::from).to_vec();
    }
    eprintln!("starting PostgreSQL, Kafka, Kafka Connect with Debezium, and two Millrace workers");
    let pg = Postgres::start_with("max_wal_size = 16GB\nshared_buffers = 512MB\nsynchronous_commit = on").await?;
    let kafka = Kafka::start().await?;
    let connect = Connect::start(&kafka.address()).await?;
    let plain = "key.converter.schemas.enable=false\nvalue.converter.schemas.enable=false";
    let millrace = Worker::start_with(Log::Kafka(&kafka.address()), plain).await?;
    let embedded = Worker::start_with(Log::Embedded, plain).await?;
    report::start(&millrace, &embedded, &connect);
    let bench = Bench {
        pg,
        kafka,
        connect,
        millrace,
        embedded,
        rows: number("BENCH_ROWS", 1_500_000),
        runs: number("BENCH_RUNS", 3) as usize,
    };
    load::prepare(&bench.pg).await?;
    for w in &what {
        match w.as_str() {
            "drain" => drain::run(&bench, false).await?,
            "transform" => drain::run(&bench, true).await?,
            "latency" => latency::run(&bench).await?,
            "sink" => sink::run(&bench).await?,
            other => anyhow::bail!("unknown benchmark \"{other}\": drain, latency, sink or transform"),
        }
    }
    Ok(())
}
