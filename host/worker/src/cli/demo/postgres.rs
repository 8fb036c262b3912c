//! A private PostgreSQL from the machine's own programs: on loopback, in a directory of its own, gone when it is dropped.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Who runs the server when we are root, which it refuses to be.
const USER: &str = "postgres";

pub struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    pub port: u16,
}

impl Postgres {
    pub fn start(dir: &Path, port: u16) -> anyhow::Result<Self> {
        let home = dir.join("pg");
        std::fs::create_dir(&home)?;
        if is_root() {
            // The server's user passes through our directory, and owns its own in it.
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711))?;
            run(Command::new("chown").arg(USER).arg(&home))?;
        }
        let server = Postgres { programs: programs()?, data: home.join("data"), port };
        let (data, log) = (server.data.display().to_string(), home.join("log").display().to_string());
        run(server.server_command("initdb").args(["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]))?;
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c wal_level=logical");
        run(server.server_command("pg_ctl").args(["-D", &data, "-l", &log, "-w", "-o", &options, "start"]))?;
        Ok(server)
    }

    /// The answer to a statement, without decoration: columns parted by `|`.
    pub fn sql(&self, database: &str, statement: &str) -> anyhow::Result<String> {
        let port = self.port.to_string();
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-XAtqc",
            statement,
        ]);
        run(psql.process_group(0))
    }

    /// A program of the server's, which refuses to run as root: then it runs as the user postgres.
    fn server_command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // Ctrl-C is for us; we stop it.
        command.current_dir("/").process_group(0);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data.display().to_string();
        let _ = run(self.server_command("pg_ctl").args(["-D", &data, "-m", "fast", "-w", "stop"]));
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

/// Where PostgreSQL's programs are: the newest that Debian has, else those on PATH.
fn programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|v| Some((v.file_name().to_str()?.parse::<u32>().ok()?, v.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    if let Some((_, bin)) = newest {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|p| p.join("initdb").exists());
    found.context("PostgreSQL's programs are not on this machine (initdb): install them, as with apt-get install postgresql")
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = format!("{:?}", command.get_program());
    // A server that goes on must not hold our ends of pipes open.
    let to_file = command.get_args().any(|a| a == "start");
    command.stdin(Stdio::null());
    if to_file {
        let status =
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().with_context(|| format!("cannot run {name}"))?;
        ensure!(status.success(), "PostgreSQL did not start ({status})");
        return Ok(String::new());
    }
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
