//! Figures that plugins keep: counters, gauges, histograms. The worker reads them; the sandbox only collects.
//!
//! Promises: names and labels are such that Prometheus takes them, a name is of one kind for a task, and what is kept has
//! limits: names and label sets of a task, labels of a figure, the length of each text, and all figures together.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use parking_lot::Mutex;

/// Names that one connector's task may use.
pub const NAMES_MAX: usize = 50;
/// Label sets that one connector's task may have: a plugin that labels by key or offset stops being counted there.
pub const LABEL_SETS_MAX: usize = 500;
/// Figures of all tasks together.
pub const FIGURES_MAX: usize = 20_000;
/// Labels of a figure; what comes after them is left out.
pub const LABELS_MAX: usize = 10;
/// Bytes of a name and of a label's text; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 120;
/// Upper bounds of a histogram's buckets; what lies above them is in `count` only.
pub const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0];
/// Labels that the host gives: a plugin's own of these names come with `exported_` before them, as scrapers do it.
const OURS: [&str; 4] = ["connector", "task", "plugin", "le"];

/// A figure's value.
#[derive(Debug, Clone, PartialEq)]
pub enum FigureKind {
    Counter(u64),
    Gauge(f64),
    /// What fell into each bucket, and into no bucket below it.
    Histogram {
        count: u64,
        sum: f64,
        buckets: [u64; BUCKETS.len()],
    },
}

impl FigureKind {
    /// A histogram of nothing.
    pub(crate) fn histogram() -> Self {
        FigureKind::Histogram { count: 0, sum: 0.0, buckets: [0; BUCKETS.len()] }
    }

    /// Adds a value to a histogram.
    pub(crate) fn record(&mut self, value: f64) {
        if let FigureKind::Histogram { count, sum, buckets } = self {
            *count += 1;
            *sum += value;
            if let Some(i) = BUCKETS.iter().position(|b| value <= *b) {
                buckets[i] += 1;
            }
        }
    }
}

/// One figure of one task of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub plugin: String,
    pub connector: String,
    pub task: u32,
    pub name: String,
    /// In the order of their names, each of which comes once.
    pub labels: Vec<(String, String)>,
    pub value: FigureKind,
}

/// Why a figure is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("its name is empty")]
    Unnamed,
    #[error("the name is another kind of figure already")]
    Kind,
    #[error("the task has {NAMES_MAX} names already")]
    Names,
    #[error("the task has {LABEL_SETS_MAX} label sets already; label by little, never by key or offset")]
    LabelSets,
    #[error("the worker has {FIGURES_MAX} figures of plugins already")]
    Full,
}

/// Where figures are kept: one for a sandbox.
#[derive(Debug, Default)]
pub struct Metrics {
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    tasks: BTreeMap<(String, u32), Task>,
    /// How many figures the tasks have.
    figures: usize,
}

/// The plugin, the name and the labels.
type Key = (String, String, Vec<(String, String)>);

#[derive(Debug, Default)]
struct Task {
    names: BTreeMap<String, Discriminant<FigureKind>>,
    figures: BTreeMap<Key, FigureKind>,
    /// Whether it was said that something is not counted.
    told: bool,
}

impl Metrics {
    /// All figures as they stand.
    pub fn snapshot(&self) -> Vec<Figure> {
        let all = self.all.lock();
        let figures = all.tasks.iter().flat_map(|((connector, task), of)| {
            of.figures.iter().map(move |((plugin, name, labels), value)| Figure {
                plugin: plugin.clone(),
                connector: connector.clone(),
                task: *task,
                name: name.clone(),
                labels: labels.clone(),
                value: value.clone(),
            })
        });
        figures.collect()
    }

    /// Forgets the figures of tasks that are no more.
    pub fn retain(&self, live: impl Fn(&str, u32) -> bool) {
        let all = &mut *self.all.lock();
        all.tasks.retain(|(connector, task), of| {
            let live = live(connector, *task);
            all.figures -= if live { 0 } else { of.figures.len() };
            live
        });
    }

    /// Counts for a plugin that runs outside the sandbox: plugin, connector and task. Silent where there are too many figures.
    pub fn count(&self, of: (&str, &str, u32), name: &str, labels: Vec<(String, String)>, n: u64) {
        let _ = self.change(of, name, labels, FigureKind::Counter(0), |figure| {
            if let FigureKind::Counter(all) = figure {
                *all = all.saturating_add(n);
            }
        });
    }

    /// Changes a figure, made by `new` when it is not there. Answers why it is not counted, the first time in a task.
    pub(crate) fn change(
        &self,
        (plugin, connector, task): (&str, &str, u32),
        name: &str,
        labels: Vec<(String, String)>,
        new: FigureKind,
        change: impl FnOnce(&mut FigureKind),
    ) -> Result<(), Option<Refused>> {
        let key = (plugin.to_owned(), allowed(name), clean(labels));
        let all = &mut *self.all.lock();
        let task = all.tasks.entry((connector.to_owned(), task)).or_default();
        match task.figure(key, new, &mut all.figures) {
            Ok(figure) => {
                change(figure);
                Ok(())
            }
            Err(refused) => Err((!std::mem::replace(&mut task.told, true)).then_some(refused)),
        }
    }
}

impl Task {
    fn figure(&mut self, key: Key, new: FigureKind, all: &mut usize) -> Result<&mut FigureKind, Refused> {
        let kind = discriminant(&new);
        match self.names.get(&key.1) {
            Some(known) if *known != kind => return Err(Refused::Kind),
            Some(_) => {}
            None if key.1.is_empty() => return Err(Refused::Unnamed),
            None if self.names.len() >= NAMES_MAX => return Err(Refused::Names),
            None => {}
        }
        if !self.figures.contains_key(&key) {
            if self.figures.len() >= LABEL_SETS_MAX {
                return Err(Refused::LabelSets);
            }
            if *all >= FIGURES_MAX {
                return Err(Refused::Full);
            }
            *all += 1;
            self.names.insert(key.1.clone(), kind);
        }
        Ok(self.figures.entry(key).or_insert(new))
    }
}

/// A name with `_` for what Prometheus does not take in one.
fn allowed(name: &str) -> String {
    cut(name).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn clean(labels: Vec<(String, String)>) -> Vec<(String, String)> {
    let named = labels.into_iter().take(LABELS_MAX).map(|(name, text)| {
        let name = allowed(&name);
        // A label's name has a letter first, and two underscores are for scrapers.
        let apart = OURS.contains(&name.as_str()) || !name.starts_with(|c: char| c.is_ascii_alphabetic());
        (if apart { format!("exported_{name}") } else { name }, cut(&text).to_owned())
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    named.dedup_by(|b, a| a.0 == b.0);
    named
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: (&str, &str, u32) = ("logging", "c", 0);

    fn count(metrics: &Metrics, of: (&str, &str, u32), name: &str, labels: &[(&str, &str)]) -> Result<(), Option<Refused>> {
        let labels = labels.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        metrics.change(of, name, labels, FigureKind::Counter(0), |figure| {
            if let FigureKind::Counter(n) = figure {
                *n += 1;
            }
        })
    }

    fn one(metrics: &Metrics) -> Figure {
        let mut all = metrics.snapshot();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn names_and_labels_become_such_that_prometheus_takes_them() {
        let metrics = Metrics::default();
        let labels = [("le", "1"), ("a-b", "x"), ("a.b", "y"), ("9", "z"), ("connector", "mine")];
        assert_eq!(count(&metrics, TASK, "rows.bad", &labels), Ok(()));
        assert_eq!(count(&metrics, TASK, "rows-bad", &labels), Ok(()));
        let figure = one(&metrics);
        let found: Vec<_> = figure.labels.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!((figure.name.as_str(), figure.value), ("rows_bad", FigureKind::Counter(2)));
        assert_eq!(found, [("a_b", "x"), ("exported_9", "z"), ("exported_connector", "mine"), ("exported_le", "1")]);
        assert_eq!(count(&metrics, TASK, "", &[]), Err(Some(Refused::Unnamed)));
        let metrics = Metrics::default();
        assert_eq!(count(&metrics, TASK, &"n".repeat(500), &[("a", &"ä".repeat(500))]), Ok(()));
        let figure = one(&metrics);
        assert_eq!((figure.name.len(), figure.labels[0].1.len()), (TEXT_BYTES_MAX, TEXT_BYTES_MAX));
    }

    #[test]
    fn what_is_too_much_is_refused_and_said_once() {
        let metrics = Metrics::default();
        for n in 0..NAMES_MAX {
            assert_eq!(count(&metrics, TASK, &format!("n{n}"), &[]), Ok(()));
        }
        assert_eq!(count(&metrics, TASK, "more", &[]), Err(Some(Refused::Names)));
        assert_eq!(count(&metrics, TASK, "more", &[]), Err(None));
        for n in NAMES_MAX..LABEL_SETS_MAX {
            assert_eq!(count(&metrics, TASK, "n0", &[("n", &n.to_string())]), Ok(()));
        }
        assert_eq!(count(&metrics, TASK, "n0", &[("n", "more")]), Err(None));
        assert_eq!(count(&metrics, TASK, "n0", &[]), Ok(()));
        assert_eq!(metrics.snapshot().len(), LABEL_SETS_MAX);
        let gauge = metrics.change(("logging", "c", 1), "g", Vec::new(), FigureKind::Gauge(1.0), |_| {});
        assert_eq!(gauge, Ok(()));
        assert_eq!(count(&metrics, ("logging", "c", 1), "g", &[("a", "b")]), Err(Some(Refused::Kind)));
    }

    #[test]
    fn all_together_have_a_limit_and_make_room_when_tasks_end() {
        let metrics = Metrics::default();
        for n in 0..FIGURES_MAX {
            let task = (n / LABEL_SETS_MAX) as u32;
            assert_eq!(count(&metrics, ("logging", "c", task), "n", &[("n", &n.to_string())]), Ok(()));
        }
        assert_eq!(count(&metrics, ("logging", "d", 0), "n", &[]), Err(Some(Refused::Full)));
        metrics.retain(|connector, task| (connector, task) != ("c", 0));
        assert_eq!(metrics.snapshot().len(), FIGURES_MAX - LABEL_SETS_MAX);
        assert_eq!(count(&metrics, ("logging", "d", 0), "n", &[]), Ok(()));
    }
}
