//! Settings of subjects, contexts and all: what compatibility is asked for, and what else a registration goes by.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::compatibility::Level;

/// As it is stored and answered. What is not set here may be set for the context or for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The subject that is meant where this one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_level: Option<Level>,
    /// A property of metadata: only versions with the same value of it are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<Value>,
}

const FIELDS: [&str; 9] = [
    "alias",
    "normalize",
    "validateFields",
    "compatibilityLevel",
    "compatibilityGroup",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
];

impl Config {
    /// This one, and where it says nothing, the other.
    pub fn or(&self, other: &Config) -> Config {
        let (a, b) = (self.clone(), other.clone());
        Config {
            // An alias is of one subject alone.
            alias: a.alias,
            normalize: a.normalize.or(b.normalize),
            validate_fields: a.validate_fields.or(b.validate_fields),
            compatibility_level: a.compatibility_level.or(b.compatibility_level),
            compatibility_group: a.compatibility_group.or(b.compatibility_group),
            default_metadata: a.default_metadata.or(b.default_metadata),
            override_metadata: a.override_metadata.or(b.override_metadata),
            default_rule_set: a.default_rule_set.or(b.default_rule_set),
            override_rule_set: a.override_rule_set.or(b.override_rule_set),
        }
    }

    pub fn level(&self) -> Level {
        self.compatibility_level.unwrap_or_default()
    }

    /// This one with what a request changes: what it does not name stays, what it names as null is taken back.
    pub fn updated(&self, request: &Map<String, Value>) -> Result<Config, ApiError> {
        let mut map = match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        for (name, value) in request {
            let name = if name == "compatibility" { "compatibilityLevel" } else { name.as_str() };
            if !FIELDS.contains(&name) {
                continue;
            }
            let value = match value {
                Value::Null => {
                    map.remove(name);
                    continue;
                }
                Value::String(level) if name == "compatibilityLevel" => {
                    level.parse::<Level>().map_err(|()| ApiError::invalid_level())?.to_string().into()
                }
                _ if name == "compatibilityLevel" => return Err(ApiError::invalid_level()),
                value => value.clone(),
            };
            map.insert(name.to_owned(), value);
        }
        serde_json::from_value(Value::Object(map)).map_err(|e| ApiError::unprocessable(format!("Invalid configuration: {e}")))
    }

    /// As `PUT` answers it: with the level under the request's name.
    pub fn echo(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut()
            && let Some(level) = map.shift_remove("compatibilityLevel")
        {
            map.insert("compatibility".into(), level);
        }
        value
    }
}

/// `metadata` of a schema as the settings have it: under the default's, what is given, and over both the override's.
pub fn merged_metadata(default: Option<&Value>, given: Option<&Value>, above: Option<&Value>) -> Option<Value> {
    let mut merged: Option<Value> = None;
    for layer in [default, given, above].into_iter().flatten() {
        let Value::Object(layer) = layer else { continue };
        let into = merged.get_or_insert_with(|| Value::Object(Map::new())).as_object_mut().expect("made as an object");
        for (part, value) in layer {
            match (into.get_mut(part), value) {
                (_, Value::Null) => {}
                (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
                (Some(Value::Array(there)), Value::Array(more)) => {
                    let new: Vec<_> = more.iter().filter(|m| !there.contains(m)).cloned().collect();
                    there.extend(new);
                }
                (Some(there), value) => *there = value.clone(),
                (None, value) => drop(into.insert(part.clone(), value.clone())),
            }
        }
    }
    merged
}

/// `ruleSet` likewise; a rule goes before those of its name in the layers below.
pub fn merged_rules(default: Option<&Value>, given: Option<&Value>, above: Option<&Value>) -> Option<Value> {
    let mut merged: Option<Value> = None;
    for layer in [default, given, above].into_iter().flatten() {
        let Value::Object(layer) = layer else { continue };
        let into = merged.get_or_insert_with(|| Value::Object(Map::new())).as_object_mut().expect("made as an object");
        for (kind, rules) in layer {
            match (into.get_mut(kind), rules) {
                (_, Value::Null) => {}
                (Some(Value::Array(there)), Value::Array(rules)) => {
                    there.retain(|old| !rules.iter().any(|r| r["name"] == old["name"]));
                    there.extend(rules.clone());
                }
                (Some(there), rules) => *there = rules.clone(),
                (None, rules) => drop(into.insert(kind.clone(), rules.clone())),
            }
        }
    }
    merged
}
