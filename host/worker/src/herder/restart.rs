//! Restarts: what is restarted depends on what failed and on what was asked for.

use std::sync::Arc;

use super::{Herder, HerderError};
use crate::storage::configs::TargetState;
use crate::task::{TaskId, TaskState};

/// `POST /connectors/C/restart?includeTasks&onlyFailed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restart {
    pub include_tasks: bool,
    pub only_failed: bool,
}

impl Restart {
    /// Connect answers a plain restart without a body.
    pub fn plain(self) -> bool {
        self == Restart::default()
    }
}

impl Herder {
    /// Restarts in the background; what is restarted shows RESTARTING when this returns.
    pub fn restart(self: &Arc<Self>, name: &str, how: Restart) -> Result<(), HerderError> {
        self.accepting()?;
        let state = self.configs.get(name).ok_or_else(|| HerderError::NotFound(format!("Unknown connector: {name}")))?;
        // Nothing runs that a plain restart could restart.
        if state.target == TargetState::Stopped && how.plain() {
            return Ok(());
        }
        let connector_failed = self.statuses.connector(name).is_some_and(|s| s.state == "FAILED");
        let connector = !how.only_failed || connector_failed;
        let tasks: Vec<u32> = if how.include_tasks {
            let tasks = self.statuses.tasks(name).into_iter();
            tasks.filter(|(_, s)| !how.only_failed || s.state == "FAILED").map(|(id, _)| id).collect()
        } else {
            Vec::new()
        };
        let version = self.versions().get(name);
        if connector && !how.plain() {
            self.statuses.put_connector(name, "RESTARTING", None, version.as_deref());
        }
        for task in &tasks {
            let id = TaskId { connector: name.to_owned(), task: *task };
            self.statuses.put_task(&id, &TaskState::Restarting, version.as_deref());
        }
        tracing::info!(connector = name, restart_connector = connector, ?tasks, "restarting");
        let (herder, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            if !tasks.is_empty() {
                let running = herder.connector(&name);
                let mut running = running.lock().await;
                herder.restart_tasks(&name, &mut running, &tasks).await;
            }
            if connector {
                herder.reconcile(&name).await;
            }
        });
        Ok(())
    }

    pub async fn restart_task(self: &Arc<Self>, id: &TaskId) -> Result<(), HerderError> {
        self.accepting()?;
        let name = &id.connector;
        let state = self.configs.get(name).ok_or_else(|| HerderError::NotFound(format!("Unknown connector: {name}")))?;
        if id.task as usize >= state.tasks.len() {
            return Err(HerderError::NotFound(format!("Unknown task: {id}")));
        }
        let (herder, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let running = herder.connector(&id.connector);
            let mut running = running.lock().await;
            herder.restart_tasks(&id.connector, &mut running, &[id.task]).await;
        });
        Ok(())
    }
}
