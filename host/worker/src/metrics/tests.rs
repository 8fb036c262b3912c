//! The page of tasks that have counted something.

use std::sync::Arc;
use std::time::Duration;

use millrace_record::PluginKind;

use super::page::write_tasks;
use super::tasks::TaskView;
use super::text::Page;
use super::{Clock, Metrics};
use crate::task::{Committed, Counters, TaskId, TaskState};

fn id(connector: &str) -> TaskId {
    TaskId { connector: connector.to_owned(), task: 0 }
}

fn page(tasks: &[TaskView]) -> String {
    let mut page = Page::default();
    write_tasks(&mut page, tasks);
    page.finish()
}

/// The value of a series.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().expect("a number")
}

#[test]
fn a_sources_batches_are_counted_and_averaged() {
    let clock = Clock::still();
    let c = Arc::new(Counters::by(clock.clone()));
    c.in_state(&TaskState::Running);
    c.polled_batch(10, Duration::from_millis(4));
    c.polled_batch(20, Duration::from_millis(8));
    c.polled_batch(0, Duration::from_secs(1));
    c.settled_batch(10, 9);
    c.settled_batch(0, 0);
    c.commit_ended(Committed::Done, Duration::from_millis(6));
    c.transaction_committed(4);
    c.transaction_committed(2);
    clock.advance(Duration::from_secs(30));
    c.transaction_committed(9);
    c.commit_ended(Committed::Failed, Duration::from_millis(2));
    c.in_state(&TaskState::Paused);
    clock.advance(Duration::from_secs(10));
    let page = page(&[TaskView::new(id("s"), PluginKind::Source, "paused".into(), c, None)]);
    let is = |name: &str, expected: f64| {
        let got = value(&page, &format!("kafka_connect_{name}{{connector=\"s\",task=\"0\"}}"));
        assert!((got - expected).abs() < 1e-9, "{name} is {got}, not {expected}");
    };
    is("source_task_metrics_source_record_poll_total", 30.0);
    is("source_task_metrics_source_record_poll_rate", 30.0 / 40.0);
    is("source_task_metrics_source_record_write_total", 9.0);
    is("source_task_metrics_source_record_write_rate", 9.0 / 40.0);
    is("source_task_metrics_source_record_active_count", 20.0);
    is("source_task_metrics_source_record_active_count_avg", 20.0);
    is("source_task_metrics_source_record_active_count_max", 30.0);
    is("source_task_metrics_poll_batch_avg_time_ms", 6.0);
    is("source_task_metrics_poll_batch_max_time_ms", 8.0);
    is("source_task_metrics_transaction_size_min", 2.0);
    is("source_task_metrics_transaction_size_avg", 5.0);
    is("source_task_metrics_transaction_size_max", 9.0);
    is("connector_task_metrics_batch_size_avg", 15.0);
    is("connector_task_metrics_batch_size_max", 20.0);
    is("connector_task_metrics_offset_commit_avg_time_ms", 4.0);
    is("connector_task_metrics_offset_commit_max_time_ms", 6.0);
    is("connector_task_metrics_offset_commit_success_percentage", 0.5);
    is("connector_task_metrics_offset_commit_failure_percentage", 0.5);
    is("connector_task_metrics_running_ratio", 0.75);
    is("connector_task_metrics_pause_ratio", 0.25);
    assert!(page.contains("kafka_connect_connector_task_metrics_status{connector=\"s\",task=\"0\",status=\"paused\"} 1\n"));
    assert!(!page.contains("sink_task_metrics"), "{page}");
}

#[test]
fn a_sink_that_has_nothing_to_do_shows_zeros() {
    let c = Arc::new(Counters::by(Clock::still()));
    let page = page(&[TaskView::new(id("s"), PluginKind::Sink, "running".into(), c.clone(), None)]);
    let is = |page: &str, name: &str, expected: f64| {
        assert_eq!(
            value(page, &format!("kafka_connect_sink_task_metrics_{name}{{connector=\"s\",task=\"0\"}}")),
            expected,
            "{name}"
        );
    };
    for name in ["put_batch_avg_time_ms", "sink_record_active_count_max", "sink_record_read_rate", "partition_count"] {
        is(&page, name, 0.0);
    }
    let commit = value(&page, "kafka_connect_connector_task_metrics_offset_commit_avg_time_ms{connector=\"s\",task=\"0\"}");
    assert!(commit.is_nan());
    c.read_batch(7);
    c.sent_batch(5, Duration::from_millis(3));
    c.uncommitted(7, 4);
    c.partitions.set(2);
    c.commit_ended(Committed::Late, Duration::ZERO);
    c.commit_ended(Committed::Done, Duration::ZERO);
    let page = self::page(&[TaskView::new(id("s"), PluginKind::Sink, "running".into(), c, None)]);
    for (name, expected) in [
        ("sink_record_read_total", 7.0),
        ("sink_record_send_total", 5.0),
        ("sink_record_active_count", 7.0),
        ("sink_record_active_count_max", 7.0),
        ("sink_record_lag_max", 4.0),
        ("partition_count", 2.0),
        ("offset_commit_seq_no", 2.0),
        ("offset_commit_completion_total", 1.0),
        ("offset_commit_skip_total", 1.0),
        ("offset_commit_skip_rate", 1.0 / 30.0),
        ("put_batch_max_time_ms", 3.0),
    ] {
        is(&page, name, expected);
    }
}

#[test]
fn a_tasks_series_end_with_it() {
    let metrics = Arc::new(Metrics::default());
    let (good, bad) = (Arc::<Counters>::default(), Arc::<Counters>::default());
    for (name, counters) in [("good", &good), ("bad", &bad)] {
        metrics.task_starts(&id(name), PluginKind::Sink);
        metrics.task(&id(name), counters);
    }
    metrics.task_state(&id("good"), &TaskState::Unassigned);
    metrics.task_state(&id("good"), &TaskState::Running);
    metrics.task_state(&id("good"), &TaskState::Failed { trace: String::new() });
    metrics.task_state(&id("bad"), &TaskState::Failed { trace: String::new() });
    metrics.connector_started(true);
    metrics.connector_started(false);
    metrics.connector_started(false);
    let startups = metrics.worker().connectors;
    assert_eq!((startups.attempts(), startups.succeeded, startups.failed), (3, 1, 2));
    let startups = metrics.worker().tasks;
    assert_eq!((startups.attempts(), startups.succeeded, startups.failed), (2, 1, 1));
    assert_eq!(startups.shares(0), (0.5, 0.5));
    assert_eq!(metrics.tasks().len(), 2);
    drop(bad);
    let left: Vec<_> = metrics.tasks().into_iter().map(|(id, ..)| id.connector).collect();
    assert_eq!(left, ["good"]);
}

#[test]
fn rebalances_are_timed() {
    let clock = Clock::still();
    let metrics = Arc::new(Metrics::by(clock.clone()));
    assert!(metrics.worker().since_rebalance.is_none());
    let first = metrics.rebalancing();
    assert_eq!(metrics.worker().rebalances.under_way, 1);
    clock.advance(Duration::from_millis(70));
    drop(first);
    clock.advance(Duration::from_millis(500));
    let view = metrics.worker();
    assert_eq!((view.rebalances.completed, view.rebalances.under_way), (1, 0));
    assert_eq!(view.rebalances.took_ms.max(view.now_ms), 70.0);
    assert_eq!(view.since_rebalance, Some(Duration::from_millis(500)));
}

#[test]
fn every_metric_is_documented() {
    let docs = include_str!("../../../../docs/metrics.md");
    let names = super::tasks::names().chain(super::connectors::names());
    for (group, attribute) in names {
        let (full, short) = (super::page::named(group, attribute), format!("`_{}`", super::page::under(attribute)));
        assert!(docs.contains(&full) || docs.contains(&short), "{full} is not in docs/metrics.md");
    }
}

/// A worker has a thousand of them.
#[test]
fn the_counters_of_a_task_take_little() {
    assert!(std::mem::size_of::<Counters>() < 2_048, "{} bytes", std::mem::size_of::<Counters>());
}
