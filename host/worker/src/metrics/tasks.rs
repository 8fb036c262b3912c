//! The groups of a task: `connector-task-metrics`, `source-task-metrics`, `sink-task-metrics`, `task-error-metrics`.

use std::sync::Arc;

use millrace_record::PluginKind;

use super::text::{Kind, Page};
use crate::task::{Counters, Health, TaskId, TaskMeasures};

/// What the page shows of one task, at one moment.
pub(super) struct TaskView {
    pub id: String,
    pub connector: String,
    pub kind: PluginKind,
    /// In lower case.
    pub status: String,
    pub counters: Arc<Counters>,
    pub measured: TaskMeasures,
    /// None: the status says it all.
    pub health: Option<Health>,
}

impl TaskView {
    pub fn new(id: TaskId, kind: PluginKind, status: String, counters: Arc<Counters>, health: Option<Health>) -> Self {
        let measured = counters.measure();
        TaskView { id: id.task.to_string(), connector: id.connector, kind, status, counters, measured, health }
    }
}

/// One attribute of a group.
pub(super) struct Attribute<T> {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub value: fn(&T) -> f64,
}

/// `attributes! { Type; name: Kind, "help", |view| value; ... }`
macro_rules! attributes {
    ($view:ty; $($name:literal: $kind:ident, $help:literal, $value:expr;)*) => {
        &[$(super::tasks::Attribute::<$view> { name: $name, kind: super::text::Kind::$kind, help: $help, value: $value }),*]
    };
}
pub(super) use attributes;

/// Of sources and sinks.
pub(super) const CONNECTOR_TASK: &[Attribute<TaskView>] = attributes! { TaskView;
    "running-ratio": Gauge, "Part of its time that the task has been running.", |t| t.measured.running_ratio;
    "pause-ratio": Gauge, "Part of its time that the task has been paused.", |t| t.measured.pause_ratio;
    "offset-commit-avg-time-ms": Gauge, "Mean time of an offset commit, in milliseconds.", |t| t.measured.commit_ms.0;
    "offset-commit-max-time-ms": Gauge, "Longest time of an offset commit, in milliseconds.", |t| t.measured.commit_ms.1;
    "offset-commit-success-percentage": Gauge, "Part of the offset commits that succeeded, from 0 to 1.", |t| t.measured.commits.0;
    "offset-commit-failure-percentage": Gauge, "Part of the offset commits that failed, from 0 to 1.", |t| t.measured.commits.1;
    "batch-size-avg": Gauge, "Mean number of records in a batch.", |t| of_sink_or_none(t, t.measured.batch.0);
    "batch-size-max": Gauge, "Largest number of records in a batch.", |t| of_sink_or_none(t, t.measured.batch.1);
};

pub(super) const SOURCE_TASK: &[Attribute<TaskView>] = attributes! { TaskView;
    "source-record-poll-rate": Gauge, "Records polled from the source, before transforms, by the second.", |t| t.measured.in_rate;
    "source-record-poll-total": Counter, "Records polled from the source, before transforms.", |t| t.counters.polled.get() as f64;
    "source-record-write-rate": Gauge, "Polled records that Kafka has acknowledged, by the second.", |t| t.measured.out_rate;
    "source-record-write-total": Counter, "Polled records that Kafka has acknowledged; without those filtered or skipped.", |t| t.counters.produced.get() as f64;
    "source-record-active-count": Gauge, "Records polled and not yet acknowledged by Kafka.", |t| t.counters.active.get() as f64;
    "source-record-active-count-avg": Gauge, "Mean number of records polled and not yet acknowledged.", |t| t.measured.active.0;
    "source-record-active-count-max": Gauge, "Largest number of records polled and not yet acknowledged.", |t| t.measured.active.1;
    "poll-batch-avg-time-ms": Gauge, "Mean time of a poll that gave records, in milliseconds.", |t| t.measured.batch_ms.0;
    "poll-batch-max-time-ms": Gauge, "Longest time of a poll that gave records, in milliseconds.", |t| t.measured.batch_ms.1;
    "transaction-size-min": Gauge, "Fewest records in a transaction, with exactly-once delivery.", |t| t.measured.transaction.0;
    "transaction-size-avg": Gauge, "Mean number of records in a transaction, with exactly-once delivery.", |t| t.measured.transaction.1;
    "transaction-size-max": Gauge, "Most records in a transaction, with exactly-once delivery.", |t| t.measured.transaction.2;
};

pub(super) const SINK_TASK: &[Attribute<TaskView>] = attributes! { TaskView;
    "sink-record-read-rate": Gauge, "Records consumed from Kafka, before transforms, by the second.", |t| t.measured.in_rate;
    "sink-record-read-total": Counter, "Records consumed from Kafka, before transforms.", |t| t.counters.read.get() as f64;
    "sink-record-send-rate": Gauge, "Records handed to the sink, after transforms, by the second.", |t| t.measured.out_rate;
    "sink-record-send-total": Counter, "Records handed to the sink, after transforms.", |t| t.counters.sent.get() as f64;
    "sink-record-active-count": Gauge, "Records consumed whose offsets are not committed yet.", |t| t.counters.active.get() as f64;
    "sink-record-active-count-avg": Gauge, "Mean number of records consumed and not committed.", |t| or_zero(t.measured.active.0);
    "sink-record-active-count-max": Gauge, "Largest number of records consumed and not committed.", |t| or_zero(t.measured.active.1);
    "sink-record-lag-max": Gauge, "Records of one partition that were consumed and are not committed: the largest.", |t| t.counters.lag.get() as f64;
    "partition-count": Gauge, "Partitions assigned to the task.", |t| t.counters.partitions.get() as f64;
    "offset-commit-seq-no": Gauge, "Number of the last offset commit.", |t| t.counters.commit_seq_no.get() as f64;
    "offset-commit-completion-rate": Gauge, "Offset commits that succeeded, by the second.", |t| t.measured.completion_rate;
    "offset-commit-completion-total": Counter, "Offset commits that succeeded.", |t| t.counters.commits.get() as f64;
    "offset-commit-skip-rate": Gauge, "Offset commits that came too late to count, by the second.", |t| t.measured.skip_rate;
    "offset-commit-skip-total": Counter, "Offset commits that came too late to count: a rebalance was under way.", |t| t.counters.commits_skipped.get() as f64;
    "put-batch-avg-time-ms": Gauge, "Mean time of a put, in milliseconds.", |t| or_zero(t.measured.batch_ms.0);
    "put-batch-max-time-ms": Gauge, "Longest time of a put, in milliseconds.", |t| or_zero(t.measured.batch_ms.1);
};

/// Of sources and sinks.
pub(super) const TASK_ERROR: &[Attribute<TaskView>] = attributes! { TaskView;
    "total-record-failures": Counter, "Attempts at a record or a call that failed, retried or not.", |t| t.counters.failures.get() as f64;
    "total-record-errors": Counter, "Records that failed for good.", |t| t.counters.errors.get() as f64;
    "total-records-skipped": Counter, "Records that failed and were let pass, to a dead letter queue or not.", |t| (t.counters.skipped.get() + t.counters.dead_lettered.get()) as f64;
    "total-retries": Counter, "Attempts that were made again.", |t| t.counters.retries.get() as f64;
    "total-errors-logged": Counter, "Failed records that were logged.", |t| t.counters.errors_logged.get() as f64;
    "deadletterqueue-produce-requests": Counter, "Records given to the dead letter queue.", |t| t.counters.dead_letter_requests.get() as f64;
    "deadletterqueue-produce-failures": Counter, "Records that the dead letter queue could not take.", |t| t.counters.dead_letter_failures.get() as f64;
    "last-error-timestamp": Gauge, "When the task last met an error, in milliseconds since the epoch; 0: never.", |t| t.counters.last_error_ms.get() as f64;
};

/// Kafka Connect's sinks record their empty polls too: with nothing to do they show 0, while a source shows no number.
fn or_zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

fn of_sink_or_none(task: &TaskView, value: f64) -> f64 {
    if task.kind == PluginKind::Sink { or_zero(value) } else { value }
}

/// Writes one group.
pub(super) fn write(
    page: &mut Page,
    group: &str,
    attributes: &[Attribute<TaskView>],
    tasks: &[TaskView],
    of: Option<PluginKind>,
) {
    for a in attributes {
        let name = super::page::named(group, a.name);
        let mut begun = false;
        for task in tasks.iter().filter(|t| of.is_none_or(|kind| kind == t.kind)) {
            if !std::mem::replace(&mut begun, true) {
                page.family(&name, a.kind, a.help);
            }
            page.series(&name, &[("connector", &task.connector), ("task", &task.id)], (a.value)(task));
        }
    }
}

/// Every group and attribute of numbers.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = |group, attributes: &'static [Attribute<TaskView>]| attributes.iter().map(move |a| (group, a.name));
    let both = of("connector-task-metrics", CONNECTOR_TASK).chain(of("task-error-metrics", TASK_ERROR));
    both.chain(of("source-task-metrics", SOURCE_TASK)).chain(of("sink-task-metrics", SINK_TASK))
}
