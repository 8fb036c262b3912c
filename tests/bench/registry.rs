//! The embedded Schema Registry beside Apicurio's, taking turns: registrations and look-ups a second of 32 clients, CPU, and
//! memory with 10,000 schemas.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::Registry;
use rand::Rng;
use serde_json::{Value, json};

use crate::{Bench, usage};

const CLIENTS: usize = 32;
const SCHEMAS: usize = 10_000;
/// How long look-ups run before they are counted: a JVM compiles what is used much.
const WARM_UP: Duration = Duration::from_secs(8);

fn schema(n: usize) -> Value {
    let fields: Vec<_> =
        (0..10).map(|f| json!({"name": format!("field_{f}"), "type": ["null", "string"], "default": null})).collect();
    let text = json!({"type": "record", "name": format!("Orders{n}"), "namespace": "shop.public", "fields": fields});
    json!({"schema": text.to_string()})
}

fn subject(n: usize) -> String {
    format!("shop.public.orders_{n}-value")
}

/// A registry under measurement.
struct Side {
    name: &'static str,
    url: String,
    pid: u32,
    /// Of each schema, as it was answered.
    ids: Arc<Vec<AtomicI64>>,
    /// Look-ups a second and CPU-seconds a million of each run: by id, by schema.
    runs: [Vec<(f64, f64)>; 2],
}

impl Side {
    fn new(name: &'static str, url: &str, pid: u32) -> Side {
        let ids = Arc::new((0..SCHEMAS).map(|_| AtomicI64::new(0)).collect());
        Side { name, url: url.to_owned(), pid, ids, runs: [Vec::new(), Vec::new()] }
    }

    fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next());
        line.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) >> 10
    }

    /// Registers all of them.
    async fn load(&self) -> anyhow::Result<()> {
        let (before, cpu, since) = (self.rss(), usage::cpu_seconds(self.pid), Instant::now());
        let next = Arc::new(AtomicUsize::new(0));
        let clients = (0..CLIENTS).map(|_| tokio::spawn(register(self.url.clone(), self.ids.clone(), next.clone())));
        for client in clients.collect::<Vec<_>>() {
            client.await??;
        }
        let (seconds, cpu) = (since.elapsed().as_secs_f64(), usage::cpu_seconds(self.pid) - cpu);
        let (each, million) = (SCHEMAS as f64 / seconds, cpu * 1e6 / SCHEMAS as f64);
        println!("| {} | {each:.0} | {million:.0} | {before} | {} |", self.name, self.rss());
        Ok(())
    }

    /// Answers a second, and CPU-seconds a million.
    async fn look_up(&self, window: Duration, post: bool) -> anyhow::Result<(f64, f64)> {
        let (since, cpu) = (Instant::now(), usage::cpu_seconds(self.pid));
        let clients = (0..CLIENTS).map(|_| tokio::spawn(ask(self.url.clone(), self.ids.clone(), since, window, post)));
        let mut count = 0;
        for client in clients.collect::<Vec<_>>() {
            count += client.await??;
        }
        let count = count as f64;
        Ok((count / since.elapsed().as_secs_f64(), (usage::cpu_seconds(self.pid) - cpu) * 1e6 / count))
    }
}

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let plan = &bench.plan;
    println!("\n### Schema registries, {CLIENTS} clients, load {:.1}\n", usage::load_average());
    let mut sides = Vec::new();
    let worker = bench.embedded_worker();
    if plan.wants("Millrace, embedded registry") {
        sides.push(Side::new("Millrace, embedded registry", &worker.registry, worker.process().id()));
    }
    let apicurio = match plan.wants("Apicurio Registry") {
        true => Some(Registry::start().await?),
        false => None,
    };
    if let Some(registry) = &apicurio {
        let process = registry.process().context("Apicurio's registry has just been started")?;
        sides.push(Side::new("Apicurio Registry", &registry.url(), process.id()));
    }
    let text = schema(0)["schema"].as_str().map_or(0, str::len);
    println!("{SCHEMAS} schemas of {text} bytes, each a subject:\n");
    println!("| | registrations a second | CPU-seconds a million | resident MB before | after |\n|---|---|---|---|---|");
    for side in &sides {
        side.load().await?;
    }
    for run in 0..plan.runs {
        for side in &mut sides {
            for (kind, post) in [false, true].into_iter().enumerate() {
                if run == 0 {
                    side.look_up(WARM_UP.min(plan.window()), post).await?;
                }
                let figures = side.look_up(plan.window(), post).await?;
                side.runs[kind].push(figures);
            }
        }
    }
    println!("\n| | look-up | a second | of each run | CPU-seconds a million | resident MB |\n|---|---|---|---|---|---|");
    for side in &sides {
        for (kind, what) in ["GET /schemas/ids/N", "POST /subjects/S"].into_iter().enumerate() {
            let runs: Vec<String> = side.runs[kind].iter().map(|(each, _)| format!("{each:.0}")).collect();
            let median = |of: fn(&(f64, f64)) -> f64| {
                let mut all: Vec<f64> = side.runs[kind].iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
            };
            let (each, cpu) = (median(|f| f.0), median(|f| f.1));
            println!("| {} | {what} | {each:.0} | {} | {cpu:.1} | {} |", side.name, runs.join(", "), side.rss());
        }
    }
    println!("\nThe clients take their share of the same processors; load at the end {:.1}.", usage::load_average());
    Ok(())
}

async fn register(url: String, ids: Arc<Vec<AtomicI64>>, next: Arc<AtomicUsize>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = ids.get(n) else { return Ok(()) };
        let answer = http.post(format!("{url}/subjects/{}/versions", subject(n))).json(&schema(n)).send().await?;
        let (well, text) = (answer.status().is_success(), answer.text().await?);
        ensure!(well, "{text}");
        let answer: Value = serde_json::from_str(&text)?;
        id.store(answer["id"].as_i64().context("an id")?, Ordering::Relaxed);
    }
}

/// How many were answered.
async fn ask(url: String, ids: Arc<Vec<AtomicI64>>, since: Instant, window: Duration, post: bool) -> anyhow::Result<usize> {
    let http = reqwest::Client::new();
    let mut count = 0;
    while since.elapsed() < window {
        let n = rand::rng().random_range(0..SCHEMAS);
        let request = match post {
            true => http.post(format!("{url}/subjects/{}", subject(n))).json(&schema(n)),
            false => http.get(format!("{url}/schemas/ids/{}", ids[n].load(Ordering::Relaxed))),
        };
        let answer = request.send().await?;
        let (well, text) = (answer.status().is_success(), answer.text().await?);
        ensure!(well, "{text}");
        count += 1;
    }
    Ok(count)
}
