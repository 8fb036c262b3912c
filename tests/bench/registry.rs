//! The embedded Schema Registry: registrations and look-ups a second of 32 clients, and memory with 10,000 schemas.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::ensure;
use millrace_tests::Worker;
use rand::Rng;
use serde_json::{Value, json};

use crate::{Bench, usage};

const CLIENTS: usize = 32;
const SCHEMAS: usize = 10_000;

fn schema(n: usize) -> Value {
    let fields: Vec<_> =
        (0..10).map(|f| json!({"name": format!("field_{f}"), "type": ["null", "string"], "default": null})).collect();
    let text = json!({"type": "record", "name": format!("Orders{n}"), "namespace": "shop.public", "fields": fields});
    json!({"schema": text.to_string()})
}

fn subject(n: usize) -> String {
    format!("shop.public.orders_{n}-value")
}

pub async fn run(bench: &Bench) -> anyhow::Result<()> {
    let worker = bench.embedded_worker();
    let process = worker.process();
    println!("\n### Embedded Schema Registry, {CLIENTS} clients\n");
    let before = process.rss();
    let loaded = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| tokio::spawn(load(worker.registry.clone(), next.clone())));
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    let seconds = loaded.elapsed().as_secs_f64();
    let (after, text) = (process.rss(), schema(0)["schema"].as_str().map_or(0, str::len));
    println!("- {SCHEMAS} schemas of {text} bytes registered in {seconds:.1} s: {:.0} a second", SCHEMAS as f64 / seconds);
    println!("- resident memory before {} MB, with them {} MB", before >> 20, after >> 20);
    println!("\n| | a second | CPU-seconds of the worker a million |\n|---|---|---|");
    for (name, post) in [("GET /schemas/ids/N", false), ("POST /subjects/S (look-up)", true)] {
        let (count, seconds, cpu) = look_up(bench, worker, post).await?;
        println!("| {name} | {:.0} | {:.1} |", count as f64 / seconds, cpu * 1e6 / count as f64);
    }
    println!("\nThe clients take their share of the same processors; resident memory at the end {} MB.", process.rss() >> 20);
    Ok(())
}

async fn load(registry: String, next: Arc<AtomicUsize>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= SCHEMAS {
            return Ok(());
        }
        let answer = http.post(format!("{registry}/subjects/{}/versions", subject(n))).json(&schema(n)).send().await?;
        let (well, text) = (answer.status().is_success(), answer.text().await?);
        ensure!(well, "{text}");
    }
}

/// Answers, seconds, CPU-seconds of the worker.
async fn look_up(bench: &Bench, worker: &Worker, post: bool) -> anyhow::Result<(usize, f64, f64)> {
    let (since, cpu) = (Instant::now(), usage::cpu_seconds(worker.process().id()));
    let window = bench.plan.window();
    let clients = (0..CLIENTS).map(|_| {
        let registry = worker.registry.clone();
        tokio::spawn(async move {
            let http = reqwest::Client::new();
            let mut count = 0;
            while since.elapsed() < window {
                let n = rand::rng().random_range(0..SCHEMAS);
                let request = match post {
                    true => http.post(format!("{registry}/subjects/{}", subject(n))).json(&schema(n)),
                    false => http.get(format!("{registry}/schemas/ids/{}", n + 1)),
                };
                let answer = request.send().await?;
                let (well, text) = (answer.status().is_success(), answer.text().await?);
                ensure!(well, "{text}");
                count += 1;
            }
            Ok::<usize, anyhow::Error>(count)
        })
    });
    let mut count = 0;
    for client in clients.collect::<Vec<_>>() {
        count += client.await??;
    }
    Ok((count, since.elapsed().as_secs_f64(), usage::cpu_seconds(worker.process().id()) - cpu))
}
