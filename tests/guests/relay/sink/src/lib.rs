//! For tests: appends each batch to a file as it is, with its length before it. Ids of schemas mean the same in all tasks of a
//! worker, so the source beside this one can give the batches again.

use millrace_plugin::{Batch, ConfigKey, Error, Flushed, PluginInfo, RecordFailure, Sink, TaskContext, TopicOffset, files};

struct RelaySink(files::Appender);

impl Sink for RelaySink {
    fn info() -> PluginInfo {
        PluginInfo::sink("relay", env!("CARGO_PKG_VERSION"))
            .doc("For tests: appends batches to a file, for the relay source to give again.")
            .class("test.RelaySinkConnector")
            .key(ConfigKey::text("file").required().high().doc("The file to append to."))
            .binding("file", "files", [("path", "file")])
    }

    fn start(_: TaskContext) -> Result<Self, Error> {
        files::Appender::open("file").map(RelaySink)
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        let bytes = batch.rows()?.bytes();
        let mut frame = Vec::with_capacity(bytes.len() + 4);
        frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        frame.extend_from_slice(bytes);
        self.0.append(&frame)?;
        Ok(Vec::new())
    }

    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.0.sync()?;
        Ok(Flushed::all(upto))
    }
}

millrace_plugin::export_sink!(RelaySink);
