//! A converter's own settings, without the prefix of the setting that names it.

use crate::RawConfig;

/// Reads settings; every error names the key, the value and what is expected.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    config: &'a RawConfig,
    /// Whether a key that has nothing behind it counts as one that is not there.
    empty_is_unset: bool,
}

impl<'a> Settings<'a> {
    /// As Connect's own converters read them: an empty value is a value, and one that no number or boolean is.
    pub fn new(config: &'a RawConfig) -> Self {
        Settings { config, empty_is_unset: false }
    }

    /// With empty values as if they were not set.
    pub fn without_empty(config: &'a RawConfig) -> Self {
        Settings { config, empty_is_unset: true }
    }

    /// None: it is not set.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.config.get(key).map(|v| v.trim()).filter(|v| !(self.empty_is_unset && v.is_empty()))
    }

    /// What is said of a wrong value.
    pub fn wrong(&self, key: &str, value: &str, remedy: &str) -> String {
        format!("Invalid value {value} for configuration {key}: {remedy}")
    }

    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.text(key) {
            None => Ok(default),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(self.wrong(key, v, "Expected value to be either true or false")),
        }
    }

    /// The first is the default; case does not matter.
    pub fn one_of(&self, key: &str, allowed: [&'static str; 2]) -> Result<&'static str, String> {
        let Some(v) = self.text(key) else { return Ok(allowed[0]) };
        let found = allowed.into_iter().find(|a| a.eq_ignore_ascii_case(v));
        // Connect names the default last.
        let [last, first] = allowed;
        found.ok_or_else(|| self.wrong(key, v, &format!("String must be one of (case insensitive): {first}, {last}")))
    }

    pub fn integer(&self, key: &str, default: i32) -> Result<i32, String> {
        let Some(v) = self.text(key) else { return Ok(default) };
        v.parse().map_err(|_| self.wrong(key, v, "Not a number of type INT"))
    }

    /// What a comma-separated list holds.
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.text(key).into_iter().flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).collect()
    }
}
