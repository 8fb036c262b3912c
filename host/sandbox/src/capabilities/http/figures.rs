//! What is counted of requests, by host, among the figures of the plugin: `http_requests`, `http_failures`, `http_seconds`.

use std::time::Duration;

use crate::metrics::{FigureKind, Metrics};
use crate::state::Owner;

/// Counts a request to a listed host: there are as many of these as the connector's list allows, and no more than a task may
/// have label sets. Failures are requests without an answer.
pub(super) fn count(metrics: &Metrics, owner: &Owner, host: &str, took: Duration, answered: bool) {
    let of = (&*owner.plugin, owner.connector.as_str(), owner.task);
    let labels = || vec![("host".to_owned(), host.to_owned())];
    let add = |n: u64| {
        move |figure: &mut FigureKind| {
            if let FigureKind::Counter(count) = figure {
                *count = count.saturating_add(n);
            }
        }
    };
    // What is not counted has been said by who counts it.
    let _ = metrics.change(of, "http_requests", labels(), FigureKind::Counter(0), add(1));
    let _ = metrics.change(of, "http_failures", labels(), FigureKind::Counter(0), add(u64::from(!answered)));
    let _ = metrics.change(of, "http_seconds", labels(), FigureKind::histogram(), |f| f.record(took.as_secs_f64()));
}
