//! The worker's traits over instances: one instance a task, a fresh one when a task is started after its instance broke.

use millrace_record::{Batch, TaskError, row};

use crate::bindings::types;
use crate::instance::{Instance, Maker};
use crate::wit::error::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, cut};

pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod transform;

/// A task's instance, made when it is started.
pub(crate) struct Slot {
    maker: Maker,
    instance: Option<Instance>,
}

impl Slot {
    fn new(maker: Maker) -> Self {
        Slot { maker, instance: None }
    }

    /// The instance to start the task on: a fresh one unless the last is whole and was never started.
    async fn fresh(&mut self) -> Result<&mut Instance, TaskError> {
        self.instance = None;
        Ok(self.instance.insert(Instance::make(&self.maker).await?))
    }

    fn running(&mut self) -> Result<&mut Instance, TaskError> {
        self.instance.as_mut().ok_or_else(|| {
            let plugin = &self.maker.owner.plugin;
            TaskError::fatal("plugin.not-started", format!("plugin \"{plugin}\" was called before it was started"))
        })
    }

    fn context(&self) -> types::TaskContext {
        let maker = &self.maker;
        types::TaskContext {
            connector: maker.owner.connector.clone(),
            task: maker.owner.task,
            row_format: row::FORMAT,
            memory_limit_bytes: maker.memory_limit_bytes,
            call_deadline_ms: maker.times.deadline.as_millis().try_into().unwrap_or(u32::MAX),
            attributes: Vec::new(),
        }
    }
}

/// Calls an export: `call!(instance, "poll", Source, millrace_plugin_source, call_poll, a, b)` is the guest's answer, or
/// the trap.
macro_rules! call {
    ($instance:expr, $name:literal, $world:ident, $interface:ident, $function:ident $(, $arg:expr)*) => {{
        let instance: &mut crate::instance::Instance = $instance;
        let call = instance.begin($name)?;
        let crate::instance::World::$world(world) = &instance.world else {
            unreachable!("a task is made of its own kind of plugin")
        };
        let answer = call.run(world.$interface().$function(&mut instance.store $(, $arg)*)).await;
        instance.end(call, answer)?
    }};
}
use call;

/// The batch without some of its rows.
fn without(batch: &Batch, dropped: &[bool]) -> Batch {
    let view = batch.view();
    let mut out = row::BatchWriter::with_capacity(batch.bytes().len());
    let topics: Vec<u32> = view.topics().iter().map(|t| out.topic(t)).collect();
    for (i, record) in view.iter().enumerate() {
        if !dropped[i] {
            out.copy(&record, topics[record.topic() as usize]);
        }
    }
    Batch::trusted(out)
}

/// Failures of records, checked against the batch they speak of.
fn failures(
    failures: Vec<types::RecordFailure>,
    rows: usize,
) -> Result<(Vec<millrace_record::RecordFailure>, Vec<bool>), String> {
    let mut failed = vec![false; if failures.is_empty() { 0 } else { rows }];
    let mut out = Vec::with_capacity(failures.len());
    for mut f in failures {
        cut(&mut f.message, MESSAGE_BYTES_MAX);
        cut(&mut f.code, CODE_BYTES_MAX);
        match failed.get_mut(f.row as usize) {
            None => return Err(format!("a failure of row {} in a batch of {rows}", f.row)),
            Some(true) => return Err(format!("two failures of row {}", f.row)),
            Some(slot) => *slot = true,
        }
        out.push(millrace_record::RecordFailure { row: f.row, retriable: f.retriable, code: f.code, message: f.message });
    }
    Ok((out, failed))
}
