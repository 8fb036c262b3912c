//! Validates a connector's configuration: pure, every error at once, each at its key, in Connect's order and words.
//!
//! Common keys, the keys of every transform and predicate, converters, client overrides, the plugin's own definition, what
//! the plugin says of it, and what it imports beyond its grants. References are resolved first, as in Connect; the answer
//! shows them as they were written. No server is reached.

mod alias;
mod common;
mod converters;
mod creation;
mod infos;
mod java;
mod offsets_topic;
mod overrides;
mod topics;

use std::collections::HashSet;
use std::sync::Arc;

use millrace_record::config::{ConfigKey, Default, Given, Parsed};
use millrace_record::{Plugin, PluginKind, RawConfig, TaskError};

use super::{Herder, HerderError};
use crate::plugins::{Known, Requirement, class, no_version};
use crate::providers::Resolved;
use crate::secrets::HIDDEN;

use alias::Family;
use converters::Role;
pub use infos::{ConfigInfo, ConfigInfos, Definition};

/// Elements of a list setting.
fn list(config: &RawConfig, key: &str) -> Vec<String> {
    let text = config.get(key).map(String::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The keys below `prefix`, without it.
fn below(config: &RawConfig, prefix: &str) -> RawConfig {
    crate::transforms::below(config, prefix)
}

impl Herder {
    pub async fn validate(&self, config: &RawConfig) -> Result<ConfigInfos, HerderError> {
        self.validate_given(config, &[]).await
    }

    /// `nulls`: the keys that were given as JSON's null.
    pub async fn validate_given(&self, config: &RawConfig, nulls: &[String]) -> Result<ConfigInfos, HerderError> {
        let named = config.get("connector.class").filter(|c| !c.is_empty());
        let Some(named) = named else {
            return Err(HerderError::BadRequest(format!("Connector config {} contains no connector type", shown(config, nulls))));
        };
        let resolved = self.resolve(config).await?;
        let infos = self.validate_resolved(named, &resolved.config, nulls).await;
        let mut infos = infos.map_err(|why| HerderError::BadRequest(resolved.concealed(&why)))?;
        conceal(&mut infos, &resolved);
        Ok(infos)
    }

    /// The error is of a request that cannot be answered.
    async fn validate_resolved(&self, named: &str, config: &RawConfig, nulls: &[String]) -> Result<ConfigInfos, String> {
        let class_name = config.get("connector.class").map(|c| c.trim()).unwrap_or_default();
        let plugin = self.plugins.connector(class_name, super::consumes(config), None)?;
        let mut validation = Validation {
            herder: self,
            config,
            nulls,
            plugin: plugin.clone(),
            newest: plugin.info().version.clone(),
            infos: ConfigInfos { name: named.to_owned(), ..ConfigInfos::default() },
            converters: Vec::new(),
        };
        let version = config.get("connector.plugin.version").map(String::as_str).unwrap_or("latest");
        match Requirement::parse(version) {
            Err(wrong) => Err(wrong.to_string()),
            Ok(required) => {
                match self.plugins.fitting(&plugin, required.as_ref()) {
                    Some(fitting) => validation.plugin = fitting,
                    None => {
                        let required = required.map(|r| r.to_string()).unwrap_or_default();
                        let why = no_version(class(&*plugin), &required, &self.plugins.versions(&*plugin));
                        return Ok(validation.of_another_version(&why));
                    }
                }
                validation.whole().await;
                Ok(validation.infos)
            }
        }
    }

    /// The keys of a plugin of any kind, Connect's first.
    pub fn definitions(&self, known: &Known) -> Vec<Definition> {
        let own = known.config();
        let mut definitions: Vec<Definition> = own.keys.iter().cloned().map(Definition::from).collect();
        let Known::Plugin(plugin) = known else { return definitions };
        let kind = plugin.info().kind;
        if kind == PluginKind::Transform {
            return definitions;
        }
        let of_version = |d: &Definition| match d.0.name.as_str() {
            "connector.plugin.version" => versioned(&d.0, &plugin.info().version, self.plugins.versions(&**plugin)).into(),
            _ => d.clone(),
        };
        // A plugin may define a key of this name itself: its word counts.
        let others = common::shared().iter().chain(common::of_kind(kind)).chain(common::extensions(kind));
        definitions.extend(others.filter(|d| own.get(&d.0.name).is_none()).map(of_version));
        definitions
    }
}

/// What was resolved is shown as it was written; a password stays hidden.
fn conceal(infos: &mut ConfigInfos, resolved: &Resolved) {
    for info in &mut infos.configs {
        let name = info.name().to_owned();
        if let (Some(value), Some(written)) = (&mut info.value, resolved.written(&name))
            && value != HIDDEN
        {
            *value = written.trim().to_owned();
        }
        for error in &mut info.errors {
            *error = resolved.conceal(&name, error);
        }
    }
}

/// A configuration as Java prints its maps, without secrets.
fn shown(config: &RawConfig, nulls: &[String]) -> String {
    let given = config.iter().map(|(k, v)| (k, if crate::config::secret(k) { "[hidden]" } else { v.as_str() }));
    let mut pairs: Vec<_> = given.chain(nulls.iter().map(|k| (k, "null"))).collect();
    pairs.sort();
    java::sort_copied(&mut pairs, |(k, _)| k);
    format!("{{{}}}", pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", "))
}

/// The definition of a version whose default is the newest one.
fn versioned(key: &ConfigKey, newest: &str, all: Vec<String>) -> ConfigKey {
    let mut key = key.clone();
    key.default = Default::Value(newest.to_owned());
    key.recommended = all;
    key
}

/// What a source says of itself whose offsets name exactly what was given before them.
const EXACTLY_ONCE: &str = "exactly-once";
/// And one whose marks say where its own transactions end.
const BOUNDARIES: &str = "transaction-boundaries";

/// One configuration on its way through.
struct Validation<'a> {
    herder: &'a Herder,
    config: &'a RawConfig,
    nulls: &'a [String],
    plugin: Arc<dyn Plugin>,
    /// The version that is taken where none is asked for.
    newest: String,
    infos: ConfigInfos,
    /// Those whose own keys are to follow.
    converters: Vec<(Role, Known)>,
}

impl<'a> Validation<'a> {
    fn versioned(&self, key: &ConfigKey) -> ConfigKey {
        versioned(key, &self.newest, self.herder.plugins.versions(&*self.plugin))
    }

    fn kind(&self) -> PluginKind {
        self.plugin.info().kind
    }

    fn given(&self, key: &str) -> Given<'a> {
        if self.nulls.iter().any(|k| k == key) { Given::Null } else { Given::of(self.config, key) }
    }

    fn push(&mut self, definition: Definition) {
        let key = &definition.0;
        let checked = key.check(&key.name, &key.name, self.given(&key.name));
        self.infos.configs.push(ConfigInfo::new(definition, checked));
    }

    async fn whole(&mut self) {
        self.infos.groups = common::groups(self.kind());
        self.common_keys();
        self.aliases(Family::Transforms).await;
        self.aliases(Family::Predicates).await;
        if self.kind() == PluginKind::Sink {
            self.topics();
        } else {
            self.delivery();
            self.offsets_topic();
        }
        self.null_values();
        self.own_keys();
        self.converter_keys();
        self.converters_can_be_made();
        self.overrides();
        if self.kind() == PluginKind::Sink {
            self.consumer_group();
        } else {
            self.topic_creation();
        }
        self.extensions();
        let plugin = self.plugin.clone();
        self.asked(&*plugin, self.config, "", "plugin.grants").await;
        self.unknown_keys();
    }

    /// Connect shows no more than the keys that any connector has when it has not the version.
    fn of_another_version(&mut self, why: &str) -> ConfigInfos {
        self.infos.groups = common::SHARED_GROUPS.iter().map(|g| g.to_string()).collect();
        for definition in common::shared() {
            let key = &definition.0;
            match Role::of(&key.name) {
                Some((_, true)) => self.push(ConfigKey { visible: false, ..ConfigKey::clone(key) }.into()),
                _ if key.name == "connector.plugin.version" => self.push(self.versioned(key).into()),
                _ => self.push(definition.clone()),
            }
        }
        self.infos.error("connector.class", why);
        self.infos.error("connector.plugin.version", why);
        std::mem::take(&mut self.infos)
    }

    fn common_keys(&mut self) {
        let all = common::shared().iter().chain(common::of_kind(self.kind()));
        let mut waiting = None;
        for definition in all {
            let name = definition.0.name.as_str();
            match (Role::of(name), waiting.take()) {
                (Some((_, false)), _) => waiting = Some(definition),
                (Some((role, true)), Some(class)) => self.converter(role, class, definition),
                _ if name == "connector.plugin.version" => {
                    let key = self.versioned(&definition.0);
                    self.push(key.into());
                }
                _ => self.push(definition.clone()),
            }
        }
    }

    /// What a source is asked to do beyond at-least-once delivery.
    fn delivery(&mut self) {
        let is = |key: &str, word: &str| self.config.get(key).is_some_and(|v| v.trim().eq_ignore_ascii_case(word));
        let plugin = self.plugin.clone();
        let able = |capability: &str| plugin.info().capabilities.iter().any(|c| c == capability);
        if is("exactly.once.support", "required") {
            if !self.herder.worker.exactly_once_sources {
                self.infos.error("exactly.once.support", "This worker does not have exactly-once source support enabled.");
            } else if !able(EXACTLY_ONCE) {
                let why = "The connector does not support exactly-once semantics with the provided configuration.";
                self.infos.error("exactly.once.support", why);
            }
        }
        if is("transaction.boundary", "connector") && !able(BOUNDARIES) {
            let why = "The connector does not support connector-defined transaction boundaries with the given configuration. \
                       Please reconfigure it to use a different transaction boundary definition.";
            self.infos.error("transaction.boundary", why);
        }
    }

    fn null_values(&mut self) {
        const WHY: &str = "Null value can not be supplied as the configuration value.";
        let mut undefined = Vec::new();
        for name in self.nulls {
            let own = self.plugin.info().config.get(name).is_some();
            match self.infos.get_mut(name) {
                Some(info) => info.errors.push(WHY.into()),
                None if own => {}
                None => {
                    let mut info = ConfigInfo::undefined(name, None);
                    info.errors.push(WHY.into());
                    undefined.push(info);
                }
            }
        }
        self.infos.configs.splice(0..0, undefined);
    }

    /// The plugin's own; one that it shares with the worker keeps its place, and the plugin's word counts.
    fn own_keys(&mut self) {
        let plugin = self.plugin.clone();
        for key in &plugin.info().config.keys {
            let given = self.given(&key.name);
            if key.extension && given == Given::Absent {
                continue;
            }
            let mut checked = key.check(&key.name, &key.name, given);
            if given == Given::Null && key.default == Default::Required {
                checked.errors.push(format!("Invalid value null for configuration {}: it must be given", key.name));
            }
            self.infos.add_group(&key.group);
            let info = ConfigInfo::new(key.clone().into(), checked);
            match self.infos.get_mut(&key.name) {
                Some(shared) => *shared = info,
                None => self.infos.configs.push(info),
            }
        }
    }

    /// The worker's keys beyond Connect's, where they are given.
    fn extensions(&mut self) {
        for definition in common::extensions(self.kind()) {
            let name = &definition.0.name;
            if self.given(name) != Given::Absent && self.infos.get(name).is_none() {
                self.infos.add_group(&definition.0.group);
                self.push(definition.clone());
            }
        }
    }

    /// Whether the version that a key asks for is there; else it is said wherever it belongs.
    fn version(&self, key: &str, known: &Known, errors: &mut [&mut Vec<String>]) -> bool {
        let Given::Text(text) = self.given(key) else { return true };
        let why = match Requirement::parse(text) {
            Ok(Some(required)) if !required.has(known.version()) => {
                no_version(known.class(), &required.to_string(), &known.versions(&self.herder.plugins))
            }
            Ok(_) => return true,
            Err(wrong) => wrong.to_string(),
        };
        errors.iter_mut().for_each(|errors| errors.push(why.clone()));
        false
    }

    /// What the plugin says, and whether it was granted what it imports.
    async fn asked(&mut self, plugin: &dyn Plugin, config: &RawConfig, prefix: &str, grants: &str) {
        if let Err(error) = plugin.check_grants(&list(config, grants)) {
            self.infos.error(&format!("{prefix}{grants}"), error.message);
            return;
        }
        match plugin.validate(config).await {
            Ok(issues) => {
                for issue in issues {
                    let key = format!("{prefix}{}", issue.name);
                    // The definition has spoken: the plugin's word on the same key would be of the same mistake.
                    if self.infos.get(&key).is_some_and(|c| !c.errors.is_empty()) {
                        continue;
                    }
                    self.infos.error(&key, issue.message);
                    if let Some(info) = self.infos.get_mut(&key).filter(|_| !issue.recommended.is_empty()) {
                        info.recommended = info.recommended.iter().cloned().chain(issue.recommended).collect();
                    }
                }
            }
            Err(TaskError { message, field, .. }) => {
                let key = if prefix.is_empty() { "connector.class".to_owned() } else { format!("{prefix}type") };
                let field = field.map_or(key, |f| format!("{prefix}{f}"));
                let name = &plugin.info().name;
                self.infos.error(&field, format!("plugin \"{name}\" cannot validate its configuration: {message}"));
            }
        }
    }

    /// Keys that nobody has defined are shown, so that an option without effect is seen.
    fn unknown_keys(&mut self) {
        let known: HashSet<&str> = self.infos.configs.iter().map(ConfigInfo::name).collect();
        let bindings: HashSet<&str> =
            self.plugin.info().bindings.iter().flat_map(|b| b.parts.iter().map(|(_, key)| key.as_str())).collect();
        let (mut of_family, mut unknown) = (Vec::new(), Vec::new());
        for (name, value) in self.config.iter().filter(|(k, _)| !known.contains(k.as_str())) {
            if bindings.contains(name.as_str()) {
                continue;
            }
            let family = |k: &&ConfigKey| k.begins.as_ref().is_some_and(|prefix| name.starts_with(prefix));
            if let Some(key) = self.plugin.info().config.keys.iter().find(family) {
                let key = ConfigKey { name: name.clone(), display_name: name.clone(), ..key.clone() };
                let checked = key.check(name, name, Given::Text(value));
                of_family.push(ConfigInfo::new(key.into(), checked));
                continue;
            }
            let documentation = "Warning: this setting is not known to the worker or the plugin, and has no effect.";
            let key = infos::unknown(name, documentation);
            let value = Parsed::new(key.kind, value).ok();
            let checked = millrace_record::config::Checked { value, errors: Vec::new() };
            unknown.push(ConfigInfo::new(key.into(), checked));
        }
        self.infos.unknown = unknown.iter().map(|info| info.name().to_owned()).collect();
        self.infos.configs.extend(of_family.into_iter().chain(unknown));
    }
}

#[cfg(test)]
mod tests;
