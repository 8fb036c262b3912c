//! `GET /metrics`: every attribute of Kafka Connect's groups is there, and counts what happens.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Connect, Kafka, Log, MetricsPage, Worker, eventually, jars, root};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// The groups and their attributes, as a Kafka Connect 4.3.1 with a source and a sink lists its beans: group, labels, names.
/// Those of classes and versions of a task's parts are left out; the lag of a sink is documented, and not a bean of 4.3.1.
const CONNECT: &[(&str, &[&str], &str)] = &[
    ("connector-metrics", &["src", "snk"], "connector-class connector-type connector-version status"),
    (
        "connector-task-metrics",
        &["src", "snk"],
        "batch-size-avg batch-size-max offset-commit-avg-time-ms offset-commit-failure-percentage offset-commit-max-time-ms \
         offset-commit-success-percentage pause-ratio running-ratio status",
    ),
    (
        "sink-task-metrics",
        &["snk"],
        "offset-commit-completion-rate offset-commit-completion-total offset-commit-seq-no offset-commit-skip-rate \
         offset-commit-skip-total partition-count put-batch-avg-time-ms put-batch-max-time-ms sink-record-active-count \
         sink-record-active-count-avg sink-record-active-count-max sink-record-read-rate sink-record-read-total \
         sink-record-send-rate sink-record-send-total sink-record-lag-max",
    ),
    (
        "source-task-metrics",
        &["src"],
        "poll-batch-avg-time-ms poll-batch-max-time-ms source-record-active-count source-record-active-count-avg \
         source-record-active-count-max source-record-poll-rate source-record-poll-total source-record-write-rate \
         source-record-write-total",
    ),
    (
        "task-error-metrics",
        &["src", "snk"],
        "deadletterqueue-produce-failures deadletterqueue-produce-requests last-error-timestamp total-errors-logged \
         total-record-errors total-record-failures total-records-skipped total-retries",
    ),
    (
        "connect-worker-metrics",
        &["src", "snk"],
        "connector-destroyed-task-count connector-failed-task-count connector-paused-task-count \
         connector-restarting-task-count connector-running-task-count connector-total-task-count \
         connector-unassigned-task-count",
    ),
    (
        "connect-worker-metrics",
        &[],
        "connector-count connector-startup-attempts-total connector-startup-failure-percentage \
         connector-startup-failure-total connector-startup-success-percentage connector-startup-success-total task-count \
         task-startup-attempts-total task-startup-failure-percentage task-startup-failure-total \
         task-startup-success-percentage task-startup-success-total",
    ),
    (
        "connect-worker-rebalance-metrics",
        &[],
        "completed-rebalances-total connect-protocol epoch leader-name rebalance-avg-time-ms rebalance-max-time-ms \
         rebalancing time-since-last-rebalance-ms",
    ),
];

struct Scene {
    worker: Worker,
}

impl Scene {
    async fn page(&self) -> anyhow::Result<MetricsPage> {
        let answer = reqwest::get(format!("{}/metrics", self.worker.rest)).await?.error_for_status()?;
        MetricsPage::parse(&answer.text().await?)
    }

    /// Waits until series have these values: family, labels, value.
    async fn shows(&self, expected: &[(&str, &str, f64)]) -> anyhow::Result<()> {
        eventually(&format!("{expected:?}"), WITHIN, || async {
            let page = self.page().await?;
            for (family, labels, value) in expected {
                let found = page.get(family, labels);
                ensure!(found == Some(*value), "{family}{{{labels}}} is {found:?}, not {value}");
            }
            Ok::<_, anyhow::Error>(())
        })
        .await
    }

    async fn put(&self, path: &str) -> anyhow::Result<()> {
        let (status, body) = self.worker.request("PUT", path, None).await?;
        ensure!(status == 202 || status == 204, "PUT {path}: {status} {body}");
        Ok(())
    }

    /// 100 lines of JSON and three that are none, read by `src` and written by `snk`.
    async fn start() -> anyhow::Result<Scene> {
        let worker = Worker::start(Log::Embedded).await?;
        let scene = Scene { worker };
        let from = scene.worker.dir().join("in.txt");
        let lines: String = (0..103).map(|n| if n % 50 == 1 { format!("not json {n}\n") } else { format!("{n}\n") }).collect();
        std::fs::write(&from, lines)?;
        let source = json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": "lines",
            "key.converter": STRING, "value.converter": STRING,
        });
        scene.worker.create("src", source).await?;
        scene.worker.create("snk", scene.sink("snk.txt", &[("errors.tolerance", "all"), QUEUE])).await?;
        Ok(scene)
    }

    fn sink(&self, file: &str, more: &[(&str, &str)]) -> Value {
        let mut config = json!({
            "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "lines",
            "file": self.worker.dir().join(file), "key.converter": STRING,
            "value.converter": JSON, "value.converter.schemas.enable": "false", "errors.log.enable": "true",
        });
        for (key, value) in more {
            config[*key] = json!(value);
        }
        config
    }
}

const QUEUE: (&str, &str) = ("errors.deadletterqueue.topic.name", "dead");

const SRC: &str = "connector=\"src\",task=\"0\"";
const SNK: &str = "connector=\"snk\",task=\"0\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attribute_of_connects_groups_is_there() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    scene.shows(&[("sink_task_metrics_sink_record_read_total", SNK, 103.0)]).await?;
    let page = scene.page().await?;
    for (group, connectors, attributes) in CONNECT {
        for attribute in attributes.split_whitespace() {
            let name = format!("kafka_connect_{group}_{attribute}").replace('-', "_");
            let family = page.families.get(&name).ok_or_else(|| anyhow::anyhow!("no {name}"))?;
            let kind = if attribute.ends_with("-total") || attribute.starts_with("total-") { "counter" } else { "gauge" };
            ensure!(
                family.kind == kind || attribute.starts_with("deadletterqueue") && family.kind == "counter",
                "{name} is a {}",
                family.kind
            );
            let mut with: Vec<_> =
                family.series.keys().filter_map(|l| Some(l.strip_prefix("connector=\"")?.split_once('"')?.0)).collect();
            with.sort_by_key(|c| std::cmp::Reverse(*c));
            ensure!(with == *connectors, "{name} has series of {with:?}, not of {connectors:?}");
        }
    }
    let started = page.families.get("kafka_connect_app_info_start_time_ms").and_then(|f| f.series.values().next().copied());
    ensure!(started.is_some_and(|ms| ms > 1.7e12), "{started:?}");
    let app = page.families.get("kafka_connect_app_info").map(|f| f.series.keys().cloned().collect::<Vec<_>>());
    ensure!(app.as_ref().is_some_and(|a| a.len() == 2 && a[1].contains("version=\"")), "{app:?}");
    // Those that are not Connect's.
    let docs = std::fs::read_to_string(root().join("docs/metrics.md"))?;
    for name in page.families.keys().filter(|n| n.starts_with("millrace_")) {
        ensure!(docs.contains(&format!("`{name}`")), "{name} is not in docs/metrics.md");
    }
    // Whatever a scraper asks for, this is what it gets.
    let http = reqwest::Client::new();
    for accept in ["text/plain; version=0.0.4", "application/openmetrics-text", "*/*"] {
        let answer = http.get(format!("{}/metrics", scene.worker.rest)).header("Accept", accept).send().await?;
        ensure!(answer.status() == 200, "{accept}: {}", answer.status());
        let kind = answer.headers().get("content-type").and_then(|t| t.to_str().ok()).map(str::to_owned);
        ensure!(kind.as_deref() == Some("text/plain; version=0.0.4; charset=utf-8"), "{accept}: {kind:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_errors_and_commits_are_counted() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let source = [
        ("source_task_metrics_source_record_poll_total", SRC, 103.0),
        ("source_task_metrics_source_record_write_total", SRC, 103.0),
        ("source_task_metrics_source_record_active_count", SRC, 0.0),
        ("connector_task_metrics_offset_commit_success_percentage", SRC, 1.0),
        ("task_error_metrics_total_record_errors", SRC, 0.0),
    ];
    let sink = [
        ("sink_task_metrics_sink_record_read_total", SNK, 103.0),
        ("sink_task_metrics_sink_record_send_total", SNK, 100.0),
        ("sink_task_metrics_sink_record_active_count", SNK, 0.0),
        ("sink_task_metrics_sink_record_lag_max", SNK, 0.0),
        ("sink_task_metrics_partition_count", SNK, 1.0),
        ("connector_task_metrics_offset_commit_success_percentage", SNK, 1.0),
        ("connector_task_metrics_offset_commit_failure_percentage", SNK, 0.0),
        ("task_error_metrics_total_record_errors", SNK, 3.0),
        ("task_error_metrics_total_record_failures", SNK, 3.0),
        ("task_error_metrics_total_records_skipped", SNK, 3.0),
        ("task_error_metrics_total_errors_logged", SNK, 3.0),
        ("task_error_metrics_deadletterqueue_produce_requests", SNK, 3.0),
        ("task_error_metrics_deadletterqueue_produce_failures", SNK, 0.0),
    ];
    scene.shows(&source).await?;
    scene.shows(&sink).await?;
    let page = scene.page().await?;
    let at_least = |family: &str, labels: &str, least: f64| {
        let found = page.get(family, labels).unwrap_or(f64::NAN);
        ensure!(found >= least, "{family}{{{labels}}} is {found}, which is less than {least}");
        Ok(())
    };
    at_least("task_error_metrics_last_error_timestamp", SNK, 1.7e12)?;
    at_least("sink_task_metrics_offset_commit_completion_total", SNK, 1.0)?;
    at_least("sink_task_metrics_offset_commit_completion_rate", SNK, 1.0 / 60.0)?;
    at_least("sink_task_metrics_offset_commit_seq_no", SNK, 1.0)?;
    at_least("sink_task_metrics_sink_record_read_rate", SNK, 1.0)?;
    at_least("sink_task_metrics_sink_record_send_rate", SNK, 1.0)?;
    at_least("sink_task_metrics_sink_record_active_count_max", SNK, 1.0)?;
    at_least("sink_task_metrics_put_batch_max_time_ms", SNK, 0.0)?;
    at_least("source_task_metrics_source_record_poll_rate", SRC, 1.0)?;
    at_least("source_task_metrics_source_record_write_rate", SRC, 1.0)?;
    at_least("source_task_metrics_source_record_active_count_max", SRC, 1.0)?;
    at_least("source_task_metrics_poll_batch_avg_time_ms", SRC, 0.0)?;
    for labels in [SRC, SNK] {
        at_least("connector_task_metrics_batch_size_max", labels, 1.0)?;
        at_least("connector_task_metrics_batch_size_avg", labels, 0.5)?;
        at_least("connector_task_metrics_offset_commit_max_time_ms", labels, 0.0)?;
        at_least("connector_task_metrics_offset_commit_avg_time_ms", labels, 0.0)?;
        at_least("connector_task_metrics_running_ratio", labels, 0.01)?;
    }
    let state = |kind: &str| format!("connector=\"snk\",{kind}");
    for (family, label) in [
        ("connector_metrics_status", "status=\"running\""),
        ("connector_metrics", "status=\"running\""),
        ("connector_metrics_connector_type", "connector_type=\"sink\""),
        ("connector_metrics_connector_class", "connector_class=\"org.apache.kafka.connect.file.FileStreamSinkConnector\""),
    ] {
        ensure!(page.get(family, &state(label)) == Some(1.0), "{family} {label}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_shown_and_series_go_with_what_they_are_of() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    // The first record that is no JSON fails this one for good, and its queue has it all the same.
    scene.worker.create("strict", scene.sink("strict.txt", &[QUEUE])).await?;
    let of = |connector: &str| format!("connector=\"{connector}\"");
    let task = |connector: &str, status: &str| format!("connector=\"{connector}\",task=\"0\",status=\"{status}\"");
    let strict = "connector=\"strict\",task=\"0\"";
    scene
        .shows(&[
            ("connect_worker_metrics_connector_failed_task_count", &of("strict"), 1.0),
            ("connect_worker_metrics_connector_running_task_count", &of("strict"), 0.0),
            ("connect_worker_metrics_connector_total_task_count", &of("strict"), 1.0),
            ("connector_task_metrics_status", &task("strict", "failed"), 1.0),
            ("connector_status", &task("strict", "failed"), 1.0),
            ("task_error_metrics_total_record_errors", strict, 1.0),
            ("task_error_metrics_total_records_skipped", strict, 0.0),
            ("task_error_metrics_deadletterqueue_produce_requests", strict, 1.0),
        ])
        .await?;
    scene.worker.running("snk").await?;
    scene.put("/connectors/snk/pause").await?;
    scene
        .shows(&[
            ("connect_worker_metrics_connector_paused_task_count", &of("snk"), 1.0),
            ("connector_task_metrics_status", &task("snk", "paused"), 1.0),
            ("connector_metrics_status", "connector=\"snk\",status=\"paused\"", 1.0),
            ("connect_worker_metrics_connector_count", "", 3.0),
            ("connect_worker_metrics_task_count", "", 3.0),
            ("connect_worker_metrics_connector_startup_attempts_total", "", 3.0),
            ("connect_worker_metrics_connector_startup_success_total", "", 3.0),
            ("connect_worker_metrics_connector_startup_failure_total", "", 0.0),
            ("connect_worker_metrics_connector_startup_success_percentage", "", 1.0),
            ("connect_worker_metrics_task_startup_attempts_total", "", 3.0),
            ("connect_worker_metrics_task_startup_success_total", "", 3.0),
            ("connect_worker_metrics_task_startup_failure_percentage", "", 0.0),
        ])
        .await?;
    let page = scene.page().await?;
    ensure!(page.get("connector_task_metrics_pause_ratio", SNK).is_some_and(|r| r > 0.0 && r < 1.0));
    let rebalances = page.get("connect_worker_rebalance_metrics_completed_rebalances_total", "").unwrap_or_default();
    ensure!(rebalances >= 4.0, "{rebalances}: each of the changes was one");
    scene.put("/connectors/snk/stop").await?;
    scene
        .shows(&[
            ("connector_metrics_status", "connector=\"snk\",status=\"stopped\"", 1.0),
            ("connect_worker_metrics_task_count", "", 2.0),
        ])
        .await?;
    for connector in ["src", "strict"] {
        scene.worker.delete(connector).await?;
    }
    eventually("only the stopped connector is left", WITHIN, || async {
        let page = scene.page().await?;
        for (name, family) in &page.families {
            for labels in family.series.keys().filter(|l| l.starts_with("connector=")) {
                ensure!(labels.starts_with("connector=\"snk\"") && !labels.contains("task="), "{name}{{{labels}}} is left");
            }
        }
        Ok(())
    })
    .await?;
    scene.shows(&[("connect_worker_metrics_connector_count", "", 1.0), ("connect_worker_metrics_task_count", "", 0.0)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_and_a_queue_that_refuses_are_counted() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    // Nobody listens there: the task is started again and again.
    let nobody = format!("jdbc:postgresql://127.0.0.1:{}/nobody", millrace_tests::free_port());
    let away = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "lines",
        "connection.url": nobody, "connection.username": "postgres", "connection.password": "postgres",
        "key.converter": STRING, "value.converter": STRING, "retry.backoff.ms": "50", "retry.backoff.max.ms": "50",
    });
    scene.worker.create("away", away).await?;
    // The queue's producer takes 1000 bytes at most.
    std::fs::write(scene.worker.dir().join("long.txt"), format!("no json {}\n", "x".repeat(5_000)))?;
    let source = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": scene.worker.dir().join("long.txt"), "topic": "long",
        "key.converter": STRING, "value.converter": STRING,
    });
    scene.worker.create("long", source).await?;
    let small = scene.sink(
        "small.txt",
        &[("topics", "long"), ("errors.tolerance", "all"), QUEUE, ("producer.override.max.request.size", "1000")],
    );
    scene.worker.create("small", small).await?;
    let small = "connector=\"small\",task=\"0\"";
    scene
        .shows(&[
            ("task_error_metrics_deadletterqueue_produce_requests", small, 1.0),
            ("task_error_metrics_deadletterqueue_produce_failures", small, 1.0),
            ("task_error_metrics_total_records_skipped", small, 0.0),
        ])
        .await?;
    // The broker is one: the queue cannot be made, so the task never starts.
    let many = scene.sink(
        "many.txt",
        &[("errors.deadletterqueue.topic.name", "many"), ("errors.deadletterqueue.topic.replication.factor", "5")],
    );
    let before = scene.page().await?.get("connect_worker_metrics_task_startup_failure_total", "").unwrap_or_default();
    scene.worker.create("many", many).await?;
    let trace = scene.worker.failed("many").await?;
    ensure!(trace.contains("errors.deadletterqueue.topic.replication.factor"), "{trace}");
    scene.shows(&[("connect_worker_metrics_task_startup_failure_total", "", before + 1.0)]).await?;
    eventually("tries are counted", WITHIN, || async {
        let page = scene.page().await?;
        let away = "connector=\"away\",task=\"0\"";
        for family in ["total_retries", "last_error_timestamp"] {
            let n = page.get(&format!("task_error_metrics_{family}"), away).unwrap_or_default();
            ensure!(n >= 1.0, "{family}: {n}");
        }
        Ok(())
    })
    .await
}

/// Attributes of Connect's beans that are no metric here, each for a reason in docs/metrics.md.
const LEFT_OUT: &[&str] = &["task-class", "task-version", "converter-class", "converter-version"];
/// Values that depend on nothing but what has happened: no percentage of starts, which is of the last minute.
const EQUAL: &[(&str, &str)] = &[
    ("connector-metrics", "connector-class connector-type status"),
    ("connector-task-metrics", "status pause-ratio offset-commit-success-percentage offset-commit-failure-percentage"),
    ("source-task-metrics", "source-record-poll-total source-record-write-total source-record-active-count"),
    (
        "sink-task-metrics",
        "sink-record-read-total sink-record-send-total sink-record-active-count partition-count offset-commit-skip-total",
    ),
    (
        "task-error-metrics",
        "total-record-failures total-record-errors total-records-skipped total-retries total-errors-logged \
         deadletterqueue-produce-requests deadletterqueue-produce-failures",
    ),
    (
        "connect-worker-metrics",
        "connector-total-task-count connector-running-task-count connector-failed-task-count connector-paused-task-count \
         connector-count task-count connector-startup-attempts-total connector-startup-success-total \
         connector-startup-failure-total",
    ),
    ("connect-worker-rebalance-metrics", "rebalancing connect-protocol"),
];

/// An attribute of a bean, and its value.
struct Bean {
    group: String,
    connector: String,
    task: String,
    attribute: String,
    value: String,
}

/// The beans of the groups that are metrics here.
fn beans(connect: &Connect) -> anyhow::Result<Vec<Bean>> {
    let pid = connect.process.id().to_string();
    // Some values are of Connect's own classes.
    let classes = format!("{}/*", jars()?.display());
    let listed = Command::new("java").args(["-cp", &classes]).arg(root().join("tests/peers/Beans.java")).arg(pid).output()?;
    ensure!(listed.status.success(), "a JDK is needed: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout)?;
    let bean = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Bean { group: next(), connector: next(), task: next(), attribute: next(), value: next() }
    };
    let all = text.lines().map(bean);
    Ok(all.filter(|b| EQUAL.iter().any(|(group, _)| *group == b.group)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_what_the_real_connect_counts() -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let kafka = Kafka::start().await?;
    let connect = Connect::start(&kafka.address()).await?;
    for name in ["src", "snk"] {
        let (_, mut config) = scene.worker.get(&format!("/connectors/{name}/config")).await?;
        if name == "snk" {
            config["file"] = json!(scene.worker.dir().join("connect.txt"));
            config["errors.deadletterqueue.topic.replication.factor"] = json!("1");
        }
        let (status, body) = connect.request("PUT", &format!("/connectors/{name}/config"), Some(&config)).await?;
        ensure!(status == 201, "{status} {body}");
        // A sink looks for new topics seldom: the topic is to be there before it.
        eventually(&format!("{name} has counted all"), WITHIN * 2, || async {
            let beans = beans(&connect)?;
            let total = ["source-record-write-total", "sink-record-read-total"];
            let counted = beans.iter().find(|b| b.connector == name && total.contains(&b.attribute.as_str()));
            let committed = beans.iter().find(|b| b.connector == name && b.attribute == "offset-commit-success-percentage");
            let is = |b: Option<&Bean>, value: &str| b.is_some_and(|b| b.value == value);
            ensure!(
                is(counted, "103.0") && is(committed, "1.0"),
                "{:?} {:?}",
                counted.map(|b| &b.value),
                committed.map(|b| &b.value)
            );
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    }
    scene
        .shows(&[
            ("sink_task_metrics_sink_record_read_total", SNK, 103.0),
            ("sink_task_metrics_sink_record_active_count", SNK, 0.0),
        ])
        .await?;
    let (theirs, page) = (beans(&connect)?, scene.page().await?);
    let (mut unlike, mut equal) = (Vec::new(), 0);
    for b in theirs.iter().filter(|b| !LEFT_OUT.iter().any(|l| b.attribute.ends_with(l))) {
        // Of a task Connect 4.3.1 also gives what is the connector's.
        if b.group == "connector-task-metrics" && b.attribute.starts_with("connector-") {
            continue;
        }
        let family = format!("{}_{}", b.group, b.attribute).replace('-', "_");
        let mut labels: Vec<String> = Vec::new();
        labels.extend((!b.connector.is_empty()).then(|| format!("connector=\"{}\"", b.connector)));
        labels.extend((!b.task.is_empty()).then(|| format!("task=\"{}\"", b.task)));
        let number = b.value.parse::<f64>().ok();
        let compared = EQUAL.iter().any(|(group, names)| *group == b.group && names.split_whitespace().any(|n| n == b.attribute));
        let ours = match number {
            Some(_) => page.get(&family, &labels.join(",")),
            // A text is a label.
            None if compared => {
                labels.push(format!("{}=\"{}\"", b.attribute.replace('-', "_"), b.value));
                page.get(&family, &labels.join(","))
            }
            None => page.families.get(&format!("kafka_connect_{family}")).map(|_| 1.0),
        };
        let like = match (ours, number) {
            (None, _) => false,
            (Some(ours), Some(theirs)) if compared => ours == theirs,
            _ => true,
        };
        equal += usize::from(like && compared);
        if !like {
            unlike.push(format!("{family}{{{}}}: {ours:?} here, {} there", labels.join(","), b.value));
        }
    }
    ensure!(theirs.len() > 100, "{} attributes of Connect's", theirs.len());
    ensure!(unlike.is_empty(), "{}", unlike.join("\n"));
    ensure!(equal >= 50, "{equal} values were compared");
    Ok(())
}
