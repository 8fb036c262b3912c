//! A registry over HTTP: Confluent's REST API, as Confluent's own, Karapace, Apicurio and the embedded registry speak it.
//!
//! Two kinds of failures are never confused. What says nothing of the record (refused, timed out, 5xx, 429, 401, 403, an
//! answer that is none of a registry's) is [`Unavailable`]; what the registry itself says no to is a [`RegistryError`].

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use millrace_record::convert::Unavailable;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::{ClientConfig, Credentials, URL};
use super::oauth::Tokens;
use super::table::{Question, Table};
use super::{Asked, Registered, Registration, RegistryError, SchemaClient};
use crate::{Dependency, ParsedSchema, Reference, SchemaType};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// How many schemas one schema may refer to, directly and through others.
const REFERENCES_MAX: usize = 1000;
/// What RFC 3986 leaves as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A registry over HTTP, with its caches. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

struct Inner {
    config: ClientConfig,
    http: reqwest::Client,
    /// Which URL answered last.
    current: AtomicUsize,
    table: Table,
    tokens: Tokens,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls().collect();
        f.debug_struct("HttpClient").field("urls", &urls).field("cached", &self.0.table.len()).finish()
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    #[error(transparent)]
    No(#[from] RegistryError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such page: the URL is not the registry's, or the registry does not have this part of the API.
    #[error(transparent)]
    NoPage(Unavailable),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    id: Option<i32>,
    version: Option<i32>,
    schema: Option<String>,
    schema_type: Option<SchemaType>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct SubjectVersion {
    subject: String,
    version: i32,
}

impl HttpClient {
    /// Nothing is asked yet.
    pub fn new(config: ClientConfig) -> Result<Self, String> {
        let http = connected(&config, config.headers.clone())?;
        // What is sent to the registry with each request is not for who gives its tokens.
        let tokens = match config.headers.is_empty() {
            true => http.clone(),
            false => connected(&config, HeaderMap::new())?,
        };
        let tokens = Tokens::new(tokens);
        Ok(HttpClient(Arc::new(Inner { config, http, current: AtomicUsize::new(0), table: Table::default(), tokens })))
    }

    /// Asks for what the API has under `path`, which begins with a slash; nothing is cached.
    pub async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.0.call(Method::GET, path, None).await
    }

    /// The texts behind the references of a schema of `subject`, each after those that it needs itself; nothing is cached.
    pub async fn dependencies(&self, subject: &str, references: Vec<Reference>) -> Result<Vec<Dependency>, Failed> {
        self.0.dependencies(subject, references).await
    }

    /// The registry's URLs, without credentials.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.0.config.urls()
    }

    fn ask(&self, question: Question) -> Asked<Arc<Registered>> {
        let inner = self.0.clone();
        self.0.table.ask(question, |question| {
            async move {
                let answer = match inner.answer(&question).await {
                    Ok(found) => Ok(Arc::new(found)),
                    Err(Failed::No(no)) => Err(no),
                    Err(Failed::Unavailable(why) | Failed::NoPage(why)) => {
                        inner.table.unanswered(&question);
                        return Err(why);
                    }
                };
                let ttl = inner.config.latest_ttl.filter(|_| matches!(question, Question::Latest { .. }));
                inner.table.answered(question, answer, ttl, inner.config.schemas_max);
                Ok(())
            }
            .boxed()
        })
    }
}

impl SchemaClient for HttpClient {
    fn by_id(&self, id: i32, subject: &str) -> Asked<Arc<Registered>> {
        self.ask(Question::Id { id, subject: subject.into() })
    }

    fn id_of(
        &self,
        subject: &str,
        of: SchemaType,
        text: &Arc<str>,
        references: &[Reference],
        how: Registration,
    ) -> Asked<Arc<Registered>> {
        self.ask(Question::Schema { subject: subject.into(), of, text: text.clone(), references: references.into(), how })
    }

    fn latest(&self, subject: &str) -> Asked<Arc<Registered>> {
        self.ask(Question::Latest { subject: subject.into() })
    }
}

impl Inner {
    async fn answer(&self, question: &Question) -> Result<Registered, Failed> {
        match question {
            Question::Id { id, subject } => {
                let named = match &**subject {
                    "" => String::new(),
                    subject => format!("?subject={}", part(subject)),
                };
                let found: Found = self.read(Method::GET, &format!("/schemas/ids/{id}{named}"), None).await?;
                let version = match subject.is_empty() {
                    true => None,
                    false => self.version(*id, subject, &named).await?,
                };
                self.registered(Found { id: Some(*id), version, ..found }, subject).await
            }
            Question::Latest { subject } => {
                let path = format!("/subjects/{}/versions/latest", part(subject));
                self.registered(self.read(Method::GET, &path, None).await?, subject).await
            }
            Question::Schema { subject, of, text, references, how } => {
                let mut body = json!({ "schema": &**text });
                if *of != SchemaType::Avro {
                    body["schemaType"] = json!(of);
                }
                if !references.is_empty() {
                    body["references"] = json!(references);
                }
                let versions = if how.register { "/versions" } else { "" };
                let normalize = if how.normalize { "?normalize=true" } else { "" };
                let path = format!("/subjects/{}{versions}{normalize}", part(subject));
                let found: Found = self.read(Method::POST, &path, Some(&body)).await?;
                let own = Found {
                    schema: Some(text.to_string()),
                    schema_type: Some(*of),
                    references: Some(references.to_vec()),
                    ..found
                };
                self.registered(own, subject).await
            }
        }
    }

    /// The version of a schema in a subject. None: it is not in this one, or the registry does not say.
    async fn version(&self, id: i32, subject: &str, named: &str) -> Result<Option<i32>, Failed> {
        match self.read::<Vec<SubjectVersion>>(Method::GET, &format!("/schemas/ids/{id}/versions{named}"), None).await {
            Ok(all) => Ok(all.into_iter().find(|v| v.subject == subject).map(|v| v.version)),
            Err(Failed::No(_) | Failed::NoPage(_)) => Ok(None),
            Err(unavailable) => Err(unavailable),
        }
    }

    async fn registered(&self, found: Found, subject: &str) -> Result<Registered, Failed> {
        let (Some(id), Some(text)) = (found.id, found.schema) else {
            return Err(self.unavailable("it answers without \"id\" or \"schema\": it is not a Schema Registry", false).into());
        };
        let (of, references) = (found.schema_type.unwrap_or_default(), found.references.unwrap_or_default());
        let dependencies = self.dependencies(subject, references.clone()).await?;
        let parsed = ParsedSchema::parse(of, &text, &dependencies)
            .map_err(|e| RegistryError { code: 42201, message: format!("the schema of id {id} is not one of {of:?}: {e}") })?;
        Ok(Registered { id, version: found.version, text: text.into(), references, parsed })
    }

    async fn dependencies(&self, subject: &str, roots: Vec<Reference>) -> Result<Vec<Dependency>, Failed> {
        /// A reference still to be looked up, or one that is written once its own are.
        enum Step {
            Open(Reference, String),
            Close(Dependency),
        }
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut steps: Vec<_> = roots.into_iter().rev().map(|r| Step::Open(r, context(subject).to_owned())).collect();
        while let Some(step) = steps.pop() {
            let (reference, within) = match step {
                Step::Close(dependency) => {
                    found.push(dependency);
                    continue;
                }
                Step::Open(reference, within) => (reference, within),
            };
            if !seen.insert(reference.name.clone()) {
                continue;
            }
            if seen.len() > REFERENCES_MAX {
                let message = format!("a schema refers to more than {REFERENCES_MAX} others");
                return Err(RegistryError { code: 42201, message }.into());
            }
            // A subject without a context stands in that of who refers to it.
            let subject = match reference.subject.starts_with(":.") {
                true => reference.subject.clone(),
                false => format!("{within}{}", reference.subject),
            };
            let path = format!("/subjects/{}/versions/{}", part(&subject), reference.version);
            let of: Found = self.read(Method::GET, &path, None).await?;
            let Some(text) = of.schema else {
                return Err(self.unavailable("it answers without \"schema\": it is not a Schema Registry", false).into());
            };
            steps.push(Step::Close(Dependency { name: reference.name, text: text.into() }));
            let below = of.references.unwrap_or_default().into_iter().rev();
            steps.extend(below.map(|r| Step::Open(r, context(&subject).to_owned())));
        }
        Ok(found)
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, Failed> {
        let value = self.call(method, path, body).await?;
        serde_json::from_value(value)
            .map_err(|e| self.unavailable(&format!("its answer to {path} is not that of a Schema Registry: {e}"), false).into())
    }

    /// One request, at each URL in turn until one can answer.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let urls = &self.config.urls;
        let first = self.current.load(Ordering::Relaxed);
        let mut why = Failed::Unavailable(self.unavailable("no URL is set", false));
        for i in (first..first + urls.len()).map(|i| i % urls.len()) {
            match self.call_one(i, method.clone(), path, body).await {
                Err(Failed::No(no)) => {
                    self.current.store(i, Ordering::Relaxed);
                    return Err(no.into());
                }
                Err(other) => why = other,
                Ok(answer) => {
                    self.current.store(i, Ordering::Relaxed);
                    return Ok(answer);
                }
            }
        }
        Err(why)
    }

    async fn call_one(&self, url: usize, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let url = &self.config.urls[url];
        let mut request = self.http.request(method, format!("{}{path}", url.base));
        request = request.header(reqwest::header::ACCEPT, format!("{MEDIA_TYPE}, application/json; q=0.5"));
        let mut token = None;
        request = match &url.credentials {
            None => request,
            Some(Credentials::OAuth(grant)) => {
                let own = self.tokens.get(grant).await?;
                let request = request.bearer_auth(&own);
                token = Some(own);
                request
            }
            Some(Credentials::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Credentials::Bearer(token)) => request.bearer_auth(token),
        };
        if let Some(body) = body {
            request = request.body(body.to_string()).header(reqwest::header::CONTENT_TYPE, MEDIA_TYPE);
        }
        let response = request.send().await.map_err(|e| self.unavailable(&chain(&e.without_url()), false))?;
        let status = response.status();
        let text = response.bytes().await.map_err(|e| self.unavailable(&chain(&e.without_url()), false))?;
        if status.is_success() {
            return serde_json::from_slice(&text)
                .map_err(|_| self.unavailable(&format!("it answers {path} with no JSON"), false).into());
        }
        if let (StatusCode::UNAUTHORIZED, Some(token)) = (status, &token) {
            self.tokens.refused(token).await;
        }
        let said = said(&text);
        let shown = said.as_ref().map_or(status.to_string(), |s| format!("{status}: {}", s.message));
        match (status, said) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => {
                Err(self.unavailable(&shown, true).into())
            }
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS, _) => Err(self.unavailable(&shown, false).into()),
            (status, Some(no)) if status.is_client_error() => Err(no.into()),
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, None) => {
                Err(Failed::NoPage(self.unavailable(&shown, false)))
            }
            _ => Err(self.unavailable(&shown, false).into()),
        }
    }

    fn unavailable(&self, why: &str, credentials: bool) -> Unavailable {
        let urls = self.config.urls().collect::<Vec<_>>().join(", ");
        let remedy = match credentials {
            true => "check \"basic.auth.user.info\", \"bearer.auth.token\" or \"bearer.auth.client.id\" and what the user may do",
            false => "check \"schema.registry.url\" and that the registry runs",
        };
        Unavailable(format!("cannot ask the schema registry at {urls}: {why}; {remedy}"))
    }
}

/// What speaks HTTP as the settings say.
fn connected(config: &ClientConfig, headers: HeaderMap) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.connect_timeout)
        .timeout(config.connect_timeout + config.read_timeout)
        .read_timeout(config.read_timeout)
        .default_headers(headers)
        .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = &config.proxy {
        let wrong = |_| format!("Invalid value {proxy} for configuration proxy.host: a host is expected");
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(wrong)?);
    }
    if let Some(trusted) = &config.tls.trusted {
        builder = builder.tls_built_in_root_certs(false);
        builder = trusted.iter().cloned().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    } else if !config.is_secure() {
        // The system's authorities take a while to read.
        builder = builder.tls_built_in_root_certs(false);
    }
    if let Some(identity) = &config.tls.identity {
        builder = builder.identity(identity.clone());
    }
    builder.build().map_err(|e| format!("cannot make a client for {URL}: {}", chain(&e)))
}

/// The context of a subject: `:.name:`, or nothing.
fn context(subject: &str) -> &str {
    match subject.strip_prefix(":.").and_then(|rest| rest.find(':')) {
        Some(end) => &subject[..end + 3],
        None => "",
    }
}

/// A text as one part of a path, or as the value of a parameter.
pub fn part(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, PART)
}

/// An error as a registry writes it.
fn said(body: &[u8]) -> Option<RegistryError> {
    #[derive(Deserialize)]
    struct Said {
        error_code: i32,
        #[serde(default)]
        message: Option<String>,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    Some(RegistryError { code: said.error_code, message: said.message.unwrap_or_default() })
}

/// An error with all that is behind it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = error.source();
    }
    text
}
