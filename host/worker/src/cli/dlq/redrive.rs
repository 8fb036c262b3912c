//! `millrace dlq redrive`, `discard`, `jobs` and `cancel`: asks a worker over REST.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// Longer than a worker takes.
const TIMEOUT: Duration = Duration::from_secs(95);
/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Where the worker is.
#[derive(Debug)]
pub struct Access {
    pub url: String,
    /// The worker's answer is shown as it is.
    pub json: bool,
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Selection {
    /// Positions: partition and offset, such as 0-17.
    #[arg(conflicts_with_all = ["all", "filter"])]
    positions: Vec<String>,
    /// All that have no outcome.
    #[arg(long, conflicts_with = "filter")]
    all: bool,
    /// Those that fit: NAME=VALUE, such as cause=0a1b2c3d4e5f or stage=TASK_PUT; more than one must all fit.
    #[arg(long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  millrace dlq redrive orders.dlq 0-17 0-18
  millrace dlq redrive orders.dlq --all --patch mend.json --dry-run
  millrace dlq redrive orders.dlq --filter stage=TASK_PUT --rate 500 --wait

The exit code is 1 where a job that was waited for did not end well, or left dead letters that failed again.")]
pub struct Redrive {
    /// The queue's topic.
    queue: String,
    #[command(flatten)]
    selection: Selection,
    /// A JSON Patch (RFC 6902) of each record's value: a file, - is the standard input.
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// The patch is of the key.
    #[arg(long, requires = "patch")]
    key: bool,
    /// Transforms that come before the connector's own: a JSON file of Connect's settings.
    #[arg(long, value_name = "FILE")]
    transforms: Option<PathBuf>,
    /// Show what would become of the first records; nothing is written.
    #[arg(long)]
    dry_run: bool,
    /// How many records a dry run takes.
    #[arg(long, value_name = "N", requires = "dry_run")]
    limit: Option<u32>,
    /// Records a second.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// The sink, where the queue is that of several.
    #[arg(long)]
    connector: Option<String>,
    /// Who asks.
    #[arg(long)]
    by: Option<String>,
    /// Wait until the job has ended, and show how far it is.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, clap::Args)]
pub struct Discard {
    /// The queue's topic.
    queue: String,
    #[command(flatten)]
    selection: Selection,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who discards them.
    #[arg(long)]
    by: Option<String>,
    /// Wait until the job has ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, clap::Args)]
pub struct Jobs {
    /// The queue's topic.
    queue: String,
    /// One of them.
    job: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// The queue's topic.
    queue: String,
    job: String,
}

impl Selection {
    fn write(&self, body: &mut Map<String, Value>) -> anyhow::Result<()> {
        if self.all {
            body.insert("all".into(), true.into());
        } else if !self.filter.is_empty() {
            let mut filter = Map::new();
            for given in &self.filter {
                let (name, value) = given.split_once('=').with_context(|| format!("--filter {given} is not NAME=VALUE"))?;
                filter.insert(name.to_owned(), value.into());
            }
            body.insert("filter".into(), filter.into());
        } else {
            body.insert("positions".into(), json!(self.positions));
        }
        Ok(())
    }
}

fn file(path: &PathBuf, option: &str) -> anyhow::Result<Value> {
    let text = match path.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    let at = path.display();
    let text = text.with_context(|| format!("cannot read --{option} {at}"))?;
    serde_json::from_str(&text).with_context(|| format!("--{option} {at} is not JSON"))
}

impl Redrive {
    pub async fn run(self, access: &Access) -> anyhow::Result<ExitCode> {
        let mut body = Map::new();
        self.selection.write(&mut body)?;
        let mut put = |name: &str, value: Option<Value>| drop(value.map(|v| body.insert(name.to_owned(), v)));
        put("patch", self.patch.as_ref().map(|p| file(p, "patch")).transpose()?);
        put("of", self.key.then(|| "key".into()));
        put("transforms", self.transforms.as_ref().map(|p| file(p, "transforms")).transpose()?);
        put("dry_run", self.dry_run.then(|| true.into()));
        put("limit", self.limit.map(Value::from));
        put("rate", self.rate.map(Value::from));
        put("connector", self.connector.map(Value::from));
        put("by", self.by.map(Value::from));
        let answer = access.ask("POST", &self.queue, "redrive", Some(body.into())).await?;
        if self.dry_run {
            return access.show(&answer, crate::cli::transform::text);
        }
        access.made(answer, self.wait).await
    }
}

impl Discard {
    pub async fn run(self, access: &Access) -> anyhow::Result<ExitCode> {
        let mut body = Map::from_iter([("reason".to_owned(), json!(self.reason))]);
        self.selection.write(&mut body)?;
        body.extend(self.by.map(|by| ("by".to_owned(), by.into())));
        let answer = access.ask("POST", &self.queue, "discard", Some(body.into())).await?;
        access.made(answer, self.wait).await
    }
}

impl Jobs {
    pub async fn run(self, access: &Access) -> anyhow::Result<ExitCode> {
        let path = self.job.as_ref().map_or("jobs".to_owned(), |job| format!("jobs/{job}"));
        let answer = access.ask("GET", &self.queue, &path, None).await?;
        access.show(&answer, |answer| match answer["jobs"].as_array() {
            Some(jobs) => jobs.iter().map(|job| line(job) + "\n").collect(),
            None => line(answer) + "\n",
        })
    }
}

impl Cancel {
    pub async fn run(self, access: &Access) -> anyhow::Result<ExitCode> {
        let answer = access.ask("POST", &self.queue, &format!("jobs/{}/cancel", self.job), Some(json!({}))).await?;
        access.show(&answer, |job| line(job) + "\n")
    }
}

impl Access {
    async fn ask(&self, method: &str, queue: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let url = self.url.trim_end_matches('/');
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let unreachable = || format!("no worker answers at {url}; give its \"listeners\" address with --url");
        let mut request = client.request(method.parse()?, format!("{url}/dlq/{queue}/{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(unreachable)?;
        let (well, answer) = (answer.status().is_success(), answer.json::<Value>().await.with_context(unreachable)?);
        if !well {
            bail!("{}", answer["message"].as_str().unwrap_or("the worker answered an error without a message"));
        }
        Ok(answer)
    }

    fn show(&self, answer: &Value, text: impl FnOnce(&Value) -> String) -> anyhow::Result<ExitCode> {
        if self.json {
            println!("{answer:#}");
        } else {
            print!("{}", text(answer));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows a job that was made; with `wait` how far it is, until it has ended.
    async fn made(&self, mut job: Value, wait: bool) -> anyhow::Result<ExitCode> {
        let (queue, id) =
            (job["queue"].as_str().unwrap_or_default().to_owned(), job["id"].as_str().unwrap_or_default().to_owned());
        let moving = wait && !self.json && std::io::stdout().is_terminal();
        while wait && job["ended"].is_null() {
            if moving {
                // Over the line before it.
                print!("\r\x1b[2K{}", line(&job));
                std::io::stdout().flush()?;
            }
            tokio::time::sleep(LOOK).await;
            job = self.ask("GET", &queue, &format!("jobs/{id}"), None).await?;
        }
        if moving {
            print!("\r\x1b[2K");
        }
        self.show(&job, |job| line(job) + "\n")?;
        let well = job["state"] == "DONE" && job["failed_again"] == 0;
        Ok(if wait && !well { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// A job in a line.
fn line(job: &Value) -> String {
    let text = |name: &str| job[name].as_str().unwrap_or_default();
    let mut line = format!("job {} {} {}: {}", text("id"), text("what"), text("queue"), text("state"));
    line += &format!(", {} selected", job["selected"]);
    for (name, shown) in [
        ("redriven", "redriven"),
        ("filtered", "filtered"),
        ("failed_again", "failed again"),
        ("discarded", "discarded"),
        ("skipped", "skipped"),
        ("missing", "missing"),
    ] {
        if job[name].as_u64() > Some(0) {
            line += &format!(", {} {shown}", job[name]);
        }
    }
    if job["ended"].is_null() && job["records_per_second"].as_u64() > Some(0) {
        line += &format!(", {}/s", job["records_per_second"]);
    }
    for why in ["waits_for", "error"] {
        if let Some(why) = job[why].as_str() {
            line += &format!("; {}", why.lines().next().unwrap_or_default());
        }
    }
    if let Some(by) = job["by"].as_str() {
        line += &format!(" (by {by})");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_a_line() {
        let job = json!({"id": "3", "what": "redrive", "queue": "dead", "state": "RUNNING", "selected": 9, "redriven": 4,
            "filtered": 0, "failed_again": 1, "records_per_second": 120, "by": "ada", "waits_for": null, "ended": null});
        assert_eq!(line(&job), "job 3 redrive dead: RUNNING, 9 selected, 4 redriven, 1 failed again, 120/s (by ada)");
        let job = json!({"id": "3", "what": "discard", "queue": "dead", "state": "FAILED", "selected": 0, "error": "gone\nmore", "ended": 1});
        assert_eq!(line(&job), "job 3 discard dead: FAILED, 0 selected; gone");
    }
}
