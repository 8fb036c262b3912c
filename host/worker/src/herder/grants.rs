//! What a connector's plugins need, what they were granted and by whom, and what the grants reach.

use millrace_record::{Needed, Plugin, PluginKind, RawConfig};
use serde_json::{Map, Value, json};

use super::{Herder, HerderError};
use crate::transforms::{below, list};

/// The settings that say how far a grant reaches; a transform has them without `plugin.`.
const REACH: [(&str, &str); 3] =
    [("http", "plugin.http.hosts"), ("http", "plugin.http.secrets.plain"), ("kafka", "plugin.kafka.topics")];

impl Herder {
    /// The grants of a connector: its own plugin's, then those of its transforms.
    pub fn grants_of(&self, name: &str) -> Result<Value, HerderError> {
        let config = self.state(name)?.config;
        let mut plugins = Vec::new();
        let own = self.plugin(&config).map_err(HerderError::Failed)?;
        plugins.push(plugin_json(&*own, None, &config, &list(config.get("plugin.grants"))));
        for alias in list(config.get("transforms")) {
            let keys = below(&config, &format!("transforms.{alias}."));
            let class = keys.get("type").map(String::as_str).unwrap_or_default();
            let version = keys.get("plugin.version").map(String::as_str);
            let plugin = self.runtime.plugins.find(class, PluginKind::Transform, version);
            let plugin = plugin.map_err(|e| HerderError::Failed(e.message))?;
            plugins.push(plugin_json(&*plugin, Some(&alias), &keys, &list(keys.get("grants"))));
        }
        Ok(json!({"name": name, "plugins": plugins}))
    }
}

fn plugin_json(plugin: &dyn Plugin, alias: Option<&str>, config: &RawConfig, granted: &[String]) -> Value {
    let info = plugin.info();
    let capabilities: Vec<Value> =
        plugin.needs().iter().map(|need| capability_json(plugin, need, alias, config, granted)).collect();
    json!({"transform": alias, "plugin": info.name, "version": info.version, "capabilities": capabilities})
}

fn capability_json(plugin: &dyn Plugin, need: &Needed, alias: Option<&str>, config: &RawConfig, granted: &[String]) -> Value {
    let prefix = alias.map(|alias| format!("transforms.{alias}.")).unwrap_or_default();
    let setting = alias.map_or("plugin.grants".to_owned(), |_| format!("{prefix}grants"));
    let by = match (granted.contains(&need.capability), need.beside) {
        (true, _) => Some(setting),
        (false, true) => Some("the file beside the component".to_owned()),
        (false, false) => None,
    };
    let mut settings = Map::new();
    for (_, key) in REACH.iter().filter(|(capability, _)| *capability == need.capability) {
        let own = if alias.is_some() { key.trim_start_matches("plugin.") } else { key };
        if let Some(value) = config.get(own) {
            settings.insert(format!("{prefix}{own}"), value.clone().into());
        }
    }
    let bindings = plugin.info().bindings.iter().filter(|b| b.capability == need.capability);
    let bindings: Vec<Value> = bindings
        .map(|b| {
            let keys: Vec<String> = b.parts.iter().map(|(_, key)| format!("{prefix}{key}")).collect();
            json!({"name": b.name, "keys": keys})
        })
        .collect();
    json!({
        "name": need.capability,
        "import": need.import,
        "granted": by.is_some() && need.allowed,
        "by": by,
        "allowed": need.allowed,
        "settings": settings,
        "bindings": bindings,
    })
}
