//! The gate of a task, as the monitor keeps it. That of a source stops nothing: it tells which subjects its records have,
//! where only their schemas name them.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use millrace_record::convert::Unavailable;
use millrace_record::{RawConfig, Wake};
use parking_lot::Mutex;

use super::reader::Unreachable;
use super::subject::SubjectKey;
use super::watch::{self, Role};
use super::{Known, SchemaMonitor};
use crate::task::TaskId;
use crate::task::schema_gate::{Passage, SchemaGate, SchemaGates};

/// One task's.
pub struct Gate {
    monitor: Weak<SchemaMonitor>,
    /// Itself, for what is found out beside the records.
    me: Weak<Gate>,
    pub connector: String,
    sink: bool,
    /// With the names of their registries.
    roles: Vec<(String, Role)>,
    /// What the connector says itself.
    own: Option<bool>,
    wake: Wake,
    /// The subjects that it reads, as far as they are known.
    subjects: Mutex<BTreeSet<SubjectKey>>,
    refusal: Mutex<Option<String>>,
}

impl Gate {
    /// Whether the task stops at a change of this subject.
    pub fn stops(&self, monitor: &SchemaMonitor, subject: &str) -> bool {
        self.own.or_else(|| monitor.store.rules_of(subject).stop).unwrap_or(false)
    }

    /// Refuses when a subject that it reads is blocked.
    pub fn look_again(&self, monitor: &SchemaMonitor) {
        let subjects = self.subjects.lock().clone();
        for key in subjects {
            if !self.stops(monitor, &key.subject) {
                continue;
            }
            if let Some(why) = monitor.newest_block(&key, &self.connector) {
                *self.refusal.lock() = Some(why);
                self.wake.raise();
                return;
            }
        }
    }
}

impl SchemaGates for Arc<SchemaMonitor> {
    fn enter(&self, id: &TaskId, sink: bool, config: &RawConfig, wake: &Wake) -> Option<Arc<dyn SchemaGate>> {
        let mut roles = watch::roles(config, &self.worker);
        // The topics of a source tell the others.
        roles.retain(|r| sink || r.strategy != watch::Strategy::Topic);
        let roles: Vec<_> = roles.into_iter().filter_map(|r| Some((self.readers.reader(&r.settings).ok()?.0, r))).collect();
        if roles.is_empty() {
            return None;
        }
        let mut subjects = BTreeSet::new();
        for topic in watch::named_topics(config) {
            for (registry, role) in &roles {
                let subject = role.strategy.subject(&topic, role.key, None);
                subjects.extend(subject.map(|subject| SubjectKey { registry: registry.clone(), subject }));
            }
        }
        let gate = Arc::new_cyclic(|me| Gate {
            monitor: Arc::downgrade(self),
            me: me.clone(),
            connector: id.connector.clone(),
            sink,
            roles,
            own: if sink { watch::stops(config) } else { Some(false) },
            wake: wake.clone(),
            subjects: Mutex::new(subjects),
            refusal: Mutex::default(),
        });
        {
            let mut gates = self.gates.lock();
            gates.retain(|g| g.strong_count() > 0);
            gates.push(Arc::downgrade(&gate));
        }
        gate.look_again(self);
        // What it reads is to have a baseline soon.
        self.poke();
        Some(gate)
    }
}

impl SchemaGate for Gate {
    fn watches(&self, key: bool) -> bool {
        self.roles.iter().any(|(_, r)| r.key == key)
    }

    fn pass(&self, topic: &str, key: bool, id: i32) -> Passage {
        let (Some(monitor), Some((registry, role))) = (self.monitor.upgrade(), self.roles.iter().find(|(_, r)| r.key == key))
        else {
            return Passage::Pass;
        };
        let name = monitor.record_name(registry, id);
        // What has no name is nobody's subject.
        if name.as_deref() == Some("") && role.strategy != watch::Strategy::Topic {
            return Passage::Pass;
        }
        let Some(subject) = role.strategy.subject(topic, key, name.as_deref()) else {
            // Which subject it is stands in the schema.
            let (registry, settings) = (registry.clone(), role.settings.clone());
            let stops = self.own.unwrap_or_else(|| monitor.store.rules().0.values().any(|r| r.stop == Some(true)));
            let (me, topic) = (self.me.clone(), topic.to_owned());
            let ask = async move {
                monitor.learn_name(&registry, &settings, id).await?;
                // Who waits asks again; for the others it is asked here.
                if let Some(me) = me.upgrade().filter(|_| !stops) {
                    drop(me.pass(&topic, key, id));
                }
                Ok(())
            };
            return sooner_or_later(stops, ask);
        };
        let of = SubjectKey { registry: registry.clone(), subject };
        if self.subjects.lock().insert(of.clone()) {
            monitor.observed(&of, &self.connector, self.sink, topic, role);
        }
        match monitor.known(&of, id) {
            Known::Accepted => Passage::Pass,
            Known::Blocked(version) => match self.stops(&monitor, &of.subject) {
                true => Passage::Refused(monitor.block(&of, version, &self.connector).unwrap_or_default()),
                false => Passage::Pass,
            },
            Known::Judged(Some(why)) if self.stops(&monitor, &of.subject) => Passage::Refused(why),
            Known::Judged(_) => Passage::Pass,
            Known::Unknown => {
                let (stops, settings) = (self.stops(&monitor, &of.subject), role.settings.clone());
                let ask = async move { monitor.resolve(&of, &settings, id).await };
                sooner_or_later(stops, ask)
            }
        }
    }

    fn refusal(&self) -> Option<String> {
        self.refusal.lock().clone()
    }
}

/// Who stops at changes waits for the answer; for others it is found beside them.
fn sooner_or_later(stops: bool, ask: impl Future<Output = Result<(), Unreachable>> + Send + 'static) -> Passage {
    if stops {
        return Passage::Wait(ask.map(|r| r.map_err(|e| Unavailable(e.to_string()))).boxed());
    }
    tokio::spawn(async move {
        if let Err(error) = ask.await {
            tracing::debug!(%error, "a schema was not looked at");
        }
    });
    Passage::Pass
}
