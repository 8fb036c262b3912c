//! Validates a connector's configuration: pure, every error at once, each at its key.
//!
//! Common keys, the keys of every transform and predicate, converters, client overrides, the plugin's own definition, what
//! the plugin says of it, and what it imports beyond its grants. References are resolved first, as in Connect; the answer
//! shows them as they were written. No server is reached.

use std::collections::HashSet;
use std::sync::Arc;

use millrace_record::config::ConfigDef;
use millrace_record::convert::BuiltIn;
use millrace_record::{Plugin, PluginKind, RawConfig, TaskError};

use super::infos::{ConfigInfo, ConfigInfos, Definition, unknown};
use super::{Herder, HerderError, common};
use crate::errors::queue_name::QueueName;
use crate::kafka::client::ClientKind;
use crate::pattern::Pattern;
use crate::plugins::{PREDICATES, class};
use crate::providers::Resolved;
use crate::secrets::HIDDEN;
use crate::task::PluginLookup;

/// Elements of a list setting.
fn list(config: &RawConfig, key: &str) -> Vec<String> {
    let text = config.get(key).map(String::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

fn given<'a>(config: &'a RawConfig, key: &str) -> Option<&'a str> {
    config.get(key).map(|v| v.trim()).filter(|v| !v.is_empty())
}

/// The keys below `prefix`, without it.
fn below(config: &RawConfig, prefix: &str) -> RawConfig {
    config.iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone()))).collect()
}

impl Herder {
    pub async fn validate(&self, config: &RawConfig) -> Result<ConfigInfos, HerderError> {
        if given(config, "connector.class").is_none() {
            let shown: Vec<_> =
                config.iter().map(|(k, v)| format!("{k}={}", if crate::config::secret(k) { "[hidden]" } else { v })).collect();
            let message = format!("Connector config {{{}}} contains no connector type", shown.join(", "));
            return Err(HerderError::BadRequest(message));
        }
        let resolved = self.resolve(config).await?;
        let mut infos = self.validate_resolved(&resolved.config).await.map_err(|error| match error {
            HerderError::BadRequest(text) => HerderError::BadRequest(resolved.concealed(&text)),
            error => error,
        })?;
        conceal(&mut infos, &resolved);
        Ok(infos)
    }

    async fn validate_resolved(&self, config: &RawConfig) -> Result<ConfigInfos, HerderError> {
        let plugin = self.plugin(config).map_err(HerderError::BadRequest)?;
        let kind = plugin.info().kind;
        let mut infos = ConfigInfos { name: class(&*plugin).to_owned(), groups: common::groups(kind), configs: Vec::new() };

        self.common_keys(config, &plugin, &mut infos);
        if kind == PluginKind::Sink {
            topics(config, &mut infos);
        }
        for alias in aliases(config, "transforms", &mut infos) {
            self.transform(config, &alias, &mut infos).await;
        }
        for alias in aliases(config, "predicates", &mut infos) {
            predicate(config, &alias, &mut infos);
        }
        self.converters(config, &mut infos);
        self.overrides(config, &mut infos);
        defined(config, "", &plugin.info().config, &mut infos);
        asked(&*plugin, config, "", "plugin.grants", &mut infos).await;
        unknown_keys(config, &mut infos);
        Ok(infos)
    }

    fn common_keys(&self, config: &RawConfig, plugin: &Arc<dyn Plugin>, infos: &mut ConfigInfos) {
        let kind = plugin.info().kind;
        let definitions = common::definitions(kind);
        // A plugin may define a key of this name itself: its word counts.
        let definitions: Vec<_> = definitions.into_iter().filter(|d| plugin.info().config.get(&d.key.name).is_none()).collect();
        let def = ConfigDef { keys: definitions.iter().map(|d| d.key.clone()).collect() };
        for definition in definitions {
            let given = config.get(&definition.key.name);
            let mut info = ConfigInfo::new(definition, given);
            // Converters that are not given are the worker's.
            let worker = self.worker.raw.get(info.name()).filter(|_| given.is_none() && info.name().ends_with(".converter"));
            if let Some(worker) = worker {
                info.value = Some(worker.clone());
            }
            infos.configs.push(info);
        }
        for issue in def.validate(config) {
            if let Some(info) = infos.configs.iter_mut().find(|c| c.name() == issue.name) {
                info.value = None;
            }
            let not_a_number = issue.name == "tasks.max" && issue.message.contains("Not a number");
            infos.error(&issue.name, issue.message);
            if not_a_number {
                infos.error("tasks.max", "Invalid value null for configuration tasks.max: Value must be non-null");
            }
        }
        for (key, least) in common::AT_LEAST {
            let below = given(config, key).and_then(|v| v.parse::<i64>().ok()).filter(|n| n < least);
            if let Some(n) = below {
                infos.error(key, format!("Invalid value {n} for configuration {key}: Value must be at least {least}"));
            }
        }
        if config.get("name").is_some_and(|n| n.trim().is_empty()) {
            infos.error("name", "Invalid value  for configuration name: String may not be empty");
        }
        if let Some(name) = config.get("name").filter(|n| n.chars().any(char::is_control)) {
            let shown = name.escape_debug();
            infos
                .error("name", format!("Invalid value {shown} for configuration name: String may not contain control sequences"));
        }
        if given(config, "exactly.once.support") == Some("required") {
            infos.error(
                "exactly.once.support",
                "Invalid value required for configuration exactly.once.support: sources deliver at least once; set \"requested\"",
            );
        }
        if given(config, "offsets.storage.topic").is_some() {
            let message = "Invalid value for configuration offsets.storage.topic: offsets of all connectors are kept in the worker's \"offset.storage.topic\"; leave the setting out";
            infos.error("offsets.storage.topic", message);
        }
        if let Some(version) = given(config, "connector.plugin.version").filter(|v| *v != plugin.info().version) {
            let have = &plugin.info().version;
            infos.error(
                "connector.plugin.version",
                format!("Invalid value {version} for configuration connector.plugin.version: the installed version is {have}"),
            );
        }
    }

    async fn transform(&self, config: &RawConfig, alias: &str, infos: &mut ConfigInfos) {
        let prefix = format!("transforms.{alias}.");
        alias_keys(config, "transforms", alias, infos);
        let key = |name: &str| format!("{prefix}{name}");
        if let Some(predicate) = given(config, &key("predicate"))
            && !list(config, "predicates").iter().any(|p| p == predicate)
        {
            let message =
                format!("Invalid value {predicate} for configuration {prefix}predicate: \"predicates\" does not list it");
            infos.error(&key("predicate"), message);
        }
        let Some(class) = given(config, &key("type")) else { return };
        let plugin = match self.plugins.find(class, PluginKind::Transform) {
            Ok(plugin) => plugin,
            Err(error) => {
                let message = format!(
                    "Invalid value {class} for configuration {prefix}type: Class {class} could not be found. {}",
                    error.message
                );
                infos.error(&key("type"), message);
                return;
            }
        };
        defined(config, &prefix, &plugin.info().config, infos);
        asked(&*plugin, &below(config, &prefix), &prefix, "grants", infos).await;
    }

    fn converters(&self, config: &RawConfig, infos: &mut ConfigInfos) {
        for (key, is_key) in [("key.converter", true), ("value.converter", false)] {
            // A connector that names a converter has that one's settings; else all are the worker's.
            let (class, settings) = match given(config, key) {
                Some(class) => (class, config),
                None => (self.worker.raw.get(key).map(String::as_str).unwrap_or_default(), &self.worker.raw),
            };
            let settings = below(settings, &format!("{key}."));
            if let Err(why) = (self.runtime.converters)(class, is_key, &settings, &self.runtime.schemas) {
                infos.error(key, format!("Invalid value {class} for configuration {key}: {why}"));
            }
        }
        if let Some(class) = given(config, "header.converter") {
            if !BuiltIn::find(class).is_some_and(|b| b.header) {
                infos.error(
                    "header.converter",
                    format!("Invalid value {class} for configuration header.converter: Class {class} could not be found."),
                );
            }
        }
    }

    /// Overrides that the policy forbids, and those that have no effect.
    fn overrides(&self, config: &RawConfig, infos: &mut ConfigInfos) {
        let policy = &self.worker.override_policy;
        for kind in ClientKind::ALL {
            let prefix = format!("{}.override.", kind.name());
            for key in config.keys().filter(|k| k.starts_with(&prefix)) {
                let name = &key[prefix.len()..];
                if !policy.allows(name) {
                    infos.error(
                        key,
                        format!(
                            "The '{}' policy does not allow '{name}' to be overridden in the connector configuration.",
                            policy.name()
                        ),
                    );
                }
            }
        }
    }
}

/// What a sink consumes.
fn topics(config: &RawConfig, infos: &mut ConfigInfos) {
    let (topics, regex) = (list(config, "topics"), given(config, "topics.regex"));
    let both = ["topics", "topics.regex"];
    match (topics.is_empty(), regex) {
        (true, None) => both.iter().for_each(|k| infos.error(k, "Must configure one of topics or topics.regex")),
        (false, Some(_)) => {
            both.iter().for_each(|k| infos.error(k, "topics and topics.regex are mutually exclusive options, but both are set."))
        }
        _ => {}
    }
    if let Some(error) = regex.and_then(|r| Pattern::new(r).err()) {
        let value = regex.unwrap_or_default();
        infos.error("topics.regex", format!("Invalid value {value} for configuration topics.regex: {error}"));
    }
    if let Some(queue) = given(config, "errors.deadletterqueue.topic.name") {
        let key = "errors.deadletterqueue.topic.name";
        let connector = given(config, "name").unwrap_or_default();
        let queues = match QueueName::parse(queue) {
            Ok(name) => name.known(&topics, connector),
            Err(why) => {
                infos.error(key, format!("Invalid value {queue} for configuration {key}: {why}"));
                Vec::new()
            }
        };
        if let Some(queue) = queues.iter().find(|q| topics.contains(q)) {
            let topics = topics.join(", ");
            infos.error(
                "topics",
                format!(
                    "The DLQ topic '{queue}' may not be included in the list of topics ('topics=[{topics}]') consumed by the connector"
                ),
            );
        }
        if let Some(regex) = regex
            && let Ok(pattern) = Pattern::new(regex)
            && let Some(queue) = queues.iter().find(|q| pattern.matches(q))
        {
            infos.error(
                "topics.regex",
                format!(
                    "The DLQ topic '{queue}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
                ),
            );
        }
    }
}

/// The aliases of a list, each once.
fn aliases(config: &RawConfig, family: &str, infos: &mut ConfigInfos) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut aliases = list(config, family);
    aliases.retain(|alias| {
        let first = seen.insert(alias.clone());
        if !first {
            let value = config.get(family).map(String::as_str).unwrap_or_default();
            infos.error(family, format!("Invalid value {value} for configuration {family}: Duplicate alias provided."));
        }
        first
    });
    let noun = if family == "transforms" { "Transforms" } else { "Predicates" };
    infos.groups.extend(aliases.iter().map(|a| format!("{noun}: {a}")));
    aliases
}

fn alias_keys(config: &RawConfig, family: &str, alias: &str, infos: &mut ConfigInfos) {
    let definitions = common::of_alias(family, alias);
    let def = ConfigDef { keys: definitions.iter().map(|d| d.key.clone()).collect() };
    infos.configs.extend(definitions.into_iter().map(|d| {
        let given = config.get(&d.key.name);
        ConfigInfo::new(d, given)
    }));
    for issue in def.validate(config) {
        infos.error(&issue.name, issue.message);
    }
}

fn predicate(config: &RawConfig, alias: &str, infos: &mut ConfigInfos) {
    alias_keys(config, "predicates", alias, infos);
    let prefix = format!("predicates.{alias}.");
    let key = format!("{prefix}type");
    let Some(class) = given(config, &key) else { return };
    let simple = |c: &str| c.rsplit('.').next().unwrap_or(c).to_owned();
    let Some(known) = PREDICATES.iter().find(|p| **p == class || simple(p) == class) else {
        infos.error(&key, format!("Invalid value {class} for configuration {key}: Class {class} could not be found."));
        return;
    };
    let option = match simple(known).as_str() {
        "TopicNameMatches" => "pattern",
        "HasHeaderKey" => "name",
        _ => return,
    };
    let key = format!("{prefix}{option}");
    let definition = Definition { key: unknown(&key, "What the predicate looks for."), width: "NONE" };
    infos.configs.push(ConfigInfo::new(definition, config.get(&key)));
    match given(config, &key) {
        None => infos.error(&key, format!("Missing required configuration \"{option}\" which has no default value.")),
        Some(pattern) if option == "pattern" => {
            if let Err(error) = regex::Regex::new(pattern) {
                infos.error(&key, format!("Invalid value {pattern} for configuration {key}: {error}"));
            }
        }
        Some(_) => {}
    }
}

/// A plugin's own keys; `prefix` is that of a transform.
fn defined(config: &RawConfig, prefix: &str, def: &ConfigDef, infos: &mut ConfigInfos) {
    for key in &def.keys {
        let mut definition = Definition::of(key);
        definition.key.name = format!("{prefix}{}", key.name);
        if !prefix.is_empty() {
            definition.key.group =
                Some(format!("Transforms: {}", prefix.trim_start_matches("transforms.").trim_end_matches('.')));
        }
        let given = config.get(&definition.key.name);
        infos.configs.push(ConfigInfo::new(definition, given));
    }
    let own = if prefix.is_empty() { config.clone() } else { below(config, prefix) };
    for issue in def.validate(&own) {
        let hidden = def.get(&issue.name).is_some_and(|k| k.kind == millrace_record::config::ConfigType::Password);
        let message = match own.get(&issue.name) {
            Some(value) if hidden && !value.is_empty() => issue.message.replace(value.as_str(), "[hidden]"),
            _ => issue.message,
        };
        infos.error(&format!("{prefix}{}", issue.name), message);
    }
}

/// What the plugin says, and whether it was granted what it imports.
async fn asked(plugin: &dyn Plugin, config: &RawConfig, prefix: &str, grants: &str, infos: &mut ConfigInfos) {
    if let Err(error) = plugin.check_grants(&list(config, grants)) {
        infos.error(&format!("{prefix}{grants}"), error.message);
        return;
    }
    match plugin.validate(config).await {
        Ok(issues) => {
            for issue in issues {
                let key = format!("{prefix}{}", issue.name);
                // The definition has spoken: the plugin's word on the same key would be of the same mistake.
                if infos.configs.iter().any(|c| c.name() == key && !c.errors.is_empty()) {
                    continue;
                }
                infos.error(&key, issue.message);
                if let Some(info) = infos.configs.iter_mut().find(|c| c.name() == key) {
                    info.recommended.extend(issue.recommended);
                }
            }
        }
        Err(TaskError { message, field, .. }) => {
            let key = if prefix.is_empty() { "connector.class".to_owned() } else { format!("{prefix}type") };
            let field = field.map_or(key, |f| format!("{prefix}{f}"));
            infos.error(&field, format!("plugin \"{}\" cannot validate its configuration: {message}", plugin.info().name));
        }
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

/// Keys that nobody has defined are shown, so that an option without effect is seen.
fn unknown_keys(config: &RawConfig, infos: &mut ConfigInfos) {
    let known: HashSet<_> = infos.configs.iter().map(|c| c.name().to_owned()).collect();
    let unknown_keys = config.iter().filter(|(k, _)| !known.contains(*k) && !common::PREFIXES.iter().any(|p| k.starts_with(p)));
    let unknown_keys: Vec<_> = unknown_keys
        .map(|(key, value)| {
            let documentation = "This setting is not known to the worker or the plugin and has no effect.";
            ConfigInfo::new(Definition { key: unknown(key, documentation), width: "NONE" }, Some(value))
        })
        .collect();
    for info in &unknown_keys {
        tracing::warn!(connector = config.get("name"), setting = info.name(), "unknown setting has no effect");
    }
    infos.configs.extend(unknown_keys);
}
