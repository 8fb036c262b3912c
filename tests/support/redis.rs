//! A Redis with a password, in memory alone.

use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::{Process, eventually, free_port};

pub struct Redis {
    pub port: u16,
    pub password: String,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Redis {
    pub async fn start() -> anyhow::Result<Redis> {
        let dir = tempfile::Builder::new().prefix("millrace-redis").tempdir()?;
        let (port, password) = (free_port(), format!("pw-{}", rand::random::<u64>()));
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--requirepass", &password]);
        command.current_dir(dir.path());
        let process =
            Process::start(command, &dir.path().join("log")).context("redis-server is missing: run scripts/setup.sh")?;
        let redis = Redis { port, password, _process: process, _dir: dir };
        eventually("Redis answers", Duration::from_secs(20), || redis.run("PING")).await?;
        Ok(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// One command without spaces in its arguments; a simple answer or a short string.
    pub async fn run(&self, command: &str) -> anyhow::Result<String> {
        let mut socket = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        socket.get_mut().write_all(format!("AUTH {}\r\n{command}\r\n", self.password).as_bytes()).await?;
        let mut line = String::new();
        socket.read_line(&mut line).await?;
        anyhow::ensure!(line == "+OK\r\n", "Redis does not let in: {line}");
        line.clear();
        socket.read_line(&mut line).await?;
        match line.trim_end().split_at_checked(1) {
            Some(("$", "-1")) => Ok(String::new()),
            Some(("$", length)) => {
                let mut bytes = vec![0; length.parse()?];
                socket.read_exact(&mut bytes).await?;
                Ok(String::from_utf8(bytes)?)
            }
            Some(("-", error)) => anyhow::bail!("{command}: {error}"),
            Some((_, answer)) => Ok(answer.to_owned()),
            None => anyhow::bail!("{command}: no answer"),
        }
    }
}
