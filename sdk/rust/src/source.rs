//! What a source is.

use crate::bindings::host::exports::millrace::plugin::plugin::Guest as PluginGuest;
pub use crate::bindings::host::millrace::plugin::records::{Document, Encoded};
use crate::bindings::host::millrace::plugin::types as wire;
use crate::bindings::offsets::exports::millrace::plugin::offsets::{Altered, Guest as OffsetsGuest};
use crate::bindings::source::exports::millrace::plugin::source as export;
pub use crate::bindings::source::exports::millrace::plugin::source::{Mark, SourceOffset};
use crate::{BatchWriter, Config, ConfigIssue, Error, PluginInfo, TaskContext};

/// Brings records in. One value is one task; export it with [`crate::export_source!`].
pub trait Source: Sized + 'static {
    fn info() -> PluginInfo;
    /// What the declared keys do not say by themselves. Every wrong setting at once; no server is reached.
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        let _ = config;
        Vec::new()
    }
    /// How to split the work: one configuration a task, `max_tasks` at most. By default one task does it all.
    fn task_configs(config: &Config, max_tasks: u32) -> Result<Vec<Config>, Error> {
        let _ = max_tasks;
        Ok(vec![config.clone()])
    }
    /// Has a say when a stopped connector's offsets are changed over REST; an error refuses it. True: nothing that the plugin
    /// keeps elsewhere had to be changed with them.
    fn alter_offsets(config: &Config, offsets: &[Altered]) -> Result<bool, Error> {
        let _ = (config, offsets);
        Ok(false)
    }
    /// `committed`: the last durable offset of each source partition of the connector.
    fn start(ctx: TaskContext, committed: Vec<SourceOffset>) -> Result<Self, Error>;
    /// At most `max_records` and about `max_bytes`; empty when idle.
    fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, Error>;
    /// These offsets are durable and their records acknowledged by the log: release them upstream now.
    fn commit(&mut self, offsets: Vec<SourceOffset>) -> Result<(), Error> {
        let _ = offsets;
        Ok(())
    }
    fn stop(&mut self) {}
}

/// What a poll brought: records, and marks to resume from.
#[derive(Debug, Clone)]
pub struct Polled {
    pub records: Encoded,
    /// Source partitions, as JSON objects; [`Mark::partition`] is an index into them.
    pub partitions: Vec<String>,
    /// In order of `through`.
    pub marks: Vec<Mark>,
    /// Nothing more for now: the host may wait this long before the next poll.
    pub idle_ms: Option<u32>,
}

impl Polled {
    /// Records and no marks yet.
    pub fn new(records: BatchWriter) -> Self {
        Self::rows(records.finish())
    }
    /// The same, from a finished buffer of the row format.
    pub fn rows(records: Vec<u8>) -> Self {
        Polled { records: Encoded::Rows(records), partitions: Vec::new(), marks: Vec::new(), idle_ms: None }
    }
    /// Records as JSON documents, for a source that would rather not write rows.
    pub fn documents(records: Vec<Document>) -> Self {
        Polled { records: Encoded::Documents(records), partitions: Vec::new(), marks: Vec::new(), idle_ms: None }
    }
    /// No records; ask again after this time.
    pub fn idle(wait: std::time::Duration) -> Self {
        Polled { idle_ms: Some(wait.as_millis().min(u32::MAX as u128) as u32), ..Self::new(BatchWriter::new()) }
    }
    /// Records `[0..through)` are covered once this offset is committed. Both are JSON objects.
    pub fn mark(self, through: usize, partition: &str, offset: impl Into<String>) -> Self {
        self.mark_at(through, partition, offset, false)
    }
    /// [`mark`](Self::mark); `boundary`: a transaction of the source ends here.
    pub fn mark_at(mut self, through: usize, partition: &str, offset: impl Into<String>, boundary: bool) -> Self {
        let at = self.partitions.iter().position(|p| p == partition).unwrap_or_else(|| {
            self.partitions.push(partition.to_owned());
            self.partitions.len() - 1
        });
        self.marks.push(Mark { through: through as u32, partition: at as u32, offset: offset.into(), boundary });
        self
    }
}

/// Where an export macro keeps the task.
#[doc(hidden)]
pub trait SourceSlot {
    type Plugin: Source;
    fn with<R>(f: impl FnOnce(&mut Option<Self::Plugin>) -> R) -> R;
}
#[doc(hidden)]
pub struct SourceExport<S>(std::marker::PhantomData<S>);

impl<S: SourceSlot> PluginGuest for SourceExport<S> {
    fn describe() -> PluginInfo {
        crate::log::install_panic_hook();
        PluginInfo { kind: wire::PluginKind::Source, ..S::Plugin::info() }
    }
    fn validate(config: wire::Config) -> Vec<ConfigIssue> {
        crate::log::install_panic_hook();
        S::Plugin::validate(&Config::from_wire(config, &S::Plugin::info().keys))
    }
}

fn task<S: SourceSlot, R>(f: impl FnOnce(&mut S::Plugin) -> Result<R, Error>) -> Result<R, Error> {
    S::with(|slot| f(slot.as_mut().ok_or_else(crate::export::not_started)?))
}

impl<S: SourceSlot> OffsetsGuest for SourceExport<S> {
    fn alter(config: wire::Config, offsets: Vec<Altered>) -> Result<bool, Error> {
        crate::log::install_panic_hook();
        S::Plugin::alter_offsets(&Config::from_wire(config, &S::Plugin::info().keys), &offsets)
    }
}

impl<S: SourceSlot> export::Guest for SourceExport<S> {
    fn task_configs(config: wire::Config, max_tasks: u32) -> Result<Vec<wire::Config>, Error> {
        crate::log::install_panic_hook();
        let configs = S::Plugin::task_configs(&Config::from_wire(config, &S::Plugin::info().keys), max_tasks)?;
        Ok(configs.into_iter().map(Config::into_wire).collect())
    }
    fn start(ctx: wire::TaskContext, committed: Vec<SourceOffset>) -> Result<(), Error> {
        crate::log::install_panic_hook();
        let started = S::Plugin::start(TaskContext::from_wire(ctx, &S::Plugin::info().keys), committed)?;
        S::with(|slot| *slot = Some(started));
        Ok(())
    }
    fn poll(max_records: u32, max_bytes: u32) -> Result<export::Polled, Error> {
        let Polled { records, partitions, marks, idle_ms } = task::<S, _>(|t| t.poll(max_records, max_bytes))?;
        Ok(export::Polled { records, partitions, marks, idle_ms })
    }
    fn commit(offsets: Vec<SourceOffset>) -> Result<(), Error> {
        task::<S, _>(|t| t.commit(offsets))
    }
    fn stop() {
        if let Some(mut task) = S::with(Option::take) {
            task.stop();
        }
    }
}
