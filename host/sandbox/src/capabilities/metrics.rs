//! `metrics`: figures of the plugin's own.

use crate::bindings::metrics::Host;
use crate::metrics::{FigureKind, TEXT_BYTES_MAX};
use crate::state::{Owner, State};

type Labels = Vec<(String, String)>;

impl State {
    fn figure(&self, name: String, labels: Labels, new: FigureKind, change: impl FnOnce(&mut FigureKind)) {
        let owner = &self.owner;
        let of = (&*owner.plugin, owner.connector.as_str(), owner.task);
        if let Err(Some(error)) = self.metrics.change(of, &name, labels, new, change) {
            let Owner { plugin, connector, task, .. } = &**owner;
            let name = &name[..name.floor_char_boundary(TEXT_BYTES_MAX)];
            tracing::warn!(%plugin, %connector, task, metric = %name, %error, "a plugin's figure is not counted");
        }
    }
}

impl Host for State {
    fn counter_add(&mut self, name: String, labels: Labels, delta: u64) -> wasmtime::Result<()> {
        self.figure(name, labels, FigureKind::Counter(0), |figure| {
            if let FigureKind::Counter(n) = figure {
                *n = n.saturating_add(delta);
            }
        });
        Ok(())
    }

    fn gauge_set(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<()> {
        self.figure(name, labels, FigureKind::Gauge(value), |figure| {
            if let FigureKind::Gauge(v) = figure {
                *v = value;
            }
        });
        Ok(())
    }

    fn histogram_record(&mut self, name: String, labels: Labels, value: f64) -> wasmtime::Result<()> {
        self.figure(name, labels, FigureKind::histogram(), |figure| figure.record(value));
        Ok(())
    }
}
