//! What a redrive needs of the connectors: whose queue it is, and the sink as its tasks have it.

use std::sync::Arc;

use millrace_record::{PluginKind, RawConfig};

use super::{Herder, HerderError};
use crate::errors::dead_letters::TOPIC;
use crate::errors::queue_name::QueueName;
use crate::kafka::subscription::Topics;
use crate::storage::configs::TargetState;
use crate::task::{KafkaClients, TaskId, TaskRuntime, TaskSpec};
use crate::transforms::Chain;

/// A sink that nothing can be given to.
pub enum SinkAway {
    /// What it waits for.
    For(String),
    /// Why, for good.
    Good(String),
}

impl Herder {
    pub fn clients(&self) -> &dyn KafkaClients {
        &*self.runtime.clients
    }

    pub(crate) fn task_runtime(&self) -> &TaskRuntime {
        &self.runtime
    }

    /// Refuses transforms that cannot be made, by the setting at fault.
    pub async fn check_transforms(&self, config: &RawConfig) -> Result<(), HerderError> {
        let config = self.resolve(config).await?;
        config.complete().map_err(|missing| HerderError::BadRequest(missing.to_string()))?;
        let made = Chain::tried(&config.config, &self.runtime).await;
        let mut chain = made.map_err(|e| {
            let field = e.field.map(|f| format!(" \"{f}\":")).unwrap_or_default();
            HerderError::BadRequest(config.concealed(&format!("\"transforms\":{field} {}", e.message)))
        })?;
        chain.close().await;
        Ok(())
    }

    /// The sinks whose dead letter queue it is, sorted.
    pub fn owners_of(&self, queue: &str) -> Vec<String> {
        let owns = |name: &String| {
            let config = self.configs.get(name)?.config;
            let of = QueueName::parse(config.get(TOPIC)?.trim()).ok()?;
            let topics = Topics::new(&config).ok()?;
            if of.by_source() { topics.take(&of.source_of(queue, name)?) } else { of.of("", name) == queue }.then_some(())
        };
        let mut owners: Vec<String> = self.configs.names().into_iter().filter(|name| owns(name).is_some()).collect();
        owners.sort();
        owners
    }

    /// The first task of a sink, as one more of it would be started now.
    pub async fn sink_of(&self, name: &str) -> Result<TaskSpec, SinkAway> {
        let Some(state) = self.configs.get(name) else {
            return Err(SinkAway::Good(format!(
                "the connector {name} was deleted; create it again, and redrive what has no outcome"
            )));
        };
        let held = |what: &str, verb: &str| SinkAway::For(format!("the connector {name} is {what}: {verb} it"));
        match state.target {
            TargetState::Started => {}
            TargetState::Paused => return Err(held("paused", "resume")),
            TargetState::Stopped => return Err(held("stopped", "resume")),
        }
        let plugin = self.plugin(&state.config).map_err(SinkAway::For)?;
        if plugin.info().kind != PluginKind::Sink {
            return Err(SinkAway::Good(format!("the connector {name} is no sink any more")));
        }
        let connector = self.connector(name);
        let connector = connector.lock().await;
        let Some((connector_config, tasks)) = connector.started_with() else {
            return Err(SinkAway::For(format!("the connector {name} has not started: see its status")));
        };
        let Some(task_config) = tasks.first().cloned() else {
            return Err(SinkAway::For(format!("the connector {name} has no task: see its status")));
        };
        let id = TaskId { connector: name.to_owned(), task: tasks.len() as u32 };
        let connector_config = connector_config.clone();
        Ok(TaskSpec { id, plugin: Arc::clone(&plugin), connector_config, task_config, paused: false })
    }
}
