//! `enrich` against a service: what it knows is added, each value is asked for once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use crate::build::{LANGUAGES, plugin};

type Asked = Arc<Mutex<HashMap<String, usize>>>;

/// A service that knows the even numbers; 500 is an error.
fn service() -> anyhow::Result<(String, Asked)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/customers/", listener.local_addr()?);
    let asked = Asked::default();
    let seen = asked.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = seen.clone();
            std::thread::spawn(move || answer(stream, &seen));
        }
    });
    Ok((url, asked))
}

fn answer(stream: TcpStream, asked: &Asked) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while lines.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or_default();
        let id = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (status, body) = match id.parse::<u32>() {
            Ok(500) => ("500 Internal Server Error", String::new()),
            Ok(n) if n % 2 == 0 => ("200 OK", format!("{{\"country\":\"C{n}\"}}")),
            _ => ("404 Not Found", String::new()),
        };
        *asked.lock().entry(id).or_default() += 1;
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
}

#[test]
fn every_language_asks_a_service() -> anyhow::Result<()> {
    let schema = |more: bool| {
        let mut fields = vec![
            json!({"field": "id", "type": "int64", "optional": true}),
            json!({"field": "name", "type": "string", "optional": true}),
        ];
        fields.extend(more.then(|| json!({"field": "country", "type": "string", "optional": true})));
        json!({"type": "struct", "optional": false, "fields": fields})
    };
    let given = |id: Option<u32>| json!({"key": id, "value": {"schema": schema(false), "payload": {"id": id, "name": "n"}}});
    let enriched = |id: Option<u32>| {
        let country = id.map(|id| format!("C{id}"));
        json!({"key": id, "value": {"schema": schema(true), "payload": {"id": id, "name": "n", "country": country}}})
    };
    for language in LANGUAGES {
        let (url, asked) = service()?;
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("tests"))?;
        let hosts = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let config = json!({"url": url, "field": "id", "http.hosts": hosts});
        let mut input: Vec<_> = (0..40).map(|n| given(Some(n % 8 * 2))).collect();
        let mut expected: Vec<_> = (0..40).map(|n| enriched(Some(n % 8 * 2))).collect();
        input.extend([given(Some(7)), given(None), json!({"key": "gone", "value": null})]);
        expected.extend([enriched(None), json!({"key": "gone", "value": null})]);
        let case = json!({"config": config, "grants": ["http"], "input": input, "expected": expected,
            "expected_failures": [{"record": 40, "code": "enrich.unknown"}]});
        std::fs::write(dir.path().join("tests/known.json"), case.to_string())?;
        let case = json!({"config": config, "grants": ["http"], "input": [given(Some(500))], "expected_error": "500"});
        std::fs::write(dir.path().join("tests/unavailable.json"), case.to_string())?;
        crate::check(dir.path(), &plugin("enrich", language)?)?;
        let asked = asked.lock().clone();
        anyhow::ensure!(asked.len() == 10 && asked.values().all(|n| *n == 1), "{language} asked {asked:?}");
    }
    Ok(())
}
