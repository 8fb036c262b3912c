//! Registries as the monitor reads them, over HTTP: one reader for each set of settings that converters have.
//!
//! What the registry says no to is told from a registry that cannot be asked: only the first means that there is no such
//! subject or version. Nothing is kept but the schemas behind ids, which never change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use millrace_record::RawConfig;
use millrace_registry::compatibility::Level;
use millrace_registry::{Dependency, ParsedSchema, Reference, SchemaType};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::reader::{Fetched, SubjectReader, Unreachable};
use crate::transforms::list;

/// Where a converter's registry is.
const URL: &str = "schema.registry.url";
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many schemas one schema may refer to, directly and through others.
const REFERENCES_MAX: usize = 1_000;
/// How many schemas are kept.
const SCHEMAS_MAX: usize = 10_000;
/// What RFC 3986 leaves as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes a reader of a converter's settings, and the registry's name in events and in the topic.
pub trait Registries: Send + Sync {
    /// The error names the setting at fault.
    fn reader(&self, settings: &RawConfig) -> Result<(String, Arc<dyn SubjectReader>), String>;
}

/// Registries over HTTP.
pub struct HttpRegistries {
    /// Where converters look that name no registry.
    default_url: Option<String>,
    made: Mutex<HashMap<BTreeMap<String, String>, (String, Arc<HttpReader>)>>,
}

impl HttpRegistries {
    pub fn new(default_url: Option<String>) -> Self {
        HttpRegistries { default_url, made: Mutex::default() }
    }
}

/// Settings that make one reader differ from another.
fn counts(key: &str) -> bool {
    ["schema.registry.", "basic.auth.", "bearer.auth."].iter().any(|prefix| key.starts_with(prefix))
}

impl Registries for HttpRegistries {
    fn reader(&self, settings: &RawConfig) -> Result<(String, Arc<dyn SubjectReader>), String> {
        let mut key: BTreeMap<String, String> =
            settings.iter().filter(|(k, _)| counts(k)).map(|(k, v)| (k.clone(), v.trim().to_owned())).collect();
        if let (None, Some(url)) = (key.get(URL), &self.default_url) {
            key.insert(URL.to_owned(), url.clone());
        }
        if let Some((name, reader)) = self.made.lock().get(&key) {
            return Ok((name.clone(), reader.clone()));
        }
        let reader = Arc::new(HttpReader::new(&key)?);
        let name = reader.urls.iter().map(|u| u.base.as_str()).collect::<Vec<_>>().join(",");
        self.made.lock().insert(key, (name.clone(), reader.clone()));
        Ok((name, reader))
    }
}

/// What a request proves who we are with.
#[derive(Clone)]
enum Credentials {
    Basic(String, String),
    Bearer(String),
}

struct Place {
    /// Without credentials or a slash at the end.
    base: String,
    credentials: Option<Credentials>,
}

/// One registry over HTTP, at one of several URLs.
pub struct HttpReader {
    http: reqwest::Client,
    urls: Vec<Place>,
    /// Which URL answered last.
    current: AtomicUsize,
    schemas: Mutex<HashMap<i32, Arc<Fetched>>>,
}

impl HttpReader {
    fn new(settings: &BTreeMap<String, String>) -> Result<Self, String> {
        let named = credentials(settings)?;
        let urls = list(settings.get(URL)).iter().map(|url| place(url, &named)).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            return Err(format!("\"{URL}\" is not set: name the registry, as http://localhost:8081"));
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
        let http = http.map_err(|e| format!("cannot make a client for \"{URL}\": {e}"))?;
        Ok(HttpReader { http, urls, current: AtomicUsize::new(0), schemas: Mutex::default() })
    }

    /// None: the registry says that there is no such thing.
    async fn get(&self, path: &str) -> Result<Option<Value>, Unreachable> {
        let first = self.current.load(Ordering::Relaxed);
        let mut why = Unreachable("no URL is set".into());
        for i in (first..first + self.urls.len()).map(|i| i % self.urls.len()) {
            match self.get_from(&self.urls[i], path).await {
                Ok(answer) => {
                    self.current.store(i, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(unreachable) => why = unreachable,
            }
        }
        Err(why)
    }

    async fn get_from(&self, at: &Place, path: &str) -> Result<Option<Value>, Unreachable> {
        let failed = |why: String| Unreachable(format!("cannot ask the schema registry at {}: {why}", at.base));
        let mut request = self.http.get(format!("{}{path}", at.base));
        request = request.header("Accept", "application/vnd.schemaregistry.v1+json, application/json; q=0.5");
        request = match &at.credentials {
            None => request,
            Some(Credentials::Basic(user, password)) => request.basic_auth(user, Some(password)),
            Some(Credentials::Bearer(token)) => request.bearer_auth(token),
        };
        let answer = request.send().await.map_err(|e| failed(e.without_url().to_string()))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|e| failed(e.without_url().to_string()))?;
        let body: Option<Value> = serde_json::from_slice(&bytes).ok();
        match body {
            Some(body) if status.is_success() => Ok(Some(body)),
            // A page that is not there without a registry's words: the URL is not the registry's.
            Some(body) if status.as_u16() == 404 && body.get("error_code").is_some() => Ok(None),
            _ => Err(failed(format!("it answers {path} with {status}"))),
        }
    }

    /// Reads a schema as the API answers one; what it refers to is asked for.
    async fn fetched(&self, found: &Value, id: i32, version: i32) -> Result<Arc<Fetched>, Unreachable> {
        if let Some(known) = self.schemas.lock().get(&id) {
            return Ok(Arc::new(Fetched { version, ..Fetched::clone(known) }));
        }
        let schema_type = found.get("schemaType").cloned().map(serde_json::from_value::<SchemaType>);
        let schema_type = schema_type.and_then(Result::ok).unwrap_or_default();
        let text: Arc<str> = found.get("schema").and_then(Value::as_str).unwrap_or_default().into();
        let dependencies = self.dependencies(references(found)).await?;
        let parsed = ParsedSchema::parse(schema_type, &text, &dependencies);
        let fetched = Arc::new(Fetched { version, id, schema_type, text, parsed });
        let mut schemas = self.schemas.lock();
        if schemas.len() >= SCHEMAS_MAX {
            schemas.clear();
        }
        schemas.insert(id, fetched.clone());
        Ok(fetched)
    }

    /// The texts of references, each after those that it needs itself.
    async fn dependencies(&self, roots: Vec<Reference>) -> Result<Vec<Dependency>, Unreachable> {
        /// A reference still to be looked up, or one that follows its own.
        enum Step {
            Open(Reference),
            Close(Dependency),
        }
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut steps: Vec<_> = roots.into_iter().rev().map(Step::Open).collect();
        while let Some(step) = steps.pop() {
            let reference = match step {
                Step::Close(dependency) => {
                    found.push(dependency);
                    continue;
                }
                Step::Open(reference) => reference,
            };
            if !seen.insert(reference.name.clone()) || seen.len() > REFERENCES_MAX {
                continue;
            }
            let path = format!("/subjects/{}/versions/{}", part(&reference.subject), reference.version);
            // One that is not there makes a schema that cannot be parsed, which says so.
            let Some(of) = self.get(&path).await? else { continue };
            let text = of.get("schema").and_then(Value::as_str).unwrap_or_default().into();
            steps.push(Step::Close(Dependency { name: reference.name, text }));
            steps.extend(references(&of).into_iter().rev().map(Step::Open));
        }
        Ok(found)
    }
}

fn references(found: &Value) -> Vec<Reference> {
    found.get("references").cloned().and_then(|r| serde_json::from_value(r).ok()).unwrap_or_default()
}

fn credentials(settings: &BTreeMap<String, String>) -> Result<Option<Credentials>, String> {
    let user_info = ["basic.auth.user.info", "schema.registry.basic.auth.user.info"].iter().find_map(|k| settings.get(*k));
    if settings.get("basic.auth.credentials.source").is_some_and(|s| s == "URL") {
        return Ok(None);
    }
    if let Some(user_info) = user_info {
        let parts = user_info.split_once(':');
        let (user, password) = parts.ok_or("\"basic.auth.user.info\" must be written as user:password")?;
        return Ok(Some(Credentials::Basic(user.to_owned(), password.to_owned())));
    }
    Ok(settings.get("bearer.auth.token").map(|token| Credentials::Bearer(token.clone())))
}

fn place(given: &str, named: &Option<Credentials>) -> Result<Place, String> {
    // What is shown of a wrong URL must not hold its password.
    let shown = given.rsplit_once('@').map_or(given, |(_, host)| host);
    let parsed = reqwest::Url::parse(given).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let mut url = parsed.ok_or_else(|| format!("\"{URL}\" is \"{shown}\": set a URL, as http://localhost:8081"))?;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let own = (!url.username().is_empty())
        .then(|| Credentials::Basic(decoded(url.username()), decoded(url.password().unwrap_or_default())));
    // A URL with a host takes both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Place { base: url.as_str().trim_end_matches('/').to_owned(), credentials: named.clone().or(own) })
}

fn part(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, PART)
}

fn number(value: &Value, key: &str) -> Option<i32> {
    value.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok())
}

#[async_trait]
impl SubjectReader for HttpReader {
    async fn versions(&self, subject: &str) -> Result<Vec<i32>, Unreachable> {
        let found = self.get(&format!("/subjects/{}/versions", part(subject))).await?;
        let numbers = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok());
        let mut versions: Vec<i32> = found.iter().flat_map(|v| v.as_array().into_iter().flatten()).filter_map(numbers).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    async fn version(&self, subject: &str, version: i32) -> Result<Option<Arc<Fetched>>, Unreachable> {
        let path = format!("/subjects/{}/versions/{version}", part(subject));
        let found = match self.get(&path).await? {
            Some(found) => Some(found),
            None => self.get(&format!("{path}?deleted=true")).await?,
        };
        let Some(id) = found.as_ref().and_then(|f| number(f, "id")) else { return Ok(None) };
        let Some(found) = found else { return Ok(None) };
        self.fetched(&found, id, version).await.map(Some)
    }

    async fn by_id(&self, id: i32, subject: &str) -> Result<Option<Arc<Fetched>>, Unreachable> {
        if let Some(known) = self.schemas.lock().get(&id) {
            return Ok(Some(Arc::new(Fetched { version: 0, ..Fetched::clone(known) })));
        }
        let named = if subject.is_empty() { String::new() } else { format!("?subject={}", part(subject)) };
        match self.get(&format!("/schemas/ids/{id}{named}")).await? {
            Some(found) => self.fetched(&found, id, 0).await.map(Some),
            None => Ok(None),
        }
    }

    async fn versions_of(&self, id: i32, subject: &str) -> Result<Vec<(String, i32)>, Unreachable> {
        let found = self.get(&format!("/schemas/ids/{id}/versions?subject={}&deleted=true", part(subject))).await?;
        let place = |v: &Value| Some((v.get("subject")?.as_str()?.to_owned(), number(v, "version")?));
        Ok(found.iter().flat_map(|v| v.as_array().into_iter().flatten()).filter_map(place).collect())
    }

    async fn level(&self, subject: &str) -> Result<Level, Unreachable> {
        let own = self.get(&format!("/config/{}?defaultToGlobal=true", part(subject))).await?;
        let found = match own {
            Some(own) => Some(own),
            None => self.get("/config").await?,
        };
        let level = found.as_ref().and_then(|f| f.get("compatibilityLevel").or_else(|| f.get("compatibility"))?.as_str());
        Ok(level.and_then(|l| l.parse().ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{StatusCode, Uri};
    use axum::response::IntoResponse;

    use super::*;

    const V1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

    /// Answers as Confluent's registry does: one subject with a deleted version, and nothing else.
    async fn answer(uri: Uri) -> impl IntoResponse {
        let schema = serde_json::json!({"subject": "a/b-value", "version": 2, "id": 7, "schema": V1});
        let no = |code: i32| (StatusCode::NOT_FOUND, serde_json::json!({"error_code": code, "message": "no"}).to_string());
        let path = uri.path_and_query().map(|p| p.as_str()).unwrap_or_default();
        match path.replace("%2F", "/").as_str() {
            "/subjects/a/b-value/versions" => (StatusCode::OK, "[2, 3]".into()),
            "/subjects/a/b-value/versions/2" | "/subjects/a/b-value/versions/1?deleted=true" => {
                (StatusCode::OK, schema.to_string())
            }
            p if p.starts_with("/schemas/ids/7/versions") => (StatusCode::OK, r#"[{"subject":"a/b-value","version":2}]"#.into()),
            p if p.starts_with("/schemas/ids/7") => (StatusCode::OK, schema.to_string()),
            p if p.starts_with("/schemas/ids/") => no(40403),
            p if p.starts_with("/config/") => no(40408),
            "/config" => (StatusCode::OK, r#"{"compatibilityLevel":"FULL"}"#.into()),
            "/subjects/down/versions" => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            p if p.contains("/versions/") => no(40402),
            _ => no(40401),
        }
    }

    #[tokio::test]
    async fn reads_what_a_registry_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let registries = HttpRegistries::new(Some(url.clone()));
        let (name, reader) = registries.reader(&RawConfig::new()).unwrap();
        assert_eq!(name, url);
        assert_eq!(reader.versions("a/b-value").await.unwrap(), [2, 3]);
        assert!(reader.versions("other").await.unwrap().is_empty());
        let found = reader.version("a/b-value", 2).await.unwrap().expect("is there");
        assert_eq!((found.id, found.version, found.schema_type), (7, 2, millrace_registry::SchemaType::Avro));
        assert!(reader.version("a/b-value", 1).await.unwrap().is_some(), "a deleted version is asked for");
        assert!(reader.version("a/b-value", 9).await.unwrap().is_none());
        assert_eq!(reader.versions_of(7, "a/b-value").await.unwrap(), [("a/b-value".to_owned(), 2)]);
        assert!(reader.by_id(8, "a/b-value").await.unwrap().is_none());
        assert_eq!(reader.level("a/b-value").await.unwrap(), Level::Full);
        assert!(reader.versions("down").await.is_err(), "a failing registry is no registry without the subject");
        assert!(HttpRegistries::new(None).reader(&RawConfig::new()).is_err_and(|why| why.contains(URL)));
    }
}
