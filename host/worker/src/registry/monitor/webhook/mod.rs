//! Sends changes to webhooks: each webhook has a task of its own, so that one that is down holds up nobody, and its events
//! arrive in their order.
//!
//! A delivery is tried again with back-off until it is taken, given up, or the webhook says that it will never take it. How
//! far each webhook is stands in the store, beside the changes: a worker that starts goes on where another ended, and what was
//! taken shortly before it was killed may come twice.

mod body;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::Notify;

use super::connectors::Connectors;
use super::event::ChangeEvent;
use super::rules::Webhook;
use super::store::Store;

pub use body::{body, signature};

/// How many webhooks are told at a time.
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
    /// Given up, or refused for good.
    pub lost: AtomicU64,
}

/// All webhooks.
pub struct Webhooks {
    http: reqwest::Client,
    store: Arc<Store>,
    connectors: Arc<dyn Connectors>,
    /// Of subjects for which no rule names any.
    pub worker: Vec<Webhook>,
    /// The tasks of those that are told now, by name, and what wakes them.
    tasks: Mutex<HashMap<String, Arc<Notify>>>,
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
    pub fn new(worker: Vec<Webhook>, store: Arc<Store>, connectors: Arc<dyn Connectors>) -> Result<Arc<Self>, reqwest::Error> {
        // A redirect would take event and signature to somebody else.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let (tasks, delivered) = (Mutex::default(), Delivered::default());
        Ok(Arc::new(Webhooks { http, store, connectors, worker, tasks, delivered }))
    }

    /// Goes on with what earlier workers left, once the store has been read.
    pub fn resume(self: &Arc<Self>) {
        self.store.webhooks(&self.worker).into_iter().for_each(|name| self.wake(name));
    }

    /// A webhook has something to take. Never waits. Must be called within a tokio runtime.
    pub fn wake(self: &Arc<Self>, name: String) {
        let mut tasks = self.tasks.lock();
        if let Some(task) = tasks.get(&name) {
            task.notify_one();
        } else if tasks.len() < WEBHOOKS_MAX {
            let due = Arc::<Notify>::default();
            tasks.insert(name.clone(), due.clone());
            tokio::spawn(self.clone().serve(name, due));
        } else {
            tracing::warn!("more than {WEBHOOKS_MAX} webhooks are told of changes: one more waits until its next change");
        }
    }

    async fn serve(self: Arc<Self>, name: String, due: Arc<Notify>) {
        let (mut tried, mut delay, mut current) = (0, DELAY_MIN, 0);
        loop {
            let Some((event, webhook)) = self.store.owed(&name, &self.worker) else {
                if tokio::time::timeout(IDLE, due.notified()).await.is_err() {
                    // Whoever wakes holds this lock: nothing comes between.
                    let mut tasks = self.tasks.lock();
                    if self.store.owed(&name, &self.worker).is_none() {
                        tasks.remove(&name);
                        return;
                    }
                }
                continue;
            };
            if current != event.id {
                (tried, delay, current) = (0, DELAY_MIN, event.id);
            }
            tried += 1;
            match self.attempt(&webhook, &event, &body(&event, webhook.format)).await {
                Tried::Taken => {
                    self.delivered.taken.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(webhook = place(&webhook.url), event = event.id, "webhook has taken the event");
                    self.store.webhook_has(&name, event.id);
                }
                Tried::Never(why) => self.lost(&name, &webhook, &event, &why),
                Tried::Again(why, _) if tried >= TRIES_MAX => {
                    self.lost(&name, &webhook, &event, &format!("it was tried too often: {why}"));
                }
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

    fn lost(&self, name: &str, webhook: &Webhook, event: &ChangeEvent, why: &str) {
        self.store.webhook_has(name, event.id);
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
