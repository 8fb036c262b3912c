//! The task: lines are gathered during a `put`, appended at its end, and on disk after a `flush`.

use millrace_plugin::{
    Altered, Batch, Config, ConfigIssue, ConfigKey, Error, Flushed, Kind, PluginInfo, RecordFailure, Sink, TaskContext,
    TopicOffset, files, schema,
};

use crate::text;

const FILE: &str = "file";

pub struct FileStreamSink {
    appender: files::Appender,
    /// The lines of a `put`: one append, so that a failed one leaves nothing behind and can be made again.
    lines: String,
}

impl Sink for FileStreamSink {
    fn info() -> PluginInfo {
        PluginInfo::sink("file-stream", env!("CARGO_PKG_VERSION"))
            .doc("Appends each record's value, as text, to a file, a line each.")
            .class("org.apache.kafka.connect.file.FileStreamSinkConnector")
            .capability("names-failures")
            .key(ConfigKey::text(FILE).high().doc("The file to append to; it is made when it is missing."))
            .binding(FILE, "files", [("path", FILE)])
    }

    fn validate(config: &Config) -> Vec<ConfigIssue> {
        file(config).err().map(ConfigIssue::from).into_iter().collect()
    }

    /// A file has no offsets of its own.
    fn alter_offsets(_: &Config, _: &[Altered]) -> Result<bool, Error> {
        Ok(true)
    }

    fn start(ctx: TaskContext) -> Result<Self, Error> {
        file(&ctx.config)?;
        Ok(FileStreamSink { appender: files::Appender::open(FILE)?, lines: String::new() })
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        let records = batch.rows()?;
        self.lines.clear();
        for record in records.iter() {
            match (record.value(), record.value_schema()) {
                (None, _) => self.lines.push_str("null"),
                (Some(row), None) => self.lines.push_str(row.text(0)),
                (Some(row), Some(id)) => {
                    let schema = schema::get(id)?;
                    if schema.kind == Kind::Struct {
                        text::record(&mut self.lines, &schema, row);
                    } else {
                        text::slot(&mut self.lines, &schema, row, 0);
                    }
                }
            }
            self.lines.push('\n');
        }
        if !self.lines.is_empty() {
            self.appender.append(self.lines.as_bytes())?;
        }
        Ok(Vec::new())
    }

    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        self.appender.sync()?;
        Ok(Flushed::all(upto))
    }
}

fn file(config: &Config) -> Result<&str, Error> {
    match config.get(FILE) {
        Some(f) if !f.trim().is_empty() => Ok(f),
        _ => Err(Error::config(
            FILE,
            "\"file\" is missing: a plugin in the sandbox has no standard output; give it the path of the file to append to",
        )),
    }
}
