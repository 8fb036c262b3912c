//! What a plugin in Go or C asks of the host: the cache, the clock, random numbers, a state, HTTP with a secret that it never sees, the
//! log and figures.

use anyhow::{Context, ensure};
use millrace_tests::{eventually, read_topics};
use rdkafka::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::plugins_go_c::{WITHIN, built, worker_with};

/// Answers each request with its body and a header, where it has the secret. One request a connection.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut asked = Vec::new();
            let mut some = [0; 4096];
            while !asked.ends_with(b"ping") {
                match stream.read(&mut some).await {
                    Ok(n) if n > 0 => asked.extend_from_slice(&some[..n]),
                    _ => return,
                }
            }
            let text = String::from_utf8_lossy(&asked).to_ascii_lowercase();
            let status = if text.contains("authorization: bearer s3cret\r\n") { "201 Created" } else { "401 Unauthorized" };
            let answer = format!("HTTP/1.1 {status}\r\nx-server: here\r\nconnection: close\r\ncontent-length: 4\r\n\r\npong");
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_and_c_reach_what_they_are_granted() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(serve(listener));
    let plugins = built("tests/guests/probe").await?;
    let worker = worker_with(plugins.path(), &["probe-go", "probe-c"]).await?;
    let heard = json!({
        "cached": "kept", "added": [true, false], "deleted": [true, false, true], "gone": true, "random": true, "clock": true,
        "state": "p/a;p/b;q;",
        "status": 201, "body": "pong", "header": "here", "refused": ["http.forbidden-host"], "all": [201, 201],
    });
    for language in ["go", "c"] {
        let mut config = json!({
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
            "transforms": "p", "transforms.p.type": format!("probe-{language}"), "transforms.p.url": format!("http://{at}/"),
            "transforms.p.token": "s3cret", "transforms.p.http.hosts": at.to_string(), "transforms.p.grants": "http",
        });
        // A dry run sends nothing that could change anything.
        let body = json!({"config": config, "records": [{"topic": "t", "value": 1}]});
        let (status, done) = worker.request("POST", "/transforms/try", Some(&body)).await?;
        ensure!(status == 200 && done["error"]["code"] == "http.dry-run", "{language}: {status} {done:#}");

        let (file, topic) = (worker.dir().join("lines.txt"), format!("heard-{language}"));
        std::fs::write(&file, "1\n2\n")?;
        let mut source = config.clone();
        for (key, value) in [
            ("connector.class", json!("FileStreamSource")),
            ("file", json!(file)),
            ("topic", json!(topic)),
            ("key.converter", json!("org.apache.kafka.connect.storage.StringConverter")),
        ] {
            source[key] = value;
        }
        worker.create(&topic, source).await?;
        let after = eventually("the probe's answers are in the topic", WITHIN, || async {
            let wanted = topic.clone();
            let records = read_topics(&worker.bootstrap, move |t| t == wanted).await?;
            ensure!(records.len() == 2, "{} of 2", records.len());
            records
                .iter()
                .map(|m| Ok(serde_json::from_slice(m.payload().unwrap_or_default())?))
                .collect::<anyhow::Result<Vec<Value>>>()
        })
        .await?;
        ensure!(after == [heard.clone(), heard.clone()], "{language}: {after:#?}");

        // Without the grant it is refused before it runs, and told what to set.
        config.as_object_mut().context("an object")?.remove("transforms.p.grants");
        let body = json!({"config": config, "records": [{"topic": "t", "value": 1}]});
        let (status, done) = worker.request("POST", "/transforms/try", Some(&body)).await?;
        ensure!(status == 400 && done.to_string().contains("transforms.<alias>.grants=http"), "{language}: {status} {done:#}");
    }
    Ok(())
}
