//! Writes a line for each record into a file: its topic, partition and offset.

use std::fmt::Write;

use millrace_plugin::{
    Batch, ConfigKey, Error, Flushed, PluginInfo, RecordFailure, Sink, TaskContext, TopicOffset, export_sink, files,
};

export_sink!(MyPlugin);

struct MyPlugin {
    out: files::Appender,
}

impl Sink for MyPlugin {
    fn info() -> PluginInfo {
        PluginInfo::sink("my-plugin", env!("CARGO_PKG_VERSION"))
            .doc("Writes a line for each record into a file: its topic, partition and offset.")
            .key(ConfigKey::text("file").required().doc("The file to append to."))
            .binding("out", "files", [("path", "file")]) // the file named by the key "file"
    }

    fn start(_ctx: TaskContext) -> Result<Self, Error> {
        Ok(MyPlugin { out: files::Appender::open("out")? })
    }

    /// An error means that nothing of the batch was taken; a record that fails alone is named in the answer.
    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        let rows = batch.rows()?;
        let mut lines = String::new();
        for record in rows.iter() {
            let (partition, offset) = (record.partition().unwrap_or(-1), record.offset().unwrap_or(-1));
            let _ = writeln!(lines, "{} {partition} {offset}", rows.topic_of(&record));
        }
        self.out.append(lines.as_bytes())?;
        Ok(Vec::new())
    }

    /// What this answers is committed: only what can no longer be lost.
    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.out.sync()?;
        Ok(Flushed::all(upto))
    }
}
