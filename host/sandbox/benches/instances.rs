//! How soon a cached component takes records, and what each of a thousand instances of it keeps in memory.
//!
//! Arguments: files of transforms. `MILLRACE_BENCH_CONFIG` has their settings, as `key=value` with blanks between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{Plugin, RawConfig, Schemas, TaskContext, Transform, Wake};
use millrace_sandbox::{Sandbox, SandboxConfig};

mod orders;

const INSTANCES: usize = 1_000;
const STARTS: usize = 30;
/// Records of the batches that each instance is given.
const BATCHES: [usize; 2] = [10, 500];

fn context(schemas: &Arc<Schemas>, task: usize) -> TaskContext {
    let settings = std::env::var("MILLRACE_BENCH_CONFIG").unwrap_or_else(|_| "field=email".into());
    let config: RawConfig =
        settings.split_whitespace().filter_map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    TaskContext {
        connector: "bench".into(),
        task: task as u32,
        config,
        alias: None,
        schemas: Arc::clone(schemas),
        wake: Wake::default(),
        grants: Vec::new(),
        services: Default::default(),
    }
}

async fn started(plugin: &Arc<dyn Plugin>, schemas: &Arc<Schemas>, task: usize) -> Box<dyn Transform> {
    let mut transform = plugin.transform(context(schemas, task)).await.expect("a transform");
    transform.configure().await.expect("it is configured");
    transform
}

/// The memory that is this process's alone, in bytes: what its instances have written.
fn private() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux says what memory a process has");
    let kb = rollup.lines().find_map(|l| l.strip_prefix("Private_Dirty:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kb.expect("Private_Dirty in kB") * 1024
}

/// From the file to the first batch, everything that a worker's start has done before left out: least, median and worst.
async fn cold(file: &Path, cache: &Path) -> [(&'static str, [Duration; 3]); 3] {
    let mut times = [const { Vec::new() }; 3];
    // The first start compiles.
    for start in 0..=STARTS {
        let (sandbox, schemas) = (Sandbox::new(SandboxConfig::new(cache)).expect("a sandbox"), Schemas::new());
        let begun = Instant::now();
        let plugin = sandbox.load(file, &schemas).await.expect("a plugin");
        let loaded = begun.elapsed();
        let transform = started(&plugin, &schemas, 0).await;
        let all = begun.elapsed();
        if start > 0 {
            times[0].push(loaded);
            times[1].push(all - loaded);
            times[2].push(all);
        }
        drop(transform);
    }
    let [load, start, both] = times.map(|mut t| {
        t.sort();
        [t[0], t[t.len() / 2], t[t.len() - 1]]
    });
    [("load from the cache", load), ("instantiate and configure", start), ("cold start, both", both)]
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files: Vec<PathBuf> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).map(PathBuf::from).collect();
    assert!(!files.is_empty(), "name the files of transforms to measure");
    for file in files {
        println!("{}, {} KB", file.display(), std::fs::metadata(&file).map_or(0, |m| m.len() / 1024));
        for (what, times) in cold(&file, dir.path()).await {
            let [least, median, worst] = times.map(|d| d.as_secs_f64() * 1e3);
            println!("  {what:<28} {least:>8.2} ms least, {median:>8.2} ms median, {worst:>8.2} ms worst of {STARTS}");
        }
        let (sandbox, schemas) = (Sandbox::new(SandboxConfig::new(dir.path())).expect("a sandbox"), Schemas::new());
        let plugin = sandbox.load(&file, &schemas).await.expect("a plugin");
        // What the first instance needs once is not of each.
        let mut first = started(&plugin, &schemas, 0).await;
        first.apply(&orders::batch(&schemas, 10)).await.expect("it behaves");
        millrace_sandbox::give_back_memory();
        let before = private();
        let begun = Instant::now();
        let mut all = Vec::with_capacity(INSTANCES);
        for task in 0..INSTANCES {
            all.push(started(&plugin, &schemas, task).await);
        }
        let took = begun.elapsed();
        let each = |before: u64| (private().saturating_sub(before)) as f64 / INSTANCES as f64 / 1024.0;
        println!("  {INSTANCES} instances started in {took:.0?}");
        println!("  memory of each, configured                 {:>8.1} KB", each(before));
        for records in BATCHES {
            let batch = orders::batch(&schemas, records);
            for transform in &mut all {
                transform.apply(&batch).await.expect("it behaves");
            }
            println!("  memory of each, after {records:>4} records a batch {:>8.1} KB", each(before));
        }
        for mut transform in all {
            transform.close().await;
        }
    }
}
