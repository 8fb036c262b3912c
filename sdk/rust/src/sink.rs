//! What a sink is.

use crate::bindings::host::exports::millrace::plugin::plugin::Guest as PluginGuest;
use crate::bindings::host::millrace::plugin::types as wire;
use crate::bindings::offsets::exports::millrace::plugin::offsets::{Altered, Guest as OffsetsGuest};
use crate::bindings::sink::exports::millrace::plugin::sink as export;
pub use crate::bindings::sink::exports::millrace::plugin::sink::{Flushed, LateFailure, TopicOffset, TopicPartition};
use crate::{Batch, Config, ConfigIssue, Error, PluginInfo, Record, RecordFailure, TaskContext};

/// Takes records out. One value is one task; export it with [`crate::export_sink!`].
pub trait Sink: Sized + 'static {
    fn info() -> PluginInfo;
    /// What the declared keys do not say by themselves. Every wrong setting at once; no server is reached.
    fn validate(config: &Config) -> Vec<ConfigIssue> {
        let _ = config;
        Vec::new()
    }
    /// One configuration a task. By default `max_tasks` tasks alike: the log shares the partitions out among them.
    fn task_configs(config: &Config, max_tasks: u32) -> Result<Vec<Config>, Error> {
        Ok(vec![config.clone(); max_tasks as usize])
    }
    /// Has a say when a stopped connector's offsets are changed over REST; an error refuses it. True: nothing that the plugin
    /// keeps elsewhere, as in its destination, had to be changed with them.
    fn alter_offsets(config: &Config, offsets: &[Altered]) -> Result<bool, Error> {
        let _ = (config, offsets);
        Ok(false)
    }
    fn start(ctx: TaskContext) -> Result<Self, Error>;
    /// Assigned; answers with offsets to start at where the sink keeps its own, else nothing.
    fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<TopicOffset>, Error> {
        let _ = partitions;
        Ok(Vec::new())
    }
    /// Take the records; may buffer. An error means that none was taken; failures are for single records. What was put and
    /// failed is put again, after a fatal error in smaller batches where failures are tolerated, until the record at fault
    /// stands alone.
    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error>;
    /// Make durable what was put; answers what may be committed, never more than `upto`.
    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error>;
    /// Revoked: what is buffered for these partitions is thrown away, it comes again.
    fn close(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        let _ = partitions;
        Ok(())
    }
    fn stop(&mut self) {}
}

/// The name of a record in the log: `topic-partition-offset`, the same however often the record is put, after restarts and
/// as a redriven dead letter too. What a destination takes as an idempotency key, so that it does once what it is told twice.
/// None: the record has no place in a log, as in a source's chain.
///
/// The topic is the one that the record is put with: where a transform gives several topics one name, their records may share
/// names, and have to be told apart by something else.
///
/// ```no_run
/// # use millrace_plugin::{Batch, Error, http::Request, idempotency_key};
/// # fn f(batch: &Batch<'_>) -> Result<(), Error> {
/// let rows = batch.rows()?;
/// for record in rows.iter() {
///     let name = idempotency_key(rows.topic_of(&record), &record).expect("a sink's record has a place");
///     Request::post("https://api.example.com/orders").header("idempotency-key", name).send()?;
/// }
/// # Ok(()) }
/// ```
pub fn idempotency_key(topic: &str, record: &Record<'_>) -> Option<String> {
    Some(format!("{topic}-{}-{}", record.partition()?, record.offset()?))
}

impl Flushed {
    /// All of `offsets` is durable, and nothing failed late.
    pub fn all(offsets: Vec<TopicOffset>) -> Self {
        Flushed { offsets, failures: Vec::new() }
    }
}

#[doc(hidden)]
pub trait SinkSlot {
    type Plugin: Sink;
    fn with<R>(f: impl FnOnce(&mut Option<Self::Plugin>) -> R) -> R;
}
#[doc(hidden)]
pub struct SinkExport<S>(std::marker::PhantomData<S>);

impl<S: SinkSlot> PluginGuest for SinkExport<S> {
    fn describe() -> PluginInfo {
        crate::log::install_panic_hook();
        PluginInfo { kind: wire::PluginKind::Sink, ..S::Plugin::info() }
    }
    fn validate(config: wire::Config) -> Vec<ConfigIssue> {
        crate::log::install_panic_hook();
        S::Plugin::validate(&Config::from_wire(config, &S::Plugin::info().keys))
    }
}

fn task<S: SinkSlot, R>(f: impl FnOnce(&mut S::Plugin) -> Result<R, Error>) -> Result<R, Error> {
    S::with(|slot| f(slot.as_mut().ok_or_else(crate::export::not_started)?))
}

impl<S: SinkSlot> OffsetsGuest for SinkExport<S> {
    fn alter(config: wire::Config, offsets: Vec<Altered>) -> Result<bool, Error> {
        crate::log::install_panic_hook();
        S::Plugin::alter_offsets(&Config::from_wire(config, &S::Plugin::info().keys), &offsets)
    }
}

impl<S: SinkSlot> export::Guest for SinkExport<S> {
    fn task_configs(config: wire::Config, max_tasks: u32) -> Result<Vec<wire::Config>, Error> {
        crate::log::install_panic_hook();
        let configs = S::Plugin::task_configs(&Config::from_wire(config, &S::Plugin::info().keys), max_tasks)?;
        Ok(configs.into_iter().map(Config::into_wire).collect())
    }
    fn start(ctx: wire::TaskContext) -> Result<(), Error> {
        crate::log::install_panic_hook();
        let started = S::Plugin::start(TaskContext::from_wire(ctx, &S::Plugin::info().keys))?;
        S::with(|slot| *slot = Some(started));
        Ok(())
    }
    fn open(partitions: Vec<TopicPartition>) -> Result<Vec<TopicOffset>, Error> {
        task::<S, _>(|t| t.open(partitions))
    }
    #[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
    fn put(batch: &crate::bindings::host::millrace::plugin::records::Batch) -> Result<Vec<RecordFailure>, Error> {
        #[cfg(target_arch = "wasm32")]
        return task::<S, _>(|t| t.put(&Batch::new(batch)));
        #[cfg(not(target_arch = "wasm32"))]
        unreachable!("exports are called by a host")
    }
    fn flush(upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        task::<S, _>(|t| t.flush(upto))
    }
    fn close(partitions: Vec<TopicPartition>) -> Result<(), Error> {
        task::<S, _>(|t| t.close(partitions))
    }
    fn stop() {
        if let Some(mut task) = S::with(Option::take) {
            task.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{BatchWriter, RecordMeta, row};

    #[test]
    fn a_record_is_named_by_its_place() {
        let mut w = BatchWriter::new();
        for (partition, offset) in [(Some(3), Some(41)), (Some(3), Some(42)), (Some(3), None), (None, Some(1))] {
            let topic = w.topic("orders");
            w.begin(RecordMeta { topic, partition, offset, timestamp: None, key_schema: None, value_schema: None });
            w.end();
        }
        let bytes = w.finish();
        let rows = row::Batch::parse(&bytes).unwrap();
        let names: Vec<_> = rows.iter().map(|r| super::idempotency_key(rows.topic_of(&r), &r)).collect();
        assert_eq!(names, [Some("orders-3-41".into()), Some("orders-3-42".into()), None, None]);
    }
}
