//! The page: what a herder knows and its tasks have counted, at one moment.

use std::time::UNIX_EPOCH;

use super::connectors::{ConnectorView, Whole, write_app, write_connectors, write_worker};
use super::plugins::write_figures;
use super::schemas::write_schemas;
use super::tasks::{CONNECTOR_TASK, SINK_TASK, SOURCE_TASK, TASK_ERROR, TaskView, write};
use super::text::{Kind, Page};
use crate::herder::Herder;
use crate::plugins;
use millrace_record::PluginKind;

/// Dots and hyphens as Prometheus takes them.
pub(super) fn under(name: &str) -> String {
    name.replace(['.', '-'], "_")
}

/// The name of an attribute's family.
pub(super) fn named(group: &str, attribute: &str) -> String {
    under(&format!("kafka.connect_{group}_{attribute}"))
}

/// The page, in the text format of [`super::CONTENT_TYPE`].
pub fn page(herder: &Herder) -> String {
    let connectors: Vec<ConnectorView> = herder.configs.names().into_iter().filter_map(|name| view(herder, name)).collect();
    let tasks = herder.metrics.tasks().into_iter().map(|(id, kind, counters)| {
        let status = herder.statuses.task(&id);
        let health = status.as_ref().and_then(|s| herder.health(&id, s));
        let status = status.map_or_else(|| "unassigned".to_owned(), |s| s.state.to_lowercase());
        TaskView::new(id, kind, status, counters, health)
    });
    let tasks: Vec<TaskView> = tasks.collect();
    let whole = Whole { worker: herder.metrics.worker(), connectors: connectors.len(), tasks: tasks.len() };
    let mut page = Page::default();
    let id = herder.statuses.worker_id();
    write_app(&mut page, whole.worker.started_ms, plugins::VERSION, id);
    write_worker(&mut page, &whole, id);
    write_connectors(&mut page, &connectors);
    write_tasks(&mut page, &tasks);
    write_figures(&mut page, herder.metrics.figures());
    if let Some(monitor) = &herder.monitor {
        write_schemas(&mut page, monitor);
    }
    page.finish()
}

/// None: it was deleted meanwhile.
fn view(herder: &Herder, name: String) -> Option<ConnectorView> {
    let config = herder.configs.get(&name)?.config;
    let plugin = herder.plugin(&config).ok();
    let class = match &plugin {
        Some(plugin) => plugins::class(&**plugin).to_owned(),
        None => config.get("connector.class").cloned().unwrap_or_default(),
    };
    Some(ConnectorView {
        class,
        plugin: plugin.map(|p| (plugins::kind_name(p.info().kind), p.info().version.clone())),
        status: herder.statuses.connector(&name).map(|s| s.state.to_lowercase()),
        tasks: herder.statuses.tasks(&name).into_iter().map(|(_, s)| s.state).collect(),
        name,
    })
}

pub(super) fn write_tasks(page: &mut Page, tasks: &[TaskView]) {
    if tasks.is_empty() {
        return;
    }
    let help = "The state of the task.";
    for name in [named("connector-task-metrics", "status"), under("kafka.connect_connector_status")] {
        page.family(&name, Kind::Gauge, help);
        for t in tasks {
            page.series(&name, &[("connector", &t.connector), ("task", &t.id), ("status", &t.status)], 1.0);
        }
    }
    write_health(page, tasks);
    write(page, "connector-task-metrics", CONNECTOR_TASK, tasks, None);
    write(page, "source-task-metrics", SOURCE_TASK, tasks, Some(PluginKind::Source));
    write(page, "sink-task-metrics", SINK_TASK, tasks, Some(PluginKind::Sink));
    write(page, "task-error-metrics", TASK_ERROR, tasks, None);
}

/// How tasks are doing, and since when: beyond Connect's.
fn write_health(page: &mut Page, tasks: &[TaskView]) {
    let told = || tasks.iter().filter_map(|t| Some((t, t.health.as_ref()?)));
    if told().next().is_none() {
        return;
    }
    let name = named("connector-task-metrics", "health");
    page.family(&name, Kind::Gauge, "How the task is doing: ok, lagging, retrying or stuck.");
    for (t, health) in told() {
        page.series(&name, &[("connector", &t.connector), ("task", &t.id), ("health", health.condition.name())], 1.0);
    }
    let name = named("connector-task-metrics", "health-since-timestamp");
    page.family(&name, Kind::Gauge, "Since when it has been doing so, in milliseconds since the epoch.");
    for (t, health) in told() {
        let since = health.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.series(&name, &[("connector", &t.connector), ("task", &t.id)], since.as_millis() as f64);
    }
}
