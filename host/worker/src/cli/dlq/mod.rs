//! `millrace dlq`: dead letter queues over REST: read, redriven and discarded.

mod redrive;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::Value;

use self::table::{Table, count, text, time};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  millrace dlq list
  millrace dlq summary orders.dlq
  millrace dlq records orders.dlq --stage VALUE_CONVERTER --from 2026-11-22T05:00:00Z
  millrace dlq show orders.dlq 0-42
  millrace dlq export orders.dlq --cause 6f0a1b2c3d4e > refused.ndjson")]
pub struct Dlq {
    #[command(subcommand)]
    command: Command,
    /// The worker's REST address.
    #[arg(long, visible_alias = "worker", global = true, default_value = "http://127.0.0.1:8083")]
    url: String,
    /// The worker's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The queues, how many records each has, and how far its index is.
    List,
    /// What is in a queue: by cause, stage, plugin, source topic, outcome and hour.
    Summary {
        queue: String,
        #[command(flatten)]
        filter: Filter,
    },
    /// The records of a queue, the newest first.
    Records {
        queue: String,
        #[command(flatten)]
        filter: Filter,
        /// The oldest first.
        #[arg(long)]
        oldest: bool,
        /// How many at most.
        #[arg(long, default_value = "20", value_name = "N")]
        limit: u32,
        /// What the page before said to go on with.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// One record in full: its bytes, what its connector's converters make of them, and why it failed.
    Show {
        queue: String,
        /// Partition and offset in the queue, such as 0-42.
        position: String,
    },
    /// Send dead letters through the sink that they failed in once more.
    Redrive(redrive::Redrive),
    /// Put dead letters away for good, with a reason.
    Discard(redrive::Discard),
    /// The jobs of a queue, or one of them.
    Jobs(redrive::Jobs),
    /// End a job behind the batch in hand.
    Cancel(redrive::Cancel),
    /// Records as lines of JSON, their bytes in base 64, to standard output.
    Export {
        queue: String,
        #[command(flatten)]
        filter: Filter,
    },
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// The id of a cause, as the summary shows it.
    #[arg(long)]
    cause: Option<String>,
    /// The stage that failed, such as VALUE_CONVERTER.
    #[arg(long)]
    stage: Option<String>,
    /// The plugin's code, or the exception's class.
    #[arg(long)]
    error: Option<String>,
    #[arg(long)]
    connector: Option<String>,
    #[arg(long)]
    plugin_version: Option<String>,
    #[arg(long)]
    source_topic: Option<String>,
    #[arg(long)]
    source_partition: Option<String>,
    /// waiting, redriven, failed-again or discarded.
    #[arg(long)]
    outcome: Option<String>,
    /// Failed then or later: 2026-11-22T05:00:00Z, or milliseconds since the epoch.
    #[arg(long)]
    from: Option<String>,
    /// Failed before then.
    #[arg(long)]
    to: Option<String>,
    /// The message has this text.
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("cause", &self.cause),
            ("stage", &self.stage),
            ("error", &self.error),
            ("connector", &self.connector),
            ("plugin_version", &self.plugin_version),
            ("source_topic", &self.source_topic),
            ("source_partition", &self.source_partition),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
            ("text", &self.text),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// How long an answer may take; an export, as long as something comes.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Dlq {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let access = redrive::Access { url: self.url.clone(), json: self.json };
        super::runtime(1)?.block_on(async {
            match self.command {
                Command::Redrive(command) => command.run(&access).await,
                Command::Discard(command) => command.run(&access).await,
                Command::Jobs(command) => command.run(&access).await,
                Command::Cancel(command) => command.run(&access).await,
                _ => self.ask().await.map(|()| ExitCode::SUCCESS),
            }
        })
    }

    async fn ask(self) -> anyhow::Result<()> {
        let path = |queue: &str, rest: &str| {
            let queue = percent_encoding::utf8_percent_encode(queue, percent_encoding::NON_ALPHANUMERIC);
            format!("/dlq/{queue}{rest}")
        };
        let (answer, shown): (Value, fn(&Value) -> String) = match &self.command {
            Command::List => (self.get("/dlq", &[]).await?, queues),
            Command::Summary { queue, filter } => (self.get(&path(queue, "/summary"), &filter.query()).await?, summary),
            Command::Records { queue, filter, oldest, limit, cursor } => {
                let mut query = filter.query();
                query.push(("limit", limit.to_string()));
                query.extend(cursor.iter().map(|c| ("cursor", c.clone())));
                if *oldest {
                    query.push(("order", "oldest".into()));
                }
                (self.get(&path(queue, "/records"), &query).await?, records)
            }
            Command::Show { queue, position } => (self.get(&path(queue, &format!("/records/{position}")), &[]).await?, record),
            Command::Redrive(_) | Command::Discard(_) | Command::Jobs(_) | Command::Cancel(_) => return Ok(()),
            Command::Export { queue, filter } => return self.export(&path(queue, "/export"), &filter.query()).await,
        };
        let text = if self.json { serde_json::to_string_pretty(&answer)? + "\n" } else { shown(&answer) };
        written(std::io::stdout().write_all(text.as_bytes()))
    }

    async fn send(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<reqwest::Response> {
        let url = self.url.trim_end_matches('/');
        let client = reqwest::Client::builder().read_timeout(TIMEOUT).no_proxy().build()?;
        let unreachable = || format!("no worker answers at {url}; give its \"listeners\" address with --url");
        let answer = client.get(format!("{url}{path}")).query(query).send().await.with_context(unreachable)?;
        if !answer.status().is_success() {
            let answer = answer.json::<Value>().await.with_context(unreachable)?;
            bail!("{}", answer["message"].as_str().unwrap_or("the worker answered an error without a message"));
        }
        Ok(answer)
    }

    async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.send(path, query).await?.json().await.context("the worker's answer is no JSON")
    }

    async fn export(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<()> {
        let mut answer = self.send(path, query).await?;
        let mut out = std::io::stdout().lock();
        let mut last = Vec::new();
        while let Some(piece) = answer.chunk().await.context("the worker ended in the midst of the export")? {
            written(out.write_all(&piece))?;
            // The last line tells whether it is whole.
            match piece.strip_suffix(b"\n").unwrap_or(&piece).iter().rposition(|b| *b == b'\n') {
                Some(at) => last = piece[at + 1..].to_vec(),
                None if last.ends_with(b"\n") => last = piece.to_vec(),
                None => last.extend_from_slice(&piece),
            }
        }
        written(out.flush())?;
        let last: Value = serde_json::from_slice(&last).unwrap_or_default();
        match last.as_object().filter(|o| o.len() == 1).and_then(|o| o.get("error")).and_then(Value::as_str) {
            Some(why) => bail!("the export is not whole: {why}"),
            None => Ok(()),
        }
    }
}

/// Whoever reads our output may have seen enough.
fn written(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

fn queues(answer: &Value) -> String {
    let mut table = Table::new(&["QUEUE", "RECORDS", "OLDEST", "NEWEST", "LAG", "CONNECTORS"]);
    let all = answer["queues"].as_array().map(Vec::as_slice).unwrap_or_default();
    for q in all {
        let connectors: Vec<_> = q["connectors"].as_array().into_iter().flatten().map(text).collect();
        let (oldest, newest) = (time(&q["oldest"]), time(&q["newest"]));
        table.row([text(&q["name"]), count(&q["records"]), oldest, newest, count(&q["lag"]), connectors.join(", ")]);
    }
    if all.is_empty() { "there are no dead letter queues\n".to_owned() } else { table.to_string() }
}

fn summary(answer: &Value) -> String {
    let mut out = format!("{}: {} records", text(&answer["name"]), count(&answer["records"]));
    if answer["lag"] != 0 {
        out.push_str(&format!(", {} more are yet to be indexed", count(&answer["lag"])));
    }
    out.push('\n');
    let each = |name: &str| answer[name].as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let mut causes = Table::new(&["CAUSE", "RECORDS", "LAST HOUR", "ERROR", "MESSAGE"]);
    for c in each("causes") {
        causes.row([text(&c["cause"]), count(&c["records"]), time(&c["last_hour"]), text(&c["error"]), text(&c["message"])]);
    }
    out.push_str(&format!("\n{causes}"));
    for (name, head, fields) in [
        ("stages", "STAGE", &["stage"][..]),
        ("plugins", "PLUGIN", &["connector", "plugin_version"]),
        ("source_topics", "SOURCE TOPIC", &["source_topic"]),
        ("outcomes", "OUTCOME", &["outcome"]),
        ("hours", "HOUR", &["hour"]),
    ] {
        let mut table = Table::new(&["RECORDS", head]);
        for row in each(name) {
            let what = fields.iter().map(|f| if *f == "hour" { time(&row[*f]) } else { text(&row[*f]) });
            table.row([count(&row["records"]), what.collect::<Vec<_>>().join(" ")]);
        }
        out.push_str(&format!("\n{table}"));
    }
    out
}

fn records(answer: &Value) -> String {
    let mut table = Table::new(&["RECORD", "FAILED AT", "OUTCOME", "STAGE", "CONNECTOR", "SOURCE", "MESSAGE"]);
    for r in answer["records"].as_array().into_iter().flatten() {
        table.row([
            format!("{}-{}", r["partition"], r["offset"]),
            time(&r["failed_at"]),
            text(&r["outcome"]),
            text(&r["stage"]),
            text(&r["connector"]),
            format!("{}-{}@{}", text(&r["source_topic"]), text(&r["source_partition"]), text(&r["source_offset"])),
            text(&r["message"]),
        ]);
    }
    match answer["next"].as_str() {
        Some(next) => format!("{table}there are more: --cursor {next}\n"),
        None => table.to_string(),
    }
}

fn record(r: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() && value != "-" {
            out.push_str(&format!("{name:<15} {value}\n"));
        }
    };
    let bytes = |v: &Value| match (v["text"].as_str(), v["base64"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (_, Some(base64)) => format!("base64:{base64}"),
        _ => "null".to_owned(),
    };
    line("record", format!("{}-{}", r["partition"], r["offset"]));
    line("outcome", text(&r["outcome"]));
    for (name, field) in [("outcome by", "by"), ("outcome reason", "reason")] {
        line(name, text(&r["outcome_detail"][field]));
    }
    line("cause", text(&r["cause"]));
    line("key", bytes(&r["key"]));
    line("value", bytes(&r["value"]));
    for part in ["key", "value"] {
        if !r["decoded"][part].is_null() {
            line(&format!("decoded {part}"), r["decoded"][part].to_string());
        }
    }
    for error in r["decoded"]["errors"].as_array().into_iter().flatten() {
        line("not decoded", format!("{}: {}", text(&error["stage"]), text(&error["message"])));
    }
    for h in r["headers"].as_array().into_iter().flatten() {
        let name = text(&h["name"]);
        if !name.starts_with("__connect.errors.") && !name.starts_with("dlq.") {
            line("header", format!("{name}: {}", bytes(&h["value"])));
        }
    }
    for f in r["failures"].as_array().into_iter().flatten() {
        line("failed at", format!("{} {}", text(&f["stage"]), time(&f["failed_at"])));
        line("  connector", format!("{} {}", text(&f["connector"]), text(&f["plugin_version"])));
        let (topic, partition, offset) = (&f["source_topic"], &f["source_partition"], &f["source_offset"]);
        line("  source", format!("{}-{}@{}", text(topic), text(partition), text(offset)));
        line("  error", text(&f["error"]));
        line("  message", text(&f["message"]));
        line("  trace", text(&f["stacktrace"]).replace('\n', "\n                "));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_tables() {
        let queue = json!({"name": "q", "records": 12, "oldest": 1_795_323_600_000_i64, "newest": null, "lag": 0, "connectors": ["a", "b"]});
        let text = queues(&json!({"queues": [queue]}));
        assert_eq!(
            text,
            "QUEUE  RECORDS  OLDEST                NEWEST  LAG  CONNECTORS\nq           12  2026-11-22T05:00:00Z  -         0  a, b\n"
        );
        let row = json!({"partition": 0, "offset": 7, "failed_at": null, "outcome": "waiting", "stage": null, "connector": "c",
            "source_topic": "t", "source_partition": 1, "source_offset": 2, "message": "no"});
        let text = records(&json!({"records": [row], "next": "bn"}));
        assert!(
            text.contains("0-7     -          waiting  -      c          t-1@2   no\nthere are more: --cursor bn\n"),
            "{text}"
        );
    }

    #[test]
    fn a_record_shows_its_bytes_and_why_it_failed() {
        let failure = json!({"stage": "TASK_PUT", "message": "no", "stacktrace": "a\nb", "connector": "c", "source_topic": "t",
            "source_partition": 0, "source_offset": 9});
        let text = record(&json!({"partition": 0, "offset": 7, "outcome": "waiting", "key": {"base64": "AP8="}, "value": null,
            "headers": [{"name": "h", "value": {"text": "1"}}], "failures": [failure], "decoded": {"key": null, "value": {"a": 1}}}));
        for line in [
            "key             base64:AP8=",
            "value           null",
            "decoded value   {\"a\":1}",
            "header          h: 1",
            "  source        t-0@9",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
