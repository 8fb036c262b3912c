//! References to config providers: resolved where they are used, and never shown resolved.

use std::path::PathBuf;
use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, read_topics};
use rdkafka::Message;
use rdkafka::message::Headers;
use serde_json::{Value, json};

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
/// What nobody may ever see.
const PLANTED: &str = "pl4nted-s3cret";

/// The lowest level, of everything but the compiler of components: it logs hundreds of megabytes, and sees no value.
const TRACE: &str =
    "log.level=trace,cranelift_codegen=info,cranelift_frontend=info,regalloc2=info,wasmtime_internal_cranelift=info\n";

/// Providers of Kafka's three kinds; the environment is that of the test, in which cargo sets CARGO_PKG_NAME.
const PROVIDERS: &str = "config.providers=file,env,dir\n\
    config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider\n\
    config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n\
    config.providers.env.param.allowlist.pattern=CARGO_PKG_.*\n\
    config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider\n";

/// A folder of secrets: `secrets.properties` and the files beside it.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn new() -> anyhow::Result<Secrets> {
        let secrets = Secrets(tempfile::tempdir()?);
        secrets.write("target", "one.txt")?;
        std::fs::write(secrets.0.path().join("topic"), "lines")?;
        Ok(secrets)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("secrets.properties")
    }

    fn write(&self, key: &str, value: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.file(), format!("password={PLANTED}\nbatch=7\n{key}={value}\n"))?)
    }

    fn reference(&self, key: &str) -> String {
        format!("${{file:{}:{key}}}", self.file().display())
    }

    fn topic(&self) -> String {
        format!("${{dir:{}:topic}}", self.0.path().display())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_are_resolved_when_tasks_start() -> anyhow::Result<()> {
    let secrets = Secrets::new()?;
    // The worker's own settings may refer to providers as well.
    let worker = Worker::start_with(
        Log::Embedded,
        &format!(
            "{PROVIDERS}offset.flush.interval.ms=1${{env:CARGO_PKG_VERSION_MAJOR}}0\nbatch.max.records={}\n",
            secrets.reference("batch")
        ),
    )
    .await?;
    let from = worker.dir().join("in.txt");
    std::fs::write(&from, "one\n")?;
    let topic = format!("${{env:CARGO_PKG_NAME}}-{}", secrets.topic());
    let source = json!({
        "connector.class": "FileStreamSource", "file": from, "topic": topic, "key.converter": STRING, "value.converter": STRING,
    });
    worker.create("from", source.clone()).await?;
    worker.running("from").await?;
    let file = format!("{}/{}", worker.dir().display(), secrets.reference("target"));
    let sink = json!({
        "connector.class": "FileStreamSink", "file": file, "topics": topic, "key.converter": STRING, "value.converter": STRING,
    });
    worker.create("to", sink.clone()).await?;
    worker.running("to").await?;
    let lines = |name: &'static str, wanted: &'static str| {
        let path = worker.dir().join(name);
        eventually("lines arrive", Duration::from_secs(30), move || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            std::future::ready(if text == wanted { Ok(()) } else { Err(anyhow::anyhow!("{text:?}")) })
        })
    };
    lines("one.txt", "one\n").await?;
    let topics = read_topics(&worker.bootstrap, |t| t == "millrace-tests-lines").await?;
    anyhow::ensure!(topics.len() == 1, "{topics:?}");

    // Everything that is kept and shown is as it was written.
    for (name, written) in [("from", &source), ("to", &sink)] {
        let (_, config) = worker.get(&format!("/connectors/{name}/config")).await?;
        let (_, tasks) = worker.get(&format!("/connectors/{name}/tasks")).await?;
        for key in ["file", "topic", "topics"] {
            anyhow::ensure!(config[key] == written[key] && tasks[0]["config"][key] == written[key], "{config} {tasks}");
        }
    }

    // A value that changed takes effect when the task starts again, and when the connector does.
    secrets.write("target", "two.txt")?;
    let (status, _) = worker.request("POST", "/connectors/to/tasks/0/restart", None).await?;
    anyhow::ensure!(status == 204, "{status}");
    let mut input = std::fs::File::options().append(true).open(&from)?;
    std::io::Write::write_all(&mut input, b"two\n")?;
    lines("two.txt", "two\n").await?;
    secrets.write("target", "three.txt")?;
    let (status, _) = worker.request("POST", "/connectors/to/restart", None).await?;
    anyhow::ensure!(status == 204, "{status}");
    eventually("the file is made", Duration::from_secs(30), || {
        std::future::ready(worker.dir().join("three.txt").exists().then_some(()).ok_or("not there"))
    })
    .await?;
    std::io::Write::write_all(&mut input, b"three\n")?;
    lines("three.txt", "three\n").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_resolved_is_named() -> anyhow::Result<()> {
    let secrets = Secrets::new()?;
    let worker = Worker::start_with(Log::Embedded, PROVIDERS).await?;
    let create = async |name: &str, topic: &str| {
        let config = json!({"connector.class": "FileStreamSource", "file": "/dev/null", "topic": topic});
        worker.request("POST", "/connectors", Some(&json!({"name": name, "config": config}))).await
    };
    // As in Connect: a provider that fails is an error of the request, its own words first.
    let (status, body) = create("nofile", "${file:/no/such/file:topic}").await?;
    let text = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(status == 500 && text.starts_with("Could not read properties from file /no/such/file"), "{status} {body}");
    anyhow::ensure!(text.contains("\"topic\"") && text.contains("${file:/no/such/file:topic}"), "{text}");
    let (status, body) = create("path", "${env:a/path:CARGO_PKG_NAME}").await?;
    let text = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(status == 500 && text.starts_with("Path is not supported for EnvVarConfigProvider"), "{status} {body}");
    // A key that is not there leaves the reference as it is in Connect, and the plugin takes it for the value. Here the
    // connector fails, and says what is missing.
    for (name, topic) in [("nokey", secrets.reference("nokey")), ("hidden", "${env:HOME}".to_owned())] {
        let (status, body) = create(name, &topic).await?;
        anyhow::ensure!(status == 201 && body["config"]["topic"] == topic.as_str(), "{status} {body}");
        let trace = worker.failed(name).await?;
        anyhow::ensure!(trace.contains("\"topic\"") && trace.contains(&topic) && trace.contains("provider \""), "{trace}");
    }
    // What is not of a provider of ours is no reference.
    let (status, body) = create("other", "lines").await?;
    anyhow::ensure!(status == 201, "{status} {body}");
    let config = json!({"connector.class": "FileStreamSource", "file": "${vault:a:b}", "topic": "lines"});
    let (status, body) = worker.request("PUT", "/connectors/other/config", Some(&config)).await?;
    anyhow::ensure!(status == 200 && body["config"]["file"] == "${vault:a:b}", "{status} {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_never_shown() -> anyhow::Result<()> {
    let secrets = Secrets::new()?;
    let settings = format!("{PROVIDERS}{TRACE}producer.ssl.key.password={}\n", secrets.reference("password"));
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    let password = secrets.reference("password");
    let mut answers = Vec::new();
    // A plugin that says what it was given, in an error that becomes a trace.
    let failing = json!({
        "connector.class": "FileStreamSink", "topics": "t", "file": format!("/no/such/{password}/folder"),
        "errors.tolerance": "all", "errors.log.enable": "true", "errors.log.include.messages": "true",
        "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.context.headers.enable": "true",
    });
    answers.push(worker.create("failing", failing.clone()).await?);
    let trace = worker.failed("failing").await?;
    anyhow::ensure!(trace.contains(&format!("/no/such/{password}/folder")), "{trace}");
    // A value of the wrong type is quoted in the error.
    let wrong = json!({
        "name": "wrong", "connector.class": "FileStreamSink", "topics": "t", "file": password, "tasks.max": password,
        "transforms": "t", "transforms.t.type": password, "batch.max.records": secrets.reference("batch"), "db.password": PLANTED,
    });
    let (status, infos) = worker.request("PUT", "/connector-plugins/FileStreamSink/config/validate", Some(&wrong)).await?;
    anyhow::ensure!(status == 200, "{status} {infos}");
    let info = |name: &str| {
        let all = infos["configs"].as_array().into_iter().flatten();
        all.map(|c| &c["value"]).find(|v| v["name"] == name).cloned().unwrap_or_default()
    };
    anyhow::ensure!(info("file")["value"] == password.as_str() && info("db.password")["value"] == "[hidden]", "{infos}");
    anyhow::ensure!(info("batch.max.records")["value"] == secrets.reference("batch").as_str(), "{infos}");
    let error = format!("Invalid value {password} for configuration tasks.max: Not a number of type INT");
    anyhow::ensure!(info("tasks.max")["errors"][0] == error, "{infos}");
    answers.push(infos);
    let (status, refused) = worker.request("PUT", "/connectors/wrong/config", Some(&wrong)).await?;
    anyhow::ensure!(status == 400, "{status} {refused}");
    answers.push(refused);
    let class = json!({"connector.class": password, "topics": "t"});
    let (status, refused) = worker.request("POST", "/connectors", Some(&json!({"name": "class", "config": class}))).await?;
    anyhow::ensure!(status == 400, "{status} {refused}");
    answers.push(refused);
    // A connector that runs.
    let from = worker.dir().join("in.txt");
    std::fs::write(&from, "one\n")?;
    let running = json!({
        "connector.class": "FileStreamSource", "file": from, "topic": "t", "key.converter": STRING, "value.converter": STRING,
        "producer.override.ssl.key.password": password,
    });
    answers.push(worker.create("running", running).await?);
    worker.running("running").await?;
    for path in ["", "/config", "/tasks", "/status"] {
        for name in ["failing", "running"] {
            answers.push(worker.get(&format!("/connectors/{name}{path}")).await?.1);
        }
    }
    answers.push(worker.get("/connectors?expand=status&expand=info").await?.1);
    shown_nowhere(&worker, &answers).await
}

/// A password that is written in the connector's configuration itself stays there, as in Connect; nothing repeats it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_in_the_open_is_not_repeated() -> anyhow::Result<()> {
    let worker = Worker::start_with(Log::Embedded, TRACE).await?;
    let config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "t", "plugin.grants": "postgres",
        "connection.url": "jdbc:postgresql://127.0.0.1:1/db", "connection.username": "app", "connection.password": PLANTED,
        "retry.max.attempts": "1", "tasks.max": "1",
    });
    let (status, infos) = worker.request("PUT", "/connector-plugins/JdbcSinkConnector/config/validate", Some(&config)).await?;
    anyhow::ensure!(status == 200, "{status} {infos}");
    worker.create("jdbc", config).await?;
    let trace = worker.failed("jdbc").await?;
    shown_in_log_and_topics(&worker, &[infos, json!(trace)], |topic| topic == "connect-status").await
}

async fn shown_nowhere(worker: &Worker, answers: &[Value]) -> anyhow::Result<()> {
    shown_in_log_and_topics(worker, answers, |_| true).await
}

async fn shown_in_log_and_topics(
    worker: &Worker,
    answers: &[Value],
    topics: impl Fn(&str) -> bool + Send + 'static,
) -> anyhow::Result<()> {
    for answer in answers {
        anyhow::ensure!(!answer.to_string().contains(PLANTED), "shown in an answer: {answer}");
    }
    let log = std::fs::read_to_string(worker.dir().join("log"))?;
    anyhow::ensure!(log.contains("TRACE"), "the log is not at its lowest level");
    let line = log.lines().find(|l| l.contains(PLANTED));
    anyhow::ensure!(line.is_none(), "shown in the log: {line:?}");
    let records = read_topics(&worker.bootstrap, topics).await?;
    anyhow::ensure!(!records.is_empty(), "no records");
    for record in records {
        let headers = record.headers().map(|h| h.iter().map(|h| h.value.unwrap_or_default().to_vec()).collect::<Vec<_>>());
        let all = [record.key().unwrap_or_default(), record.payload().unwrap_or_default()].concat();
        let all = [all, headers.unwrap_or_default().concat()].concat();
        let text = String::from_utf8_lossy(&all);
        anyhow::ensure!(!text.contains(PLANTED), "shown in topic {}: {text}", record.topic());
    }
    Ok(())
}
