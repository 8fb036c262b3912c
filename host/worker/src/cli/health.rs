//! `millrace health`: asks a worker over REST.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub struct Health {
    /// The worker's REST address.
    #[arg(long, default_value = "http://127.0.0.1:8083")]
    url: String,
}

const TIMEOUT: Duration = Duration::from_secs(10);

impl Health {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let unwell = super::runtime(1)?.block_on(self.ask())?;
        if unwell.is_empty() {
            println!("healthy");
            return Ok(ExitCode::SUCCESS);
        }
        for line in unwell {
            println!("{line}");
        }
        Ok(ExitCode::FAILURE)
    }

    /// What is not well, a line each.
    async fn ask(&self) -> anyhow::Result<Vec<String>> {
        let url = self.url.trim_end_matches('/');
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let get = |path: &str| client.get(format!("{url}{path}")).send();
        let unreachable = || format!("no worker answers at {url}; give its \"listeners\" address with --url");
        let answer = get("/health").await.with_context(unreachable)?;
        let (well, health) = (answer.status().is_success(), answer.json::<Value>().await.with_context(unreachable)?);
        let mut unwell = Vec::new();
        if !well {
            unwell.push(format!("worker: {}: {}", text(&health["status"]), text(&health["message"])));
            return Ok(unwell);
        }
        let answer = get("/connectors?expand=status").await.with_context(unreachable)?;
        let (well, all) = (answer.status().is_success(), answer.json::<Value>().await.with_context(unreachable)?);
        if !well {
            unwell.push(format!("worker: its connectors are not known: {}", text(&all["message"])));
            return Ok(unwell);
        }
        for (name, of) in all.as_object().into_iter().flatten() {
            let status = &of["status"];
            if status.is_null() {
                unwell.push(format!("{name}: no status yet"));
                continue;
            }
            unwell.extend(line(name, &status["connector"]));
            for task in status["tasks"].as_array().into_iter().flatten() {
                unwell.extend(line(&format!("{name}-{}", task["id"]), task));
            }
        }
        Ok(unwell)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// None: it is well. Paused and stopped is what somebody wanted.
fn line(what: &str, state: &Value) -> Option<String> {
    let name = text(&state["state"]);
    let health = &state["health"];
    if matches!(name, "RUNNING" | "PAUSED" | "STOPPED") {
        return match health["state"].as_str() {
            None | Some("ok") => None,
            Some(unwell) => Some(format!("{what}: {name}, {unwell}: {}", text(&health["cause"]))),
        };
    }
    let trace = state["trace"].as_str().map(|t| format!(": {}", t.trim_end())).unwrap_or_default();
    Some(format!("{what}: {name}{trace}"))
}
