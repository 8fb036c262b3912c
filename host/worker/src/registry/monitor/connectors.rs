//! The connectors whose subjects are watched, as the herder knows them.

use std::sync::{OnceLock, Weak};

use async_trait::async_trait;
use millrace_record::{PluginKind, RawConfig};

use crate::herder::Herder;
use crate::storage::configs::TargetState;

/// A connector, as far as its schemas are concerned.
#[derive(Debug, Clone)]
pub struct Watched {
    pub name: String,
    pub sink: bool,
    /// With references resolved.
    pub config: RawConfig,
    /// Those that it is known to have written or read.
    pub topics: Vec<String>,
    pub stopped: bool,
}

/// Who is there.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// None: it is not known yet.
    async fn all(&self) -> Option<Vec<Watched>>;
    /// The value of a setting of the worker's that refers to a config provider.
    async fn resolve(&self, value: &str) -> Option<String>;
}

/// The herder, once there is one.
#[derive(Default)]
pub struct OfHerder(OnceLock<Weak<Herder>>);

impl OfHerder {
    pub fn set(&self, herder: Weak<Herder>) {
        // Said once, at start.
        let _ = self.0.set(herder);
    }

    fn get(&self) -> Option<std::sync::Arc<Herder>> {
        self.0.get()?.upgrade()
    }
}

#[async_trait]
impl Connectors for OfHerder {
    async fn all(&self) -> Option<Vec<Watched>> {
        let herder = self.get()?;
        let mut all = Vec::new();
        for name in herder.configs.names() {
            let Some(state) = herder.configs.get(&name) else { continue };
            let Ok(plugin) = herder.plugin(&state.config) else { continue };
            // One that cannot be resolved does not run either.
            let Ok(resolved) = herder.resolve(&state.config).await else { continue };
            all.push(Watched {
                sink: plugin.info().kind == PluginKind::Sink,
                config: resolved.config,
                topics: herder.statuses.topics(&name),
                stopped: state.target == TargetState::Stopped,
                name,
            });
        }
        Some(all)
    }

    async fn resolve(&self, value: &str) -> Option<String> {
        let of = RawConfig::from([("secret".to_owned(), value.to_owned())]);
        let resolved = self.get()?.resolve(&of).await.ok()?;
        resolved.complete().ok()?;
        resolved.config.get("secret").cloned()
    }
}
