//! Configuration definitions, in the shape of Connect's `ConfigDef`: each key is declared once with type, default,
//! importance, validators and documentation, and validation, the REST answers and the reference come from it.

mod check;
mod value;

use crate::RawConfig;

pub use check::{Checked, Given, Validator};
pub use value::Parsed;

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

/// How wide a form shows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, std::default::Default)]
pub enum Width {
    #[default]
    None,
    Short,
    Medium,
    Long,
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
    pub width: Width,
    pub display_name: String,
    pub dependents: Vec<String>,
    /// Allowed values; empty: any.
    pub allowed: Vec<String>,
    /// What else a value must be.
    pub validators: Vec<Validator>,
    /// Values to choose from, which does not forbid others.
    pub recommended: Vec<String>,
    /// Whether a form shows it.
    pub visible: bool,
    /// It is not of the class that the plugin stands for: a validated configuration lists it only when it is given, so
    /// that who asks for the class finds the class's keys.
    pub extension: bool,
    /// Names that begin so are of this key too, which then is there for their documentation.
    pub begins: Option<String>,
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

    /// The value of a key: what was given, without white space around it, else its default.
    pub fn value<'a>(&'a self, config: &'a RawConfig, name: &str) -> Option<&'a str> {
        config.get(name).map(|v| v.trim()).or_else(|| match &self.get(name)?.default {
            Default::Value(v) => Some(v.as_str()),
            Default::Required | Default::Null => None,
        })
    }

    /// Every wrong setting at once: missing required keys, values that are not of their type or not allowed. What is given
    /// twice in a list counts once, as where Connect makes something of its settings.
    pub fn validate(&self, config: &RawConfig) -> Vec<ConfigIssue> {
        let of = |key: &ConfigKey| {
            let once = config.get(&key.name).filter(|_| key.is_distinct()).map(|text| distinct(text));
            let given = once.as_deref().map_or(Given::of(config, &key.name), Given::Text);
            let errors = key.check(&key.name, &key.name, given).errors;
            let issue = |message| ConfigIssue { name: key.name.clone(), message, recommended: key.allowed.clone() };
            errors.into_iter().map(issue).collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(of).collect()
    }
}

/// The elements of a list, each once.
fn distinct(list: &str) -> String {
    let mut seen = std::collections::HashSet::new();
    list.split(',').map(str::trim).filter(|e| seen.insert(*e)).collect::<Vec<_>>().join(",")
}

impl ConfigKey {
    pub fn new(
        name: impl Into<String>,
        kind: ConfigType,
        default: Default,
        importance: Importance,
        documentation: impl Into<String>,
    ) -> Self {
        let name = name.into();
        ConfigKey {
            display_name: name.clone(),
            name,
            kind,
            default,
            importance,
            documentation: documentation.into(),
            group: None,
            order: 0,
            width: Width::None,
            dependents: Vec::new(),
            allowed: Vec::new(),
            validators: Vec::new(),
            recommended: Vec::new(),
            visible: true,
            extension: false,
            begins: None,
        }
    }

    /// Its place in a form.
    pub fn shown(mut self, group: Option<&str>, order: u32, width: Width, display_name: &str) -> Self {
        self.group = group.map(Into::into);
        self.order = order;
        self.width = width;
        self.display_name = display_name.into();
        self
    }

    fn is_distinct(&self) -> bool {
        self.validators.iter().any(|v| matches!(v, Validator::Distinct { .. }))
    }

    /// One more thing that a value must be.
    pub fn must(mut self, validator: Validator) -> Self {
        self.validators.push(validator);
        self
    }

    /// The only values it may have.
    pub fn allowed<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed = values.into_iter().map(Into::into).collect();
        self
    }
}

#[cfg(test)]
mod tests;
