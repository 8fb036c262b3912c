//! What plugins count of their own: Connect's group `plugins`, where a plugin's metrics stand with the connector and the task.
//!
//! Promises a page that is well formed whatever plugins name: a family has one type and each of its series comes once.

use std::collections::{BTreeMap, BTreeSet};

use millrace_sandbox::{Figure, FigureKind, HISTOGRAM_BUCKETS};

use super::page::named;
use super::text::{Kind, Page};

/// Writes the families by their names. Of figures that would be one series, or one name of two types, the first is shown.
pub(super) fn write_figures(page: &mut Page, figures: Vec<Figure>) {
    let mut families: BTreeMap<(String, Kind), Vec<Figure>> = BTreeMap::new();
    for figure in figures {
        let family = family(&figure);
        families.entry(family).or_default().push(figure);
    }
    let mut taken = BTreeSet::new();
    for ((name, kind), figures) in families {
        let names = match kind {
            Kind::Histogram => vec![name.clone(), format!("{name}_bucket"), format!("{name}_count"), format!("{name}_sum")],
            Kind::Counter | Kind::Gauge => vec![name.clone()],
        };
        if names.iter().any(|n| taken.contains(n)) {
            continue;
        }
        taken.extend(names);
        page.family(&name, kind, "A figure that the plugin keeps.");
        let mut series = BTreeSet::new();
        for figure in &figures {
            if series.insert((&figure.connector, figure.task, &figure.plugin, &figure.labels)) {
                write(page, &name, figure);
            }
        }
    }
}

/// The name and the type. Counters end in `_total`, as Prometheus wants it.
fn family(figure: &Figure) -> (String, Kind) {
    let name = named("plugins", &figure.name);
    match figure.value {
        FigureKind::Counter(_) if !name.ends_with("_total") => (name + "_total", Kind::Counter),
        FigureKind::Counter(_) => (name, Kind::Counter),
        FigureKind::Gauge(_) => (name, Kind::Gauge),
        FigureKind::Histogram { .. } => (name, Kind::Histogram),
    }
}

fn write(page: &mut Page, name: &str, figure: &Figure) {
    let task = figure.task.to_string();
    let mut labels = vec![("connector", figure.connector.as_str()), ("task", task.as_str()), ("plugin", figure.plugin.as_str())];
    labels.extend(figure.labels.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    match &figure.value {
        FigureKind::Counter(n) => page.series(name, &labels, *n as f64),
        FigureKind::Gauge(value) => page.series(name, &labels, *value),
        FigureKind::Histogram { count, sum, buckets } => {
            let mut below = 0;
            for (bound, n) in HISTOGRAM_BUCKETS.iter().zip(buckets) {
                below += n;
                bucket(page, name, &labels, &bound.to_string(), below);
            }
            bucket(page, name, &labels, "+Inf", *count);
            page.series(&format!("{name}_sum"), &labels, *sum);
            page.series(&format!("{name}_count"), &labels, *count as f64);
        }
    }
}

fn bucket(page: &mut Page, name: &str, labels: &[(&str, &str)], bound: &str, n: u64) {
    let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
    page.series(&format!("{name}_bucket"), &labels, n as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(connector: &str, name: &str, labels: &[(&str, &str)], value: FigureKind) -> Figure {
        let labels = labels.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        Figure { plugin: "postgres".into(), connector: connector.into(), task: 0, name: name.into(), labels, value }
    }

    fn page(figures: Vec<Figure>) -> String {
        let mut page = Page::default();
        write_figures(&mut page, figures);
        page.finish().lines().filter(|l| !l.starts_with("# HELP")).map(|l| format!("{l}\n")).collect()
    }

    #[test]
    fn counters_and_gauges_have_connector_task_and_plugin() {
        let found = page(vec![
            figure("b", "table_changes", &[("change", "add_column")], FigureKind::Counter(2)),
            figure("b", "lag", &[], FigureKind::Gauge(1.5)),
            figure("c", "table_changes", &[], FigureKind::Counter(1)),
            figure("c", "rows_total", &[], FigureKind::Counter(7)),
        ]);
        let expected = "# TYPE kafka_connect_plugins_lag gauge\n\
            kafka_connect_plugins_lag{connector=\"b\",task=\"0\",plugin=\"postgres\"} 1.5\n\
            # TYPE kafka_connect_plugins_rows_total counter\n\
            kafka_connect_plugins_rows_total{connector=\"c\",task=\"0\",plugin=\"postgres\"} 7\n\
            # TYPE kafka_connect_plugins_table_changes_total counter\n\
            kafka_connect_plugins_table_changes_total{connector=\"b\",task=\"0\",plugin=\"postgres\",change=\"add_column\"} 2\n\
            kafka_connect_plugins_table_changes_total{connector=\"c\",task=\"0\",plugin=\"postgres\"} 1\n";
        assert_eq!(found, expected);
    }

    #[test]
    fn buckets_of_a_histogram_count_what_lies_below() {
        let mut buckets = [0; HISTOGRAM_BUCKETS.len()];
        (buckets[0], buckets[6]) = (2, 3);
        let found = page(vec![figure("b", "took", &[], FigureKind::Histogram { count: 6, sum: 99_999.5, buckets })]);
        let of = "connector=\"b\",task=\"0\",plugin=\"postgres\"";
        for (series, value) in [("0.001", 2), ("0.5", 2), ("1", 5), ("10000", 5), ("+Inf", 6)] {
            let line = format!("kafka_connect_plugins_took_bucket{{{of},le=\"{series}\"}} {value}\n");
            assert!(found.contains(&line), "no {line} in {found}");
        }
        assert!(found.starts_with("# TYPE kafka_connect_plugins_took histogram\n"), "{found}");
        assert!(found.contains(&format!("_took_sum{{{of}}} 99999.5\n")) && found.contains(&format!("_took_count{{{of}}} 6\n")));
    }

    #[test]
    fn no_name_has_two_types_and_no_series_comes_twice() {
        let histogram = FigureKind::Histogram { count: 0, sum: 0.0, buckets: [0; HISTOGRAM_BUCKETS.len()] };
        let found = page(vec![
            figure("a", "n_total", &[], FigureKind::Gauge(1.0)),
            figure("b", "n", &[], FigureKind::Counter(1)),
            figure("b", "n_total", &[], FigureKind::Counter(1)),
            figure("a", "took", &[], histogram),
            figure("a", "took_count", &[], FigureKind::Gauge(4.0)),
        ]);
        assert_eq!(found.matches("# TYPE").count(), 2, "{found}");
        assert_eq!(found.matches("_n_total{").count(), 1, "{found}");
    }
}
