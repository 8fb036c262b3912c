//! Kafka Connect's REST API: what clients send, and what Connect 4.3.1 answers to it, letter for letter where Connect's
//! answer is for people, and by its fields where it names Java classes.

use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::{Log, Worker, eventually};
use serde_json::{Value, json};

const SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";
const SINK: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";
const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";
const SOON: Duration = Duration::from_secs(30);

struct Scenario {
    worker: Worker,
}

impl Scenario {
    async fn start() -> anyhow::Result<Scenario> {
        Ok(Scenario { worker: Worker::start(Log::Embedded).await? })
    }

    /// One request, its status and whole body.
    async fn check(&self, method: &str, path: &str, body: Option<Value>, status: u16, expected: Value) -> anyhow::Result<()> {
        let (got, answer) = self.worker.request(method, path, body.as_ref()).await?;
        ensure!((got, &answer) == (status, &expected), "{method} {path}: {got} {answer}, expected {status} {expected}");
        Ok(())
    }

    /// One request that fails with Connect's error body.
    async fn fails(&self, method: &str, path: &str, body: Option<Value>, status: u16, message: &str) -> anyhow::Result<()> {
        self.check(method, path, body, status, json!({"error_code": status, "message": message})).await
    }

    async fn state(&self, name: &str, connector: &str, tasks: &[&str]) -> anyhow::Result<()> {
        let what = format!("{name} is {connector} with tasks {tasks:?}");
        eventually(&what, SOON, || async {
            let (_, s) = self.worker.get(&format!("/connectors/{name}/status")).await?;
            let states: Vec<_> = s["tasks"].as_array().into_iter().flatten().map(|t| t["state"].as_str().unwrap_or("")).collect();
            ensure!(s["connector"]["state"] == connector && states == tasks, "{s}");
            Ok(())
        })
        .await
    }

    fn file(&self, name: &str) -> String {
        self.worker.dir().join(name).display().to_string()
    }

    fn source(&self) -> Value {
        json!({"connector.class": SOURCE, "tasks.max": "1", "file": self.file("in.txt"), "topic": "lines", "value.converter": STRINGS})
    }
}

#[tokio::test]
async fn requests_that_are_refused() -> anyhow::Result<()> {
    let s = Scenario::start().await?;
    let post = |body: Value| Some(body);
    let create = |name: &str, config: Value| post(json!({"name": name, "config": config}));
    s.fails("GET", "/nope", None, 404, "HTTP 404 Not Found").await?;
    s.fails("PATCH", "/connectors", None, 405, "HTTP 405 Method Not Allowed").await?;
    s.fails("PUT", "/", None, 405, "HTTP 405 Method Not Allowed").await?;
    s.fails("GET", "/connectors/zz", None, 404, "Connector zz not found").await?;
    s.fails("GET", "/connectors/zz/config", None, 404, "Connector zz not found").await?;
    s.fails("GET", "/connectors/zz/tasks", None, 404, "Connector zz not found").await?;
    s.fails("GET", "/connectors/zz/offsets", None, 404, "Connector zz not found").await?;
    s.fails("GET", "/connectors/zz/status", None, 404, "No status found for connector zz").await?;
    s.fails("GET", "/connectors/zz/tasks/0/status", None, 404, "No status found for task zz-0").await?;
    s.fails("DELETE", "/connectors/zz", None, 404, "Connector zz not found").await?;
    for verb in ["pause", "resume", "stop"] {
        s.fails("PUT", &format!("/connectors/zz/{verb}"), None, 404, "Unknown connector zz").await?;
    }
    s.fails("POST", "/connectors/zz/restart", None, 404, "Unknown connector: zz").await?;
    s.fails("POST", "/connectors/zz/restart?includeTasks=true", None, 404, "Unknown connector: zz").await?;
    s.fails("POST", "/connectors/zz/tasks/0/restart", None, 404, "Unknown connector: zz").await?;
    s.fails("GET", "/connector-plugins/Nope/config", None, 404, "Unknown plugin Nope.").await?;
    s.check("GET", "/connectors/zz/topics", None, 200, json!({"zz": {"topics": []}})).await?;
    let mismatch = "Connector name configuration (c) doesn't match connector name in the URL (b)";
    s.fails("POST", "/connectors", create("b", json!({"name": "c", "connector.class": SOURCE})), 400, mismatch).await?;
    let no_type = "Connector config {name=b} contains no connector type";
    s.fails("POST", "/connectors", create("b", json!({})), 400, no_type).await?;
    let invalid = "Connector configuration is invalid and contains the following 3 error(s):\n\
        Invalid value abc for configuration tasks.max: Not a number of type INT\n\
        Invalid value null for configuration tasks.max: Value must be non-null\n\
        Missing required configuration \"topic\" which has no default value.\n\
        You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`";
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "abc", "file": "/tmp/x"});
    s.fails("POST", "/connectors", create("a", config), 400, invalid).await?;
    let (status, body) =
        s.worker.request("POST", "/connectors", create("x", json!({"connector.class": "nope"})).as_ref()).await?;
    let message = body["message"].as_str().unwrap_or_default();
    ensure!(
        status == 400 && message.contains("which name matches nope, available connectors are: ") && message.contains(SOURCE),
        "{body}"
    );
    for body in [
        json!({"name": "x", "foo": 1}),
        json!({"name": "x", "config": {"a": {}}}),
        json!({"name": "x", "initial_state": "FOO"}),
        json!([]),
    ] {
        let (status, answer) = s.worker.request("POST", "/connectors", Some(&body)).await?;
        ensure!(status == 500 && answer["error_code"] == 500, "{body}: {status} {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connectors_life() -> anyhow::Result<()> {
    let s = Scenario::start().await?;
    std::fs::write(s.worker.dir().join("in.txt"), "a\nb\nc\n")?;
    let mut config = s.source();
    let answer = s.worker.create("a", config.clone()).await?;
    config["name"] = json!("a");
    ensure!(answer == json!({"name": "a", "config": config, "tasks": [], "type": "source"}), "{answer}");
    s.fails("POST", "/connectors", Some(json!({"name": "a", "config": config})), 409, "Connector a already exists").await?;
    s.state("a", "RUNNING", &["RUNNING"]).await?;
    s.check("GET", "/connectors", None, 200, json!(["a"])).await?;
    s.check("GET", "/connectors?expand=foo", None, 200, json!({"a": {}})).await?;
    let info = json!({"name": "a", "config": config, "tasks": [{"connector": "a", "task": 0}], "type": "source"});
    s.check("GET", "/connectors/a", None, 200, info.clone()).await?;
    s.check("GET", "/connectors?expand=info", None, 200, json!({"a": {"info": info}})).await?;
    s.check("GET", "/connectors/a/config", None, 200, config.clone()).await?;
    let (_, task) = s.worker.get("/connectors/a/tasks/0/status").await?;
    ensure!(
        task["id"] == 0 && task["state"] == "RUNNING" && s.worker.rest.ends_with(task["worker_id"].as_str().unwrap_or("?")),
        "{task}"
    );
    s.fails("GET", "/connectors/a/tasks/7/status", None, 404, "No status found for task a-7").await?;

    let offsets = json!({"offsets": [{"partition": {"filename": s.file("in.txt")}, "offset": {"position": 6}}]});
    eventually("the offset is committed", SOON, || s.check("GET", "/connectors/a/offsets", None, 200, offsets.clone())).await?;
    s.check("GET", "/connectors/a/topics", None, 200, json!({"a": {"topics": ["lines"]}})).await?;

    s.check("POST", "/connectors/a/restart", None, 204, Value::Null).await?;
    let (status, answer) = s.worker.request("POST", "/connectors/a/restart?includeTasks=true", None).await?;
    ensure!(
        status == 202 && answer["connector"]["state"] == "RESTARTING" && answer["tasks"][0]["state"] == "RESTARTING",
        "{answer}"
    );
    s.state("a", "RUNNING", &["RUNNING"]).await?;
    let (status, answer) = s.worker.request("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=true", None).await?;
    ensure!(status == 202 && answer["tasks"][0]["state"] == "RUNNING", "{answer}");
    s.check("POST", "/connectors/a/tasks/0/restart", None, 204, Value::Null).await?;
    s.fails("POST", "/connectors/a/tasks/9/restart", None, 404, "Unknown task: a-9").await?;
    s.fails("POST", "/connectors/a/tasks/x/restart", None, 404, "HTTP 404 Not Found").await?;
    s.state("a", "RUNNING", &["RUNNING"]).await?;

    s.check("PUT", "/connectors/a/pause", None, 202, Value::Null).await?;
    s.state("a", "PAUSED", &["PAUSED"]).await?;
    s.check("PUT", "/connectors/a/resume", None, 202, Value::Null).await?;
    s.state("a", "RUNNING", &["RUNNING"]).await?;
    config["tasks.max"] = json!("2");
    let (status, answer) = s.worker.request("PUT", "/connectors/a/config", Some(&config)).await?;
    ensure!(status == 200 && answer["config"]["tasks.max"] == "2", "{status} {answer}");
    s.check("PUT", "/connectors/a/stop", None, 204, Value::Null).await?;
    s.state("a", "STOPPED", &[]).await?;
    s.check("GET", "/connectors/a/tasks", None, 200, json!([])).await?;
    s.check("POST", "/connectors/a/restart", None, 204, Value::Null).await?;
    s.check("DELETE", "/connectors/a", None, 204, Value::Null).await?;
    s.fails("GET", "/connectors/a", None, 404, "Connector a not found").await?;

    // A name that Connect can create and never reach again.
    let (status, _) = s.worker.request("PUT", "/connectors/a%2Fb%25/config", Some(&s.source())).await?;
    ensure!(status == 201, "{status}");
    s.state("a%2Fb%25", "RUNNING", &["RUNNING"]).await?;
    s.check("DELETE", "/connectors/a%2Fb%25", None, 204, Value::Null).await
}

#[tokio::test]
async fn validation_names_every_error_at_its_key() -> anyhow::Result<()> {
    let s = Scenario::start().await?;
    let body = json!({"name": "x", "connector.class": "FileStreamSink", "tasks.max": "0", "file": s.file("out.txt"),
        "transforms": "a,b", "transforms.a.type": "Nope$Value", "predicates": "p", "errors.tolerance": "some"});
    let (status, infos) = s.worker.request("PUT", "/connector-plugins/FileStreamSink/config/validate", Some(&body)).await?;
    ensure!(status == 200 && infos["name"] == "FileStreamSink", "{status} {infos}");
    let configs = infos["configs"].as_array().context("configs")?;
    let mut wrong: Vec<_> = configs
        .iter()
        .filter(|c| c["value"]["errors"].as_array().is_some_and(|e| !e.is_empty()))
        .filter_map(|c| c["value"]["name"].as_str())
        .collect();
    wrong.sort();
    let expected = [
        "errors.tolerance",
        "predicates.p.type",
        "tasks.max",
        "topics",
        "topics.regex",
        "transforms.a.type",
        "transforms.b.type",
    ];
    ensure!(wrong == expected, "{wrong:?}");
    ensure!(infos["error_count"] == 7, "{}", infos["error_count"]);
    let definition = &configs.iter().find(|c| c["value"]["name"] == "tasks.max").context("tasks.max")?["definition"];
    for (field, value) in [
        ("type", json!("INT")),
        ("required", json!(false)),
        ("default_value", json!("1")),
        ("importance", json!("HIGH")),
        ("group", json!("Common")),
    ] {
        ensure!(definition[field] == value, "{field}: {definition}");
    }
    let other = json!({"connector.class": "FileStreamSink"});
    let message = "Included connector type FileStreamSink does not match request type FileStreamSource";
    s.fails("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(other), 400, message).await
}

#[tokio::test]
async fn state_outlives_the_worker() -> anyhow::Result<()> {
    let mut s = Scenario::start().await?;
    std::fs::write(s.worker.dir().join("in.txt"), "a\nb\n")?;
    s.worker.create("in", s.source()).await?;
    let out = json!({"connector.class": SINK, "tasks.max": "1", "file": s.file("out.txt"), "topics": "lines", "value.converter": STRINGS});
    s.worker.create("out", out).await?;
    let lines = |expected: &'static str| {
        let file = s.worker.dir().join("out.txt");
        eventually("the sink's file has all lines", SOON, move || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            async move { if text == expected { Ok(()) } else { Err(format!("{text:?}")) } }
        })
    };
    lines("a\nb\n").await?;
    ensure!(s.worker.stop().await, "the worker did not stop well:\n{}", s.worker.log_tail());
    std::fs::write(s.worker.dir().join("in.txt"), "a\nb\nc\n")?;
    s.worker.up().await?;
    s.state("out", "RUNNING", &["RUNNING"]).await?;
    let file = s.worker.dir().join("out.txt");
    eventually("the new line arrives, and no old one again", SOON, || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        async move { if text == "a\nb\nc\n" { Ok(()) } else { Err(format!("{text:?}")) } }
    })
    .await
}
