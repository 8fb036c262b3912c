//! What a call into a plugin costs, and a batch's way there and back. Prints nanoseconds a call and a record: medians, and
//! the calmest tenth, over many rounds. `MILLRACE_BENCH_PLUGIN=transform.wasm` adds a transform of your own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{Batch, Kind, RawConfig, Schema, Schemas, TaskContext, Transform, Wake, row};
use millrace_sandbox::{Sandbox, SandboxConfig};

#[path = "../../../tests/guests/guests.rs"]
mod guests;

const FIELDS: [(&str, Kind); 10] = [
    ("id", Kind::Int64),
    ("customer", Kind::Text),
    ("email", Kind::Text),
    ("city", Kind::Text),
    ("note", Kind::Text),
    ("amount", Kind::Float64),
    ("quantity", Kind::Int32),
    ("paid", Kind::Boolean),
    ("created", Kind::Int64),
    ("updated", Kind::Int64),
];

fn batch(schemas: &Schemas, n: usize) -> Batch {
    let schema = schemas.intern(Schema::record(FIELDS.map(|(name, kind)| (name, Schema::new(kind)))));
    let key = schemas.intern(Schema::record([("id", Schema::new(Kind::Int64))]));
    let mut out = row::BatchWriter::new();
    let topic = out.topic("shop.public.orders");
    for i in 0..n {
        out.begin(row::RecordMeta {
            topic,
            partition: Some(0),
            offset: Some(i as i64),
            timestamp: Some(1_700_000_000_000),
            key_schema: Some(key),
            value_schema: Some(schema),
        });
        let rows = out.rows();
        let value = rows.begin(FIELDS.len());
        rows.i64(value, 0, i as i64);
        rows.text(value, 1, &format!("customer number {i}"));
        rows.text(value, 2, &format!("customer.{i}@example.com"));
        rows.text(value, 3, "Saint-Germain-en-Laye");
        rows.text(value, 4, "leave it with the neighbours, the bell does not ring and the dog is friendly enough");
        rows.f64(value, 5, 99.5);
        rows.i64(value, 6, 3);
        rows.bool(value, 7, true);
        rows.i64(value, 8, 1_700_000_000_000);
        rows.i64(value, 9, 1_700_000_000_001);
        out.end_value(value);
        let row = out.rows().begin(1);
        out.rows().i64(row, 0, i as i64);
        out.end_key(row);
        out.end();
    }
    Batch::trusted(out)
}

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
            measure(&name, &mut transform, &batch(&schemas, n)).await;
        }
    }
    let five_hundred = batch(&schemas, 500);
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
