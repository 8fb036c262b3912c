//! `http`: requests to the hosts that the connector's configuration lists. The host resolves, connects and waits; a secret
//! goes from the configuration into a header without passing through the guest.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use millrace_record::{RawConfig, TaskError};

use crate::bindings::http::{Host, Request, Response};
use crate::bindings::types::Error;
use crate::metrics::Metrics;
use crate::state::{Owner, State, setting, within};

mod client;
mod failure;
mod figures;
pub mod hosts;
mod request;
pub mod resolve;
#[cfg(test)]
mod tests;

use client::{Budget, Sender};
use hosts::Hosts;
use resolve::Resolver;

/// The setting of sources and sinks; a transform has it without `plugin.`.
const KEY: &str = "plugin.http.hosts";
const TRANSFORM_KEY: &str = "http.hosts";
/// Whether secrets may be sent by plain HTTP to other machines; a transform has it without `plugin.` too.
const PLAIN_SECRETS: &str = "plugin.http.secrets.plain";
/// The most requests of one call, and of them at a time.
const REQUESTS_MAX: usize = 1_000;
const CONCURRENCY_MAX: u32 = 32;
/// What the answers of one call have together.
const ANSWERS_BYTES_MAX: u64 = 64 << 20;

/// Which hosts a task may reach.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub hosts: Hosts,
    /// The worker's list, where it has one: what is not on it either is refused.
    pub policy: Option<Hosts>,
    /// The setting that has the list, as its author wrote it.
    pub key: String,
    /// Secrets may be sent where others can read them on their way, and the setting that says so.
    pub plain_secrets: bool,
    pub plain_key: String,
}

impl Allowed {
    /// The name of the setting within a plugin's configuration.
    pub fn key(transform: bool) -> &'static str {
        if transform { TRANSFORM_KEY } else { KEY }
    }

    /// Reads the list out of a configuration; `alias` is a transform's.
    pub fn read(config: &RawConfig, alias: Option<&str>, policy: Option<Hosts>) -> Result<Allowed, TaskError> {
        let own = Allowed::key(alias.is_some());
        let key = alias.map_or_else(|| own.to_owned(), |alias| format!("transforms.{alias}.{own}"));
        let list = config.get(own).map(String::as_str).unwrap_or_default();
        let hosts = Allowed::understood(&key, list, policy.as_ref()).map_err(|message| TaskError::config(&key, message))?;
        let plain_key = setting(alias, PLAIN_SECRETS);
        let plain_secrets =
            match config.get(within(alias.is_some(), PLAIN_SECRETS)).map(|v| v.trim().to_ascii_lowercase()).as_deref() {
                None | Some("" | "false") => false,
                Some("true") => true,
                Some(other) => {
                    let message = format!("\"{plain_key}\" is \"{other}\": give true or false");
                    return Err(TaskError::config(&plain_key, message));
                }
            };
        Ok(Allowed { hosts, policy, key, plain_secrets, plain_key })
    }

    /// The list, or what is wrong with it.
    pub fn understood(key: &str, list: &str, policy: Option<&Hosts>) -> Result<Hosts, String> {
        let hosts = Hosts::parse(list).map_err(|e| format!("\"{key}\" is wrong: {e}"))?;
        match policy.and_then(|policy| policy.beyond(&hosts)) {
            None => Ok(hosts),
            Some(beyond) => Err(format!(
                "\"{key}\" lists \"{beyond}\", which is not among the hosts that this worker lets plugins reach: leave it out, or add it to the worker's \"plugin.http.hosts.allowed\""
            )),
        }
    }

    /// All of these must allow what is reached.
    fn lists(&self) -> impl Iterator<Item = &Hosts> {
        std::iter::once(&self.hosts).chain(&self.policy)
    }
}

/// HTTP of one task.
pub(crate) struct Http(Sender);

impl Http {
    /// Reaches no host.
    pub fn none() -> Self {
        let (key, plain_key) = (KEY.to_owned(), PLAIN_SECRETS.to_owned());
        let allowed = Allowed { hosts: Hosts::default(), policy: None, key, plain_secrets: false, plain_key };
        Http::new(allowed, Arc::new(resolve::System))
    }

    pub fn new(allowed: Allowed, resolver: Arc<dyn Resolver>) -> Self {
        Http(Sender::new(Arc::new(allowed), resolver))
    }
}

impl State {
    /// What is left for answers: no more than the guest could take in.
    fn answers(&self) -> Budget {
        Budget::new(ANSWERS_BYTES_MAX.min(self.limits.memory_bytes_max))
    }
}

async fn sent(owner: &Owner, metrics: &Metrics, request: Request, budget: &Budget) -> Result<Response, Error> {
    let request = request::Checked::new(request, owner)?;
    let host = owner.http.0.listed(&request);
    let begun = Instant::now();
    let answer = owner.http.0.send(request, budget).await;
    if let Some(host) = host {
        figures::count(metrics, owner, &host, begun.elapsed(), answer.is_ok());
    }
    answer
}

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        let (waits, owner, metrics, budget) = (self.waits.clone(), self.owner.clone(), self.metrics.clone(), self.answers());
        Ok(waits.on(sent(&owner, &metrics, request, &budget)).await)
    }

    async fn send_all(
        &mut self,
        requests: Vec<Request>,
        concurrency: u32,
    ) -> wasmtime::Result<Result<Vec<Result<Response, Error>>, Error>> {
        if requests.len() > REQUESTS_MAX {
            return Ok(Err(request::wrong(format_args!("there are {} at once: send at most {REQUESTS_MAX}", requests.len()))));
        }
        let (waits, owner, metrics, budget) = (self.waits.clone(), self.owner.clone(), self.metrics.clone(), self.answers());
        let at_a_time = concurrency.clamp(1, CONCURRENCY_MAX) as usize;
        let sent: Vec<_> = requests.into_iter().map(|request| sent(&owner, &metrics, request, &budget)).collect();
        Ok(Ok(waits.on(futures::stream::iter(sent).buffered(at_a_time).collect::<Vec<_>>()).await))
    }
}
