//! The worker as a client sees it: start, errors, life cycle.

use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, report};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_answers_soon_and_rests_small() -> anyhow::Result<()> {
    let mut worker = Worker::start(Log::Embedded).await?;
    let (status, body) = worker.get("/").await?;
    anyhow::ensure!(status == 200 && body["version"].is_string() && body["kafka_cluster_id"].is_string(), "{status} {body}");
    report(format!("first answer after {:?}, {} MB resident", worker.ready_in, worker.process().rss() >> 20));
    let (_, plugins) = worker.get("/connector-plugins").await?;
    let classes: Vec<&str> = plugins.as_array().into_iter().flatten().filter_map(|p| p["class"].as_str()).collect();
    anyhow::ensure!(classes.iter().any(|c| c.contains("FileStreamSource")), "{classes:?}");
    anyhow::ensure!(worker.stop().await, "the worker did not stop by itself:\n{}", worker.log_tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_lives_its_life() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "one\n")?;
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines"});
    let created = worker.create("lines", config.clone()).await?;
    anyhow::ensure!(created["name"] == "lines" && created["type"] == "source", "{created}");
    worker.running("lines").await?;
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "lines", "config": config}))).await?;
    anyhow::ensure!((status, &body["message"]) == (409, &json!("Connector lines already exists")), "{status} {body}");
    for (action, code, state) in [("pause", 202, "PAUSED"), ("resume", 202, "RUNNING")] {
        let (status, _) = worker.request("PUT", &format!("/connectors/lines/{action}"), None).await?;
        anyhow::ensure!(status == code, "{action}: {status}");
        eventually(state, Duration::from_secs(20), || async {
            let (_, s) = worker.get("/connectors/lines/status").await?;
            anyhow::ensure!(s["connector"]["state"] == state && s["tasks"][0]["state"] == state, "{s}");
            Ok(())
        })
        .await?;
    }
    worker.delete("lines").await?;
    let (status, body) = worker.get("/connectors/lines").await?;
    anyhow::ensure!(status == 404 && body["message"] == "Connector lines not found", "{status} {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_named_all_at_once() -> anyhow::Result<()> {
    let worker = Worker::start(Log::Embedded).await?;
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "many"});
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "bad", "config": config}))).await?;
    let text = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(
        status == 400 && text.contains("tasks.max") && text.contains("many") && text.contains("topic"),
        "{status} {body}"
    );
    let config = json!({"connector.class": "no.such.Connector"});
    let (status, body) = worker.request("POST", "/connectors", Some(&json!({"name": "bad", "config": config}))).await?;
    anyhow::ensure!(
        status == 400 && body["message"].as_str().unwrap_or_default().contains("no.such.Connector"),
        "{status} {body}"
    );
    let (_, names) = worker.get("/connectors").await?;
    anyhow::ensure!(names == json!([]), "{names}");
    Ok(())
}
