//! The same requests to this worker and to the real Kafka Connect, and their answers compared: status, the headers that
//! clients read, and the whole body. The requests are in `scenarios/*/*.http`, one folder for each set of worker settings.
//!
//! `CONNECT_URL` names a Kafka Connect that runs already, for work on a scenario; its settings must be those of the folder.

mod answer;
mod script;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::{Connect, Kafka, Log, Worker, eventually, report, root};

use answer::{Answer, Own};
use script::{Expect, Step};

/// How long a state may take to come about.
const SOON: Duration = Duration::from_secs(60);
/// How long two answers may differ before they are said to.
const SETTLED: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(50);

/// One of the two workers.
struct Side {
    name: &'static str,
    http: reqwest::Client,
    own: Own,
}

impl Side {
    fn new(name: &'static str, url: &str, dir: &Path) -> anyhow::Result<Side> {
        let own = Own { url: url.to_owned(), dir: dir.display().to_string() };
        std::fs::create_dir_all(dir)?;
        // What sources of files read.
        std::fs::write(dir.join("o.txt"), "a\nb\n")?;
        Ok(Side { name, http: reqwest::Client::builder().timeout(Duration::from_secs(95)).build()?, own })
    }

    async fn send(&self, step: &Step) -> anyhow::Result<(Answer, String)> {
        let own = |text: &str| text.replace("{{dir}}", &self.own.dir);
        let mut request = self.http.request(step.method.parse()?, format!("{}{}", self.own.url, own(&step.path)));
        if let Some(body) = &step.body {
            if !step.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
                request = request.header("Content-Type", "application/json");
            }
            request = request.body(own(body));
        }
        for (name, value) in &step.headers {
            request = request.header(name, own(value));
        }
        let answer = request.send().await?;
        let (status, headers, text) = (answer.status().as_u16(), answer.headers().clone(), answer.text().await?);
        Ok((self.own.answer(status, &headers, &text), text))
    }

    /// The answer to compare: the first that is not a passing conflict and has what the step waits for.
    async fn answer(&self, step: &Step) -> anyhow::Result<Answer> {
        let started = Instant::now();
        loop {
            let (answer, text) =
                self.send(step).await.with_context(|| format!("{}: {} {}", self.name, step.method, step.path))?;
            // Connect answers 409 while it rebalances, and now and then 500.
            let passing = answer.status == 409 && !text.contains("already exists")
                || answer.status == 500 && text.contains("a rebalance is expected");
            let there =
                step.until.iter().all(|u| text.contains(u.as_str())) && !step.while_.iter().any(|w| text.contains(w.as_str()));
            if !passing && there || started.elapsed() > SOON {
                ensure!(
                    there,
                    "{}: line {}: {:?} does not come, or {:?} go: {text}",
                    self.name,
                    step.line,
                    step.until,
                    step.while_
                );
                return Ok(answer);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The answers of both to a step, and whether they are equal. A question is asked again for a while where they are not: what
/// is asked about comes about on its own time on each worker.
async fn both(step: &Step, ours: &Side, theirs: &Side) -> anyhow::Result<(Answer, Answer, bool)> {
    let started = Instant::now();
    loop {
        let (ours, theirs) = tokio::try_join!(ours.answer(step), theirs.answer(step))?;
        let equal = match &step.expect {
            Expect::ButMessage => ours.clone().but_message() == theirs.clone().but_message(),
            _ => ours == theirs,
        };
        let settles = step.method == "GET" && !matches!(step.expect, Expect::Differs(_));
        if equal || !settles || started.elapsed() > SETTLED {
            return Ok((ours, theirs, equal));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Runs the files of a folder; answers how many requests were compared and what was not equal.
async fn compare(folder: &Path, ours: &Side, theirs: &Side) -> anyhow::Result<(usize, Vec<String>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|f| Ok(f?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "http"));
    files.sort();
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files.iter().filter(|f| f.to_string_lossy().contains(&only)) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for step in script::read(file)? {
            let (ours, theirs, equal) = match both(&step, ours, theirs).await {
                Ok(both) => both,
                Err(error) => {
                    wrong.push(format!("{name}: {error:#}; the rest of the file is left out"));
                    break;
                }
            };
            count += 1;
            let said = match &step.expect {
                Expect::Differs(_) if equal => "said to differ, and does not",
                Expect::Differs(_) => continue,
                _ if equal => continue,
                _ => "differs",
            };
            let Step { line, title, method, path, .. } = &step;
            wrong.push(format!("{name}:{line} {title}: {method} {path} {said}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    Ok((count, wrong))
}

/// One folder of scenarios against both workers, with these settings on both.
async fn differential(kafka: &Kafka, folder: &str, settings: &str) -> anyhow::Result<usize> {
    let dir = tempfile::Builder::new().prefix("millrace-diff").tempdir()?;
    let worker = Worker::start_with(Log::Embedded, settings).await?;
    let connect = match std::env::var("CONNECT_URL") {
        Ok(_) => None,
        Err(_) => Some(Connect::start_as(&kafka.address(), folder, settings).await?),
    };
    let url = match &connect {
        Some(connect) => connect.rest.clone(),
        None => std::env::var("CONNECT_URL")?,
    };
    eventually("the worker is ready", SOON, || async {
        let (status, health) = worker.get("/health").await?;
        ensure!(status == 200, "{health}");
        Ok(())
    })
    .await?;
    let ours = Side::new("millrace", &worker.rest, &dir.path().join("a"))?;
    let theirs = Side::new("connect", &url, &dir.path().join("b"))?;
    let (count, wrong) = compare(&root().join("tests/e2e/differential/scenarios").join(folder), &ours, &theirs).await?;
    ensure!(wrong.is_empty(), "{} of {count} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(count)
}

/// Both workers' settings in the folder `guarded`.
const GUARDED: &str = r#"access.control.allow.origin=http://a.example,https://.*[.]b[.]example
access.control.allow.methods=GET,PUT,DELETE
response.http.headers.config=add X-Test-One: 1, set X-Test-Two: a b, "set Cache-Control: no-cache, no-store"
topic.tracking.enable=false
admin.listeners=http://127.0.0.1:0"#;

/// Both workers' settings in the folder `locked`.
const LOCKED: &str = "access.control.allow.origin=*\ntopic.tracking.allow.reset=false\nadmin.listeners=";

#[tokio::test]
async fn answers_are_kafka_connects() -> anyhow::Result<()> {
    let kafka = Kafka::start().await?;
    let mut count = 0;
    for (folder, settings) in [("default", "log.level=error"), ("guarded", GUARDED), ("locked", LOCKED)] {
        count += differential(&kafka, folder, settings).await?;
    }
    report(format!("{count} requests were answered as Kafka Connect answers them"));
    ensure!(count >= 200, "only {count} requests were compared");
    Ok(())
}
