//! What a plugin says of itself, and what a task is told of itself.

pub use crate::bindings::host::millrace::plugin::types::{Binding, PluginInfo, PluginKind};
use crate::{Config, ConfigKey};

impl PluginInfo {
    /// `name` is the short name, as in `connector.class=file-stream`; the version is mostly `env!("CARGO_PKG_VERSION")`.
    pub fn new(kind: PluginKind, name: &str, version: &str) -> Self {
        PluginInfo {
            kind,
            name: name.into(),
            version: version.into(),
            documentation: String::new(),
            class_names: Vec::new(),
            keys: Vec::new(),
            bindings: Vec::new(),
            row_formats: vec![millrace_row::FORMAT],
            capabilities: Vec::new(),
        }
    }
    pub fn source(name: &str, version: &str) -> Self {
        Self::new(PluginKind::Source, name, version)
    }
    pub fn sink(name: &str, version: &str) -> Self {
        Self::new(PluginKind::Sink, name, version)
    }
    pub fn transform(name: &str, version: &str) -> Self {
        Self::new(PluginKind::Transform, name, version)
    }
    pub fn doc(mut self, documentation: &str) -> Self {
        self.documentation = documentation.into();
        self
    }
    /// A class name of the ecosystem that resolves to this plugin.
    pub fn class(mut self, name: &str) -> Self {
        self.class_names.push(name.into());
        self
    }
    /// Declares a key; in a group, keys keep the order in which they were declared.
    pub fn key(mut self, mut key: ConfigKey) -> Self {
        if key.order_in_group == 0 {
            key.order_in_group = 1 + self.keys.iter().filter(|k| k.group == key.group).count() as u32;
        }
        self.keys.push(key);
        self
    }
    pub fn keys(self, keys: impl IntoIterator<Item = ConfigKey>) -> Self {
        keys.into_iter().fold(self, Self::key)
    }
    /// Something outside that the plugin opens by `name` through `capability`, and the keys that say where it is, as
    /// `(part, key)`.
    pub fn binding<'a>(mut self, name: &str, capability: &str, parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parts = parts.into_iter().map(|(p, k)| (p.to_owned(), k.to_owned())).collect();
        self.bindings.push(Binding { name: name.into(), capability: capability.into(), parts });
        self
    }
    /// `exactly-once`, `single-task`; of a sink `names-failures`: its put fails as a whole for no record's fault.
    pub fn capability(mut self, name: &str) -> Self {
        self.capabilities.push(name.into());
        self
    }
}

/// Who a task is, and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskContext {
    pub connector: String,
    pub task: u32,
    /// References resolved, passwords `[hidden]`; of a transform: its own keys, without their prefix.
    pub config: Config,
    /// What the host enforces, so that buffers can be sized.
    pub memory_limit_bytes: u64,
    /// Computing time allowed for one call.
    pub call_deadline_ms: u32,
    pub attributes: Vec<(String, String)>,
}

impl TaskContext {
    /// For tests: task 0 of the connector `test`.
    pub fn for_test(config: Config) -> Self {
        TaskContext {
            connector: "test".into(),
            task: 0,
            config,
            memory_limit_bytes: 64 << 20,
            call_deadline_ms: 10_000,
            attributes: Vec::new(),
        }
    }

    pub(crate) fn from_wire(ctx: crate::bindings::host::millrace::plugin::types::TaskContext, keys: &[ConfigKey]) -> Self {
        TaskContext {
            connector: ctx.connector,
            task: ctx.task,
            config: Config::from_wire(crate::bindings::host::millrace::plugin::config::all(), keys),
            memory_limit_bytes: ctx.memory_limit_bytes,
            call_deadline_ms: ctx.call_deadline_ms,
            attributes: ctx.attributes,
        }
    }
}
