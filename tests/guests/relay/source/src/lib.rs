//! For tests: gives the batches of the relay sink's file again, into topics of another prefix.

use std::time::Duration;

use millrace_plugin::{
    Altered, BatchWriter, Config, ConfigKey, Error, PluginInfo, Polled, Source, SourceOffset, TaskContext, files, row,
};

struct RelaySource {
    reader: Option<files::Reader>,
    position: u64,
    from: String,
    to: String,
}

const IDLE: Duration = Duration::from_millis(100);

impl Source for RelaySource {
    fn info() -> PluginInfo {
        PluginInfo::source("relay", env!("CARGO_PKG_VERSION"))
            .doc("For tests: gives the batches of the relay sink's file again.")
            .class("test.RelaySourceConnector")
            .key(ConfigKey::text("file").required().high().doc("The relay sink's file."))
            .key(ConfigKey::text("from").required().high().doc("What the names of the sink's topics begin with."))
            .key(ConfigKey::text("to").required().high().doc("What stands there instead."))
            .binding("file", "files", [("path", "file")])
            .capability("single-task")
    }

    fn alter_offsets(_: &Config, _: &[Altered]) -> Result<bool, Error> {
        Ok(true)
    }

    fn start(ctx: TaskContext, _: Vec<SourceOffset>) -> Result<Self, Error> {
        let (from, to) = (ctx.config.required("from")?.to_owned(), ctx.config.required("to")?.to_owned());
        Ok(RelaySource { reader: None, position: 0, from, to })
    }

    fn poll(&mut self, _: u32, _: u32) -> Result<Polled, Error> {
        if self.reader.is_none() {
            match files::Reader::open("file") {
                Ok(reader) => self.reader = Some(reader),
                Err(e) if e.code == files::NOT_FOUND => return Ok(Polled::idle(IDLE)),
                Err(e) => return Err(e),
            }
        }
        let reader = self.reader.as_ref().expect("just opened");
        let Ok(head) = <[u8; 4]>::try_from(reader.read(self.position, 4)?) else { return Ok(Polled::idle(IDLE)) };
        let length = u32::from_le_bytes(head);
        let bytes = reader.read(self.position + 4, length)?;
        if bytes.len() < length as usize {
            return Ok(Polled::idle(IDLE));
        }
        self.position += 4 + u64::from(length);
        let batch = row::Batch::parse(&bytes).map_err(|e| Error::fatal("relay.malformed", e.to_string()))?;
        let mut writer = BatchWriter::with_capacity(bytes.len());
        for record in batch.iter() {
            let topic = batch.topic_of(&record);
            let topic = topic.strip_prefix(&*self.from).map_or_else(|| topic.to_owned(), |rest| format!("{}{rest}", self.to));
            let topic = writer.topic(&topic);
            writer.copy(&record, topic);
        }
        let n = writer.len();
        let offset = format!("{{\"position\":{}}}", self.position);
        Ok(Polled::new(writer).mark(n, "{\"file\":\"relay\"}", offset))
    }
}

millrace_plugin::export_source!(RelaySource);
