//! What a call into a plugin costs, and a batch's way there and back. Prints nanoseconds a call and a record: medians, and
//! the calmest tenth, over many rounds. `MILLRACE_BENCH_PLUGIN=transform.wasm` adds a transform of your own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{Batch, RawConfig, Schemas, TaskContext, Transform, Wake};
use millrace_sandbox::{Sandbox, SandboxConfig};

#[path = "../../../tests/guests/guests.rs"]
mod guests;
mod orders;

async fn measure(name: &str, transform: &mut Box<dyn Transform>, batch: &Batch) {
    let mut rounds = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(700) {
        let calls = (20_000 / batch.len().max(1)).max(10);
        let round = Instant::now();
        for _ in 0..calls {
            transform.apply(batch).await.expect("it behaves");
        }
        rounds.push(round.elapsed().as_nanos() as f64 / calls as f64);
    }
    rounds.sort_by(f64::total_cmp);
    let (median, calm, n) = (rounds[rounds.len() / 2], rounds[rounds.len() / 10], batch.len().max(1) as f64);
    println!(
        "{name:<28} batch {:>5}  {median:>10.0} ns a call (p10 {calm:>9.0})  {:>7.1} ns a record (p10 {:>6.1})",
        batch.len(),
        median / n,
        calm / n
    );
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (sandbox, schemas) = (Sandbox::new(SandboxConfig::new(dir.path())).expect("a sandbox"), Schemas::new());
    let mut plugins: Vec<(String, PathBuf)> = Vec::new();
    for (name, guest) in [("unchanged", ""), ("rows there and back", "echo")] {
        let file = dir.path().join(format!("{guest}guest.wasm"));
        std::fs::write(&file, guests::component("transform", guest)).expect("a file");
        plugins.push((name.into(), file));
    }
    plugins.extend(std::env::var("MILLRACE_BENCH_PLUGIN").ok().map(|p| ("yours".to_owned(), p.into())));
    for (name, file) in plugins {
        let plugin = sandbox.load(&file, &schemas).await.expect("a plugin");
        let config: RawConfig = std::env::var("MILLRACE_BENCH_CONFIG")
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
            .collect();
        let ctx = TaskContext {
            connector: "bench".into(),
            task: 0,
            config,
            alias: None,
            schemas: Arc::clone(&schemas),
            wake: Wake::default(),
            grants: Vec::new(),
            services: Default::default(),
        };
        let mut transform = plugin.transform(ctx).await.expect("a transform");
        transform.configure().await.expect("it starts");
        for n in [0, 1, 100, 500, 2_000] {
            measure(&name, &mut transform, &orders::batch(&schemas, n)).await;
        }
    }
    let five_hundred = orders::batch(&schemas, 500);
    let begun = Instant::now();
    for _ in 0..1_000 {
        std::hint::black_box(Batch::check(five_hundred.bytes().clone(), &schemas).expect("a batch"));
    }
    println!(
        "of which checking an answer: {:.1} ns a record; {} bytes a record",
        begun.elapsed().as_nanos() as f64 / 500_000.0,
        five_hundred.bytes().len() / 500
    );
}
