//! Counts: a number every so often.

use std::rc::Rc;
use std::time::Duration;

use millrace_plugin::{
    BatchWriter, ConfigKey, Error, PluginInfo, Polled, RecordMeta, Schema, Source, SourceOffset, TaskContext, clock,
    export_source, schema,
};

export_source!(MyPlugin);

/// Connect's source partition: this source has one.
const PARTITION: &str = "{\"counter\":\"0\"}";

struct MyPlugin {
    topic: String,
    every: Duration,
    next: u64,
    schema: u32,
}

impl Source for MyPlugin {
    fn info() -> PluginInfo {
        PluginInfo::source("my-plugin", env!("CARGO_PKG_VERSION"))
            .doc("Counts: a number every so often.")
            .key(ConfigKey::text("topic").required().doc("Where the numbers go."))
            .key(ConfigKey::long("every.ms").default(1000).doc("The time between two numbers."))
    }

    fn start(ctx: TaskContext, committed: Vec<SourceOffset>) -> Result<Self, Error> {
        let next = match committed.first() {
            None => 0,
            Some(c) => {
                next_of(&c.offset).ok_or_else(|| Error::fatal("my-plugin.offset", format!("cannot resume from {}", c.offset)))?
            }
        };
        Ok(MyPlugin {
            topic: ctx.config.required("topic")?.to_owned(),
            every: ctx.config.duration("every.ms")?,
            next,
            schema: schema::intern(&Rc::new(Schema::int64()))?,
        })
    }

    fn poll(&mut self, _max_records: u32, _max_bytes: u32) -> Result<Polled, Error> {
        let mut out = BatchWriter::new();
        let topic = out.topic(&self.topic);
        out.begin(RecordMeta {
            topic,
            partition: None,
            offset: None,
            timestamp: Some(clock::now_ms()),
            key_schema: None,
            value_schema: Some(self.schema),
        });
        let row = out.rows().begin(1);
        out.rows().i64(row, 0, self.next as i64);
        out.end_value(row);
        out.end();
        self.next += 1;
        // Once this is committed, a restart goes on with the next number.
        let mut polled = Polled::new(out).mark(1, PARTITION, format!("{{\"next\":{}}}", self.next));
        polled.idle_ms = Some(self.every.as_millis() as u32);
        Ok(polled)
    }
}

/// The number in an offset of this source: `{"next":7}`, with whatever white space.
fn next_of(offset: &str) -> Option<u64> {
    let (name, number) = offset.trim().strip_prefix('{')?.strip_suffix('}')?.split_once(':')?;
    (name.trim() == "\"next\"").then(|| number.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_plugin::Config;

    #[test]
    fn it_goes_on_where_it_was() {
        let config = || Config::new([("topic", "t")]).with_defaults(&MyPlugin::info().keys);
        let mut source = MyPlugin::start(TaskContext::for_test(config()), Vec::new()).unwrap();
        let polled = source.poll(100, 1 << 20).unwrap();
        let offset = SourceOffset { partition: PARTITION.into(), offset: polled.marks[0].offset.clone() };
        assert_eq!(MyPlugin::start(TaskContext::for_test(config()), vec![offset]).unwrap().next, 1);
        assert_eq!((next_of("{ \"next\" : 7 }"), next_of("{\"other\":7}"), next_of("")), (Some(7), None, None));
    }
}
