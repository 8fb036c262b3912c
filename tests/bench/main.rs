//! One command that measures Millrace beside the real Debezium, its JDBC sink and PostgreSQL's own limit, in one run, on
//! the same data, the sides taking turns, counting at the far end. Prints ratios, CPU-seconds a million records and memory.
//! `README.md` beside this file says how to read them.

mod dlq;
mod drain;
mod latency;
mod load;
mod plan;
mod registry;
mod report;
mod sink;
mod system;
mod topic;
mod usage;

use millrace_tests::{Connect, Kafka, Log, Postgres, Worker};
use tokio::sync::OnceCell;

use self::plan::Plan;
use self::system::System;

/// Durable as PostgreSQL is by default; only what would come and go behind the measurements is put off.
const POSTGRES: &str = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nmax_wal_size = 16GB\nshared_buffers = 512MB\n\
                        checkpoint_timeout = 1h\nmax_replication_slots = 40\nautovacuum = off";
/// Of workers with exactly-once sources, Kafka Connect's too.
const ONCE: &str = "exactly.once.source.support=enabled\n";
const PLAIN: &str = "key.converter.schemas.enable=false\nvalue.converter.schemas.enable=false";

/// The servers that every side of a comparison shares, and the two workers under comparison. What only some sides need is
/// started when the first of them asks.
pub struct Bench {
    pub plan: Plan,
    pub pg: Postgres,
    embedded: Worker,
    loaded: OnceCell<load::Loaded>,
    // Dropped in this order: who uses Kafka before Kafka.
    connect: OnceCell<Connect>,
    connect_once: OnceCell<Connect>,
    on_kafka: OnceCell<Worker>,
    on_kafka_once: OnceCell<Worker>,
    embedded_once: OnceCell<Worker>,
    kafka: OnceCell<Kafka>,
    kafka_address: OnceCell<String>,
}

impl Bench {
    pub async fn loaded(&self) -> anyhow::Result<&load::Loaded> {
        self.loaded.get_or_try_init(|| load::load(&self.pg, self.plan.window())).await
    }

    pub async fn kafka(&self) -> anyhow::Result<&Kafka> {
        self.kafka.get_or_try_init(Kafka::start).await
    }

    async fn kafka_address(&self) -> anyhow::Result<&str> {
        let address =
            self.kafka_address.get_or_try_init(|| async { Ok::<_, anyhow::Error>(self.kafka().await?.address()) }).await?;
        Ok(address)
    }

    /// Kafka Connect with Debezium.
    pub async fn connect(&self) -> anyhow::Result<System<'_>> {
        let kafka = self.kafka_address().await?;
        let connect = self.connect.get_or_try_init(|| Connect::start(kafka)).await?;
        Ok(System::connect("Kafka Connect", connect, kafka))
    }

    /// Kafka Connect with exactly-once sources.
    pub async fn connect_once(&self) -> anyhow::Result<System<'_>> {
        let kafka = self.kafka_address().await?;
        let connect = self.connect_once.get_or_try_init(|| Connect::start_with_debezium(kafka, "connect-once", ONCE)).await?;
        Ok(System::connect("Kafka Connect, exactly once", connect, kafka))
    }

    /// Millrace with exactly-once sources, on the same Kafka.
    pub async fn on_kafka_once(&self) -> anyhow::Result<System<'_>> {
        let (kafka, settings) = (self.kafka_address().await?, format!("{ONCE}{PLAIN}"));
        let worker = self.on_kafka_once.get_or_try_init(|| Worker::start_with(Log::Kafka(kafka), &settings)).await?;
        Ok(System::millrace("Millrace on Kafka, exactly once", worker, &self.plan.set))
    }

    /// Millrace with exactly-once sources, on its embedded broker.
    pub async fn embedded_once(&self) -> anyhow::Result<System<'_>> {
        let settings = format!("{ONCE}{PLAIN}");
        let worker = self.embedded_once.get_or_try_init(|| Worker::start_with(Log::Embedded, &settings)).await?;
        Ok(System::millrace("Millrace, embedded broker, exactly once", worker, &self.plan.set))
    }

    /// Millrace on the same Kafka as the peer.
    pub async fn on_kafka(&self) -> anyhow::Result<System<'_>> {
        let kafka = self.kafka_address().await?;
        let worker = self.on_kafka.get_or_try_init(|| Worker::start_with(Log::Kafka(kafka), PLAIN)).await?;
        Ok(System::millrace("Millrace on Kafka", worker, &self.plan.set))
    }

    /// Millrace on its embedded broker.
    pub fn embedded(&self) -> System<'_> {
        System::millrace("Millrace, embedded broker", &self.embedded, &self.plan.set)
    }

    /// The worker behind [`Bench::embedded`].
    pub fn embedded_worker(&self) -> &Worker {
        &self.embedded
    }

    async fn run(&self) -> anyhow::Result<()> {
        self.head()?;
        if self.plan.has("drain") {
            drain::run(self).await?;
        }
        if self.plan.has("once") {
            drain::run_once(self).await?;
        }
        if self.plan.has("transform") {
            drain::run_transform(self).await?;
        }
        if self.plan.has("sink") {
            sink::run(self).await?;
        }
        if self.plan.has("latency") {
            latency::run(self).await?;
        }
        if self.plan.has("registry") {
            registry::run(self).await?;
        }
        Ok(())
    }

    /// What the figures hold for, and how the worker starts.
    fn head(&self) -> anyhow::Result<()> {
        let out = |program: &str, args: &[&str]| {
            let out = std::process::Command::new(program).args(args).current_dir(millrace_tests::root()).output();
            out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
        };
        println!(
            "commit {}, {} CPUs, {}",
            out("git", &["describe", "--always", "--dirty"]),
            out("nproc", &[]),
            out("uname", &["-sr"])
        );
        let (plan, worker) = (&self.plan, &self.embedded);
        println!("{} runs of {} s a side, load {:.1} at the start", plan.runs, plan.seconds, usage::load_average());
        let idle = worker.process().rss() >> 20;
        println!("Millrace with the embedded broker: first answer after {:.0?}, resident {idle} MB", worker.ready_in);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plan = Plan::parse(std::env::args().skip(1))?;
    if let Some(records) = plan.dead_letters {
        return tokio::select! {
            done = dlq::run(records) => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        };
    }
    let bench = Bench {
        pg: Postgres::start_with(POSTGRES).await?,
        embedded: Worker::start_with(Log::Embedded, PLAIN).await?,
        loaded: OnceCell::new(),
        connect: OnceCell::new(),
        connect_once: OnceCell::new(),
        on_kafka: OnceCell::new(),
        on_kafka_once: OnceCell::new(),
        embedded_once: OnceCell::new(),
        kafka: OnceCell::new(),
        kafka_address: OnceCell::new(),
        plan,
    };
    // Interrupted, it stops what it has started.
    tokio::select! {
        done = bench.run() => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}
