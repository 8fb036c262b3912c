//! Clients that hang up before they are answered: what they asked for is done to its end or not at all, and nothing is left in
//! between.

use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Log, Worker};
use rand::Rng;
use serde_json::{Value, json};

use crate::dlq_redrive::{dead, job, mended, outcomes, reached, rows};

const TIMES: usize = 80;
const AT_ONCE: usize = 4;
/// In powers of ten, in milliseconds: a request lasts for a few, or for hundreds where a worker has something to make first.
const HANG_UP_AFTER: std::ops::Range<f64> = 0.0..2.7;
/// By then what was sent before a client hung up has reached the worker, and is done.
const STILL_ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Asks, and is gone before or while it is answered.
async fn ask_and_hang_up(worker: &Worker, method: &str, path: &str, body: &Value) {
    let after = Duration::from_secs_f64(10f64.powf(rand::rng().random_range(HANG_UP_AFTER)) / 1e3);
    // Dropped, a request closes its connection.
    let _ = tokio::time::timeout(after, worker.request(method, path, Some(body))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_nobody_waited_for_end_as_any_other() -> anyhow::Result<()> {
    let (pg, mut worker) = dead(Log::Embedded, 2 * TIMES, &[]).await?;
    mended(&pg).await?;
    // The first job makes the topic of jobs.
    job(&worker, "discard", json!({"positions": ["0-0"], "reason": "no use"})).await?;
    // Each asks for a letter of its own: what is settled makes no job.
    for i in (1..TIMES).step_by(AT_ONCE) {
        let asked = (i..TIMES.min(i + AT_ONCE)).map(|at| {
            let worker = &worker;
            async move { ask_and_hang_up(worker, "POST", "/dlq/dead/redrive", &json!({"positions": [format!("0-{at}")]})).await }
        });
        futures::future::join_all(asked).await;
    }
    // It is behind all that were made.
    tokio::time::sleep(STILL_ON_ITS_WAY).await;
    let last = job(&worker, "redrive", json!({"all": true})).await?;
    reached(&worker, &last, "DONE").await?;
    let (_, all) = worker.get("/dlq/dead/jobs").await?;
    let all = all["jobs"].as_array().cloned().unwrap_or_default();
    // Some hang up before they are heard.
    ensure!(all.len() > TIMES / 2, "{} jobs", all.len());
    ensure!(all.iter().all(|job| job["state"] == "DONE"), "{all:?}\n{}", worker.log_tail());
    let of = outcomes(&worker).await?;
    ensure!(of.len() == TIMES && of.values().all(|o| o.len() == 1), "{of:?}");
    ensure!(rows(&pg).await?.len() == 2 * TIMES - 1);
    // None that the worker had written and did not know of.
    worker.kill();
    worker.up().await?;
    let (_, again) = worker.get("/dlq/dead/jobs").await?;
    ensure!(again["jobs"].as_array() == Some(&all), "{again} after {all:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_nobody_waited_for_is_the_same_after_a_restart() -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("lines");
    std::fs::write(&file, "one\n")?;
    let config = |n: usize| json!({"connector.class": "FileStreamSource", "file": file, "topic": format!("lines{n}")});
    worker.create("c0", config(0)).await?;
    for i in 0..TIMES {
        ask_and_hang_up(&worker, "PUT", &format!("/connectors/c{}/config", i % 3), &config(i)).await;
        if i % 7 == 0 {
            ask_and_hang_up(&worker, "DELETE", &format!("/connectors/c{}", i % 3), &Value::Null).await;
        }
    }
    tokio::time::sleep(STILL_ON_ITS_WAY).await;
    let (_, before) = worker.get("/connectors?expand=info").await?;
    ensure!(before.as_object().is_some_and(|all| !all.is_empty()), "{before}");
    worker.kill();
    worker.up().await?;
    let (_, after) = worker.get("/connectors?expand=info").await?;
    ensure!(after == before, "{after}\nwas\n{before}");
    Ok(())
}
