//! Configuration definitions, in the shape of Connect's `ConfigDef`: each key is declared once with type, default,
//! importance and documentation, and validation, the REST answers and the reference come from it.

use crate::RawConfig;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// What a key has when it is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// It must be given.
    Required,
    Null,
    Value(String),
}

#[derive(Debug, Clone)]
pub struct ConfigKey {
    pub name: String,
    pub kind: ConfigType,
    pub default: Default,
    pub importance: Importance,
    pub documentation: String,
    pub group: Option<String>,
    pub order: u32,
    pub display_name: String,
    pub dependents: Vec<String>,
    /// Allowed values; empty: any.
    pub allowed: Vec<String>,
}

/// A wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigIssue {
    pub name: String,
    /// Names the value and the remedy.
    pub message: String,
    pub recommended: Vec<String>,
}

/// The keys of a connector, transform, converter or worker.
#[derive(Debug, Clone, std::default::Default)]
pub struct ConfigDef {
    pub keys: Vec<ConfigKey>,
}

impl ConfigDef {
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|k| k.name == name)
    }

    /// The value of a key: what was given, else its default.
    pub fn value<'a>(&'a self, config: &'a RawConfig, name: &str) -> Option<&'a str> {
        config.get(name).map(String::as_str).or_else(|| match &self.get(name)?.default {
            Default::Value(v) => Some(v.as_str()),
            Default::Required | Default::Null => None,
        })
    }

    /// Every wrong setting at once: missing required keys, values that are not of their type or not allowed.
    pub fn validate(&self, config: &RawConfig) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        for key in &self.keys {
            let issue = |message: String| ConfigIssue { name: key.name.clone(), message, recommended: key.allowed.clone() };
            match config.get(&key.name) {
                None if key.default == Default::Required => {
                    issues.push(issue(format!("Missing required configuration \"{}\" which has no default value.", key.name)))
                }
                None => {}
                Some(value) => {
                    if let Err(why) = key.kind.check(value) {
                        issues.push(issue(format!("Invalid value {value} for configuration {}: {why}", key.name)));
                    } else if !key.allowed.is_empty() && !key.allowed.iter().any(|a| a == value) {
                        issues.push(issue(format!(
                            "Invalid value {value} for configuration {}: String must be one of: {}",
                            key.name,
                            key.allowed.join(", ")
                        )));
                    }
                }
            }
        }
        issues
    }
}

impl ConfigType {
    /// Connect's texts for a value of the wrong type.
    fn check(self, value: &str) -> Result<(), &'static str> {
        let v = value.trim();
        let number = |ok: bool, what| if ok { Ok(()) } else { Err(what) };
        match self {
            ConfigType::Boolean => number(
                v.eq_ignore_ascii_case("true") || v.eq_ignore_ascii_case("false"),
                "Expected value to be either true or false",
            ),
            ConfigType::Int => number(v.parse::<i32>().is_ok(), "Not a number of type INT"),
            ConfigType::Short => number(v.parse::<i16>().is_ok(), "Not a number of type SHORT"),
            ConfigType::Long => number(v.parse::<i64>().is_ok(), "Not a number of type LONG"),
            ConfigType::Double => number(v.parse::<f64>().is_ok(), "Not a number of type DOUBLE"),
            ConfigType::String | ConfigType::List | ConfigType::Class | ConfigType::Password => Ok(()),
        }
    }
}
