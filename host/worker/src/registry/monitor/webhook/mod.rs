//! Sends changes to webhooks: each webhook has a queue and a task of its own, so that one that is down holds up nobody, and
//! its events arrive in their order.
//!
//! A delivery is tried again with back-off until it is taken, given up, or the webhook says that it will never take it. What
//! waits is in memory: a worker that ends forgets it, REST does not.

mod body;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::mpsc;

use super::connectors::Connectors;
use super::event::ChangeEvent;
use super::rules::Webhook;

pub use body::{body, signature};

/// How many events wait for one webhook.
const QUEUE_MAX: usize = 1_000;
/// How many webhooks have a queue at a time.
const WEBHOOKS_MAX: usize = 1_000;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between tries: doubled each time.
const DELAY_MIN: Duration = Duration::from_millis(500);
const DELAY_MAX: Duration = Duration::from_secs(60);
/// After so many tries, some hours, an event is given up.
const TRIES_MAX: u32 = 200;
/// How long the task of a webhook without events lives on.
const IDLE: Duration = Duration::from_secs(60);

/// What has become of deliveries.
#[derive(Debug, Default)]
pub struct Delivered {
    pub taken: AtomicU64,
    pub retried: AtomicU64,
    /// Given up, refused for good, or dropped because the queue was full.
    pub lost: AtomicU64,
}

type Queues = Mutex<HashMap<Webhook, mpsc::Sender<Arc<ChangeEvent>>>>;

/// All webhooks.
pub struct Webhooks {
    http: reqwest::Client,
    queues: Queues,
    connectors: Arc<dyn Connectors>,
    pub delivered: Delivered,
}

/// How a try went.
enum Tried {
    Taken,
    /// Try again, not before what the webhook asks for.
    Again(String, Option<Duration>),
    Never(String),
}

impl Webhooks {
    pub fn new(connectors: Arc<dyn Connectors>) -> Result<Arc<Self>, reqwest::Error> {
        // A redirect would take event and signature to somebody else.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Arc::new(Webhooks { http, queues: Mutex::default(), connectors, delivered: Delivered::default() }))
    }

    /// Never waits. Must be called within a tokio runtime.
    pub fn send(self: &Arc<Self>, webhook: &Webhook, event: &Arc<ChangeEvent>) {
        let mut queues = self.queues.lock();
        if !queues.contains_key(webhook) {
            if queues.len() >= WEBHOOKS_MAX {
                self.lost(webhook, event, "there are too many webhooks");
                return;
            }
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            queues.insert(webhook.clone(), sender);
            tokio::spawn(self.clone().serve(webhook.clone(), receiver));
        }
        if queues[webhook].try_send(event.clone()).is_err() {
            self.lost(webhook, event, "too many events wait for it");
        }
    }

    async fn serve(self: Arc<Self>, webhook: Webhook, mut events: mpsc::Receiver<Arc<ChangeEvent>>) {
        loop {
            match tokio::time::timeout(IDLE, events.recv()).await {
                Ok(Some(event)) => self.deliver(&webhook, &event).await,
                Ok(None) => return,
                Err(_) => {
                    // Whoever sends holds this lock: nothing comes between.
                    let mut queues = self.queues.lock();
                    if events.is_empty() {
                        queues.remove(&webhook);
                        return;
                    }
                }
            }
        }
    }

    async fn deliver(&self, webhook: &Webhook, event: &Arc<ChangeEvent>) {
        let bytes = body(event, webhook.format);
        let mut delay = DELAY_MIN;
        for tried in 1..=TRIES_MAX {
            match self.attempt(webhook, event, &bytes).await {
                Tried::Taken => {
                    self.delivered.taken.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(webhook = place(&webhook.url), event = event.id, "webhook has taken the event");
                    return;
                }
                Tried::Never(why) => return self.lost(webhook, event, &why),
                Tried::Again(why, after) => {
                    // Said once, and then not with every try.
                    if tried.is_power_of_two() {
                        tracing::warn!(
                            webhook = place(&webhook.url),
                            event = event.id,
                            tried,
                            "webhook did not take the event, it is tried again: {why}"
                        );
                    }
                    self.delivered.retried.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(delay.max(after.unwrap_or_default()).min(DELAY_MAX)).await;
                    delay = (delay * 2).min(DELAY_MAX);
                }
            }
        }
        self.lost(webhook, event, "it was tried too often");
    }

    async fn attempt(&self, webhook: &Webhook, event: &ChangeEvent, bytes: &[u8]) -> Tried {
        let Some(url) = self.resolved(&webhook.url).await else {
            return Tried::Again("the reference in its URL cannot be resolved".into(), None);
        };
        let mut request = self
            .http
            .post(&url)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Millrace-Event", event.kind.name())
            .header("X-Millrace-Delivery", event.id.to_string())
            .body(bytes.to_vec());
        if let Some(secret) = &webhook.secret {
            let Some(secret) = self.resolved(secret).await else {
                return Tried::Again("the reference in its secret cannot be resolved".into(), None);
            };
            request = request.header("X-Millrace-Signature", signature(&secret, bytes));
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            // A URL may hold a secret: it is not shown.
            Err(error) => {
                let error = error.without_url();
                let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
                return Tried::Again(format!("{error}{cause}"), None);
            }
        };
        let status = answer.status();
        match status {
            status if status.is_success() => Tried::Taken,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
                Tried::Again(format!("it answered {status}"), after.map(Duration::from_secs))
            }
            status if status.is_server_error() => Tried::Again(format!("it answered {status}"), None),
            status => Tried::Never(format!("it answered {status}")),
        }
    }

    /// A value with its references to config providers resolved.
    async fn resolved(&self, value: &str) -> Option<String> {
        if value.contains("${") { self.connectors.resolve(value).await } else { Some(value.to_owned()) }
    }

    fn lost(&self, webhook: &Webhook, event: &ChangeEvent, why: &str) {
        self.delivered.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            webhook = place(&webhook.url),
            event = event.id,
            "webhook does not get the event: {why}; GET /schemas/changes has it"
        );
    }
}

/// Scheme, host and port: what follows them may be a secret.
fn place(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(url) => format!(
            "{}://{}{}",
            url.scheme(),
            url.host_str().unwrap_or_default(),
            url.port().map(|p| format!(":{p}")).unwrap_or_default()
        ),
        Err(_) => "(a reference)".to_owned(),
    }
}
