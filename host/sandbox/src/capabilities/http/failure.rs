//! What a guest is told when HTTP fails. Messages name host and port, never path or query: those may hold secrets.

use std::error::Error as _;
use std::io;

use reqwest::Url;

use super::{Allowed, resolve};
use crate::bindings::types::{Error, ErrorKind};
use crate::wit::error;

/// `host:port` of a URL.
pub(super) fn place(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// The host is not on the connector's list.
pub(super) fn forbidden(allowed: &Allowed, place: &str) -> Error {
    let key = &allowed.key;
    let message = format!("{place} is not on the list of \"{key}\": add it there if the plugin may reach it");
    error::config("http.forbidden-host", Some(key), message)
}

/// The host is on the connector's list and not on the worker's.
pub(super) fn beyond(allowed: &Allowed, place: &str) -> Error {
    let message = format!("{place} is not among the hosts that this worker lets plugins reach (\"plugin.http.hosts.allowed\")");
    error::config("http.forbidden-host", Some(&allowed.key), message)
}

/// A request that got no answer.
pub(super) fn of(allowed: &Allowed, url: &Url, failed: &reqwest::Error) -> Error {
    let place = place(url);
    let mut cause = failed.source();
    while let Some(e) = cause {
        if let Some(inner) = e.downcast_ref::<resolve::Inner>() {
            let key = &allowed.key;
            let message = format!("{inner}: add the address or its network to \"{key}\" if the plugin may reach it");
            return error::config("http.forbidden-host", Some(key), message);
        }
        if let Some(unknown) = e.downcast_ref::<resolve::Unknown>() {
            let why = unknown.source().map(|s| format!(": {s}")).unwrap_or_default();
            return error::new(ErrorKind::Retriable, "http.unknown-host", format!("{unknown}{why}"));
        }
        if is_tls(e) {
            return error::new(ErrorKind::Fatal, "http.tls", format!("cannot agree on TLS with {place}: {}", root(failed)));
        }
        cause = e.source();
    }
    if failed.is_builder() {
        return super::request::wrong(root(failed));
    }
    let what = if failed.is_connect() { "connect to" } else { "get an answer of" };
    error::new(ErrorKind::Retriable, "http.connection", format!("cannot {what} {place}: {}", root(failed)))
}

/// An answer that broke off.
pub(super) fn broken(url: &Url, failed: &reqwest::Error) -> Error {
    let message = format!("the answer of {} broke off: {}", place(url), root(failed));
    error::new(ErrorKind::Retriable, "http.connection", message)
}

/// TLS's errors come inside of those of input and output, which may themselves be nested.
fn is_tls(e: &(dyn std::error::Error + 'static)) -> bool {
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => is_tls(inner),
        None => e.is::<rustls::Error>(),
    }
}

/// The innermost cause, in its own words: those further out repeat the URL.
fn root(failed: &reqwest::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = match failed.source() {
        None => return "it cannot be sent".into(),
        Some(cause) => cause,
    };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
