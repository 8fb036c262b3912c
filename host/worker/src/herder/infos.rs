//! Connect's `ConfigInfos`: every key of a configuration with its definition, its value and what is wrong with it.

use millrace_record::config::{ConfigKey, ConfigType, Default, Importance};
use serde_json::{Value, json};

/// A key's definition, as `GET /connector-plugins/P/config` shows it.
#[derive(Debug, Clone)]
pub struct Definition {
    pub key: ConfigKey,
    /// NONE, SHORT, MEDIUM, LONG: how wide a form shows it.
    pub width: &'static str,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct ConfigInfo {
    pub definition: Definition,
    /// None: not given and no default, or not of its type.
    pub value: Option<String>,
    pub recommended: Vec<String>,
    pub errors: Vec<String>,
}

/// What validating a configuration gives.
#[derive(Debug, Clone)]
pub struct ConfigInfos {
    pub name: String,
    pub groups: Vec<String>,
    pub configs: Vec<ConfigInfo>,
}

fn type_name(kind: ConfigType) -> &'static str {
    match kind {
        ConfigType::Boolean => "BOOLEAN",
        ConfigType::String => "STRING",
        ConfigType::Int => "INT",
        ConfigType::Short => "SHORT",
        ConfigType::Long => "LONG",
        ConfigType::Double => "DOUBLE",
        ConfigType::List => "LIST",
        ConfigType::Class => "CLASS",
        ConfigType::Password => "PASSWORD",
    }
}

/// A value as Connect prints it: trimmed, passwords hidden.
pub fn shown(kind: ConfigType, value: &str) -> String {
    match kind {
        ConfigType::Password => "[hidden]".to_owned(),
        ConfigType::Boolean => value.trim().to_ascii_lowercase(),
        ConfigType::List => value.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        _ => value.trim().to_owned(),
    }
}

impl Definition {
    /// Of a plugin's own key.
    pub fn of(key: &ConfigKey) -> Self {
        Definition { key: key.clone(), width: "NONE" }
    }

    pub fn json(&self) -> Value {
        let key = &self.key;
        json!({
            "name": key.name,
            "type": type_name(key.kind),
            "required": key.default == Default::Required,
            "default_value": match &key.default {
                Default::Value(v) => Value::from(shown(key.kind, v)),
                Default::Required | Default::Null => Value::Null,
            },
            "importance": match key.importance {
                Importance::High => "HIGH",
                Importance::Medium => "MEDIUM",
                Importance::Low => "LOW",
            },
            "documentation": key.documentation,
            "group": key.group,
            "order_in_group": if key.group.is_some() { i64::from(key.order) } else { -1 },
            "width": self.width,
            "display_name": key.display_name,
            "dependents": key.dependents,
        })
    }
}

impl ConfigInfo {
    pub fn new(definition: Definition, given: Option<&String>) -> Self {
        let key = &definition.key;
        let value = given.map(String::as_str).or(match &key.default {
            Default::Value(v) => Some(v.as_str()),
            Default::Required | Default::Null => None,
        });
        let value = value.map(|v| shown(key.kind, v));
        let recommended = key.allowed.clone();
        ConfigInfo { definition, value, recommended, errors: Vec::new() }
    }

    pub fn name(&self) -> &str {
        &self.definition.key.name
    }

    fn json(&self) -> Value {
        json!({
            "definition": self.definition.json(),
            "value": {
                "name": self.name(),
                "value": self.value,
                "recommended_values": self.recommended,
                "errors": self.errors,
                "visible": true,
            },
        })
    }
}

impl ConfigInfos {
    pub fn error_count(&self) -> usize {
        self.configs.iter().map(|c| c.errors.len()).sum()
    }

    /// Puts an error at its key; at a key of its own when there is none of that name.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let message = message.into();
        match self.configs.iter_mut().find(|c| c.name() == key) {
            Some(info) => {
                if !info.errors.contains(&message) {
                    info.errors.push(message)
                }
            }
            None => {
                let mut info = ConfigInfo::new(Definition { key: unknown(key, ""), width: "NONE" }, None);
                info.errors.push(message);
                self.configs.push(info);
            }
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "error_count": self.error_count(),
            "groups": self.groups,
            "configs": self.configs.iter().map(ConfigInfo::json).collect::<Vec<_>>(),
        })
    }
}

/// The definition of a key that nobody has defined.
pub fn unknown(name: &str, documentation: &str) -> ConfigKey {
    ConfigKey {
        name: name.to_owned(),
        kind: if crate::config::secret(name) { ConfigType::Password } else { ConfigType::String },
        default: Default::Null,
        importance: Importance::Low,
        documentation: documentation.to_owned(),
        group: None,
        order: 0,
        display_name: name.to_owned(),
        dependents: Vec::new(),
        allowed: Vec::new(),
    }
}
