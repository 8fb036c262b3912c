//! `millrace plugin bench`: what a transform costs in the sandbox, without conversion, topics and the rest of a worker.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::host::{self, Host};
use super::records::{Codec, Written};

/// Calls before anything is measured.
const WARM_UP: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub struct Bench {
    /// The component: NAME.wasm.
    file: PathBuf,
    /// Records: a case of `plugin test`, a JSON array of records, or a record a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How many records a call takes; the input is repeated.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// A setting of the transform; those of a case count where none is given.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// What a file of records holds, when it is a case.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    config: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    grants: Vec<String>,
    input: Vec<Written>,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        let mut case = read(&self.input)?;
        if case.input.is_empty() {
            bail!("{} holds no record to measure with", self.input.display());
        }
        for (key, value) in host::settings(&self.sets)? {
            case.config.insert(key, value.into());
        }
        let config = case.config.iter().map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
        let config = config.collect();

        let cache = tempfile::tempdir().context("cannot make a directory for compiled code")?;
        let host = Host::new(cache.path())?;
        let started = Instant::now();
        let plugin = host::transform(&host, &self.file)?;
        let loaded = started.elapsed();
        let batch = Codec::new(&host.schemas)?.read(case.input.iter().cycle().take(self.batch as usize))?;

        let memory = resident();
        let started = Instant::now();
        let mut transform = host.transform(&*plugin, &config, &case.grants).context("the transform refuses its settings")?;
        let configured = started.elapsed();
        let mut run = |time: Duration| -> anyhow::Result<(u64, Duration, u64, u64)> {
            let (mut calls, mut out, mut failed, started) = (0, 0, 0, Instant::now());
            while started.elapsed() < time || calls == 0 {
                let outcome = host.wait(transform.apply(&batch)).context("the transform failed on the whole batch")?;
                calls += 1;
                out += outcome.records.len() as u64;
                failed += outcome.failures.len() as u64;
            }
            Ok((calls, started.elapsed(), out, failed))
        };
        run(WARM_UP)?;
        let (calls, took, out, failed) = run(Duration::from_secs(self.seconds))?;
        let grown = resident().zip(memory).map(|(after, before)| after.saturating_sub(before));

        let records = calls * u64::from(self.batch);
        let info = plugin.info();
        println!(
            "{} {}, batches of {} records, {} bytes each",
            info.name,
            info.version,
            self.batch,
            batch.bytes().len() / batch.len()
        );
        println!("records a second   {:.0}", records as f64 / took.as_secs_f64());
        println!("time a record      {:.0} ns", took.as_nanos() as f64 / records as f64);
        println!("time a call        {:.1} us", took.as_nanos() as f64 / calls as f64 / 1e3);
        println!(
            "out, failed        {:.2} records of each that went in, {:.2} failed",
            share(out, records),
            share(failed, records)
        );
        println!("load, first start  {:.1} ms, {:.1} ms", loaded.as_secs_f64() * 1e3, configured.as_secs_f64() * 1e3);
        if let Some(grown) = grown {
            println!("memory             {} KiB more in this process than before the instance", grown / 1024);
        }
        Ok(())
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn read(file: &Path) -> anyhow::Result<Case> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let alone = |input| Case { config: Default::default(), grants: Vec::new(), input };
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map(alone)
    } else if let Ok(case) = serde_json::from_str::<Case>(&text) {
        Ok(case)
    } else {
        text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str).collect::<Result<_, _>>().map(alone)
    };
    read.with_context(|| {
        format!("{} holds no records: write a case of \"plugin test\", an array of records, or a record a line", file.display())
    })
}

/// This process's resident memory; none where the system does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_from_any_of_three_forms() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in.json");
        let count = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).map(|case| (case.input.len(), case.config.len()))
        };
        assert_eq!(count(r#"{"config": {"a": 1}, "input": [{"value": 1}], "expected": []}"#).unwrap(), (1, 1));
        assert_eq!(count(r#" [{"value": 1}, {"value": 2}]"#).unwrap(), (2, 0));
        assert_eq!(count("{\"value\": 1}\n\n{\"value\": 2}\n{\"value\": 3}\n").unwrap(), (3, 0));
        assert!(count("{\"valeu\": 1}").unwrap_err().to_string().contains("holds no records"));
    }
}
