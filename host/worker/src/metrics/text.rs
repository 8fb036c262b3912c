//! Prometheus' text format 0.0.4. The well-kept library for Rust writes OpenMetrics, which forbids counters that do not end
//! in `_total`, and several of Connect's do not.

use std::fmt::Write;

/// What `Content-Type` says of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How Prometheus takes a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family; the series that follow are of it.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(help, false));
    }

    pub fn series(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            self.0.push(if i == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(text, true));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            f64::INFINITY => writeln!(self.0, " +Inf"),
            _ => writeln!(self.0, " {value}"),
        };
    }

    pub fn finish(self) -> String {
        self.0
    }
}

fn escaped(text: &str, quoted: bool) -> std::borrow::Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return text.into();
    }
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { escaped.replace('"', "\\\"").into() } else { escaped.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_families_and_series() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "one\\two \"three\"\nfour");
        page.series("a_total", &[], 3.0);
        page.series("a_total", &[("connector", "a\"b\\c\nd"), ("task", "0")], 0.5);
        page.family("b", Kind::Gauge, "none lately");
        page.series("b", &[], f64::NAN);
        page.series("b", &[], f64::INFINITY);
        let expected = "# HELP a_total one\\\\two \"three\"\\nfour\n# TYPE a_total counter\na_total 3\n\
                        a_total{connector=\"a\\\"b\\\\c\\nd\",task=\"0\"} 0.5\n# HELP b none lately\n# TYPE b gauge\nb NaN\nb +Inf\n";
        assert_eq!(page.finish(), expected);
    }
}
