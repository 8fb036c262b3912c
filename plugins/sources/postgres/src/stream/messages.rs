//! Records for `pg_logical_emit_message`.

use std::rc::Rc;

use millrace_plugin::{Error, schema};

use crate::ddl;
use crate::emit::{Emitter, meta};
use crate::envelope::{self, Origin, SourceBlock, message_slot};
use crate::options::{Operation, Options};
use crate::types;

/// The topic of a user's messages.
pub(super) struct MessageTopic {
    topic: String,
    key: u32,
    value: u32,
    source: SourceBlock,
    options: Rc<Options>,
}

impl MessageTopic {
    pub(super) fn new(options: &Rc<Options>) -> Result<Self, Error> {
        Ok(MessageTopic {
            topic: envelope::topic_name(&format!("{}{}message", options.topic_prefix, options.topic_delimiter)),
            key: schema::intern(&Rc::new(envelope::message_key_schema()))?,
            value: schema::intern(&Rc::new(envelope::message_schema(options.modes.binary)))?,
            source: SourceBlock::new(&options.topic_prefix, &options.database, "", ""),
            options: options.clone(),
        })
    }

    pub(super) fn write(&self, emitter: &mut Emitter<'_>, prefix: &str, content: &[u8], origin: Origin<'_>, now_us: u64) {
        if prefix == ddl::PREFIX || self.options.skips(Operation::Message) || !self.options.filter.message(prefix) {
            return;
        }
        let writer = &mut emitter.writer;
        let topic = writer.topic(&self.topic);
        writer.begin(meta(topic, Some(self.key), Some(self.value)));
        let rows = writer.rows();
        let value = rows.begin(message_slot::WIDTH);
        rows.text(value, message_slot::OP, "m");
        rows.i64(value, message_slot::TS_MS, (now_us / 1000) as i64);
        self.source.write(rows, value, message_slot::SOURCE, origin);
        if let Some(counted) = &mut emitter.transaction {
            counted.write(rows, value, message_slot::TRANSACTION, "");
        }
        let message = rows.begin(2);
        rows.text(message, 0, prefix);
        types::write_bytes(self.options.modes.binary, rows, message, 1, content);
        rows.end_nested(value, message_slot::MESSAGE, message);
        writer.end_value(value);
        let key = writer.rows().begin(1);
        writer.rows().text(key, 0, prefix);
        writer.end_key(key);
        writer.end();
    }
}
