//! What the schema monitor has counted, under names of our own.

use std::sync::atomic::{AtomicU64, Ordering};

use super::text::{Kind, Page};
use crate::registry::monitor::SchemaMonitor;

pub(super) fn write_schemas(page: &mut Page, monitor: &SchemaMonitor) {
    let (counted, delivered) = (&monitor.counted, &monitor.webhooks.delivered);
    let counters: [(&str, &AtomicU64, &str); 9] = [
        ("millrace_schema_version_changed_total", &counted.changed, "New versions of subjects that go with those before."),
        ("millrace_schema_incompatible_change_total", &counted.incompatible, "New versions of subjects that do not."),
        ("millrace_schema_deleted_total", &counted.deleted, "Deletions of versions and subjects."),
        ("millrace_source_schema_changed_total", &counted.source, "Changes of schemas that sources have told of."),
        ("millrace_schema_monitor_polls_total", &counted.polls, "Rounds through all subjects."),
        ("millrace_schema_monitor_unreachable_total", &counted.unreachable, "Times that a registry did not answer in a round."),
        ("millrace_schema_webhook_delivered_total", &delivered.taken, "Events that webhooks have taken."),
        ("millrace_schema_webhook_retried_total", &delivered.retried, "Tries that webhooks did not take."),
        ("millrace_schema_webhook_lost_total", &delivered.lost, "Events that webhooks did not get in the end."),
    ];
    for (name, counter, help) in counters {
        page.family(name, Kind::Counter, help);
        page.series(name, &[], counter.load(Ordering::Relaxed) as f64);
    }
    let gauges = [
        ("millrace_schema_subjects", monitor.store.subjects().len(), "Subjects that are watched."),
        (
            "millrace_schema_incompatible_unacknowledged",
            monitor.store.open_incompatible(),
            "Incompatible changes that nobody has acknowledged.",
        ),
    ];
    for (name, value, help) in gauges {
        page.family(name, Kind::Gauge, help);
        page.series(name, &[], value as f64);
    }
}
