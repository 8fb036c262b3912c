//! Source offsets: in the worker's topic, or in one that a connector names in `offsets.storage.topic`, as in Connect.
//!
//! A connector's own topic comes first; what it does not have is looked for in the worker's, so that a connector which is given
//! one goes on where it was. The worker's gets a copy of each offset afterwards, so that one whose setting is taken away goes on
//! too. What is forgotten is forgotten in the worker's topic first: else it would be found there again.

mod copies;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use millrace_record::{RawConfig, SourceOffset};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use self::copies::Copies;
use self::topic::OffsetTopic;
use super::log::{StateLog, StorageError};
use crate::config::Storage;
use crate::kafka::admin::Admin;
use crate::kafka::client::{ClientKind, ClientSettings};
use crate::task::{OffsetStore, Prepared};

/// The setting that names a connector's own topic.
pub const TOPIC: &str = "offsets.storage.topic";
/// How long the log may take to say whether there is a topic.
const HAS_TIMEOUT: Duration = Duration::from_secs(30);

/// The worker's topic, and those of connectors.
pub struct OffsetTopics {
    log: Arc<StateLog>,
    clients: ClientSettings,
    client_id: String,
    /// Of the worker's topic; the others are made in its likeness.
    storage: Storage,
    exactly_once: bool,
    worker: Arc<OffsetTopic>,
    copies: Arc<Copies>,
    /// Connectors' own that are in use. Several may share one.
    own: Mutex<HashMap<String, Weak<OffsetTopic>>>,
}

impl OffsetTopics {
    /// `exactly_once`: tasks write their offsets in transactions.
    pub fn new(log: Arc<StateLog>, clients: ClientSettings, client_id: &str, storage: Storage, exactly_once: bool) -> Arc<Self> {
        let worker = Arc::new(OffsetTopic::new(log.clone(), client_id, &storage.topic, exactly_once));
        let copies = Arc::new(Copies::new(worker.clone()));
        let (client_id, own) = (client_id.to_owned(), Mutex::default());
        Arc::new(OffsetTopics { log, clients, client_id, storage, exactly_once, worker, copies, own })
    }

    /// A record of the worker's topic as it is read at start.
    pub fn take(&self, key: &[u8], value: Option<&[u8]>) {
        self.worker.take(key, value);
    }

    /// The topic that a connector has for itself. References are resolved.
    pub fn own<'a>(&self, config: &'a RawConfig) -> Option<&'a str> {
        config.get(TOPIC).map(|t| t.trim()).filter(|t| !t.is_empty() && *t != self.storage.topic)
    }

    /// Where the offsets of a connector are. References are resolved.
    pub fn of(self: &Arc<Self>, config: &RawConfig) -> ConnectorOffsets {
        let own = self.own(config).map(|name| self.in_use(name));
        ConnectorOffsets { topics: self.clone(), own, made: OnceCell::new() }
    }

    fn in_use(&self, name: &str) -> Arc<OffsetTopic> {
        let mut own = self.own.lock();
        own.retain(|_, topic| topic.strong_count() > 0);
        own.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let topic = Arc::new(OffsetTopic::new(self.log.clone(), &self.client_id, name, self.exactly_once));
            own.insert(name.to_owned(), Arc::downgrade(&topic));
            topic
        })
    }

    /// Returns once the worker's topic has a copy of what connectors have stored in theirs.
    pub async fn settle(&self) -> Result<(), StorageError> {
        self.copies.settle().await
    }

    async fn make(&self, topic: &str) -> anyhow::Result<()> {
        let (id, defaults) = (format!("{}-offsets-admin", self.client_id), [("reconnect.backoff.ms", "20")]);
        let admin = Admin::new(&self.clients.client(ClientKind::Admin, &id, &RawConfig::new(), &defaults))?;
        let storage = Storage { topic: topic.to_owned(), ..self.storage.clone() };
        Ok(admin.compacted(&storage, TOPIC).await?)
    }
}

/// Where the offsets of one connector are.
pub struct ConnectorOffsets {
    topics: Arc<OffsetTopics>,
    own: Option<Arc<OffsetTopic>>,
    /// The topic of its own is there.
    made: OnceCell<()>,
}

impl ConnectorOffsets {
    /// The last offset of every partition as far as they are known here, else as the log has them. Makes no topic.
    pub async fn shown(&self, connector: &str) -> anyhow::Result<Vec<SourceOffset>> {
        if let Some(own) = &self.own
            && !own.knows(connector)
            && self.topics.log.has(own.name(), HAS_TIMEOUT).await?
        {
            own.learn(connector).await?;
        }
        Ok(self.known(connector))
    }

    fn known(&self, connector: &str) -> Vec<SourceOffset> {
        let mut all = self.topics.worker.of(connector);
        all.extend(self.own.iter().flat_map(|own| own.of(connector)));
        all.into_values().collect()
    }

    /// The topic that counts, which is there when this returns.
    async fn first(&self) -> anyhow::Result<&OffsetTopic> {
        let Some(own) = &self.own else { return Ok(&self.topics.worker) };
        self.made.get_or_try_init(|| self.topics.make(own.name())).await?;
        Ok(own)
    }

    /// Before anything is written to the topic that counts.
    async fn forget(&self, connector: &str, offsets: &[SourceOffset]) -> Result<(), StorageError> {
        let forgotten: Vec<_> = offsets.iter().filter(|o| self.own.is_none() || o.offset.is_null()).cloned().collect();
        self.topics.copies.supersede(connector, &forgotten).await;
        if self.own.is_none() || forgotten.is_empty() {
            return Ok(());
        }
        self.topics.worker.write(connector, &forgotten).await
    }

    /// After the topic of its own has them.
    fn copy(&self, connector: &str, offsets: &[SourceOffset]) {
        if self.own.is_some() {
            self.topics.copies.add(connector, offsets.iter().filter(|o| !o.offset.is_null()).cloned());
        }
    }
}

#[async_trait]
impl OffsetStore for ConnectorOffsets {
    async fn read(&self, connector: &str) -> anyhow::Result<Vec<SourceOffset>> {
        // Copies of what it stored in another topic may be on their way.
        self.topics.settle().await?;
        let worker = async {
            // Only with transactions may the log have what this worker does not know of.
            if self.topics.exactly_once { self.topics.worker.refresh(connector).await } else { Ok(()) }
        };
        let own = async { if self.own.is_some() { self.first().await?.refresh(connector).await } else { Ok(()) } };
        tokio::try_join!(worker, own)?;
        Ok(self.known(connector))
    }

    async fn write(&self, connector: &str, offsets: &[SourceOffset]) -> anyhow::Result<()> {
        let first = self.first().await?;
        self.forget(connector, offsets).await?;
        first.write(connector, offsets).await?;
        self.copy(connector, offsets);
        Ok(())
    }

    async fn prepare(&self, connector: &str, offsets: &[SourceOffset]) -> anyhow::Result<Prepared> {
        let first = self.first().await?;
        self.forget(connector, offsets).await?;
        Ok(first.prepare(connector, offsets))
    }

    fn committed(&self, connector: &str, offsets: &[SourceOffset]) {
        self.own.as_ref().unwrap_or(&self.topics.worker).written(connector, offsets);
        self.copy(connector, offsets);
    }
}
