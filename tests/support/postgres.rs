//! A private PostgreSQL with logical decoding, and the databases `src` and `dst`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::{eventually, free_port};

/// User `postgres` is trusted on loopback; user `app` has the password `secret` and is asked for it.
pub struct Postgres {
    pub port: u16,
    dir: tempfile::TempDir,
    bin: PathBuf,
}

/// PostgreSQL refuses to run as root: as root its programs run as the user `postgres`.
fn run(program: &Path, args: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let mut c = if root {
        let mut c = Command::new("runuser");
        c.args(["-u", "postgres", "--"]).arg(program);
        c
    } else {
        Command::new(program)
    };
    c.args(args).stdin(Stdio::null()).current_dir("/");
    c
}

fn checked(mut c: Command) -> anyhow::Result<()> {
    let out = c.output()?;
    anyhow::ensure!(
        out.status.success(),
        "{c:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}

impl Postgres {
    pub async fn start() -> anyhow::Result<Postgres> {
        Self::start_with("").await
    }

    /// With further lines for postgresql.conf; later lines win.
    pub async fn start_with(conf: &str) -> anyhow::Result<Postgres> {
        Self::start_in(&std::env::temp_dir(), conf).await
    }

    /// With its data below a directory.
    pub async fn start_in(place: &Path, conf: &str) -> anyhow::Result<Postgres> {
        let bin = std::fs::read_dir("/usr/lib/postgresql")
            .map_err(|e| anyhow::anyhow!("no PostgreSQL under /usr/lib/postgresql: {e}; scripts/test.sh installs it"))?
            .filter_map(|d| Some(d.ok()?.path().join("bin")))
            .filter(|b| b.join("initdb").exists())
            .max()
            .ok_or_else(|| anyhow::anyhow!("no initdb under /usr/lib/postgresql; scripts/test.sh installs PostgreSQL"))?;
        let dir = tempfile::Builder::new().prefix("millrace-pg").tempdir_in(place)?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777))?;
        let pg = Postgres { port: free_port(), dir, bin };
        let data = pg.data();
        checked(run(
            &pg.bin.join("initdb"),
            &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        ))?;
        let conf = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nwal_level = logical\nmax_wal_senders = 20\n\
             max_replication_slots = 20\nfsync = off\nfull_page_writes = off\nmax_wal_size = 4GB\nshared_buffers = 256MB\n{conf}\n",
            pg.port
        );
        let hba = "host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        for (name, text) in [("postgresql.auto.conf", conf.as_str()), ("pg_hba.conf", hba)] {
            let from = pg.dir.path().join(name);
            std::fs::write(&from, text)?;
            std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o644))?;
            checked(run(Path::new("cp"), &[&from.to_string_lossy(), &format!("{data}/{name}")]))?;
        }
        pg.up().await?;
        let client = pg.client("postgres").await?;
        for sql in ["create database src", "create database dst", "create role app login replication superuser password 'secret'"]
        {
            client.batch_execute(sql).await?;
        }
        Ok(pg)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").to_string_lossy().into_owned()
    }

    fn log_file(&self) -> String {
        format!("{}/log", self.dir.path().display())
    }

    /// What the server has logged.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.log_file())?)
    }

    /// Starts a server that was stopped.
    pub async fn up(&self) -> anyhow::Result<()> {
        let log = self.log_file();
        let mut c = run(&self.bin.join("pg_ctl"), &["-D", &self.data(), "-l", &log, "-w", "-t", "60", "start"]);
        c.stdout(Stdio::null()).stderr(Stdio::null());
        anyhow::ensure!(c.status()?.success(), "PostgreSQL did not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
        eventually("PostgreSQL answers", Duration::from_secs(30), || self.client("postgres")).await?;
        Ok(())
    }

    /// Stops the server; `immediate` is its crash.
    pub fn down(&self, immediate: bool) -> anyhow::Result<()> {
        let mode = if immediate { "immediate" } else { "fast" };
        checked(run(&self.bin.join("pg_ctl"), &["-D", &self.data(), "-m", mode, "-w", "stop"]))
    }

    pub async fn client(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        client(self.port, database).await
    }

    /// Runs statements in a database.
    pub async fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        Ok(self.client(database).await?.batch_execute(sql).await?)
    }

    /// The rows of a query as text, columns joined by `|`.
    pub async fn query(&self, database: &str, sql: &str) -> anyhow::Result<Vec<String>> {
        rows(&self.client(database).await?, sql).await
    }

    /// kill -9 of all its processes, as when its machine stops.
    pub fn kill(&self) {
        // Stopped first, it starts no further one meanwhile.
        self.signal("STOP");
        self.signal("KILL");
    }

    /// Sends a signal to the server and all of its processes.
    pub fn signal(&self, name: &str) {
        let Some(main) = self.pid() else { return };
        // Read first: nobody knows the children of one that is gone.
        let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        crate::process::signal(main, name);
        for child in children.split_whitespace().filter_map(|c| c.parse().ok()) {
            crate::process::signal(child, name);
        }
    }

    /// The server's main process, for CPU accounting of the whole server read `/proc` of its children too.
    pub fn pid(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(format!("{}/postmaster.pid", self.data())).ok()?.lines().next()?.parse().ok()?;
        // A server that was killed leaves the file behind, and the number soon is another process's.
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        command.split(|byte| *byte == 0).any(|argument| argument == self.data().as_bytes()).then_some(pid)
    }
}

/// A client of the server at a port of loopback.
pub async fn client(port: u16, database: &str) -> Result<Client, tokio_postgres::Error> {
    let conf = format!("host=127.0.0.1 port={port} user=postgres dbname={database} connect_timeout=5");
    let (client, connection) = tokio_postgres::connect(&conf, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The rows of a query as text, columns joined by `|`, null as `NULL`.
pub async fn rows(client: &Client, sql: &str) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    for m in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(r) = m {
            out.push((0..r.len()).map(|i| r.get(i).unwrap_or("NULL")).collect::<Vec<_>>().join("|"));
        }
    }
    Ok(out)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // `pg_ctl` would signal whoever has the number now.
        if self.pid().is_some() {
            let _ = self.down(true);
        }
    }
}
