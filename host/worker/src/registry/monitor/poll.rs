//! Who uses which subject, and the round through all of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use millrace_record::RawConfig;
use parking_lot::Mutex;

use super::SchemaMonitor;
use super::connectors::Watched;
use super::event::Affected;
use super::subject::SubjectKey;
use super::watch::{self, Role};

/// How many subjects are asked for at a time.
const ASKED_AT_ONCE: usize = 8;
/// The least time between two rounds, however often somebody pokes: a tenth of the interval, within these.
const GAP_MIN: Duration = Duration::from_millis(100);
const GAP_MAX: Duration = Duration::from_secs(3);
/// How long reading what earlier workers left waits for its next try.
const LOAD_RETRY: Duration = Duration::from_secs(2);

/// Who uses a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub connector: String,
    pub sink: bool,
    pub topic: String,
    /// The table behind the topic, where it is known.
    pub table: Option<String>,
    /// What the connector says of stopping.
    pub stops: Option<bool>,
    /// Whether it may run.
    pub active: bool,
}

/// A subject that is watched.
#[derive(Debug, Clone)]
pub struct Subject {
    /// How its registry is reached.
    pub settings: RawConfig,
    pub users: Vec<User>,
}

impl SchemaMonitor {
    /// Watches for as long as the worker lives.
    pub async fn run(self: Arc<Self>) {
        while let Err(error) = self.store.load().await {
            tracing::warn!(%error, "changes of schemas cannot be read yet; trying again");
            tokio::time::sleep(LOAD_RETRY).await;
        }
        for key in self.store.subjects() {
            let observed = self.store.with_subject(&key, |s| s.map(|s| s.observed.clone())).unwrap_or_default();
            if !observed.is_empty() {
                self.observed.lock().entry(key).or_default().extend(observed);
            }
        }
        self.look_again();
        self.webhooks.resume();
        let gap = (self.settings.interval / 10).clamp(GAP_MIN, GAP_MAX);
        loop {
            self.round().await;
            tokio::time::sleep(gap).await;
            let _ = tokio::time::timeout(self.settings.interval.saturating_sub(gap), self.poke.notified()).await;
        }
    }

    /// One look at every subject that somebody uses.
    pub async fn round(&self) {
        let Some(connectors) = self.connectors.all().await else { return };
        let watched = self.watched_by(&connectors);
        // A baseline ends with the last connector that has a use for it.
        for key in self.store.subjects() {
            if !watched.contains_key(&key) {
                self.store.forget_subject(&key);
            }
        }
        self.looking.lock().retain(|key, _| watched.contains_key(key));
        *self.watched.lock() = watched.clone();
        self.counted.polls.fetch_add(1, Ordering::Relaxed);
        // Of a registry that does not answer nothing more is asked in this round.
        let down: Mutex<HashSet<String>> = Mutex::default();
        let active = watched.iter().filter(|(_, s)| s.users.iter().any(|u| u.active));
        let looks = active.map(|(key, subject)| {
            let down = &down;
            async move {
                if down.lock().contains(&key.registry) {
                    return;
                }
                let Ok((_, reader)) = self.readers.reader(&subject.settings) else { return };
                if let Err(error) = self.look(key, &*reader).await
                    && down.lock().insert(key.registry.clone())
                {
                    self.counted.unreachable.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(registry = key.registry, %error, "the registry does not answer; its subjects are looked at in the next round");
                }
            }
        });
        let looks: Vec<_> = looks.collect();
        futures::stream::iter(looks).buffer_unordered(ASKED_AT_ONCE).collect::<()>().await;
    }

    fn watched_by(&self, connectors: &[Watched]) -> BTreeMap<SubjectKey, Subject> {
        let mut watched: BTreeMap<SubjectKey, Subject> = BTreeMap::new();
        let mut add = |key: SubjectKey, settings: &RawConfig, user: User| {
            let subject = watched.entry(key).or_insert_with(|| Subject { settings: settings.clone(), users: Vec::new() });
            if !subject.users.contains(&user) {
                subject.users.push(user);
            }
        };
        let mut observed = self.observed.lock();
        observed.retain(|_, users| {
            users.retain(|(name, _)| connectors.iter().any(|c| c.name == *name));
            !users.is_empty()
        });
        for connector in connectors {
            let mut topics: BTreeSet<String> = connector.topics.iter().cloned().collect();
            if connector.sink {
                topics.extend(watch::named_topics(&connector.config));
            }
            for role in watch::roles(&connector.config, &self.worker) {
                let registry = match self.readers.reader(&role.settings) {
                    Ok((registry, _)) => registry,
                    Err(why) => {
                        tracing::debug!(connector = connector.name, why, "the connector's registry cannot be watched");
                        continue;
                    }
                };
                for topic in &topics {
                    if let Some(subject) = role.strategy.subject(topic, role.key, None) {
                        add(SubjectKey { registry: registry.clone(), subject }, &role.settings, user(connector, topic));
                    }
                }
                for (key, users) in observed.iter().filter(|(key, _)| key.registry == registry) {
                    for (_, topic) in users.iter().filter(|(name, _)| *name == connector.name) {
                        add(key.clone(), &role.settings, user(connector, topic));
                    }
                }
            }
        }
        watched
    }

    /// A connector has met a record of a subject.
    pub(super) fn observed(&self, key: &SubjectKey, connector: &str, sink: bool, topic: &str, role: &Role) {
        let user =
            User { connector: connector.to_owned(), sink, topic: topic.to_owned(), table: None, stops: None, active: true };
        self.observed.lock().entry(key.clone()).or_default().insert((connector.to_owned(), topic.to_owned()));
        let mut watched = self.watched.lock();
        let subject =
            watched.entry(key.clone()).or_insert_with(|| Subject { settings: role.settings.clone(), users: Vec::new() });
        if !subject.users.iter().any(|u| u.connector == connector && u.topic == topic) {
            subject.users.push(user);
        }
    }

    /// Who has to do with a subject.
    pub(super) fn affected(&self, key: &SubjectKey, incompatible: bool) -> Vec<Affected> {
        let rule = self.store.rules_of(&key.subject).stop;
        let mut all: Vec<Affected> = Vec::new();
        for user in self.watched.lock().get(key).into_iter().flat_map(|s| &s.users) {
            let stops = incompatible && user.sink && user.stops.or(rule).unwrap_or(false);
            let at = all.iter().position(|a| a.connector == user.connector).unwrap_or_else(|| {
                all.push(Affected {
                    connector: user.connector.clone(),
                    kind: if user.sink { "sink" } else { "source" }.to_owned(),
                    topics: Vec::new(),
                    tables: Vec::new(),
                    stops,
                });
                all.len() - 1
            });
            let of = &mut all[at];
            if !of.topics.contains(&user.topic) {
                of.topics.push(user.topic.clone());
            }
            if let Some(table) = user.table.as_ref().filter(|t| !of.tables.contains(t)) {
                of.tables.push(table.clone());
            }
        }
        all
    }
}

fn user(connector: &Watched, topic: &str) -> User {
    User {
        connector: connector.name.clone(),
        sink: connector.sink,
        topic: topic.to_owned(),
        table: watch::table(&connector.config, connector.sink, topic),
        stops: watch::stops(&connector.config),
        active: !connector.stopped,
    }
}
