//! What a connector has committed: a source's own offsets, a sink's consumer group. They are shown at any time, and
//! changed while the connector is stopped.

use std::sync::Arc;

use millrace_record::{Plugin, PluginKind, RawConfig, SourceOffset};
use rdkafka::ClientConfig;
use serde_json::{Value, json};

use super::{Herder, HerderError};
use crate::kafka::groups::{self, Committed, GroupError};
use crate::pattern::Pattern;
use crate::storage::StorageError;
use crate::storage::configs::TargetState;
use crate::storage::offsets::{ConnectorOffsets, TOPIC};
use crate::task::OffsetStore;

/// What a change of offsets is.
#[derive(Debug, Clone, PartialEq)]
pub enum Altered {
    /// These partitions; a null offset is forgotten.
    Some(Vec<SourceOffset>),
    /// All are forgotten.
    Reset,
}

impl Altered {
    /// Connect's words for it.
    fn done(&self) -> &'static str {
        match self {
            Altered::Some(_) => "altered",
            Altered::Reset => "reset",
        }
    }
}

fn bad(message: impl Into<String>) -> HerderError {
    HerderError::BadRequest(message.into())
}

impl Herder {
    /// As `GET /connectors/C/offsets` shows them.
    pub async fn offsets_of(&self, name: &str, config: &RawConfig) -> Result<Vec<SourceOffset>, HerderError> {
        let sink = self.plugin(config).is_ok_and(|p| p.info().kind == PluginKind::Sink);
        if !sink {
            // Of the rest nothing is needed, and what it refers to may be away.
            let topic: RawConfig = config.get_key_value(TOPIC).map(|(k, v)| (k.clone(), v.clone())).into_iter().collect();
            let topic = self.resolve(&topic).await?.config;
            return self.source_offsets(name, &self.offsets.of(&topic)).await;
        }
        let shown = self.committed(name, config).await?.into_iter().map(|Committed { topic, partition, offset }| SourceOffset {
            partition: json!({"kafka_topic": topic, "kafka_partition": partition}),
            offset: json!({"kafka_offset": offset}),
        });
        Ok(shown.collect())
    }

    /// Forgets what the plugins of a stopped connector keep.
    pub async fn reset_state(self: &Arc<Self>, name: &str) -> Result<(), HerderError> {
        self.accepting()?;
        let running = self.connector(name);
        let running = running.lock().await;
        let state = self.state(name)?;
        if state.target != TargetState::Stopped || running.runs() {
            return Err(bad(format!(
                "Connectors must be in the STOPPED state before the state of their plugins can be reset. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        self.states.forget(name).await.map_err(|e| HerderError::Failed(e.to_string()))?;
        tracing::info!(connector = name, "state of plugins forgotten");
        Ok(())
    }

    /// Changes the offsets of a stopped connector, if its plugin allows it; answers Connect's message.
    pub async fn alter_offsets(self: &Arc<Self>, name: &str, change: Altered) -> Result<String, HerderError> {
        self.accepting()?;
        // Nothing of the connector starts or stops while its lock is held.
        let running = self.connector(name);
        let running = running.lock().await;
        let state = self.state(name)?;
        if state.target != TargetState::Stopped || running.runs() {
            return Err(bad(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        let config = self.resolve(&state.config).await?.config;
        let plugin = self.plugin(&config).map_err(HerderError::Failed)?;
        let known = match plugin.info().kind {
            PluginKind::Sink => self.alter_sink(name, &config, &*plugin, &change).await?,
            _ => self.alter_source(name, &config, &*plugin, &change).await?,
        };
        tracing::info!(connector = name, change = change.done(), "offsets changed");
        let done = change.done();
        Ok(if known {
            format!("The offsets for this connector have been {done} successfully")
        } else {
            format!(
                "The Connect framework-managed offsets for this connector have been {done} successfully. However, if this connector manages offsets externally, they will need to be manually {done} in the system that the connector uses."
            )
        })
    }

    async fn source_offsets(&self, name: &str, store: &ConnectorOffsets) -> Result<Vec<SourceOffset>, HerderError> {
        let shown = store.shown(name).await;
        shown.map_err(|e| HerderError::Failed(format!("Failed to read the offsets of connector {name}: {e:#}")))
    }

    async fn alter_source(
        &self,
        name: &str,
        config: &RawConfig,
        plugin: &dyn Plugin,
        change: &Altered,
    ) -> Result<bool, HerderError> {
        let store = self.offsets.of(config);
        let known = self.source_offsets(name, &store).await?;
        let offsets = match change {
            Altered::Some(offsets) => offsets.clone(),
            Altered::Reset => known.into_iter().map(|o| SourceOffset { partition: o.partition, offset: Value::Null }).collect(),
        };
        let known = plugin.alter_offsets(config, &offsets).await.map_err(|e| HerderError::Failed(e.message))?;
        if offsets.iter().any(|o| o.partition.is_null()) {
            return Err(bad("The partition for a source connector offset cannot be null or missing"));
        }
        let written = store.write(name, &offsets).await;
        written.map_err(|e| HerderError::Failed(format!("Failed to write the offsets of connector {name}: {e:#}")))?;
        Ok(known)
    }

    async fn alter_sink(
        &self,
        name: &str,
        config: &RawConfig,
        plugin: &dyn Plugin,
        change: &Altered,
    ) -> Result<bool, HerderError> {
        let offsets = match change {
            Altered::Some(offsets) => offsets.iter().map(topic_offset).collect::<Result<Vec<_>, _>>()?,
            Altered::Reset => {
                let known = self.committed(name, config).await?.into_iter();
                known.map(|c| Committed { offset: None, ..c }).collect()
            }
        };
        let shown: Vec<_> = offsets.iter().map(shown).collect();
        let known = plugin.alter_offsets(config, &shown).await.map_err(|e| HerderError::Failed(e.message))?;
        if offsets.iter().any(|o| o.offset.is_some_and(|at| at < 0)) {
            return Err(HerderError::Failed(format!("Failed to modify offsets for sink connector {name}")));
        }
        let (group, client) = self.group(name, config);
        let altered = match change {
            Altered::Reset => groups::forget(&client, &group).await,
            Altered::Some(_) => {
                let asked = group.clone();
                let altered = tokio::task::spawn_blocking(move || groups::alter(&client, &asked, &offsets)).await;
                altered.map_err(|e| HerderError::Failed(e.to_string()))?
            }
        };
        altered.map_err(|e| not_altered(name, change, e))?;
        Ok(known)
    }

    /// The connector's consumer group, and a client in it.
    fn group(&self, name: &str, config: &RawConfig) -> (String, ClientConfig) {
        let own = config.get("consumer.override.group.id").map(|g| g.trim()).filter(|g| !g.is_empty());
        let group = own.map_or_else(|| format!("connect-{name}"), str::to_owned);
        let client = self.runtime.clients.consumer(&format!("{group}-offsets"), config, &[("group.id", &group)]);
        (group, client)
    }

    async fn committed(&self, name: &str, config: &RawConfig) -> Result<Vec<Committed>, HerderError> {
        let config = &self.resolve(config).await?.config;
        let (group, client) = self.group(name, config);
        let named: Vec<_> = config.get("topics").into_iter().flat_map(|t| t.split(',')).map(|t| t.trim().to_owned()).collect();
        let regex = config.get("topics.regex").filter(|r| !r.is_empty()).and_then(|r| Pattern::new(r).ok());
        let consumed = move |topic: &str| named.iter().any(|n| n == topic) || regex.as_ref().is_some_and(|r| r.matches(topic));
        let failed = |why: String| HerderError::Storage(StorageError::Read { topic: "__consumer_offsets".into(), why });
        let read = tokio::task::spawn_blocking(move || groups::committed(&client, &group, consumed));
        read.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))
    }
}

fn shown(offset: &Committed) -> SourceOffset {
    SourceOffset {
        partition: json!({"kafka_topic": offset.topic, "kafka_partition": offset.partition}),
        offset: offset.offset.map_or(Value::Null, |at| json!({"kafka_offset": at})),
    }
}

/// Connect says which of the two it is in the log alone.
fn not_altered(name: &str, change: &Altered, error: GroupError) -> HerderError {
    let (verb, noun) = match change {
        Altered::Some(_) => ("alter consumer group offsets", "alter"),
        Altered::Reset => ("reset consumer group offsets", "reset"),
    };
    tracing::warn!(connector = name, %error, "offsets are not changed");
    HerderError::Failed(match error {
        GroupError::Members(_) => format!(
            "Failed to {verb} for connector {name} either because its tasks haven't stopped completely yet or the connector was resumed before the request to {noun} its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
        ),
        GroupError::Refused { .. } => format!("Failed to {verb} for connector {name}"),
    })
}

/// One offset of a sink, as REST has it.
fn topic_offset(given: &SourceOffset) -> Result<Committed, HerderError> {
    let Some(partition) = given.partition.as_object() else {
        return Err(bad("The partition for a sink connector offset cannot be null or missing"));
    };
    let (Some(topic), Some(number)) = (partition.get("kafka_topic"), partition.get("kafka_partition")) else {
        return Err(bad("The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'"));
    };
    let topic = plain(topic).ok_or_else(|| bad("Kafka topic names must be valid strings and may not be null"))?;
    let partition = plain(number).ok_or_else(|| bad("Kafka partitions must be valid numbers and may not be null"))?;
    let partition = partition.parse().map_err(|_| {
        bad(format!("Failed to parse the following Kafka partition value in the provided offsets: '{partition}'. Partition values for sink connectors need to be integers."))
    })?;
    let offset = match given.offset.as_object() {
        None => None,
        Some(offset) => {
            let at = offset.get("kafka_offset");
            let at =
                at.ok_or_else(|| bad("The offset for a sink connector should either be null or contain the key 'kafka_offset'"))?;
            let at = plain(at).unwrap_or_else(|| "null".to_owned());
            Some(at.parse().map_err(|_| {
                bad(format!("Failed to parse the following Kafka offset value in the provided offsets: '{at}'. Offset values for sink connectors need to be integers."))
            })?)
        }
    };
    Ok(Committed { topic, partition, offset })
}

/// A value as text; none: null.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sink_offsets_are_read_as_connect_reads_them() {
        let read = |partition: Value, offset: Value| topic_offset(&SourceOffset { partition, offset }).map_err(|e| e.to_string());
        let at = |offset| Ok(Committed { topic: "t".into(), partition: 3, offset });
        assert_eq!(read(json!({"kafka_topic": "t", "kafka_partition": 3}), json!({"kafka_offset": 7})), at(Some(7)));
        assert_eq!(read(json!({"kafka_topic": "t", "kafka_partition": "3"}), json!({"kafka_offset": "7"})), at(Some(7)));
        assert_eq!(read(json!({"kafka_topic": "t", "kafka_partition": 3}), Value::Null), at(None));
        for (partition, offset, says) in [
            (Value::Null, Value::Null, "cannot be null or missing"),
            (json!({"kafka_topic": "t"}), Value::Null, "must contain the keys"),
            (json!({"kafka_topic": "t", "kafka_partition": 1.5}), Value::Null, "'1.5'"),
            (json!({"kafka_topic": "t", "kafka_partition": 1}), json!({}), "contain the key 'kafka_offset'"),
            (json!({"kafka_topic": "t", "kafka_partition": 1}), json!({"kafka_offset": null}), "'null'"),
        ] {
            let error = read(partition, offset).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
