//! What plugins count of their own, at `GET /metrics`: with the task it is of, for as long as that task is there.

use anyhow::ensure;
use millrace_tests::{Log, MetricsPage, Postgres, Worker, eventually, report};
use serde_json::json;

use super::postgres_evolution::{WITHIN, maybe, of, produce, sink};

const CHANGES: &str = "plugins_table_changes_total";
const REFUSALS: &str = "plugins_table_refusals_total";

pub(crate) async fn page(worker: &Worker) -> anyhow::Result<MetricsPage> {
    let answer = reqwest::get(format!("{}/metrics", worker.rest)).await?.error_for_status()?;
    MetricsPage::parse(&answer.text().await?)
}

fn of_sink(connector: &str, change: &str) -> String {
    format!("connector=\"{connector}\",task=\"0\",plugin=\"postgres-sink\"{change}")
}

/// Waits until series have these values; none: they are not there.
async fn shows(worker: &Worker, expected: &[(&str, String, Option<f64>)]) -> anyhow::Result<()> {
    eventually("the series", WITHIN, || async {
        let page = page(worker).await?;
        for (family, labels, value) in expected {
            let found = page.get(family, labels);
            let near: Vec<_> = page.families.keys().filter(|n| n.contains("_plugins_")).collect();
            ensure!(found == *value, "{family}{{{labels}}} is {found:?}, not {value:?}; of plugins there is {near:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_plugins_count_is_shown_with_its_task() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let worker = Worker::start(Log::Embedded).await?;
    let old = || json!([of("id", "int32"), of("n", "int16")]);
    let new = json!([of("id", "int32"), of("n", "int32"), maybe("a", "string"), maybe("b", "string")]);
    let records = [
        (old(), vec![json!({"id": 1, "n": 1})]),
        (new, vec![json!({"id": 2, "n": 100_000, "a": "x", "b": "y"})]),
        (old(), vec![json!({"id": 3, "n": 3})]),
    ];
    produce(&worker.bootstrap, "grown", &records).await?;
    worker.create("grows", sink(pg.port, "grown", &[])).await?;
    let strict = sink(pg.port, "grown", &[("schema.evolution", "none"), ("collection.name.format", "absent")]);
    worker.create("strict", strict).await?;
    let change = |kind: &str| of_sink("grows", &format!(",change=\"{kind}\""));
    shows(
        &worker,
        &[
            (CHANGES, change("create_table"), Some(1.0)),
            (CHANGES, change("add_column"), Some(2.0)),
            (CHANGES, change("widen_column"), Some(1.0)),
            (REFUSALS, of_sink("grows", ""), None),
            (REFUSALS, of_sink("strict", ""), Some(1.0)),
        ],
    )
    .await?;
    let page = page(&worker).await?;
    let kind = page.families.get(&format!("kafka_connect_{CHANGES}")).map(|f| f.kind.as_str());
    ensure!(kind == Some("counter"), "{kind:?}");

    // As of all of a task, totals begin again when it does, and series end with it.
    let (status, body) = worker.request("POST", "/connectors/grows/restart?includeTasks=true", None).await?;
    ensure!(status == 202, "{status} {body}");
    shows(&worker, &[(CHANGES, change("create_table"), None), (REFUSALS, of_sink("strict", ""), Some(1.0))]).await?;
    worker.running("grows").await?;
    let newer = json!([of("id", "int32"), maybe("c", "string")]);
    produce(&worker.bootstrap, "grown", &[(newer, vec![json!({"id": 4, "c": "z"})])]).await?;
    shows(&worker, &[(CHANGES, change("add_column"), Some(1.0))]).await?;
    for name in ["grows", "strict"] {
        worker.delete(name).await?;
    }
    shows(&worker, &[(CHANGES, change("add_column"), None), (REFUSALS, of_sink("strict", ""), None)]).await?;
    report("figures of plugins come and go with their tasks");
    Ok(())
}
