//! A sink in Go that writes to PostgreSQL: what it puts is there once, also where the worker was killed meanwhile.

use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Postgres, Worker, eventually};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use crate::plugins_go_c::{built, worker_with};

const WITHIN: Duration = Duration::from_secs(120);
const RECORDS: usize = 5_000;

async fn produce(bootstrap: &str, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "5").create()?;
    let mut sent = Vec::new();
    for n in numbers {
        let value = json!({"n": n, "text": "it's \\ \"ü\""}).to_string();
        let record: FutureRecord<'_, str, str> = FutureRecord::to("orders").payload(&value);
        sent.push(producer.send_result(record).map_err(|(e, _)| e)?);
    }
    for delivery in sent {
        delivery.await?.map_err(|(e, _)| e)?;
    }
    Ok(())
}

/// Rows, distinct numbers, and how many have the text as it was.
async fn rows(pg: &Postgres) -> anyhow::Result<(i64, i64, i64)> {
    let text = "count(*) filter (where value->>'text' = 'it''s \\ \"ü\"')";
    let sql = format!("select count(*), count(distinct value->>'n'), {text} from orders");
    let row = pg.client("dst").await?.query_one(&sql, &[]).await?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

async fn written(pg: &Postgres, worker: &Worker, least: usize) -> anyhow::Result<()> {
    let waited = eventually("the rows are there", WITHIN, || async {
        let (all, _, _) = rows(pg).await?;
        ensure!(all >= least as i64, "{all} of {least} rows");
        Ok(())
    });
    if let Err(e) = waited.await {
        let (_, status) = worker.get("/connectors/orders/status").await?;
        anyhow::bail!("{e}\n{status:#}\n{}", worker.log_tail());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_in_go_writes_to_postgres_once() -> anyhow::Result<()> {
    let pg = Postgres::start().await?;
    let plugins = built("tests/guests/table").await?;
    let mut worker = worker_with(plugins.path(), &["table-go"]).await?;
    produce(&worker.bootstrap, 0..RECORDS).await?;
    let config = json!({
        "connector.class": "table-go", "tasks.max": "1", "topics": "orders", "table": "orders",
        "url": format!("postgresql://postgres:postgres@127.0.0.1:{}/dst", pg.port),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "consumer.override.auto.offset.reset": "earliest",
    });
    worker.create("orders", config.clone()).await?;
    written(&pg, &worker, 1).await?;
    worker.kill();
    worker.up().await?;
    produce(&worker.bootstrap, RECORDS..2 * RECORDS).await?;
    written(&pg, &worker, 2 * RECORDS).await?;
    let all = 2 * RECORDS as i64;
    ensure!(rows(&pg).await? == (all, all, all), "{:?}", rows(&pg).await?);

    // A database that refuses the plugin is named with what PostgreSQL said.
    let mut wrong = config;
    wrong["url"] = format!("postgresql://postgres:postgres@127.0.0.1:{}/none_such", pg.port).into();
    worker.create("wrong", wrong).await?;
    let status = eventually("the error is shown", WITHIN, || async {
        let (_, status) = worker.get("/connectors/wrong/status").await?;
        ensure!(status.to_string().contains("none_such"), "{status}\n{}", worker.log_tail());
        Ok(status)
    });
    status.await?;
    Ok(())
}
