//! `millrace demo`: the main job, end to end, on this machine. A private PostgreSQL with the databases `shop` and
//! `warehouse`, a worker on its embedded broker, a PostgreSQL source, a transform written by a user
//! (`examples/transforms/mask-email`) and a PostgreSQL sink, registered over REST as any user would.

mod postgres;

use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::postgres::Postgres;

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Check everything that is shown, and end: exit code 0, else 1.
    #[arg(long)]
    once: bool,
}

/// How long any one step may take.
const STEP: Duration = Duration::from_secs(60);
/// How often is looked whether a step is done.
const LOOK: Duration = Duration::from_millis(5);
/// How many rows are timed.
const TIMED_ROWS: usize = 200;
/// Between two of them, in seconds.
const PAUSE: f64 = 0.005;
/// How many lines of the worker's log a failed step shows.
const TAIL: usize = 20;
const DLQ: &str = "warehouse.dlq";

impl Demo {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = super::runtime(2)?;
        // Everything that was started is stopped by being dropped: when the show ends, fails, or is interrupted.
        runtime.block_on(async {
            // Listened to before anything is started.
            let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
            let interrupted = futures::future::select_all(signals.iter_mut().flatten().map(|s| Box::pin(s.recv())));
            tokio::select! {
                biased;
                ended = self.show() => ended.map(|()| ExitCode::SUCCESS),
                _ = interrupted => {
                    say("stopping");
                    Ok(if self.once { ExitCode::FAILURE } else { ExitCode::SUCCESS })
                }
            }
        })
    }

    async fn show(&self) -> anyhow::Result<()> {
        let dir = tempfile::Builder::new().prefix("millrace-demo").tempdir()?;
        let stage = Stage::set(dir.path()).await?;
        stage.register().await?;
        stage.snapshot_arrives().await?;
        stage.rows_arrive().await?;
        stage.changes_arrive().await?;
        stage.poison_is_set_aside().await?;
        let (_, health) = stage.get("/health").await?;
        say(&format!("the worker is well: {}", health["status"].as_str().unwrap_or_default()));
        if self.once {
            say("all of it works");
            return Ok(());
        }
        println!(
            "\nUp until Ctrl-C:\n  REST        {rest}/connectors?expand=status\n  source      psql -h 127.0.0.1 -p {port} -U postgres shop\n  \
             target      psql -h 127.0.0.1 -p {port} -U postgres warehouse\n  the log     {exe} consume shop.public.customers --bootstrap {broker}\n  \
             dead ones   {exe} consume {DLQ} --headers --bootstrap {broker}\n  its output  {log}",
            rest = stage.rest,
            port = stage.pg.port,
            broker = stage.broker,
            exe = stage.exe.display(),
            log = stage.log.display(),
        );
        std::future::pending().await
    }
}

fn say(line: &str) {
    println!("== {line}");
}

/// Below the ports that systems give to outgoing connections, which would take one between our look and our use of it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that nothing has now.
fn free_port() -> anyhow::Result<u16> {
    let mut tries = std::iter::repeat_with(|| rand::random_range(PORTS)).take(PORTS.len());
    tries.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port on 127.0.0.1")
}

/// The worker's process, stopped when it is dropped.
struct Worker(RefCell<Child>);

impl Worker {
    /// Whether it ended by itself.
    fn ended(&self) -> Option<ExitStatus> {
        self.0.borrow_mut().try_wait().ok().flatten()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let id = self.0.borrow().id().to_string();
        let terminated = self.ended().is_none() && Command::new("kill").args(["-TERM", &id]).status().is_ok_and(|s| s.success());
        let deadline = Instant::now() + Duration::from_secs(10);
        while terminated && Instant::now() < deadline {
            if self.ended().is_some() {
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "the last thing this process does")]
            std::thread::sleep(LOOK);
        }
        let child = self.0.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// All that runs.
struct Stage {
    // Dropped in this order: the worker lets go of the server first.
    worker: Worker,
    pg: Postgres,
    client: reqwest::Client,
    exe: PathBuf,
    rest: String,
    broker: String,
    log: PathBuf,
}

impl Stage {
    async fn set(dir: &Path) -> anyhow::Result<Self> {
        let (port, rest_port, broker_port) = (free_port()?, free_port()?, free_port()?);
        say(&format!("starting PostgreSQL on 127.0.0.1:{port}"));
        let pg = Postgres::start(dir, port)?;
        for database in ["shop", "warehouse"] {
            pg.sql("postgres", &format!("create database {database}"))?;
        }
        pg.sql(
            "shop",
            "create table customers (id bigint primary key, name text not null, email text, at timestamptz not null default clock_timestamp()); \
             insert into customers (id, name, email) values (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com')",
        )?;

        say(&format!("starting the worker: REST on 127.0.0.1:{rest_port}, embedded broker on 127.0.0.1:{broker_port}"));
        let (rest, broker) = (format!("http://127.0.0.1:{rest_port}"), format!("127.0.0.1:{broker_port}"));
        let (exe, log) = (std::env::current_exe()?, dir.join("worker.log"));
        let output = std::fs::File::create(&log)?;
        let worker = Command::new(&exe)
            .arg("run")
            .args(["--set", &format!("listeners={rest}"), "--set", &format!("embedded.broker.listener={broker}")])
            .args(["--set", &format!("data.dir={}", dir.join("data").display())])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for us; we stop it.
            .process_group(0)
            .spawn()
            .context("cannot start the worker")?;
        let client = reqwest::Client::builder().timeout(STEP).no_proxy().build()?;
        let stage = Stage { worker: Worker(RefCell::new(worker)), pg, client, exe, rest, broker, log };
        stage.until("the worker answers", async || Ok(stage.get("/").await.is_ok_and(|(status, _)| status == 200))).await?;
        Ok(stage)
    }

    async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = self.client.get(format!("{}{path}", self.rest)).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Waits for a step, or fails with what the worker has to say.
    async fn until(&self, what: &str, done: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + STEP;
        while !done().await.unwrap_or(false) {
            if let Some(status) = self.worker.ended() {
                bail!("{what}: the worker has ended, {status}\n{}", self.tail());
            }
            if Instant::now() > deadline {
                let status = self.get("/connectors?expand=status").await.map(|(_, s)| format!("{s:#}")).unwrap_or_default();
                bail!("{what}: not within {} s\n{status}\n{}", STEP.as_secs(), self.tail());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The end of the worker's log.
    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    async fn create(&self, name: &str, config: Value) -> anyhow::Result<()> {
        let body = json!({"name": name, "config": config});
        let answer = self.client.post(format!("{}/connectors", self.rest)).json(&body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "POST /connectors {name}: {status} {}", answer.text().await?);
        Ok(())
    }

    async fn register(&self) -> anyhow::Result<()> {
        let port = self.pg.port;
        say("registering customers-source, with the settings of Debezium's connector");
        let source = json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
            "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "postgres",
            "database.password": "postgres", "database.dbname": "shop", "topic.prefix": "shop", "plugin.name": "pgoutput",
            "table.include.list": "public.customers", "publication.autocreate.mode": "filtered",
        });
        self.create("customers-source", source).await?;
        say("registering warehouse-sink, with the transform mask-email and a dead letter queue");
        let sink = json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "shop.public.customers",
            "connection.url": format!("jdbc:postgresql://127.0.0.1:{port}/warehouse"), "connection.username": "postgres",
            "connection.password": "postgres", "insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true",
            "schema.evolution": "basic", "collection.name.format": "customers",
            "transforms": "mask", "transforms.mask.type": "mask-email", "transforms.mask.field": "email",
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": DLQ,
            "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        });
        self.create("warehouse-sink", sink).await
    }

    /// Whether the target has a row.
    fn arrived(&self, id: usize) -> bool {
        self.pg.sql("warehouse", &format!("select 1 from customers where id = {id}")).is_ok_and(|r| r == "1")
    }

    async fn snapshot_arrives(&self) -> anyhow::Result<()> {
        self.until("the snapshot arrives", async || Ok(self.arrived(2))).await?;
        say("the rows that were there have arrived, with their emails masked:");
        println!("{}", self.pg.sql("warehouse", "select id, name, email from customers order by id")?);
        let plain =
            self.pg.sql("warehouse", "select count(*) from customers where email in ('ada@example.com', 'grace@example.com')")?;
        ensure!(plain == "0", "the transform did not mask the emails");
        Ok(())
    }

    /// Rows, one commit each; the target says when each came, the source when it was written.
    async fn rows_arrive(&self) -> anyhow::Result<()> {
        say(&format!("writing {TIMED_ROWS} rows, one commit each"));
        self.pg.sql("warehouse", "alter table customers add column arrived timestamptz default clock_timestamp()")?;
        let (first, last) = (11, 10 + TIMED_ROWS);
        let statements: Vec<String> = (first..=last)
            .map(|id| {
                format!(
                    "begin; insert into customers (id, name, email) values ({id}, 'Customer {id}', 'customer{id}@example.com'); commit; \
                     select pg_sleep({PAUSE});"
                )
            })
            .collect();
        self.pg.sql("shop", &statements.join(" "))?;
        self.until("the rows arrive", async || Ok(self.arrived(last))).await?;
        let latency = self.pg.sql(
            "warehouse",
            &format!(
                "with l as (select extract(epoch from arrived - at::timestamptz) * 1000 as ms, email from customers where id between {first} and {last}) \
                 select round(percentile_cont(0.5) within group (order by ms)::numeric, 1), \
                 round(percentile_cont(0.99) within group (order by ms)::numeric, 1), count(*), count(*) filter (where email like 'c%*%@example.com') from l"
            ),
        )?;
        let parts: Vec<&str> = latency.split('|').collect();
        let [median, p99, count, masked] = parts[..] else { bail!("the target answers \"{latency}\"") };
        ensure!(count == TIMED_ROWS.to_string(), "{count} rows arrived, {TIMED_ROWS} were written");
        ensure!(masked == count, "of {count} emails {masked} are masked");
        say(&format!("{count} rows arrived, from insert to target: p50 {median} ms, p99 {p99} ms"));
        Ok(())
    }

    async fn changes_arrive(&self) -> anyhow::Result<()> {
        say("an update, a delete and a change of key");
        self.pg.sql(
            "shop",
            "update customers set name = 'Ada Lovelace' where id = 1; delete from customers where id = 2; update customers set id = 999 where id = 20",
        )?;
        let rows = "select string_agg(id || ' ' || name, ',' order by id) from customers";
        self.until("the target equals the source", async || Ok(self.pg.sql("shop", rows)? == self.pg.sql("warehouse", rows)?))
            .await?;
        say("the target equals the source");
        Ok(())
    }

    async fn poison_is_set_aside(&self) -> anyhow::Result<()> {
        say("one poisoned record: an email that the transform refuses");
        self.pg.sql("shop", "insert into customers (id, name, email) values (666, 'Mallory', 'not-an-email')")?;
        self.pg.sql("shop", "insert into customers (id, name, email) values (667, 'Trent', 'trent@example.com')")?;
        self.until("the record after the poisoned one arrives", async || Ok(self.arrived(667))).await?;
        ensure!(!self.arrived(666), "the poisoned record reached the target");
        let consume = || {
            let output = Command::new(&self.exe)
                .args(["consume", DLQ, "--bootstrap", &self.broker, "--max", "1", "--output", "json"])
                .output()?;
            Ok::<_, anyhow::Error>(serde_json::from_slice::<Value>(&output.stdout)?)
        };
        self.until("the dead letter queue has it", async || Ok(consume().is_ok())).await?;
        let dead = consume()?;
        ensure!(dead["value"].to_string().contains("Mallory"), "the dead letter queue has another record: {dead}");
        say(&format!("the dead letter queue \"{DLQ}\" has it, and says why:"));
        let header = |name: &str| {
            let mut all = dead["headers"].as_array().into_iter().flatten();
            all.find(|h| h["key"] == name).and_then(|h| h["value"].as_str()).unwrap_or_default()
        };
        for (name, part) in [
            ("__connect.errors.topic", "shop.public.customers"),
            ("__connect.errors.connector.name", "warehouse-sink"),
            ("__connect.errors.stage", "TRANSFORMATION"),
            ("__connect.errors.exception.message", "email"),
        ] {
            ensure!(header(name).contains(part), "the dead record's header {name} is \"{}\", not {part}", header(name));
            println!("   {name}: {}", header(name));
        }
        Ok(())
    }
}
