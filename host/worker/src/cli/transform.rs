//! `millrace transform try`: asks a worker over REST to send records through a chain, with nothing written.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Subcommand)]
pub enum Transform {
    /// Show what transforms make of records: before, after, errors, times. Nothing is written.
    Try(Try),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  millrace transform try --config connector.json --topic orders --last 5
  millrace transform try --config connector.json --records samples.json

A record of --records is an object with \"key\", \"value\", \"headers\" and \"topic\", all of them optional. The exit code is 1
where a record or a transform failed.")]
pub struct Try {
    /// The configuration: a connector's JSON, with or without its name.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The records: a JSON array, or an object a line; - is the standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "topic", conflicts_with = "topic")]
    records: Option<PathBuf>,
    /// A topic whose last records are tried.
    #[arg(long)]
    topic: Option<String>,
    /// How many of them.
    #[arg(long, default_value_t = 10, value_name = "N")]
    last: u32,
    /// Show keys and values with their schemas.
    #[arg(long)]
    schemas: bool,
    /// The worker's answer as it is, for programs.
    #[arg(long)]
    json: bool,
    /// The worker's REST address.
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    url: String,
}

/// Longer than a worker takes.
const TIMEOUT: Duration = Duration::from_secs(95);

impl Transform {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Transform::Try(of) = self;
        let body = of.body()?;
        let answer = super::runtime(1)?.block_on(of.ask(&body))?;
        if of.json {
            println!("{answer:#}");
        } else {
            print!("{}", text(&answer));
        }
        let failed = !answer["error"].is_null() || list(&answer["records"]).any(|r| !r["error"].is_null());
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Try {
    fn body(&self) -> anyhow::Result<Value> {
        let at = self.config.display();
        let text = std::fs::read_to_string(&self.config).with_context(|| format!("cannot read --config {at}"))?;
        let mut config: Value = serde_json::from_str(&text).with_context(|| format!("--config {at} is not JSON"))?;
        if config["config"].is_object() {
            config = config["config"].take();
        }
        let mut body = Map::from_iter([("config".to_owned(), config), ("schemas".to_owned(), self.schemas.into())]);
        match (&self.records, &self.topic) {
            (Some(file), _) => {
                let at = file.display();
                let text = match file.to_str() {
                    Some("-") => std::io::read_to_string(std::io::stdin()),
                    _ => std::fs::read_to_string(file),
                };
                let text = text.with_context(|| format!("cannot read --records {at}"))?;
                body.insert("records".into(), records(&text).with_context(|| format!("--records {at}"))?);
            }
            (None, Some(topic)) => {
                body.insert("topic".into(), json!(topic));
                body.insert("last".into(), self.last.into());
            }
            (None, None) => bail!("there is nothing to try: give --records or --topic"),
        }
        Ok(body.into())
    }

    async fn ask(&self, body: &Value) -> anyhow::Result<Value> {
        let url = self.url.trim_end_matches('/');
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let unreachable = || format!("no worker answers at {url}; give its \"listeners\" address with --url");
        let answer = client.post(format!("{url}/transforms/try")).json(body).send().await.with_context(unreachable)?;
        let (well, answer) = (answer.status().is_success(), answer.json::<Value>().await.with_context(unreachable)?);
        if !well {
            bail!("{}", answer["message"].as_str().unwrap_or("the worker answered an error without a message"));
        }
        Ok(answer)
    }
}

/// An array, or an object a line.
fn records(text: &str) -> anyhow::Result<Value> {
    let all = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
    let mut all = all.context("it is not JSON")?;
    match &all[..] {
        [Value::Array(_)] => Ok(all.remove(0)),
        _ => Ok(all.into()),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// For a person: a block for each record, then the times.
pub fn text(answer: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let line = |out: &mut String, mark: &str, r: &Value| {
        let mut parts = vec![format!("{mark} {}", r["topic"].as_str().unwrap_or_default())];
        parts.extend(["key", "value"].iter().filter(|p| !r[**p].is_null()).map(|p| format!("{p}={}", r[*p])));
        parts.extend(list(&r["headers"]).map(|h| format!("{}:{}", h["key"].as_str().unwrap_or_default(), h["value"])));
        let _ = writeln!(out, "{}", parts.join(" "));
    };
    for record in list(&answer["records"]) {
        if let Some(position) = record["position"].as_str() {
            let _ = writeln!(out, "{position}");
        }
        if !record["before"].is_null() {
            line(&mut out, "-", &record["before"]);
        }
        list(&record["after"]).for_each(|after| line(&mut out, "+", after));
        let error = &record["error"];
        if !error.is_null() {
            let word = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            let _ = writeln!(out, "! {}: {}", word("stage"), word("message"));
        } else if list(&record["after"]).next().is_none() {
            let _ = writeln!(out, "  (dropped)");
        }
    }
    for step in list(&answer["transforms"]) {
        let (alias, class) = (step["alias"].as_str().unwrap_or_default(), step["class"].as_str().unwrap_or_default());
        let _ = writeln!(out, "{alias} ({class}): {} records, {} us", step["records"], step["micros"]);
    }
    if let Some(message) = answer["error"]["message"].as_str() {
        let _ = writeln!(out, "! {message}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_an_array_or_lines() {
        let two = json!([{"value": 1}, {"value": 2}]);
        assert_eq!(records("[{\"value\": 1}, {\"value\": 2}]").unwrap(), two);
        assert_eq!(records("{\"value\": 1}\n{\"value\": 2}\n").unwrap(), two);
        assert_eq!(records("").unwrap(), json!([]));
        assert!(records("{").is_err());
    }

    #[test]
    fn what_became_of_each_record_is_shown() {
        let answer = json!({
            "records": [
                {"before": {"topic": "t", "key": null, "value": 1}, "after": [{"topic": "t", "value": 2}]},
                {"before": {"topic": "t", "value": 3}, "after": []},
                {"error": {"stage": "VALUE_CONVERTER", "message": "no"}},
            ],
            "transforms": [{"alias": "a", "class": "A", "records": 2, "micros": 7}],
            "error": null,
        });
        let shown = "- t value=1\n+ t value=2\n- t value=3\n  (dropped)\n! VALUE_CONVERTER: no\na (A): 2 records, 7 us\n";
        assert_eq!(text(&answer), shown);
    }
}
