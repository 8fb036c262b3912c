//! Transaction metadata (`provide.transaction.metadata`): events count themselves, and records in a topic of their own say
//! where a transaction begins and ends.

use std::rc::Rc;

use millrace_plugin::{BatchWriter, Error, RowBuf, RowMark, Schema, schema};

use crate::emit::meta;
use crate::wal::Lsn;

/// A transaction whose events are counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// `xid:lsn`.
    pub id: String,
    pub total: u64,
    /// Tables in the order of their first events.
    tables: Vec<(String, u64)>,
}

impl Counted {
    pub fn new(xid: u32, commit: Lsn) -> Self {
        Counted { id: format!("{xid}:{}", commit.0), total: 0, tables: Vec::new() }
    }

    /// Counts an event of a table, and writes the block that says its place into slot `slot` of `parent`.
    pub fn write(&mut self, rows: &mut RowBuf, parent: RowMark, slot: usize, table: &str) {
        let of_table = self.count(table);
        let block = rows.begin(3);
        rows.text(block, 0, &self.id);
        rows.i64(block, 1, self.total as i64);
        rows.i64(block, 2, of_table as i64);
        rows.end_nested(parent, slot, block);
    }

    /// Counts an event; its number among those of its table.
    fn count(&mut self, table: &str) -> u64 {
        self.total += 1;
        match self.tables.iter_mut().find(|(t, _)| t == table) {
            Some((_, n)) => {
                *n += 1;
                *n
            }
            None => {
                self.tables.push((table.to_owned(), 1));
                1
            }
        }
    }
}

/// Writes the records of the topic.
pub struct TransactionTopic {
    topic: String,
    key: u32,
    value: u32,
}

impl TransactionTopic {
    pub fn new(topic: String) -> Result<Self, Error> {
        let table = Schema::record()
            .named("event.collection")
            .version(1)
            .field("data_collection", Schema::text())
            .field("event_count", Schema::int64())
            .optional();
        let key =
            Schema::record().named("io.debezium.connector.common.TransactionMetadataKey").version(1).field("id", Schema::text());
        let value = Schema::record()
            .named("io.debezium.connector.common.TransactionMetadataValue")
            .version(1)
            .field("status", Schema::text())
            .field("id", Schema::text())
            .field("event_count", Schema::int64().optional())
            .field("data_collections", Schema::list(table).optional())
            .field("ts_ms", Schema::int64());
        Ok(TransactionTopic { topic, key: schema::intern(&Rc::new(key))?, value: schema::intern(&Rc::new(value))? })
    }

    pub fn begin(&self, writer: &mut BatchWriter, transaction: &Counted, time_us: i64) {
        self.write(writer, "BEGIN", transaction, time_us);
    }

    pub fn end(&self, writer: &mut BatchWriter, transaction: &Counted, time_us: i64) {
        self.write(writer, "END", transaction, time_us);
    }

    fn write(&self, writer: &mut BatchWriter, status: &str, transaction: &Counted, time_us: i64) {
        let topic = writer.topic(&self.topic);
        writer.begin(meta(topic, Some(self.key), Some(self.value)));
        let rows = writer.rows();
        let value = rows.begin(5);
        rows.text(value, 0, status);
        rows.text(value, 1, &transaction.id);
        if status == "END" {
            rows.i64(value, 2, transaction.total as i64);
            let list = rows.begin(transaction.tables.len());
            for (i, (table, n)) in transaction.tables.iter().enumerate() {
                let entry = rows.begin(2);
                rows.text(entry, 0, table);
                rows.i64(entry, 1, *n as i64);
                rows.end_nested(list, i, entry);
            }
            rows.end_nested(value, 3, list);
        }
        rows.i64(value, 4, time_us.div_euclid(1000));
        writer.end_value(value);
        let key = writer.rows().begin(1);
        writer.rows().text(key, 0, &transaction.id);
        writer.end_key(key);
        writer.end();
    }
}
