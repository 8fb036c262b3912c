//! `producer.override.*` and its like: what the policy allows, and what has an effect.

use millrace_record::PluginKind;
use millrace_record::config::{ConfigKey, Given};

use super::infos::{ConfigInfo, Definition};
use super::{Validation, java};
use crate::kafka::client::ClientKind;
use crate::kafka::client_keys;
use crate::kafka::java::{Translated, translate};

const GROUP_ID: &str = "consumer.override.group.id";

impl Validation<'_> {
    /// Of the clients that the connector uses, in Connect's order; those of another have no effect and stay unknown.
    pub(super) fn overrides(&mut self) {
        let source = self.kind() == PluginKind::Source;
        let queue = self.config.get("errors.deadletterqueue.topic.name").is_some_and(|v| !v.trim().is_empty());
        let creates = self.config.keys().any(|k| k.starts_with("topic.creation."));
        for (kind, uses) in [
            (ClientKind::Producer, source || queue),
            (ClientKind::Admin, if source { creates } else { queue }),
            (ClientKind::Consumer, !source),
        ] {
            if uses {
                self.overrides_of(kind);
            }
        }
    }

    fn overrides_of(&mut self, kind: ClientKind) {
        let prefix = format!("{}.override.", kind.name());
        let of_kind = |k: &&String| k.starts_with(&prefix) && k.len() > prefix.len();
        let mut all: Vec<&String> = self.config.keys().chain(self.nulls).collect();
        java::sort_copied(&mut all, |k| k);
        let mut keys: Vec<String> = all.into_iter().filter(of_kind).cloned().collect();
        java::sort(&mut keys, |k| &k[prefix.len()..]);
        // Without a definition come first.
        keys.sort_by_key(|k| client_keys::find(kind, &k[prefix.len()..]).is_some());
        for full in keys {
            let name = &full[prefix.len()..];
            let given = self.given(&full);
            let mut info = match client_keys::find(kind, name) {
                Some(key) => defined(kind, key, &full, given),
                None => ConfigInfo::undefined(&full, self.config.get(&full).cloned()),
            };
            let policy = &self.herder.worker.override_policy;
            if !policy.allows(name) && given != Given::Null {
                info.errors.push(format!(
                    "The '{}' policy does not allow '{name}' to be overridden in the connector configuration.",
                    policy.name()
                ));
            }
            self.infos.configs.push(info);
        }
    }

    /// A sink must not join the group of the workers.
    pub(super) fn consumer_group(&mut self) {
        let own = self.config.get(GROUP_ID).map(|g| g.trim().to_owned());
        let name = self.config.get("name").map(|n| n.trim()).unwrap_or_default();
        let group = own.clone().unwrap_or_else(|| format!("connect-{name}"));
        let workers = &self.herder.worker.group_id;
        let conflict =
            (group == *workers).then(|| format!("Consumer group {group} conflicts with Connect worker group {workers}"));
        match own {
            // As Connect shows it, once more without a definition.
            Some(own) => {
                let mut info = ConfigInfo::undefined(GROUP_ID, Some(own));
                info.errors.extend(conflict);
                self.infos.configs.insert(0, info);
            }
            None => conflict.into_iter().for_each(|why| self.infos.error("name", why)),
        }
    }
}

fn defined(kind: ClientKind, key: &ConfigKey, full: &str, given: Given<'_>) -> ConfigInfo {
    let mut key = key.clone();
    let own = std::mem::replace(&mut key.name, full.to_owned());
    if let Given::Text(value) = given
        && let Translated::Dropped(why) = translate(kind, &own, value)
    {
        key.documentation = format!("This setting has no effect: {why}.");
    }
    let checked = key.check(&own, &own, given);
    ConfigInfo::new(Definition::from(key), checked)
}
