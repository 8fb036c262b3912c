//! `bearer.auth.credentials.source=OAUTHBEARER`: a token of the client credentials grant, fetched when it is needed and kept
//! until shortly before it ends.

use std::fmt;
use std::time::Duration;

use millrace_record::convert::{Settings, Unavailable};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::http::chain;

const ENDPOINT: &str = "bearer.auth.issuer.endpoint.url";
const ID: &str = "bearer.auth.client.id";
const SECRET: &str = "bearer.auth.client.secret";
const BUFFER: &str = "bearer.auth.cache.expiry.buffer.seconds";

/// Who asks whom for a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub endpoint: String,
    id: String,
    secret: String,
    scope: Option<String>,
    /// How long before its end a token is no longer used.
    buffer: Duration,
}

impl Grant {
    /// Reads the settings; the error names the key, the value where that is no secret, and the remedy.
    pub fn new(settings: &Settings<'_>) -> Result<Self, String> {
        let needed = |key: &str| {
            let missing = || format!("bearer.auth.credentials.source is OAUTHBEARER, so set \"{key}\"");
            settings.text(key).map(str::to_owned).ok_or_else(missing)
        };
        let endpoint = needed(ENDPOINT)?;
        let url = reqwest::Url::parse(&endpoint).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
        if url.is_none_or(|u| !u.username().is_empty() || u.password().is_some()) {
            let remedy = format!("a URL of http or https is expected, and the client's secret in \"{SECRET}\"");
            return Err(settings.wrong(ENDPOINT, "[hidden]", &remedy));
        }
        let buffer = settings.integer(BUFFER, 300)?;
        let buffer =
            u64::try_from(buffer).map_err(|_| settings.wrong(BUFFER, &buffer.to_string(), "Value must be at least 0"))?;
        Ok(Grant {
            endpoint,
            id: needed(ID)?,
            secret: needed(SECRET)?,
            scope: settings.text("bearer.auth.scope").map(str::to_owned),
            buffer: Duration::from_secs(buffer),
        })
    }
}

/// The token of a client. Whoever needs one while it is fetched waits for the same.
pub(super) struct Tokens {
    http: reqwest::Client,
    current: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    /// None: its end is not known, and it is used until it is refused.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// A number; some endpoints write it as a text.
    #[serde(default)]
    expires_in: Value,
}

/// What an endpoint says no with.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        self.error_description.as_ref().map_or(Ok(()), |more| write!(f, ": {more}"))
    }
}

impl Tokens {
    /// `http`: without the headers that are for the registry.
    pub fn new(http: reqwest::Client) -> Self {
        Tokens { http, current: Mutex::new(None) }
    }

    /// The token, a new one where the last has ended.
    pub async fn get(&self, grant: &Grant) -> Result<String, Unavailable> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|t| t.until.is_none_or(|until| Instant::now() < until)) {
            return Ok(token.text.clone());
        }
        let asked = Instant::now();
        let answer = self.fetch(grant).await.map_err(|why| {
            Unavailable(format!(
                "cannot get a token for the schema registry at {}: {why}; check \"{ENDPOINT}\", \"{ID}\", \"{SECRET}\" and \
                 \"bearer.auth.scope\"",
                grant.endpoint
            ))
        })?;
        let seconds = answer.expires_in.as_u64().or_else(|| answer.expires_in.as_str()?.parse().ok());
        let until = seconds.and_then(|seconds| {
            let life = Duration::from_secs(seconds);
            // One that lives no longer than the buffer is used for half its life, not never.
            asked.checked_add(life - grant.buffer.min(life / 2))
        });
        *current = Some(Token { text: answer.access_token.clone(), until });
        Ok(answer.access_token)
    }

    /// Forgets a token that was refused, unless there is another by now.
    pub async fn refused(&self, token: &str) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|t| t.text == token) {
            *current = None;
        }
    }

    async fn fetch(&self, grant: &Grant) -> Result<Answer, String> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(grant.scope.as_deref().map(|scope| ("scope", scope)));
        let request = self.http.post(&grant.endpoint).basic_auth(&grant.id, Some(&grant.secret)).form(&form);
        let response = request.send().await.map_err(|e| chain(&e.without_url()))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|e| chain(&e.without_url()))?;
        if !status.is_success() {
            let said = serde_json::from_slice::<Refusal>(&body).ok();
            return Err(said.map_or_else(|| status.to_string(), |said| format!("{status}: {said}")));
        }
        serde_json::from_slice(&body).map_err(|_| "it answers without \"access_token\"".to_owned())
    }
}
