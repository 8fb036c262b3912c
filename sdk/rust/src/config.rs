//! Configuration: keys declared once, values read by type.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Error;
pub use crate::bindings::host::millrace::plugin::types::{ConfigIssue, ConfigKey, ConfigType, Importance};

impl ConfigKey {
    fn of(name: &str, kind: ConfigType) -> Self {
        ConfigKey {
            name: name.into(),
            kind,
            default_value: None,
            nullable: true,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order_in_group: 0,
            display_name: name.into(),
            dependents: Vec::new(),
            allowed: Vec::new(),
            attributes: Vec::new(),
        }
    }
    /// A key of Connect's type STRING. Like all of these it is optional until [`required`](Self::required) or
    /// [`default`](Self::default) says otherwise.
    pub fn text(name: &str) -> Self {
        Self::of(name, ConfigType::Text)
    }
    pub fn boolean(name: &str) -> Self {
        Self::of(name, ConfigType::Boolean)
    }
    pub fn int(name: &str) -> Self {
        Self::of(name, ConfigType::Int)
    }
    pub fn short(name: &str) -> Self {
        Self::of(name, ConfigType::Short)
    }
    pub fn long(name: &str) -> Self {
        Self::of(name, ConfigType::Long)
    }
    pub fn double(name: &str) -> Self {
        Self::of(name, ConfigType::Double)
    }
    /// Comma separated.
    pub fn list(name: &str) -> Self {
        Self::of(name, ConfigType::List)
    }
    pub fn class(name: &str) -> Self {
        Self::of(name, ConfigType::Class)
    }
    /// The plugin reads `[hidden]`; only the host, by a binding, uses the value.
    pub fn password(name: &str) -> Self {
        Self::of(name, ConfigType::Password)
    }
    /// It must be given.
    pub fn required(mut self) -> Self {
        self.default_value = None;
        self.nullable = false;
        self.importance = Importance::High;
        self
    }
    /// What it has when it is not given.
    pub fn default(mut self, value: impl ToString) -> Self {
        self.default_value = Some(value.to_string());
        self.nullable = false;
        self
    }
    pub fn doc(mut self, documentation: &str) -> Self {
        self.documentation = documentation.into();
        self
    }
    pub fn high(mut self) -> Self {
        self.importance = Importance::High;
        self
    }
    pub fn low(mut self) -> Self {
        self.importance = Importance::Low;
        self
    }
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.into());
        self
    }
    pub fn display(mut self, name: &str) -> Self {
        self.display_name = name.into();
        self
    }
    pub fn dependents<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.dependents = names.into_iter().map(Into::into).collect();
        self
    }
    /// The only values it may have.
    pub fn allowed<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed = values.into_iter().map(Into::into).collect();
        self
    }
    /// The least number it may be.
    pub fn least(self, least: i64) -> Self {
        self.attribute("least", least)
    }
    /// The greatest number it may be.
    pub fn most(self, most: i64) -> Self {
        self.attribute("most", most)
    }
    /// An empty string or list is refused.
    pub fn non_empty(self) -> Self {
        self.attribute("non-empty", true)
    }
    /// Values to choose from, which does not forbid others.
    pub fn recommended<'a>(self, values: impl IntoIterator<Item = &'a str>) -> Self {
        values.into_iter().fold(self, |key, value| key.attribute("recommended", value))
    }
    /// How wide a form shows it.
    pub fn width(self, width: Width) -> Self {
        self.attribute("width", width.name())
    }
    /// Forms leave it out.
    pub fn hidden(self) -> Self {
        self.attribute("visible", false)
    }
    /// A key of the plugin's own beyond those of the class whose name it answers to: who validates a configuration sees it
    /// only when it is given.
    pub fn extension(self) -> Self {
        self.attribute("extension", true)
    }
    /// Names that begin so are of this key too: `column.mask.with.` and a number.
    pub fn begins(self, prefix: &str) -> Self {
        self.attribute("begins", prefix)
    }
    fn attribute(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.push((name.into(), value.to_string()));
        self
    }
}

/// How wide a form shows a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    None,
    Short,
    Medium,
    Long,
}

impl Width {
    fn name(self) -> &'static str {
        match self {
            Width::None => "none",
            Width::Short => "short",
            Width::Medium => "medium",
            Width::Long => "long",
        }
    }
}

impl ConfigIssue {
    /// `message` names the value and the remedy.
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        ConfigIssue { name: name.into(), message: message.into(), recommended: Vec::new() }
    }
}

/// An error of a setting read in `validate` is the issue to report.
impl From<Error> for ConfigIssue {
    fn from(e: Error) -> Self {
        ConfigIssue { name: e.field.unwrap_or_default(), message: e.message, recommended: Vec::new() }
    }
}

/// A connector's or task's configuration: what was written, over the defaults of the plugin's keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    given: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
}

impl Config {
    /// For tests, and for building task configurations.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Config { given: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), defaults: BTreeMap::new() }
    }
    /// Adds the defaults of `keys`; the SDK has done it for every configuration it hands to a plugin.
    pub fn with_defaults(mut self, keys: &[ConfigKey]) -> Self {
        self.defaults.extend(keys.iter().filter_map(|k| Some((k.name.clone(), k.default_value.clone()?))));
        self
    }
    /// The value of a key: what was given, else its default.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.given.get(key).or_else(|| self.defaults.get(key)).map(String::as_str)
    }
    /// Whether the key was given, its default aside.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }
    /// What was given, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.given.insert(key.into(), value.into());
    }
    /// The same, with one more setting.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }
    /// The value of a key that must have one that is not blank.
    pub fn required(&self, key: &str) -> Result<&str, Error> {
        match self.get(key) {
            Some(v) if !v.trim().is_empty() => Ok(v),
            Some(_) => Err(Error::config(key, format!("\"{key}\" is empty; give it a value"))),
            None => Err(Error::config(key, format!("\"{key}\" is missing; give it a value"))),
        }
    }
    fn parse<T: std::str::FromStr>(&self, key: &str, what: &str) -> Result<T, Error> {
        let v = self.required(key)?.trim();
        v.parse().map_err(|_| Error::config(key, format!("\"{key}\" is \"{v}\", which is not {what}; give it {what}")))
    }
    pub fn int(&self, key: &str) -> Result<i64, Error> {
        self.parse(key, "a whole number")
    }
    /// A whole number that is one of a range.
    pub fn int_in(&self, key: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64, Error> {
        let n = self.int(key)?;
        if range.contains(&n) {
            return Ok(n);
        }
        let (lo, hi) = range.into_inner();
        Err(Error::config(key, format!("\"{key}\" is {n}; give it a number from {lo} to {hi}")))
    }
    pub fn double(&self, key: &str) -> Result<f64, Error> {
        self.parse(key, "a number")
    }
    pub fn bool(&self, key: &str) -> Result<bool, Error> {
        match self.required(key)?.trim() {
            v if v.eq_ignore_ascii_case("true") => Ok(true),
            v if v.eq_ignore_ascii_case("false") => Ok(false),
            v => Err(Error::config(key, format!("\"{key}\" is \"{v}\"; give it true or false"))),
        }
    }
    /// The entries of a comma separated list, trimmed, without empty ones; none when the key has no value.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.get(key).unwrap_or_default().split(',').map(str::trim).filter(|v| !v.is_empty()).collect()
    }
    /// A number of milliseconds, as Connect's `*.ms` keys are.
    pub fn duration(&self, key: &str) -> Result<Duration, Error> {
        let ms: u64 = self.parse(key, "a number of milliseconds, 0 or more")?;
        Ok(Duration::from_millis(ms))
    }
    /// The value, which must be one of `allowed`, whatever its case.
    pub fn one_of<'a>(&self, key: &str, allowed: &[&'a str]) -> Result<&'a str, Error> {
        let v = self.required(key)?.trim();
        allowed
            .iter()
            .find(|a| a.eq_ignore_ascii_case(v))
            .copied()
            .ok_or_else(|| Error::config(key, format!("\"{key}\" is \"{v}\"; give it one of {}", allowed.join(", "))))
    }
    pub(crate) fn from_wire(pairs: Vec<(String, String)>, keys: &[ConfigKey]) -> Self {
        Config::new(pairs).with_defaults(keys)
    }
    pub(crate) fn into_wire(self) -> Vec<(String, String)> {
        self.given.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new([("n", " 7 "), ("bad", "seven"), ("names", "a, b,,c"), ("on", "TRUE"), ("blank", " ")])
            .with_defaults(&[ConfigKey::int("n").default(3), ConfigKey::long("wait.ms").default(250)])
    }

    #[test]
    fn values_are_read_by_type_over_their_defaults() {
        let c = config();
        assert_eq!(c.int("n").unwrap(), 7);
        assert_eq!(c.duration("wait.ms").unwrap(), Duration::from_millis(250));
        assert_eq!(c.list("names"), ["a", "b", "c"]);
        assert!(c.bool("on").unwrap());
        assert!(c.is_given("n") && !c.is_given("wait.ms"));
    }

    #[test]
    fn a_wrong_value_names_the_key_the_value_and_the_remedy() {
        let e = config().int("bad").unwrap_err();
        assert_eq!(e.field.as_deref(), Some("bad"));
        assert_eq!(e.message, "\"bad\" is \"seven\", which is not a whole number; give it a whole number");
        assert_eq!(config().int_in("n", 1..=5).unwrap_err().message, "\"n\" is 7; give it a number from 1 to 5");
        assert_eq!(config().required("blank").unwrap_err().message, "\"blank\" is empty; give it a value");
        assert_eq!(config().required("none").unwrap_err().message, "\"none\" is missing; give it a value");
        assert_eq!(config().one_of("bad", &["x", "y"]).unwrap_err().message, "\"bad\" is \"seven\"; give it one of x, y");
    }

    #[test]
    fn defaults_do_not_travel_in_task_configurations() {
        assert!(!config().into_wire().iter().any(|(k, _)| k == "wait.ms"));
    }
}
