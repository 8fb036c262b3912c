//! Loggers and their levels, as `/admin/loggers` shows and changes them, over the filter that the process logs through.
//!
//! Names are Connect's, dotted and hierarchical: those of the Java classes that people turn up stand for the parts of this
//! worker that do their work, and every module of ours is a logger too (`millrace_worker.herder`). A level that is set
//! holds for the logger and all below it until the worker stops; those of cluster scope are kept in the config topic.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

/// The logger above all.
pub const ROOT: &str = "root";

/// Java's loggers, and the modules that do here what those classes do there.
const ALIASES: &[(&str, &[&str])] = &[
    ("io.debezium", &["plugin"]),
    ("org.apache.kafka.clients", &["millrace_worker::kafka"]),
    ("org.apache.kafka.clients.admin", &["millrace_worker::kafka::admin"]),
    ("org.apache.kafka.clients.consumer", &["millrace_worker::kafka::consumer"]),
    ("org.apache.kafka.clients.producer", &["millrace_worker::kafka::producer"]),
    ("org.apache.kafka.connect", &["millrace_worker", "millrace_sandbox", "millrace_record", "plugin"]),
    ("org.apache.kafka.connect.file", &["plugin"]),
    ("org.apache.kafka.connect.runtime", &["millrace_worker"]),
    ("org.apache.kafka.connect.runtime.WorkerSinkTask", &["millrace_worker::task::sink"]),
    ("org.apache.kafka.connect.runtime.WorkerSourceTask", &["millrace_worker::task::source"]),
    ("org.apache.kafka.connect.runtime.WorkerTask", &["millrace_worker::task"]),
    ("org.apache.kafka.connect.runtime.distributed.DistributedHerder", &["millrace_worker::herder"]),
    ("org.apache.kafka.connect.runtime.errors", &["millrace_worker::errors"]),
    ("org.apache.kafka.connect.runtime.isolation", &["millrace_sandbox"]),
    ("org.apache.kafka.connect.runtime.rest", &["millrace_worker::rest"]),
    ("org.apache.kafka.connect.storage", &["millrace_worker::storage"]),
    ("org.apache.kafka.connect.transforms", &["millrace_worker::transforms"]),
];

/// Modules of ours, as loggers.
const OWN: &[&str] = &[
    "millrace_broker",
    "millrace_record",
    "millrace_sandbox",
    "millrace_worker",
    "millrace_worker.errors",
    "millrace_worker.herder",
    "millrace_worker.kafka",
    "millrace_worker.rest",
    "millrace_worker.storage",
    "millrace_worker.task",
    "millrace_worker.transforms",
    "plugin",
];

/// Connect's levels, most first, and what our filter calls them.
const LEVELS: &[(&str, &str)] = &[
    ("ALL", "trace"),
    ("TRACE", "trace"),
    ("DEBUG", "debug"),
    ("INFO", "info"),
    ("WARN", "warn"),
    ("ERROR", "error"),
    ("FATAL", "error"),
    ("OFF", "off"),
];

/// A level by its name, in any case.
pub fn level(name: &str) -> Option<&'static str> {
    LEVELS.iter().map(|(level, _)| *level).find(|level| level.eq_ignore_ascii_case(name))
}

/// One logger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logger {
    pub level: &'static str,
    /// Milliseconds since 1970. None: it has the level with which the worker started.
    pub last_modified: Option<u64>,
}

type Apply = dyn Fn(EnvFilter) + Send + Sync;

/// All loggers of the process.
pub struct Loggers {
    /// The filter at start; what is set later goes before it.
    base: String,
    known: Mutex<BTreeMap<String, Logger>>,
    apply: Box<Apply>,
}

impl Loggers {
    /// `base` is what the process logs by now; `apply` makes it log by another filter.
    pub fn new(base: &str, apply: impl Fn(EnvFilter) + Send + Sync + 'static) -> Self {
        let level = base.split(',').filter(|d| !d.contains(['=', '['])).find_map(|d| level(d.trim())).unwrap_or("INFO");
        let logger = Logger { level, last_modified: None };
        let names = ALIASES.iter().map(|(name, _)| *name).chain(OWN.iter().copied()).chain([ROOT]);
        let mut known: BTreeMap<_, _> = names.map(|name| (name.to_owned(), logger)).collect();
        // `target=level` of the filter at start.
        for (target, said) in base.split(',').filter_map(|d| d.trim().split_once('=')) {
            if let Some(level) = self::level(said) {
                known.insert(target.replace("::", "."), Logger { level, last_modified: None });
            }
        }
        Loggers { base: base.to_owned(), known: Mutex::new(known), apply: Box::new(apply) }
    }

    pub fn all(&self) -> BTreeMap<String, Logger> {
        self.known.lock().clone()
    }

    pub fn get(&self, name: &str) -> Option<Logger> {
        self.known.lock().get(name).copied()
    }

    /// Sets a logger and all below it; answers those that had another level, sorted.
    pub fn set(&self, name: &str, level: &'static str) -> Vec<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut known = self.known.lock();
        if !known.contains_key(name) {
            let inherited = above(name).find_map(|n| known.get(n)).or_else(|| known.get(ROOT)).map_or("INFO", |l| l.level);
            known.insert(name.to_owned(), Logger { level: inherited, last_modified: None });
        }
        let below = format!("{name}.");
        let mut changed = Vec::new();
        for (other, logger) in known.iter_mut() {
            let meant = name == ROOT || other == name || other.starts_with(&below);
            if meant && logger.level != level {
                *logger = Logger { level, last_modified: Some(now) };
                changed.push(other.clone());
            }
        }
        if !changed.is_empty() {
            (self.apply)(EnvFilter::new(filter(&self.base, &known)));
        }
        changed
    }
}

/// The names above one, nearest first.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('.').map(|(above, _)| above), |n| n.rsplit_once('.').map(|(above, _)| above))
}

/// The filter's text: what was set goes before what was there at start, and the later of two before the earlier.
fn filter(base: &str, known: &BTreeMap<String, Logger>) -> String {
    let mut set: Vec<_> = known.iter().filter(|(_, l)| l.last_modified.is_some()).collect();
    set.sort_by_key(|(name, l)| (*name != ROOT, l.last_modified, name.len()));
    let mut text = base.to_owned();
    for (name, logger) in set {
        let level = LEVELS.iter().find(|(l, _)| *l == logger.level).map_or("info", |(_, ours)| *ours);
        if name == ROOT {
            text.push_str(&format!(",{level}"));
            continue;
        }
        match ALIASES.iter().find(|(alias, _)| alias == name) {
            Some((_, targets)) => targets.iter().for_each(|t| text.push_str(&format!(",{t}={level}"))),
            // A name that no target can have would make the whole filter unreadable.
            None if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)) => {
                text.push_str(&format!(",{}={level}", name.replace('.', "::")));
            }
            None => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn loggers(base: &str) -> (Loggers, Arc<Mutex<String>>) {
        let applied = Arc::<Mutex<String>>::default();
        let to = applied.clone();
        (Loggers::new(base, move |filter| *to.lock() = filter.to_string()), applied)
    }

    #[test]
    fn a_level_holds_for_all_below() {
        let (l, applied) = loggers("info");
        assert_eq!(l.set("com.acme.a.b", "WARN"), ["com.acme.a.b"]);
        assert_eq!(l.get("com.acme"), None);
        assert_eq!(l.set("com.acme", "DEBUG"), ["com.acme", "com.acme.a.b"]);
        assert!(l.set("com.acme", "DEBUG").is_empty());
        assert!(l.set("com.none", "INFO").is_empty(), "it has inherited that level");
        assert_eq!(l.get("com.none"), Some(Logger { level: "INFO", last_modified: None }));
        assert!(l.get("com.acme.a.b").unwrap().last_modified.is_some());
        assert!(applied.lock().contains("com::acme=debug"), "{}", applied.lock());
        assert!(l.set(ROOT, "ERROR").len() > 10);
        assert_eq!(l.get("com.acme.a.b").unwrap().level, "ERROR");
    }

    #[test]
    fn java_loggers_stand_for_our_modules() {
        let (l, applied) = loggers("warn,millrace_worker::rest=debug");
        assert_eq!(l.get("millrace_worker.rest").unwrap().level, "DEBUG");
        assert_eq!(l.get(ROOT).unwrap().level, "WARN");
        l.set("org.apache.kafka.connect.runtime.WorkerSinkTask", "TRACE");
        assert!(applied.lock().contains("millrace_worker::task::sink=trace"), "{}", applied.lock());
        l.set("not a target/at=all", "TRACE");
        l.set(ROOT, "INFO");
        assert!(!applied.lock().contains("trace"), "{}", applied.lock());
    }

    #[test]
    fn levels_have_connects_names() {
        assert_eq!((level("debug"), level("Fatal"), level("LOUD"), level("")), (Some("DEBUG"), Some("FATAL"), None, None));
    }
}
