//! Brings one connector's tasks to what is wanted of it.
//!
//! Configurations are kept, and compared with what was committed, with their references as written; the plugin and the
//! tasks get them resolved, anew each time they start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_record::config::ConfigType;
use millrace_record::{Plugin, RawConfig};

use super::Herder;
use super::plugins::Taken;
use crate::providers::Resolved;
use crate::secrets;
use crate::storage::configs::{ConnectorState, TargetState};
use crate::task::{self, TaskHandle, TaskId, TaskRuntime, TaskSpec, TaskState};

/// What runs of one connector.
#[derive(Default)]
pub struct Connector {
    tasks: BTreeMap<u32, TaskHandle>,
    /// What the running tasks were started with, references resolved: a referenced value that changed is seen.
    applied: Option<Applied>,
}

#[derive(PartialEq)]
struct Applied {
    config: RawConfig,
    tasks: Vec<RawConfig>,
    /// Another version of a plugin is another connector.
    plugins: Taken,
}

/// What is to run: the plugin, the connector's configuration and the tasks', references resolved.
struct Configured {
    plugin: Arc<dyn Plugin>,
    applied: Applied,
}

impl Connector {
    /// Stops all, at once; answers which there were.
    pub async fn stop_tasks(&mut self, graceful: Duration) -> Vec<u32> {
        let stops = self.tasks.values().map(|t| t.stop(graceful));
        futures::future::join_all(stops).await;
        std::mem::take(&mut self.tasks).into_keys().collect()
    }

    /// Whether a task runs now.
    pub fn runs(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// The connector's configuration and its tasks', references resolved, as they were started.
    pub(super) fn started_with(&self) -> Option<(&RawConfig, &[RawConfig])> {
        self.applied.as_ref().map(|a| (&a.config, &a.tasks[..]))
    }

    pub fn ran(&self) -> bool {
        self.applied.is_some()
    }
}

impl Herder {
    /// In the background; in the order asked for.
    pub(super) fn reconcile_soon(self: &Arc<Self>, name: &str) {
        let (herder, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move { herder.reconcile(&name).await });
    }

    /// The running connector of a name; made when it is not there.
    pub(super) fn connector(&self, name: &str) -> Arc<tokio::sync::Mutex<Connector>> {
        self.running.lock().entry(name.to_owned()).or_default().clone()
    }

    /// Stops, starts, pauses and resumes tasks until they are what is wanted now. Failures become statuses.
    pub async fn reconcile(self: &Arc<Self>, name: &str) {
        let connector = self.connector(name);
        let mut connector = connector.lock().await;
        if self.accepting().is_err() {
            return;
        }
        let _counted = self.metrics.rebalancing();
        match self.configs.get(name) {
            None => {
                connector.stop_tasks(self.worker.graceful).await;
                connector.applied = None;
                // Made again meanwhile: its own reconciling follows this one. The entry of `running` stays: whoever waits
                // for its lock must not find himself beside another of the same name.
                if !self.configs.contains(name) {
                    // A task that was starting may have opened it anew.
                    self.forget_state(name).await;
                    self.statuses.remove(name);
                    secrets::forget(name);
                }
            }
            Some(state) if state.target == TargetState::Stopped => self.apply_stopped(name, &mut connector, state).await,
            Some(state) => self.apply_started(name, &mut connector, state).await,
        }
        drop(connector);
        self.redrives.changed();
    }

    async fn apply_stopped(&self, name: &str, connector: &mut Connector, state: ConnectorState) {
        connector.stop_tasks(self.worker.graceful).await;
        connector.applied = None;
        for (task, _) in self.statuses.tasks(name) {
            self.statuses.remove_task(&TaskId { connector: name.to_owned(), task });
        }
        if !state.tasks.is_empty()
            && let Err(error) = self.configs.put_tasks(name, &[]).await
        {
            tracing::warn!(connector = name, %error, "cannot note that the connector has no tasks; it has none all the same");
        }
        let version = self.plugin(&state.config).ok().map(|p| p.info().version.clone());
        self.statuses.put_connector(name, "STOPPED", None, version.as_deref());
    }

    async fn apply_started(&self, name: &str, connector: &mut Connector, state: ConnectorState) {
        let paused = state.target == TargetState::Paused;
        let configured = match paused {
            true => self.configure_paused(name, &state).await,
            false => self.configure(name, &state).await,
        };
        let Configured { plugin, applied: wanted } = match configured {
            Ok(configured) => configured,
            Err(trace) => {
                tracing::error!(connector = name, trace, "connector failed");
                self.metrics.connector_started(false);
                // What runs by an older configuration goes on: its tasks were not asked to stop.
                for handle in connector.tasks.values() {
                    if paused { handle.pause() } else { handle.resume() }
                }
                self.statuses.put_connector(name, "FAILED", Some(trace), None);
                return;
            }
        };
        let version = plugin.info().version.clone();
        self.versions().set(name, &version);
        let all_there = connector.tasks.len() == wanted.tasks.len();
        if connector.applied.as_ref() == Some(&wanted) && all_there {
            for handle in connector.tasks.values() {
                if paused { handle.pause() } else { handle.resume() }
            }
        } else {
            connector.stop_tasks(self.worker.graceful).await;
            connector.applied = Some(wanted);
            self.metrics.connector_started(true);
            self.start_tasks(name, connector, &plugin, paused, None);
        }
        let count = connector.tasks.len() as u32;
        for (task, _) in self.statuses.tasks(name).into_iter().filter(|(task, _)| *task >= count) {
            self.statuses.remove_task(&TaskId { connector: name.to_owned(), task });
        }
        let state = if paused { "PAUSED" } else { "RUNNING" };
        self.statuses.put_connector(name, state, None, Some(&version));
    }

    /// A paused connector is not asked how to split its work: it has the tasks it had, and others once it is resumed.
    async fn configure_paused(&self, name: &str, state: &ConnectorState) -> Result<Configured, String> {
        let plugin = self.plugin(&state.config)?;
        let config = self.resolve_for(name, &plugin, &state.config).await?.config;
        let mut tasks = Vec::with_capacity(state.tasks.len());
        for task in &state.tasks {
            tasks.push(self.resolve_for(name, &plugin, task).await?.config);
        }
        let plugins = self.taken(&plugin, &config);
        Ok(Configured { plugin, applied: Applied { config, tasks, plugins } })
    }

    /// The plugin and the tasks that it makes of the configuration, after they were committed; or a trace.
    async fn configure(&self, name: &str, state: &ConnectorState) -> Result<Configured, String> {
        let plugin = self.plugin(&state.config)?;
        let resolved = self.resolve_for(name, &plugin, &state.config).await?;
        let config = &resolved.config;
        let max = config.get("tasks.max").map_or(Ok(1), |v| v.trim().parse::<u32>());
        let max = max.ok().filter(|m| *m > 0).ok_or("\"tasks.max\" must be a whole number of at least 1")?;
        let tasks = plugin.task_configs(config, max).await;
        let tasks = tasks.map_err(|e| {
            let field = e.field.as_ref().map(|f| format!(" (\"{f}\")")).unwrap_or_default();
            format!(
                "connector {name}: plugin \"{}\" failed in task-configs{field}: {}\n\tcode: {}",
                plugin.info().name,
                e.message,
                e.code
            )
        })?;
        let enforce = config.get("tasks.max.enforce").is_none_or(|v| !v.trim().eq_ignore_ascii_case("false"));
        check_tasks_max(name, tasks.len(), max, enforce)?;
        let kept: Vec<_> = tasks.iter().map(|made| resolved.restored(made)).collect();
        if kept != state.tasks {
            self.configs.put_tasks(name, &kept).await.map_err(|e| format!("connector {name}: {e}"))?;
        }
        let plugins = self.taken(&plugin, &resolved.config);
        Ok(Configured { plugin, applied: Applied { config: resolved.config, tasks, plugins } })
    }

    /// A configuration that a plugin is about to get; what is secret in it is hidden from here on. An error is a trace.
    async fn resolve_for(&self, name: &str, plugin: &Arc<dyn Plugin>, config: &RawConfig) -> Result<Resolved, String> {
        let resolved = self.resolve(config).await.map_err(|e| format!("connector {name}: {e}"))?;
        resolved.complete().map_err(|missing| format!("connector {name}: {missing}"))?;
        secrets::cover(name, config, &resolved, |key| {
            plugin.info().config.get(key).is_some_and(|k| k.kind == ConfigType::Password)
        });
        Ok(resolved)
    }

    /// Starts all tasks of what is applied, or only those named.
    pub(super) fn start_tasks(
        &self,
        name: &str,
        connector: &mut Connector,
        plugin: &Arc<dyn Plugin>,
        paused: bool,
        only: Option<&[u32]>,
    ) {
        let Some(applied) = &connector.applied else { return };
        let runtime = match self.offsets.own(&applied.config) {
            Some(_) => Arc::new(TaskRuntime { offsets: Arc::new(self.offsets.of(&applied.config)), ..(*self.runtime).clone() }),
            None => self.runtime.clone(),
        };
        for (task, config) in (0u32..).zip(&applied.tasks) {
            if only.is_some_and(|only| !only.contains(&task)) {
                continue;
            }
            let id = TaskId { connector: name.to_owned(), task };
            self.statuses.put_task(&id, &TaskState::Unassigned, None);
            let spec = TaskSpec {
                id,
                plugin: plugin.clone(),
                connector_config: applied.config.clone(),
                task_config: config.clone(),
                paused,
            };
            self.metrics.task_starts(&spec.id, plugin.info().kind);
            let handle = task::start(spec, runtime.clone());
            self.metrics.task(handle.id(), handle.counters());
            connector.tasks.insert(task, handle);
        }
    }

    /// Stops and starts tasks that run; those that are not there are left alone.
    pub(super) async fn restart_tasks(&self, name: &str, connector: &mut Connector, which: &[u32]) {
        let Some(state) = self.configs.get(name).filter(|_| self.accepting().is_ok()) else { return };
        let Ok(plugin) = self.plugin(&state.config) else { return };
        let resolved = self.resolve_anew(name, connector, &plugin, &state).await;
        let stops = connector.tasks.iter().filter(|(id, _)| which.contains(id)).map(|(_, t)| t.stop(self.worker.graceful));
        futures::future::join_all(stops).await;
        connector.tasks.retain(|id, _| !which.contains(id));
        if let Err(trace) = resolved {
            tracing::error!(connector = name, trace, "tasks cannot be restarted");
            for task in which {
                let id = TaskId { connector: name.to_owned(), task: *task };
                self.statuses.put_task(&id, &TaskState::Failed { trace: trace.clone() }, Some(&plugin.info().version));
            }
            return;
        }
        self.start_tasks(name, connector, &plugin, state.target == TargetState::Paused, Some(which));
    }

    /// Before tasks are restarted: what they refer to may have changed since they started.
    async fn resolve_anew(
        &self,
        name: &str,
        connector: &mut Connector,
        plugin: &Arc<dyn Plugin>,
        state: &ConnectorState,
    ) -> Result<(), String> {
        if connector.applied.is_none() {
            return Ok(());
        }
        let config = self.resolve_for(name, plugin, &state.config).await?.config;
        let mut tasks = Vec::with_capacity(state.tasks.len());
        for task in &state.tasks {
            tasks.push(self.resolve_for(name, plugin, task).await?.config);
        }
        let plugins = self.taken(plugin, &config);
        connector.applied = Some(Applied { config, tasks, plugins });
        Ok(())
    }
}

/// Connect's rule and text: too many tasks fail the connector, or are warned of when `tasks.max.enforce` is false.
fn check_tasks_max(name: &str, tasks: usize, max: u32, enforce: bool) -> Result<(), String> {
    if tasks <= max as usize {
        return Ok(());
    }
    let many = format!(
        "The connector {name} has generated {tasks} tasks, which is greater than {max}, the maximum number of tasks it is configured to create."
    );
    if enforce {
        return Err(format!(
            "{many} This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect."
        ));
    }
    tracing::warn!(connector = name, tasks, max, "{many} All of them run, because \"tasks.max.enforce\" is false");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_tasks_max;

    #[test]
    fn too_many_tasks_fail_the_connector_unless_they_may_run() {
        assert_eq!(check_tasks_max("c", 2, 2, true), Ok(()));
        assert_eq!(check_tasks_max("c", 3, 2, false), Ok(()));
        let trace = check_tasks_max("c", 3, 2, true).unwrap_err();
        let expected = "The connector c has generated 3 tasks, which is greater than 2, the maximum number of tasks it is configured to create. This behaviour should be considered a bug and is disallowed.";
        assert!(trace.starts_with(expected) && trace.contains("'tasks.max.enforce' set to false"), "{trace}");
    }
}
