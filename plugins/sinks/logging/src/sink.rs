//! The task. Keys and values stay out of the log unless the setting that asks for them is on.

use millrace_plugin::log::{Level, enabled};
use millrace_plugin::{
    Batch, Config, ConfigKey, Error, Flushed, PluginInfo, RecordFailure, Sink, TaskContext, TopicOffset, log, metrics,
};

const LEVEL: &str = "log.level";
const RECORDS: &str = "log.records";
const PAYLOADS: &str = "log.payloads";
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

#[derive(Debug)]
pub struct LoggingSink {
    level: Level,
    records: bool,
    payloads: bool,
    /// Records put since the last flush, and in all.
    since_flush: u64,
    total: u64,
}

impl Sink for LoggingSink {
    fn info() -> PluginInfo {
        PluginInfo::sink("logging", env!("CARGO_PKG_VERSION"))
            .doc("A dry run: takes every record, counts it, and says in the worker's log how many there were.")
            .key(ConfigKey::text(LEVEL).default("info").allowed(LEVELS).doc("The level of the lines."))
            .key(
                ConfigKey::boolean(RECORDS)
                    .default(false)
                    .doc("A line for each record: its topic, partition and offset, and no data."),
            )
            .key(
                ConfigKey::boolean(PAYLOADS)
                    .default(false)
                    .low()
                    .doc("Puts each record's key and value into the log, as JSON, where everyone who reads the log sees them."),
            )
    }

    fn start(ctx: TaskContext) -> Result<Self, Error> {
        let config = &ctx.config;
        Ok(LoggingSink {
            level: level(config)?,
            records: config.bool(RECORDS)?,
            payloads: config.bool(PAYLOADS)?,
            since_flush: 0,
            total: 0,
        })
    }

    fn put(&mut self, batch: &Batch<'_>) -> Result<Vec<RecordFailure>, Error> {
        if (self.records || self.payloads) && enabled(self.level) {
            self.log_records(batch)?;
        }
        let n = batch.len() as u64;
        self.since_flush += n;
        self.total += n;
        metrics::counter_add("records", &[], n);
        Ok(Vec::new())
    }

    fn flush(&mut self, upto: Vec<TopicOffset>) -> Result<Flushed, Error> {
        if self.since_flush > 0 {
            log!(self.level, "took records"; records = self.since_flush, total = self.total);
            self.since_flush = 0;
        }
        Ok(Flushed::all(upto))
    }
}

impl LoggingSink {
    fn log_records(&self, batch: &Batch<'_>) -> Result<(), Error> {
        let rows = batch.rows()?;
        let (keys, values) =
            if self.payloads { (batch.documents("key")?, batch.documents("value")?) } else { Default::default() };
        let text = |part: &[Option<String>], i: usize| part.get(i).cloned().flatten().unwrap_or_else(|| "null".into());
        for (i, record) in rows.iter().enumerate() {
            let (topic, partition) = (rows.topic_of(&record), record.partition().unwrap_or(-1));
            let offset = record.offset().unwrap_or(-1);
            if self.payloads {
                let (key, value) = (text(&keys, i), text(&values, i));
                log!(self.level, "record"; topic = topic, partition = partition, offset = offset, key = key, value = value);
            } else {
                log!(self.level, "record"; topic = topic, partition = partition, offset = offset);
            }
        }
        Ok(())
    }
}

fn level(config: &Config) -> Result<Level, Error> {
    Ok(match config.one_of(LEVEL, &LEVELS)? {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        _ => Level::Error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_plugin::{BatchWriter, RecordMeta};

    fn config(settings: &[(&str, &str)]) -> Config {
        Config::new(settings.iter().copied()).with_defaults(&LoggingSink::info().keys)
    }

    #[test]
    fn it_counts_what_it_takes() {
        let mut w = BatchWriter::new();
        let topic = w.topic("orders");
        for offset in 0..3 {
            let offset = Some(offset);
            w.begin(RecordMeta { topic, partition: Some(0), offset, timestamp: None, key_schema: None, value_schema: None });
            w.end();
        }
        let mut sink = LoggingSink::start(TaskContext::for_test(config(&[("log.records", "true")]))).unwrap();
        assert!(sink.put(&Batch::from_rows(w.finish())).unwrap().is_empty());
        assert_eq!((sink.since_flush, sink.total), (3, 3));
        sink.flush(vec![]).unwrap();
        assert_eq!((sink.since_flush, sink.total), (0, 3));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let error = LoggingSink::start(TaskContext::for_test(config(&[("log.level", "loud")]))).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("log.level"));
        assert!(error.message.contains("loud"), "{}", error.message);
    }
}
