//! Figures that plugins keep: counters, gauges, histograms. The worker reads them; the sandbox only collects.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Label sets that one connector's task may have: a plugin that labels by key or offset stops being counted there.
pub const LABEL_SETS_MAX: usize = 500;
/// Upper bounds of a histogram's buckets; what lies above them is in `count` only.
pub const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0];

/// A figure's value.
#[derive(Debug, Clone, PartialEq)]
pub enum FigureKind {
    Counter(u64),
    Gauge(f64),
    Histogram { count: u64, sum: f64, buckets: [u64; BUCKETS.len()] },
}

/// One figure of one task of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub plugin: String,
    pub connector: String,
    pub task: u32,
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: FigureKind,
}

/// Where figures are kept: one for a sandbox.
#[derive(Debug, Default)]
pub struct Metrics {
    tasks: Mutex<BTreeMap<(String, u32), Task>>,
}

#[derive(Debug, Default)]
struct Task {
    plugin: String,
    figures: BTreeMap<(String, Vec<(String, String)>), FigureKind>,
}

impl Metrics {
    /// All figures as they stand.
    pub fn snapshot(&self) -> Vec<Figure> {
        let tasks = self.tasks.lock();
        let figures = tasks.iter().flat_map(|((connector, task), of)| {
            of.figures.iter().map(move |((name, labels), value)| Figure {
                plugin: of.plugin.clone(),
                connector: connector.clone(),
                task: *task,
                name: name.clone(),
                labels: labels.clone(),
                value: value.clone(),
            })
        });
        figures.collect()
    }

    /// Forgets the figures of a connector that is gone.
    pub fn forget(&self, connector: &str) {
        self.tasks.lock().retain(|(c, _), _| c != connector);
    }

    /// Changes a figure, made by `new` when it is not there. False: the task has too many label sets.
    pub(crate) fn change(
        &self,
        of: (&str, &str, u32),
        name: String,
        mut labels: Vec<(String, String)>,
        new: FigureKind,
        change: impl FnOnce(&mut FigureKind),
    ) -> bool {
        labels.sort();
        let (plugin, connector, task) = of;
        let mut tasks = self.tasks.lock();
        let task = tasks.entry((connector.to_owned(), task)).or_default();
        if task.plugin.is_empty() {
            task.plugin = plugin.to_owned();
        }
        let full = task.figures.len() >= LABEL_SETS_MAX;
        let key = (name, labels);
        if full && !task.figures.contains_key(&key) {
            return false;
        }
        change(task.figures.entry(key).or_insert(new));
        true
    }
}
