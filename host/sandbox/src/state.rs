//! What belongs to one instance: who it is, what it may see, what it has left of its limits.

use std::sync::Arc;
use std::time::Instant;

use millrace_record::config::ConfigDef;
use millrace_record::{Binding, Quota, Schemas, Services, Wake};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::alerts::Alerts;
use crate::bindings::types::{Error, ErrorKind};
use crate::call::Waits;
use crate::capabilities::cache::Shared;
use crate::capabilities::http::Http;
use crate::capabilities::kafka;
use crate::capabilities::logging::Lines;
use crate::capabilities::redis::Sessions;
use crate::limits::{Limits, OPEN_MAX};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::wit::error;

/// Data of a store.
pub(crate) struct State {
    pub table: ResourceTable,
    pub owner: Arc<Owner>,
    pub schemas: Arc<Schemas>,
    /// Of schemas that the task's instances may make.
    pub quota: Arc<Quota>,
    /// Of files and connections that it may have open at a time.
    pub open: Arc<Semaphore>,
    pub wake: Wake,
    pub limits: Limits,
    pub waits: Waits,
    pub metrics: Arc<Metrics>,
    pub alerts: Arc<Alerts>,
    pub lines: Lines,
    pub redis: Sessions,
    /// Made with its first use: most guests have none.
    pub wasi: Option<WasiCtx>,
    pub born: Instant,
    /// The last error line the plugin logged in this call: a panic's message, where the guest says it before it traps.
    pub last_words: Option<String>,
}

/// Whose instance it is.
pub(crate) struct Owner {
    pub plugin: Arc<str>,
    pub connector: String,
    pub task: u32,
    /// Of a transform: its place in the connector's configuration.
    pub alias: Option<String>,
    pub settings: Settings,
    pub keys: ConfigDef,
    pub bindings: Vec<Binding>,
    pub http: Http,
    pub topics: kafka::Allowed,
    pub cache: Shared,
    pub services: Services,
}

impl State {
    /// Leave to open a file or a connection; it is closed when what is answered is dropped.
    pub fn one_more_open(&self, code: &str) -> Result<OwnedSemaphorePermit, Error> {
        self.open.clone().try_acquire_owned().map_err(|_| {
            let plugin = &self.owner.plugin;
            let message = format!(
                "plugin \"{plugin}\" has {OPEN_MAX} files and connections open, the most that an instance may: close some"
            );
            error::new(ErrorKind::Fatal, code, message)
        })
    }
}

impl Owner {
    /// Nobody's: without a configuration, and without anything to reach.
    pub fn nobody(plugin: Arc<str>) -> Owner {
        Owner {
            plugin,
            connector: String::new(),
            task: 0,
            alias: None,
            settings: Settings::new(&Default::default(), &Default::default(), &[]),
            keys: Default::default(),
            bindings: Vec::new(),
            http: Http::none(),
            topics: Default::default(),
            cache: Default::default(),
            services: Default::default(),
        }
    }

    /// A setting of the sandbox's own as the connector's author writes it: `plugin.state.max.bytes`, for a transform
    /// `transforms.<alias>.state.max.bytes`.
    pub fn setting(&self, key: &str) -> String {
        setting(self.alias.as_deref(), key)
    }

    /// The binding a guest names, of one capability.
    pub fn binding(&self, name: &str, capability: &str) -> Option<&Binding> {
        self.bindings.iter().find(|b| b.name == name && b.capability == capability)
    }
}

/// As [`Owner::setting`].
pub(crate) fn setting(alias: Option<&str>, key: &str) -> String {
    alias.map_or_else(|| key.to_owned(), |alias| format!("transforms.{alias}.{}", within(true, key)))
}

/// The name of such a setting within a plugin's configuration.
pub(crate) fn within(transform: bool, key: &str) -> &str {
    if transform { key.strip_prefix("plugin.").unwrap_or(key) } else { key }
}
