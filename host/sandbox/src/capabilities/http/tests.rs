//! Requests against servers of this machine, with names that stand for whatever a test says.

use std::collections::HashMap;
use std::net::IpAddr;

use async_trait::async_trait;
use millrace_record::config::{ConfigDef, ConfigKey, ConfigType, Default as Given, Importance};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::bindings::http::{Credentials, HeaderValue, Secret};
use crate::bindings::types::ErrorKind;
use crate::metrics::FigureKind;
use crate::settings::Settings;

struct Names(HashMap<&'static str, &'static str>);

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let address = self.0.get(host).ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(vec![address.parse().expect("an address")])
    }
}

/// A server that answers each request, given as text, with what `answer` says; its port.
async fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut text = Vec::new();
                let mut chunk = [0; 4096];
                loop {
                    let n = socket.read(&mut chunk).await.unwrap_or(0);
                    text.extend_from_slice(&chunk[..n]);
                    let seen = String::from_utf8_lossy(&text).to_lowercase();
                    let length = |head: &str| {
                        head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0)
                    };
                    // What begins a TLS handshake has no end that this server would know.
                    if n == 0
                        || text[0] == 0x16
                        || seen.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= length(head))
                    {
                        break;
                    }
                }
                let answer = answer(&String::from_utf8_lossy(&text));
                if answer == "never" {
                    std::future::pending::<()>().await;
                }
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\nx-Kind: test\r\n\r\n{body}", body.len())
}

fn moved(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// A task that may reach `hosts`, with a password `api.token`.
fn owner(hosts: &str, names: &[(&'static str, &'static str)]) -> Owner {
    let config = RawConfig::from([
        ("plugin.http.hosts".to_owned(), hosts.to_owned()),
        ("api.token".to_owned(), "s3cret".to_owned()),
        ("api.user".to_owned(), "me".to_owned()),
        ("plugin.http.secrets.plain".to_owned(), "true".to_owned()),
    ]);
    let key = |name: &str, kind| ConfigKey::new(name, kind, Given::Null, Importance::Low, "");
    let (token, user) = (key("api.token", ConfigType::Password), key("api.user", ConfigType::String));
    let keys = ConfigDef { keys: vec![token, user, key("api.unset", ConfigType::Password)] };
    let allowed = Allowed::read(&config, None, None).unwrap();
    Owner {
        connector: "orders".into(),
        settings: Settings::new(&config, &keys, &[]),
        keys,
        http: Http::new(allowed, Arc::new(Names(names.iter().copied().collect()))),
        ..Owner::nobody("hook".into())
    }
}

fn request(method: &str, url: impl Into<String>) -> Request {
    Request {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_ms: Some(10_000),
        options: Vec::new(),
    }
}

fn option(mut request: Request, name: &str, value: &str) -> Request {
    request.options.push((name.into(), value.into()));
    request
}

fn header(mut request: Request, name: &str, value: HeaderValue) -> Request {
    request.headers.push((name.into(), value));
    request
}

async fn sent(owner: &Owner, request: Request) -> Result<Response, Error> {
    super::sent(owner, &Metrics::default(), request, &Budget::new(ANSWERS_BYTES_MAX)).await
}

#[tokio::test]
async fn requests_and_answers_pass() {
    let port =
        server(
            |text| {
                if text.starts_with("POST /a?b=1 HTTP/1.1\r\n") && text.ends_with("\r\n\r\nhello") { ok(text) } else { ok("?") }
            },
        )
        .await;
    let owner = owner(&format!("127.0.0.1:{port}"), &[]);
    let mut post = header(request("POST", format!("http://127.0.0.1:{port}/a?b=1")), "X-Mine", HeaderValue::Text("yes".into()));
    post.body = b"hello".to_vec();
    let answer = sent(&owner, post).await.unwrap();
    assert_eq!((answer.status, answer.url.ends_with("/a?b=1")), (200, true));
    assert!(answer.headers.contains(&("x-kind".into(), "test".into())), "{:?}", answer.headers);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("x-mine: yes\r\n") && text.contains("user-agent: millrace/"), "{text}");
}

#[tokio::test]
async fn only_listed_hosts_are_reached() {
    let port = server(|_| ok("inside")).await;
    let check = async |hosts: &str, url: &str, words: &[&str]| {
        let names = [
            ("api.example.com", "127.0.0.1"),
            ("metadata.example.com", "169.254.169.254"),
            ("localhost", "127.0.0.1"),
            ("localhost.", "127.0.0.1"),
        ];
        let answer = sent(&owner(hosts, &names), request("GET", url.replace("PORT", &port.to_string()))).await;
        match (answer, words) {
            (Ok(answer), []) => assert_eq!(answer.body, b"inside"),
            (Err(error), [_, ..]) => {
                assert_eq!((error.code.as_str(), error.kind), ("http.forbidden-host", ErrorKind::Config), "{}", error.message);
                assert_eq!(error.field.as_deref(), Some("plugin.http.hosts"));
                assert!(words.iter().all(|w| error.message.contains(w)), "{}", error.message);
            }
            (answer, _) => panic!("{hosts} {url}: {answer:?}"),
        }
    };
    check("", "http://127.0.0.1:PORT/", &["is not on the list of \"plugin.http.hosts\""]).await;
    check("127.0.0.1:1", "http://127.0.0.1:PORT/", &["127.0.0.1"]).await;
    check("api.example.com", "http://0x7f.1:PORT/", &["127.0.0.1"]).await;
    check("api.example.com", "http://[::ffff:127.0.0.1]:PORT/", &["is not on the list"]).await;
    // A listed name whose resolver answers loopback, or the address of a cloud's metadata.
    check("api.example.com", "http://api.example.com:PORT/", &["api.example.com is 127.0.0.1", "add the address"]).await;
    check("*.example.com", "http://metadata.example.com/", &["169.254.169.254"]).await;
    // The address is listed, or the name that means it.
    check("api.example.com,127.0.0.0/8", "http://api.example.com:PORT/", &[]).await;
    check("127.0.0.1", "http://127.0.0.1:PORT/", &[]).await;
    check("localhost", "http://localhost:PORT/", &[]).await;
    check("localhost", "http://LOCALHOST.:PORT/", &[]).await;
}

#[tokio::test]
async fn redirects_stay_on_the_list() {
    let inner = server(|text| ok(text)).await;
    let outer = server(move |text| match text.split(' ').nth(1).unwrap_or_default() {
        "/out" => moved(302, &format!("http://forbidden.example.com:{inner}/")),
        "/in" => moved(307, &format!("http://user:pass@127.0.0.1:{inner}/there")),
        "/see" => moved(303, "/seen"),
        "/file" => moved(301, "file:///etc/passwd"),
        "/round" => moved(308, "/round"),
        _ => ok(text),
    })
    .await;
    let owner = owner(&format!("127.0.0.1:{inner},127.0.0.1:{outer}"), &[("forbidden.example.com", "127.0.0.1")]);
    let post = |path: &str| {
        let mut post = request("POST", format!("http://127.0.0.1:{outer}{path}"));
        post.body = b"hello".to_vec();
        let secret = HeaderValue::Secret(Secret { prefix: "Key ".into(), key: "api.token".into() });
        header(header(post, "x-key", secret), "x-plain", HeaderValue::Text("plain".into()))
    };
    let code = async |path: &str| sent(&owner, post(path)).await.unwrap_err().code;
    assert_eq!(code("/out").await, "http.forbidden-host");
    assert_eq!(code("/file").await, "http.forbidden-host");
    assert_eq!(code("/round").await, "http.too-many-redirects");
    let text = async |path: &str| String::from_utf8(sent(&owner, post(path)).await.unwrap().body).unwrap();
    let seen = text("/see").await;
    assert!(seen.starts_with("GET /seen ") && seen.contains("x-key: Key s3cret\r\n") && !seen.contains("hello"), "{seen}");
    let there = text("/in").await;
    assert!(there.starts_with("POST /there ") && there.ends_with("hello") && there.contains("x-plain: plain"), "{there}");
    assert!(!there.contains("s3cret") && !there.contains("authorization"), "{there}");
    let kept = sent(&owner, option(post("/out"), "redirects", "0")).await.unwrap();
    assert_eq!(kept.status, 302);
}

#[tokio::test]
async fn secrets_are_used_and_not_seen() {
    let port = server(|text| ok(text)).await;
    let owner = owner(&format!("127.0.0.1:{port}"), &[]);
    let get = || request("GET", format!("http://127.0.0.1:{port}/"));
    let basic = |key: &str| HeaderValue::Basic(Credentials { user: "me".into(), password_key: key.into() });
    let answer = sent(&owner, header(get(), "Authorization", basic("api.token"))).await.unwrap();
    assert!(String::from_utf8(answer.body).unwrap().contains("authorization: Basic bWU6czNjcmV0\r\n"));
    for key in ["api.user", "api.unset", "other"] {
        assert_eq!(
            sent(&owner, header(get(), "authorization", basic(key))).await.unwrap_err().code,
            "http.no-such-secret",
            "{key}"
        );
    }
}

#[tokio::test]
async fn requests_are_bounded() {
    let port = server(|_| ok("")).await;
    let owner = owner("127.0.0.1", &[]);
    let url = format!("http://127.0.0.1:{port}/");
    let check = async |request: Request, code: &str| {
        let error = sent(&owner, request).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.kind), (code, ErrorKind::Fatal), "{}", error.message);
    };
    let text = |t: &str| HeaderValue::Text(t.into());
    for wrong in ["", "nonsense", "ftp://127.0.0.1/", "http://me@127.0.0.1/", "http://me:secret@127.0.0.1/", "file:///etc/passwd"]
    {
        check(request("GET", wrong), "http.invalid-request").await;
    }
    for method in ["CONNECT", "TRACE", "G T", ""] {
        check(request(method, &url), "http.invalid-request").await;
    }
    for name in ["Host", "content-length", "Transfer-Encoding", "a b", ""] {
        check(header(request("GET", &url), name, text("1")), "http.invalid-request").await;
    }
    check(header(request("GET", &url), "x", text("a\r\nb: c")), "http.invalid-request").await;
    check(header(request("GET", &url), "x", text(&"a".repeat(65 << 10))), "http.request-too-large").await;
    check((0..101).fold(request("GET", &url), |r, i| header(r, &format!("x{i}"), text("1"))), "http.request-too-large").await;
    check(request("GET", url.clone() + &"a".repeat(9 << 10)), "http.request-too-large").await;
    check(Request { body: vec![0; (16 << 20) + 1], ..request("PUT", &url) }, "http.request-too-large").await;
    check(option(request("GET", &url), "proxy", "x"), "http.invalid-request").await;
    check(option(request("GET", &url), "redirects", "6"), "http.invalid-request").await;
    check(option(request("GET", &url), "response-bytes", "-1"), "http.invalid-request").await;
}

#[tokio::test]
async fn answers_are_bounded() {
    let port = server(|text| match text.split(' ').nth(1).unwrap_or_default() {
        "/long" => ok(&"x".repeat(2_000)),
        "/endless" => format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2_000)),
        "/never" => "never".into(),
        "/head" => format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(70 << 10)),
        "/torn" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel".into(),
        _ => "what?".into(),
    })
    .await;
    let owner = owner("127.0.0.1", &[]);
    let get = |path: &str| request("GET", format!("http://127.0.0.1:{port}{path}"));
    let check = async |request: Request, code: &str, kind: ErrorKind| {
        let error = sent(&owner, request).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.kind), (code, kind), "{}", error.message);
    };
    check(option(get("/long"), "response-bytes", "1999"), "http.response-too-large", ErrorKind::Fatal).await;
    check(option(get("/endless"), "response-bytes", "1999"), "http.response-too-large", ErrorKind::Fatal).await;
    assert_eq!(sent(&owner, option(get("/endless"), "response-bytes", "2000")).await.unwrap().body.len(), 2_000);
    check(get("/head"), "http.response-too-large", ErrorKind::Fatal).await;
    check(Request { timeout_ms: Some(50), ..get("/never") }, "http.timeout", ErrorKind::Retriable).await;
    check(get("/torn"), "http.connection", ErrorKind::Retriable).await;
    check(get("/rubbish"), "http.connection", ErrorKind::Retriable).await;
    check(request("GET", format!("https://127.0.0.1:{port}/")), "http.tls", ErrorKind::Fatal).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check(request("GET", format!("http://{closed}/")), "http.connection", ErrorKind::Retriable).await;
    let budget = Budget::new(3_000);
    super::sent(&owner, &Metrics::default(), get("/long"), &budget).await.unwrap();
    assert_eq!(
        super::sent(&owner, &Metrics::default(), get("/long"), &budget).await.unwrap_err().code,
        "http.response-too-large"
    );
}

#[tokio::test]
async fn unknown_names_are_tried_again() {
    let error =
        sent(&owner("nowhere.example.com", &[]), request("GET", "http://nowhere.example.com/path?secret")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.kind), ("http.unknown-host", ErrorKind::Retriable));
    assert!(!error.message.contains("secret") && error.message.contains("no such name"), "{}", error.message);
}

#[test]
fn lists_are_held_against_the_workers() {
    let policy = Hosts::parse("*.example.com").unwrap();
    let read = |hosts: &str, alias| {
        let key = Allowed::key(alias != None::<&str>).to_owned();
        Allowed::read(&RawConfig::from([(key, hosts.to_owned())]), alias, Some(policy.clone()))
    };
    read("api.example.com:443", None).unwrap();
    let beyond = read("api.example.org", Some("ask")).unwrap_err();
    assert_eq!(beyond.field.as_deref(), Some("transforms.ask.http.hosts"));
    assert!(
        beyond.message.contains("\"api.example.org\"") && beyond.message.contains("plugin.http.hosts.allowed"),
        "{}",
        beyond.message
    );
    let wrong = read("a b", None).unwrap_err();
    assert!(wrong.message.starts_with("\"plugin.http.hosts\" is wrong: \"a b\" is not a host"), "{}", wrong.message);
}

#[test]
fn secrets_are_not_sent_where_others_may_read_them() {
    let check = |plain: &str, url: &str, sent: bool| {
        let config = RawConfig::from([("http.secrets.plain".to_owned(), plain.to_owned())]);
        let allowed = Allowed::read(&config, Some("t"), None).unwrap();
        let asked = allowed.check_secret(&reqwest::Url::parse(url).unwrap());
        assert_eq!(asked.is_ok(), sent, "{plain} {url}");
        if let Err(error) = asked {
            assert_eq!(error.field.as_deref(), Some("transforms.t.http.secrets.plain"));
            assert!(error.message.contains("use https"), "{}", error.message);
        }
    };
    for here in
        ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:8/", "http://[::ffff:127.0.0.1]/", "https://a.example/"]
    {
        check("", here, true);
    }
    for away in ["http://a.example/", "http://10.0.0.1/", "http://localhost.example/"] {
        check("false", away, false);
        check("TRUE", away, true);
    }
    let config = RawConfig::from([("plugin.http.secrets.plain".to_owned(), "yes".to_owned())]);
    let wrong = Allowed::read(&config, None, None).unwrap_err();
    assert_eq!(wrong.field.as_deref(), Some("plugin.http.secrets.plain"));
}

#[tokio::test]
async fn requests_are_counted_by_listed_hosts() {
    let metrics = Metrics::default();
    let owner = owner("127.0.0.1", &[]);
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{port}/"), "http://elsewhere.example/".to_owned()] {
        let asked = request("GET", url);
        super::sent(&owner, &metrics, asked, &Budget::new(ANSWERS_BYTES_MAX)).await.unwrap_err();
    }
    let figures = metrics.snapshot();
    let named: Vec<_> = figures.iter().map(|f| (f.name.as_str(), f.labels[0].1.as_str())).collect();
    assert_eq!(named, [("http_failures", "127.0.0.1"), ("http_requests", "127.0.0.1"), ("http_seconds", "127.0.0.1")]);
    assert_eq!((&figures[0].value, &figures[1].value), (&FigureKind::Counter(1), &FigureKind::Counter(1)));
}
