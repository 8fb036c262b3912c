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

    /// The value of a key: what was given, without white space around it, else its default.
    pub fn value<'a>(&'a self, config: &'a RawConfig, name: &str) -> Option<&'a str> {
        config.get(name).map(|v| v.trim()).or_else(|| match &self.get(name)?.default {
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
                Some(given) => {
                    // A secret that is wrong is not repeated where everybody reads it.
                    let shown = if key.kind == ConfigType::Password { "[hidden]" } else { given.trim() };
                    let wrong = |why: &str| issue(format!("Invalid value {shown} for configuration {}: {why}", key.name));
                    if let Err(why) = key.kind.check(given) {
                        issues.push(wrong(why));
                    } else if !key.allows(given) {
                        issues.push(wrong(&format!("String must be one of: {}", key.allowed.join(", "))));
                    }
                }
            }
        }
        issues
    }
}

impl ConfigKey {
    /// Whether it is one of the allowed values; of a list, every element.
    fn allows(&self, given: &str) -> bool {
        let known = |v: &str| self.allowed.iter().any(|a| a == v);
        self.allowed.is_empty()
            || match self.kind {
                ConfigType::List => given.split(',').map(str::trim).filter(|v| !v.is_empty()).all(known),
                ConfigType::Boolean => known(&given.trim().to_ascii_lowercase()),
                _ => known(given.trim()),
            }
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
            // Java knows no other words for what is not a finite number.
            ConfigType::Double => number(
                v.parse::<f64>().is_ok_and(|d| d.is_finite() || matches!(v.trim_start_matches(['-', '+']), "NaN" | "Infinity")),
                "Not a number of type DOUBLE",
            ),
            ConfigType::String | ConfigType::List | ConfigType::Class | ConfigType::Password => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, kind: ConfigType, default: Default, allowed: &[&str]) -> ConfigKey {
        ConfigKey {
            name: name.into(),
            kind,
            default,
            importance: Importance::High,
            documentation: String::new(),
            group: None,
            order: 0,
            display_name: name.into(),
            dependents: Vec::new(),
            allowed: allowed.iter().map(|a| a.to_string()).collect(),
        }
    }

    /// What is said of one value of one type; nothing when it is right.
    fn said(kind: ConfigType, allowed: &[&str], value: &str) -> Option<String> {
        let def = ConfigDef { keys: vec![key("k", kind, Default::Null, allowed)] };
        def.validate(&RawConfig::from([("k".into(), value.into())])).pop().map(|i| i.message)
    }

    #[test]
    fn values_are_parsed_as_connect_does() {
        use ConfigType::*;
        for (kind, value) in [
            (Boolean, " TRUE "),
            (Int, " 5 "),
            (Int, "+5"),
            (Int, "-2147483648"),
            (Short, "32767"),
            (Long, "9223372036854775807"),
            (Double, "1e3"),
            (Double, "NaN"),
            (String, ""),
            (List, "a,,b"),
        ] {
            assert_eq!(said(kind, &[], value), None, "{value}");
        }
        for (kind, value, why) in [
            (Boolean, "yes", "Expected value to be either true or false"),
            (Int, "abc", "Not a number of type INT"),
            (Int, "2147483648", "Not a number of type INT"),
            (Int, "1.0", "Not a number of type INT"),
            (Short, "32768", "Not a number of type SHORT"),
            (Long, "", "Not a number of type LONG"),
            (Double, "inf", "Not a number of type DOUBLE"),
        ] {
            assert_eq!(said(kind, &[], value), Some(format!("Invalid value {value} for configuration k: {why}")));
        }
    }

    #[test]
    fn allowed_values() {
        let one_of = "Invalid value c for configuration k: String must be one of: a, b";
        assert_eq!(said(ConfigType::String, &["a", "b"], " a "), None);
        assert_eq!(said(ConfigType::String, &["a", "b"], "c").as_deref(), Some(one_of));
        assert_eq!(said(ConfigType::List, &["a", "b"], "b, a"), None);
        assert!(said(ConfigType::List, &["a", "b"], "b,c").is_some());
        let secret = said(ConfigType::Password, &["a"], "hunter2").unwrap();
        assert!(secret.starts_with("Invalid value [hidden] for"), "{secret}");
    }

    #[test]
    fn every_wrong_setting_is_said_at_once() {
        let keys = vec![
            key("topic", ConfigType::String, Default::Required, &[]),
            key("tasks.max", ConfigType::Int, Default::Value("1".into()), &[]),
        ];
        let def = ConfigDef { keys };
        let config = RawConfig::from([("tasks.max".into(), "abc".into())]);
        let messages: Vec<_> = def.validate(&config).into_iter().map(|i| i.message).collect();
        assert_eq!(
            messages,
            [
                "Missing required configuration \"topic\" which has no default value.",
                "Invalid value abc for configuration tasks.max: Not a number of type INT"
            ]
        );
        let given = RawConfig::from([("topic".into(), " t ".into())]);
        assert_eq!((def.value(&given, "topic"), def.value(&given, "tasks.max")), (Some("t"), Some("1")));
        assert!(def.validate(&given).is_empty());
    }
}
