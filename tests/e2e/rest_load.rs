//! Many requests at once, and many connectors at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use millrace_tests::{Log, Worker, eventually, report};
use serde_json::{Value, json};

const CLIENTS: usize = 32;
const REQUESTS: usize = 1_000;
const CONNECTORS: usize = 1_000;
/// What a registered connector with its running task may take of resident memory.
const BYTES_PER_CONNECTOR_MAX: u64 = 1 << 20;

fn settings(file: &Path) -> Value {
    json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines"})
}

/// Runs `CLIENTS` at a time until `work` has been called for each of `n`.
async fn at_once<F: Future<Output = anyhow::Result<()>> + Send>(
    n: usize,
    work: impl Fn(usize) -> F + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let (next, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (next, work) = (next.clone(), work.clone());
            async move {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n {
                        return Ok(());
                    }
                    work(i).await?;
                }
            }
        })
        .collect();
    futures::future::try_join_all(clients).await.map(|_: Vec<()>| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mixed_requests_from_many_clients_leave_nothing_behind() -> anyhow::Result<()> {
    let worker = Arc::new(Worker::start(Log::Embedded).await?);
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let config = settings(&file);
    // Compiled once, when it is first asked for; from then on it comes out of the cache.
    let validate = "/connector-plugins/FileStreamSource/config/validate";
    let (status, body) = worker.request("PUT", validate, Some(&config)).await?;
    anyhow::ensure!(status == 200, "{status} {body}");
    let times = Arc::new(std::sync::Mutex::new(Vec::with_capacity(REQUESTS)));
    // Each round validates twice, creates and deletes: four requests.
    let (w, t) = (worker.clone(), times.clone());
    at_once(REQUESTS / 4, move |i| {
        let (w, t, config) = (w.clone(), t.clone(), config.clone());
        async move {
            let name = format!("load-{i}");
            let mut named = config.clone();
            named["name"] = name.clone().into();
            let mut wrong = named.clone();
            wrong["tasks.max"] = "many".into();
            let one = format!("/connectors/{name}");
            let timed = async |method: &str, path: &str, body: Option<&Value>| {
                let started = Instant::now();
                let answer = w.request(method, path, body).await?;
                t.lock().expect("no one panics").push(started.elapsed());
                Ok::<_, anyhow::Error>(answer)
            };
            let (status, body) = timed("PUT", validate, Some(&named)).await?;
            anyhow::ensure!(status == 200 && body["error_count"] == 0, "validate: {status} {body}");
            let (status, body) = timed("PUT", validate, Some(&wrong)).await?;
            anyhow::ensure!(status == 200 && body["error_count"].as_u64() > Some(0), "validate wrong: {status} {body}");
            let (status, body) = timed("POST", "/connectors", Some(&json!({"name": name, "config": config}))).await?;
            anyhow::ensure!(status == 201, "create: {status} {body}");
            let (status, body) = timed("DELETE", &one, None).await?;
            anyhow::ensure!(status == 204, "delete: {status} {body}");
            Ok(())
        }
    })
    .await?;
    let (status, left) = worker.get("/connectors").await?;
    anyhow::ensure!(status == 200 && left == json!([]), "left behind: {left}");
    let mut times = std::mem::take(&mut *times.lock().expect("no one panics"));
    times.sort();
    anyhow::ensure!(times.len() == REQUESTS, "{} requests", times.len());
    report(format!(
        "{REQUESTS} requests from {CLIENTS} clients: median {:?}, p99 {:?}",
        times[REQUESTS / 2],
        times[REQUESTS * 99 / 100]
    ));
    Ok(())
}

async fn all_running(worker: &Worker) -> anyhow::Result<()> {
    eventually("every connector and its task are RUNNING", Duration::from_secs(180), || async {
        let (_, all) = worker.get("/connectors?expand=status").await?;
        let all = all.as_object().context("a map")?;
        let runs = |s: &&Value| s["status"]["connector"]["state"] == "RUNNING" && s["status"]["tasks"][0]["state"] == "RUNNING";
        let running = all.values().filter(runs).count();
        let other = all.values().find(|s| !runs(s)).cloned().unwrap_or_default();
        anyhow::ensure!(running == CONNECTORS, "{running} of {}; one of the others: {other}", all.len());
        Ok::<_, anyhow::Error>(())
    })
    .await
}

/// Threads and open files.
fn counts(pid: u32) -> anyhow::Result<(usize, usize)> {
    let of = |what: &str| anyhow::Ok(std::fs::read_dir(format!("/proc/{pid}/{what}"))?.count());
    Ok((of("task")?, of("fd")?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connectors_take_less_than_a_megabyte_each() -> anyhow::Result<()> {
    let worker = Arc::new(Worker::start(Log::Embedded).await?);
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    // One of them first: what all share is not counted to each.
    worker.create("many-0", settings(&file)).await?;
    worker.running("many-0").await?;
    let pid = worker.process().id();
    let (before, started) = (worker.process().rss(), Instant::now());
    let (w, config) = (worker.clone(), settings(&file));
    at_once(CONNECTORS - 1, move |i| {
        let (w, config) = (w.clone(), config.clone());
        async move { w.create(&format!("many-{}", i + 1), config).await.map(|_| ()) }
    })
    .await?;
    all_running(&worker).await?;
    let took = started.elapsed();
    let after = worker.process().rss();
    let each = after.saturating_sub(before) / (CONNECTORS as u64 - 1);
    let (threads, files) = counts(pid)?;
    report(format!(
        "{CONNECTORS} connectors: all RUNNING after {took:?}; {} KiB of memory each; {threads} threads, {files} files",
        each >> 10
    ));
    anyhow::ensure!(each < BYTES_PER_CONNECTOR_MAX, "{each} bytes of memory per connector");
    // There is room for more work beside them.
    let mut named = settings(&file);
    named["name"] = "one-more".into();
    let (status, body) = worker.request("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(&named)).await?;
    anyhow::ensure!(status == 200 && body["error_count"] == 0, "validate beside {CONNECTORS}: {status} {body}");

    let started = Instant::now();
    let w = worker.clone();
    at_once(CONNECTORS, move |i| {
        let w = w.clone();
        async move { w.delete(&format!("many-{i}")).await }
    })
    .await?;
    report(format!("deleted in {:?}", started.elapsed()));
    eventually("deleted connectors give their memory back", Duration::from_secs(60), || async {
        let left = worker.process().rss().saturating_sub(before);
        anyhow::ensure!(left < (after - before) / 2, "{} MiB of {} MiB are kept", left >> 20, (after - before) >> 20);
        let (threads, _) = counts(pid)?;
        anyhow::ensure!(threads < 100, "{threads} threads");
        Ok::<_, anyhow::Error>(())
    })
    .await?;
    report(format!(
        "memory kept after: {} MiB of {} MiB",
        worker.process().rss().saturating_sub(before) >> 20,
        (after - before) >> 20
    ));
    Ok(())
}
