//! The client against a registry of a few lines, which counts what it is asked and can be told to fail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use millrace_record::RawConfig;
use parking_lot::Mutex;
use serde_json::json;

use super::*;

/// What a path answers, and the requests there were.
#[derive(Default)]
struct Script {
    answers: HashMap<String, (u16, String)>,
    asked: Vec<String>,
    delay: Duration,
}

type Shared = Arc<Mutex<Script>>;

async fn answer(State(script): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let delay = script.lock().delay;
    tokio::time::sleep(delay).await;
    let mut script = script.lock();
    let auth = headers.get("authorization").and_then(|h| h.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    script.asked.push(format!("{method} {uri} {auth} {body}").trim_end().to_owned());
    let (status, text) = script.answers.get(uri.path()).cloned().unwrap_or((404, "<html>no such page</html>".into()));
    (StatusCode::from_u16(status).unwrap(), text)
}

async fn serve() -> (SocketAddr, Shared) {
    let script = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(axum::serve(listener, app).into_future());
    (address, script)
}

fn config(pairs: &[(&str, &str)]) -> RawConfig {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn client(pairs: &[(&str, &str)]) -> HttpClient {
    HttpClient::new(ClientConfig::new(&config(pairs)).unwrap()).unwrap()
}

fn set(script: &Shared, path: &str, status: u16, body: serde_json::Value) {
    script.lock().answers.insert(path.to_owned(), (status, body.to_string()));
}

/// Asks until there is an answer.
async fn settle<T>(ask: impl Fn() -> Asked<T>) -> Result<Result<T, RegistryError>, Unavailable> {
    loop {
        match ask() {
            Asked::Known(answer) => return Ok(answer),
            Asked::Wait(wait) => wait.await?,
        }
    }
}

use millrace_record::convert::Unavailable;

const LONG: &str = "\"long\"";

#[tokio::test]
async fn an_id_is_asked_for_once_whoever_asks() {
    let (at, script) = serve().await;
    set(&script, "/schemas/ids/7", 200, json!({ "schema": LONG }));
    set(&script, "/schemas/ids/7/versions", 200, json!([{ "subject": "t-value", "version": 3 }]));
    script.lock().delay = Duration::from_millis(50);
    let client = client(&[(URL, &format!("http://{at}/"))]);
    let found = futures::future::join_all((0..20).map(|_| settle(|| client.by_id(7, "t-value")))).await;
    for found in found {
        let found = found.unwrap().unwrap();
        assert_eq!((found.id, found.version, &*found.text), (7, Some(3), LONG));
    }
    let asked = script.lock().asked.clone();
    assert_eq!(asked, ["GET /schemas/ids/7?subject=t-value", "GET /schemas/ids/7/versions?subject=t-value"]);
}

#[tokio::test]
async fn a_no_of_the_registry_is_an_answer_and_all_else_is_not() {
    let (at, script) = serve().await;
    let client = client(&[(URL, &format!("http://{at}"))]);
    set(&script, "/schemas/ids/1", 404, json!({ "error_code": 40403, "message": "Schema 1 not found" }));
    let no = settle(|| client.by_id(1, "")).await.unwrap().unwrap_err();
    assert_eq!(no.to_string(), "Schema 1 not found; error code: 40403");
    // The answer is kept for a while.
    assert!(matches!(client.by_id(1, ""), Asked::Known(Err(_))));

    for (id, status, body) in [
        (2, 500, json!({ "error_code": 50001, "message": "store" })),
        (3, 429, json!({ "error_code": 429, "message": "slow down" })),
        (4, 401, json!({ "error_code": 401, "message": "who are you" })),
        (5, 403, json!({ "error_code": 40301, "message": "not you" })),
        (6, 404, json!("a page")),
        (7, 200, json!("no schema")),
    ] {
        set(&script, &format!("/schemas/ids/{id}"), status, body);
        let why = settle(|| client.by_id(id, "")).await.unwrap_err().0;
        assert!(why.contains(&at.to_string()) && why.contains("check \""), "{why}");
        // And it can be had as soon as it is there.
        set(&script, &format!("/schemas/ids/{id}"), 200, json!({ "schema": LONG }));
        assert_eq!(settle(|| client.by_id(id, "")).await.unwrap().unwrap().id, id);
    }
}

#[tokio::test]
async fn another_url_answers_for_one_that_is_down() {
    let (at, script) = serve().await;
    let (sick, of_sick) = serve().await;
    set(&script, "/subjects/%3A.east%3At-value/versions/latest", 200, json!({ "id": 4, "version": 2, "schema": LONG }));
    set(&of_sick, "/subjects/%3A.east%3At-value/versions/latest", 503, json!({ "error_code": 50003, "message": "leader" }));
    // Nobody listens at the first.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client(&[(URL, &format!("http://{free},http://{sick},http://{at}"))]);
    let found = settle(|| client.latest(":.east:t-value")).await.unwrap().unwrap();
    assert_eq!((found.id, found.version), (4, Some(2)));
    // The next question goes where there was an answer.
    set(&script, "/schemas/ids/9", 200, json!({ "schema": LONG }));
    settle(|| client.by_id(9, "")).await.unwrap().unwrap();
    assert_eq!(of_sick.lock().asked.len(), 1);
}

#[tokio::test]
async fn schemas_are_registered_and_looked_up() {
    let (at, script) = serve().await;
    let client = client(&[(URL, &format!("http://{at}")), ("basic.auth.user.info", "me:s3cret")]);
    set(&script, "/subjects/a%2Fb-value/versions", 200, json!({ "id": 12 }));
    set(&script, "/subjects/a%2Fb-value", 200, json!({ "id": 12, "version": 1, "subject": "a/b-value", "schema": LONG }));
    let text: Arc<str> = LONG.into();
    let how = |register, normalize| Registration { register, normalize };
    let found = settle(|| client.id_of("a/b-value", SchemaType::Avro, &text, &[], how(true, true))).await.unwrap().unwrap();
    assert_eq!(found.id, 12);
    let found = settle(|| client.id_of("a/b-value", SchemaType::Avro, &text, &[], how(false, false))).await.unwrap().unwrap();
    assert_eq!(found.version, Some(1));
    let asked = script.lock().asked.clone();
    let body = r#"{"schema":"\"long\""}"#;
    assert_eq!(
        asked,
        [
            format!("POST /subjects/a%2Fb-value/versions?normalize=true Basic bWU6czNjcmV0 {body}"),
            format!("POST /subjects/a%2Fb-value Basic bWU6czNjcmV0 {body}"),
        ]
    );
    assert!(!format!("{client:?} {:?}", client).contains("s3cret"));
}

#[tokio::test]
async fn the_latest_version_is_asked_for_again_when_it_is_due() {
    let (at, script) = serve().await;
    set(&script, "/subjects/s/versions/latest", 200, json!({ "id": 1, "version": 1, "schema": LONG }));
    let forever = client(&[(URL, &format!("http://{at}"))]);
    let brief = client(&[(URL, &format!("http://{at}")), ("latest.cache.ttl.sec", "1")]);
    for client in [&forever, &brief] {
        assert_eq!(settle(|| client.latest("s")).await.unwrap().unwrap().id, 1);
    }
    set(&script, "/subjects/s/versions/latest", 200, json!({ "id": 2, "version": 2, "schema": LONG }));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while settle(|| brief.latest("s")).await.unwrap().unwrap().id != 2 {
        assert!(tokio::time::Instant::now() < deadline, "the latest version is never asked for again");
        tokio::task::yield_now().await;
    }
    assert_eq!(settle(|| forever.latest("s")).await.unwrap().unwrap().id, 1);
}

#[tokio::test]
async fn references_are_resolved_in_the_order_they_need_each_other() {
    let (at, script) = serve().await;
    let reference = |name: &str, subject: &str| json!({ "name": name, "subject": subject, "version": 1 });
    let record = |name: &str, field: &str| json!({ "type": "record", "name": name, "fields": [{ "name": "f", "type": field }] });
    let root = record("a.Root", "a.Mid").to_string();
    set(&script, "/schemas/ids/1", 200, json!({ "schema": root, "references": [reference("a.Mid", "mid")] }));
    let mid = json!({ "id": 2, "schema": record("a.Mid", "a.Leaf").to_string(), "references": [reference("a.Leaf", "leaf")] });
    set(&script, "/subjects/%3A.c%3Amid/versions/1", 200, mid);
    set(&script, "/subjects/%3A.c%3Aleaf/versions/1", 200, json!({ "id": 3, "schema": record("a.Leaf", "long").to_string() }));
    let client = client(&[(URL, &format!("http://{at}"))]);
    let found = settle(|| client.by_id(1, ":.c:root-value")).await.unwrap().unwrap();
    assert_eq!(found.references.len(), 1);
    let asked = script.lock().asked.clone();
    assert!(asked[2].starts_with("GET /subjects/%3A.c%3Amid/versions/1"), "{asked:?}");
    assert!(asked[3].starts_with("GET /subjects/%3A.c%3Aleaf/versions/1"), "{asked:?}");
}

#[tokio::test]
async fn caches_are_bounded() {
    let (at, script) = serve().await;
    for id in 0..10 {
        set(&script, &format!("/schemas/ids/{id}"), 200, json!({ "schema": LONG }));
    }
    let client = client(&[(URL, &format!("http://{at}")), ("max.schemas.per.subject", "3")]);
    for id in 0..10 {
        settle(|| client.by_id(id, "")).await.unwrap().unwrap();
    }
    assert!(format!("{client:?}").contains("cached: 1") || format!("{client:?}").contains("cached: 2"), "{client:?}");
}

const OAUTH: (&str, &str) = ("bearer.auth.credentials.source", "OAUTHBEARER");

/// A token is fetched once, with the client's secret and without what is for the registry, and again after it was refused.
#[tokio::test]
async fn tokens_are_fetched_kept_and_fetched_again() {
    let (at, script) = serve().await;
    let url = format!("http://{at}");
    let endpoint = format!("http://{at}/token");
    let pairs = [
        (URL, url.as_str()),
        OAUTH,
        ("bearer.auth.issuer.endpoint.url", endpoint.as_str()),
        ("bearer.auth.client.id", "me"),
        ("bearer.auth.client.secret", "pw"),
        ("bearer.auth.scope", "schemas read"),
        ("bearer.auth.logical.cluster", "lsrc-1"),
    ];
    let client = client(&pairs);
    let asked = || std::mem::take(&mut script.lock().asked);
    for id in 1..9 {
        set(&script, &format!("/schemas/ids/{id}"), 200, json!({ "schema": LONG }));
    }
    // Nothing is asked of the registry without a token, and what is said of it is no word on the record.
    set(&script, "/token", 401, json!({ "error": "invalid_client", "error_description": "who are you" }));
    let Unavailable(why) = settle(|| client.by_id(1, "")).await.unwrap_err();
    assert!(why.contains("401 Unauthorized: invalid_client: who are you") && why.contains("bearer.auth.client.id"), "{why}");
    assert!(!why.contains("pw"), "{why}");
    let expected = "POST /token Basic bWU6cHc= grant_type=client_credentials&scope=schemas+read";
    assert_eq!(asked(), [expected]);
    set(&script, "/token", 200, json!({ "access_token": "t1", "token_type": "Bearer", "expires_in": 3600 }));
    for id in [1, 2] {
        settle(|| client.by_id(id, "")).await.unwrap().unwrap();
    }
    assert_eq!(asked(), [expected, "GET /schemas/ids/1 Bearer t1", "GET /schemas/ids/2 Bearer t1"]);
    // One that is refused is not used again.
    set(&script, "/schemas/ids/3", 401, json!({ "error_code": 401, "message": "Unauthorized" }));
    settle(|| client.by_id(3, "")).await.unwrap_err();
    set(&script, "/schemas/ids/3", 200, json!({ "schema": LONG }));
    set(&script, "/token", 200, json!({ "access_token": "t2", "expires_in": "0" }));
    settle(|| client.by_id(3, "")).await.unwrap().unwrap();
    assert_eq!(asked(), ["GET /schemas/ids/3 Bearer t1", expected, "GET /schemas/ids/3 Bearer t2"]);
    // That one has ended, and the next has no end that is known.
    set(&script, "/token", 200, json!({ "access_token": "t3" }));
    for id in [4, 5] {
        settle(|| client.by_id(id, "")).await.unwrap().unwrap();
    }
    assert_eq!(asked(), [expected, "GET /schemas/ids/4 Bearer t3", "GET /schemas/ids/5 Bearer t3"]);
    // An end beyond all reckoning, and an answer that is no token's.
    let endless = self::client(&pairs);
    set(&script, "/token", 200, json!({ "access_token": "t4", "expires_in": u64::MAX }));
    settle(|| endless.by_id(6, "")).await.unwrap().unwrap();
    let other = self::client(&pairs);
    set(&script, "/token", 200, json!({ "token": "t5" }));
    let Unavailable(why) = settle(|| other.by_id(7, "")).await.unwrap_err();
    assert!(why.contains("without \"access_token\""), "{why}");
}

#[test]
fn wrong_settings_are_named() {
    for (pairs, error) in [
        (&[][..], "Missing required configuration \"schema.registry.url\""),
        (&[(URL, "localhost")], "Invalid value localhost for configuration schema.registry.url: a URL is expected"),
        (&[(URL, "ftp://u:pw@h")], "Invalid value h for configuration schema.registry.url: a URL of http or https"),
        (&[(URL, "http://h"), ("basic.auth.user.info", "pw")], "Invalid value [hidden] for configuration basic.auth.user.info"),
        (&[(URL, "http://h"), ("basic.auth.credentials.source", "MAGIC")], "Invalid value MAGIC for configuration basic.auth"),
        (&[(URL, "http://h"), ("bearer.auth.credentials.source", "CUSTOM")], "use one of STATIC_TOKEN, OAUTHBEARER"),
        (&[(URL, "http://h"), OAUTH], "so set \"bearer.auth.issuer.endpoint.url\""),
        (&[(URL, "http://h"), OAUTH, ("bearer.auth.issuer.endpoint.url", "u:pw@h")], "a URL of http or https is expected"),
        (&[(URL, "http://h"), OAUTH, ("bearer.auth.issuer.endpoint.url", "http://u:pw@h")], "in \"bearer.auth.client.secret\""),
        (&[(URL, "http://h"), OAUTH, ("bearer.auth.issuer.endpoint.url", "http://h")], "so set \"bearer.auth.client.id\""),
        (&[(URL, "http://h"), ("http.read.timeout.ms", "0")], "Invalid value 0 for configuration http.read.timeout.ms"),
        (&[(URL, "https://h"), ("schema.registry.ssl.truststore.type", "JKS")], "only PEM is read"),
        (&[(URL, "https://h"), ("schema.registry.ssl.truststore.location", "/none")], "Invalid value /none for configuration"),
    ] {
        let found = ClientConfig::new(&config(pairs)).unwrap_err();
        assert!(found.contains(error), "{found}");
        assert!(!found.contains("pw"), "{found}");
    }
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password='b c';";
    let pairs = [(URL, "http://h"), ("basic.auth.credentials.source", "SASL_INHERIT"), ("sasl.jaas.config", jaas)];
    let made = ClientConfig::new(&config(&pairs)).unwrap();
    let expected = config::Credentials::Basic { user: "a".into(), password: "b c".into() };
    assert_eq!(made.urls[0].credentials, Some(expected));
    let made = ClientConfig::new(&config(&[(URL, "http://a%40b:c@h:1/x/")])).unwrap();
    assert_eq!(made.urls[0].base, "http://h:1/x");
    assert_eq!(made.urls[0].credentials, Some(config::Credentials::Basic { user: "a@b".into(), password: "c".into() }));
}
