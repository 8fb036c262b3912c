//! The schemas of what the source emits: Debezium's envelope and the blocks in it, with their names, versions and order of
//! fields, as its release 3.6 has them.

use std::rc::Rc;

use millrace_plugin::{RowBuf, RowMark, Schema, row};

use crate::types::BinaryMode;
use crate::wal::Lsn;

/// Slots of an envelope.
pub mod slot {
    pub const BEFORE: usize = 0;
    pub const AFTER: usize = 1;
    pub const SOURCE: usize = 2;
    pub const TRANSACTION: usize = 3;
    pub const OP: usize = 4;
    pub const TS_MS: usize = 5;
    pub const TS_US: usize = 6;
    pub const TS_NS: usize = 7;
    pub const WIDTH: usize = 8;
}

/// Slots of a message's envelope.
pub mod message_slot {
    pub const OP: usize = 0;
    pub const TS_MS: usize = 1;
    pub const SOURCE: usize = 2;
    pub const TRANSACTION: usize = 3;
    pub const MESSAGE: usize = 4;
    pub const WIDTH: usize = 5;
}

mod source_slot {
    pub const VERSION: usize = 0;
    pub const CONNECTOR: usize = 1;
    pub const NAME: usize = 2;
    pub const TS_MS: usize = 3;
    pub const SNAPSHOT: usize = 4;
    pub const DB: usize = 5;
    pub const SEQUENCE: usize = 6;
    pub const TS_US: usize = 7;
    pub const TS_NS: usize = 8;
    pub const SCHEMA: usize = 9;
    pub const TABLE: usize = 10;
    pub const TX_ID: usize = 11;
    pub const LSN: usize = 12;
    pub const WIDTH: usize = 16;
}

/// The block `source`.
pub fn source_schema() -> Schema {
    let marks = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";
    let snapshot = Schema::text().named("io.debezium.data.Enum").version(1).parameter("allowed", marks).default_json("\"false\"");
    Schema::record()
        .named("io.debezium.connector.postgresql.Source")
        .version(1)
        .field("version", Schema::text())
        .field("connector", Schema::text())
        .field("name", Schema::text())
        .field("ts_ms", Schema::int64())
        .field("snapshot", snapshot.optional())
        .field("db", Schema::text())
        .field("sequence", Schema::text().optional())
        .field("ts_us", Schema::int64().optional())
        .field("ts_ns", Schema::int64().optional())
        .field("schema", Schema::text())
        .field("table", Schema::text())
        .field("txId", Schema::int64().optional())
        .field("lsn", Schema::int64().optional())
        .field("xmin", Schema::int64().optional())
        .field("origin", Schema::text().optional())
        .field("origin_lsn", Schema::int64().optional())
}

/// The block `transaction`.
pub fn transaction_schema() -> Schema {
    Schema::record()
        .named("event.block")
        .version(1)
        .field("id", Schema::text())
        .field("total_order", Schema::int64())
        .field("data_collection_order", Schema::int64())
        .optional()
}

/// An event of a table whose rows have the schema `value`; `name` is what the names start with: `prefix.schema.table`.
pub fn event_schema(name: &str, value: Schema) -> Schema {
    let value = Rc::new(value.optional());
    Schema::record()
        .named(format!("{name}.Envelope"))
        .version(2)
        .field("before", value.clone())
        .field("after", value)
        .field("source", source_schema())
        .field("transaction", transaction_schema())
        .field("op", Schema::text())
        .field("ts_ms", Schema::int64().optional())
        .field("ts_us", Schema::int64().optional())
        .field("ts_ns", Schema::int64().optional())
}

/// The value of a record for `pg_logical_emit_message`, its content as `binary` says.
pub fn message_schema(binary: BinaryMode) -> Schema {
    let content = if binary == BinaryMode::Bytes { Schema::bytes() } else { Schema::text() };
    let message = Schema::record()
        .named("io.debezium.connector.postgresql.Message")
        .version(1)
        .field("prefix", Schema::text().optional())
        .field("content", content.optional());
    Schema::record()
        .named("io.debezium.connector.postgresql.MessageValue")
        .version(1)
        .field("op", Schema::text())
        .field("ts_ms", Schema::int64().optional())
        .field("source", source_schema())
        .field("transaction", transaction_schema())
        .field("message", message)
}

/// The key of a record for `pg_logical_emit_message`.
pub fn message_key_schema() -> Schema {
    Schema::record().named("io.debezium.connector.postgresql.MessageKey").version(1).field("prefix", Schema::text().optional())
}

/// Where an event comes from, beside its table.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub lsn: Lsn,
    /// None: outside a transaction.
    pub xid: Option<u32>,
    /// When it was committed, or the snapshot taken.
    pub time_us: i64,
    /// The start of `sequence`: `["<where the last transaction was committed>",`.
    pub sequence: &'a str,
    /// Its place in a snapshot: `first`, `last`, ...; none while streaming.
    pub snapshot: Option<&'a str>,
}

/// A `source` block whose constant part is written once, and copied.
#[derive(Clone, Debug)]
pub struct SourceBlock(Vec<u8>);

impl SourceBlock {
    pub fn new(prefix: &str, database: &str, schema: &str, table: &str) -> Self {
        let mut rows = RowBuf::new();
        let row = rows.begin(source_slot::WIDTH);
        rows.text(row, source_slot::VERSION, env!("CARGO_PKG_VERSION"));
        rows.text(row, source_slot::CONNECTOR, "postgresql");
        rows.text(row, source_slot::NAME, prefix);
        rows.text(row, source_slot::SNAPSHOT, "false");
        rows.text(row, source_slot::DB, database);
        rows.text(row, source_slot::SCHEMA, schema);
        rows.text(row, source_slot::TABLE, table);
        SourceBlock(rows.into_bytes())
    }

    /// Writes it into slot `slot` of `parent`.
    pub fn write(&self, rows: &mut RowBuf, parent: RowMark, slot: usize, origin: Origin<'_>) {
        let block = row::Row::new(&self.0).expect("a row of our own");
        let row = rows.copy(block);
        rows.i64(row, source_slot::TS_MS, origin.time_us.div_euclid(1000));
        rows.i64(row, source_slot::TS_US, origin.time_us);
        rows.i64(row, source_slot::TS_NS, origin.time_us.saturating_mul(1000));
        if let Some(xid) = origin.xid {
            rows.i64(row, source_slot::TX_ID, xid.into());
        }
        rows.i64(row, source_slot::LSN, origin.lsn.0 as i64);
        rows.bytes_with(row, source_slot::SEQUENCE, |out| {
            out.extend_from_slice(origin.sequence.as_bytes());
            out.push(b'"');
            decimal(out, origin.lsn.0);
            out.extend_from_slice(b"\"]");
        });
        if let Some(mark) = origin.snapshot {
            rows.text(row, source_slot::SNAPSHOT, mark);
        }
        rows.end_nested(parent, slot, row);
    }
}

/// The start of `sequence`, for events that come after a transaction that was committed at `last`.
pub fn sequence_start(last: Option<Lsn>) -> String {
    match last {
        Some(lsn) => format!("[\"{}\",", lsn.0),
        None => "[null,".to_owned(),
    }
}

/// Appends a number in decimal digits, without the formatting machinery: it is done for every event.
fn decimal(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A topic's name as Kafka allows it: other characters become `_`.
pub fn topic_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    name.chars().map(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_block_is_filled_in() {
        let block = SourceBlock::new("p", "d", "s", "t");
        let mut rows = RowBuf::new();
        let outer = rows.begin(1);
        let sequence = sequence_start(Some(Lsn(12)));
        let origin = Origin { lsn: Lsn(345), xid: Some(7), time_us: 1_234_567, sequence: &sequence, snapshot: None };
        block.write(&mut rows, outer, 0, origin);
        let outer = row::Row::new(rows.as_bytes()).unwrap();
        let source = outer.row(0).unwrap();
        assert_eq!(source.text(source_slot::SEQUENCE), "[\"12\",\"345\"]");
        assert_eq!((source.i64(source_slot::TS_MS), source.i64(source_slot::TS_NS)), (1234, 1_234_567_000));
        assert_eq!((source.text(source_slot::NAME), source.text(source_slot::SNAPSHOT)), ("p", "false"));
        assert_eq!(source_schema().fields.len(), source_slot::WIDTH);
        assert_eq!(sequence_start(None), "[null,");
    }

    #[test]
    fn topics_have_legal_names() {
        assert_eq!(topic_name("p.public.T Weird-1é"), "p.public.T_Weird-1_");
    }
}
