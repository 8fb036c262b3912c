//! Plugins over REST: uploaded, in several versions, swapped while records flow, rolled back, removed.

use std::io::Write as _;
use std::time::Duration;

use millrace_tests::{Log, Worker, eventually, read_topics, report};
use rdkafka::Message;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const WITHIN: Duration = Duration::from_secs(60);
/// Lines between two changes of what is installed.
const LINES: usize = 3_000;

/// The built example, in a version of its own: the description is the one place where name and version stand together.
fn mask_email(version: &str) -> anyhow::Result<Vec<u8>> {
    let file = Worker::binary()?.with_file_name("plugins").join("mask-email.wasm");
    let mut component = std::fs::read(&file).map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
    let said = b"mask-email0.1.0";
    let at = component.windows(said.len()).position(|w| w == said);
    let at = at.ok_or_else(|| anyhow::anyhow!("{} does not say its version as ever", file.display()))? + "mask-email".len();
    anyhow::ensure!(version.len() == 5);
    component[at..at + 5].copy_from_slice(version.as_bytes());
    Ok(component)
}

/// A worker that has the file connectors and no transform of its own.
async fn worker(settings: &str) -> anyhow::Result<(Worker, tempfile::TempDir)> {
    let path = tempfile::tempdir()?;
    let built = Worker::binary()?.with_file_name("plugins");
    for name in ["file-stream-source.wasm", "file-stream-source.grants"] {
        std::fs::copy(built.join(name), path.path().join(name))?;
    }
    let settings = format!("plugin.path={}\n{settings}", path.path().display());
    Ok((Worker::start_with(Log::Embedded, &settings).await?, path))
}

async fn put(worker: &Worker, query: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<(u16, Value)> {
    let mut request = reqwest::Client::new().put(format!("{}/plugins{query}", worker.rest)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    Ok((status, serde_json::from_str(&text)?))
}

/// The versions of the transform, and who uses each.
async fn versions(worker: &Worker) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let (_, all) = worker.get("/plugins/mask-email/versions").await?;
    let names = |v: &Value| v.as_array().into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)).collect();
    let one = |p: &Value| (p["version"].as_str().unwrap_or_default().to_owned(), names(&p["used_by"]));
    Ok(all.as_array().into_iter().flatten().map(one).collect())
}

fn masked(file: &std::path::Path) -> Value {
    json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": "lines",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "transforms": "wrap,mask", "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.wrap.field": "address", "transforms.mask.type": "mask-email", "transforms.mask.field": "address",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_swapped_while_records_flow() -> anyhow::Result<()> {
    let (mut worker, _path) = worker("").await?;
    let (status, body) = put(&worker, "", &[], mask_email("0.1.0")?).await?;
    anyhow::ensure!(status == 201 && body["version"] == "0.1.0" && body["source"] == "upload", "{status} {body}");
    let file = worker.dir().join("in.txt");
    std::fs::write(&file, "")?;
    worker.create("addresses", masked(&file)).await?;
    worker.running("addresses").await?;

    let mut input = std::fs::File::options().append(true).open(&file)?;
    let mut written = 0;
    for step in 0..4 {
        let text: String = (written..written + LINES).map(|n| format!("ada@n{n}.example.com\n")).collect();
        input.write_all(text.as_bytes())?;
        written += LINES;
        // While these lines flow.
        let (status, body) = match step {
            0 => put(&worker, "", &[], mask_email("0.2.0")?).await?,
            1 => put(&worker, "", &[], mask_email("0.3.0")?).await?,
            2 => worker.request("POST", "/plugins/mask-email/rollback", None).await?,
            _ => break,
        };
        let expected = ["0.2.0", "0.3.0", "0.2.0"][step];
        anyhow::ensure!(status == [201, 201, 200][step] && body["version"] == expected, "{status} {body}");
        anyhow::ensure!(body["moved"] == json!(["addresses"]) && body["refused"] == json!([]), "{body}");
        let users = versions(&worker).await?;
        anyhow::ensure!(users.iter().all(|(v, users)| users.is_empty() == (v != expected)), "{users:?}");
    }
    let records = eventually("every line arrives", WITHIN, || async {
        let records = read_topics(&worker.bootstrap, |t| t == "lines").await?;
        anyhow::ensure!(records.len() >= written, "{} of {written}: {}", records.len(), worker.log_tail());
        Ok(records)
    })
    .await?;
    let text = |r: &rdkafka::message::OwnedMessage| String::from_utf8_lossy(r.payload().unwrap_or_default()).into_owned();
    let found: Vec<String> = records.iter().map(text).collect();
    let expected: Vec<String> = (0..written).map(|n| format!("{{\"address\":\"a**@n{n}.example.com\"}}")).collect();
    anyhow::ensure!(found == expected, "{} records, {written} lines: lost, doubled or out of order", found.len());
    report(format!("{written} lines through two uploads and a rollback, each of them once"));

    // What is in use stays; what nobody uses goes, and does not come back.
    let (status, body) = worker.request("DELETE", "/plugins/mask-email/0.2.0", None).await?;
    anyhow::ensure!(status == 409 && body["message"].as_str().is_some_and(|m| m.contains("addresses")), "{status} {body}");
    let (status, body) = worker.request("DELETE", "/plugins/mask-email/0.1.0", None).await?;
    anyhow::ensure!(status == 204, "{status} {body}");
    anyhow::ensure!(worker.stop().await, "the worker did not stop:\n{}", worker.log_tail());
    worker.up().await?;
    worker.running("addresses").await?;
    let after = versions(&worker).await?;
    let expected = [("0.2.0".to_owned(), vec!["addresses".to_owned()]), ("0.3.0".to_owned(), vec![])];
    anyhow::ensure!(after == expected, "{after:?}");

    // A range, and one version exactly, though it is withdrawn.
    let mut config = masked(&file);
    for (range, version) in [("[0.2,0.3)", "0.2.0"), ("0.3.0", "0.3.0")] {
        config["transforms.mask.plugin.version"] = json!(range);
        let (status, body) = worker.request("PUT", "/connectors/addresses/config", Some(&config)).await?;
        anyhow::ensure!(status == 200, "{status} {body}");
        let users = versions(&worker).await?;
        anyhow::ensure!(users.iter().all(|(v, users)| users.is_empty() == (v != version)), "{range}: {users:?}");
    }
    config["transforms.mask.plugin.version"] = json!("[0.4,)");
    let (status, body) = worker.request("PUT", "/connectors/addresses/config", Some(&config)).await?;
    let message = body["message"].as_str().unwrap_or_default();
    anyhow::ensure!(status == 400 && message.contains("available versions: [0.2.0, 0.3.0]"), "{status} {body}");

    worker.delete("addresses").await?;
    for version in ["0.2.0", "0.3.0"] {
        let (status, body) = worker.request("DELETE", &format!("/plugins/mask-email/{version}"), None).await?;
        anyhow::ensure!(status == 204, "{status} {body}");
    }
    let (status, _) = worker.get("/plugins/mask-email/versions").await?;
    anyhow::ensure!(status == 404, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_is_refused() -> anyhow::Result<()> {
    let (worker, _path) = worker("plugin.upload.require.digest=true\nplugin.upload.max.bytes=200000\n").await?;
    let component = mask_email("0.1.0")?;
    let digest = |of: &[u8]| Sha256::digest(of).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let check = async |what: &[u8], digest: Option<&str>, status: u16, said: &str| {
        let headers: Vec<(&str, &str)> = digest.iter().map(|d| ("X-Content-SHA256", *d)).collect();
        let (found, body) = put(&worker, "", &headers, what.to_vec()).await?;
        let message = body["message"].as_str().unwrap_or_default();
        anyhow::ensure!(found == status && message.contains(said), "{found} {body}, not {status} {said}");
        Ok(())
    };
    let garbage = b"this is no plugin".as_slice();
    check(garbage, Some(&digest(garbage)), 400, "not WebAssembly").await?;
    let torn = &component[..component.len() / 2];
    check(torn, Some(&digest(torn)), 400, "cannot be compiled").await?;
    let module = b"\0asm\x01\0\0\0".as_slice();
    check(module, Some(&digest(module)), 400, "core module").await?;
    check(&component, None, 400, "X-Content-SHA256").await?;
    check(&component, Some(&digest(garbage)), 400, &digest(&component)).await?;
    check(&component, Some("12"), 400, "64 hexadecimal digits").await?;
    let large = vec![0; 200_001];
    check(&large, Some(&digest(&large)), 413, "plugin.upload.max.bytes").await?;
    let (_, listed) = worker.get("/plugins/mask-email/versions").await?;
    anyhow::ensure!(listed["error_code"] == 404, "{listed}");

    let sha = digest(&component);
    let headers = [("X-Content-SHA256", sha.as_str())];
    for (status, what) in [(201, "new"), (200, "there already")] {
        let (found, body) = put(&worker, "", &headers, component.clone()).await?;
        anyhow::ensure!(found == status && body["sha256"] == sha.as_str(), "{what}: {found} {body}");
    }
    // The same version with other content: another word of its documentation.
    let mut other = component.clone();
    let at = other.windows(5).position(|w| w == b"Hides").ok_or_else(|| anyhow::anyhow!("no documentation"))?;
    other[at] = b'h';
    let sha = digest(&other);
    let headers = [("X-Content-SHA256", sha.as_str())];
    for (query, status) in [("", 409), ("?replace=true", 201)] {
        let (found, body) = put(&worker, query, &headers, other.clone()).await?;
        anyhow::ensure!(found == status, "{query}: {found} {body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cut_off_is_no_plugin() -> anyhow::Result<()> {
    let (mut worker, _path) = worker("").await?;
    let component = mask_email("0.1.0")?;
    let address = worker.rest.trim_start_matches("http://").to_owned();
    let dir = worker.dir().join("data/plugins");
    let arrives = |n: usize| {
        let dir = dir.clone();
        move || {
            let dir = dir.clone();
            async move {
                let bytes: u64 = std::fs::read_dir(&dir)?.flatten().filter_map(|e| Some(e.metadata().ok()?.len())).sum();
                anyhow::ensure!(bytes as usize == n, "{bytes} of {n} bytes in {}", dir.display());
                Ok(())
            }
        }
    };
    let half = component.len() / 2;
    let mut stream = std::net::TcpStream::connect(&address)?;
    write!(stream, "PUT /plugins HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", component.len())?;
    stream.write_all(&component[..half])?;
    eventually("half of it is there", WITHIN, arrives(half)).await?;
    worker.kill();
    worker.up().await?;
    // The worker answers before it has looked at its plugins.
    eventually("what was cut off is gone", WITHIN, arrives(0)).await?;
    let (status, _) = worker.get("/plugins/mask-email/versions").await?;
    anyhow::ensure!(status == 404, "{status}");

    // A client that goes away leaves nothing either.
    let mut stream = std::net::TcpStream::connect(&address)?;
    write!(stream, "PUT /plugins HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", component.len())?;
    stream.write_all(&component[..half])?;
    eventually("half of it is there", WITHIN, arrives(half)).await?;
    drop(stream);
    eventually("it is gone", WITHIN, arrives(0)).await?;

    let (status, body) = put(&worker, "", &[], component).await?;
    anyhow::ensure!(status == 201, "{status} {body}");
    worker.kill();
    worker.up().await?;
    anyhow::ensure!(versions(&worker).await?.len() == 1);
    Ok(())
}
