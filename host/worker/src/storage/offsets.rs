//! Source offsets, as the offsets topic holds them: key `["connector",{partition}]`, value the offset or a tombstone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use millrace_record::SourceOffset;
use parking_lot::RwLock;
use serde_json::Value;

use super::log::{Entry, StateLog};
use crate::task::{OffsetStore, Prepared};

/// What is known of one source partition.
#[derive(Debug, Clone)]
struct Known {
    /// The key's bytes as they were first written: another worker may order a partition's fields in another way, and a
    /// log is compacted by bytes.
    key: Vec<u8>,
    offset: SourceOffset,
}

/// By connector, then by the partition in a form that does not depend on the order of its fields.
type Table = HashMap<String, BTreeMap<String, Known>>;

pub struct OffsetTopic {
    log: Arc<StateLog>,
    client_id: String,
    topic: String,
    table: RwLock<Table>,
    decided: Decided,
}

/// The last reading of the topic for [`OffsetStore::read_decided`]: who asked before it began is served by it too.
#[derive(Default)]
struct Decided {
    begun: AtomicU64,
    last: tokio::sync::Mutex<(u64, Table)>,
}

impl OffsetTopic {
    pub fn new(log: Arc<StateLog>, client_id: &str, topic: impl Into<String>) -> Self {
        let (table, decided) = (RwLock::default(), Decided::default());
        OffsetTopic { log, client_id: format!("{client_id}-offsets"), topic: topic.into(), table, decided }
    }

    /// A record as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        take(&mut self.table.write(), key, value);
    }

    /// All offsets of a connector, sorted.
    pub fn of(&self, connector: &str) -> Vec<SourceOffset> {
        let table = self.table.read();
        table.get(connector).into_iter().flat_map(|of| of.values().map(|k| k.offset.clone())).collect()
    }

    fn key(&self, connector: &str, partition: &Value) -> Vec<u8> {
        let table = self.table.read();
        let known = table.get(connector).and_then(|of| of.get(&canonical(partition)));
        known.map_or_else(|| Value::from(vec![connector.into(), partition.clone()]).to_string().into_bytes(), |k| k.key.clone())
    }
}

fn take(table: &mut Table, key: &[u8], value: Option<&[u8]>) {
    let Ok(Value::Array(parts)) = serde_json::from_slice::<Value>(key) else {
        tracing::warn!("a record of the offsets topic has a key that is not [connector, partition]; it is ignored");
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
fn canonical(value: &Value) -> String {
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

#[async_trait]
impl OffsetStore for OffsetTopic {
    async fn read(&self, connector: &str) -> anyhow::Result<Vec<SourceOffset>> {
        Ok(self.of(connector))
    }

    async fn write(&self, connector: &str, offsets: &[SourceOffset]) -> anyhow::Result<()> {
        let prepared = self.prepare(connector, offsets);
        self.log.write(&self.topic, &prepared.entries).await?;
        self.committed(&prepared);
        Ok(())
    }

    async fn read_decided(&self, connector: &str) -> anyhow::Result<Vec<SourceOffset>> {
        let asked = self.decided.begun.load(Ordering::SeqCst);
        let mut last = self.decided.last.lock().await;
        if last.0 <= asked {
            let begun = self.decided.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let (log, client_id, topic) = (self.log.clone(), self.client_id.clone(), self.topic.clone());
            let read = move || {
                let mut table = Table::new();
                log.read_decided(&client_id, &topic, |_, key, value| take(&mut table, key, value)).map(|()| table)
            };
            *last = (begun, tokio::task::spawn_blocking(read).await??);
        }
        // Only this connector's: others may have written since.
        let mut table = self.table.write();
        match last.1.get(connector) {
            Some(of) => drop(table.insert(connector.to_owned(), of.clone())),
            None => drop(table.remove(connector)),
        }
        drop(table);
        Ok(self.of(connector))
    }

    fn prepare(&self, connector: &str, offsets: &[SourceOffset]) -> Prepared {
        let entry = |o: &SourceOffset| Entry {
            key: self.key(connector, &o.partition),
            value: (!o.offset.is_null()).then(|| o.offset.to_string().into_bytes()),
            partition: None,
        };
        Prepared { topic: self.topic.clone(), entries: offsets.iter().map(entry).collect() }
    }

    fn committed(&self, prepared: &Prepared) {
        let mut table = self.table.write();
        for entry in &prepared.entries {
            take(&mut table, &entry.key, entry.value.as_deref());
        }
    }
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
