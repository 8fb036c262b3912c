//! The settings of a registry's client, as converters have them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millrace_record::RawConfig;
use millrace_record::convert::Settings;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::oauth::Grant;
use super::tls::Tls;

/// Where the registry is.
pub const URL: &str = "schema.registry.url";

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Without credentials or a slash at the end.
    pub(super) urls: Vec<Url>,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) headers: HeaderMap,
    pub(super) proxy: Option<String>,
    pub(super) tls: Tls,
    /// None: the answer is kept for as long as the client lives.
    pub(super) latest_ttl: Option<Duration>,
    /// Of one subject, and of the ids.
    pub(super) schemas_max: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Url {
    pub base: String,
    pub credentials: Option<Credentials>,
}

/// What a request proves who we are with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Basic { user: String, password: String },
    Bearer(String),
    OAuth(Arc<Grant>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Settings that make one client differ from another; a key that ends in a dot is a prefix.
const RELEVANT: [&str; 10] = [
    "schema.registry.",
    "basic.auth.",
    "bearer.auth.",
    "http.",
    "latest.cache.ttl.sec",
    "max.schemas.per.subject",
    "request.header.",
    "proxy.",
    "sasl.jaas.config",
    "url.randomize",
];

impl ClientConfig {
    /// The settings that a client of this configuration depends on: converters that agree in them share one.
    pub fn relevant(config: &RawConfig) -> BTreeMap<String, String> {
        let counts = |key: &str| RELEVANT.iter().any(|r| if r.ends_with('.') { key.starts_with(r) } else { key == *r });
        config.iter().filter(|(k, _)| counts(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Reads a converter's own settings. The error names the key, the value where that is no secret, and the remedy.
    pub fn new(config: &RawConfig) -> Result<Self, String> {
        let settings = Settings::without_empty(config);
        let given = settings.list(URL);
        if given.is_empty() {
            return Err(format!(
                "Missing required configuration \"{URL}\" which has no default value: name the registry, as http://localhost:8081"
            ));
        }
        let named = credentials(&settings)?;
        let urls = given.into_iter().map(|url| read_url(url, &named)).collect::<Result<Vec<_>, _>>()?;
        let timeout = |key: &str, default: i32| match settings.integer(key, default)? {
            ms @ 1.. => Ok(Duration::from_millis(ms as u64)),
            ms => Err(settings.wrong(key, &ms.to_string(), "Value must be at least 1")),
        };
        let ttl = settings.integer("latest.cache.ttl.sec", -1)?;
        let schemas_max = settings.integer("max.schemas.per.subject", 1000)?;
        let proxy = match (settings.text("proxy.host"), settings.integer("proxy.port", -1)?) {
            (None, _) => None,
            (Some(host), port @ 0..=65535) => Some(format!("http://{host}:{port}")),
            (Some(_), port) => {
                return Err(settings.wrong("proxy.port", &port.to_string(), "\"proxy.host\" is set, so a port is needed"));
            }
        };
        Ok(ClientConfig {
            tls: Tls::new(&settings, is_secure(&urls))?,
            urls,
            connect_timeout: timeout("http.connect.timeout.ms", 10_000)?,
            read_timeout: timeout("http.read.timeout.ms", 30_000)?,
            headers: headers(config)?,
            proxy,
            latest_ttl: u64::try_from(ttl).ok().map(Duration::from_secs),
            schemas_max: usize::try_from(schemas_max).unwrap_or(0).max(1),
        })
    }

    /// Whether TLS is spoken, to the registry or to who gives its tokens.
    pub(super) fn is_secure(&self) -> bool {
        is_secure(&self.urls)
    }

    /// The URLs, without credentials.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(|u| u.base.as_str())
    }
}

fn is_secure(urls: &[Url]) -> bool {
    let endpoint = |url: &Url| match &url.credentials {
        Some(Credentials::OAuth(grant)) => grant.endpoint.starts_with("https://"),
        _ => false,
    };
    urls.iter().any(|url| url.base.starts_with("https://") || endpoint(url))
}

fn read_url(given: &str, named: &Option<Credentials>) -> Result<Url, String> {
    // What is shown of a wrong URL must not hold its password.
    let shown = given.rsplit_once('@').map_or(given, |(_, host)| host);
    let wrong = |why: &str| format!("Invalid value {shown} for configuration {URL}: {why}, as http://localhost:8081");
    let mut url = reqwest::Url::parse(given).map_err(|_| wrong("a URL is expected"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("a URL of http or https is expected"));
    }
    let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let own = (!url.username().is_empty())
        .then(|| Credentials::Basic { user: decode(url.username()), password: decode(url.password().unwrap_or_default()) });
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Url { base: url.as_str().trim_end_matches('/').to_owned(), credentials: named.clone().or(own) })
}

/// The credentials that settings name; those of the URL are another matter.
fn credentials(settings: &Settings<'_>) -> Result<Option<Credentials>, String> {
    let (basic, bearer) = ("basic.auth.credentials.source", "bearer.auth.credentials.source");
    if settings.text(basic).is_some() && settings.text(bearer).is_some() {
        return Err(format!("Only one of {basic} and {bearer} may be set"));
    }
    let split = |key: &str, text: &str| match text.split_once(':') {
        Some((user, password)) => Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() }),
        None => Err(settings.wrong(key, "[hidden]", "it is written as user:password")),
    };
    let user_info = ["basic.auth.user.info", "schema.registry.basic.auth.user.info"]
        .into_iter()
        .find_map(|key| settings.text(key).map(|text| (key, text)));
    match settings.text(basic) {
        Some("URL") => return Ok(None),
        Some("USER_INFO") => {
            let (key, text) = user_info.ok_or_else(|| format!("{basic} is USER_INFO, so set \"basic.auth.user.info\""))?;
            return split(key, text).map(Some);
        }
        Some("SASL_INHERIT") => return inherited(settings).map(Some),
        Some(other) => return Err(settings.wrong(basic, other, "use one of URL, USER_INFO, SASL_INHERIT")),
        None => {}
    }
    match settings.text(bearer) {
        None => {}
        Some("STATIC_TOKEN") => {
            let token = settings.text("bearer.auth.token");
            let token = token.ok_or_else(|| format!("{bearer} is STATIC_TOKEN, so set \"bearer.auth.token\""))?;
            return Ok(Some(Credentials::Bearer(token.to_owned())));
        }
        Some("OAUTHBEARER") => return Ok(Some(Credentials::OAuth(Arc::new(Grant::new(settings)?)))),
        Some(other) => return Err(settings.wrong(bearer, other, "use one of STATIC_TOKEN, OAUTHBEARER")),
    }
    // Whoever gives credentials means them.
    match (user_info, settings.text("bearer.auth.token")) {
        (Some((key, text)), _) => split(key, text).map(Some),
        (None, Some(token)) => Ok(Some(Credentials::Bearer(token.to_owned()))),
        (None, None) => Ok(None),
    }
}

/// User and password of `sasl.jaas.config`.
fn inherited(settings: &Settings<'_>) -> Result<Credentials, String> {
    const KEY: &str = "sasl.jaas.config";
    let jaas = settings.text(KEY).ok_or("basic.auth.credentials.source is SASL_INHERIT, so set \"sasl.jaas.config\"")?;
    let option = |name: &str| {
        let rest = jaas.split_once(&format!("{name}="))?.1;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        match quote {
            Some(q) => rest[1..].split_once(q).map(|(value, _)| value.to_owned()),
            None => rest.split([' ', ';']).next().map(str::to_owned),
        }
    };
    match (option("username"), option("password")) {
        (Some(user), Some(password)) => Ok(Credentials::Basic { user, password }),
        _ => Err(settings.wrong(KEY, "[hidden]", "username and password are expected in it")),
    }
}

/// `request.header.<name>`, and what a cloud's registry is told beside a bearer token.
fn headers(config: &RawConfig) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (key, value) in config {
        let name = match key.as_str() {
            "bearer.auth.logical.cluster" => "target-sr-cluster",
            "bearer.auth.identity.pool.id" => "Confluent-Identity-Pool-Id",
            other => match other.strip_prefix("request.header.") {
                Some(name) => name,
                None => continue,
            },
        };
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value.trim());
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(format!("Invalid value for configuration {key}: name and value must be those of an HTTP header"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
