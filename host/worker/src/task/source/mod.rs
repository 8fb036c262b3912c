//! One session of a source task.

use std::sync::Arc;

use millrace_record::{TaskContext, Wake};

use super::supervise::{Failure, Task};

pub(super) async fn run(task: &Arc<Task>) -> Result<(), Failure> {
    let context = TaskContext {
        connector: task.spec.id.connector.clone(),
        task: task.spec.id.task,
        config: task.spec.task_config.clone(),
        alias: None,
        schemas: task.runtime.schemas.clone(),
        wake: Wake::default(),
        grants: Vec::new(),
    };
    let subject = || format!("source plugin \"{}\"", task.spec.plugin.info().name);
    let mut plugin = task.spec.plugin.source(context).await.map_err(|e| Failure::new(subject(), "start", e))?;
    task.started();
    task.stopped().await;
    plugin.stop().await;
    Ok(())
}
