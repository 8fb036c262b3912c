//! The sandbox under attack: one worker, twenty pipelines that mind their own business, and one guest after the other that
//! misbehaves among them. Each fails alone, with words that name the plugin, the call and the limit; the others keep up.

use std::time::{Duration, Instant};

use millrace_tests::{Log, Worker, eventually, report};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::guests::{Attack, End};
use self::neighbours::{NEIGHBOURS, Neighbours, rates};

#[path = "attack/guests.rs"]
mod guests;
#[path = "attack/neighbours.rs"]
mod neighbours;

const WITHIN: Duration = Duration::from_secs(60);
/// The shortest time over which a rate is taken.
const WINDOW: Duration = Duration::from_millis(1_500);
/// How far behind an attack may leave the slowest neighbour.
const BEHIND_MAX: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_misbehave_fail_alone() -> anyhow::Result<()> {
    let redirector = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let redirects = format!("http://{}/", redirector.local_addr()?);
    let path = tempfile::tempdir()?;
    // What a plugin would like to reach on the worker's machine: a listener that nobody may come to.
    let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let inside_url = format!("http://{}/", inside.local_addr()?);
    let all = guests::all(&redirects, &inside_url, &host_name());
    for (i, attack) in all.iter().enumerate() {
        std::fs::write(path.path().join(format!("{}.wasm", Attack::plugin(i))), attack.component(i))?;
    }
    let to = inside_url.clone();
    let redirecting = tokio::spawn(async move {
        while let Ok((mut socket, _)) = redirector.accept().await {
            let answer = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let built = Worker::binary()?.with_file_name("plugins");
    let settings = format!("plugin.path={},{}", path.path().display(), built.display());
    let worker = Worker::start_with(Log::Embedded, &settings).await?;
    let calm = Neighbours::start(&worker).await?;

    report(format!("{NEIGHBOURS} neighbours; records a second of the slowest, and of all, before an attack and during it"));
    report(format!(
        "{:<28} {:>7} {:>7} {:>7} {:>7} {:>8}  what is said of it",
        "attack", "before", "all", "during", "all", "behind"
    ));
    let mut before = (calm.counts().await?, None);
    tokio::time::sleep(WINDOW).await;
    before.1 = Some(calm.counts().await?);
    let (slowest, together) = rates(&before.0, before.1.as_ref().expect("just counted"));
    for (i, attack) in all.iter().enumerate() {
        let begun = calm.counts().await?;
        let what = let_loose(&worker, i, attack).await.map_err(|e| e.context(attack.what))?;
        if let Some(rest) = WINDOW.checked_sub(begun.0.elapsed()) {
            tokio::time::sleep(rest).await;
        }
        let (worst, sum) = rates(&begun, &calm.counts().await?);
        let behind = calm.keep_up().await.map_err(|e| e.context(format!("{}: {}", attack.what, worker.log_tail())))?;
        let short: String = what.replace('\n', " ").chars().take(150).collect();
        report(format!(
            "{:<28} {slowest:>7.0} {together:>7.0} {worst:>7.0} {sum:>7.0} {:>5} ms  {short}",
            attack.what,
            behind.as_millis()
        ));
        anyhow::ensure!(behind < BEHIND_MAX, "{} left a neighbour {behind:?} behind", attack.what);
    }
    calm.all_run(&worker).await?;
    redirecting.abort();
    let reached = tokio::time::timeout(Duration::from_millis(10), inside.accept()).await;
    anyhow::ensure!(reached.is_err(), "somebody came to a listener of the worker's machine");
    Ok(())
}

/// A name that stands for an address of this machine, and is not "localhost".
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() { "localhost.localdomain".to_owned() } else { name }
}

/// Runs one, sees it end as it must, and takes it away. What was said of it.
async fn let_loose(worker: &Worker, number: usize, attack: &Attack) -> anyhow::Result<String> {
    let (name, plugin) = (format!("attack-{number}"), Attack::plugin(number));
    if let End::NotLoaded(words) = attack.end {
        let begins = format!("plugin \"{plugin}\"");
        return logged(worker, &[&begins, words]).await;
    }
    let body = json!({ "name": name, "config": config(worker, &name, &plugin, attack) });
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await?;
    if let End::Refused(words) = attack.end {
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        anyhow::ensure!(status >= 400 && message.contains(words) && message.contains(&plugin), "{status} {answer}");
        let (status, _) = worker.get(&format!("/connectors/{name}")).await?;
        anyhow::ensure!(status == 404, "a connector that was refused is there: {status}");
        return Ok(message);
    }
    anyhow::ensure!(status == 201, "{status} {answer}");
    let said = match attack.end {
        End::Failed(words) => {
            let trace = worker.failed(&name).await.map_err(|e| e.context(worker.log_tail()))?;
            let begins = format!("plugin \"{plugin}\" broke in \"");
            anyhow::ensure!(trace.contains(&begins) && trace.contains(words), "not \"{words}\" of \"{plugin}\": {trace}");
            worker.delete(&name).await?;
            trace[trace.find(&begins).unwrap_or_default()..].lines().next().unwrap_or_default().to_owned()
        }
        End::Parting(words) => {
            worker.running(&name).await?;
            worker.delete(&name).await?;
            logged(worker, &[&format!("plugin \"{plugin}\""), words]).await?
        }
        End::Refused(_) | End::NotLoaded(_) => unreachable!("answered above"),
    };
    Ok(said)
}

/// Transforms stand in a chain of a source that reads what the neighbours do; sinks read what a neighbour has written.
fn config(worker: &Worker, name: &str, plugin: &str, attack: &Attack) -> Value {
    let mut config = match attack.kind {
        "transform" => json!({
            "connector.class": "FileStreamSource", "file": worker.dir().join("lines.txt"), "topic": name,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "transforms": "bad", "transforms.bad.type": plugin,
        }),
        "sink" => json!({
            "connector.class": plugin, "topics": neighbours::topic(0),
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        }),
        _ => json!({ "connector.class": plugin }),
    };
    config["tasks.max"] = json!("1");
    for (key, value) in attack.settings.as_object().into_iter().flatten() {
        let key = if attack.kind == "transform" { format!("transforms.bad.{key}") } else { key.clone() };
        config[key] = value.clone();
    }
    config
}

/// A line of the worker's log that has all these words.
async fn logged(worker: &Worker, words: &[&str]) -> anyhow::Result<String> {
    let begun = Instant::now();
    eventually(&format!("the log has {words:?}"), WITHIN, || async {
        let text = std::fs::read_to_string(worker.dir().join("log"))?;
        // A log in JSON has its quotes escaped.
        let found = text.lines().map(|l| l.replace("\\\"", "\"")).find(|l| words.iter().all(|w| l.contains(w)));
        let found = found.ok_or_else(|| anyhow::anyhow!("after {:?}: {}", begun.elapsed(), worker.log_tail()))?;
        let at = found.find(words[0]).unwrap_or_default();
        Ok::<_, anyhow::Error>(found[at..].to_owned())
    })
    .await
}
