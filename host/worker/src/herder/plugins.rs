//! Which plugins a connector takes, and what happens to it when others are installed.
//!
//! A connector moves to another version as it does to another configuration: its tasks stop as ever, which drains, flushes
//! and commits, and start again from what was committed. Nothing is lost, and nothing comes twice that would not at a
//! restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_record::{Plugin, PluginKind, RawConfig};

use super::Herder;
use crate::plugins::{Id, Incoming, InstallError, Installed, Outcome, same};
use crate::storage::configs::TargetState;
use crate::task::PluginLookup;
use crate::transforms::list;

/// The plugins that a connector's tasks are made of.
#[derive(Clone, Default)]
pub(super) struct Taken(Vec<Arc<dyn Plugin>>);

impl PartialEq for Taken {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| same(a, b))
    }
}

/// What connectors did when what is installed changed.
#[derive(Debug, Default, PartialEq)]
pub struct Moved {
    /// Those that go on with another version.
    pub connectors: Vec<String>,
    /// Those whose configuration is not valid for it, and why: they stay what they are until they are changed or restarted.
    pub refused: Vec<(String, String)>,
}

impl Herder {
    /// What a configuration, references resolved, takes beside the connector's plugin itself: its transforms.
    pub(super) fn taken(&self, plugin: &Arc<dyn Plugin>, config: &RawConfig) -> Taken {
        let mut all = vec![plugin.clone()];
        for alias in list(config.get("transforms")) {
            let Some(class) = config.get(&format!("transforms.{alias}.type")) else { continue };
            let version = config.get(&format!("transforms.{alias}.plugin.version")).map(String::as_str);
            all.extend(self.plugins.find(class, PluginKind::Transform, version));
        }
        Taken(all)
    }

    /// What every connector takes now.
    fn all_taken(&self) -> BTreeMap<String, Taken> {
        let mut all = BTreeMap::new();
        for name in self.configs.names() {
            let Some(state) = self.configs.get(&name) else { continue };
            let chooses = |k: &str| {
                k == "connector.class"
                    || k == "transforms"
                    || k == "topics"
                    || k == "topics.regex"
                    || k.ends_with("plugin.version")
                    || (k.starts_with("transforms.") && k.ends_with(".type"))
            };
            let chosen: RawConfig = state.config.into_iter().filter(|(k, _)| chooses(k)).collect();
            let chosen = match chosen.values().any(|v| v.contains("${")) {
                true => match self.worker.providers.resolve(&chosen) {
                    Ok(resolved) => resolved.config,
                    Err(_) => continue,
                },
                false => chosen,
            };
            let taken = match self.plugin(&chosen) {
                Ok(plugin) => self.taken(&plugin, &chosen),
                Err(_) => Taken::default(),
            };
            all.insert(name, taken);
        }
        all
    }

    /// The connectors that take each installed plugin, in the order of `all`.
    pub fn users(&self, all: &[Installed]) -> Vec<Vec<String>> {
        let taken = self.all_taken();
        let users = |i: &Installed| {
            let takes = |t: &Taken| t.0.iter().any(|p| same(p, &i.plugin));
            taken.iter().filter(|(_, t)| takes(t)).map(|(name, _)| name.clone()).collect()
        };
        all.iter().map(users).collect()
    }

    /// Takes an upload for a plugin, and moves those to it that take it.
    pub async fn install(self: &Arc<Self>, incoming: Incoming, replace: bool) -> Result<(Outcome, Moved), InstallError> {
        let before = self.all_taken();
        let outcome = self.plugins.install(incoming, replace).await?;
        Ok((outcome, self.move_from(before).await))
    }

    /// Goes back to the version before; answers from where to where.
    pub async fn roll_back(
        self: &Arc<Self>,
        name: &str,
        kind: Option<&str>,
    ) -> Result<(Installed, Installed, Moved), InstallError> {
        let before = self.all_taken();
        let (from, to) = self.plugins.roll_back(name, kind).await?;
        Ok((from, to, self.move_from(before).await))
    }

    /// Removes an uploaded version that no connector uses.
    pub async fn uninstall(self: &Arc<Self>, name: &str, version: &str, kind: Option<&str>) -> Result<Id, InstallError> {
        let one = self.plugins.named_version(name, version, kind)?;
        let users = self.users(std::slice::from_ref(&one)).remove(0);
        if !users.is_empty() {
            return Err(InstallError::Conflict(format!(
                "{} is in use by {}: delete them, or give them another version, first",
                one.id(),
                users.join(", ")
            )));
        }
        self.plugins.remove(&one.id()).await?;
        Ok(one.id())
    }

    /// Brings those connectors to what is installed now that take something else than before.
    async fn move_from(self: &Arc<Self>, before: BTreeMap<String, Taken>) -> Moved {
        let mut moved = Moved::default();
        for (name, taken) in self.all_taken() {
            if before.get(&name) == Some(&taken) {
                continue;
            }
            let Some(state) = self.configs.get(&name).filter(|s| s.target != TargetState::Stopped) else { continue };
            let refused = match self.check(&state.config).await {
                Ok(()) => None,
                Err(error) => Some(error.to_string()),
            };
            match refused {
                None => {
                    self.reconcile_soon(&name);
                    tracing::info!(connector = name, "connector moves to another version of a plugin");
                    moved.connectors.push(name);
                }
                Some(why) => {
                    tracing::warn!(
                        connector = name,
                        why,
                        "connector stays at its version of a plugin: its configuration is not valid for the other"
                    );
                    moved.refused.push((name, why));
                }
            }
        }
        moved
    }
}
