//! Connect's `ConfigInfos`: every key of a configuration with its definition, its value and what is wrong with it.

use std::sync::Arc;

use millrace_record::config::{Checked, ConfigKey, ConfigType, Default, Importance, Parsed, Width};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A key's definition, as `GET /connector-plugins/P/config` shows it.
#[derive(Debug, Clone)]
pub struct Definition(pub Arc<ConfigKey>);

impl From<ConfigKey> for Definition {
    fn from(key: ConfigKey) -> Self {
        Definition(Arc::new(key))
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct ConfigInfo {
    name: String,
    /// None: nobody has defined it.
    pub definition: Option<Definition>,
    /// None: not given and no default, or not of its type.
    pub value: Option<String>,
    pub recommended: Arc<[String]>,
    pub errors: Vec<String>,
    pub visible: bool,
}

/// What validating a configuration gives.
#[derive(Debug, Clone, std::default::Default)]
pub struct ConfigInfos {
    pub name: String,
    pub groups: Vec<String>,
    pub configs: Vec<ConfigInfo>,
    /// Keys of `configs` that nobody knows: they have no effect.
    pub unknown: Vec<String>,
}

impl ConfigInfo {
    pub fn new(definition: Definition, checked: Checked) -> Self {
        let key = &definition.0;
        let recommended = if key.recommended.is_empty() { Arc::default() } else { key.recommended.clone().into() };
        ConfigInfo {
            name: key.name.clone(),
            value: checked.value.as_ref().map(Parsed::setting),
            recommended,
            errors: checked.errors,
            visible: key.visible,
            definition: Some(definition),
        }
    }

    /// Of a key without a definition.
    pub fn undefined(name: &str, value: Option<String>) -> Self {
        ConfigInfo { name: name.into(), definition: None, value, recommended: Arc::default(), errors: Vec::new(), visible: true }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl ConfigInfos {
    pub fn error_count(&self) -> usize {
        self.configs.iter().map(|c| c.errors.len()).sum()
    }

    pub fn get(&self, key: &str) -> Option<&ConfigInfo> {
        self.configs.iter().find(|c| c.name == key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut ConfigInfo> {
        self.configs.iter_mut().find(|c| c.name == key)
    }

    /// Puts an error at its key; at a key of its own when there is none of that name.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let message = message.into();
        match self.get_mut(key) {
            Some(info) if info.errors.contains(&message) => {}
            Some(info) => info.errors.push(message),
            None => {
                let mut info = ConfigInfo::new(unknown(key, "").into(), Checked::default());
                info.errors.push(message);
                self.configs.push(info);
            }
        }
    }

    /// In the order of their first key.
    pub fn add_group(&mut self, group: &Option<String>) {
        if let Some(group) = group
            && !self.groups.contains(group)
        {
            self.groups.push(group.clone());
        }
    }
}

/// The definition of a key that nobody has defined.
pub fn unknown(name: &str, documentation: &str) -> ConfigKey {
    let kind = if crate::config::secret(name) { ConfigType::Password } else { ConfigType::String };
    ConfigKey::new(name, kind, Default::Null, Importance::Low, documentation)
}

impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = &*self.0;
        let default = match &key.default {
            Default::Value(v) => Some(Parsed::new(key.kind, v).map_or_else(|_| v.clone(), |v| v.setting())),
            Default::Required | Default::Null => None,
        };
        let mut json = serializer.serialize_struct("definition", 11)?;
        json.serialize_field("name", &key.name)?;
        json.serialize_field(
            "type",
            match key.kind {
                ConfigType::Boolean => "BOOLEAN",
                ConfigType::String => "STRING",
                ConfigType::Int => "INT",
                ConfigType::Short => "SHORT",
                ConfigType::Long => "LONG",
                ConfigType::Double => "DOUBLE",
                ConfigType::List => "LIST",
                ConfigType::Class => "CLASS",
                ConfigType::Password => "PASSWORD",
            },
        )?;
        json.serialize_field("required", &(key.default == Default::Required))?;
        json.serialize_field("default_value", &default)?;
        json.serialize_field(
            "importance",
            match key.importance {
                Importance::High => "HIGH",
                Importance::Medium => "MEDIUM",
                Importance::Low => "LOW",
            },
        )?;
        json.serialize_field("documentation", &key.documentation)?;
        json.serialize_field("group", &key.group)?;
        json.serialize_field("order_in_group", &if key.group.is_some() { i64::from(key.order) } else { -1 })?;
        json.serialize_field(
            "width",
            match key.width {
                Width::None => "NONE",
                Width::Short => "SHORT",
                Width::Medium => "MEDIUM",
                Width::Long => "LONG",
            },
        )?;
        json.serialize_field("display_name", &key.display_name)?;
        json.serialize_field("dependents", &key.dependents)?;
        json.end()
    }
}

struct Value<'a>(&'a ConfigInfo);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("value", 5)?;
        json.serialize_field("name", &self.0.name)?;
        json.serialize_field("value", &self.0.value)?;
        json.serialize_field("recommended_values", &*self.0.recommended)?;
        json.serialize_field("errors", &self.0.errors)?;
        json.serialize_field("visible", &self.0.visible)?;
        json.end()
    }
}

impl Serialize for ConfigInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("config", 2)?;
        json.serialize_field("definition", &self.definition)?;
        json.serialize_field("value", &Value(self))?;
        json.end()
    }
}

impl Serialize for ConfigInfos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("infos", 4)?;
        json.serialize_field("name", &self.name)?;
        json.serialize_field("error_count", &self.error_count())?;
        json.serialize_field("groups", &self.groups)?;
        json.serialize_field("configs", &self.configs)?;
        json.end()
    }
}
