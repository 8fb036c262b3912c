//! A page of metrics, read strictly: Prometheus' text format 0.0.4.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

/// Families by name, and in each the series by their labels as they are written.
pub struct Page {
    pub families: BTreeMap<String, Family>,
}

#[derive(Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    pub series: BTreeMap<String, f64>,
}

impl Page {
    /// Every series stands below its family's help and type, each of which is said once; no series comes twice.
    pub fn parse(text: &str) -> anyhow::Result<Page> {
        ensure!(text.ends_with('\n'), "the last line has no end");
        let mut page = Page { families: BTreeMap::new() };
        let mut current = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, _) = help.split_once(' ').context("a family has no help")?;
                let kind = lines.next().and_then(|l| l.strip_prefix(&format!("# TYPE {name} "))).context("no type after help")?;
                ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}: {kind}");
                let family = Family { kind: kind.to_owned(), ..Family::default() };
                ensure!(page.families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                current = name.to_owned();
                continue;
            }
            let (series, value) = line.rsplit_once(' ').with_context(|| format!("no value: {line}"))?;
            let (name, labels) = series.split_once('{').map_or((series, ""), |(n, l)| (n, l));
            let family = page.families.get_mut(&current).context("no family")?;
            // Those of a histogram are told apart by what is behind the family's name.
            let part = name.strip_prefix(current.as_str()).with_context(|| format!("{name} stands below {current}"))?;
            let parts: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            ensure!(parts.contains(&part), "{name} stands below {current}, a {}", family.kind);
            let labels = if labels.is_empty() { "" } else { labels.strip_suffix('}').context("labels do not end")? };
            let value: f64 = value.parse().with_context(|| format!("no number: {line}"))?;
            let key = if part.is_empty() { labels.to_owned() } else { format!("{part}{{{labels}}}") };
            ensure!(family.series.insert(key, value).is_none(), "{series} comes twice");
        }
        Ok(page)
    }

    /// The value of a series; its family without `kafka_connect_`, its labels as they are written.
    pub fn get(&self, family: &str, labels: &str) -> Option<f64> {
        self.families.get(&format!("kafka_connect_{family}"))?.series.get(labels).copied()
    }
}
