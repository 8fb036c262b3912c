//! The installed plugins by the names that connector configurations use: a fully qualified class name of the ecosystem,
//! its simple name, Connect's alias (without `Connector`), or our short name. A source and a sink may share a short name.
//! And whatever else a class name may name: built-in converters and predicates.

mod known;
mod version;

use std::sync::Arc;

use millrace_record::{Plugin, PluginKind, TaskError};

use crate::task::PluginLookup;

pub use known::{Known, predicate_classes};
pub use version::{Requirement, WrongRange};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Kafka Connect's transforms, which run in the worker.
pub fn native_transforms() -> Vec<Arc<dyn Plugin>> {
    crate::transforms::native::plugins()
}

/// All plugins of the worker.
#[derive(Default)]
pub struct Plugins {
    all: Vec<Arc<dyn Plugin>>,
    /// Of transforms, sorted.
    transforms: Arc<[String]>,
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
    pub fn new(mut all: Vec<Arc<dyn Plugin>>) -> Self {
        all.sort_by(|a, b| (kind_name(a.info().kind), class(&**a)).cmp(&(kind_name(b.info().kind), class(&**b))));
        let transforms = all.iter().filter(|p| p.info().kind == PluginKind::Transform);
        let transforms = transforms.map(|p| class(&**p).to_owned()).collect();
        Plugins { all, transforms }
    }

    /// The classes of all transforms, sorted.
    pub fn transform_classes(&self) -> Arc<[String]> {
        self.transforms.clone()
    }

    /// Sorted by kind and class.
    pub fn list(&self) -> &[Arc<dyn Plugin>] {
        &self.all
    }

    /// Those that have this name; a full class name finds one.
    fn named(&self, name: &str) -> Vec<&Arc<dyn Plugin>> {
        let answers = |p: &&Arc<dyn Plugin>| {
            // A nested class has its full name alone, as in Connect.
            (p.info().name == name && !name.contains('$')) || p.info().class_names.iter().any(|c| names(c, name))
        };
        self.all.iter().filter(answers).collect()
    }

    /// A source or sink. A short name that both have is told apart by `topics` or `topics.regex`, which only sinks have.
    pub fn connector(&self, name: &str, consumes: bool) -> Result<Arc<dyn Plugin>, String> {
        let mut found = self.named(name);
        found.retain(|p| p.info().kind != PluginKind::Transform);
        if found.len() > 1 {
            let kind = if consumes { PluginKind::Sink } else { PluginKind::Source };
            found.retain(|p| p.info().kind == kind);
        }
        match found[..] {
            [one] => Ok(one.clone()),
            [] => {
                let connectors = self.all.iter().filter(|p| p.info().kind != PluginKind::Transform);
                Err(format!(
                    "Failed to find any class that implements Connector and which name matches {name}, available connectors are: {}",
                    connectors.map(describe).collect::<Vec<_>>().join(", ")
                ))
            }
            _ => Err(format!(
                "More than one connector matches alias {name}. Please use full package and class name instead. Classes found: {}",
                found.into_iter().map(describe).collect::<Vec<_>>().join(", ")
            )),
        }
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
    fn find(&self, class: &str, kind: PluginKind) -> Result<Arc<dyn Plugin>, TaskError> {
        let found = self.named(class).into_iter().find(|p| p.info().kind == kind).cloned();
        found.ok_or_else(|| {
            let known: Vec<_> = self.all.iter().filter(|p| p.info().kind == kind).map(|p| p.info().name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let mut error = TaskError::config(
                "type",
                format!(
                    "no {} is called \"{class}\"; there is: {known}; put its component into \"plugin.path\"",
                    kind_name(kind)
                ),
            );
            error.code = "plugin.not-found".into();
            error
        })
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
        let kind = |name: &str, consumes: bool| p.connector(name, consumes).map(|p| p.info().kind);
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
