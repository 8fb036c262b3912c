//! The groups of the worker and of its connectors: `connect-worker-metrics`, `connect-worker-rebalance-metrics`,
//! `connector-metrics`.

use super::page::{named, under};
use super::registry::WorkerView;
use super::tasks::{Attribute, attributes};
use super::text::{Kind, Page};

/// What the page shows of one connector.
pub(super) struct ConnectorView {
    pub name: String,
    /// The full class name, where the plugin is known.
    pub class: String,
    /// `source` or `sink`, and the version; of a plugin that is known.
    pub plugin: Option<(&'static str, String)>,
    /// In lower case.
    pub status: Option<String>,
    /// Of each task, as in its status.
    pub tasks: Vec<String>,
}

impl ConnectorView {
    fn count(&self, state: &str) -> f64 {
        self.tasks.iter().filter(|t| *t == state).count() as f64
    }
}

/// The worker, and how much it has to do.
pub(super) struct Whole {
    pub worker: WorkerView,
    pub connectors: usize,
    pub tasks: usize,
}

pub(super) const WORKER: &[Attribute<Whole>] = attributes! { Whole;
    "connector-count": Gauge, "Connectors of this worker.", |w| w.connectors as f64;
    "task-count": Gauge, "Tasks of this worker.", |w| w.tasks as f64;
    "connector-startup-attempts-total": Counter, "Starts of connectors.", |w| w.worker.connectors.attempts() as f64;
    "connector-startup-success-total": Counter, "Starts of connectors that succeeded.", |w| w.worker.connectors.succeeded as f64;
    "connector-startup-failure-total": Counter, "Starts of connectors that failed.", |w| w.worker.connectors.failed as f64;
    "connector-startup-success-percentage": Gauge, "Part of the recent starts of connectors that succeeded, from 0 to 1.", |w| w.worker.connectors.shares(w.worker.now_ms).0;
    "connector-startup-failure-percentage": Gauge, "Part of the recent starts of connectors that failed, from 0 to 1.", |w| w.worker.connectors.shares(w.worker.now_ms).1;
    "task-startup-attempts-total": Counter, "Starts of tasks.", |w| w.worker.tasks.attempts() as f64;
    "task-startup-success-total": Counter, "Starts of tasks that succeeded.", |w| w.worker.tasks.succeeded as f64;
    "task-startup-failure-total": Counter, "Starts of tasks that failed.", |w| w.worker.tasks.failed as f64;
    "task-startup-success-percentage": Gauge, "Part of the recent starts of tasks that succeeded, from 0 to 1.", |w| w.worker.tasks.shares(w.worker.now_ms).0;
    "task-startup-failure-percentage": Gauge, "Part of the recent starts of tasks that failed, from 0 to 1.", |w| w.worker.tasks.shares(w.worker.now_ms).1;
};

pub(super) const REBALANCE: &[Attribute<Whole>] = attributes! { Whole;
    "epoch": Gauge, "Number of the current assignment of work.", |w| w.worker.rebalances.completed as f64;
    "completed-rebalances-total": Counter, "Rebalances that are over.", |w| w.worker.rebalances.completed as f64;
    "rebalancing": Gauge, "1 while a rebalance is under way.", |w| f64::from(u8::from(w.worker.rebalances.under_way > 0));
    "rebalance-avg-time-ms": Gauge, "Mean time of a rebalance, in milliseconds.", |w| w.worker.rebalances.took_ms.avg(w.worker.now_ms);
    "rebalance-max-time-ms": Gauge, "Longest time of a rebalance, in milliseconds.", |w| w.worker.rebalances.took_ms.max(w.worker.now_ms);
    "time-since-last-rebalance-ms": Gauge, "Time since the last rebalance was over, in milliseconds.", |w| w.worker.since_rebalance.map_or(f64::INFINITY, |t| t.as_millis() as f64);
};

pub(super) const CONNECTOR_TASKS: &[Attribute<ConnectorView>] = attributes! { ConnectorView;
    "connector-total-task-count": Gauge, "Tasks of the connector.", |c| c.tasks.len() as f64;
    "connector-running-task-count": Gauge, "Tasks of the connector that run.", |c| c.count("RUNNING");
    "connector-paused-task-count": Gauge, "Tasks of the connector that are paused.", |c| c.count("PAUSED");
    "connector-failed-task-count": Gauge, "Tasks of the connector that have failed.", |c| c.count("FAILED");
    "connector-unassigned-task-count": Gauge, "Tasks of the connector that no worker has.", |c| c.count("UNASSIGNED");
    "connector-destroyed-task-count": Gauge, "Tasks of the connector that were removed.", |c| c.count("DESTROYED");
    "connector-restarting-task-count": Gauge, "Tasks of the connector that are restarting.", |c| c.count("RESTARTING");
};

/// Writes the groups of the worker as a whole; `id` is its `host:port`.
pub(super) fn write_worker(page: &mut Page, whole: &Whole, id: &str) {
    let leader = format!("http://{id}/");
    for (group, attributes) in [("connect-worker-metrics", WORKER), ("connect-worker-rebalance-metrics", REBALANCE)] {
        for a in attributes {
            let name = named(group, a.name);
            page.family(&name, a.kind, a.help);
            page.series(&name, &[], (a.value)(whole));
        }
    }
    for (attribute, label, text, help) in [
        ("leader-name", "leader_name", leader.as_str(), "The leader of the group of workers: this one."),
        ("connect-protocol", "connect_protocol", "SESSIONED", "The protocol by which workers share their work."),
    ] {
        let name = named("connect-worker-rebalance-metrics", attribute);
        page.family(&name, Kind::Gauge, help);
        page.series(&name, &[(label, text)], 1.0);
    }
}

/// Writes `app-info`, of which Connect has one bean for the worker.
pub(super) fn write_app(page: &mut Page, started_ms: u64, version: &str, id: &str) {
    let name = named("app-info", "start-time-ms");
    page.family(&name, Kind::Gauge, "When the worker started, in milliseconds since the epoch.");
    page.series(&name, &[("client_id", id)], started_ms as f64);
    let started = started_ms.to_string();
    let texts = [("version", version), ("start_time_ms", started.as_str())];
    let name = named("app-info", "version");
    page.family(&name, Kind::Gauge, "The version of the worker.");
    page.series(&name, &[("client_id", id), texts[0]], 1.0);
    let name = under("kafka.connect_app-info");
    page.family(&name, Kind::Gauge, "The attributes of the worker, each in a label of its own.");
    for text in texts {
        page.series(&name, &[("client_id", id), text], 1.0);
    }
}

/// Writes the groups that have a series for each connector.
pub(super) fn write_connectors(page: &mut Page, connectors: &[ConnectorView]) {
    if connectors.is_empty() {
        return;
    }
    for a in CONNECTOR_TASKS {
        let name = named("connect-worker-metrics", a.name);
        page.family(&name, a.kind, a.help);
        for c in connectors {
            page.series(&name, &[("connector", &c.name)], (a.value)(c));
        }
    }
    for (attribute, help) in TEXTS {
        let (name, label) = (named("connector-metrics", attribute), under(attribute));
        page.family(&name, Kind::Gauge, help);
        for c in connectors {
            if let Some(text) = c.text(attribute) {
                page.series(&name, &[("connector", &c.name), (&label, text)], 1.0);
            }
        }
    }
    let name = under("kafka.connect_connector-metrics");
    page.family(&name, Kind::Gauge, "The texts of a connector's attributes, each in a label of its own.");
    for c in connectors {
        for (attribute, _) in TEXTS {
            if let Some(text) = c.text(attribute) {
                page.series(&name, &[("connector", &c.name), (&under(attribute), text)], 1.0);
            }
        }
    }
}

/// The attributes of `connector-metrics`; all are texts.
const TEXTS: [(&str, &str); 4] = [
    ("connector-class", "The class of the connector."),
    ("connector-type", "Whether the connector is a source or a sink."),
    ("connector-version", "The version of the connector's plugin."),
    ("status", "The state of the connector."),
];

impl ConnectorView {
    fn text(&self, attribute: &str) -> Option<&str> {
        match attribute {
            "connector-class" => Some(&self.class),
            "connector-type" => self.plugin.as_ref().map(|(kind, _)| *kind),
            "connector-version" => self.plugin.as_ref().map(|(_, version)| version.as_str()),
            _ => self.status.as_deref(),
        }
    }
}

/// Every group and attribute.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let whole = [("connect-worker-metrics", WORKER), ("connect-worker-rebalance-metrics", REBALANCE)];
    let whole = whole.into_iter().flat_map(|(group, attributes)| attributes.iter().map(move |a| (group, a.name)));
    let tasks = CONNECTOR_TASKS.iter().map(|a| ("connect-worker-metrics", a.name));
    whole.chain(tasks).chain(TEXTS.iter().map(|(name, _)| ("connector-metrics", *name)))
}
