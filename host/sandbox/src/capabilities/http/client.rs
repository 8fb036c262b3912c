//! Sends one request: to listed hosts only, redirects followed by hand, the answer bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::request::{Checked, wrong};
use super::resolve::{self, Resolver};
use super::{Allowed, failure};
use crate::bindings::http::Response;
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// Connections are pooled by port; a task that uses more ports than this begins anew.
const PORTS_MAX: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_MAX: usize = 8;
/// The most bytes of an answer's headers.
const HEADER_BYTES_MAX: usize = 64 << 10;
const USER_AGENT: &str = concat!("millrace/", env!("CARGO_PKG_VERSION"));

/// Bytes that answers may still have.
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub fn new(bytes: u64) -> Self {
        Budget(AtomicU64::new(bytes))
    }
    fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// The connections of one task.
pub(crate) struct Sender {
    allowed: Arc<Allowed>,
    resolver: Arc<dyn Resolver>,
    /// One by port: the addresses that may be reached differ by it.
    clients: Mutex<HashMap<u16, Client>>,
}

impl Sender {
    pub fn new(allowed: Arc<Allowed>, resolver: Arc<dyn Resolver>) -> Self {
        Sender { allowed, resolver, clients: Mutex::default() }
    }

    /// The host that a request goes to, where it is listed.
    pub fn listed(&self, request: &Checked) -> Option<String> {
        self.allowed.check(&request.url).is_ok().then(|| request.url.host_str().unwrap_or_default().to_owned())
    }

    /// Sends and reads the whole answer, within the request's time.
    pub async fn send(&self, request: Checked, budget: &Budget) -> Result<Response, Error> {
        let (timeout, asked) = (request.timeout, failure::place(&request.url));
        match tokio::time::timeout(timeout, self.follow(request, budget)).await {
            Ok(answer) => answer,
            Err(_) => Err(error::new(
                ErrorKind::Retriable,
                "http.timeout",
                format!("{asked} did not answer within {} ms", timeout.as_millis()),
            )),
        }
    }

    async fn follow(&self, mut request: Checked, budget: &Budget) -> Result<Response, Error> {
        let mut followed = 0;
        loop {
            let answer = self.once(&request).await?;
            let status = answer.status().as_u16();
            let to = match answer.headers().get(LOCATION) {
                Some(location) if request.redirects > 0 && matches!(status, 301 | 302 | 303 | 307 | 308) => location,
                _ => return read(answer, &request, budget).await,
            };
            if followed == request.redirects {
                return Err(error::new(
                    ErrorKind::Fatal,
                    "http.too-many-redirects",
                    format!("{} redirects more than {followed} times", failure::place(&request.url)),
                ));
            }
            followed += 1;
            let to = target(&request.url, to.as_bytes())?;
            request.redirect(status, to);
        }
    }

    async fn once(&self, request: &Checked) -> Result<reqwest::Response, Error> {
        let url = &request.url;
        let port = self.allowed.check(url)?;
        if !request.secret.is_empty() {
            self.allowed.check_secret(url)?;
        }
        let client = self.client(port)?;
        let sent =
            client.request(request.method.clone(), url.clone()).headers(request.headers.clone()).body(request.body.clone());
        sent.send().await.map_err(|e| failure::of(&self.allowed, url, &e))
    }

    fn client(&self, port: u16) -> Result<Client, Error> {
        if let Some(client) = self.clients.lock().get(&port) {
            return Ok(client.clone());
        }
        let checked = resolve::Checked { resolver: self.resolver.clone(), hosts: self.allowed.clone(), port };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .http1_only()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .dns_resolver(Arc::new(checked))
            .build()
            .map_err(|e| error::new(ErrorKind::Fatal, "http.tls", format!("cannot set up HTTP: {e}")))?;
        let mut clients = self.clients.lock();
        if clients.len() >= PORTS_MAX {
            clients.clear();
        }
        Ok(clients.entry(port).or_insert(client).clone())
    }
}

/// Where a redirect leads.
fn target(from: &Url, location: &[u8]) -> Result<Url, Error> {
    let nowhere = || {
        error::new(
            ErrorKind::Fatal,
            "http.forbidden-host",
            format!("{} redirects to what is no URL of http or https", failure::place(from)),
        )
    };
    let location = std::str::from_utf8(location).map_err(|_| nowhere())?;
    let mut to = from.join(location).map_err(|_| nowhere())?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(nowhere());
    }
    // Credentials that a server puts into a URL are not the guest's to send.
    to.set_username("").and_then(|()| to.set_password(None)).map_err(|()| nowhere())?;
    Ok(to)
}

async fn read(mut answer: reqwest::Response, request: &Checked, budget: &Budget) -> Result<Response, Error> {
    let url = &request.url;
    let large = |what: String| {
        error::new(ErrorKind::Fatal, "http.response-too-large", format!("the answer of {} {what}", failure::place(url)))
    };
    let status = answer.status().as_u16();
    let headers = headers(answer.headers()).ok_or_else(|| large(format!("has more than {HEADER_BYTES_MAX} bytes of headers")))?;
    let most = request.response_bytes;
    let beyond = || large(format!("has more than the {most} bytes that were asked for: raise the option \"response-bytes\""));
    if answer.content_length().is_some_and(|n| n > most) && request.method != reqwest::Method::HEAD {
        return Err(beyond());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| failure::broken(url, &e))? {
        if (body.len() + chunk.len()) as u64 > most {
            return Err(beyond());
        }
        if !budget.take(chunk.len() as u64) {
            return Err(large("finds no more room beside the others of the call: send fewer at a time".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body, url: url.to_string() })
}

/// None: too large. What is not UTF-8 is read as Latin-1, which is what it mostly is.
fn headers(map: &HeaderMap) -> Option<Vec<(String, String)>> {
    let mut total = 0;
    map.iter()
        .map(|(name, value)| {
            total += name.as_str().len() + value.len();
            let text = std::str::from_utf8(value.as_bytes())
                .map_or_else(|_| value.as_bytes().iter().map(|b| char::from(*b)).collect(), str::to_owned);
            (total <= HEADER_BYTES_MAX).then(|| (name.as_str().to_owned(), text))
        })
        .collect()
}

impl Allowed {
    /// Refuses to send a secret where others may read it on its way.
    pub(super) fn check_secret(&self, url: &Url) -> Result<(), Error> {
        if url.scheme() == "https" || self.plain_secrets || is_this_machine(url) {
            return Ok(());
        }
        let message = format!(
            "a secret is not sent to {}, where it could be read on its way: use https, or set \"{}=true\"",
            failure::place(url),
            self.plain_key
        );
        Err(error::config("http.insecure-secret", Some(&self.plain_key), message))
    }

    /// The URL's port, refused where its host is not listed.
    pub(super) fn check(&self, url: &Url) -> Result<u16, Error> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(wrong("its URL names no host"));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !self.hosts.names(host, port) {
            return Err(failure::forbidden(self, &failure::place(url)));
        }
        if self.policy.as_ref().is_some_and(|policy| !policy.names(host, port)) {
            return Err(failure::beyond(self, &failure::place(url)));
        }
        Ok(port)
    }
}

/// Whether what is sent there stays on this machine, by the name or address itself.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}
