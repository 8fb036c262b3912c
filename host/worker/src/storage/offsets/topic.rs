//! One topic of source offsets: key `["connector",{partition}]`, value the offset or a tombstone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_record::SourceOffset;
use parking_lot::RwLock;
use serde_json::Value;

use crate::storage::log::{Entry, StateLog, StorageError};
use crate::task::Prepared;

/// What is known of one source partition.
#[derive(Debug, Clone)]
struct Known {
    /// The key's bytes as they were first written: another worker may order a partition's fields in another way, and a
    /// log is compacted by bytes.
    key: Vec<u8>,
    offset: SourceOffset,
}

/// By the partition in a form that does not depend on the order of its fields.
type OfConnector = BTreeMap<String, Known>;
type Table = HashMap<String, OfConnector>;

pub struct OffsetTopic {
    log: Arc<StateLog>,
    client_id: String,
    topic: String,
    /// Offsets are written in transactions.
    exactly_once: bool,
    table: RwLock<Table>,
    read: Reading,
}

/// The last reading of the topic: who asked before it began is served by it too.
#[derive(Default)]
struct Reading {
    begun: AtomicU64,
    last: tokio::sync::Mutex<(u64, Table)>,
}

impl OffsetTopic {
    /// Nothing is read yet. `exactly_once`: offsets are written in transactions.
    pub fn new(log: Arc<StateLog>, client_id: &str, topic: impl Into<String>, exactly_once: bool) -> Self {
        let (table, read) = (RwLock::default(), Reading::default());
        OffsetTopic { log, client_id: format!("{client_id}-offsets"), topic: topic.into(), exactly_once, table, read }
    }

    pub fn name(&self) -> &str {
        &self.topic
    }

    /// A record as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        take(&mut self.table.write(), key, value);
    }

    /// What is known of a connector, by partition.
    pub fn of(&self, connector: &str) -> BTreeMap<String, SourceOffset> {
        let table = self.table.read();
        table.get(connector).into_iter().flatten().map(|(partition, known)| (partition.clone(), known.offset.clone())).collect()
    }

    /// Whether the offsets of a connector were read.
    pub fn knows(&self, connector: &str) -> bool {
        self.table.read().contains_key(connector)
    }

    /// Reads a connector's offsets from the log: with exactly-once delivery once every transaction has ended that wrote some
    /// before, so that what a transaction of unknown outcome has left is then known.
    pub async fn refresh(&self, connector: &str) -> anyhow::Result<()> {
        self.reread(connector, |_| true).await
    }

    /// Reads them, unless they are known.
    pub async fn learn(&self, connector: &str) -> anyhow::Result<()> {
        self.reread(connector, |known| !known).await
    }

    async fn reread(&self, connector: &str, wanted: impl Fn(bool) -> bool) -> anyhow::Result<()> {
        let asked = self.read.begun.load(Ordering::SeqCst);
        let mut last = self.read.last.lock().await;
        if !wanted(self.knows(connector)) {
            return Ok(());
        }
        if last.0 <= asked {
            let begun = self.read.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let (log, client_id, topic) = (self.log.clone(), self.client_id.clone(), self.topic.clone());
            let decided = self.exactly_once;
            let read = move || {
                let mut table = Table::new();
                let each = |_: &str, key: &[u8], value: Option<&[u8]>| take(&mut table, key, value);
                match decided {
                    true => log.read_decided(&client_id, &topic, each),
                    false => log.read(&client_id, &[topic], each),
                }
                .map(|()| table)
            };
            *last = (begun, tokio::task::spawn_blocking(read).await??);
        }
        // Only this connector's: others may have written since.
        let of = last.1.get(connector).cloned().unwrap_or_default();
        self.table.write().insert(connector.to_owned(), of);
        Ok(())
    }

    /// Returns once the log has acknowledged all of them. A null offset is a tombstone.
    pub async fn write(&self, connector: &str, offsets: &[SourceOffset]) -> Result<(), StorageError> {
        self.write_all(&[(connector, offsets)]).await
    }

    /// As [`OffsetTopic::write`], for several connectors.
    pub async fn write_all(&self, all: &[(impl AsRef<str>, impl AsRef<[SourceOffset]>)]) -> Result<(), StorageError> {
        let entries: Vec<_> = all.iter().flat_map(|(c, offsets)| self.prepare(c.as_ref(), offsets.as_ref()).entries).collect();
        self.log.write(&self.topic, &entries).await?;
        all.iter().for_each(|(c, offsets)| self.written(c.as_ref(), offsets.as_ref()));
        Ok(())
    }

    /// What is to be written of offsets.
    pub fn prepare(&self, connector: &str, offsets: &[SourceOffset]) -> Prepared {
        let table = self.table.read();
        let of = table.get(connector);
        let entry = |o: &SourceOffset| Entry {
            key: key(connector, of, &canonical(&o.partition), o),
            value: (!o.offset.is_null()).then(|| o.offset.to_string().into_bytes()),
            partition: None,
        };
        Prepared { topic: self.topic.clone(), entries: offsets.iter().map(entry).collect() }
    }

    /// The log has acknowledged them.
    pub fn written(&self, connector: &str, offsets: &[SourceOffset]) {
        let mut table = self.table.write();
        let of = table.entry(connector.to_owned()).or_default();
        for o in offsets {
            let partition = canonical(&o.partition);
            if o.offset.is_null() {
                of.remove(&partition);
            } else {
                let key = key(connector, Some(of), &partition, o);
                of.insert(partition, Known { key, offset: o.clone() });
            }
        }
    }
}

/// The key of an offset, as the log has it or is to have it.
fn key(connector: &str, of: Option<&OfConnector>, partition: &str, offset: &SourceOffset) -> Vec<u8> {
    let known = of.and_then(|of| of.get(partition));
    known
        .map_or_else(|| Value::from(vec![connector.into(), offset.partition.clone()]).to_string().into_bytes(), |k| k.key.clone())
}

fn take(table: &mut Table, key: &[u8], value: Option<&[u8]>) {
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(key) else {
        tracing::warn!("a record of an offsets topic has a key that is not [connector, partition]; it is ignored");
        return;
    };
    let [Value::String(connector), partition] = &parts[..] else { return };
    match value.and_then(|v| serde_json::from_slice::<Value>(v).ok()).filter(|v| !v.is_null()) {
        Some(offset) => {
            let known = Known { key: key.to_vec(), offset: SourceOffset { partition: partition.clone(), offset } };
            table.entry(connector.clone()).or_default().insert(canonical(partition), known);
        }
        None => {
            if let Some(of) = table.get_mut(connector) {
                of.remove(&canonical(partition));
                if of.is_empty() {
                    table.remove(connector);
                }
            }
        }
    }
}

/// The same text for equal values.
pub(super) fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let map: BTreeMap<_, _> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
                Value::Object(map.into_iter().collect())
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_partitions_fields_does_not_matter() {
        let mut table = Table::new();
        let put = |table: &mut Table, key: &str, value: &str| {
            take(table, key.as_bytes(), (!value.is_empty()).then_some(value.as_bytes()))
        };
        put(&mut table, r#"["a",{"server":"x","db":"y"}]"#, r#"{"lsn":1}"#);
        put(&mut table, r#"["a",{"db":"y","server":"x"}]"#, r#"{"lsn":2}"#);
        put(&mut table, r#"["b",{"filename":"/tmp/in.txt"}]"#, r#"{"position":3}"#);
        put(&mut table, "not json", "{}");
        assert_eq!(table["a"].len(), 1);
        assert_eq!(table["a"].values().next().unwrap().offset.offset, serde_json::json!({"lsn": 2}));
        put(&mut table, r#"["a",{"server":"x","db":"y"}]"#, "");
        assert!(!table.contains_key("a"));
        assert_eq!(table["b"].len(), 1);
    }
}
