//! The installed plugins by the names that connector configurations use: a fully qualified class name of the ecosystem,
//! its simple name, Connect's alias (without `Connector`), or our short name. A source and a sink may share a short name.
//! And whatever else a class name may name: built-in converters and predicates.
//!
//! A plugin may be there in several versions. What is installed changes while the worker runs: whoever asks gets what is
//! installed then, and keeps it for as long as he holds it.

mod install;
mod known;
mod set;
mod signature;
mod store;
mod version;

use std::sync::Arc;

use millrace_record::{Plugin, PluginKind, TaskError};
use millrace_sandbox::Metrics;
use parking_lot::RwLock;

use crate::task::PluginLookup;

pub use install::{InstallError, Outcome, same};
pub use known::{Known, predicate_classes};
pub use set::{Component, Id, Installed, Origin, Set};
pub use signature::{PublicKey, signer};
pub use store::{Incoming, Store, StoreError};
pub use version::{Requirement, WrongRange, no_version};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Kafka Connect's transforms and one of our own, which run in the worker; `metrics` has what they count.
pub fn native_transforms(metrics: &Arc<Metrics>) -> Vec<Arc<dyn Plugin>> {
    crate::transforms::native::plugins(metrics)
}

/// All plugins of the worker.
#[derive(Default)]
pub struct Plugins {
    set: RwLock<Arc<Set>>,
    /// Where uploaded ones are kept. None: nothing can be uploaded.
    store: Option<Store>,
}

/// Names in Connect's lists.
pub fn kind_name(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Source => "source",
        PluginKind::Sink => "sink",
        PluginKind::Transform => "transformation",
    }
}

/// The class by which a plugin is listed: its first of the ecosystem, else its short name.
pub fn class(plugin: &dyn Plugin) -> &str {
    plugin.info().class_names.first().map_or(plugin.info().name.as_str(), String::as_str)
}

impl Plugins {
    /// Plugins that do not change.
    pub fn new(all: Vec<Arc<dyn Plugin>>) -> Self {
        let all = all.into_iter().map(Installed::built_in).collect();
        Plugins { set: RwLock::new(Arc::new(Set::new(all, Default::default()))), store: None }
    }

    /// What is installed now.
    pub fn now(&self) -> Arc<Set> {
        self.set.read().clone()
    }

    /// The classes of all transforms, sorted.
    pub fn transform_classes(&self) -> Arc<[String]> {
        self.now().transform_classes()
    }

    /// The plugins that have this name, each in the version that is taken; a full class name finds one.
    fn named(&self, name: &str, required: Option<&Requirement>) -> Vec<Arc<dyn Plugin>> {
        self.now().named(name, required).into_iter().map(|i| i.plugin.clone()).collect()
    }

    /// The versions of a plugin, oldest first.
    pub fn versions(&self, plugin: &dyn Plugin) -> Vec<String> {
        let info = plugin.info();
        let set = self.now();
        let versions = set.versions_of(&info.name).into_iter().filter(|i| i.kind() == info.kind);
        versions.map(|i| i.version().to_owned()).collect()
    }

    /// A source or sink, in the newest version that fits. A short name that both have is told apart by `topics` or
    /// `topics.regex`, which only sinks have.
    pub fn connector(&self, name: &str, consumes: bool, required: Option<&Requirement>) -> Result<Arc<dyn Plugin>, String> {
        let mut found = self.named(name, None);
        found.retain(|p| p.info().kind != PluginKind::Transform);
        if found.len() > 1 {
            let kind = if consumes { PluginKind::Sink } else { PluginKind::Source };
            found.retain(|p| p.info().kind == kind);
        }
        match &found[..] {
            [one] => self.fitting(one, required).ok_or_else(|| {
                let required = required.map(Requirement::to_string).unwrap_or_default();
                no_version(class(&**one), &required, &self.versions(&**one))
            }),
            [] => {
                let set = self.now();
                let connectors = set.all().iter().filter(|i| i.kind() != PluginKind::Transform);
                Err(format!(
                    "Failed to find any class that implements Connector and which name matches {name}, available connectors are: {}",
                    connectors.map(|i| describe(&i.plugin)).collect::<Vec<_>>().join(", ")
                ))
            }
            _ => Err(format!(
                "More than one connector matches alias {name}. Please use full package and class name instead. Classes found: {}",
                found.iter().map(describe).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// The newest version of a plugin that fits.
    pub fn fitting(&self, plugin: &Arc<dyn Plugin>, required: Option<&Requirement>) -> Option<Arc<dyn Plugin>> {
        let Some(required) = required else { return Some(plugin.clone()) };
        let info = plugin.info();
        let all = self.named(&info.name, Some(required));
        all.into_iter().find(|p| (p.info().kind, &p.info().name) == (info.kind, &info.name))
    }
}

/// Whether `name` is the class, its simple name or its alias.
fn names(class: &str, name: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    let alias = simple.strip_suffix("Connector").unwrap_or(simple);
    class == name || (!simple.contains('$') && (simple == name || (!alias.is_empty() && alias == name)))
}

fn describe(plugin: &Arc<dyn Plugin>) -> String {
    let info = plugin.info();
    format!(
        "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, type={kind}, \
         typeName='{kind}', location='plugin.path'}}",
        class = class(&**plugin),
        version = info.version,
        kind = kind_name(info.kind)
    )
}

impl PluginLookup for Plugins {
    fn find(&self, class: &str, kind: PluginKind, version: Option<&str>) -> Result<Arc<dyn Plugin>, TaskError> {
        let not_found = |field: &str, message: String| {
            let mut error = TaskError::config(field, message);
            error.code = "plugin.not-found".into();
            error
        };
        let required = match version.map(Requirement::parse) {
            Some(Err(wrong)) => return Err(not_found("plugin.version", wrong.to_string())),
            Some(Ok(required)) => required,
            None => None,
        };
        let of_kind = |required| self.named(class, required).into_iter().find(|p| p.info().kind == kind);
        if let Some(found) = of_kind(required.as_ref()) {
            return Ok(found);
        }
        if let (Some(other), Some(required)) = (of_kind(None), &required) {
            let why = no_version(self::class(&*other), &required.to_string(), &self.versions(&*other));
            return Err(not_found("plugin.version", why));
        }
        let set = self.now();
        let mut known: Vec<_> = set.all().iter().filter(|i| i.kind() == kind).map(|i| i.plugin.info().name.as_str()).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let kind = kind_name(kind);
        let why =
            format!("no {kind} is called \"{class}\"; there is: {known}; put its component into \"plugin.path\" or upload it");
        Err(not_found("type", why))
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use millrace_record::config::ConfigDef;
    use millrace_record::*;

    use super::Plugins;

    /// A plugin that can be listed and validated, and makes no tasks.
    pub struct Listed(pub PluginInfo);

    pub fn listed(kind: PluginKind, name: &str, classes: &[&str], config: ConfigDef) -> Arc<dyn Plugin> {
        Arc::new(Listed(PluginInfo {
            kind,
            name: name.into(),
            version: "1.0".into(),
            documentation: String::new(),
            class_names: classes.iter().map(|c| c.to_string()).collect(),
            config,
            bindings: Vec::new(),
            capabilities: Vec::new(),
        }))
    }

    #[async_trait]
    impl Plugin for Listed {
        fn info(&self) -> &PluginInfo {
            &self.0
        }
        fn check_grants(&self, _: &[String]) -> Result<(), TaskError> {
            Ok(())
        }
    }

    fn plugins() -> Plugins {
        let source = "org.apache.kafka.connect.file.FileStreamSourceConnector";
        let sink = "org.apache.kafka.connect.file.FileStreamSinkConnector";
        Plugins::new(vec![
            listed(PluginKind::Source, "file-stream", &[source], ConfigDef::default()),
            listed(PluginKind::Sink, "file-stream", &[sink], ConfigDef::default()),
            listed(PluginKind::Transform, "mask", &[], ConfigDef::default()),
        ])
    }

    #[test]
    fn every_name_resolves() {
        let p = plugins();
        let kind = |name: &str, consumes: bool| p.connector(name, consumes, None).map(|p| p.info().kind);
        for name in ["org.apache.kafka.connect.file.FileStreamSinkConnector", "FileStreamSinkConnector", "FileStreamSink"] {
            assert_eq!(kind(name, false), Ok(PluginKind::Sink), "{name}");
        }
        assert_eq!((kind("file-stream", false), kind("file-stream", true)), (Ok(PluginKind::Source), Ok(PluginKind::Sink)));
        let unknown = kind("mask", false).unwrap_err();
        assert!(
            unknown.starts_with("Failed to find any class that implements Connector and which name matches mask"),
            "{unknown}"
        );
        assert!(unknown.contains("FileStreamSourceConnector"));
    }
}
