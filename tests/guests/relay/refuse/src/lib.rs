//! For tests: appends the values of its records to a file, a line each, but fails as a whole where one of them is "poison".
//! It counts its puts.

use millrace_plugin::{Batch, ConfigKey, Error, Flushed, PluginInfo, RecordFailure, Sink, TaskContext, TopicOffset, files, metrics};

struct RefuseSink(files::Appender);

impl Sink for RefuseSink {
    fn info() -> PluginInfo {
        PluginInfo::sink("refuse", env!("CARGO_PKG_VERSION"))
            .doc("For tests: appends texts to a file; a put that has \"poison\" among them fails.")
            .class("test.RefuseSinkConnector")
            .key(ConfigKey::text("file").required().high().doc("The file to append to."))
            .binding("file", "files", [("path", "file")])
    }

    fn start(_: TaskContext) -> Result<Self, Error> {
        files::Appender::open("file").map(RefuseSink)
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        metrics::counter_add("puts_total", &[], 1);
        let mut lines = String::new();
        for record in batch.rows()?.iter() {
            let value = record.value().map_or("", |row| row.text(0));
            if value == "poison" {
                return Err(Error::fatal("test.poison", "one of the records is poison"));
            }
            lines.push_str(value);
            lines.push('\n');
        }
        self.0.append(lines.as_bytes())?;
        Ok(Vec::new())
    }

    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.0.sync()?;
        Ok(Flushed::all(upto))
    }
}

millrace_plugin::export_sink!(RefuseSink);
