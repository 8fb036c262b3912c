//! What a transform is.

use crate::bindings::host::exports::millrace::plugin::plugin::Guest as PluginGuest;
pub use crate::bindings::host::millrace::plugin::records::{Document, Encoded, Patch};
use crate::bindings::host::millrace::plugin::types as wire;
use crate::bindings::transform::exports::millrace::plugin::transform as export;
pub use crate::bindings::transform::exports::millrace::plugin::transform::{Output, Replacement};
use crate::{Batch, BatchWriter, Config, ConfigIssue, Error, PluginInfo, RecordFailure, TaskContext};

/// Maps records to records. One value is one place in a chain; export it with [`crate::export_transform!`].
pub trait Transform: Sized + 'static {
    fn info() -> PluginInfo;
    /// What the declared keys do not say by themselves. Every wrong setting at once.
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        let _ = config;
        Vec::new()
    }
    /// Before any `apply`; `ctx.config` has the transform's own keys, without their prefix.
    fn configure(ctx: TaskContext) -> Result<Self, Error>;
    /// Either the whole batch is answered for, or an error and nothing happened.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error>;
    fn close(&mut self) {}
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub output: Output,
    /// Rows named here take no part in the output.
    pub failures: Vec<RecordFailure>,
}

impl Outcome {
    /// The batch as it was.
    pub fn unchanged() -> Self {
        Outcome { output: Output::Unchanged, failures: Vec::new() }
    }
    /// Edits that the host applies in place.
    pub fn patch(patch: Patch) -> Self {
        Outcome { output: Output::Patch(patch), failures: Vec::new() }
    }
    /// Other records; `origin[i]` is the input row that output record `i` descends from.
    pub fn replace(records: BatchWriter, origin: Vec<u32>) -> Self {
        let records = Encoded::Rows(records.finish());
        Outcome { output: Output::Replace(Replacement { records, origin }), failures: Vec::new() }
    }
    /// The same with JSON documents: what a document leaves out comes from its origin.
    pub fn documents(records: Vec<Document>, origin: Vec<u32>) -> Self {
        let records = Encoded::Documents(records);
        Outcome { output: Output::Replace(Replacement { records, origin }), failures: Vec::new() }
    }
    /// Single records that failed.
    pub fn failing(mut self, failures: Vec<RecordFailure>) -> Self {
        self.failures = failures;
        self
    }
}

#[doc(hidden)]
pub trait TransformSlot {
    type Plugin: Transform;
    fn with<R>(f: impl FnOnce(&mut Option<Self::Plugin>) -> R) -> R;
}
#[doc(hidden)]
pub struct TransformExport<S>(std::marker::PhantomData<S>);

impl<S: TransformSlot> PluginGuest for TransformExport<S> {
    fn describe() -> PluginInfo {
        crate::log::install_panic_hook();
        PluginInfo { kind: wire::PluginKind::Transform, ..S::Plugin::info() }
    }
    fn validate(config: wire::Config) -> Vec<ConfigIssue> {
        crate::log::install_panic_hook();
        S::Plugin::validate(&Config::from_wire(config, &S::Plugin::info().keys))
    }
}

impl<S: TransformSlot> export::Guest for TransformExport<S> {
    fn configure(ctx: wire::TaskContext) -> Result<(), Error> {
        crate::log::install_panic_hook();
        let configured = S::Plugin::configure(TaskContext::from_wire(ctx, &S::Plugin::info().keys))?;
        S::with(|slot| *slot = Some(configured));
        Ok(())
    }
    #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
    fn apply(batch: &crate::bindings::host::millrace::plugin::records::Batch) -> Result<export::Outcome, Error> {
        #[cfg(target_arch = "wasm32")]
        return S::with(|slot| {
            let task = slot.as_mut().ok_or_else(crate::export::not_started)?;
            let Outcome { output, failures } = task.apply(&Batch::new(batch))?;
            Ok(export::Outcome { output, failures })
        });
        #[cfg(not(target_arch = "wasm32"))]
        unreachable!("exports are called by a host")
    }
    fn close() {
        if let Some(mut task) = S::with(Option::take) {
            task.close();
        }
    }
}
