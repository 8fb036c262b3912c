//! Transforms over records as simple values: JSON text for keys and values, one record at a time.

use crate::bindings::host::exports::millrace::plugin::plugin::Guest as PluginGuest;
use crate::bindings::host::millrace::plugin::types as wire;
use crate::bindings::plain::exports::millrace::plugin::plain as export;
pub use crate::bindings::plain::exports::millrace::plugin::plain::{PlainFailure, PlainOutcome, PlainRecord};
use crate::{Config, ConfigIssue, Error, PluginInfo, TaskContext};

/// Maps records to records, each by itself. Every record becomes JSON for it, and what it makes is parsed: a
/// [`crate::Transform`] over batches costs a fraction. Export it with [`crate::export_plain!`].
pub trait PlainTransform: Sized + 'static {
    fn info() -> PluginInfo;
    /// What the declared keys do not say by themselves. Every wrong setting at once.
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        let _ = config;
        Vec::new()
    }
    /// Before any `apply`; `ctx.config` has the transform's own keys, without their prefix.
    fn configure(ctx: TaskContext) -> Result<Self, Error>;
    /// What becomes of a record. An error is one of the whole batch; of the record alone, answer [`PlainOutcome::poison`].
    fn apply(&mut self, record: &PlainRecord) -> Result<PlainOutcome, Error>;
    fn close(&mut self) {}
}

impl PlainOutcome {
    /// Another record in its place.
    pub fn record(record: PlainRecord) -> Self {
        PlainOutcome::Records(vec![record])
    }
    /// No record.
    pub fn dropped() -> Self {
        PlainOutcome::Records(Vec::new())
    }
    /// The record fails, alone: to `errors.tolerance` and the dead letter queue.
    pub fn poison(code: impl Into<String>, message: impl Into<String>) -> Self {
        PlainOutcome::Failed(PlainFailure { retriable: false, code: code.into(), message: message.into() })
    }
}

#[doc(hidden)]
pub trait PlainSlot {
    type Plugin: PlainTransform;
    fn with<R>(f: impl FnOnce(&mut Option<Self::Plugin>) -> R) -> R;
}
#[doc(hidden)]
pub struct PlainExport<S>(std::marker::PhantomData<S>);

impl<S: PlainSlot> PluginGuest for PlainExport<S> {
    fn describe() -> PluginInfo {
        crate::log::install_panic_hook();
        PluginInfo { kind: wire::PluginKind::Transform, ..S::Plugin::info() }
    }
    fn validate(config: wire::Config) -> Vec<ConfigIssue> {
        crate::log::install_panic_hook();
        S::Plugin::validate(&Config::from_wire(config, &S::Plugin::info().keys))
    }
}

impl<S: PlainSlot> export::Guest for PlainExport<S> {
    fn configure(ctx: wire::TaskContext) -> Result<(), Error> {
        crate::log::install_panic_hook();
        let configured = S::Plugin::configure(TaskContext::from_wire(ctx, &S::Plugin::info().keys))?;
        S::with(|slot| *slot = Some(configured));
        Ok(())
    }
    fn apply(records: Vec<PlainRecord>) -> Result<Vec<PlainOutcome>, Error> {
        S::with(|slot| {
            let task = slot.as_mut().ok_or_else(crate::export::not_started)?;
            records.iter().map(|record| task.apply(record)).collect()
        })
    }
    fn close() {
        if let Some(mut task) = S::with(Option::take) {
            task.close();
        }
    }
}
